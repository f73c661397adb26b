/*
 * Pages of history in bytes, as they were read for somebody, kept a moment for whoever comes next:
 * of a crowd that comes back, the first has them read, whenever the others arrive.
 *
 * All of a streamer together have a bound; the oldest go first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "streamer/format.h"
#include "streamer/ring.h"

struct channel;
struct feed;

enum {
	KEPT_BYTES_MAX = 16 * 1024 * 1024,
	KEPT_MS = 2000, /* since it was read */
};

TAILQ_HEAD(kept_pages, kept_page);
LIST_HEAD(kept_of_channel, kept_page);

struct kept_page {
	struct channel *channel;
	struct ring rings[FORMAT_COUNT]; /* of one and the same page */
	bool made[FORMAT_COUNT];         /* in these formats */
	size_t bytes;
	uint64_t made_ms;
	unsigned users; /* it is being served: it stays */
	bool dropped;
	TAILQ_ENTRY(kept_page) link; /* of the feed, the oldest first */
	LIST_ENTRY(kept_page) of_channel;
};

/* The rings are its own from now on; those that are not made are of no account. */
void kept_add(struct channel *channel, const struct ring rings[FORMAT_COUNT],
              const bool made[FORMAT_COUNT]);

/* A page with what follows the position, held until it is released; NULL: there is none. */
struct kept_page *kept_hold(struct channel *channel, const struct cursor *at, enum format format);
void kept_release(struct kept_page *kept);
/* Is there something in it for that position? */
bool kept_has(const struct kept_page *kept, const struct cursor *at, enum format format);

/* Its log may be another one now. */
void kept_forget(struct channel *channel);
void kept_age(struct feed *feed, uint64_t now_ms);
