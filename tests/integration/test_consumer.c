/* The consumer's face over real streamers: the greeting, live frames, coming back, and what clients
 * ask. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/crew.h"
#include "tests/integration/talker.h"

static const char one_row[] = "SELECT kind || ' ' || payload::text FROM commands "
			      "WHERE id = $1::text";
static const struct text row_query = { "test_consumer_row", "0", one_row, sizeof(one_row) - 1 };
static const char all_rows[] = "SELECT count(*) FROM commands WHERE session_id = $1::text";
static const struct text count_query = { "test_consumer_count", "0", all_rows,
	                                 sizeof(all_rows) - 1 };

/* ---- the stage ---- */

struct stage {
	struct world *world;
	struct crew crew;
	struct id sid; /* runs: four events */
	struct talker *talker;
};

#define ON_STAGE(name, act)                                                                        \
	static void name##_world(struct world *world)                                              \
	{                                                                                          \
		struct stage stage = { .world = world,                                             \
			               .crew = { &world->store, TENANT, "0" },                     \
			               .sid = world_session(world) };                              \
                                                                                                   \
		crew_run(&stage.crew, &stage.sid);                                                 \
		act(&stage);                                                                       \
		if (stage.talker != NULL) {                                                        \
			talker_close(stage.talker);                                                \
		}                                                                                  \
	}                                                                                          \
	static void name(void **state)                                                             \
	{                                                                                          \
		struct world world = { .body = name##_world };                                     \
                                                                                                   \
		(void)state;                                                                       \
		world_run(&world);                                                                 \
	}

static void come_to(struct stage *stage, const char *key, const char *target)
{
	char header[256];

	if (stage->talker != NULL) {
		talker_close(stage->talker);
	}
	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", key);
	stage->talker = talker_open(stage->world, 0, target, header);
	stage->talker->skips = "presence_update";
	assert_int_equal(stage->talker->status, 101);
}

/* A participant, unless the key is another. */
static void come_as(struct stage *stage, const char *key, const char *query)
{
	char target[256];

	(void)snprintf(target, sizeof(target), "/ws/consumer/%s%s", stage->sid.s, query);
	come_to(stage, key, target);
}

static void come(struct stage *stage, const char *query)
{
	come_as(stage, stage->world->admin_key, query);
}

static void append(struct stage *stage, enum event_type type, const char *data)
{
	(void)world_append(stage->world, &stage->sid, type, str_of(data));
}

static void say(struct stage *stage, const char *type, const char *more)
{
	talker_say(stage->talker, "{\"type\":\"%s\",\"ref\":\"r\"%s}", type, more);
}

static const struct json_value *member(const struct stage *stage, const char *name)
{
	return json_get(stage->talker->json, name);
}

static void expect(struct stage *stage, const char *type)
{
	talker_expect(stage->talker, type);
}

/* A frame that stands for the event with that n. */
static void expect_event(struct stage *stage, const char *type, int64_t seq)
{
	expect(stage, type);
	assert_int_equal(talker_int(stage->talker, "seq"), seq);
}

static void expect_error(struct stage *stage, const char *code)
{
	expect(stage, "error");
	if (!str_eq(talker_str(stage->talker, "code"), str_of(code))) {
		fail_msg("%s, not %s", buf_cstr(&stage->talker->payload), code);
	}
	assert_true(str_eq(talker_str(stage->talker, "ref"), STR_LIT("r")));
}

/* Up to the last frame of the greeting, which says whether an agent runs. */
static void pass_greeting(struct stage *stage)
{
	do {
		talker_next(stage->talker);
	} while (!str_starts(talker_str(stage->talker, "type"), STR_LIT("cli_")));
}

/* ---- coming ---- */

static void greeting_body(struct stage *stage)
{
	append(stage, EVENT_TYPE_MESSAGE, "{\"role\":\"user\",\"content\":\"hi\"}");
	append(stage, EVENT_TYPE_MESSAGE_DELTA, "{\"message_id\":\"m\",\"delta\":\"he\"}");
	append(stage, EVENT_TYPE_COST, "{\"usd\":0.25}");
	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"old\",\"title\":\"t\"}");
	append(stage, EVENT_TYPE_PERMISSION_RESOLVED, "{\"request_id\":\"old\"}");
	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"q\",\"title\":\"t\"}");
	come(stage, "");
	expect(stage, "identity");
	assert_true(str_eq(talker_str(stage->talker, "role"), STR_LIT("participant")));
	expect_event(stage, "session_init", 10);
	assert_int_equal(talker_int(stage->talker, "protocol_version"), 1);
	assert_true(str_eq(json_as_str(json_get(member(stage, "session"), "session_id")),
	                   str_of(stage->sid.s)));
	assert_true(str_eq(json_as_str(json_get(member(stage, "session"), "status")),
	                   STR_LIT("running")));
	assert_non_null(strstr(buf_cstr(&stage->talker->payload), "\"total_cost_usd\":0.25"));
	expect(stage, "message_history");
	assert_int_equal(json_count(member(stage, "messages")), 1);
	assert_int_equal(json_as_i64(json_get(json_at(member(stage, "messages"), 0), "seq")), 5);
	assert_false(json_as_bool(member(stage, "has_more")));
	expect_event(stage, "permission_request", 10);
	expect(stage, "presence_update");
	expect(stage, "cli_connected");
	append(stage, EVENT_TYPE_MESSAGE_DELTA, "{\"message_id\":\"m\",\"delta\":\"hello\"}");
	append(stage, EVENT_TYPE_DIFF, "{\"path\":\"a\"}");
	append(stage, EVENT_TYPE_LOG, "{\"stream\":\"stdout\",\"message\":\"out\"}");
	expect_event(stage, "stream_event", 11);
	expect_event(stage, "process_output", 13);
}
ON_STAGE(a_client_is_greeted_with_the_state_and_goes_on_live, greeting_body)

