/* Readers that do not keep up, over TCP with small buffers. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/value.h"
#include "tests/integration/streamer_world.h"
#include "tests/integration/talker.h"

enum { RECEIVE_BYTES = 8 * 1024, DATA_SIZE = 512, PORT_FIRST = 21000, PORT_SPAN = 10000 };

#define SMALL_RING "FAIRLEAD_STREAM_RING_EVENTS=16", "FAIRLEAD_STREAM_RING_BYTES=64KiB"

/* Nobody listens there, at least by now. */
static unsigned free_port(void)
{
	for (;;) {
		unsigned port = PORT_FIRST + (unsigned)rand() % PORT_SPAN;
		struct sockaddr_in address = { .sin_family = AF_INET,
			                       .sin_port = htons((uint16_t)port),
			                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int taken = bind(fd, (struct sockaddr *)&address, sizeof(address));

		(void)close(fd);
		if (taken == 0) {
			return port;
		}
	}
}

static void run(void (*body)(struct world *world), const char *const *settings)
{
	struct world world = { .body = body, .settings = settings, .receive_bytes = RECEIVE_BYTES };

	srand((unsigned)getpid());
	world.port = free_port();
	world_run(&world);
}

static void await_metric(struct world *world, const char *name, uint64_t at_least)
{
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;

	while (world_metric(world, 0, name) < at_least) {
		if (clock_mono_ms() > until) {
			fail_msg("%s does not reach %" PRIu64, name, at_least);
		}
		assert_int_equal(fiber_sleep(10), ERR_OK);
	}
}

/* ---- what a reader makes of the events ---- */

struct view {
	struct buf told;
	char last_key[DATA_SIZE]; /* whose text the end of told is */
	int64_t progress;
	struct cursor at;
	unsigned events, folded, ahead;
};

static void view_init(struct view *view)
{
	memset(view, 0, sizeof(*view));
	buf_init(&view->told, SIZE_MAX / 2);
}

static void hear_text(struct view *view, struct str key, struct str text, const char *after)
{
	if (!str_eq(key, str_of(view->last_key))) {
		buf_addf(&view->told, "\n[%" STR_FMT "] ", STR_ARG(key));
		assert_true(str_copy(view->last_key, sizeof(view->last_key), key));
	}
	buf_add_str(&view->told, text);
	buf_add_cstr(&view->told, after);
}

/* Every event is there once: as itself, or covered by the one that has the id. */
static void move_on(struct view *view, struct cursor next, const struct json_value *event)
{
	const struct json_value *covers = json_get(event, "covers");
	struct cursor from = next;

	if (covers != NULL) {
		assert_true(cursor_parse(json_as_str(json_get(covers, "from")), &from));
		view->folded++;
	}
	assert_int_equal(from.n, view->at.n + 1);
	view->at = next;
	view->events++;
}

static void hear_event(struct view *view, struct cursor at, const struct json_value *event)
{
	struct str type = json_as_str(json_get(event, "type"));

	if (json_as_bool(json_get(event, "ahead"))) {
		view->ahead++;
		return;
	}
	move_on(view, at, event);
	if (str_eq(type, STR_LIT("message_delta"))) {
		hear_text(view, json_as_str(json_get(event, "message_id")),
		          json_as_str(json_get(event, "delta")), "");
	} else if (str_eq(type, STR_LIT("log"))) {
		hear_text(view, STR_LIT("log"), json_as_str(json_get(event, "message")), "\n");
	} else if (str_eq(type, STR_LIT("progress"))) {
		view->progress = json_as_i64(json_get(event, "progress"));
	} else {
		buf_addf(&view->told, "\n<%" STR_FMT " %" PRIu64 " at %" PRId64 ">", STR_ARG(type),
		         view->at.n, view->progress);
		view->last_key[0] = '\0';
	}
}

static void hear(struct view *view, const struct viewer *viewer)
{
	struct json_value *event;
	struct err err;

	event = json_parse(viewer->parser.data, &err);
	assert_non_null(event);
	hear_event(view, viewer_at(viewer), event);
	json_value_free(event);
}

static void read_through(struct view *view, struct viewer *viewer, uint64_t n)
{
	while (view->at.n < n) {
		assert_true(viewer_next(viewer));
		hear(view, viewer);
	}
}

/* The same of a WebSocket. What comes before its turn has no id. */
static void listen_through(struct view *view, struct talker *talker, uint64_t n)
{
	while (view->at.n < n) {
		const struct json_value *event;
		struct cursor at = view->at;
		bool ahead;

		talker_expect(talker, "event");
		event = json_get(talker->json, "event");
		ahead = json_as_bool(json_get(talker->json, "ahead"));
		assert_int_equal(ahead, json_as_bool(json_get(event, "ahead")));
		assert_int_equal(ahead, !cursor_parse(talker_str(talker, "id"), &at));
		assert_int_equal(ahead, json_get(talker->json, "seq") == NULL);
		hear_event(view, at, event);
	}
}

static void assert_same_view(const struct view *a, const struct view *b)
{
	assert_int_equal(a->at.n, b->at.n);
	assert_int_equal(a->progress, b->progress);
	assert_true(str_eq(buf_str(&a->told), buf_str(&b->told)));
}

/* ---- a talkative session ---- */

enum { ROUNDS = 30, DELTAS = 100, LINES = 20, STEPS = 10 };

/* In one batch, each with a number between the two parts. */
static void append_many(struct world *world, const struct id *sid, const struct log_new *parts,
                        unsigned first, unsigned count)
{
	static char data[EVENT_BATCH_MAX][DATA_SIZE];
	struct log_new events[EVENT_BATCH_MAX];
	struct log_batch batch = { .sid = *sid, .tenant = TENANT, .events = events };
	struct log_result result;
	struct err err;
	int n;

	for (batch.count = 0; batch.count < count; batch.count++) {
		char *text = data[batch.count];

		n = snprintf(text, DATA_SIZE, "%" STR_FMT "%u%" STR_FMT, STR_ARG(parts[0].data),
		             first + (unsigned)batch.count, STR_ARG(parts[1].data));
		events[batch.count] = (struct log_new){ parts[0].type, str_make(text, (size_t)n) };
	}
	if (log_append(&world->store, &batch, &result, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(result.outcome, LOG_OK);
}

static const struct log_new delta[] = {
	{ EVENT_TYPE_MESSAGE_DELTA, STR_LIT("{\"message_id\":\"m1\",\"delta\":\"word ") },
	{ EVENT_TYPE_MESSAGE_DELTA,
	  STR_LIT(" of a message that is some words long, as they are when agents speak, "
	          "\\u00e9\"}") },
};
static const struct log_new step[] = {
	{ EVENT_TYPE_PROGRESS, STR_LIT("{\"progress\":") },
	{ EVENT_TYPE_PROGRESS, STR_LIT("}") },
};
static const struct log_new line[] = {
	{ EVENT_TYPE_LOG, STR_LIT("{\"level\":\"info\",\"message\":\"line ") },
	{ EVENT_TYPE_LOG, STR_LIT(" of what a tool has to say\",\"stream\":\"stdout\"}") },
};

static struct cursor talk(struct world *world, const struct id *sid)
{
	struct cursor last = { 0, 0 };

	for (unsigned round = 0; round < ROUNDS; round++) {
		append_many(world, sid, delta, round * 1000, DELTAS);
		append_many(world, sid, step, round * 1000, STEPS);
		append_many(world, sid, line, round * 1000, LINES);
		if (round % 10 == 5) {
			last = world_append(world, sid, EVENT_TYPE_ERROR,
			                    STR_LIT("{\"message\":\"oh\"}"));
		}
	}
	last = world_append(world, sid, EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"done\"}"));
	return last;
}

/* ---- folded ---- */

static const char *const soon_slow[] = { SMALL_RING, "FAIRLEAD_STREAM_FOLD_AFTER=20ms", NULL };

enum { SLOW = 2 };

/* It leaves after some folded events, and comes back with the id of the last. */
static struct viewer *come_back(struct world *world, const struct id *sid, struct view *view,
                                struct viewer *viewer)
{
	char text[CURSOR_SIZE];

	while (view->folded < 10) {
		assert_true(viewer_next(viewer));
		hear(view, viewer);
	}
	viewer_close(viewer);
	cursor_format(&view->at, text);
	return viewer_open(world, 0, sid, "", text);
}

static void folded_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *slow[SLOW], *leaver, *fast;
	struct view views[SLOW], left, plain;
	struct cursor last;
	uint64_t folded;

	for (size_t i = 0; i < SLOW; i++) {
		slow[i] = viewer_open(world, 0, &sid, "", "");
		view_init(&views[i]);
	}
	leaver = viewer_open(world, 0, &sid, "", "");
	last = talk(world, &sid);
	view_init(&plain);
	fast = viewer_open(world, 0, &sid, "", "");
	read_through(&plain, fast, last.n);
	/* The streamer has it all: that is what they are from now on, slow. */
	assert_int_equal(fiber_sleep(50), ERR_OK);
	for (size_t i = 0; i < SLOW; i++) {
		read_through(&views[i], slow[i], last.n);
		assert_same_view(&views[i], &plain);
		assert_true(views[i].events < last.n / 4);
	}
	assert_true(world_metric(world, 0, "fairlead_subscribers_slowed_total") >= SLOW);
	folded = world_metric(world, 0, "fairlead_blocks_folded_total");
	assert_in_range(folded, last.n / 128 - 10, last.n / 128); /* not once for each of them */
	view_init(&left);
	leaver = come_back(world, &sid, &left, leaver);
	read_through(&left, leaver, last.n);
	assert_same_view(&left, &plain);
	/* Who has caught up gets events as they are. */
	append_many(world, &sid, line, 0, 3);
	folded = views[0].folded;
	read_through(&views[0], slow[0], last.n + 3);
	assert_int_equal(views[0].folded, folded);
	for (size_t i = 0; i < SLOW; i++) {
		viewer_close(slow[i]);
		buf_fini(&views[i].told);
	}
	viewer_close(leaver);
	viewer_close(fast);
	buf_fini(&left.told);
	buf_fini(&plain.told);
}

static void a_slow_reader_gets_fewer_events_that_say_the_same(void **state)
{
	(void)state;
	run(folded_body, soon_slow);
}

/* ---- ahead ---- */

static void ahead_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *slow = viewer_open(world, 0, &sid, "", "");
	struct cursor last, asked;
	struct view view;

	view_init(&view);
	(void)talk(world, &sid);
	asked = world_append(world, &sid, EVENT_TYPE_PERMISSION_REQUEST,
	                     STR_LIT("{\"request_id\":\"r1\",\"title\":\"May I?\"}"));
	last = world_notes(world, &sid, 10, 10);
	assert_int_equal(fiber_sleep(50), ERR_OK); /* it is behind for a while now */
	for (;;) {
		assert_true(viewer_next(slow));
		if (viewer_is(slow, "permission_request")) {
			break;
		}
		hear(&view, slow);
	}
	assert_true(str_ends(slow->parser.data, STR_LIT("\"title\":\"May I?\",\"ahead\":true}")));
	assert_int_equal(viewer_at(slow).n, view.at.n);
	assert_true(view.at.n < asked.n / 2);
	read_through(&view, slow, last.n); /* and the request again, where it belongs */
	assert_non_null(strstr(buf_cstr(&view.told), "<permission_request "));
	assert_int_equal(world_metric(world, 0, "fairlead_events_ahead_total"), view.ahead + 1);
	viewer_close(slow);
	buf_fini(&view.told);
}

