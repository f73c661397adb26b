/*
 * Several sessions on one connection that takes any number of bytes at a time: whatever comes in
 * which order, frames are whole, each session's are dense, notes are in order, nobody starves.
 *
 * The connection is the test's: it defines what outlet.c calls of shared/http.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "redis/sub.h"
#include "streamer/channel.h"
#include "streamer/frame.h"
#include "streamer/socket_frame.h"
#include "streamer/sse_stream.h"
#include "streamer/subscriber.h"
#include "streamer/viewer.h"
#include "tests/support/test.h"

enum { SESSIONS = 3, EVENTS = 300, LONGEST = 3000, ROUNDS = 15, PAGE = 20 };

/* ---- the connection ---- */

struct http_conn {
	struct buf out;
	size_t room; /* bytes that the socket takes before it is full */
	bool ended;
};

ssize_t http_conn_writev(struct http_conn *conn, const struct iovec *iov, int count)
{
	size_t took = 0;

	for (int i = 0; i < count && conn->room > 0; i++) {
		size_t part = iov[i].iov_len < conn->room ? iov[i].iov_len : conn->room;

		buf_add(&conn->out, iov[i].iov_base, part);
		conn->room -= part;
		took += part;
	}
	return (ssize_t)took;
}

void http_conn_end(struct http_conn *conn)
{
	conn->ended = true;
}

int http_conn_fd(const struct http_conn *conn)
{
	(void)conn;
	return -1;
}

/* ---- the world ---- */

/* A session: all its events, and one subscriber of it. */
struct session_model {
	struct channel *channel;
	struct subscriber *subscriber; /* NULL: it left */
	struct log_event events[EVENTS];
	size_t count;
	char *data[EVENTS];
	uint64_t last_n; /* that may come: where it was when it left */
};

struct world {
	struct loop *loop;
	struct viewers *viewers;
	struct feed *feed;
	struct http_conn conn;
	struct outlet outlet;
	struct session_model sessions[SESSIONS];
	unsigned notes;
};

static struct world *the_world; /* for over(), which knows the outlet only */

static unsigned pick(unsigned below)
{
	return (unsigned)rand() % below;
}

static void over(struct outlet *outlet, struct subscriber *subscriber, enum outlet_over why)
{
	assert_ptr_equal(outlet, &the_world->outlet);
	assert_int_equal(why, OUTLET_LEFT);
	subscriber_fini(subscriber);
	free(subscriber);
}

static uint64_t never(struct outlet *outlet)
{
	(void)outlet;
	return 1000;
}

static const struct outlet_face face = {
	.name = "test", .over = over, .round = never, .left_max = 1024 * 1024
};

static void world_begin(struct world *world, size_t ring_events)
{
	static const struct viewer_limits limits = { .key = 0 };
	static const struct principal principal = { .tenant = "acme",
		                                    .key = { "01ARZ3NDEKTSV4RRFFQ69G5FAV" } };
	struct feed_options options = { .redis_url = "unix:///nonexistent/redis.sock",
		                        .redis_timeout_ms = 1000,
		                        .keepalive_ms = 15000,
		                        .ring_events = ring_events,
		                        .ring_bytes = 64 * 1024,
		                        .memory = SIZE_MAX,
		                        .fold_after_ms = 3600 * 1000, /* nobody is slow */
		                        .stall_ms = 3600 * 1000 };
	struct err err;

	memset(world, 0, sizeof(*world));
	the_world = world;
	world->loop = loop_new();
	world->viewers = viewers_new(&limits);
	options.loop = world->loop;
	options.viewers = world->viewers;
	world->feed = feed_new(&options, &err);
	assert_non_null(world->feed);
	world->feed->stopping = true; /* the test is the reader */
	buf_init(&world->conn.out, SIZE_MAX / 2);
	outlet_init(&world->outlet, &face, world->feed, viewer_hold(world->viewers, &principal));
	outlet_open(&world->outlet, &world->conn);
}

static void follow(struct world *world, size_t i)
{
	struct session_model *session = &world->sessions[i];
	const struct log_head head = { .found = true, .state = SESSION_RUNNING };
	struct id sid = { "01ARZ3NDEKTSV4RRFFQ69G5FA0" };

	sid.s[ID_LEN - 1] = (char)('0' + i);
	session->channel = feed_channel(world->feed, &sid, "acme", &head);
	session->subscriber = mem_calloc(1, sizeof(*session->subscriber));
	subscriber_init(session->subscriber, &world->outlet, session->channel, FORMAT_SOCKET,
	                (struct cursor){ 0, 0 }, POSITION_ALL_TYPES);
	(void)subscriber_pump(session->subscriber);
}

