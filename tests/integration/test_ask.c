/* Steering by frames of /api/v1/ws: the row, the note to the worker, and what the client is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/integration/crew.h"
#include "tests/integration/talker.h"

#define WS "/api/v1/ws"

enum { DENIED_MS = 5000 };

static const char one_row[] = "SELECT kind || ' ' || state || ' ' || payload::text FROM commands "
			      "WHERE id = $1::text";
static const struct text row_query = { "test_ask_row", "0", one_row, sizeof(one_row) - 1 };
static const char all_rows[] = "SELECT count(*) FROM commands WHERE session_id = $1::text";
static const struct text count_query = { "test_ask_count", "0", all_rows, sizeof(all_rows) - 1 };

/* Soon enough for a test. */
static const char *const settings[] = { "FAIRLEAD_PG_ACQUIRE_TIMEOUT=500ms", NULL };

/* ---- the stage ---- */

struct stage {
	struct world *world;
	struct crew crew;
	struct id sid; /* runs */
	struct talker *talker;
};

static struct talker *open_as(struct world *world, const char *key)
{
	char header[256];

	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", key);
	return talker_open(world, 0, WS, header);
}

static void raise_curtain(struct world *world, struct stage *stage)
{
	*stage = (struct stage){ .world = world,
		                 .crew = { &world->store, TENANT, "0" },
		                 .sid = world_session(world),
		                 .talker = open_as(world, world->admin_key) };
	crew_run(&stage->crew, &stage->sid);
}

#define ON_STAGE(name, act)                                                                        \
	static void name##_world(struct world *world)                                              \
	{                                                                                          \
		struct stage stage;                                                                \
                                                                                                   \
		raise_curtain(world, &stage);                                                      \
		act(&stage);                                                                       \
		talker_close(stage.talker);                                                        \
	}                                                                                          \
	static void name(void **state)                                                             \
	{                                                                                          \
		struct world world = { .body = name##_world, .settings = settings };               \
                                                                                                   \
		(void)state;                                                                       \
		world_run(&world);                                                                 \
	}

/* A frame about the session: its type and further members. */
static void say(struct stage *stage, const char *type, const char *more)
{
	talker_say(stage->talker, "{\"type\":\"%s\",\"sessionId\":\"%s\",\"ref\":\"r\"%s}", type,
	           stage->sid.s, more);
}

/* The command that it was acknowledged as. */
static struct id expect_ack(struct stage *stage, const char *status)
{
	struct id command = { "" };

	talker_expect(stage->talker, "ack");
	assert_true(str_eq(talker_str(stage->talker, "ref"), STR_LIT("r")));
	assert_true(str_eq(talker_str(stage->talker, "sessionId"), str_of(stage->sid.s)));
	if (!str_eq(talker_str(stage->talker, "status"), str_of(status))) {
		fail_msg("%s", buf_cstr(&stage->talker->payload));
	}
	(void)!id_parse(talker_str(stage->talker, "commandId"), &command);
	return command;
}

static void expect_error(struct stage *stage, const char *code)
{
	talker_expect(stage->talker, "error");
	if (!str_eq(talker_str(stage->talker, "code"), str_of(code))) {
		fail_msg("%s, not %s", buf_cstr(&stage->talker->payload), code);
	}
	assert_true(str_eq(talker_str(stage->talker, "ref"), STR_LIT("r")));
}

static void expect_problem(struct stage *stage, const char *field)
{
	expect_error(stage, "INVALID");
	assert_non_null(json_get(json_get(stage->talker->json, "errors"), field));
}

static struct pg_rows *ask_rows(struct stage *stage, const struct text *query, const char *id)
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

/* The row says that, and the worker has got a note about it. */
static void expect_command(struct stage *stage, const struct id *command, const char *row)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = ask_rows(stage, &row_query, command->s);
	CLEANUP(json_value_cleanup)
	struct json_value *note = crew_mail(&stage->crew, "command", &stage->sid);

	assert_int_equal(pg_rows_count(rows), 1);
	assert_string_equal(pg_str(rows, 0, 0).p, row);
	assert_string_equal(json_as_str(json_get(note, "id")).p, command->s);
}

