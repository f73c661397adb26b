#include "scheduler/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "scheduler/app.h"

enum { FRESH_MS = 100, BACKLOG_MAX = 2 * AHEAD_MAX };

void ahead_init(struct ahead *ahead)
{
	ahead->count = 0;
	ahead->reading = 0;
	TAILQ_INIT(&ahead->reads);
}

void ahead_release(struct ahead_read *read)
{
	if (read != NULL && --read->refs == 0) {
		arena_free(read->arena);
		free(read);
	}
}

static void drop(struct ahead *ahead, struct ahead_read *read)
{
	TAILQ_REMOVE(&ahead->reads, read, link);
	ahead_release(read);
}

void ahead_fini(struct ahead *ahead)
{
	struct ahead_read *read;

	while ((read = TAILQ_FIRST(&ahead->reads)) != NULL) {
		drop(ahead, read);
	}
}

void ahead_note(struct app *app, uint64_t rung, const struct id *sid)
{
	/* What waits behind many others is claimed too late to be worth it. */
	if (app->ahead.count < AHEAD_MAX && rung < BACKLOG_MAX) {
		app->ahead.ids[app->ahead.count++] = *sid;
	}
}

static void ask(void *arg)
{
	struct ahead_read *read = arg;
	struct err err;

	read->code = session_get_all(read->app->node->pg, read->ids, read->count, read->arena,
	                             &read->rows, &err);
	read->done = true;
	read->app->ahead.reading--;
	fiber_signal_raise(&read->answered);
	ahead_release(read);
}

static bool is_fresh(const struct ahead_read *read)
{
	return clock_mono_ms() <= read->sent_ms + FRESH_MS;
}

static bool any_room(const struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count; i++) {
		if (fleet_room(fleet, i) > 0) {
			return true;
		}
	}
	return false;
}

void ahead_ask(struct app *app)
{
	struct ahead *ahead = &app->ahead;
	struct ahead_read *read;

	while ((read = TAILQ_LAST(&ahead->reads, ahead_reads)) != NULL && !is_fresh(read)) {
		drop(ahead, read);
	}
	if (ahead->count == 0 || ahead->reading == AHEAD_READS_MAX) {
		return;
	}
	if (any_room(&app->fleet)) {
		read = mem_calloc(1, sizeof(*read));
		read->app = app;
		read->arena = arena_new();
		read->count = ahead->count;
		memcpy(read->ids, ahead->ids, sizeof(read->ids));
		read->sent_ms = clock_mono_ms();
		fiber_signal_init(&read->answered);
		read->refs = 2; /* the list's, the fiber's */
		TAILQ_INSERT_HEAD(&ahead->reads, read, link);
		ahead->reading++;
		(void)fiber_start(app->node->loop, &app->fibers, "ahead", ask, read);
	}
	ahead->count = 0;
}

struct ahead_read *ahead_find(struct app *app, const struct id *sid)
{
	struct ahead_read *read;

	TAILQ_FOREACH (read, &app->ahead.reads, link) {
		for (size_t i = 0; i < read->count && is_fresh(read); i++) {
			if (id_eq(&read->ids[i], sid)) {
				read->refs++;
				return read;
			}
		}
	}
	return NULL;
}

const struct session *ahead_row(struct ahead_read *read, const struct id *sid)
{
	while (!read->done) {
		if (fiber_signal_wait(&read->answered, FIBER_NO_TIMEOUT) != ERR_OK) {
			return NULL;
		}
	}
	for (size_t i = 0; read->code == ERR_OK && i < read->rows.count; i++) {
		if (id_eq(&read->rows.items[i].id, sid)) {
			return &read->rows.items[i];
		}
	}
	return NULL;
}