static void world_end(struct world *world)
{
	struct subscriber *subscriber;

	world->outlet.ended = true;
	while ((subscriber = LIST_FIRST(&world->outlet.followings)) != NULL) {
		subscriber_fini(subscriber);
		free(subscriber);
	}
	for (size_t i = 0; i < SESSIONS; i++) {
		for (size_t n = 0; n < world->sessions[i].count; n++) {
			free(world->sessions[i].data[n]);
		}
	}
	world->feed->stopped = true;
	outlet_fini(&world->outlet); /* and the feed, whose last one it was */
	viewers_free(world->viewers);
	buf_fini(&world->conn.out);
	loop_free(world->loop);
}

/* ---- what happens ---- */

static void append(struct session_model *session, size_t count, size_t longest)
{
	struct log_page page = { .events = &session->events[session->count], .caught_up = true };
	struct cursor tip = session->channel->tip;

	while (page.count < count && session->count < EVENTS) {
		size_t n = session->count++, len = 1 + pick((unsigned)longest);
		char *data = mem_calloc(1, len + 64);
		static const char head[] = "{\"x\":\"";

		memcpy(data, head, sizeof(head) - 1);
		memset(data + sizeof(head) - 1, 'x', len);
		memcpy(data + sizeof(head) - 1 + len, "\"}", 2);
		session->data[n] = data;
		session->events[n] = (struct log_event){ .at = { 1, n + 1 },
			                                 .type = STR_LIT("note"),
			                                 .data = str_of(data) };
		page.count++;
	}
	page.head = (struct log_head){ .found = true,
		                       .state = SESSION_RUNNING,
		                       .at = { 1, session->count } };
	channel_take(session->channel, &tip, &page);
}

/* A turn of the loop, for one session. */
static void write_due(struct session_model *session)
{
	struct channel *channel = session->channel;

	channel->task.run(&channel->task);
}

/* A page of history for whoever waits for it. */
static void read_history(struct session_model *session)
{
	struct subscriber *subscriber = TAILQ_FIRST(&session->channel->waiting);
	const struct log_gap none = { .reason = LOG_GAP_NONE };
	struct ring page;
	struct buf frame;
	uint64_t from;

	if (subscriber == NULL) {
		return;
	}
	from = subscriber->position.at.n;
	ring_init(&page, EVENTS, SIZE_MAX / 4, subscriber->position.at);
	buf_init(&frame, FRAME_MAX);
	for (size_t n = from; n < session->count && n < from + PAGE; n++) {
		buf_reset(&frame);
		socket_frame_event(&session->events[n], &session->channel->sid, &frame);
		ring_push(&page, &session->events[n].at, 0, buf_str(&frame));
	}
	buf_fini(&frame);
	subscriber_unlink(subscriber);
	subscriber_serve(subscriber, &page, &none);
	ring_fini(&page);
}

static void make_room(struct world *world, size_t room)
{
	world->conn.room = room;
	if (world->outlet.full) {
		outlet_writable(&world->outlet);
	}
}

static void say_note(struct world *world)
{
	char json[64];
	struct buf frame;

	buf_init(&frame, 256);
	(void)snprintf(json, sizeof(json), "{\"type\":\"note\",\"number\":%u}", world->notes++);
	socket_frame_text(str_of(json), &frame);
	assert_true(outlet_say(&world->outlet, buf_str(&frame)));
	buf_fini(&frame);
}

static void leave(struct session_model *session)
{
	struct subscriber *subscriber = session->subscriber;

	if (subscriber == NULL) {
		return;
	}
	session->subscriber = NULL;
	/* What is half out will be whole. */
	session->last_n = subscriber->position.at.n + (subscriber->position.sent > 0);
	if (subscriber_leave(subscriber)) {
		subscriber_fini(subscriber);
		free(subscriber);
	}
}

static void happen(struct world *world)
{
	struct session_model *session = &world->sessions[pick(SESSIONS)];

	switch (pick(12)) {
	case 0:
	case 1: append(session, 1 + pick(5), pick(4) == 0 ? LONGEST : 60); break;
	case 2:
	case 3:
	case 4: write_due(session); break;
	case 5:
	case 6: read_history(session); break;
	case 7:
		if (pick(4) == 0) {
			say_note(world);
		}
		break;
	case 8:
		if (pick(400) == 0) {
			leave(session);
		}
		break;
	default: make_room(world, pick(pick(3) == 0 ? 20000 : 300)); break;
	}
}

