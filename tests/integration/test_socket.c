/* Sessions followed over WebSockets of real streamers, frame by frame. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/integration/talker.h"
#include "tests/support/ws_transcript.h"
#include "ws/deflate.h"

#define WS "/api/v1/ws"

static void run(void (*body)(struct world *world))
{
	struct world world = { .body = body };

	world_run(&world);
}

static void run_with(void (*body)(struct world *world), const char *const *settings)
{
	struct world world = { .body = body, .settings = settings };

	world_run(&world);
}

static void subscribe(struct talker *talker, const struct id *sid, const char *more)
{
	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"%s}", sid->s, more);
	talker_expect(talker, "subscribed");
	assert_true(str_eq(talker_str(talker, "sessionId"), str_of(sid->s)));
}

/* An error that names this field. */
static void expect_problem(struct talker *talker, const char *field)
{
	talker_expect(talker, "error");
	assert_true(str_eq(talker_str(talker, "code"), STR_LIT("INVALID")));
	assert_non_null(json_get(json_get(talker->json, "errors"), field));
}

static void expect_error(struct talker *talker, const char *code)
{
	talker_expect(talker, "error");
	if (!str_eq(talker_str(talker, "code"), str_of(code))) {
		fail_msg("%s, not %s", buf_cstr(&talker->payload), code);
	}
}

/* ---- the handshake ---- */

