/*
 * Fewer events for a reader who lags, with the same effect.  Pure.
 *
 * Block k is the events n = 128 k + 1 to 128 k + 128.  What a whole block becomes depends on
 * nothing else: whoever folds it gets the same bytes, so a frame of it that is half sent can be
 * continued from another copy.
 *
 * Between two events that are kept whole, pieces of one text that follow each other are joined, and
 * of kind LAST only the last of its type (and tool) is left.  An event that is left has the
 * envelope of the last one it stands for, and `covers`: {"from":"1-5","to":"1-60"}; these ranges do
 * not overlap and leave nothing out, so its id is a cursor like any other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "event/event.h"

enum {
	FOLD_BLOCK = 128,
	FOLD_JOINED_MAX = 32 * 1024, /* bytes of data that become one event */
};

struct fold {
	struct log_event *events; /* as given, but for data: fold_is_covered(), or joined */
	size_t count;
	struct buf bytes; /* private */
};

/* They are contiguous, and must outlive the result. */
void fold_events(const struct log_event *events, size_t count, struct fold *ret);
void fold_fini(struct fold *fold);

/* The next one that is not stands for it. */
static inline bool fold_is_covered(const struct log_event *event)
{
	return event->data.p == NULL;
}

/* The block of the event that follows the position n. */
static inline uint64_t fold_block_after(uint64_t n)
{
	return n / FOLD_BLOCK;
}
