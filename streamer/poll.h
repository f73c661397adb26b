/*
 * A request that waits until a session has moved: woken by what wakes the streams, and by the end
 * of the streamer.
 */
#pragma once

#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "event/cursor.h"
#include "loop/fiber.h"

struct feed;

enum { POLLS_MAX = 1024 }; /* each holds a fiber and a connection */

struct poll {
	struct fiber_signal moved;
	LIST_ENTRY(poll) link;
};

/*
 * On a fiber: until the session's log has something after the cursor or has ended, at most until
 * then (clock_mono_ms). ERR_OK: look again; ERR_TIMEOUT: nothing came, or the streamer stops;
 * ERR_LIMIT: too many wait already.
 */
enum err_code poll_wait(struct feed *feed, const struct id *sid, const char *tenant,
                        const struct cursor *after, uint64_t until_ms, struct err *err) MUST_CHECK;
