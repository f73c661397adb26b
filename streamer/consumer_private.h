/* What the parts of the consumer's face share. */
#pragma once

#include "event/log.h"
#include "streamer/socket.h"

/* What is known before the connection is open. */
struct consumer_start {
	struct log_head head; /* for following it */
	struct cursor at;     /* live from here on */
	uint64_t present;     /* version of the set of those who look */
	uint64_t classes;
	struct buf greeting;
	unsigned code; /* not 0: it is only said goodbye to, for that reason */
	const char *reason;
};

/* One connection: socket->of_face. */
struct consumer {
	struct id sid;
	uint64_t full_ms;             /* clock_mono_ms: when it may send a whole burst again */
	struct consumer_start *start; /* NULL: it was open already */
};
