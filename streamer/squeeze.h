/*
 * The newest events of one session in one format, of one set of types, compressed once for all.
 * Pure but for the memory that all of a node's share.
 *
 * Beside the ring of a format lies, while clients ask for it, a ring of the same events as pieces
 * of one deflate stream (press/press.h).  A client begins at a fresh piece and takes each one after
 * it; until then, and for whatever else it is sent, it gets bytes of its own: see
 * streamer/intake.h.
 *
 * A piece is fresh when somebody waits for one, or after a silence in which clients were sent signs
 * of life.  An event that is too large has none: its successor is fresh.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "press/gzip.h"
#include "press/press.h"
#include "streamer/format.h"
#include "streamer/position.h"
#include "streamer/ring.h"

enum {
	SQUEEZE_EVENTS = 512, /* held in the ring */
	SQUEEZE_BYTES = 128 * 1024,
	SQUEEZE_PLAIN_MAX = 64 * 1024, /* of an event that is compressed */
	SQUEEZE_PIECE_MAX = 8 * 1024,  /* what a full socket has left of one is copied */
	SQUEEZE_FRESH_EVERY = 16,      /* or more pieces lie between fresh ones */
	SQUEEZE_BUSY_MS = 1000,        /* silent for less, memory is not taken away for others */
};

struct squeeze;

TAILQ_HEAD(squeezes, squeeze);

/* The memory of compressors, of which there are at most so many. */
struct squeeze_pool {
	struct squeezes warm; /* have it; the longest silent first */
	size_t count, max;
	uint64_t silent_ms; /* of a session: its clients may have been sent signs of life */
	uint64_t made;
	struct buf piece, frame; /* scratch */
};

void squeeze_pool_init(struct squeeze_pool *pool, size_t max, uint64_t silent_ms);
void squeeze_pool_fini(struct squeeze_pool *pool);                  /* nobody is left */
void squeeze_pool_tick(struct squeeze_pool *pool, uint64_t now_ms); /* who is silent gives it up */

struct squeeze_mark {
	uint64_t id; /* of a piece: the one before, plus one; 0: the event has none */
	struct gzip_sum before, after;
	bool is_wanted, is_fresh;
};

struct squeeze {
	struct squeeze_pool *pool;
	struct press *press;
	enum format format;
	uint64_t types;
	struct ring ring;
	struct squeeze_mark *marks; /* of the ring's frames, by n */
	size_t slots;               /* of marks: as many as the ring has */
	struct gzip_sum sum;        /* of all pieces */
	uint64_t last;              /* id of the newest piece */
	uint64_t pushed_ms;
	unsigned since_fresh; /* pieces */
	bool is_missed;       /* somebody waits for a fresh one */
	bool is_warm;
	size_t users;
	TAILQ_ENTRY(squeeze) warm_link;
	LIST_ENTRY(squeeze) form_link;
};

struct squeeze *squeeze_new(struct squeeze_pool *pool, enum format format, uint64_t types,
                            struct cursor before) MUST_CHECK;
void squeeze_free(struct squeeze *squeeze);
size_t squeeze_memory(const struct squeeze *squeeze); /* of the ring and its marks */

/* As with ring_push(): every event, in order; frame is what the format has for it. */
void squeeze_push(struct squeeze *squeeze, const struct cursor *at, unsigned type, struct str frame,
                  uint64_t now_ms);
void squeeze_reset(struct squeeze *squeeze, struct cursor before);

/* Pieces after `at` for a client whose newest is `last` (0: none): none when it has to begin anew.
 * The position is in the format's ring too. */
void squeeze_plan(const struct squeeze *squeeze, uint64_t last, const struct cursor *at,
                  struct plan *ret);

/* The next fresh piece's n; 0: there is none. */
uint64_t squeeze_fresh_after(const struct squeeze *squeeze, uint64_t n);

/* What became of a plan. */
struct squeeze_step {
	const struct squeeze_mark *first, *newest; /* pieces that were sent, if only in part */
	struct iovec rest[2];                      /* of the newest, that was not */
	int rest_count;
	uint64_t events;
};
/* That many bytes of the plan were taken: move past every piece that was begun. */
void squeeze_advance(const struct squeeze *squeeze, struct position *position, size_t bytes,
                     struct squeeze_step *ret);
