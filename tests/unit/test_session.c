#include "session/session.h"
#include "tests/support/test.h"

static void every_state_has_a_name_that_parses_back(void **state)
{
	enum session_state got;

	(void)state;
	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		enum session_state s = (enum session_state)i;

		assert_true(session_state_parse(str_of(session_state_name(s)), &got));
		assert_int_equal(got, s);
	}
	assert_false(session_state_parse(STR_LIT("Queued"), &got));
	assert_false(session_state_parse(STR_LIT(""), &got));
	assert_false(session_state_parse(STR_LIT("queue"), &got));
}

static void no_move_leaves_a_terminal_state_or_stays_where_it_is(void **state)
{
	(void)state;
	for (unsigned from = 0; from < SESSION_STATE_COUNT; from++) {
		assert_false(
			session_move_allowed((enum session_state)from, (enum session_state)from));
		for (unsigned to = 0; to < SESSION_STATE_COUNT; to++) {
			if (session_is_terminal((enum session_state)from)) {
				assert_false(session_move_allowed((enum session_state)from,
				                                  (enum session_state)to));
			}
		}
	}
}

static void every_living_state_can_be_cancelled_and_reaches_an_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		enum session_state s = (enum session_state)i;

		if (!session_is_terminal(s)) {
			assert_true(session_move_allowed(s, SESSION_CANCELLED));
			assert_true(session_move_allowed(s, SESSION_FAILED));
			assert_non_null(session_move_cause(s, SESSION_CANCELLED));
		}
	}
}

static void every_state_but_the_first_can_be_reached(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		assert_int_not_equal(session_moves_to((enum session_state)i), 0);
	}
	assert_int_equal(session_moves_to(SESSION_PAUSED), session_bit(SESSION_PAUSING));
	assert_int_equal(session_moves_to(SESSION_PROVISIONING),
	                 session_bit(SESSION_QUEUED) | session_bit(SESSION_RESUMING));
}

static void resuming_what_was_stopped_is_refused(void **state)
{
	(void)state;
	assert_false(session_move_allowed(SESSION_STOPPED, SESSION_RESUMING));
	assert_false(session_move_allowed(SESSION_RUNNING, SESSION_RESUMING));
	assert_false(session_move_allowed(SESSION_QUEUED, SESSION_RUNNING));
	assert_true(session_move_allowed(SESSION_PAUSED, SESSION_RESUMING));
}

static void a_failure_has_a_cause(void **state)
{
	(void)state;
	assert_string_equal(session_cause_of(STR_LIT("poison")), "poison");
	assert_string_equal(session_cause_of(STR_LIT("deadline")), "deadline");
	assert_string_equal(session_cause_of(STR_LIT("exit code 3")), "attempts");
	assert_string_equal(session_cause_of(STR_LIT("")), "attempts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_has_a_cause),
		cmocka_unit_test(every_state_has_a_name_that_parses_back),
		cmocka_unit_test(no_move_leaves_a_terminal_state_or_stays_where_it_is),
		cmocka_unit_test(every_living_state_can_be_cancelled_and_reaches_an_end),
		cmocka_unit_test(every_state_but_the_first_can_be_reached),
		cmocka_unit_test(resuming_what_was_stopped_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
