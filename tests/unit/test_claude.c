/* The adapter of claude-code: recordings of the real program, and what no recording shows. */
#include <string.h>

#include "adapter_replay.h"
#include "base/arena.h"
#include "json/value.h"
#include "tests/support/test.h"

#define RECORDING(name)                                                                            \
	static void recording_##name(void **state)                                                 \
	{                                                                                          \
		(void)state;                                                                       \
		adapter_replay_fixture("claude-code", "claude-code/" #name);                       \
	}

RECORDING(text)
RECORDING(approved)
RECORDING(denied)
RECORDING(stopped)
RECORDING(always)
RECORDING(edit)
RECORDING(interrupt)
RECORDING(withdrawn)
RECORDING(model)
RECORDING(question)
RECORDING(plan)
RECORDING(errors)
RECORDING(retries)
RECORDING(agents)
RECORDING(slash)
RECORDING(images)

static void launches(const char *settings, const char *mode, const char *wanted)
{
	const struct adapter_ops *ops = adapter_find(STR_LIT("claude-code"));
	struct err err = { .code = ERR_OK };
	struct json_value *json = json_parse(str_of(settings), &err);
	const struct adapter_place place = {
		.cwd = "/w", .home = "/h", .mode = str_of(mode), .settings = json
	};
	struct arena *arena = arena_new();
	struct adapter_launch launch = { .argv = NULL };
	enum err_code code = ops->launch(&place, arena, &launch, &err);
	struct buf words;

	buf_init(&words, 4096);
	if (code == ERR_OK) {
		for (size_t i = 10; launch.argv[i] != NULL; i++) {
			buf_addf(&words, " %s", launch.argv[i]);
		}
	} else {
		assert_int_equal(code, ERR_INVALID);
		buf_add_cstr(&words, err.msg);
	}
	assert_string_equal(buf_cstr(&words), wanted);
	buf_fini(&words);
	arena_free(arena);
	json_value_free(json);
}

static void settings_become_options_or_are_refused_by_name(void **state)
{
	(void)state;
	launches("{}", "", "");
	launches("{}", "plan", " --permission-mode plan");
	launches("{}", "bypassPermissions",
	         " --permission-mode bypassPermissions --dangerously-skip-permissions");
	launches("{}", "wild", "mode \"wild\" is not one of claude-code's");
	launches("{\"config\":{\"allowed_tools\":[\"Read\",\"Bash(git *)\"],\"max_turns\":3}}", "",
	         " --allowedTools Read,Bash(git *) --max-turns 3");
	launches("{\"config\":{\"disallowed_tools\":[]}}", "",
	         "config.disallowed_tools must be an array of texts");
	launches("{\"config\":{\"append_system_prompt\":1}}", "",
	         "config.append_system_prompt must be a text");
	launches("{\"config\":{\"max_turns\":0}}", "", "config.max_turns must be a number above 0");
	launches("{\"config\":{\"hooks\":{}}}", "", "config.hooks is not a known setting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recording_text),
		cmocka_unit_test(recording_approved),
		cmocka_unit_test(recording_denied),
		cmocka_unit_test(recording_stopped),
		cmocka_unit_test(recording_always),
		cmocka_unit_test(recording_edit),
		cmocka_unit_test(recording_interrupt),
		cmocka_unit_test(recording_withdrawn),
		cmocka_unit_test(recording_model),
		cmocka_unit_test(recording_question),
		cmocka_unit_test(recording_plan),
		cmocka_unit_test(recording_errors),
		cmocka_unit_test(recording_retries),
		cmocka_unit_test(recording_agents),
		cmocka_unit_test(recording_slash),
		cmocka_unit_test(recording_images),
		cmocka_unit_test(settings_become_options_or_are_refused_by_name),
	};

	return cmocka_run_group_tests_name("claude", tests, NULL, NULL);
}
