/* Deltas of presence: decoding, and what they do to a set. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "presence/presence.h"
#include "tests/support/test.h"

static const char good[] = "1700000000000001\n"
			   "+ participant 1700000000000 3 7\nannAnn\nLee"
			   "- observer 1700000000001 3 0\nbob";

static void a_delta_is_decoded(void **state)
{
	struct presence_delta delta;

	(void)state;
	assert_true(presence_delta_decode(STR_LIT(good), &delta));
	assert_int_equal(delta.version, 1700000000000001);
	assert_int_equal(delta.came_count, 1);
	assert_int_equal(delta.gone_count, 1);
	assert_string_equal(delta.came[0].user, "ann");
	assert_string_equal(delta.came[0].name, "Ann\nLee");
	assert_int_equal(delta.came[0].role, PRESENCE_PARTICIPANT);
	assert_int_equal(delta.came[0].since_ms, 1700000000000);
	assert_string_equal(delta.gone[0].user, "bob");
	assert_string_equal(delta.gone[0].name, "");
	presence_delta_fini(&delta);
}

static void what_is_cut_or_strange_is_no_delta(void **state)
{
	static const char *const bad[] = {
		"",
		"1",
		"1\n",
		"x\n+ observer 1 1 0\na",
		"1\n* observer 1 1 0\na",
		"1\n+ owner 1 1 0\na",
		"1\n+ observer -1 1 0\na",
		"1\n+ observer 1 0 0\n",
		"1\n+ observer 1 2 0\na",
		"1\n+ observer 1 1 1\na",
		"1\n+ observer 1 65 "
		"0\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa",
		"1\n+ observer 1 1 0 0\na",
		"1\n+ observer 1 1\na",
	};
	struct presence_delta delta;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(presence_delta_decode(str_of(bad[i]), &delta));
	}
	/* A prefix is whole only where a change ends. */
	for (size_t n = 0; n + 1 < sizeof(good); n++) {
		bool whole = n == (size_t)(strchr(good, '-') - good);

		assert_int_equal(presence_delta_decode(str_make(good, n), &delta), whole);
		if (whole) {
			assert_int_equal(delta.came_count, 1);
			assert_int_equal(delta.gone_count, 0);
			presence_delta_fini(&delta);
		}
	}
	assert_false(presence_delta_decode(str_make("1\n+ observer 1 1 0\n\0", 20), &delta));
}

static void a_flood_of_changes_is_no_delta(void **state)
{
	struct presence_delta delta;
	struct buf text;

	(void)state;
	buf_init(&text, 64 * 1024);
	buf_add_cstr(&text, "7\n");
	for (int i = 0; i < 2 * PRESENCE_BATCH_MAX; i++) {
		buf_addf(&text, "+ observer 1 4 0\nu%03d", i);
	}
	assert_true(presence_delta_decode(buf_str(&text), &delta));
	presence_delta_fini(&delta);
	buf_add_cstr(&text, "+ observer 1 1 0\nx");
	assert_false(presence_delta_decode(buf_str(&text), &delta));
	buf_fini(&text);
}

static struct presence named(const char *user, enum presence_role role)
{
	struct presence who = { .role = role };

	assert_true(str_copy(who.user, sizeof(who.user), str_of(user)));
	return who;
}

static enum presence_step change(struct presence_set *set, uint64_t version, const char *came,
                                 const char *gone)
{
	struct presence in = named(came, PRESENCE_OBSERVER), out = named(gone, PRESENCE_OBSERVER);
	struct presence_delta delta = { version, &in, &out, came[0] != '\0', gone[0] != '\0' };

	return presence_apply(set, &delta);
}

static void a_set_takes_the_next_version_and_no_other(void **state)
{
	struct presence_set set = { .version = 5 };

	(void)state;
	assert_int_equal(change(&set, 6, "bob", ""), PRESENCE_APPLIED);
	assert_int_equal(change(&set, 7, "ann", ""), PRESENCE_APPLIED);
	assert_int_equal(change(&set, 7, "cay", ""), PRESENCE_OLD);
	assert_int_equal(change(&set, 9, "cay", ""), PRESENCE_GAP);
	assert_int_equal(set.count, 2);
	assert_string_equal(set.all[0].user, "ann");
	assert_int_equal(change(&set, 8, "", "dan"), PRESENCE_APPLIED);
	assert_int_equal(change(&set, 9, "cay", "ann"), PRESENCE_APPLIED);
	assert_int_equal(set.count, 2);
	assert_string_equal(set.all[0].user, "bob");
	assert_string_equal(set.all[1].user, "cay");
	presence_set_fini(&set);
}

static void what_was_missed_is_the_difference_of_two_sets(void **state)
{
	struct presence_set from = { .version = 5 }, to = { .version = 5 };
	struct presence_delta delta;

	(void)state;
	(void)change(&from, 6, "ann", "");
	(void)change(&from, 7, "bob", "");
	(void)change(&to, 6, "bob", "");
	(void)change(&to, 7, "cay", "");
	(void)change(&to, 8, "dan", "");
	presence_diff(&from, &to, &delta);
	assert_int_equal(delta.version, 8);
	assert_int_equal(delta.came_count, 2);
	assert_int_equal(delta.gone_count, 1);
	assert_string_equal(delta.gone[0].user, "ann");
	assert_string_equal(delta.came[1].user, "dan");
	presence_delta_fini(&delta);
	presence_set_fini(&from);
	presence_set_fini(&to);
}

static void a_channel_names_its_session(void **state)
{
	struct id sid = id_new(), got;
	char channel[PRESENCE_CHANNEL_SIZE];

	(void)state;
	presence_channel(&sid, channel);
	assert_true(presence_channel_parse(str_of(channel), &got));
	assert_true(id_eq(&sid, &got));
	channel[strlen(channel) - 1] = 'x';
	assert_false(presence_channel_parse(str_of(channel), &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delta_is_decoded),
		cmocka_unit_test(what_is_cut_or_strange_is_no_delta),
		cmocka_unit_test(a_flood_of_changes_is_no_delta),
		cmocka_unit_test(a_set_takes_the_next_version_and_no_other),
		cmocka_unit_test(what_was_missed_is_the_difference_of_two_sets),
		cmocka_unit_test(a_channel_names_its_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
