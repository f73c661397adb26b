/*
 * The newest events of one session as bytes that are ready to send.  Pure.
 *
 * Frames lie one after the other in a circle of bytes, so that any run of them is one or two pieces
 * of an iovec.  Their n are dense; the oldest go when a frame, or the bytes, no longer fit.
 * Positions of bytes count from the beginning of time and never repeat.
 *
 * A page of history is a ring too, one that is large enough for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/str.h"
#include "event/cursor.h"

struct ring_frame {
	struct cursor at;
	uint64_t start; /* position of its first byte */
	uint32_t len;   /* 0: there is nothing to send for this event */
	uint8_t type;   /* log_event_class() */
	bool covered;   /* the next one that is not stands for it */
};

struct ring {
	size_t events_max, bytes_max;
	char *bytes;
	size_t size; /* of bytes: 0 or a power of two */
	struct ring_frame *frames;
	size_t slots;         /* of frames: 0 or a power of two */
	size_t count;         /* frames held */
	struct cursor before; /* the position just before the oldest frame */
	struct cursor tip;    /* the newest frame's, or before */
	uint64_t end;         /* position after the newest byte */
};

enum ring_place {
	RING_INSIDE,  /* whatever follows this position is in the ring, or the ring ends there */
	RING_BEHIND,  /* the ring has moved on */
	RING_AHEAD,   /* beyond the tip */
	RING_STRANGE, /* another event has this n: of an epoch that is not the position's */
};

void ring_init(struct ring *ring, size_t events_max, size_t bytes_max, struct cursor before);
void ring_fini(struct ring *ring);
void ring_reset(struct ring *ring, struct cursor before); /* empty, its memory given back */

size_t ring_memory(const struct ring *ring); /* what it takes, in bytes */

/* From now on hold no more bytes than that, and no more memory than that needs. */
void ring_limit(struct ring *ring, size_t bytes_max);

/* at->n is the tip's + 1. A frame larger than the whole ring empties it and is not kept. An empty
 * frame stands for an event that has no form here. */
void ring_push(struct ring *ring, const struct cursor *at, unsigned type, struct str frame);

/* The same, of an event that a later one of the ring stands for. */
void ring_push_covered(struct ring *ring, const struct cursor *at, unsigned type);

/* NULL when it is not held. */
const struct ring_frame *ring_at(const struct ring *ring, uint64_t n);
enum ring_place ring_place(const struct ring *ring, const struct cursor *at);
/* The position itself, with its epoch; at is INSIDE. */
struct cursor ring_cursor(const struct ring *ring, const struct cursor *at);

/* Bytes [start, start + len), all held; one or two pieces, appended; their number. */
int ring_pieces(const struct ring *ring, uint64_t start, size_t len, struct iovec *iov);
