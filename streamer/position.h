/*
 * Where one subscriber stands, and what it gets next.  Pure: a ring in, pieces to write out, and
 * then how much of them was taken.
 *
 * A position is all that is kept of a slow reader: the last event it has completely, and how many
 * bytes of the next one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "event/cursor.h"
#include "event/event.h"
#include "streamer/ring.h"

#define POSITION_ALL_TYPES UINT64_MAX

struct position {
	struct cursor at;
	uint64_t types;   /* set of log_event_class() that are wanted; may change at any time */
	uint32_t sent;    /* bytes of the next wanted frame that are out already */
	uint32_t sent_of; /* while sent > 0: that frame's epoch, its lower half */
	uint32_t untold;  /* events passed over since the client last saw an id */
	bool folded;      /* while sent > 0: that frame is one of a folded block */
};

enum {
	PLAN_PIECES = 64,
	PLAN_BYTES = 64 * 1024, /* as a rule */
};

struct plan {
	struct iovec iov[PLAN_PIECES];
	int count;    /* 0: nothing that is wanted lies ahead in this ring */
	size_t bytes; /* of all pieces */
	bool torn;    /* the frame that is half out was retracted: its other half will never be */
};

/* The wanted frames after the position, which is INSIDE the ring: at most that many bytes of them,
 * but the first frame wholly. Those of length 0 are passed over. */
void position_plan(const struct position *position, const struct ring *ring, size_t bytes_max,
                   struct plan *ret);

/* The same, with no frame beyond the event `until`. */
void position_plan_until(const struct position *position, const struct ring *ring, uint64_t until,
                         size_t bytes_max, struct plan *ret);

/* May it go on in this ring of folded frames, INSIDE which it is? Not when it has a part of what
 * the next wanted one says. */
bool position_fits(const struct position *position, const struct ring *ring);

/* That many bytes of the plan were taken: move, also past what is not wanted. Returns the number
 * of events completed. */
uint64_t position_advance(struct position *position, const struct ring *ring, size_t bytes);