static void agentless_body(struct stage *stage)
{
	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"q\",\"title\":\"t\"}");
	crew_move(&stage->crew, &stage->sid, SESSION_QUEUED);
	(void)world_raise(stage->world, &stage->sid, "again");
	come(stage, "");
	expect(stage, "identity");
	expect(stage, "session_init");
	/* Whoever asked is gone: nothing waits for an answer. */
	expect(stage, "presence_update");
	expect(stage, "cli_disconnected");
	(void)world_finish(stage->world, &stage->sid);
	expect(stage, "cli_disconnected");
	expect(stage, "session_lifecycle");
	assert_true(str_eq(talker_str(stage->talker, "subtype"), STR_LIT("session_ended")));
	/* It stays, for what is still to be asked. */
	say(stage, "history_query", "");
	expect(stage, "message_history");
	say(stage, "user_message", ",\"content\":\"x\"");
	expect_error(stage, "GONE");
}
ON_STAGE(without_an_agent_nothing_is_asked_and_the_end_is_told, agentless_body)

static void resume_body(struct stage *stage)
{
	static const char *const queries[] = { "?last_seen_seq=4", "?starting_after=4",
		                               "?after=1-4&consumer_id=c" };

	append(stage, EVENT_TYPE_MESSAGE, "{\"role\":\"user\",\"content\":\"hi\"}");
	append(stage, EVENT_TYPE_NOTE, "{\"message\":\"no form\"}");
	append(stage, EVENT_TYPE_MESSAGE, "{\"role\":\"assistant\",\"content\":\"yes\"}");
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		come(stage, queries[i]);
		expect(stage, "identity");
		expect_event(stage, "session_init", 7);
		expect(stage, "presence_update");
		expect(stage, "cli_connected");
		expect_event(stage, "user_message", 5);
		expect_event(stage, "assistant", 7);
	}
	come(stage, "?last_seen_seq=99");
	pass_greeting(stage);
	expect(stage, "replay_gap");
}
ON_STAGE(who_comes_back_gets_what_it_missed, resume_body)