static void handshake_body(struct world *world)
{
	struct talker *talker =
		talker_open(world, 0, WS, "Sec-WebSocket-Protocol: other, fairlead\r\n");
	struct buf answer;

	assert_int_equal(talker->status, 101);
	/* The example of RFC 6455 section 1.3. */
	assert_non_null(strstr(buf_cstr(&talker->in),
	                       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_non_null(strstr(buf_cstr(&talker->in), "Sec-WebSocket-Protocol: fairlead\r\n"));
	assert_null(strstr(buf_cstr(&talker->in), "Content-"));
	assert_null(strstr(buf_cstr(&talker->in), "Connection: close"));
	talker_say(talker, "{\"type\":\"ping\",\"ref\":\"a\"}");
	talker_expect(talker, "pong");
	assert_true(str_eq(talker_str(talker, "ref"), STR_LIT("a")));
	talker_close(talker);
	talker = talker_open(world, 0, "/stream" WS, "");
	assert_int_equal(talker->status, 101);
	talker_close(talker);
	talker = talker_open(world, 0, WS, "Authorization: ApiKey wrong\r\n");
	assert_int_equal(talker->status, 401);
	talker_close(talker);
	buf_init(&answer, SIZE_MAX / 2);
	assert_int_equal(world_ask(world, 0, "GET " WS, "", &answer), 426);
	assert_non_null(strstr(buf_cstr(&answer), "Sec-WebSocket-Version: 13"));
	assert_int_equal(world_ask(world, 0, "HEAD " WS, "", &answer), 405);
	assert_int_equal(world_ask(world, 0, "GET " WS,
	                           "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
	                           &answer),
	                 400);
	buf_fini(&answer);
}

static void a_handshake_makes_a_socket_and_anything_else_is_refused(void **state)
{
	(void)state;
	run(handshake_body);
}

/* ---- following ---- */

static void two_body(struct world *world)
{
	struct id one = world_session(world), two = world_session(world);
	struct cursor at_one = { 0, 0 }, at_two = { 0, 0 }, last;
	struct talker *talker = talker_open(world, 0, WS, "");

	subscribe(talker, &one, ",\"ref\":\"r1\"");
	assert_true(str_eq(talker_str(talker, "ref"), STR_LIT("r1")));
	talker_follow(talker, &one, &at_one, 2);
	subscribe(talker, &two, "");
	talker_follow(talker, &two, &at_two, 2);
	for (int i = 0; i < 10; i++) {
		last = world_notes(world, &one, 3, 1);
		talker_follow(talker, &one, &at_one, last.n);
		last = world_notes(world, &two, 2, 2);
		talker_follow(talker, &two, &at_two, last.n);
	}
	assert_true(str_eq(json_as_str(json_get(json_get(talker->json, "event"), "type")),
	                   STR_LIT("note")));
	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\",\"ref\":\"x\"}", one.s);
	expect_error(talker, "CONFLICT");
	assert_true(str_eq(talker_str(talker, "ref"), STR_LIT("x")));
	talker_say(talker, "{\"type\":\"unsubscribe\",\"session_id\":\"%s\"}", one.s);
	talker_expect(talker, "unsubscribed");
	(void)world_notes(world, &one, 5, 5);
	last = world_notes(world, &two, 1, 1);
	talker_follow(talker, &two, &at_two, last.n);
	talker_say(talker, "{\"type\":\"unsubscribe\",\"sessionId\":\"%s\"}", one.s);
	expect_error(talker, "NOT_FOUND");
	talker_close(talker);
}

static void sessions_are_followed_side_by_side_and_left_one_by_one(void **state)
{
	(void)state;
	run(two_body);
}

static void resume_body(struct world *world)
{
	struct id sid = world_session(world);
	struct cursor middle = world_notes(world, &sid, 40, 10), at = middle, last;
	struct talker *talker = talker_open(world, 0, WS, "");
	char text[CURSOR_SIZE], more[128];

	last = world_notes(world, &sid, 60, 20);
	cursor_format(&middle, text);
	(void)snprintf(more, sizeof(more), ",\"after\":\"%s\"", text);
	subscribe(talker, &sid, more);
	talker_follow(talker, &sid, &at, last.n);
	talker_close(talker);
	world_start(world, 1);
	world_await_ready(world, 1);
	talker = talker_open(world, 1, WS, "");
	at = middle;
	(void)snprintf(more, sizeof(more), ",\"starting_after\":%d", (int)middle.n);
	subscribe(talker, &sid, more);
	talker_follow(talker, &sid, &at, last.n);
	last = world_finish(world, &sid);
	talker_follow(talker, &sid, &at, last.n);
	talker_expect(talker, "end");
	assert_true(str_eq(talker_str(talker, "status"), STR_LIT("cancelled")));
	/* The session is over, the connection is not; and it may be asked for again. */
	at = middle;
	subscribe(talker, &sid, more);
	talker_follow(talker, &sid, &at, last.n);
	talker_expect(talker, "end");
	subscribe(talker, &sid, ",\"after\":99999");
	talker_expect(talker, "gap");
	assert_true(str_eq(talker_str(talker, "reason"), STR_LIT("never")));
	talker_expect(talker, "end");
	talker_close(talker);
}

static void a_session_is_resumed_by_cursor_or_number_and_ends_alone(void **state)
{
	(void)state;
	run(resume_body);
}

static void profile_body(struct world *world)
{
	struct id sid = world_session(world);
	struct talker *talker = talker_open(world, 0, WS, "");
	struct cursor last;

	(void)world_notes(world, &sid, 300, 100);
	subscribe(talker, &sid, ",\"profile\":\"status\",\"after\":1");
	talker_expect(talker, "event"); /* queued */
	do {
		talker_expect(talker, "cursor");
	} while (talker_int(talker, "seq") < 200);
	last = world_finish(world, &sid);
	talker_expect(talker, "event");
	assert_int_equal(talker_int(talker, "seq"), last.n);
	talker_expect(talker, "end");
	talker_close(talker);
}

static void a_profile_passes_events_over_and_says_where_it_is(void **state)
{
	(void)state;
	run(profile_body);
}

/* ---- what is refused ---- */

static void wrong_body(struct world *world)
{
	struct id sid = world_session(world);
	struct talker *talker = talker_open(world, 0, WS, "");
	struct buf big;

	talker_say(talker, "{");
	expect_problem(talker, "frame");
	talker_say(talker, "[1]");
	expect_problem(talker, "frame");
	talker_say(talker, "{\"ref\":\"r\"}");
	expect_problem(talker, "type");
	assert_true(str_eq(talker_str(talker, "ref"), STR_LIT("r")));
	talker_say(talker, "{\"type\":\"dance\"}");
	expect_problem(talker, "type");
	talker_say(talker, "{\"type\":\"ping\",\"loud\":true}");
	expect_problem(talker, "loud");
	talker_say(talker, "{\"type\":\"ping\",\"ref\":\"%065d\"}", 1);
	expect_problem(talker, "ref");
	talker_say(talker, "{\"type\":\"subscribe\"}");
	expect_problem(talker, "sessionId");
	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\",\"after\":\"x\"}", sid.s);
	expect_problem(talker, "after");
	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\",\"after\":-1}", sid.s);
	expect_problem(talker, "after");
	talker_say(talker,
	           "{\"type\":\"subscribe\",\"sessionId\":\"%s\",\"after\":1,\"startingAfter\":1}",
	           sid.s);
	expect_problem(talker, "startingAfter");
	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\",\"profile\":\"loud\"}",
	           sid.s);
	expect_problem(talker, "profile");
	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"nobody\"}");
	expect_error(talker, "NOT_FOUND");
	/* A name that is too long to be repeated. */
	buf_init(&big, SIZE_MAX / 2);
	buf_add_cstr(&big, "{\"type\":\"ping\",\"");
	for (int i = 0; i < 65500; i++) {
		buf_add_char(&big, 'x');
	}
	buf_add_cstr(&big, "\":1}");
	talker_send(talker, WS_FINAL | WS_TEXT, buf_str(&big));
	expect_error(talker, "INVALID");
	buf_fini(&big);
	talker_say(talker, "{\"type\":\"activity\",\"ref\":\"still here\"}");
	talker_expect(talker, "ack");
	assert_true(str_eq(talker_str(talker, "ref"), STR_LIT("still here")));
	talker_close(talker);
}