static uint64_t count_rows(struct stage *stage)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = ask_rows(stage, &count_query, stage->sid.s);

	return pg_u64(rows, 0, 0);
}

/* ---- the tests ---- */

static void prompt_body(struct stage *stage)
{
	struct id command;

	say(stage, "prompt", ",\"prompt\":\"go on\"");
	command = expect_ack(stage, "running");
	expect_command(stage, &command, "prompt queued {\"prompt\": \"go on\"}");
	say(stage, "prompt", ",\"message\":[{\"type\":\"text\",\"text\":\"a\"}]");
	command = expect_ack(stage, "running");
	expect_command(stage, &command, "prompt queued {\"prompt\": \"a\"}");
	say(stage, "prompt", "");
	expect_problem(stage, "prompt");
	talker_say(stage->talker,
	           "{\"type\":\"prompt\",\"session_id\":\"%s\",\"prompt\":\"x\","
	           "\"ref\":\"r\"}",
	           id_new().s);
	expect_error(stage, "NOT_FOUND");
	crew_move(&stage->crew, &stage->sid, SESSION_PAUSING);
	say(stage, "prompt", ",\"prompt\":\"x\"");
	expect_error(stage, "CONFLICT");
	crew_move(&stage->crew, &stage->sid, SESSION_COMPLETED);
	say(stage, "prompt", ",\"prompt\":\"x\"");
	expect_error(stage, "GONE");
	assert_int_equal(count_rows(stage), 2);
}
ON_STAGE(a_prompt_is_a_command_and_is_acknowledged_once_it_is_durable, prompt_body)

/* A frame about that prompt. */
static void say_about(struct stage *stage, const char *type, const struct id *prompt,
                      const char *more)
{
	char about[256];

	(void)snprintf(about, sizeof(about), ",\"promptId\":\"%s\"%s", prompt->s, more);
	say(stage, type, about);
}

static void expect_about(struct stage *stage, const struct id *prompt)
{
	struct id told = expect_ack(stage, "running");

	assert_true(id_eq(&told, prompt));
}

static void waiting_body(struct stage *stage)
{
	const struct id other = id_new();
	struct id prompt;

	say(stage, "prompt", ",\"prompt\":\"one\",\"mode\":\"steer\"");
	prompt = expect_ack(stage, "running");
	expect_command(stage, &prompt, "prompt queued {\"steer\": true, \"prompt\": \"one\"}");
	say_about(stage, "prompt_edit", &prompt, ",\"prompt\":\"two\"");
	expect_about(stage, &prompt);
	expect_command(stage, &prompt, "prompt queued {\"prompt\": \"two\", \"version\": 2}");
	say_about(stage, "prompt_edit", &prompt, "");
	expect_problem(stage, "prompt");
	say(stage, "prompt_cancel", "");
	expect_problem(stage, "promptId");
	say_about(stage, "prompt_edit", &other, ",\"prompt\":\"x\"");
	expect_error(stage, "NOT_FOUND");
	say_about(stage, "prompt_cancel", &other, "");
	expect_error(stage, "NOT_FOUND");
	say(stage, "prompt_cancel", ",\"promptId\":\"x\"");
	expect_error(stage, "NOT_FOUND");
	for (unsigned i = 0; i < 2; i++) { /* again is the same */
		say_about(stage, "prompt_cancel", &prompt, "");
		expect_about(stage, &prompt);
	}
	say_about(stage, "prompt_edit", &prompt, ",\"prompt\":\"x\"");
	expect_error(stage, "CONFLICT");
	talker_close(stage->talker);
	stage->talker = open_as(stage->world, stage->world->observer_key);
	say_about(stage, "prompt_cancel", &prompt, "");
	expect_error(stage, "FORBIDDEN");
	crew_no_mail(&stage->crew);
}
ON_STAGE(a_prompt_that_waits_is_edited_and_taken_back, waiting_body)

