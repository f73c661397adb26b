/*
 * The rows of sessions that have just been queued, read while they are being claimed: the order to
 * run them waits for one round trip less.  Whoever does not find a row here, or only an old one,
 * reads it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "loop/fiber.h"
#include "session/session_store.h"

struct app;

enum { AHEAD_MAX = 24, AHEAD_READS_MAX = 2 };

/* One query. */
struct ahead_read {
	TAILQ_ENTRY(ahead_read) link;
	struct app *app;
	struct arena *arena;
	struct id ids[AHEAD_MAX];
	size_t count;
	uint64_t sent_ms; /* clock_mono_ms */
	bool done;
	enum err_code code;
	struct session_batch rows;
	struct fiber_signal answered;
	unsigned refs;
};

struct ahead {
	struct id ids[AHEAD_MAX]; /* of the next query */
	size_t count;
	TAILQ_HEAD(ahead_reads, ahead_read) reads; /* newest first */
	unsigned reading;                          /* not answered yet */
};

void ahead_init(struct ahead *ahead);
void ahead_fini(struct ahead *ahead); /* after the app's fibers have ended */

/* It became ready just now, behind as many of its shard that rang and were not asked for yet. */
void ahead_note(struct app *app, uint64_t rung, const struct id *sid);
/* Ask for those that were noted, if some worker may take them. */
void ahead_ask(struct app *app);

/* The query that has this session's row, asked just now: to be released; NULL: none. */
struct ahead_read *ahead_find(struct app *app, const struct id *sid);
/* Waits for its answer. NULL: read it yourself. The row lives until the release. */
const struct session *ahead_row(struct ahead_read *read, const struct id *sid);
void ahead_release(struct ahead_read *read); /* NULL is a no-op */
