/*
 * Where a subscriber's next bytes come from.  One who keeps up gets the ring, or pages of history;
 * one who does not gets folded blocks until it has caught up, and copies of what is kept whole
 * before their turn.  Decisions only: nothing is written or read here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_event;
struct ring;
struct subscriber;

enum source_kind {
	SOURCE_RING,  /* from a ring that is here */
	SOURCE_READ,  /* a reader has to bring events */
	SOURCE_BLOCK, /* a reader has to bring a folded block */
	SOURCE_TORN,  /* its half frame was of a block that is another one now */
};

struct source {
	const struct ring *ring;
	uint64_t until; /* the last event to get from it */
	size_t bytes_max;
	bool folded;
};

/* RING: *ret is what it gets next. */
enum source_kind source_find(struct subscriber *subscriber, struct source *ret);
/* From a ring or page of events as they are. */
void source_plain(const struct subscriber *subscriber, const struct ring *ring, struct source *ret);
/* From here on it may get a folded block instead of events as they are. */
bool source_begins_block(const struct subscriber *subscriber);

/* What it should see before its turn comes; NULL: nothing. */
const struct log_event *source_ahead(const struct subscriber *subscriber);

void source_full(struct subscriber *subscriber); /* its outlet is */
void source_caught_up(struct subscriber *subscriber);