static void words_body(struct stage *stage)
{
	static const struct {
		const char *type, *name, *word, *row;
	} asks[] = {
		{ "set_model", "model", "m", "set_model queued {\"model\": \"m\"}" },
		{ "set_mode", "mode", "plan", "set_permission_mode queued {\"mode\": \"plan\"}" },
		{ "slash", "command", "/help me", "slash queued {\"command\": \"/help me\"}" },
	};
	const struct id own = id_new();
	struct id command;
	char more[128];

	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		(void)snprintf(more, sizeof(more), ",\"%s\":\"%s\"", asks[i].name, asks[i].word);
		say(stage, asks[i].type, more);
		command = expect_ack(stage, "running");
		expect_command(stage, &command, asks[i].row);
		say(stage, asks[i].type, "");
		expect_problem(stage, asks[i].name);
	}
	say(stage, "slash", ",\"command\":\"help\"");
	expect_problem(stage, "command");
	(void)snprintf(more, sizeof(more), ",\"command\":\"/cost\",\"commandId\":\"%s\"", own.s);
	for (unsigned i = 0; i < 2; i++) {
		say(stage, "slash", more);
		expect_about(stage, &own);
	}
	assert_true(json_as_bool(json_get(stage->talker->json, "repeated")));
	assert_int_equal(count_rows(stage), ARRAY_LEN(asks) + 1);
}
ON_STAGE(model_mode_and_slash_commands_are_asked_by_frames, words_body)

static void again_body(struct stage *stage)
{
	const struct id command = id_new();
	struct id told;
	char same[128], other[128];

	(void)snprintf(same, sizeof(same), ",\"prompt\":\"x\",\"commandId\":\"%s\"", command.s);
	(void)snprintf(other, sizeof(other), ",\"prompt\":\"y\",\"command_id\":\"%s\"", command.s);
	say(stage, "prompt", same);
	told = expect_ack(stage, "running");
	assert_true(id_eq(&told, &command));
	assert_null(json_get(stage->talker->json, "repeated"));
	expect_command(stage, &command, "prompt queued {\"prompt\": \"x\"}");
	/* Another connection of the same client does not know whether it was done. */
	talker_close(stage->talker);
	stage->talker = open_as(stage->world, stage->world->admin_key);
	say(stage, "prompt", same);
	told = expect_ack(stage, "running");
	assert_true(id_eq(&told, &command));
	assert_true(json_as_bool(json_get(stage->talker->json, "repeated")));
	say(stage, "prompt", other);
	expect_error(stage, "KEY_REUSED");
	say(stage, "prompt", ",\"prompt\":\"x\",\"commandId\":\"once\"");
	expect_problem(stage, "commandId");
	assert_int_equal(count_rows(stage), 1);
	crew_no_mail(&stage->crew);
}
ON_STAGE(a_command_by_the_clients_own_id_is_done_once, again_body)

static void chat_body(struct stage *stage)
{
	struct cursor at = { 0, 0 };
	struct id command;

	say(stage, "chat_request", "");
	expect_problem(stage, "message");
	say(stage, "chat_request", ",\"message\":\"hi\",\"agent\":\"a\",\"seq\":1");
	talker_expect(stage->talker, "subscribed");
	command = expect_ack(stage, "running");
	expect_command(stage, &command, "prompt queued {\"prompt\": \"hi\"}");
	(void)world_notes(stage->world, &stage->sid, 1, 1);
	talker_expect(stage->talker, "event");
	assert_int_equal(talker_int(stage->talker, "seq"), 5);
	say(stage, "chat_request", ",\"message\":\"more\"");
	command = expect_ack(stage, "running");
	expect_command(stage, &command, "prompt queued {\"prompt\": \"more\"}");
	talker_close(stage->talker);
	/* It resumes where the client was; whoever may only look may do that, too. */
	stage->talker = open_as(stage->world, stage->world->observer_key);
	say(stage, "chat_request", ",\"resume_after_seq\":1");
	talker_expect(stage->talker, "subscribed");
	at.n = 1;
	talker_follow(stage->talker, &stage->sid, &at, 5);
	say(stage, "chat_request", ",\"message\":\"hi\"");
	expect_error(stage, "FORBIDDEN");
}
ON_STAGE(a_chat_request_prompts_and_follows_or_resumes, chat_body)

