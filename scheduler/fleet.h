/*
 * The workers as this scheduler last saw them.  What it believes may be late: the queue counts for
 * itself at each claim, so a mistake costs a claim or, until the next look, a moment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "queue/lease.h"
#include "queue/queue.h"
#include "scheduler/place.h"

struct redis;

enum { FLEET_MAX = 1024, FLEET_SEEN_MAX = 64 };

/* What a worker has in all shards. */
struct fleet_use {
	unsigned working, parked;
	bool freed;   /* rang since it was last asked */
	bool sated;   /* there was nothing more for it when it was asked, and nothing was left since
	               */
	bool awaited; /* some session waits for it, and for no other */
	bool dry;     /* nothing was ready that it could run, in this turn */
	struct id evicting; /* that it was last asked to let go, */
	uint64_t evict_ms;  /* and when: clock_mono_ms */
};

struct fleet {
	struct lease_worker *workers; /* FLEET_MAX, oldest first */
	struct fleet_use *uses;       /* beside them */
	size_t count;
	struct fleet_seen {
		char incarnation[QUEUE_WORKER_MAX + 1];
		uint64_t ms;
	} seen[FLEET_SEEN_MAX]; /* lately, also by a Redis that has forgotten it */
	size_t seen_count;
	uint64_t ready[QUEUE_SHARDS_MAX]; /* sessions that were ready at the last look */
	uint64_t read_ms;                 /* when that was; 0: never, or not to be trusted */
};

void fleet_init(struct fleet *fleet);
void fleet_fini(struct fleet *fleet);

/* Look again. */
enum err_code fleet_read(struct fleet *fleet, struct redis *redis, struct err *err) MUST_CHECK;

/* What the queue's bell says: "room <incarnation> ...". */
void fleet_freed(struct fleet *fleet, struct str payload);

/* Whether all that lived lately have told what they have in this generation of Redis; false also
 * when that is not known. */
bool fleet_all_back(const struct fleet *fleet, uint64_t generation);

/* The next free slot of this one is some session's. */
void fleet_await(struct fleet *fleet, const char *incarnation);

/* NULL: not alive, as far as we know. */
const struct lease_worker *fleet_find(const struct fleet *fleet, const char *incarnation);
/* Whether there may be living ones that are not in the list. */
bool fleet_is_cut(const struct fleet *fleet);

/* It has one session more. */
void fleet_took(struct fleet *fleet, const char *incarnation);
/* It turned out to be lost: nothing more for it until the next look. */
void fleet_lost(struct fleet *fleet, const char *incarnation);

unsigned fleet_room(const struct fleet *fleet, size_t i); /* sessions it could take now */
struct place_worker fleet_place(const struct fleet *fleet, size_t i);