static void doors_body(struct stage *stage)
{
	struct buf answer;

	come_to(stage, stage->world->admin_key, "/ws/consumer/nonsense");
	assert_int_equal(talker_goodbye(stage->talker), 1008);
	come_as(stage, stage->world->foreign_key, "");
	assert_int_equal(talker_goodbye(stage->talker), 4404);
	come_as(stage, stage->world->narrow_key, "");
	assert_int_equal(talker_goodbye(stage->talker), 4404);
	come_to(stage, stage->world->admin_key, "/stream/ws/consumer/01ARZ3NDEKTSV4RRFFQ69G5FAV");
	assert_int_equal(talker_goodbye(stage->talker), 4404);
	buf_init(&answer, SIZE_MAX / 2);
	assert_int_equal(world_ask(stage->world, 0, "GET /ws/consumer/x", "", &answer), 426);
	assert_int_equal(
		world_ask(stage->world, 0, "GET /ws/consumer/x?after=here&token=k", "", &answer),
		400);
	buf_fini(&answer);
}
ON_STAGE(who_may_not_come_is_told_by_a_close_code, doors_body)

/* ---- history ---- */

static void history_body(struct stage *stage)
{
	enum { MESSAGES = 230, FIRST = 5 };
	int64_t want = FIRST + MESSAGES - 1, before = 0;
	unsigned pages = 0;

	for (unsigned i = 0; i < MESSAGES; i++) {
		append(stage, EVENT_TYPE_MESSAGE, "{\"role\":\"user\",\"content\":\"x\"}");
	}
	(void)world_notes(stage->world, &stage->sid, 20, 20);
	world_archive(stage->world, &stage->sid, 8);
	come(stage, "");
	expect(stage, "identity");
	expect(stage, "session_init");
	do {
		const struct json_value *messages;

		expect(stage, "message_history");
		messages = member(stage, "messages");
		assert_true(json_count(messages) <= 100);
		for (size_t i = json_count(messages); i-- > 0;) {
			assert_int_equal(json_as_i64(json_get(json_at(messages, i), "seq")), want);
			want--;
		}
		before = talker_int(stage->talker, "before");
		if (pages++ == 0) {
			pass_greeting(stage);
		} else {
			assert_true(str_eq(talker_str(stage->talker, "ref"), STR_LIT("p")));
		}
		if (before != 0) {
			talker_say(stage->talker,
			           "{\"type\":\"history_query\",\"ref\":\"p\","
			           "\"before\":%u}",
			           (unsigned)before);
		}
	} while (before != 0);
	assert_int_equal(want, FIRST - 1);
	assert_int_equal(pages, 3);
	say(stage, "history_query", ",\"limit\":7,\"before\":50");
	expect(stage, "message_history");
	assert_int_equal(json_count(member(stage, "messages")), 7);
	assert_int_equal(json_as_i64(json_get(json_at(member(stage, "messages"), 6), "seq")), 49);
	say(stage, "history_query", ",\"limit\":101");
	expect_error(stage, "INVALID");
}
ON_STAGE(the_whole_history_is_there_page_by_page_across_the_tiers, history_body)

