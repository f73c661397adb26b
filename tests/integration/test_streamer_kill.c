/*
 * Streamers die and stop at any time while sessions run: every watcher sees every event of its
 * session once, in order, and the end.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/streamer_world.h"

enum { WATCHERS = 24, SESSIONS = 4, KILLS = 10, BATCHES = 150, BATCH = 5 };

struct run {
	struct world *world;
	struct id sids[SESSIONS];
	struct fiber_group group;
	unsigned appending; /* sessions that have not ended */
	uint64_t last[SESSIONS];
};

struct watcher {
	struct run *run;
	size_t session, first_streamer;
	struct cursor at; /* the last event that was seen whole */
	unsigned connections;
	bool done;
};

/* Read until the connection ends. */
static void read_stream(struct watcher *watcher, struct viewer *viewer)
{
	while (viewer_next(viewer)) {
		struct cursor next;

		if (viewer_is(viewer, "end")) {
			watcher->done = true;
			continue;
		}
		next = viewer_at(viewer);
		if (next.n != watcher->at.n + 1) {
			fail_msg("%llu after %llu (%s)", (unsigned long long)next.n,
			         (unsigned long long)watcher->at.n,
			         buf_cstr(&viewer->parser.event_name));
		}
		watcher->at = next;
	}
}

static void watch(void *arg)
{
	struct watcher *watcher = arg;
	struct run *run = watcher->run;
	char text[CURSOR_SIZE] = "";

	for (size_t i = watcher->first_streamer; !watcher->done; i++) {
		struct viewer *viewer = viewer_try(run->world, i % STREAMERS,
		                                   &run->sids[watcher->session], "", text);

		if (viewer == NULL) {
			assert_int_equal(fiber_sleep(10), ERR_OK);
			continue;
		}
		if (viewer->status == 200) {
			watcher->connections++;
			read_stream(watcher, viewer);
		} else if (viewer->status == 204) { /* it died between the last event and the end */
			watcher->done = true;
		} else {
			assert_int_equal(viewer->status, 503);
			assert_int_equal(fiber_sleep(20), ERR_OK);
		}
		cursor_format(&watcher->at, text);
		viewer_close(viewer);
	}
}

static void append_all(void *arg)
{
	struct run *run = arg;
	size_t session = --run->appending;

	for (int i = 0; i < BATCHES; i++) {
		(void)world_notes(run->world, &run->sids[session], BATCH, BATCH);
		if (i % 50 == 49) {
			char token[32];

			(void)snprintf(token, sizeof(token), "lease-%d", i);
			(void)world_raise(run->world, &run->sids[session], token);
		}
		assert_int_equal(fiber_sleep(20), ERR_OK);
	}
	run->last[session] = world_finish(run->world, &run->sids[session]).n;
}

static void kill_some(struct run *run)
{
	for (int i = 0; i < KILLS; i++) {
		size_t victim = (size_t)i % STREAMERS;

		assert_int_equal(fiber_sleep(200), ERR_OK);
		(void)world_stop(run->world, victim, i % 4 == 3 ? SIGTERM : SIGKILL);
		world_start(run->world, victim);
		world_await_ready(run->world, victim);
	}
}

static void kill_body(struct world *world)
{
	struct run run = { .world = world, .appending = SESSIONS };
	struct watcher watchers[WATCHERS];
	unsigned connections = 0;

	world_start(world, 1);
	world_await_ready(world, 1);
	for (size_t i = 0; i < SESSIONS; i++) {
		run.sids[i] = world_session(world);
	}
	for (size_t i = 0; i < SESSIONS; i++) {
		(void)fiber_start(world->loop, &run.group, "append", append_all, &run);
	}
	for (size_t i = 0; i < WATCHERS; i++) {
		watchers[i] = (struct watcher){ .run = &run,
			                        .session = i % SESSIONS,
			                        .first_streamer = i / SESSIONS };
		(void)fiber_start(world->loop, &run.group, "watch", watch, &watchers[i]);
	}
	kill_some(&run);
	assert_int_equal(fiber_group_wait(&run.group, 2 * WORLD_WAIT_MS), ERR_OK);
	for (size_t i = 0; i < WATCHERS; i++) {
		assert_true(watchers[i].done);
		assert_int_equal(watchers[i].at.n, run.last[watchers[i].session]);
		connections += watchers[i].connections;
	}
	assert_true(connections > WATCHERS); /* or nobody was disturbed */
}

static void watchers_see_every_event_once_while_streamers_die(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_STREAM_RING_EVENTS=64", NULL };
	struct world world = { .body = kill_body, .settings = settings };

	(void)state;
	world_run(&world);
}

/* ---- the other server ---- */

static void postgres(const char *verb)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "%s %s", getenv("TEST_PG_CTL"), verb);
	assert_int_equal(system(command), 0);
}

static void without_postgres_body(struct world *world)
{
	struct id sid = world_session(world);
	struct cursor last = world_notes(world, &sid, 100, 10), at = { 0, 0 };
	struct viewer *viewer, *deep;

	world_archive(world, &sid, 10);
	viewer = viewer_open(world, 0, &sid, "?starting_after=95", "");
	at.n = 95;
	viewer_expect(viewer, &at, last.n);
	deep = viewer_open(world, 0, &sid, "", "");
	postgres("stop");
	for (int i = 0; i < 20; i++) {
		last = world_notes(world, &sid, 3, 3);
		viewer_expect(viewer, &at, last.n);
	}
	postgres("start");
	at = (struct cursor){ 0, 0 };
	viewer_expect(deep, &at, last.n); /* it has waited for the archive, or had it in time */
	viewer_close(viewer);
	viewer_close(deep);
}

static void open_streams_go_on_while_postgres_is_down(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_STREAM_RING_EVENTS=16", NULL };
	struct world world = { .body = without_postgres_body, .settings = settings };

	(void)state;
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watchers_see_every_event_once_while_streamers_die),
		cmocka_unit_test(open_streams_go_on_while_postgres_is_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
