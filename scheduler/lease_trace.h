/* The spans of giving a session to a worker (trace/trace.h): its wait in the queue until it was
 * claimed, and from then until the worker has its order. */
#pragma once

#include <stdint.h>

struct handover_lease;
struct session;

/* claimed_us: clock_wall_us() */
void lease_trace_begin(struct handover_lease *lease, const struct session *row, int64_t claimed_us);
/* By its code; one that nobody ends tells nothing. */
void lease_trace_end(struct handover_lease *lease, const struct session *row, int64_t claimed_us);
