/* What the parts of the consumer's face share. */
#pragma once

#include "event/log.h"
#include "streamer/socket.h"

/* One connection: socket->of_face. */
struct consumer {
	struct id sid;
	struct log_head head; /* for following it */
	struct cursor at;     /* live from here on */
	uint64_t present;     /* version of the set of those who look */
	uint64_t classes;
	struct buf greeting; /* until it is said */
	unsigned code;       /* not 0: it is only said goodbye to, for that reason */
	const char *reason;
	uint64_t full_ms; /* clock_mono_ms: when it may send a whole burst again */
};