static void large_body(struct stage *stage)
{
	static char text[50 * 1024], data[60 * 1024];

	memset(text, 'a', sizeof(text) - 1);
	(void)snprintf(data, sizeof(data), "{\"role\":\"user\",\"content\":\"%s\"}", text);
	for (unsigned i = 0; i < 3; i++) {
		append(stage, EVENT_TYPE_MESSAGE, data);
	}
	append(stage, EVENT_TYPE_MESSAGE, "{\"role\":\"user\",\"content\":\"small\"}");
	come(stage, "");
	expect(stage, "identity");
	expect(stage, "session_init");
	expect(stage, "message_history");
	/* 64 KiB at most: no message between two that are there is left out. */
	assert_int_equal(json_count(member(stage, "messages")), 2);
	assert_int_equal(talker_int(stage->talker, "before"), 7);
	pass_greeting(stage);
	say(stage, "history_query", ",\"before\":7");
	expect(stage, "message_history");
	assert_int_equal(json_count(member(stage, "messages")), 1);
	assert_int_equal(talker_int(stage->talker, "before"), 6);
	say(stage, "history_query", ",\"before\":6");
	expect(stage, "message_history");
	assert_int_equal(json_count(member(stage, "messages")), 1);
}
ON_STAGE(a_page_of_history_is_bounded_in_bytes, large_body)

/* ---- asking ---- */

static struct pg_rows *rows_of(struct stage *stage, const struct text *query, const char *id)
{
	struct pg_params params = { 0 };
	struct pg_rows *rows = NULL;
	struct err err;

	pg_param_cstr(&params, id);
	if (pg_query(stage->world->pg, "", query, &params, &rows, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return rows;
}

/* The next ack is of a command with that row, and the worker has got a note about it. */
static void expect_command(struct stage *stage, const char *row)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct json_value *note CLEANUP(json_value_cleanup) = NULL;
	char command[ID_LEN + 1];

	do { /* what comes of it may come first */
		talker_next(stage->talker);
	} while (!str_eq(talker_str(stage->talker, "type"), STR_LIT("ack")));
	assert_true(str_eq(talker_str(stage->talker, "ref"), STR_LIT("r")));
	assert_true(str_copy(command, sizeof(command), talker_str(stage->talker, "command_id")));
	rows = rows_of(stage, &row_query, command);
	assert_int_equal(pg_rows_count(rows), 1);
	assert_string_equal(pg_str(rows, 0, 0).p, row);
	note = crew_mail(&stage->crew, "command", &stage->sid);
	assert_string_equal(json_as_str(json_get(note, "id")).p, command);
}

static void asking_body(struct stage *stage)
{
	static const struct {
		const char *type, *more, *row;
	} asks[] = {
		{ "user_message", ",\"content\":\"hi\",\"images\":[],\"session_id\":\"s\"",
		  "prompt {\"prompt\": \"hi\"}" },
		{ "interrupt", "", "interrupt {}" },
		{ "set_model", ",\"model\":\"m\"", "set_model {\"model\": \"m\"}" },
		{ "set_permission_mode", ",\"mode\":\"plan\"",
		  "set_permission_mode {\"mode\": \"plan\"}" },
		{ "slash_command", ",\"command\":\"/help\"", "slash {\"command\": \"/help\"}" },
		{ "queue_message", ",\"content\":\"a\"", "prompt {\"prompt\": \"a\"}" },
		{ "permission_response",
		  ",\"request_id\":\"q1\",\"behavior\":\"deny\",\"message\":\"no\"",
		  "approval {\"scope\": \"once\", \"message\": \"no\", \"behavior\": \"deny\", "
		  "\"request_id\": \"q1\"}" },
		{ "permission_response",
		  ",\"request_id\":\"q2\",\"behavior\":\"allow\",\"updated_input\":{\"a\":1},"
		  "\"updated_permissions\":[{\"type\":\"setMode\",\"mode\":\"x\",\"destination\":"
		  "\"userSettings\"}]",
		  "approval {\"scope\": \"always\", \"behavior\": \"allow\", \"request_id\": "
		  "\"q2\", \"updated_input\": {\"a\": 1}, \"updated_permissions\": [{\"mode\": "
		  "\"x\", \"type\": \"setMode\", \"destination\": \"userSettings\"}]}" },
	};

	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"q1\"}");
	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"q2\"}");
	come(stage, "");
	pass_greeting(stage);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		say(stage, asks[i].type, asks[i].more);
		expect_command(stage, asks[i].row);
	}
	say(stage, "permission_response", ",\"request_id\":\"q1\",\"behavior\":\"allow\"");
	expect_error(stage, "CONFLICT");
	talker_say(stage->talker, "{\"type\":\"slash_command\",\"command\":\"/x\","
	                          "\"request_id\":\"r\"}");
	expect_command(stage, "slash {\"command\": \"/x\"}");
	say(stage, "presence_query", "");
	expect(stage, "presence_update");
	assert_true(str_eq(talker_str(stage->talker, "ref"), STR_LIT("r")));
	crew_no_mail(&stage->crew);
}
ON_STAGE(what_a_client_asks_is_a_command_and_is_acknowledged, asking_body)