static void what_is_wrong_with_a_frame_is_said_and_the_connection_stays(void **state)
{
	(void)state;
	run(wrong_body);
}

static void foreign_body(struct world *world)
{
	struct id sid = world_session(world);
	const char *const keys[] = { world->foreign_key, world->narrow_key };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct talker *talker;
		char header[256];

		(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", keys[i]);
		talker = talker_open(world, 0, WS, header);
		assert_int_equal(talker->status, 101);
		talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"}", sid.s);
		expect_error(talker, "NOT_FOUND");
		talker_close(talker);
	}
}

static void a_session_of_others_is_not_there(void **state)
{
	(void)state;
	run(foreign_body);
}

static void limit_body(struct world *world)
{
	struct id one = world_session(world), two = world_session(world);
	struct talker *talker = talker_open(world, 0, WS, "");
	struct cursor at = { 0, 0 };

	subscribe(talker, &one, "");
	talker_follow(talker, &one, &at, 2);
	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"}", two.s);
	expect_error(talker, "LIMIT");
	talker_say(talker, "{\"type\":\"unsubscribe\",\"sessionId\":\"%s\"}", one.s);
	talker_expect(talker, "unsubscribed");
	subscribe(talker, &two, "");
	talker_close(talker);
}

static void no_more_sessions_than_the_limit_are_followed(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_SOCKET_SUBSCRIPTIONS=1", NULL };

	(void)state;
	run_with(limit_body, settings);
}

/* ---- the protocol ---- */

struct end_case {
	unsigned first; /* FIN, RSV, opcode */
	const char *payload;
	size_t len;
	unsigned code;
};

static const struct end_case ends[] = {
	{ WS_FINAL | WS_CLOSE, "\x03\xe8", 2, 1000 },
	{ WS_FINAL | WS_CLOSE, "\x0f\xa1why", 5, 4001 },
	{ WS_FINAL | WS_CLOSE, "", 0, WS_CODE_NONE },
	{ WS_FINAL | WS_CLOSE, "\x03", 1, 1002 },
	{ WS_FINAL | WS_CLOSE, "\x03\xed", 2, 1002 }, /* 1005 is never sent */
	{ WS_FINAL | WS_BINARY, "x", 1, 1003 },
	{ WS_FINAL | WS_TEXT, "\xff", 1, 1007 },
	{ WS_FINAL | 0x40 | WS_TEXT, "x", 1, 1002 }, /* RSV1 without an extension */
	{ WS_FINAL | 3, "x", 1, 1002 },
	{ WS_FINAL | WS_CONTINUATION, "x", 1, 1002 },
	{ WS_PING, "x", 1, 1002 }, /* a control frame in fragments */
};

static void ends_body(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct talker *talker =
			talker_open(world, 0, WS, "Sec-WebSocket-Extensions: none\r\n");
		unsigned code;

		talker_send(talker, ends[i].first, str_make(ends[i].payload, ends[i].len));
		code = talker_goodbye(talker);
		if (code != ends[i].code) {
			fail_msg("case %zu: %u", i, code);
		}
		talker_close(talker);
	}
}