static void an_approval_comes_before_a_backlog_and_again_in_its_turn(void **state)
{
	(void)state;
	run(ahead_body, soon_slow);
}

/* ---- sockets ---- */

static void socket_body(struct world *world)
{
	struct id sid = world_session(world);
	struct talker *slow = talker_open(world, 0, "/api/v1/ws", "");
	struct viewer *fast;
	struct view view, plain;
	struct cursor last;

	slow->skips = "presence";
	talker_say(slow, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"}", sid.s);
	talker_expect(slow, "subscribed");
	(void)talk(world, &sid);
	last = world_append(world, &sid, EVENT_TYPE_ERROR, STR_LIT("{\"message\":\"late\"}"));
	view_init(&view);
	view_init(&plain);
	fast = viewer_open(world, 0, &sid, "", "");
	read_through(&plain, fast, last.n);
	assert_int_equal(fiber_sleep(50), ERR_OK);
	listen_through(&view, slow, last.n);
	assert_same_view(&view, &plain);
	assert_true(view.events < last.n / 4);
	assert_true(view.ahead > 0);
	talker_close(slow);
	viewer_close(fast);
	buf_fini(&view.told);
	buf_fini(&plain.told);
}

static void a_slow_socket_is_treated_the_same(void **state)
{
	(void)state;
	run(socket_body, soon_slow);
}