/* Both, in either order: who asked is told, and so is everybody. */
static void expect_ack_and(struct stage *stage, const char *type)
{
	struct str first;

	talker_next(stage->talker);
	first = talker_str(stage->talker, "type");
	if (str_eq(first, STR_LIT("ack"))) {
		expect(stage, type);
	} else {
		assert_true(str_eq(first, str_of(type)));
		expect(stage, "ack");
	}
}

static void queued_body(struct stage *stage)
{
	come(stage, "");
	pass_greeting(stage);
	say(stage, "queue_message", ",\"content\":\"a\"");
	expect_command(stage, "prompt {\"prompt\": \"a\"}");
	say(stage, "update_queued_message", ",\"content\":\"b\"");
	expect_ack_and(stage, "queued_message_updated");
	json_value_free(crew_mail(&stage->crew, "command", &stage->sid));
	say(stage, "cancel_queued_message", "");
	expect_ack_and(stage, "queued_message_cancelled");
	say(stage, "cancel_queued_message", "");
	expect_error(stage, "NOT_FOUND");
	crew_no_mail(&stage->crew);
}
ON_STAGE(a_message_that_waits_is_changed_and_taken_back, queued_body)

static void slash_body(struct stage *stage)
{
	come(stage, "");
	pass_greeting(stage);
	append(stage, EVENT_TYPE_COMMAND_FINISHED,
	       "{\"command_id\":\"c\",\"outcome\":\"done\",\"result\":{\"source\":\"local\","
	       "\"text\":\"t\"}}");
	expect(stage, "slash_command_result");
	assert_true(str_eq(talker_str(stage->talker, "command_id"), STR_LIT("c")));
	assert_true(str_eq(talker_str(stage->talker, "content"), STR_LIT("t")));
	assert_true(str_eq(talker_str(stage->talker, "source"), STR_LIT("emulated")));
	append(stage, EVENT_TYPE_COMMAND_FINISHED,
	       "{\"command_id\":\"d\",\"outcome\":\"failed\",\"message\":\"no\","
	       "\"result\":{\"source\":\"native\"}}");
	expect(stage, "slash_command_error");
	assert_true(str_eq(talker_str(stage->talker, "error"), STR_LIT("no")));
	append(stage, EVENT_TYPE_COMMAND_FINISHED,
	       "{\"command_id\":\"e\",\"outcome\":\"failed\",\"message\":\"no\"}");
	expect(stage, "error");
}
ON_STAGE(what_a_slash_command_gave_has_frames_of_its_own, slash_body)

static void again_body(struct stage *stage)
{
	const struct id command = id_new();
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	char same[128], other[128];

	(void)snprintf(same, sizeof(same), ",\"content\":\"x\",\"command_id\":\"%s\"", command.s);
	(void)snprintf(other, sizeof(other), ",\"content\":\"y\",\"command_id\":\"%s\"", command.s);
	come(stage, "");
	pass_greeting(stage);
	say(stage, "user_message", same);
	expect_command(stage, "prompt {\"prompt\": \"x\"}");
	come(stage, "");
	pass_greeting(stage);
	say(stage, "user_message", same);
	expect(stage, "ack");
	assert_true(json_as_bool(member(stage, "repeated")));
	assert_true(str_eq(talker_str(stage->talker, "command_id"), str_of(command.s)));
	say(stage, "user_message", other);
	expect_error(stage, "KEY_REUSED");
	rows = rows_of(stage, &count_query, stage->sid.s);
	assert_int_equal(pg_u64(rows, 0, 0), 1);
	crew_no_mail(&stage->crew);
}
ON_STAGE(a_message_by_the_clients_own_id_is_given_once, again_body)

