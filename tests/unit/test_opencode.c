/* The adapter of opencode: recordings of the real program, and the names of its API document. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter_replay.h"
#include "base/arena.h"
#include "tests/support/test.h"
#include "worker/adapters/opencode_private.h"

#define RECORDING(name)                                                                            \
	static void recording_##name(void **state)                                                 \
	{                                                                                          \
		(void)state;                                                                       \
		adapter_replay_fixture("opencode", "opencode/" #name);                             \
	}

RECORDING(text)
RECORDING(tools)
RECORDING(files)
RECORDING(interrupt)
RECORDING(control)
RECORDING(errors)
RECORDING(resume)
RECORDING(resume_unknown)
RECORDING(resume_moved)
RECORDING(resume_unmoved)
RECORDING(task)
RECORDING(kinds)

static void assert_in(const struct buf *schema, const char *kind, const char *name)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "\n%s %s\n", kind, name);
	if (strstr(buf_cstr(schema), line) == NULL) {
		fail_msg("the document has no %s %s", kind, name);
	}
}

static void what_is_used_is_in_the_document_of_opencode(void **state)
{
	static const char *const paths[] = {
		"GET /agent",
		"GET /config/providers",
		"GET /command",
		"GET /event",
		"GET /session/{sessionID}",
		"POST /experimental/control-plane/move-session",
		"POST /session",
		"POST /session/{sessionID}/prompt_async",
		"POST /session/{sessionID}/abort",
		"POST /session/{sessionID}/summarize",
		"POST /session/{sessionID}/command",
		"POST /permission/{requestID}/reply",
		"POST /question/{requestID}/reply",
		"POST /question/{requestID}/reject",
	};
	static const char *const parts[] = { "text",       "reasoning", "tool",      "step-finish",
		                             "step-start", "snapshot",  "patch",     "file",
		                             "agent",      "retry",     "compaction" };
	struct arena *arena = arena_new();
	struct buf schema;

	(void)state;
	adapter_read_file(FAIRLEAD_FIXTURES "/opencode/schema.txt", &schema);
	for (const char *const *name = opencode_events(arena); *name != NULL; name++) {
		assert_in(&schema, "event", *name);
	}
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_in(&schema, "path", paths[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		assert_in(&schema, "part", parts[i]);
	}
	assert_in(&schema, "event", "permission.asked");
	assert_in(&schema, "event", "question.asked");
	buf_fini(&schema);
	arena_free(arena);
}

static void assert_refused(const char *settings, const char *model, const char *why)
{
	struct adapter_place place = { .cwd = "/w", .home = "/h", .model = str_of(model) };
	struct arena *arena = arena_new();
	struct adapter_launch launch;
	struct json_value *json;
	struct err err;

	json = json_parse(str_of(settings), &err);
	place.settings = json;
	assert_int_equal(opencode_launch(&place, arena, &launch, &err), ERR_INVALID);
	assert_string_equal(err.msg, why);
	json_value_free(json);
	arena_free(arena);
}

static void a_model_without_its_provider_is_refused(void **state)
{
	(void)state;
	assert_refused("{}", "m1", "model must be PROVIDER/MODEL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recording_text),
		cmocka_unit_test(recording_tools),
		cmocka_unit_test(recording_files),
		cmocka_unit_test(recording_interrupt),
		cmocka_unit_test(recording_control),
		cmocka_unit_test(recording_errors),
		cmocka_unit_test(recording_resume),
		cmocka_unit_test(recording_resume_unknown),
		cmocka_unit_test(recording_resume_moved),
		cmocka_unit_test(recording_resume_unmoved),
		cmocka_unit_test(recording_task),
		cmocka_unit_test(recording_kinds),
		cmocka_unit_test(what_is_used_is_in_the_document_of_opencode),
		cmocka_unit_test(a_model_without_its_provider_is_refused),
	};

	return cmocka_run_group_tests_name("opencode", tests, NULL, NULL);
}