/* ---- stalled ---- */

static const char *const impatient[] = { SMALL_RING, "FAIRLEAD_STREAM_STALL_TIMEOUT=300ms", NULL };

static void stalled_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *stalled = viewer_open(world, 0, &sid, "", "");
	struct cursor at = { 0, 0 }, last = talk(world, &sid);
	struct viewer *again, *fast = viewer_open(world, 0, &sid, "", "");
	struct view view;
	char text[CURSOR_SIZE];

	view_init(&view);
	read_through(&view, fast, last.n);
	await_metric(world, "fairlead_streams_stalled_total", 1);
	while (viewer_next(stalled)) {
		at.n++;
		assert_int_equal(viewer_at(stalled).n, at.n);
	}
	assert_true(stalled->ended);
	assert_in_range(at.n, 1, last.n - 1);
	at = viewer_at(stalled);
	cursor_format(&at, text);
	again = viewer_open(world, 0, &sid, "", text);
	viewer_expect(again, &at, last.n);
	/* One who has all is not stalled, however long nothing comes. */
	last = world_notes(world, &sid, 1, 1);
	read_through(&view, fast, last.n);
	viewer_close(stalled);
	viewer_close(again);
	viewer_close(fast);
	buf_fini(&view.told);
}

static void a_reader_that_takes_nothing_is_closed_and_can_resume(void **state)
{
	(void)state;
	run(stalled_body, impatient);
}

/* ---- profiles ---- */

static void profile_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewer = viewer_open(world, 0, &sid, "?profile=status", "");
	struct cursor last = talk(world, &sid);
	unsigned errors = 0;

	assert_true(viewer_next(viewer));
	assert_true(viewer_is(viewer, "status"));
	while (errors < ROUNDS / 10) {
		assert_true(viewer_next(viewer));
		assert_true(viewer_is(viewer, "error"));
		errors++;
	}
	/* It learns where it is also from what it does not see. */
	last = world_append(world, &sid, EVENT_TYPE_ERROR, STR_LIT("{\"message\":\"last\"}"));
	assert_true(viewer_next(viewer));
	assert_int_equal(viewer_at(viewer).n, last.n);
	viewer_close(viewer);
}

static void a_profile_leaves_out_what_it_does_not_have(void **state)
{
	(void)state;
	run(profile_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_reader_gets_fewer_events_that_say_the_same),
		cmocka_unit_test(an_approval_comes_before_a_backlog_and_again_in_its_turn),
		cmocka_unit_test(a_slow_socket_is_treated_the_same),
		cmocka_unit_test(a_reader_that_takes_nothing_is_closed_and_can_resume),
		cmocka_unit_test(a_profile_leaves_out_what_it_does_not_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