/* Everybody who follows sees that it has its answer. */
static void expect_resolved(struct stage *stage)
{
	talker_expect(stage->talker, "event");
	assert_true(str_eq(json_as_str(json_get(json_get(stage->talker->json, "event"), "type")),
	                   STR_LIT("permission_resolved")));
}

static void approval_body(struct stage *stage)
{
	static const char *const requests[] = { "{\"request_id\":\"a\"}",
		                                "{\"request_id\":\"b\"}" };
	struct cursor at = { 0, 0 };
	struct id command;

	talker_say(stage->talker, "{\"type\":\"approval_response\",\"approval_id\":\"a\","
	                          "\"action\":\"deny\",\"ref\":\"r\"}");
	expect_problem(stage, "sessionId");
	say(stage, "subscribe", "");
	talker_expect(stage->talker, "subscribed");
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		(void)world_append(stage->world, &stage->sid, EVENT_TYPE_PERMISSION_REQUEST,
		                   str_of(requests[i]));
	}
	talker_follow(stage->talker, &stage->sid, &at, 6);
	talker_say(stage->talker, "{\"type\":\"approval_response\",\"approval_id\":\"a\","
	                          "\"action\":\"auto_session\",\"ref\":\"r\"}");
	expect_resolved(stage);
	command = expect_ack(stage, "running");
	expect_command(stage, &command,
	               "approval queued {\"scope\": \"session\", \"behavior\": \"allow\", "
	               "\"request_id\": \"a\"}");
	say(stage, "approval_response", ",\"approvalId\":\"a\",\"action\":\"deny\"");
	expect_error(stage, "CONFLICT");
	say(stage, "approval_response",
	    ",\"approvalId\":\"b\",\"action\":\"approve\",\"updatedInput\":{\"x\":1},"
	    "\"message\":\"fine\"");
	expect_resolved(stage);
	command = expect_ack(stage, "running");
	expect_command(stage, &command,
	               "approval queued {\"scope\": \"once\", \"message\": \"fine\", \"behavior\": "
	               "\"allow\", \"request_id\": \"b\", \"updated_input\": {\"x\": 1}}");
	say(stage, "approval_response", ",\"approvalId\":\"c\",\"action\":\"deny\"");
	expect_error(stage, "NOT_FOUND");
	say(stage, "approval_response", ",\"approvalId\":\"c\",\"action\":\"maybe\"");
	expect_problem(stage, "action");
}
ON_STAGE(the_first_answer_to_a_request_stands_and_the_others_see_it, approval_body)

static void control_body(struct stage *stage)
{
	struct id command;

	say(stage, "interrupt", "");
	command = expect_ack(stage, "running");
	expect_command(stage, &command, "interrupt queued {}");
	say(stage, "pause", ",\"reason\":\"lunch\"");
	command = expect_ack(stage, "pausing");
	expect_command(stage, &command, "pause queued {\"reason\": \"lunch\"}");
	say(stage, "resume", "");
	expect_error(stage, "ILLEGAL_MOVE");
	crew_move(&stage->crew, &stage->sid, SESSION_PAUSED);
	say(stage, "resume", "");
	command = expect_ack(stage, "resuming");
	expect_command(stage, &command, "resume queued {}");
	say(stage, "stop", "");
	command = expect_ack(stage, "stopping");
	expect_command(stage, &command, "stop queued {}");
}
ON_STAGE(pause_resume_interrupt_and_stop_are_commands, control_body)

static void cancel_body(struct stage *stage)
{
	struct cursor at = { 0, 0 };

	say(stage, "subscribe", "");
	talker_expect(stage->talker, "subscribed");
	talker_follow(stage->talker, &stage->sid, &at, 4);
	say(stage, "cancel", "");
	for (unsigned i = 0; i < 4; i++) { /* of the log's last events, its end, and the ack */
		talker_next(stage->talker);
		assert_false(str_eq(talker_str(stage->talker, "type"), STR_LIT("error")));
	}
	assert_null(crew_mail(&stage->crew, "fence", &stage->sid));
	say(stage, "cancel", "");
	(void)expect_ack(stage, "cancelled");
	assert_int_equal(count_rows(stage), 0);
	crew_no_mail(&stage->crew);
}
ON_STAGE(cancel_ends_a_session_at_once_and_may_be_repeated, cancel_body)

