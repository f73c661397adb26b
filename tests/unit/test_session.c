#include <stdlib.h>
#include <string.h>

#include "session/session.h"
#include "session/session_copy.h"
#include "session/session_store.h"
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

/* ---- copies of rows ---- */

static struct session new_row(void)
{
	struct session row = { .tenant = STR_LIT("acme"),
		               .project = STR_LIT("p:1 2"),
		               .owner = STR_LIT("ann"),
		               .state = SESSION_QUEUED,
		               .max_attempts = 3,
		               .agent = STR_LIT("{\"type\":\"command\"}"),
		               .prompt = STR_LIT("{\"text\":\"3:go on\\n\"}"),
		               .repo = STR_LIT("{\"mode\":\"none\"}"),
		               .runtime = STR_LIT("{\"type\":\"local\"}"),
		               .delivery = STR_LIT("{}"),
		               .traceparent = STR_LIT("00-a-b-01") };

	assert_true(id_parse(STR_LIT("01J00000000000000000000001"), &row.id));
	assert_true(id_parse(STR_LIT("01J00000000000000000000002"), &row.task));
	return row;
}

static void must_be_same(const struct session *got, const struct session *row)
{
	assert_true(id_eq(&got->id, &row->id));
	assert_true(id_eq(&got->task, &row->task));
	assert_true(str_eq(got->tenant, row->tenant));
	assert_true(str_eq(got->project, row->project));
	assert_true(str_eq(got->owner, row->owner));
	assert_true(str_eq(got->agent, row->agent));
	assert_true(str_eq(got->prompt, row->prompt));
	assert_true(str_eq(got->repo, row->repo));
	assert_true(str_eq(got->runtime, row->runtime));
	assert_true(str_eq(got->delivery, row->delivery));
	assert_true(str_eq(got->traceparent, row->traceparent));
	assert_int_equal(got->max_attempts, row->max_attempts);
	assert_int_equal(got->state, SESSION_QUEUED);
	assert_int_equal(got->failures, 0);
	assert_int_equal(got->started_us, 0);
}

/* At the end of what was allocated, so that a sanitizer sees who reads beyond. */
static bool read_copy(struct str text, struct arena *arena, struct session *ret)
{
	char *exact = malloc(text.n > 0 ? text.n : 1);
	bool is_copy;

	assert_non_null(exact);
	if (text.n > 0) {
		memcpy(exact, text.p, text.n);
	}
	is_copy = session_copy_read(str_make(exact, text.n), arena, ret);
	free(exact); /* what was read is the arena's */
	return is_copy;
}

static void a_copy_of_a_new_row_is_read_as_it_was(void **state)
{
	struct arena *arena = arena_new();
	struct session row = new_row(), got;

	(void)state;
	assert_true(read_copy(session_copy_write(&row, arena), arena, &got));
	must_be_same(&got, &row);
	assert_string_equal(got.tenant.p, "acme");
	row.project = row.owner = row.delivery = row.traceparent = STR_LIT("");
	assert_true(read_copy(session_copy_write(&row, arena), arena, &got));
	must_be_same(&got, &row);
	arena_free(arena);
}

static void what_is_left_of_a_copy_is_none_and_never_of_another_session(void **state)
{
	enum { ID_AT = 2 }; /* behind the form */
	static const char *const others[] = {
		"",
		"1",
		"2 01J00000000000000000000001 01J00000000000000000000002 3 ",
		"1 01J00000000000000000000001 01J00000000000000000000002 4294967296 "
		"0:0:0:0:0:0:0:0:0:",
		"1 01J00000000000000000000001 01J00000000000000000000002 3 "
		"0:0:0:0:0:0:0:0:-1:",
		"1 01J00000000000000000000001 01J00000000000000000000002 3 "
		"0:0:0:0:0:0:0:0:18446744073709551615:",
		"1 01J00000000000000000000001 01J00000000000000000000002 3 "
		"0:0:0:0:0:0:0:0:0:x",
		"1 01J00000000000000000000001 01J00000000000000000000002 3 "
		"0:0:0:0:0:0:0:0:0",
	};
	struct arena *arena = arena_new();
	struct session row = new_row(), got;
	struct str text = session_copy_write(&row, arena);
	char *changed = arena_strdup(arena, text);

	(void)state;
	for (size_t n = 0; n < text.n; n++) {
		assert_false(read_copy(str_make(text.p, n), arena, &got));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(read_copy(str_of(others[i]), arena, &got));
	}
	for (size_t i = 0; i < text.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			changed[i] = (char)((unsigned char)text.p[i] ^ (1U << bit));
			if (read_copy(str_make(changed, text.n), arena, &got) &&
			    (i < ID_AT || i >= ID_AT + ID_LEN)) {
				assert_true(id_eq(&got.id, &row.id));
			}
		}
		changed[i] = text.p[i];
	}
	arena_free(arena);
}

static void must_have_no_copy(const struct session *row)
{
	struct arena *arena = arena_new();

	assert_int_equal(session_copy_write(row, arena).n, 0);
	arena_free(arena);
}

static void a_copy_is_of_a_row_that_is_whole_and_new_and_short(void **state)
{
	struct arena *arena = arena_new();
	struct session row = new_row(), got;
	char *prompt = arena_take(arena, SESSION_COPY_MAX);
	size_t most = 0;

	(void)state;
	memset(prompt, 'x', SESSION_COPY_MAX);
	for (size_t n = SESSION_COPY_MAX; n > 0 && most == 0; n--) {
		row.prompt = str_make(prompt, n);
		most = session_copy_write(&row, arena).n;
	}
	assert_int_equal(most, SESSION_COPY_MAX);
	assert_true(read_copy(session_copy_write(&row, arena), arena, &got));
	must_be_same(&got, &row);
	row.prompt.n++;
	must_have_no_copy(&row);
	arena_free(arena);

	row = new_row();
	row.state = SESSION_PROVISIONING;
	must_have_no_copy(&row);
	row = new_row();
	row.started_us = 1;
	must_have_no_copy(&row);
	row = new_row();
	row.failures = 1;
	must_have_no_copy(&row);

	row = new_row();
	row.id = (struct id){ "" };
	must_have_no_copy(&row);
	row = new_row();
	row.task = (struct id){ "" };
	must_have_no_copy(&row);
	for (size_t i = 0; i < 4; i++) {
		row = new_row();
		*(struct str *[]){ &row.agent, &row.prompt, &row.repo, &row.runtime }[i] =
			STR_LIT("");
		must_have_no_copy(&row);
	}
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
		cmocka_unit_test(a_copy_of_a_new_row_is_read_as_it_was),
		cmocka_unit_test(what_is_left_of_a_copy_is_none_and_never_of_another_session),
		cmocka_unit_test(a_copy_is_of_a_row_that_is_whole_and_new_and_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
