/* Agents that speak ACP, replayed: what they said when they were run, and what they might say. */
#include "adapter_replay.h"
#include "tests/support/test.h"

static void a_real_agent_on_the_sdk(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/sdk");
}

static void an_agent_of_ours_on_the_sdk(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/sdk_agent");
}

static void opencode_asks_and_works(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/opencode");
}

static void models_and_modes_may_be_options(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/opencode_options");
}

static void a_session_goes_on_in_another_process(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/opencode_resume");
}

static void gemini_works(void **state)
{
	(void)state;
	adapter_replay_fixture("gemini", "gemini/turns");
}

static void gemini_changes_its_mode_and_its_model_and_fails(void **state)
{
	(void)state;
	adapter_replay_fixture("gemini", "gemini/modes");
}

static void gemini_goes_on_and_its_history_is_not_told_again(void **state)
{
	(void)state;
	adapter_replay_fixture("gemini", "gemini/resume");
}

static void assert_called(const char *name, uint64_t epoch, const char *called)
{
	struct arena *arena = arena_new();
	const char *is = adapter_find(STR_LIT("gemini"))->file(str_of(name), epoch, arena);

	if (called == NULL) {
		assert_null(is);
	} else {
		assert_string_equal(is, called);
	}
	arena_free(arena);
}

static void a_session_of_gemini_is_of_no_minute_and_no_path(void **state)
{
	(void)state;
	assert_called("session-2026-11-22T05-01-8f9c0d1e.jsonl", 4,
	              "session-1004-11-22T05-01-8f9c0d1e.jsonl");
	assert_called("session-2026-11-22T05-01-8f9c0d1e.jsonl", 1005,
	              "session-1005-11-22T05-01-8f9c0d1e.jsonl");
	assert_called("session-1004-11-22T05-01-8f9c0d1e.jsonl", 9, NULL);
	assert_called("session-2026", 9, NULL);
	assert_called("logs.json", 9, NULL);
	assert_called(".project_root", 9, ".project_root.before");
}

static void an_answer_takes_the_option_of_its_kind(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/answers");
}

static void prompts_wait_for_their_turn(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/queue");
}

static void errors_are_classed_by_number_and_by_words(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/errors");
}

static void a_login_a_model_and_a_mode_come_before_the_first_prompt(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/login");
}

static void a_login_that_nobody_named_is_why_it_cannot_go_on(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/login_wanted");
}

static void a_mode_that_is_not_there_is_why_it_cannot_go_on(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/mode_missing");
}

static void another_version_is_why_it_cannot_go_on(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/version");
}

static void a_session_that_is_gone_begins_anew(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/resume_lost");
}

static void an_agent_that_cannot_resume_begins_anew(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/resume_never");
}

static void history_is_not_told_again(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/resume_load");
}

static void what_is_unknown_is_kept_and_what_is_odd_does_no_harm(void **state)
{
	(void)state;
	adapter_replay_fixture("acp", "acp/odd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_agent_on_the_sdk),
		cmocka_unit_test(an_agent_of_ours_on_the_sdk),
		cmocka_unit_test(opencode_asks_and_works),
		cmocka_unit_test(models_and_modes_may_be_options),
		cmocka_unit_test(a_session_goes_on_in_another_process),
		cmocka_unit_test(gemini_works),
		cmocka_unit_test(gemini_changes_its_mode_and_its_model_and_fails),
		cmocka_unit_test(gemini_goes_on_and_its_history_is_not_told_again),
		cmocka_unit_test(a_session_of_gemini_is_of_no_minute_and_no_path),
		cmocka_unit_test(an_answer_takes_the_option_of_its_kind),
		cmocka_unit_test(prompts_wait_for_their_turn),
		cmocka_unit_test(errors_are_classed_by_number_and_by_words),
		cmocka_unit_test(a_login_a_model_and_a_mode_come_before_the_first_prompt),
		cmocka_unit_test(a_login_that_nobody_named_is_why_it_cannot_go_on),
		cmocka_unit_test(a_mode_that_is_not_there_is_why_it_cannot_go_on),
		cmocka_unit_test(another_version_is_why_it_cannot_go_on),
		cmocka_unit_test(a_session_that_is_gone_begins_anew),
		cmocka_unit_test(an_agent_that_cannot_resume_begins_anew),
		cmocka_unit_test(history_is_not_told_again),
		cmocka_unit_test(what_is_unknown_is_kept_and_what_is_odd_does_no_harm),
	};

	return cmocka_run_group_tests_name("acp", tests, NULL, NULL);
}