/* Until nothing more comes. */
static void settle(struct world *world)
{
	size_t before;

	do {
		before = world->conn.out.len;
		make_room(world, SIZE_MAX);
		for (size_t i = 0; i < SESSIONS; i++) {
			if (world->sessions[i].channel != NULL) {
				write_due(&world->sessions[i]);
				read_history(&world->sessions[i]);
			}
		}
	} while (world->conn.out.len > before);
}

/* ---- what came of it ---- */

/* One frame off the front. */
static struct str take_frame(struct str *in)
{
	const unsigned char *head = (const unsigned char *)in->p;
	size_t len, start = 2;
	struct str text;

	assert_true(in->n >= 2);
	assert_int_equal(head[0], 0x81);
	len = head[1];
	if (len == 126) {
		len = (size_t)(head[2] << 8 | head[3]);
		start = 4;
	}
	assert_true(in->n >= start + len);
	text = str_make(in->p + start, len);
	*in = str_make(in->p + start + len, in->n - start - len);
	return text;
}

struct tally {
	uint64_t n[SESSIONS];
	unsigned notes;
};

static void tally_frame(struct tally *tally, struct str text)
{
	struct err err;
	struct json_value *value = json_parse(text, &err);
	struct str sid = json_as_str(json_get(value, "sessionId"));

	assert_non_null(value);
	if (str_eq(json_as_str(json_get(value, "type")), STR_LIT("note"))) {
		assert_int_equal(json_as_i64(json_get(value, "number")), tally->notes++);
	} else {
		size_t i = (size_t)(sid.p[ID_LEN - 1] - '0');

		assert_in_range(i, 0, SESSIONS - 1);
		assert_int_equal(json_as_i64(json_get(value, "seq")), ++tally->n[i]);
	}
	json_value_free(value);
}

static struct tally tally_of(const struct world *world)
{
	struct str in = buf_str(&world->conn.out);
	struct tally tally = { .notes = 0 };

	while (in.n > 0) {
		tally_frame(&tally, take_frame(&in));
	}
	return tally;
}

/* ---- tests ---- */

static void frames_are_whole_and_in_order_whatever_the_socket_takes(void **state)
{
	static struct world world;

	(void)state;
	srand(7);
	for (int round = 0; round < ROUNDS; round++) {
		struct tally tally;

		world_begin(&world, 4 + pick(60));
		for (size_t i = 0; i < SESSIONS; i++) {
			follow(&world, i);
		}
		for (int step = 0; step < 4000; step++) {
			happen(&world);
		}
		settle(&world);
		tally = tally_of(&world);
		assert_int_equal(tally.notes, world.notes);
		for (size_t i = 0; i < SESSIONS; i++) {
			const struct session_model *session = &world.sessions[i];

			assert_int_equal(tally.n[i], session->subscriber != NULL ? session->count
			                                                         : session->last_n);
		}
		assert_false(world.conn.ended);
		assert_null(world.outlet.torn);
		assert_true(outlet_is_quiet(&world.outlet));
		world_end(&world);
	}
}

/* One session has a long way to go, another says one thing now and then. */
static void a_replay_leaves_room_for_a_live_session(void **state)
{
	static struct world world;
	size_t worst = 0;

	(void)state;
	srand(8);
	world_begin(&world, 4);
	follow(&world, 0);
	follow(&world, 1);
	append(&world.sessions[0], EVENTS, LONGEST);
	write_due(&world.sessions[0]);
	for (int i = 0; i < 20; i++) {
		struct session_model *live = &world.sessions[1];
		size_t before;

		make_room(&world, 1000);
		read_history(&world.sessions[0]);
		assert_true(world.outlet.full);
		before = world.conn.out.len;
		append(live, 1, 20);
		write_due(live);
		while (live->subscriber->state != SUBSCRIBER_TIP) {
			make_room(&world, 1000);
			read_history(&world.sessions[0]);
		}
		before = world.conn.out.len - before;
		worst = before > worst ? before : worst;
	}
	/* It had to wait for a frame that was half out, and for what the socket took at once. */
	assert_in_range(worst, 1, 2 * (LONGEST + 1000));
	assert_in_range(world.sessions[0].subscriber->position.at.n, 1, EVENTS - 1);
	settle(&world);
	assert_int_equal(tally_of(&world).n[0], EVENTS);
	world_end(&world);
}

