/*
 * WebSockets that a new streamer takes from the old one while both sides are in the middle of
 * frames: every event comes once and in order, and every message of the client is answered once and
 * in order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "tests/integration/talker.h"
#include "tests/support/ws_transcript.h"
#include "ws/deflate.h"

enum {
	TALKERS = 60,
	CONSUMERS = 9, /* more of them, on the other face */
	CLIENTS = TALKERS + CONSUMERS,
	SESSIONS = 12,
	FOLLOWED = 3, /* of each talker */
	TAKEOVERS = 4,
	SLOW_EVERY = 6,  /* talkers: one of so many reads slowly */
	LARGE_EVERY = 4, /* sessions: one of so many has large events */
	LARGE_BYTES = 24 * 1024,
	SLOW_RCVBUF = 32 * 1024,
	SLOW_MS = 30,
	BATCH_MS = 30,
	PIECE_BYTES = 150,
	PIECE_MS = 2,
	PADDING = 1500,
	CONSUMER_PADDING = 6000, /* they may not say much in a second */
	CREATED = 2,             /* events of a session that was just made */
	ROUND = 3,               /* events that are appended at once where none is large */
	MASK = 0x1badcafe,
};

struct run {
	struct world *world;
	struct id sids[SESSIONS];
	struct fiber_group appenders, talkers;
	size_t next_session;
	bool stopping;
};

struct client {
	struct run *run;
	struct talker *talker;
	size_t sessions[FOLLOWED];
	uint64_t at[FOLLOWED];
	size_t ended; /* sessions */
	uint64_t pongs;
	struct ws_deflater *deflater; /* NULL: its messages are plain */
	bool slow, said_all, heard_all;
	bool consumes; /* over /ws/consumer/{id}: its only session is the first */
};

/* ---- what it says ---- */

static void add_message(struct client *client, uint64_t i, struct str text, struct buf *out)
{
	size_t third = text.n / 3;
	struct buf small;

	if (client->deflater != NULL) {
		buf_init(&small, UINT16_MAX);
		assert_true(ws_deflate(client->deflater, text, &small));
		ws_client_frame(out, WS_FINAL | WS_COMPRESSED | WS_TEXT, buf_str(&small), MASK);
		buf_fini(&small);
	} else if (i % 2 == 0) {
		ws_client_frame(out, WS_FINAL | WS_TEXT, text, MASK);
	} else {
		ws_client_frame(out, WS_TEXT, str_make(text.p, third), MASK);
		ws_client_frame(out, WS_FINAL | WS_PONG, STR_LIT("alive"), MASK);
		ws_client_frame(out, WS_CONTINUATION, str_make(text.p + third, third), MASK + 1);
		ws_client_frame(out, WS_FINAL | WS_CONTINUATION,
		                str_make(text.p + 2 * third, text.n - 2 * third), MASK + 2);
	}
}

/* Slowly: most of the time half of a message is out. */
static void send_slowly(const struct client *client, struct str bytes)
{
	while (bytes.n > 0) {
		size_t n = bytes.n < PIECE_BYTES ? bytes.n : PIECE_BYTES;

		world_send(client->talker->fd, str_make(bytes.p, n));
		bytes = str_make(bytes.p + n, bytes.n - n);
		assert_int_equal(fiber_sleep(PIECE_MS), ERR_OK);
	}
}

static void talk(void *arg)
{
	struct client *client = arg;
	struct buf text, out;

	buf_init(&text, UINT16_MAX);
	buf_init(&out, UINT16_MAX);
	for (uint64_t i = 0; !client->said_all; i++) {
		client->said_all = client->run->stopping;
		buf_reset(&text);
		buf_reset(&out);
		buf_addf(&text, "{\"type\":%s,%*s\"ref\":\"%s%llu\"}",
		         client->consumes ? "\"history_query\",\"limit\":1" : "\"ping\"",
		         client->consumes ? (int)CONSUMER_PADDING : (int)PADDING, "",
		         client->said_all ? "last-" : "", (unsigned long long)i);
		add_message(client, i, buf_str(&text), &out);
		send_slowly(client, buf_str(&out));
	}
	buf_fini(&text);
	buf_fini(&out);
}