static void every_end_has_its_code(void **state)
{
	(void)state;
	run(ends_body);
}

/* What is still being looked up when the end comes has no answer any more. */
static void last_body(struct world *world)
{
	for (int i = 0; i < 30; i++) {
		struct talker *talker = talker_open(world, 0, WS, "");

		talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"}",
		           "01ARZ3NDEKTSV4RRFFQ69G5FAV");
		if (i % 2 == 1) {
			assert_int_equal(fiber_yield(), ERR_OK);
		}
		talker_send(talker, WS_FINAL | WS_BINARY, STR_LIT("x"));
		assert_int_equal(talker_goodbye(talker), 1003);
		talker_close(talker);
	}
}

static void nothing_is_said_after_the_goodbye(void **state)
{
	(void)state;
	run(last_body);
}

static void large_body(struct world *world)
{
	struct talker *talker = talker_open(world, 0, WS, "");

	talker_say(talker, "{\"type\":\"ping\",\"ref\":\"ok\"}%*s", 1024 - 26, "");
	talker_expect(talker, "pong");
	talker_say(talker, "{\"type\":\"ping\",\"ref\":\"ok\"}%*s", 1025 - 26, "");
	assert_int_equal(talker_goodbye(talker), 1009);
	talker_close(talker);
}

static void a_message_beyond_the_limit_is_the_end(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_SOCKET_MESSAGE_MAX=1KiB", NULL };

	(void)state;
	run_with(large_body, settings);
}

static void pieces_body(struct world *world)
{
	struct talker *talker = talker_open(world, 0, WS, "");

	talker_send(talker, WS_TEXT, STR_LIT("{\"type\":"));
	talker_send(talker, WS_FINAL | WS_PING, STR_LIT("are you there"));
	assert_true(talker_frame(talker, WORLD_WAIT_MS));
	assert_int_equal(talker->opcode, WS_PONG);
	assert_string_equal(buf_cstr(&talker->payload), "are you there");
	talker_send(talker, WS_CONTINUATION, STR_LIT("\"ping\""));
	talker_send(talker, WS_FINAL | WS_CONTINUATION, STR_LIT("}"));
	talker_expect(talker, "pong");
	talker_close(talker);
}

static void fragments_are_one_message_and_pings_come_between(void **state)
{
	(void)state;
	run(pieces_body);
}