static void a_note_waits_for_the_frame_that_is_half_out_and_goes_before_the_next(void **state)
{
	static struct world world;
	struct str in;

	(void)state;
	srand(9);
	world_begin(&world, 16);
	follow(&world, 0);
	make_room(&world, 10);
	append(&world.sessions[0], 2, 20);
	write_due(&world.sessions[0]);
	assert_int_equal(world.conn.out.len, 10);
	assert_ptr_equal(world.outlet.torn, world.sessions[0].subscriber);
	say_note(&world);
	assert_int_equal(world.conn.out.len, 10);
	settle(&world);
	in = buf_str(&world.conn.out);
	(void)take_frame(&in);
	assert_non_null(memmem(in.p, 30, "\"number\":0", 10));
	(void)take_frame(&in);
	(void)take_frame(&in);
	assert_int_equal(in.n, 0);
	world_end(&world);
}

static void half_a_frame_that_was_retracted_is_the_end_of_the_connection(void **state)
{
	static struct world world;

	(void)state;
	srand(10);
	world_begin(&world, 16);
	follow(&world, 0);
	make_room(&world, 10);
	append(&world.sessions[0], 1, 20);
	write_due(&world.sessions[0]);
	subscriber_unlink(world.sessions[0].subscriber);
	subscriber_lose(world.sessions[0].subscriber);
	assert_true(world.conn.ended);
	world_end(&world);
}

static void notes_that_nobody_takes_end_the_connection(void **state)
{
	static struct world world;
	static char much[64 * 1024];
	unsigned said = 0;

	(void)state;
	world_begin(&world, 16);
	while (outlet_say(&world.outlet, str_make(much, sizeof(much)))) {
		said++;
	}
	assert_int_equal(said, face.left_max / sizeof(much));
	assert_true(world.conn.ended);
	world_end(&world);
}

/* ---- a stream of one session ---- */

/* Told to go when part of a frame is out, by a socket that had room for so many bytes of it. */
static void drained(struct world *world, size_t room)
{
	static const char last[] = "event: drain\ndata: {\"type\":\"drain\",\"retryMs\":";
	const struct http_stream_ops *ops = &sse_stream_ops;
	struct session_model *session = &world->sessions[0];
	const char *frame, *told;
	struct viewer *viewer;
	void *stream;

	world_begin(world, 16);
	follow(world, 0);
	viewer = viewer_hold(world->viewers, &world->outlet.viewer->principal);
	stream = sse_stream_new(session->channel, viewer, NULL, (struct cursor){ 0, 0 },
	                        POSITION_ALL_TYPES);
	world->conn.room = SIZE_MAX / 4;
	ops->opened(stream, &world->conn);
	world->conn.room = 0; /* for the other one */
	append(session, 2, 20);
	write_due(session);
	buf_reset(&world->conn.out);
	world->conn.room = room;
	ops->writable(stream);
	assert_int_equal(world->conn.out.len, room);
	ops->drain(stream);
	assert_int_equal(world->conn.out.len, room);
	assert_false(world->conn.ended);
	world->conn.room = SIZE_MAX / 4;
	ops->writable(stream);
	assert_true(world->conn.ended);
	buf_add_str(&world->conn.out, STR_LIT("\0"));
	frame = strstr(world->conn.out.data, "\n\n");
	told = strstr(world->conn.out.data, last);
	assert_true(frame != NULL && told != NULL && frame < told);
	assert_null(strstr(frame + 2, "event: note")); /* no other one after the half one */
	ops->closed(stream);
	world_end(world);
}

static void a_stream_that_goes_is_told_so_after_the_frame_that_is_half_out(void **state)
{
	static struct world world;

	(void)state;
	srand(11);
	drained(&world, 1);
	drained(&world, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_whole_and_in_order_whatever_the_socket_takes),
		cmocka_unit_test(a_replay_leaves_room_for_a_live_session),
		cmocka_unit_test(
			a_note_waits_for_the_frame_that_is_half_out_and_goes_before_the_next),
		cmocka_unit_test(half_a_frame_that_was_retracted_is_the_end_of_the_connection),
		cmocka_unit_test(notes_that_nobody_takes_end_the_connection),
		cmocka_unit_test(a_stream_that_goes_is_told_so_after_the_frame_that_is_half_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
