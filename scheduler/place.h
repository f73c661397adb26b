/*
 * Where a claimed session should run: pure.
 *
 * The queue gave it to a worker that has every word it needs.  Another one with room may start it
 * sooner, because it holds the session's repository or has the labels it likes; and a full one may
 * be worth waiting for, but no longer than what it saves, counted from when the session was queued.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct place_worker {
	const char *has, *holds; /* words, joined by commas */
	unsigned slots, working;
	unsigned resident, residing;
	bool draining;
};

struct place_ask {
	const char *needs, *likes; /* words; "repo=..." among what it likes is a repository */
	size_t here;               /* the worker that the queue gave it to */
	uint64_t waited_ms;        /* since it was queued */
	uint64_t materialise_ms;   /* what its repository takes where it is not held */
};

struct place_rules {
	bool pack;        /* fill workers one after the other; else all alike */
	uint64_t like_ms; /* what a label that is liked and missing counts */
};

enum place_what { PLACE_HERE, PLACE_THERE, PLACE_WAIT };

struct place {
	enum place_what what;
	size_t worker;    /* THERE, WAIT: which */
	uint64_t wait_ms; /* WAIT: at most */
};

struct place place_decide(const struct place_worker *workers, size_t count,
                          const struct place_ask *ask, const struct place_rules *rules);

/* Which of two workers is the better one for whatever comes: > 0: a, < 0: b, 0: either. */
int place_compare(const struct place_worker *a, const struct place_worker *b,
                  const struct place_rules *rules);