/* ---- what it hears ---- */

static void hear_event(struct client *client)
{
	struct str sid = talker_str(client->talker, "sessionId");

	if (json_as_bool(json_get(client->talker->json, "ahead"))) {
		return; /* a copy for a slow reader: it comes again in its turn */
	}
	for (size_t i = 0; i < FOLLOWED; i++) {
		if (str_eq(sid, str_of(client->run->sids[client->sessions[i]].s))) {
			assert_int_equal(talker_int(client->talker, "seq"), ++client->at[i]);
			return;
		}
	}
	fail_msg("an event of another session");
}

static void hear_answer(struct client *client)
{
	char ref[32];

	(void)snprintf(ref, sizeof(ref), "last-%llu", (unsigned long long)client->pongs);
	client->heard_all = str_eq(talker_str(client->talker, "ref"), str_of(ref));
	if (!client->heard_all) {
		assert_true(str_eq(talker_str(client->talker, "ref"), str_of(ref + 5)));
	}
	client->pongs++;
}

static void hear_frame(struct client *client)
{
	struct str type = talker_str(client->talker, "type");

	if (str_eq(type, STR_LIT("event"))) {
		hear_event(client);
	} else if (str_eq(type, STR_LIT("pong"))) {
		hear_answer(client);
	} else if (str_eq(type, STR_LIT("end"))) {
		client->ended++;
	} else if (!str_eq(type, STR_LIT("subscribed"))) {
		fail_msg("%s", buf_cstr(&client->talker->payload));
	}
}

/* Of each round it is shown the one event that has a form there. */
static void consume_frame(struct client *client)
{
	struct str type = talker_str(client->talker, "type");

	if (str_eq(type, STR_LIT("user_message"))) {
		client->at[0] += ROUND;
		assert_int_equal(talker_int(client->talker, "seq"), client->at[0]);
	} else if (str_eq(type, STR_LIT("message_history"))) {
		hear_answer(client);
	} else if (str_eq(talker_str(client->talker, "subtype"), STR_LIT("session_ended"))) {
		client->ended = FOLLOWED;
	} else if (str_eq(type, STR_LIT("error")) || str_eq(type, STR_LIT("replay_gap"))) {
		fail_msg("%s", buf_cstr(&client->talker->payload));
	}
}

static void hear(void *arg)
{
	struct client *client = arg;

	while (client->ended < FOLLOWED || !client->heard_all) {
		talker_next(client->talker);
		if (client->consumes) {
			consume_frame(client);
		} else {
			hear_frame(client);
		}
		if (client->slow && !client->run->stopping) {
			assert_int_equal(fiber_sleep(SLOW_MS), ERR_OK);
		}
	}
}

/* None of the sessions with large events. */
static void consume(struct client *client, size_t i, const char *offer)
{
	char target[128];

	client->consumes = true;
	client->sessions[0] = 1 + i % (LARGE_EVERY - 1);
	client->at[0] = CREATED;
	(void)snprintf(target, sizeof(target), "/ws/consumer/%s?starting_after=%d",
	               client->run->sids[client->sessions[0]].s, CREATED);
	client->talker = talker_open(client->run->world, 0, target, offer);
}

static void follow(struct client *client, size_t i, const char *offer)
{
	client->talker = talker_open(client->run->world, 0, "/api/v1/ws", offer);
	for (size_t k = 0; k < FOLLOWED; k++) {
		client->sessions[k] = (i + k * LARGE_EVERY) % SESSIONS;
		talker_say(client->talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"}",
		           client->run->sids[client->sessions[k]].s);
	}
}

