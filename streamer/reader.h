/*
 * Reading the log for sessions that are followed: from the tip, to catch up, and history for those
 * who are behind the ring.
 *
 * A few fibers do all of it.  Sessions whose end is not known come first; one read of history
 * serves every subscriber that stands at its place, and sessions take turns page by page.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "event/cursor.h"
#include "streamer/feed.h"

struct subscriber;

enum {
	READERS_MAX = 48,
	READERS_REPLAYING_MAX = 40, /* the rest is for catching up */
	READER_PAGE_BYTES = 256 * 1024,
};

/* A read of history in flight. */
struct replay {
	struct channel *channel;
	struct cursor after; /* of a folded block only n, the one before it */
	bool folds;
	uint64_t forgotten; /* the channel's, when it was begun */
	struct subscribers readers;
	LIST_ENTRY(replay) link;
};

/* A position beyond the end is in doubt while the log waits for its rebuild: its tail may come
 * back. */
bool reader_is_doubtful(const struct log_store *store, const struct log_page *page);

/* It is on no list: bring it what follows its position. */
void reader_want(struct subscriber *subscriber);
/* The same, of the folded block that its position is in. */
void reader_want_folded(struct subscriber *subscriber);
/* There may be something to read. */
void reader_wake(struct feed *feed);
