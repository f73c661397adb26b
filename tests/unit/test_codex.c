/* The adapter of codex: recordings of the real program, and the names of its schema. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter_replay.h"
#include "base/arena.h"
#include "tests/support/test.h"
#include "worker/adapters/codex_private.h"

#define RECORDING(name)                                                                            \
	static void recording_##name(void **state)                                                 \
	{                                                                                          \
		(void)state;                                                                       \
		adapter_replay_fixture("codex", "codex/" #name);                                   \
	}

RECORDING(text)
RECORDING(command)
RECORDING(patch)
RECORDING(interrupt)
RECORDING(steer)
RECORDING(errors)
RECORDING(things)
RECORDING(resume)
RECORDING(resume_unknown)
RECORDING(kinds)

/* Claude's protocol, by any program. */
static void any_program_may_speak_as_claude_does(void **state)
{
	(void)state;
	adapter_replay_fixture("agent-sdk", "agent-sdk/text");
}

/* ---- names ---- */

static void assert_all_in(const struct buf *schema, const char *kind, const char *const *names)
{
	char line[256];

	for (; *names != NULL; names++) {
		(void)snprintf(line, sizeof(line), "\n%s %s\n", kind, *names);
		if (strstr(buf_cstr(schema), line) == NULL) {
			fail_msg("the schema has no %s %s", kind, *names);
		}
	}
}

static void what_is_handled_is_in_the_schema_of_codex(void **state)
{
	static const char *const asked[] = { "initialize",     "model/list",
		                             "thread/start",   "thread/resume",
		                             "turn/start",     "turn/steer",
		                             "turn/interrupt", "thread/compact/start",
		                             "review/start",   NULL };
	struct arena *arena = arena_new();
	struct buf schema;

	(void)state;
	adapter_read_file(FAIRLEAD_FIXTURES "/codex/schema.txt", &schema);
	assert_all_in(&schema, "notification", codex_notifications(arena));
	assert_all_in(&schema, "request", codex_requests(arena));
	assert_all_in(&schema, "item", codex_item_types(arena));
	assert_all_in(&schema, "client", asked);
	buf_fini(&schema);
	arena_free(arena);
}

/* Each that is not translated is one that somebody decided to leave to `native`. */
static void what_is_not_handled_is_known(void **state)
{
	static const char *const left[] = { "request account/chatgptAuthTokens/refresh",
		                            "request applyPatchApproval",
		                            "request attestation/generate",
		                            "request execCommandApproval",
		                            "request item/tool/call",
		                            "item functionCallOutput",
		                            "item hookPrompt",
		                            "item subAgentActivity" };
	struct arena *arena = arena_new();
	const char *const *lists[] = { codex_requests(arena), codex_item_types(arena) };
	static const char *const kinds[] = { "request ", "item " };
	size_t missing = 0;
	struct buf schema;
	struct str rest;

	(void)state;
	adapter_read_file(FAIRLEAD_FIXTURES "/codex/schema.txt", &schema);
	rest = buf_str(&schema);
	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');
		bool known = false, ours = false;

		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			size_t n = strlen(kinds[k]);

			if (!str_starts(line, str_of(kinds[k]))) {
				continue;
			}
			ours = true;
			for (const char *const *name = lists[k]; *name != NULL; name++) {
				known = known ||
				        str_eq(str_of(*name), str_make(line.p + n, line.n - n));
			}
		}
		for (size_t i = 0; ours && i < ARRAY_LEN(left); i++) {
			if (str_eq(line, str_of(left[i]))) {
				known = true;
				missing++;
			}
		}
		if (ours && !known) {
			fail_msg("nothing is known of %" STR_FMT, STR_ARG(line));
		}
	}
	assert_int_equal(missing, ARRAY_LEN(left));
	buf_fini(&schema);
	arena_free(arena);
}

/* ---- commands ---- */

static void assert_command(const char *raw, const char *wanted)
{
	struct buf out;

	buf_init(&out, (size_t)64 * 1024);
	codex_command_of(str_of(raw), &out);
	assert_string_equal(buf_cstr(&out), wanted);
	buf_fini(&out);
}

static void the_command_of_a_shell_is_told_without_the_shell(void **state)
{
	(void)state;
	assert_command("/bin/bash -lc 'touch y1 && echo one'", "touch y1 && echo one");
	assert_command("bash -lc ls", "ls");
	assert_command("/bin/bash -lc 'echo '\"'\"'it'\"'\"' now'", "echo 'it' now");
	assert_command("/bin/bash -lc 'echo '\\''it'\\'' now'", "echo 'it' now");
	assert_command("make -j2", "make -j2");
}

/* What it is not sure of it leaves as it is: rules look at it. */
static void a_command_that_is_more_than_one_quoted_word_is_left_alone(void **state)
{
	static const char *const kept[] = {
		"/bin/bash -lc 'ls' 'rm x'", "/bin/bash -lc \"ls $HOME\"", "/bin/bash -lc $(x)",
		"/bin/bash -lc 'ls",         "/bin/bash -lc ls;rm",        "/bin/bash -lc 'a'\n'b'",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		assert_command(kept[i], kept[i]);
	}
}

/* ---- starting it ---- */

static void assert_refused(const char *settings, const char *mode, const char *why)
{
	struct adapter_place place = { .cwd = "/w", .home = "/h", .mode = str_of(mode) };
	struct arena *arena = arena_new();
	struct adapter_launch launch;
	struct json_value *json;
	struct err err;

	json = json_parse(str_of(settings), &err);
	place.settings = json;
	assert_int_equal(codex_launch(&place, arena, &launch, &err), ERR_INVALID);
	assert_string_equal(err.msg, why);
	json_value_free(json);
	arena_free(arena);
}

static void settings_that_it_cannot_have_are_named(void **state)
{
	(void)state;
	assert_refused("{\"config\":{\"sandbox_mode\":1}}", "",
	               "config.sandbox_mode must be a string");
	assert_refused("{\"config\":{\"sandbox_mode\":\"x\"}}", "",
	               "config.sandbox_mode must be one of read-only, workspace-write, "
	               "danger-full-access");
	assert_refused("{}", "yolo", "mode must be one of auto, read-only, untrusted, full-access");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recording_text),
		cmocka_unit_test(recording_command),
		cmocka_unit_test(recording_patch),
		cmocka_unit_test(recording_interrupt),
		cmocka_unit_test(recording_steer),
		cmocka_unit_test(recording_errors),
		cmocka_unit_test(recording_things),
		cmocka_unit_test(recording_resume),
		cmocka_unit_test(recording_resume_unknown),
		cmocka_unit_test(recording_kinds),
		cmocka_unit_test(any_program_may_speak_as_claude_does),
		cmocka_unit_test(what_is_handled_is_in_the_schema_of_codex),
		cmocka_unit_test(what_is_not_handled_is_known),
		cmocka_unit_test(the_command_of_a_shell_is_told_without_the_shell),
		cmocka_unit_test(a_command_that_is_more_than_one_quoted_word_is_left_alone),
		cmocka_unit_test(settings_that_it_cannot_have_are_named),
	};

	return cmocka_run_group_tests_name("codex", tests, NULL, NULL);
}