static void refused_body(struct stage *stage)
{
	static const struct {
		const char *type, *more, *code;
	} asks[] = {
		{ "set_adapter", ",\"adapter\":\"codex\"", "UNSUPPORTED" },
		{ "queue_message", "", "INVALID" },
		{ "update_queued_message", "", "INVALID" },
		{ "update_queued_message", ",\"content\":\"x\"", "NOT_FOUND" },
		{ "update_queued_message", ",\"content\":\"x\",\"images\":[{}]", "UNSUPPORTED" },
		{ "cancel_queued_message", "", "NOT_FOUND" },
		{ "cancel_queued_message", ",\"prompt_id\":\"x\"", "NOT_FOUND" },
		{ "user_message", ",\"content\":\"x\",\"images\":[{}]", "UNSUPPORTED" },
		{ "user_message", "", "INVALID" },
		{ "user_message", ",\"content\":\"x\",\"command_id\":\"y\"", "INVALID" },
		{ "slash_command", ",\"command\":\"help\"", "INVALID" },
		{ "permission_response", ",\"request_id\":\"q\",\"behavior\":\"ask\"", "INVALID" },
		{ "permission_response",
		  ",\"request_id\":\"q\",\"behavior\":\"allow\",\"updated_permissions\":[{\"type\":"
		  "\"setMode\",\"destination\":\"session\"}]",
		  "INVALID" },
		{ "subscribe", "", "INVALID" },
	};

	come(stage, "");
	pass_greeting(stage);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		say(stage, asks[i].type, asks[i].more);
		expect_error(stage, asks[i].code);
	}
	crew_no_mail(&stage->crew);
}
ON_STAGE(what_cannot_be_asked_is_refused_with_a_stable_code, refused_body)

static void flood_body(struct stage *stage)
{
	enum { FRAMES = 200, BURST = 20 };
	unsigned limited = 0;

	come(stage, "");
	pass_greeting(stage);
	for (unsigned i = 0; i < FRAMES; i++) {
		say(stage, "set_adapter", "");
	}
	for (unsigned i = 0; i < FRAMES; i++) {
		expect(stage, "error");
		if (str_eq(talker_str(stage->talker, "code"), STR_LIT("LIMIT"))) {
			limited++;
		} else {
			assert_true(
				str_eq(talker_str(stage->talker, "code"), STR_LIT("UNSUPPORTED")));
		}
	}
	assert_true(limited >= 1 && limited <= FRAMES - BURST);
}
ON_STAGE(too_many_frames_are_refused_and_the_connection_stays, flood_body)

/* ---- roles ---- */

/* Come before as an observer. */
static void observe(struct stage *stage)
{
	expect(stage, "identity");
	assert_true(str_eq(talker_str(stage->talker, "role"), STR_LIT("observer")));
	expect(stage, "session_init");
	expect(stage, "presence_update");
	expect(stage, "cli_connected");
	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"p\"}");
	append(stage, EVENT_TYPE_LOG, "{\"stream\":\"stdout\",\"message\":\"secret\"}");
	append(stage, EVENT_TYPE_NATIVE, "{\"protocol\":\"p\",\"payload\":1}");
	append(stage, EVENT_TYPE_ERROR, "{\"message\":\"for all\"}");
	expect(stage, "error");
	assert_true(str_eq(talker_str(stage->talker, "message"), STR_LIT("for all")));
	say(stage, "user_message", ",\"content\":\"x\"");
	expect_error(stage, "FORBIDDEN");
	say(stage, "presence_query", "");
	expect(stage, "presence_update");
	crew_no_mail(&stage->crew);
}