static void open_client(struct client *client, struct run *run, size_t i)
{
	static const char offer[] = "Sec-WebSocket-Extensions: permessage-deflate; "
				    "client_no_context_takeover\r\n";
	bool deflates = i % 3 == 1;
	int small = SLOW_RCVBUF;

	*client = (struct client){ .run = run, .slow = i % SLOW_EVERY == 0 };
	(i < TALKERS ? follow : consume)(client, i, deflates ? offer : "");
	assert_int_equal(client->talker->status, 101);
	client->talker->mute = true; /* an answer would come between the pieces of a message */
	if (deflates) {
		client->deflater = ws_deflater_new(WS_BITS_MAX, true, 6);
	}
	if (client->slow) {
		assert_int_equal(setsockopt(client->talker->fd, SOL_SOCKET, SO_RCVBUF, &small,
		                            sizeof(small)),
		                 0);
	}
	(void)fiber_start(run->world->loop, &run->talkers, "talk", talk, client);
	(void)fiber_start(run->world->loop, &run->talkers, "hear", hear, client);
}

/* ---- what happens meanwhile ---- */

static void append_large(struct world *world, const struct id *sid)
{
	struct buf data;

	buf_init(&data, UINT16_MAX);
	buf_addf(&data, "{\"message\":\"%*s\"}", (int)LARGE_BYTES, "large");
	(void)world_append(world, sid, EVENT_TYPE_NOTE, buf_str(&data));
	buf_fini(&data);
}

static void append_all(void *arg)
{
	struct run *run = arg;
	size_t session = run->next_session++;
	const struct id *sid = &run->sids[session];

	while (!run->stopping) {
		if (session % LARGE_EVERY == 0) {
			append_large(run->world, sid);
		}
		(void)world_notes(run->world, sid, ROUND - 1, ROUND - 1);
		(void)world_append(run->world, sid, EVENT_TYPE_MESSAGE,
		                   STR_LIT("{\"role\":\"user\",\"content\":\"on\"}"));
		assert_int_equal(fiber_sleep(BATCH_MS), ERR_OK);
	}
	(void)world_finish(run->world, sid);
}

static void take_over(struct world *world)
{
	struct streamer *streamer = &world->streamers[0];
	pid_t before = streamer->pid;

	streamer->pid = world_start_successor(world, 0);
	assert_int_equal(world_await_end(before), 0);
	world_await_ready(world, 0);
	assert_int_equal(world_metric(world, 0, "fairlead_streams_taken_total"), CLIENTS);
}

static void sockets_body(struct world *world)
{
	struct client *clients = mem_calloc(CLIENTS, sizeof(*clients));
	struct run run = { .world = world };

	for (size_t i = 0; i < SESSIONS; i++) {
		run.sids[i] = world_session(world);
		(void)fiber_start(world->loop, &run.appenders, "append", append_all, &run);
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		open_client(&clients[i], &run, i);
	}
	for (int i = 0; i < TAKEOVERS; i++) {
		take_over(world);
		assert_int_equal(fiber_sleep(SLOW_MS), ERR_OK);
	}
	run.stopping = true;
	assert_int_equal(fiber_group_wait(&run.appenders, WORLD_WAIT_MS), ERR_OK);
	assert_int_equal(fiber_group_wait(&run.talkers, 2 * WORLD_WAIT_MS), ERR_OK);
	for (size_t i = 0; i < CLIENTS; i++) {
		assert_false(clients[i].talker->ended);
		talker_close(clients[i].talker);
		ws_deflater_free(clients[i].deflater);
	}
	free(clients);
}

static void sockets_do_not_notice_that_a_streamer_is_replaced(void **state)
{
	/* Every event is counted: a slow reader gets them as they are. */
	static const char *const settings[] = { "FAIRLEAD_STREAM_FOLD_AFTER=1h", NULL };
	struct world world = { .body = sockets_body, .settings = settings, .hands_over = true };

	(void)state;
	world_find_ports(&world);
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_do_not_notice_that_a_streamer_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
