/* What clients of the AOMI surface say, and what they see: names, and events that become a chat. */
#include <stdio.h>

#include "aomi/aomi_view.h"
#include "json/value.h"
#include "tests/support/test.h"

enum { NOW_MS = 1000000 };

static struct arena *arena;

/* ---- names ---- */

static void a_namespace_has_one_spelling(void **state)
{
	static const struct {
		const char *given, *name; /* NULL: none can be called so */
	} rows[] = {
		{ "default", "default" }, { " L2Beat\t", "l2beat" },
		{ "a.b-c_9", "a.b-c_9" }, { "", NULL },
		{ "  ", NULL },           { "a b", NULL },
		{ "a/b", NULL },          { "a,b", NULL },
		{ "\xc3\xa9", NULL },     { "*", NULL },
	};
	char name[AOMI_NAMESPACE_MAX + 1], other[AOMI_NAMESPACE_MAX + 1], longest[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool is_one = aomi_namespace_of(str_of(rows[i].given), name);

		assert_int_equal(is_one, rows[i].name != NULL);
		if (is_one) {
			assert_string_equal(name, rows[i].name);
			/* Whoever reads it again reads the same. */
			assert_true(aomi_namespace_of(str_of(name), other));
			assert_string_equal(name, other);
		}
	}
	memset(longest, 'x', sizeof(longest));
	assert_true(aomi_namespace_of(str_make(longest, AOMI_NAMESPACE_MAX), name));
	assert_false(aomi_namespace_of(str_make(longest, AOMI_NAMESPACE_MAX + 1), name));
	assert_false(aomi_namespace_of(str_make("a\0b", 3), name));
}

static void two_parameters_name_one_namespace_or_are_refused(void **state)
{
	char name[AOMI_NAMESPACE_MAX + 1];

	(void)state;
	assert_null(aomi_namespace_pick(STR_LIT(""), STR_LIT(""), name));
	assert_string_equal(name, "");
	assert_null(aomi_namespace_pick(STR_LIT("A"), STR_LIT(""), name));
	assert_string_equal(name, "a");
	assert_null(aomi_namespace_pick(STR_LIT(" "), STR_LIT("B"), name));
	assert_string_equal(name, "b");
	assert_null(aomi_namespace_pick(STR_LIT("c"), STR_LIT("C"), name));
	assert_string_equal(name, "c");
	assert_non_null(aomi_namespace_pick(STR_LIT("c"), STR_LIT("d"), name));
	assert_non_null(aomi_namespace_pick(STR_LIT("c"), STR_LIT("/"), name));
}

static void an_id_without_a_key_is_hard_to_guess(void **state)
{
	static const struct {
		const char *id;
		bool with_key, guest;
	} rows[] = {
		{ "6f1c9d52-0b7e-4a3f-9d18-2c5e7a90b344", true, true },
		{ "abcdefgh12345678", true, true },
		{ "abcdefgh1234567", true, false },
		{ "abababababababababababab", true, false },
		{ "a-b-c-d-e-f-g-a-b-c-d-e", true, false },
		{ "x", true, false },
		{ "", false, false },
		{ "with blank 0123456789", false, false },
		{ "caf\xc3\xa9-0123456789abcdef", false, false },
	};
	char longest[AOMI_ID_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(aomi_check_id(str_of(rows[i].id), false) == NULL,
		                 rows[i].with_key);
		assert_int_equal(aomi_check_id(str_of(rows[i].id), true) == NULL, rows[i].guest);
	}
	memset(longest, 'x', sizeof(longest));
	assert_null(aomi_check_id(str_make(longest, AOMI_ID_MAX), false));
	assert_non_null(aomi_check_id(str_make(longest, AOMI_ID_MAX + 1), false));
}

