/* Streams that are compressed once for all who take them: joining, leaving, ends, and who is plain.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/streamer_world.h"

enum { VIEWERS = 6 };

static void run_with(void (*body)(struct world *world), const char *const *settings)
{
	struct world world = { .body = body, .settings = settings };

	assert_int_equal(setenv("VIEWERS_ACCEPT", "gzip", 1), 0);
	world_run(&world);
}

static struct viewer *open_plain(struct world *world, const struct id *sid)
{
	struct viewer *viewer;

	assert_int_equal(unsetenv("VIEWERS_ACCEPT"), 0);
	viewer = viewer_open(world, 0, sid, "", "");
	assert_int_equal(setenv("VIEWERS_ACCEPT", "gzip", 1), 0);
	return viewer;
}

static void join_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *plain = open_plain(world, &sid), *viewers[VIEWERS];
	struct cursor ats[VIEWERS] = { { 0, 0 } }, at = { 0, 0 }, last = { 0, 0 };

	assert_null(plain->gzip);
	for (size_t i = 0; i < VIEWERS; i++) { /* each joins later, some from the middle */
		char query[64];

		(void)snprintf(query, sizeof(query), "?starting_after=%d", (int)(i * 60));
		viewers[i] = viewer_open(world, 0, &sid, query, "");
		assert_non_null(viewers[i]->gzip);
		ats[i] = (struct cursor){ 0, i * 60 };
		last = world_notes(world, &sid, 100, 7);
		for (size_t k = 0; k <= i; k++) {
			viewer_expect(viewers[k], &ats[k], last.n);
		}
	}
	viewer_expect(plain, &at, last.n);
	/* All but one event in sixteen or so, of each who is there. */
	assert_true(world_metric(world, 0, "fairlead_events_compressed_total") >
	            VIEWERS * (VIEWERS + 1) / 2 * 60);
	assert_true(viewers[0]->wire_bytes * 3 < plain->wire_bytes);
	(void)world_finish(world, &sid);
	for (size_t i = 0; i < VIEWERS; i++) {
		while (viewer_next(viewers[i])) {
		}
		assert_true(viewers[i]->whole);
		viewer_close(viewers[i]);
	}
	viewer_close(plain);
}

static void whoever_joins_shares_the_compressed_bytes(void **state)
{
	(void)state;
	run_with(join_body, NULL);
}

static void views_body(struct world *world)
{
	static const char *const queries[] = { "",
		                               "?type=note",
		                               "?type=status",
		                               "?type=note,status",
		                               "?type=error",
		                               "?profile=status" };
	struct id sid = world_session(world);
	struct viewer *viewers[VIEWERS];

	for (size_t i = 0; i < VIEWERS; i++) {
		viewers[i] = viewer_open(world, 0, &sid, queries[i], "");
	}
	(void)world_notes(world, &sid, 300, 5);
	(void)world_finish(world, &sid);
	for (size_t i = 0; i < VIEWERS; i++) {
		unsigned notes = 0, states = 0;

		while (viewer_next(viewers[i])) {
			notes += viewer_is(viewers[i], "note");
			states += viewer_is(viewers[i], "status");
		}
		assert_int_equal(notes, strstr("013", (char[]){ (char)('0' + i), '\0' }) ? 300 : 0);
		assert_int_equal(states > 0, i != 1 && i != 4);
		assert_true(viewers[i]->whole);
		viewer_close(viewers[i]);
	}
}

static void each_view_is_compressed_for_itself(void **state)
{
	(void)state;
	run_with(views_body, NULL);
}

static void silence_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last = world_notes(world, &sid, 20, 20);
	size_t heard;
	uint64_t before;

	viewer_expect(viewer, &at, last.n);
	heard = viewer->wire_bytes;
	while (viewer->wire_bytes == heard) { /* a sign of life, which is only its own */
		assert_false(viewer_next_within(viewer, 100));
	}
	before = world_metric(world, 0, "fairlead_events_compressed_total");
	last = world_notes(world, &sid, 20, 20);
	viewer_expect(viewer, &at, last.n);
	assert_int_equal(world_metric(world, 0, "fairlead_events_compressed_total") - before, 20);
	viewer_close(viewer);
}

static void after_a_silence_all_share_again_at_once(void **state)
{
	(void)state;
	run_with(silence_body, NULL);
}

static void drain_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last = world_notes(world, &sid, 20, 20);

	viewer_expect(viewer, &at, last.n);
	assert_int_equal(world_stop(world, 0, SIGTERM), 0);
	assert_false(viewer_next(viewer));
	assert_true(viewer->whole);
	viewer_close(viewer);
}

static void a_stream_that_drains_is_a_whole_one(void **state)
{
	(void)state;
	run_with(drain_body, NULL);
}

static const char *const off[] = { "FAIRLEAD_STREAM_COMPRESS=0", NULL };

static void off_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last = world_notes(world, &sid, 20, 20);

	assert_null(viewer->gzip);
	viewer_expect(viewer, &at, last.n);
	viewer_close(viewer);
}

static void nothing_is_compressed_when_the_operator_says_so(void **state)
{
	(void)state;
	run_with(off_body, off);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_joins_shares_the_compressed_bytes),
		cmocka_unit_test(each_view_is_compressed_for_itself),
		cmocka_unit_test(after_a_silence_all_share_again_at_once),
		cmocka_unit_test(a_stream_that_drains_is_a_whole_one),
		cmocka_unit_test(nothing_is_compressed_when_the_operator_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
