/*
 * A streamer that stops lets its streams go evenly, tells each when to come back, and lets those
 * that catch up finish; whoever follows on elsewhere misses nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/integration/talker.h"

enum {
	WATCHERS = 400,
	SESSIONS = 20,
	LATE = 10, /* watchers that begin when it stops, with a long history to read */
	HISTORY = 4000,
	APPEND_MS = 50,
	SLOT_MS = 100,
	SLOTS = 600,
	LOOK_MS = 10,
	RATE = 200, /* that go in a second, if that is less time than there is */
	RETRY_MS = 1000,
	RUDE = 20,
};

struct run {
	struct world *world;
	struct id sids[SESSIONS];
	struct id long_one;
	struct fiber_group appenders, watchers;
	size_t next, open;
	bool stopping;
	uint64_t began_ms; /* SIGTERM */
	uint64_t last[SESSIONS];
	unsigned closes[SLOTS];
	uint64_t away_ms;           /* the longest time that nobody here looked */
	bool retries[RETRY_MS + 1]; /* those that were told */
};

struct watcher {
	struct run *run;
	const struct id *sid;
	struct cursor at;
	unsigned drained, moves;
	bool late, done;
	uint64_t closed_ms, had_n; /* of the first connection */
};

static void note_drain(struct watcher *watcher, const struct viewer *viewer)
{
	static const char start[] = "{\"type\":\"drain\",\"retryMs\":";
	struct str data = viewer->parser.data;
	uint64_t ms;

	watcher->drained++;
	assert_true(str_starts(data, str_of(start)) && str_ends(data, STR_LIT("}")));
	data = str_make(data.p + sizeof(start) - 1, data.n - sizeof(start));
	assert_true(parse_u64(data, RETRY_MS, &ms));
	watcher->run->retries[ms] = true;
}

static void read_stream(struct watcher *watcher, struct viewer *viewer)
{
	while (viewer_next(viewer)) {
		if (viewer_is(viewer, "end")) {
			watcher->done = true;
		} else if (viewer_is(viewer, "drain")) {
			note_drain(watcher, viewer);
		} else {
			assert_int_equal(viewer_at(viewer).n, watcher->at.n + 1);
			watcher->at = viewer_at(viewer);
			/* Nobody is kept from reading by one who has much to read. */
			if (watcher->at.n % EVENT_BATCH_MAX == 0) {
				assert_int_equal(fiber_yield(), ERR_OK);
			}
		}
	}
}

static void note_close(struct watcher *watcher)
{
	struct run *run = watcher->run;
	uint64_t slot = (clock_mono_ms() - run->began_ms) / SLOT_MS;

	assert_true(run->began_ms > 0 && slot < SLOTS);
	run->closes[slot]++;
	watcher->closed_ms = clock_mono_ms();
	watcher->had_n = watcher->at.n;
}

static void watch(void *arg)
{
	struct watcher *watcher = arg;
	char last[CURSOR_SIZE] = "";

	for (size_t streamer = 0; !watcher->done; streamer = 1) {
		struct viewer *viewer =
			viewer_open(watcher->run->world, streamer, watcher->sid, "", last);

		viewer->wants_drains = true;
		watcher->run->open++;
		if (viewer->status == 204) {
			watcher->done = true;
		} else {
			assert_int_equal(viewer->status, 200);
			read_stream(watcher, viewer);
		}
		if (watcher->moves++ == 0) {
			note_close(watcher);
		}
		cursor_format(&watcher->at, last);
		viewer_close(viewer);
	}
}

static void append_all(void *arg)
{
	struct run *run = arg;
	size_t session = run->next++;

	while (!run->stopping) {
		(void)world_notes(run->world, &run->sids[session], 1, 1);
		assert_int_equal(fiber_sleep(APPEND_MS), ERR_OK);
	}
	run->last[session] = world_finish(run->world, &run->sids[session]).n;
}

static void look(void *arg)
{
	struct run *run = arg;
	uint64_t before = clock_mono_ms();

	while (!run->stopping) {
		uint64_t now;

		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
		now = clock_mono_ms();
		run->away_ms = now - before > run->away_ms ? now - before : run->away_ms;
		before = now;
	}
}

static void check_closes(const struct run *run)
{
	/* 20 in a slot; and those that went while nobody looked are all seen in one. */
	unsigned bound = WATCHERS / 5 + (unsigned)run->away_ms * 2 * RATE / 1000;
	unsigned all = 0, most = 0;

	for (size_t i = 0; i < SLOTS; i++) {
		all += run->closes[i];
		most = run->closes[i] > most ? run->closes[i] : most;
	}
	assert_int_equal(all, WATCHERS + LATE);
	if (most > bound) {
		fail_msg("%u of %u closes in one slot, not %u", most, all, bound);
	}
}

static unsigned told_apart(const struct run *run)
{
	unsigned count = 0;

	for (size_t i = 0; i <= RETRY_MS; i++) {
		count += run->retries[i];
	}
	return count;
}

