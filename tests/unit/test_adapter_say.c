/* What adapters say, as events that a log takes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "event/schema.h"
#include "tests/support/test.h"
#include "worker/adapters/adapter_say.h"

enum { LARGE = 400 * 1024 };

/* The next act is an event of that type; its data is the caller's to free. */
static char *take_event(struct adapter_out *out, enum event_type type)
{
	struct adapter_act *act = adapter_out_next(out);
	struct json_value *json;
	struct str level;
	struct err err;
	char *data;

	assert_non_null(act);
	assert_int_equal(act->kind, ADAPTER_EVENT);
	assert_int_equal(act->type, type);
	assert_true(event_data_ok(act->text, &level));
	json = json_parse(act->text, &err);
	assert_int_equal(event_schema_check(type, json, &err), ERR_OK);
	json_value_free(json);
	data = mem_strndup(act->text);
	adapter_act_free(act);
	return data;
}

static void assert_edit(const char *before, const char *after, const char *counts)
{
	const struct adapter_texts texts = { .path = STR_LIT("/w/a"),
		                             .tool_id = STR_LIT("t"),
		                             .before = str_of(before),
		                             .after = str_of(after) };
	struct adapter_out out;
	char *edit, *diff;

	adapter_out_init(&out);
	adapter_say_texts(&out, &texts);
	edit = take_event(&out, EVENT_TYPE_FILE_EDIT);
	diff = take_event(&out, EVENT_TYPE_DIFF);
	assert_non_null(strstr(edit, counts));
	assert_non_null(strstr(diff, "\"oldText\""));
	free(edit);
	free(diff);
	adapter_out_fini(&out);
}

static void an_edit_counts_the_lines_between_what_is_the_same(void **state)
{
	(void)state;
	assert_edit("", "a\nb\n", "\"lines_added\":2,\"lines_removed\":0");
	assert_edit("x\n", "y\nx\n", "\"lines_added\":1,\"lines_removed\":0");
	assert_edit("a\nb\nc\n", "a\nB\nc\n", "\"lines_added\":1,\"lines_removed\":1");
	assert_edit("a\nb", "a\nb", "\"lines_added\":0,\"lines_removed\":0");
	assert_edit("a\nxb\n", "a\nb\n", "\"lines_added\":1,\"lines_removed\":1");
}

static void a_large_file_is_told_by_both_ends(void **state)
{
	struct adapter_texts texts = { .path = STR_LIT("/w/a"), .added = true };
	struct adapter_out out;
	char *large = mem_calloc(1, LARGE);
	char *data;

	(void)state;
	for (int control = 0; control < 2; control++) {
		memset(large, control ? '\x01' : 'x', LARGE);
		large[LARGE / 2] = '\n';
		texts.after = str_make(large, control ? 60 * 1024 : LARGE);
		adapter_out_init(&out);
		adapter_say_texts(&out, &texts);
		free(take_event(&out, EVENT_TYPE_FILE_EDIT));
		data = take_event(&out, EVENT_TYPE_DIFF);
		assert_non_null(strstr(data, "\"newTextHead\""));
		assert_non_null(strstr(data, "\"truncated\":true"));
		free(data);
		adapter_out_fini(&out);
	}
	free(large);
}

static void whatever_bytes_an_agent_prints_are_text_in_a_log(void **state)
{
	struct adapter_out out;
	char *large = mem_calloc(1, LARGE);
	char *data;

	(void)state;
	memset(large, '\xff', LARGE);
	adapter_out_init(&out);
	adapter_say_native(&out, "x", STR_LIT("{\"a\0b\xff"), NULL);
	data = take_event(&out, EVENT_TYPE_NATIVE);
	assert_string_equal(data, "{\"protocol\":\"x\",\"payload\":\"{\\\"a\xEF\xBF\xBD"
	                          "b\xEF\xBF\xBD\"}");
	free(data);
	adapter_say_log(&out, "info", str_make(large, LARGE));
	free(take_event(&out, EVENT_TYPE_LOG));
	adapter_out_fini(&out);
	free(large);
}

static void a_model_that_is_asked_again_is_told_as_far_as_it_is_known(void **state)
{
	const struct adapter_retry all = { 2, 10, 1500.7, STR_LIT("overloaded 529") };
	const struct adapter_retry none = { 0, 0, -1, STR_LIT("") };
	struct adapter_out out;
	char *data;

	(void)state;
	adapter_out_init(&out);
	adapter_say_retry(&out, &all);
	adapter_say_retry(&out, &none);
	data = take_event(&out, EVENT_TYPE_RETRY);
	assert_string_equal(data, "{\"attempt\":2,\"max_attempts\":10,\"delay_ms\":1500,"
	                          "\"message\":\"overloaded 529\"}");
	free(data);
	data = take_event(&out, EVENT_TYPE_RETRY);
	assert_string_equal(data, "{\"attempt\":1}");
	free(data);
	adapter_out_fini(&out);
}

static void an_error_is_the_providers_when_it_refuses_or_is_overloaded(void **state)
{
	static const struct {
		const char *code, *message;
		bool blamed;
	} all[] = {
		{ "provider_auth", "no", true },
		{ "serverOverloaded", "", true },
		{ "agent_error", "API Error: 529 {\"type\":\"error\"}", true },
		{ "agent_error", "API Error: 400 the prompt is too long", false },
		{ "APIError", "Invalid x-API-key", true },
		{ "APIError", "overloade", false },
		{ "error_max_turns", "API Error: 529", false },
		{ "other", "unauthorized", false },
		{ "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(
			adapter_blames_provider(str_of(all[i].code), str_of(all[i].message)),
			all[i].blamed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_the_providers_when_it_refuses_or_is_overloaded),
		cmocka_unit_test(an_edit_counts_the_lines_between_what_is_the_same),
		cmocka_unit_test(a_large_file_is_told_by_both_ends),
		cmocka_unit_test(a_model_that_is_asked_again_is_told_as_far_as_it_is_known),
		cmocka_unit_test(whatever_bytes_an_agent_prints_are_text_in_a_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