static void deflate_body(struct world *world)
{
	struct talker *talker =
		talker_open(world, 0, WS, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	struct ws_deflater *deflater = ws_deflater_new(WS_BITS_MAX, true, 6);
	struct buf packed;

	assert_non_null(strstr(buf_cstr(&talker->in), "client_no_context_takeover"));
	buf_init(&packed, UINT16_MAX);
	for (int i = 0; i < 3; i++) {
		buf_reset(&packed);
		assert_true(ws_deflate(deflater, STR_LIT("{\"type\":\"ping\",\"ref\":\"small\"}"),
		                       &packed));
		talker_send(talker, WS_FINAL | WS_COMPRESSED | WS_TEXT, buf_str(&packed));
		talker_expect(talker, "pong");
		assert_true(str_eq(talker_str(talker, "ref"), STR_LIT("small")));
	}
	talker_send(talker, WS_FINAL | WS_COMPRESSED | WS_TEXT, STR_LIT("not deflate"));
	assert_int_equal(talker_goodbye(talker), 1007);
	buf_fini(&packed);
	ws_deflater_free(deflater);
	talker_close(talker);
}

static void a_client_may_compress(void **state)
{
	(void)state;
	run(deflate_body);
}

/* ---- order and pace ---- */

/* What the socket takes at once. */
static void send_some(const struct talker *talker, const struct buf *all, size_t *sent)
{
	ssize_t n = send(talker->fd, all->data + *sent, all->len - *sent, MSG_NOSIGNAL);

	*sent += n > 0 ? (size_t)n : 0;
}

/* A client that asks and asks and takes no answer: it is read no further, and all is answered once
 * it takes answers. */
static void many_body(struct world *world)
{
	enum { MANY = 20000 };
	struct talker *talker = talker_open(world, 0, WS, "");
	size_t sent = 0;
	struct buf all;

	buf_init(&all, SIZE_MAX / 2);
	for (int i = 0; i < MANY; i++) {
		char text[64];
		int n = snprintf(text, sizeof(text), "{\"type\":\"ping\",\"ref\":\"%d\"}", i);

		ws_client_frame(&all, WS_FINAL | WS_TEXT, str_make(text, (size_t)n), 7);
	}
	while (sent < all.len && fiber_wait_fd(talker->fd, FIBER_WRITE, 300) == ERR_OK) {
		send_some(talker, &all, &sent);
	}
	assert_in_range(sent, 1, all.len - 1);
	for (int answered = 0; answered < MANY; answered++) {
		char ref[16];

		send_some(talker, &all, &sent);
		talker_expect(talker, "pong");
		(void)snprintf(ref, sizeof(ref), "%d", answered);
		assert_true(str_eq(talker_str(talker, "ref"), str_of(ref)));
	}
	buf_fini(&all);
	talker_close(talker);
}

static void many_frames_are_all_answered_in_their_order_at_the_clients_pace(void **state)
{
	(void)state;
	run(many_body);
}

/* A session that is far behind, and one that is live, on a socket that takes little at a time. */
static void torn_body(struct world *world)
{
	struct id far = world_session(world), live = world_session(world);
	struct cursor last_far = world_notes(world, &far, 4000, 100), last_live;
	struct cursor at_far = { 0, 0 }, at_live = { 0, 0 };
	struct talker *talker = talker_open(world, 0, WS, "");
	int small = 4096;
	uint64_t far_when_live_ended = 0;

	assert_int_equal(setsockopt(talker->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	subscribe(talker, &live, "");
	talker_follow(talker, &live, &at_live, 2);
	subscribe(talker, &far, "");
	last_live = world_notes(world, &live, 200, 1);
	talker_say(talker, "{\"type\":\"ping\"}");
	while (at_far.n < last_far.n || at_live.n < last_live.n) {
		struct cursor next, *at;

		talker_next(talker);
		if (str_eq(talker_str(talker, "type"), STR_LIT("pong"))) {
			continue;
		}
		assert_true(str_eq(talker_str(talker, "type"), STR_LIT("event")));
		assert_true(cursor_parse(talker_str(talker, "id"), &next));
		at = str_eq(talker_str(talker, "sessionId"), str_of(far.s)) ? &at_far : &at_live;
		assert_int_equal(next.n, at->n + 1);
		*at = next;
		if (at_live.n == last_live.n && far_when_live_ended == 0) {
			far_when_live_ended = at_far.n;
		}
	}
	/* It did not have to wait until the replay was over. */
	assert_in_range(far_when_live_ended, 0, last_far.n - 1);
	talker_close(talker);
}

static void a_replay_does_not_hold_up_a_live_session_and_no_frame_is_torn(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_STREAM_RING_EVENTS=16", NULL };

	(void)state;
	run_with(torn_body, settings);
}

/* ---- life and death ---- */

/* Clients that leave in the middle of everything: what they asked is being looked up, half of a
 * frame is read, a session is being replayed. */
static void hasty_body(struct world *world)
{
	enum { HASTY = 60, LOOK_MS = 20 };
	struct id sids[4];
	int small = 2048;

	for (size_t i = 0; i < ARRAY_LEN(sids); i++) {
		sids[i] = world_session(world);
		(void)world_notes(world, &sids[i], 500, 100);
	}
	for (int i = 0; i < HASTY; i++) {
		struct talker *talker = talker_open(world, 0, WS, "");

		assert_int_equal(
			setsockopt(talker->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
		for (size_t k = 0; k < ARRAY_LEN(sids); k++) {
			talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"}",
			           sids[k].s);
		}
		if (i % 3 == 0) {
			talker_expect(talker, "subscribed");
			talker_say(talker, "{\"type\":\"unsubscribe\",\"sessionId\":\"%s\"}",
			           sids[0].s);
		} else if (i % 3 == 1) {
			world_send(talker->fd, STR_LIT("\x81\xfe\x01"));
		}
		talker_close(talker);
	}
	for (unsigned waited = 0; world_metric(world, 0, "fairlead_sockets") > 0 ||
	                          world_metric(world, 0, "fairlead_subscribers") > 0;
	     waited += LOOK_MS) {
		assert_true(waited < WORLD_WAIT_MS);
		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
	}
}

static void nothing_is_left_of_clients_that_leave_at_any_time(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_STREAM_RING_EVENTS=16", NULL };

	(void)state;
	run_with(hasty_body, settings);
}

/* Its first frame comes in one piece with the handshake. */
static void early_body(struct world *world)
{
	struct talker *talker;
	struct buf bytes;

	buf_init(&bytes, SIZE_MAX / 2);
	ws_client_frame(&bytes, WS_FINAL | WS_TEXT, STR_LIT("{\"type\":\"ping\"}"), 7);
	talker = talker_open_with(world, 0, WS, "", buf_str(&bytes));
	assert_int_equal(talker->status, 101);
	talker_expect(talker, "pong");
	buf_fini(&bytes);
	talker_close(talker);
}

static void a_frame_that_comes_with_the_handshake_is_not_lost(void **state)
{
	(void)state;
	run(early_body);
}

static void ping_body(struct world *world)
{
	struct talker *talker = talker_open(world, 0, WS, "");

	while (talker->pings < 6) { /* longer than the silence that is borne */
		assert_true(talker_frame(talker, WORLD_WAIT_MS));
		assert_int_equal(talker->opcode, WS_PING);
		talker_send(talker, WS_FINAL | WS_PONG, buf_str(&talker->payload));
	}
	talker_close(talker);
	talker = talker_open(world, 0, WS, "");
	while (talker_frame(talker, WORLD_WAIT_MS) && talker->opcode == WS_PING) {
	}
	assert_int_equal(talker->opcode, WS_CLOSE);
	assert_int_equal(talker->code, 1001);
	assert_in_range(talker->pings, 1, 5);
	talker_close(talker);
}

static void who_does_not_answer_pings_is_given_up(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_SOCKET_PING=250ms",
		                                "FAIRLEAD_SOCKET_SILENCE=1s", NULL };

	(void)state;
	run_with(ping_body, settings);
}

static void drain_body(struct world *world)
{
	struct id sid = world_session(world);
	struct talker *talker = talker_open(world, 0, WS, "");
	struct cursor at = { 0, 0 };

	subscribe(talker, &sid, "");
	talker_follow(talker, &sid, &at, 2);
	assert_int_equal(kill(world->streamers[0].pid, SIGTERM), 0);
	talker_expect(talker, "drain");
	assert_non_null(json_get(talker->json, "retryMs"));
	assert_int_equal(talker_goodbye(talker), 1012);
	talker_close(talker);
	assert_int_equal(world_stop(world, 0, 0), 0);
}

static void a_node_that_stops_says_so(void **state)
{
	(void)state;
	run(drain_body);
}

enum { SHARERS = 3 };

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

static void share_body(struct world *world)
{
	struct id sid = world_session(world), other = world_session(world);
	struct talker *talkers[SHARERS], *plain;
	struct cursor ats[SHARERS + 1] = { { 0, 0 } }, at_other = { 0, 0 }, last = { 0, 0 };
	unsigned compressed = 0;

	plain = talker_open(world, 0, WS, "Sec-WebSocket-Extensions: none\r\n");
	subscribe(plain, &sid, "");
	for (size_t i = 0; i < SHARERS; i++) { /* each joins later */
		talkers[i] = talker_open(world, 0, WS, OFFER);
		assert_non_null(talkers[i]->inflater);
		subscribe(talkers[i], &sid, "");
		talker_follow(talkers[i], &sid, &ats[i], i == 0 ? 2 : last.n);
		last = world_notes(world, &sid, 100, 7);
		for (size_t k = 0; k <= i; k++) {
			talker_follow(talkers[k], &sid, &ats[k], last.n);
			compressed += talkers[k]->compressed;
		}
	}
	talker_follow(plain, &sid, &ats[SHARERS], last.n);
	assert_int_equal(compressed, SHARERS * (SHARERS + 1) / 2);
	assert_true(talkers[0]->wire_bytes * 3 < plain->wire_bytes);
	/* What was there before it joined, too, from the first fresh piece on. */
	assert_true(talkers[1]->wire_bytes * 2 < plain->wire_bytes);
	/* Another session on the same connection is plain, and disturbs nothing. */
	subscribe(talkers[0], &other, "");
	talker_follow(talkers[0], &other, &at_other, 2);
	for (int i = 0; i < 10; i++) {
		last = world_notes(world, &other, 2, 2);
		talker_follow(talkers[0], &other, &at_other, last.n);
		assert_false(talkers[0]->compressed);
		last = world_notes(world, &sid, 2, 2);
		talker_follow(talkers[0], &sid, &ats[0], last.n);
		assert_true(talkers[0]->compressed);
	}
	/* After the first has gone, the second has its turn, from a fresh piece on. */
	talker_say(talkers[0], "{\"type\":\"unsubscribe\",\"sessionId\":\"%s\"}", sid.s);
	talker_expect(talkers[0], "unsubscribed");
	last = world_notes(world, &other, 40, 2);
	talker_follow(talkers[0], &other, &at_other, last.n);
	assert_true(talkers[0]->compressed);
	for (size_t i = 0; i < SHARERS; i++) {
		talker_close(talkers[i]);
	}
	talker_close(plain);
}

static void sockets_share_what_is_compressed_once(void **state)
{
	(void)state;
	run(share_body);
}

static void wary_body(struct world *world)
{
	static const char *const offers[] = {
		"permessage-deflate; server_no_context_takeover",
		"permessage-deflate; server_max_window_bits=12",
		"x-webkit-deflate-frame",
	};
	struct id sid = world_session(world);

	for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
		struct cursor at = { 0, 0 }, last;
		char header[128];
		struct talker *talker;

		(void)snprintf(header, sizeof(header), "Sec-WebSocket-Extensions: %s\r\n",
		               offers[i]);
		talker = talker_open(world, 0, WS, header);
		subscribe(talker, &sid, "");
		last = world_notes(world, &sid, 20, 1);
		while (at.n < last.n) {
			talker_follow(talker, &sid, &at, at.n + 1);
			assert_false(talker->compressed);
		}
		talker_close(talker);
	}
}

static void whoever_cannot_keep_the_context_gets_it_plain(void **state)
{
	(void)state;
	run(wary_body);
}

int main(void)
{
	const struct CMUnitTest framed[] = {
		cmocka_unit_test(sessions_are_followed_side_by_side_and_left_one_by_one),
		cmocka_unit_test(a_session_is_resumed_by_cursor_or_number_and_ends_alone),
		cmocka_unit_test(a_profile_passes_events_over_and_says_where_it_is),
		cmocka_unit_test(nothing_is_said_after_the_goodbye),
		cmocka_unit_test(a_replay_does_not_hold_up_a_live_session_and_no_frame_is_torn),
		cmocka_unit_test(nothing_is_left_of_clients_that_leave_at_any_time),
		cmocka_unit_test(a_frame_that_comes_with_the_handshake_is_not_lost),
	};
	const struct CMUnitTest others[] = {
		/* compression changes nothing there */
		cmocka_unit_test(a_handshake_makes_a_socket_and_anything_else_is_refused),
		cmocka_unit_test(what_is_wrong_with_a_frame_is_said_and_the_connection_stays),
		cmocka_unit_test(a_session_of_others_is_not_there),
		cmocka_unit_test(no_more_sessions_than_the_limit_are_followed),
		cmocka_unit_test(every_end_has_its_code),
		cmocka_unit_test(a_message_beyond_the_limit_is_the_end),
		cmocka_unit_test(fragments_are_one_message_and_pings_come_between),
		cmocka_unit_test(a_client_may_compress),
		cmocka_unit_test(many_frames_are_all_answered_in_their_order_at_the_clients_pace),
		cmocka_unit_test(who_does_not_answer_pings_is_given_up),
		cmocka_unit_test(a_node_that_stops_says_so),
		cmocka_unit_test(sockets_share_what_is_compressed_once),
		cmocka_unit_test(whoever_cannot_keep_the_context_gets_it_plain),
	};
	int failed = cmocka_run_group_tests(framed, NULL, NULL);

	if (getenv("TALKERS_OFFER") == NULL) {
		failed += cmocka_run_group_tests(others, NULL, NULL);
	}
	return failed;
}