static void drain_body(struct world *world)
{
	struct run *run = calloc(1, sizeof(*run));
	struct watcher *watchers = calloc(WATCHERS + LATE, sizeof(*watchers));
	uint64_t long_n;

	assert_true(run != NULL && watchers != NULL);
	run->world = world;
	world_start(world, 1);
	world_await_ready(world, 1);
	run->long_one = world_session(world);
	long_n = world_notes(world, &run->long_one, HISTORY, EVENT_BATCH_MAX).n;
	for (size_t i = 0; i < SESSIONS; i++) {
		run->sids[i] = world_session(world);
		(void)fiber_start(world->loop, &run->appenders, "append", append_all, run);
	}
	for (size_t i = 0; i < WATCHERS + LATE; i++) {
		watchers[i] = (struct watcher){ .run = run,
			                        .late = i >= WATCHERS,
			                        .sid = i < WATCHERS ? &run->sids[i % SESSIONS]
			                                            : &run->long_one };
		(void)fiber_start(world->loop, &run->watchers, "watch", watch, &watchers[i]);
	}
	while (run->open < WATCHERS + LATE) {
		assert_int_equal(fiber_sleep(1), ERR_OK);
	}
	run->began_ms = clock_mono_ms();
	(void)fiber_start(world->loop, &run->appenders, "look", look, run);
	assert_int_equal(world_stop(world, 0, SIGTERM), 0);
	assert_true(run->open >= WATCHERS + LATE);
	run->stopping = true;
	(void)world_finish(world, &run->long_one);
	assert_int_equal(fiber_group_wait(&run->appenders, WORLD_WAIT_MS), ERR_OK);
	assert_int_equal(fiber_group_wait(&run->watchers, WORLD_WAIT_MS), ERR_OK);
	check_closes(run);
	assert_true(told_apart(run) >= 32);
	for (size_t i = 0; i < WATCHERS + LATE; i++) {
		assert_int_equal(watchers[i].drained, 1);
		assert_int_equal(watchers[i].moves, 2);
		if (watchers[i].late) {
			assert_int_equal(watchers[i].had_n, long_n); /* finished before it went */
		} else {
			assert_int_equal(watchers[i].at.n, run->last[i % SESSIONS]);
		}
	}
	free(run);
	free(watchers);
}

static void streams_go_evenly_and_are_whole_elsewhere(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_DRAIN_TIMEOUT=60s",
		                                "FAIRLEAD_STREAM_RETRY=1s", NULL };
	struct world world = { .body = drain_body, .settings = settings };

	(void)state;
	world_run(&world);
}

/* ---- those who do not answer ---- */

static void rude_body(struct world *world)
{
	struct id sid = world_session(world);
	struct talker *talkers[RUDE];
	struct viewer *viewers[RUDE];
	pid_t pid = world->streamers[0].pid;

	for (size_t i = 0; i < RUDE; i++) {
		talkers[i] = talker_open(world, 0, "/api/v1/ws", "");
		assert_int_equal(talkers[i]->status, 101);
		viewers[i] = viewer_open(world, 0, &sid, "", "");
	}
	(void)kill(pid, SIGTERM);
	for (size_t i = 0; i < RUDE; i++) {
		while (viewer_next(viewers[i])) {
		}
		assert_true(viewers[i]->ended);
	}
	/* Told to go, and told goodbye; nobody has waited for their answers. */
	for (size_t i = 0; i < RUDE; i++) {
		char byte;

		talker_expect(talkers[i], "drain");
		assert_true(talker_frame(talkers[i], WORLD_WAIT_MS));
		assert_int_equal(talkers[i]->code, WS_CODE_RESTART);
		assert_int_equal(recv(talkers[i]->fd, &byte, 1, MSG_DONTWAIT), -1);
		talker_close(talkers[i]);
		viewer_close(viewers[i]);
	}
	world->streamers[0].pid = 0;
	assert_int_equal(world_await_end(pid), 0);
}

static void nobody_waits_for_sockets_that_do_not_say_goodbye(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_DRAIN_TIMEOUT=20s", NULL };
	struct world world = { .body = rude_body, .settings = settings };

	(void)state;
	world_run(&world);
}

/* ---- a few ---- */

static void few_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewers[3];
	uint64_t began;

	for (size_t i = 0; i < ARRAY_LEN(viewers); i++) {
		viewers[i] = viewer_open(world, 0, &sid, "", "");
	}
	began = clock_mono_ms();
	assert_int_equal(world_stop(world, 0, SIGTERM), 0);
	assert_true(clock_mono_ms() - began < WORLD_WAIT_MS / 2); /* of 60 s */
	for (size_t i = 0; i < ARRAY_LEN(viewers); i++) {
		while (viewer_next(viewers[i])) {
		}
		assert_true(viewers[i]->ended);
		viewer_close(viewers[i]);
	}
}

static void a_few_streams_do_not_take_all_the_time(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_DRAIN_TIMEOUT=60s", NULL };
	struct world world = { .body = few_body, .settings = settings };

	(void)state;
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_go_evenly_and_are_whole_elsewhere),
		cmocka_unit_test(nobody_waits_for_sockets_that_do_not_say_goodbye),
		cmocka_unit_test(a_few_streams_do_not_take_all_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
