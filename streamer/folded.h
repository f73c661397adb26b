/*
 * Blocks of sessions as slow readers get them: folded (event/fold.h) and in bytes, made once for
 * all slow readers of a session and kept while they are used.
 *
 * All blocks of a streamer together have a bound; the longest unused go first.  That a block cannot
 * be folded, because it is too large or has a gap, is remembered too: it is read as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "event/fold.h"
#include "streamer/format.h"
#include "streamer/ring.h"

struct channel;
struct feed;

enum {
	FOLDED_BYTES_MAX = 2 * 1024 * 1024, /* of all of them, but for the newest */
	FOLDED_KEPT_MS = 10000,             /* unused */
};

TAILQ_HEAD(folded_recent, folded);
LIST_HEAD(folded_blocks, folded);

struct folded {
	struct channel *channel;
	uint64_t block;
	struct ring *rings[FORMAT_COUNT]; /* NULL: not in that format */
	bool plain;                       /* it cannot be folded: there are no rings */
	size_t bytes;
	uint64_t used_ms;
	TAILQ_ENTRY(folded) recent; /* of the feed, the longest unused first */
	LIST_ENTRY(folded) of_channel;
};

/* The event after which the next block begins, for a reader that stands at n. */
static inline uint64_t folded_end(uint64_t n)
{
	return (fold_block_after(n) + 1) * FOLD_BLOCK;
}

/* NULL: not there, or not in that format. Valid until anything waits. */
const struct folded *folded_find(struct channel *channel, uint64_t block, enum format format);

/* On a fiber: read a whole block and keep it, in the formats that are followed. ERR_CONFLICT: the
 * log was another one when it was read; ask again. */
enum err_code folded_make(struct channel *channel, uint64_t block, struct err *err) MUST_CHECK;

/* Its log may be another one now. */
void folded_forget(struct channel *channel);
/* Give back what nobody has used for a while. */
void folded_age(struct feed *feed, uint64_t now_ms);