static void a_title_is_the_first_words_in_whole_characters(void **state)
{
	static const struct {
		const char *prompt, *title;
	} rows[] = {
		{ "hello", "hello" },
		{ "  one\n\ttwo  three ", "one two three" },
		{ "a b c d e f g h", "a b c d e f" },
		{ "", AOMI_TITLE_NEW },
		{ " \n ", AOMI_TITLE_NEW },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ "short aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "short" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str title = aomi_title_of(str_of(rows[i].prompt), arena);

		assert_true(str_eq(title, str_of(rows[i].title)));
	}
}

static void a_model_is_found_by_each_of_its_names(void **state)
{
	static const char *const names[] = { "sonnet-4", "Claude Sonnet 4", " SONNET ",
		                             "customsonnet4" };
	unsigned listed = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct aomi_model *model = aomi_model_find(str_of(names[i]));

		assert_non_null(model);
		assert_string_equal(model->slug, "sonnet-4");
	}
	assert_null(aomi_model_find(STR_LIT("")));
	assert_null(aomi_model_find(STR_LIT("son")));
	for (unsigned i = 0; aomi_model_at(i) != NULL; i++) {
		listed += aomi_model_at(i)->label != NULL ? 1 : 0;
	}
	assert_int_equal(listed, 6);
}

static void a_place_in_a_chat_is_read_as_it_was_written(void **state)
{
	static const char *const bad[] = { "",     "1",     "1.",      "1.2",
		                           ".1-2", "x.1-2", "1.1-2-3", "-1.1-2" };
	const struct aomi_cursor cursor = { .part = 3, .at = { 2, 17 } };
	struct aomi_cursor read;
	char text[AOMI_CURSOR_SIZE];

	(void)state;
	aomi_cursor_format(&cursor, text);
	assert_string_equal(text, "3.2-17");
	assert_true(aomi_cursor_parse(str_of(text), &read));
	assert_memory_equal(&read, &cursor, sizeof(read));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(aomi_cursor_parse(str_of(bad[i]), &read));
	}
	/* A later part is later wherever its log is. */
	assert_true(aomi_cursor_before(&cursor, &(struct aomi_cursor){ 4, { 1, 1 } }));
	assert_false(aomi_cursor_before(&cursor, &cursor));
}

static void the_state_of_a_wallet_has_the_types_that_it_should(void **state)
{
	(void)state;
	assert_true(aomi_state_ok(STR_LIT("{}")));
	assert_true(aomi_state_ok(STR_LIT("{\"address\":\"0x1\",\"chainId\":1,\"isConnected\":true,"
	                                  "\"ensName\":null,\"x\":1}")));
	assert_false(aomi_state_ok(STR_LIT("{\"chainId\":-1}")));
	assert_false(aomi_state_ok(STR_LIT("{\"chainId\":1.5}")));
	assert_false(aomi_state_ok(STR_LIT("{\"address\":1}")));
	assert_false(aomi_state_ok(STR_LIT("[]")));
	assert_false(aomi_state_ok(STR_LIT("")));
	assert_false(aomi_state_ok((struct str){ NULL, 0 }));
}

/* ---- a chat from events ---- */

static struct aomi_view *view;
static uint64_t n;

static void begin(const char *prompt)
{
	n = 0;
	view = aomi_view_new(AOMI_MESSAGES_MAX);
	aomi_view_begin(view, 1, str_of(prompt), NOW_MS);
}

static void feed_from(const char *type, const char *data, const char *producer)
{
	const struct log_event event = { .at = { 1, ++n },
		                         .ts_ms = NOW_MS,
		                         .type = str_of(type),
		                         .data = str_of(data),
		                         .producer = str_of(producer) };

	aomi_view_event(view, &event);
}

static void feed(const char *type, const char *data)
{
	feed_from(type, data, "w:1");
}

static struct json_value *messages(void)
{
	struct json_value *value;
	struct jsonw w;
	struct buf out;
	struct err err;