static void control_pg(const char *verb)
{
	char line[512];

	(void)snprintf(line, sizeof(line), "%s %s", getenv("TEST_PG_CTL"), verb);
	assert_int_equal(system(line), 0);
}

static void outage_body(struct stage *stage)
{
	const struct id command = id_new();
	char more[128];

	(void)snprintf(more, sizeof(more), ",\"prompt\":\"x\",\"commandId\":\"%s\"", command.s);
	control_pg("stop");
	say(stage, "prompt", more);
	talker_expect(stage->talker, "error");
	assert_true(str_eq(talker_str(stage->talker, "code"), STR_LIT("UNAVAILABLE")) ||
	            str_eq(talker_str(stage->talker, "code"), STR_LIT("UNKNOWN")));
	control_pg("start");
	/* The connection is still there, and so is the client's name for it. */
	do {
		say(stage, "prompt", more);
		talker_next(stage->talker);
	} while (str_eq(talker_str(stage->talker, "type"), STR_LIT("error")));
	assert_true(str_eq(talker_str(stage->talker, "type"), STR_LIT("ack")));
	assert_true(str_eq(talker_str(stage->talker, "commandId"), str_of(command.s)));
	assert_int_equal(count_rows(stage), 1);
}
ON_STAGE(what_fails_for_want_of_a_backend_may_be_asked_again, outage_body)

/* The audit says so within a second: a row for each type of frame. */
static void await_denials(struct stage *stage, uint64_t count)
{
	static const char denied[] =
		"SELECT count(DISTINCT action) FROM audit WHERE tenant_id = $1::text AND "
		"outcome = 'denied' AND action IN ('frame.prompt', 'frame.approval_response', "
		"'frame.stop', 'frame.pause', 'frame.resume', 'frame.interrupt', 'frame.cancel')";
	static const struct text query = { "test_ask_denied", "0", denied, sizeof(denied) - 1 };
	uint64_t until = clock_mono_ms() + DENIED_MS, seen = 0;

	while (seen < count) {
		struct pg_rows *rows CLEANUP(pg_rows_cleanup) = ask_rows(stage, &query, TENANT);

		seen = pg_u64(rows, 0, 0);
		assert_true(clock_mono_ms() < until);
	}
	assert_int_equal(seen, count);
}

static void observer_body(struct stage *stage)
{
	static const char *const types[] = { "prompt", "approval_response", "stop",  "pause",
		                             "resume", "interrupt",         "cancel" };
	static const char *const mores[] = {
		",\"prompt\":\"x\"", ",\"approvalId\":\"a\",\"action\":\"deny\"", "", "", "", "", ""
	};

	talker_close(stage->talker);
	stage->talker = open_as(stage->world, stage->world->observer_key);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		say(stage, types[i], mores[i]);
		expect_error(stage, "FORBIDDEN");
	}
	await_denials(stage, ARRAY_LEN(types));
	talker_close(stage->talker);
	/* Of another tenant it is not even there. */
	stage->talker = open_as(stage->world, stage->world->foreign_key);
	say(stage, "chat_request", ",\"message\":\"x\"");
	expect_error(stage, "NOT_FOUND");
	assert_int_equal(count_rows(stage), 0);
	crew_no_mail(&stage->crew);
}
ON_STAGE(observers_and_strangers_steer_nothing, observer_body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_is_a_command_and_is_acknowledged_once_it_is_durable),
		cmocka_unit_test(a_command_by_the_clients_own_id_is_done_once),
		cmocka_unit_test(a_prompt_that_waits_is_edited_and_taken_back),
		cmocka_unit_test(model_mode_and_slash_commands_are_asked_by_frames),
		cmocka_unit_test(a_chat_request_prompts_and_follows_or_resumes),
		cmocka_unit_test(the_first_answer_to_a_request_stands_and_the_others_see_it),
		cmocka_unit_test(pause_resume_interrupt_and_stop_are_commands),
		cmocka_unit_test(cancel_ends_a_session_at_once_and_may_be_repeated),
		cmocka_unit_test(observers_and_strangers_steer_nothing),
		cmocka_unit_test(what_fails_for_want_of_a_backend_may_be_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
