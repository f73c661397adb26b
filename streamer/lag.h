/*
 * How long events of one session take from their append to the sockets, stage by stage:
 *
 *	append -> doorbell heard -> in the ring -> written to the sockets        and the whole
 *
 * A round begins with the first doorbell that brings something new and ends when everybody who had
 * all before has all again; bells that come meanwhile belong to the round that is under way, so a
 * figure is never smaller than the truth.  The first stage compares two clocks, Redis's and ours.
 * Those who are behind the tip are not counted here: their lag is their own.
 *
 * The clock is read twice for a bell, and once for LAG_LOOK writes, which get the later time.
 */
#pragma once

#include <stdint.h>

#include "base/id.h"
#include "event/log.h"

enum { LAG_LOOK = 16 };

struct lag {
	int64_t appended_us; /* by Redis's clock; 0: no round is under way */
	uint64_t heard_us;
	uint64_t pushed_us; /* 0: not in the ring yet */
	uint32_t waiting;   /* writes since the last look at the clock */
	uint32_t written;
	struct cursor first, last;  /* of the batch that is traced */
	char trace[LOG_TRACE_SIZE]; /* its trace id, or "" */
};

void lag_heard(struct lag *lag, const struct log_bell *bell); /* it says something new */
void lag_pushed(struct lag *lag);                             /* and now the ring has it */
void lag_wrote(struct lag *lag);                              /* one has all there is */
void lag_done(struct lag *lag, const struct id *sid);         /* all have */