static void reader_body(struct stage *stage)
{
	struct buf answer;
	char line[256];

	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"q\",\"title\":\"t\"}");
	come_as(stage, stage->world->observer_key, "");
	observe(stage);
	buf_init(&answer, SIZE_MAX / 2);
	talker_close(stage->talker);
	(void)snprintf(line, sizeof(line), "Authorization: ApiKey %s\r\n",
	               stage->world->observer_key);
	assert_int_equal(
		world_ask(stage->world, 0, "GET /ws/consumer/x?role=participant", line, &answer),
		400);
	buf_fini(&answer);
	stage->talker = NULL;
}
ON_STAGE(observers_see_no_questions_and_no_output_and_ask_nothing, reader_body)

static void modest_body(struct stage *stage)
{
	append(stage, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"q\",\"title\":\"t\"}");
	come(stage, "?role=observer");
	observe(stage);
}
ON_STAGE(a_participant_may_come_as_an_observer, modest_body)

/* ---- many at once ---- */

static void crowd_body(struct stage *stage)
{
	enum { CROWD = 40 };
	struct talker *crowd[CROWD];
	uint64_t before, reads;
	char target[128];

	for (unsigned i = 0; i < 10; i++) {
		append(stage, EVENT_TYPE_MESSAGE, "{\"role\":\"user\",\"content\":\"x\"}");
	}
	(void)snprintf(target, sizeof(target), "/ws/consumer/%s", stage->sid.s);
	before = world_metric(stage->world, 0, "fairlead_greetings_read_total");
	for (unsigned i = 0; i < CROWD; i++) {
		crowd[i] = talker_open(stage->world, 0, target, "");
		assert_int_equal(crowd[i]->status, 101);
	}
	append(stage, EVENT_TYPE_ERROR, "{\"message\":\"live\"}");
	for (unsigned i = 0; i < CROWD; i++) {
		do {
			talker_next(crowd[i]);
		} while (!str_eq(talker_str(crowd[i], "type"), STR_LIT("error")));
		assert_int_equal(talker_int(crowd[i], "seq"), 15);
		talker_close(crowd[i]);
	}
	reads = world_metric(stage->world, 0, "fairlead_greetings_read_total") - before;
	assert_true(reads >= 1 && reads < CROWD / 2);
}
ON_STAGE(a_crowd_is_greeted_from_few_reads, crowd_body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_is_greeted_with_the_state_and_goes_on_live),
		cmocka_unit_test(without_an_agent_nothing_is_asked_and_the_end_is_told),
		cmocka_unit_test(who_comes_back_gets_what_it_missed),
		cmocka_unit_test(who_may_not_come_is_told_by_a_close_code),
		cmocka_unit_test(the_whole_history_is_there_page_by_page_across_the_tiers),
		cmocka_unit_test(a_page_of_history_is_bounded_in_bytes),
		cmocka_unit_test(what_a_client_asks_is_a_command_and_is_acknowledged),
		cmocka_unit_test(a_message_by_the_clients_own_id_is_given_once),
		cmocka_unit_test(a_message_that_waits_is_changed_and_taken_back),
		cmocka_unit_test(what_a_slash_command_gave_has_frames_of_its_own),
		cmocka_unit_test(what_cannot_be_asked_is_refused_with_a_stable_code),
		cmocka_unit_test(too_many_frames_are_refused_and_the_connection_stays),
		cmocka_unit_test(observers_see_no_questions_and_no_output_and_ask_nothing),
		cmocka_unit_test(a_participant_may_come_as_an_observer),
		cmocka_unit_test(a_crowd_is_greeted_from_few_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