	buf_init(&out, SIZE_MAX / 2);
	jsonw_init(&w, &out);
	aomi_view_messages(view, &w, NULL);
	value = json_parse(buf_str(&out), &err);
	assert_non_null(value);
	buf_fini(&out);
	return value;
}

static const char *told(const struct aomi_events *which)
{
	struct jsonw w;
	struct buf out;
	const char *text;

	buf_init(&out, SIZE_MAX / 2);
	jsonw_init(&w, &out);
	aomi_view_events(view, which, &w, NULL);
	text = arena_strdup(arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

static void assert_message(const struct json_value *list, size_t i, const char *sender,
                           const char *content, bool streams)
{
	const struct json_value *message = json_at(list, i);

	assert_string_equal(json_as_str(json_get(message, "sender")).p, sender);
	assert_string_equal(json_as_str(json_get(message, "content")).p, content);
	assert_string_equal(json_as_str(json_get(message, "timestamp")).p, "00:16:40 UTC");
	assert_int_equal(json_as_bool(json_get(message, "is_streaming")), streams);
}

#define OUT(text) "{\"level\":\"info\",\"stream\":\"stdout\",\"message\":\"" text "\"}"

static void end(enum session_state at, int64_t later_ms)
{
	aomi_view_end(view, true, at, NOW_MS + later_ms);
}

static void the_lines_of_a_command_are_one_message_until_its_turn_ends(void **state)
{
	struct json_value *list;

	(void)state;
	begin("first");
	feed("status", "{\"status\":\"running\"}");
	feed("log", OUT("one"));
	feed("log", "{\"stream\":\"stdout\",\"message\":\"tw\",\"partial\":true}");
	feed("log", OUT("o"));
	feed("log", "{\"stream\":\"stderr\",\"message\":\"not said\"}");
	feed("message", "{\"role\":\"user\",\"content\":\"second\"}");
	feed("turn_started", "{\"turn\":1}");
	feed("log", OUT("three"));
	end(SESSION_RUNNING, 0);
	assert_true(aomi_view_is_processing(view));
	list = messages();
	assert_int_equal(json_count(list), 4);
	assert_message(list, 0, "user", "first", false);
	assert_message(list, 1, "agent", "one\ntwo", false);
	assert_message(list, 2, "user", "second", false);
	assert_message(list, 3, "agent", "three", true);
	json_value_free(list);
	feed("turn_finished", "{\"turn\":1}");
	end(SESSION_RUNNING, 0);
	assert_false(aomi_view_is_processing(view));
	aomi_view_free(view);
}

static void pieces_become_the_message_that_they_are_pieces_of(void **state)
{
	struct json_value *list;

	(void)state;
	begin("");
	feed("turn_started", "{}");
	feed("message_delta", "{\"message_id\":\"m\",\"delta\":\"Hel\"}");
	feed("message_delta", "{\"message_id\":\"m\",\"delta\":\"lo\"}");
	end(SESSION_RUNNING, 0);
	list = messages();
	assert_message(list, 0, "agent", "Hello", true);
	json_value_free(list);
	feed("message", "{\"role\":\"assistant\",\"content\":\"Hello!\"}");
	feed("tool_result",
	     "{\"tool_name\":\"look\",\"tool_output\":{\"a\":1},\"status\":\"completed\"}");
	feed("message", "{\"role\":\"assistant\",\"content\":\"Done\"}");
	feed("turn_finished", "{}");
	end(SESSION_RUNNING, 0);
	list = messages();
	assert_int_equal(json_count(list), 3);
	assert_message(list, 0, "agent", "Hello!", false);
	assert_message(list, 1, "agent", "", false);
	assert_string_equal(json_as_str(json_at(json_get(json_at(list, 1), "tool_result"), 0)).p,
	                    "look");
	assert_string_equal(json_as_str(json_at(json_get(json_at(list, 1), "tool_result"), 1)).p,
	                    "{\"a\":1}");
	assert_message(list, 2, "agent", "Done", false);
	json_value_free(list);
	aomi_view_free(view);
}

static void it_is_processing_while_somebody_has_something_to_do(void **state)
{
	struct id command = id_new();
	char data[128];

	(void)state;
	begin("prompt");
	end(SESSION_QUEUED, 0);
	assert_true(aomi_view_is_processing(view));
	end(SESSION_COMPLETED, 0);
	assert_false(aomi_view_is_processing(view));
	end(SESSION_PAUSED, 0);
	assert_false(aomi_view_is_processing(view));
	end(SESSION_RUNNING, 1000 * AOMI_QUIET_MS); /* it has not said anything at all */
	assert_true(aomi_view_is_processing(view));
	feed("log", OUT("x"));
	end(SESSION_RUNNING, AOMI_QUIET_MS - 1);
	assert_true(aomi_view_is_processing(view));
	end(SESSION_RUNNING, AOMI_QUIET_MS);
	assert_false(aomi_view_is_processing(view));
	assert_false(aomi_view_has_started(view, &command));
	(void)snprintf(data, sizeof(data), "{\"command_id\":\"%s\",\"kind\":\"prompt\"}",
	               command.s);
	feed("command_started", data);
	assert_true(aomi_view_has_started(view, &command));
	end(SESSION_RUNNING, AOMI_QUIET_MS);
	assert_true(aomi_view_is_processing(view));
	feed("command_finished", data);
	end(SESSION_RUNNING, AOMI_QUIET_MS);
	assert_false(aomi_view_is_processing(view));
	aomi_view_waiting(view, STR_LIT("more"), NOW_MS);
	end(SESSION_RUNNING, AOMI_QUIET_MS);
	assert_true(aomi_view_is_processing(view));
	aomi_view_end(view, false, SESSION_RUNNING, NOW_MS);
	assert_false(aomi_view_is_processing(view));
	aomi_view_free(view);
}

#define INTERRUPTED "{\"status\":\"stopping\",\"reason\":\"" AOMI_INTERRUPTED "\"}"

static void system_events_are_those_of_the_turn_or_after_a_cursor(void **state)
{
	const struct aomi_cursor after = { 1, { 1, 3 } };
	struct aomi_events which = { .kinds = AOMI_POLLED };

	(void)state;
	begin("first");
	feed("error", "{\"message\":\"old\"}");
	feed("message", "{\"role\":\"user\",\"content\":\"second\"}");
	feed("error", "{\"message\":\"new\"}");
	feed("status", INTERRUPTED);
	feed("status", "{\"status\":\"stopped\",\"reason\":\"" AOMI_INTERRUPTED "\"}");
	assert_string_equal(told(&which), "[{\"SystemError\":\"new\"},{\"InlineCall\":{\"type\":"
	                                  "\"user_request\",\"kind\":\"Interuption\",\"payload\":"
	                                  "\"Interrupted by user\"}}]");
	which.after = &after;
	which.kinds = aomi_bit(AOMI_ERROR);
	assert_string_equal(told(&which), "[]");
	which.after = NULL;
	which.all = true;
	assert_string_equal(told(&which), "[{\"SystemError\":\"old\"},{\"SystemError\":\"new\"}]");
	which.last = 1;
	assert_string_equal(told(&which), "[{\"SystemError\":\"new\"}]");
	aomi_view_free(view);
}

static void what_an_agent_s_tools_do_is_told_in_the_words_of_these_clients(void **state)
{
	const struct aomi_events polled = { .kinds = AOMI_POLLED, .all = true };
	const struct aomi_events streamed = { .kinds = AOMI_STREAMED, .all = true };

	(void)state;
	begin("x");
	feed("tool_use",
	     "{\"tool_name\":\"send_transaction_to_wallet\",\"tool_args\":{\"to\":\"0x1\"}}");
	feed("tool_use", "{\"tool_name\":\"send_transaction_to_wallet\",\"tool_args\":7}");
	feed("tool_use", "{\"tool_name\":\"other\",\"tool_args\":{}}");
	feed("permission_request", "{\"request_id\":\"r\"}");
	assert_string_equal(
		told(&polled),
		"[{\"InlineCall\":{\"type\":\"wallet_tx_request\",\"payload\":{\"to\":\"0x1\","
		"\"timestamp\":\"1970-01-01T00:16:40.000Z\"}}},"
		"{\"SystemError\":\"a transaction for the wallet must be an object\"},"
		"{\"InlineCall\":{\"type\":\"user_request\",\"kind\":\"Approval\",\"payload\":"
		"{\"request_id\":\"r\"}}}]");
	feed("tool_progress",
	     "{\"tool_name\":\"t\",\"tool_execution_id\":\"1\",\"last_line\":\"l\"}");
	feed("tool_result",
	     "{\"tool_name\":\"t\",\"tool_execution_id\":\"1\",\"tool_output\":\"no\","
	     "\"status\":\"failed\"}");
	feed("note", "{\"message\":\"text\"}");
	feed("note", "{\"message\":\"1\",\"callback\":[1]}");
	feed("note", "{\"message\":\"t\",\"chat_title\":\"T\"}");
	assert_string_equal(
		told(&streamed),
		"[{\"AsyncCallback\":{\"type\":\"tool_update\",\"id\":\"1\",\"call_id\":null,"
		"\"tool_name\":\"t\",\"result\":\"l\"}},"
		"{\"AsyncCallback\":{\"type\":\"tool_complete\",\"id\":\"1\",\"call_id\":null,"
		"\"tool_name\":\"t\",\"result\":{\"error\":\"no\"}}},"
		"{\"SystemNotice\":\"text\"},{\"AsyncCallback\":[1]}]");
	aomi_view_free(view);
}

static void a_session_nobody_had_leased_is_interrupted_too(void **state)
{
	const struct aomi_events which = { .kinds = AOMI_POLLED };

	(void)state;
	begin("x");
	feed_from("status", "{\"status\":\"stopped\",\"reason\":\"" AOMI_INTERRUPTED "\"}", "");
	assert_non_null(strstr(told(&which), "Interuption"));
	aomi_view_free(view);
}

static void a_chat_goes_on_over_its_sessions(void **state)
{
	struct json_value *list;
	struct aomi_cursor at;

	(void)state;
	begin("one");
	feed("log", OUT("1"));
	feed("status", "{\"status\":\"completed\"}");
	aomi_view_begin(view, 2, STR_LIT("two"), NOW_MS);
	feed("log", OUT("2"));
	end(SESSION_COMPLETED, 0);
	list = messages();
	assert_int_equal(json_count(list), 4);
	assert_message(list, 3, "agent", "2", false);
	json_value_free(list);
	at = aomi_view_cursor(view);
	assert_int_equal(at.part, 2);
	aomi_view_free(view);
}

static void memory_is_bounded_and_the_newest_is_kept(void **state)
{
	static char line[AOMI_CONTENT_MAX + 64];
	struct json_value *list;

	(void)state;
	n = 0;
	view = aomi_view_new(2);
	aomi_view_begin(view, 1, STR_LIT("first"), NOW_MS);
	for (unsigned i = 0; i < 2 * AOMI_EVENTS_MAX; i++) {
		feed("error", "{\"message\":\"e\"}");
		feed("message", "{\"role\":\"user\",\"content\":\"m\"}");
	}
	(void)snprintf(line, sizeof(line), "{\"stream\":\"stdout\",\"message\":\"%0*d\"}", 60000,
	               7);
	feed("log", line);
	feed("log", line);
	assert_int_equal(aomi_view_message_count(view), 2);
	list = messages();
	assert_int_equal(json_as_str(json_get(json_at(list, 1), "content")).n, AOMI_CONTENT_MAX);
	json_value_free(list);
	aomi_view_free(view);
}

static void what_does_not_read_as_an_event_changes_nothing(void **state)
{
	static const char *const types[] = { "message",     "message_delta", "log",
		                             "tool_result", "note",          "status",
		                             "error",       "tool_use",      "unheard-of" };

	(void)state;
	begin("");
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		feed(types[i], "[]");
		feed(types[i], "{\"content\":7,\"delta\":[],\"message\":{}}");
		feed(types[i], "not json");
	}
	end(SESSION_RUNNING, 0);
	json_value_free(messages());
	aomi_view_free(view);
}

static void an_update_names_the_chat_and_nothing_else_does(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_true(aomi_update_write(AOMI_CALLBACK,
	                              STR_LIT("{\"type\":\"t\",\"session_id\":\"forged\"}"),
	                              STR_LIT("mine"), &out));
	assert_string_equal(buf_cstr(&out), "{\"type\":\"t\",\"session_id\":\"mine\"}");
	buf_reset(&out);
	assert_true(aomi_update_write(AOMI_NOTICE, STR_LIT("\"n\""), STR_LIT("mine"), &out));
	assert_string_equal(
		buf_cstr(&out),
		"{\"type\":\"system_notice\",\"session_id\":\"mine\",\"message\":\"n\"}");
	buf_reset(&out);
	assert_true(aomi_update_write(AOMI_TITLE, STR_LIT("\"t\""), STR_LIT("mine"), &out));
	assert_string_equal(
		buf_cstr(&out),
		"{\"type\":\"title_changed\",\"session_id\":\"mine\",\"new_title\":\"t\"}");
	assert_false(aomi_update_write(AOMI_INLINE, STR_LIT("{}"), STR_LIT("mine"), &out));
	buf_fini(&out);
}

static void what_a_page_says_is_kept_as_json_or_as_text(void **state)
{
	(void)state;
	assert_string_equal(aomi_system_note(STR_LIT("{\"a\":1}"), arena).p,
	                    "{\"message\":\"{\\\"a\\\":1}\",\"callback\":{\"a\":1}}");
	assert_string_equal(aomi_system_note(STR_LIT("plain"), arena).p, "{\"message\":\"plain\"}");
	assert_string_equal(aomi_system_message(STR_LIT("x"), arena).p,
	                    "{\"role\":\"system\",\"content\":\"" AOMI_SYSTEM_PREFIX "x\"}");
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_namespace_has_one_spelling),
		cmocka_unit_test(two_parameters_name_one_namespace_or_are_refused),
		cmocka_unit_test(an_id_without_a_key_is_hard_to_guess),
		cmocka_unit_test(a_title_is_the_first_words_in_whole_characters),
		cmocka_unit_test(a_model_is_found_by_each_of_its_names),
		cmocka_unit_test(a_place_in_a_chat_is_read_as_it_was_written),
		cmocka_unit_test(the_state_of_a_wallet_has_the_types_that_it_should),
		cmocka_unit_test(the_lines_of_a_command_are_one_message_until_its_turn_ends),
		cmocka_unit_test(pieces_become_the_message_that_they_are_pieces_of),
		cmocka_unit_test(it_is_processing_while_somebody_has_something_to_do),
		cmocka_unit_test(system_events_are_those_of_the_turn_or_after_a_cursor),
		cmocka_unit_test(what_an_agent_s_tools_do_is_told_in_the_words_of_these_clients),
		cmocka_unit_test(a_session_nobody_had_leased_is_interrupted_too),
		cmocka_unit_test(a_chat_goes_on_over_its_sessions),
		cmocka_unit_test(memory_is_bounded_and_the_newest_is_kept),
		cmocka_unit_test(what_does_not_read_as_an_event_changes_nothing),
		cmocka_unit_test(an_update_names_the_chat_and_nothing_else_does),
		cmocka_unit_test(what_a_page_says_is_kept_as_json_or_as_text),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
