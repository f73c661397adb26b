#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"
#include "worker/changes.h"

#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OID_0 "0000000000000000000000000000000000000000"

static const char diff[] = ":100644 100644 " OID_A " " OID_B " M\0one\0"
			   ":000000 100644 " OID_0 " " OID_B " A\0dir/t\377wo\0"
			   ":100644 000000 " OID_A " " OID_0 " D\0three\0"
			   ":000000 100644 " OID_0 " " OID_A " A\0picture\0"
			   ":000000 160000 " OID_0 " " OID_A " A\0module\0"
			   "1\t2\tone\0"
			   "3\t0\tdir/t\377wo\0"
			   "0\t4\tthree\0"
			   "-\t-\tpicture\0"
			   "1\t0\tmodule";

static struct changes *parsed(void)
{
	struct changes *changes = changes_new();
	struct err err;

	assert_int_equal(changes_parse(changes, str_make(diff, sizeof(diff)), false, &err), ERR_OK);
	return changes;
}

static void the_list_has_paths_states_and_counts(void **state)
{
	struct changes *changes = parsed();

	(void)state;
	assert_int_equal(changes->count, 5);
	assert_true(str_eq(changes->list[0].path, STR_LIT("one")));
	assert_int_equal(changes->list[0].status, CHANGE_MODIFIED);
	assert_int_equal(changes->list[0].lines_added, 1);
	assert_int_equal(changes->list[0].lines_removed, 2);
	assert_true(str_eq(changes->list[1].path, STR_LIT("dir/t\xef\xbf\xbdwo")));
	assert_int_equal(changes->list[1].status, CHANGE_ADDED);
	assert_string_equal(changes->list[1].before.oid, "");
	assert_int_equal(changes->list[2].status, CHANGE_DELETED);
	assert_true(changes->list[3].binary);
	changes_free(changes);
}

static void any_cut_list_is_an_error_or_said_to_be_cut(void **state)
{
	struct err err;

	(void)state;
	for (size_t n = 0; n < sizeof(diff); n++) {
		char *part = malloc(n + 1); /* exactly so long: reading past it is seen */
		struct changes *changes = changes_new();

		memcpy(part, diff, n);
		assert_int_equal(changes_parse(changes, str_make(part, n), true, &err), ERR_OK);
		assert_true(changes->cut && changes->count <= 5);
		changes_free(changes);
		free(part);
	}
}

static void what_git_never_prints_is_an_error(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
		{ "x", 2 },
		{ "1\t2", 4 },
		{ ":100644", 8 },
		{ ":100644 100644 " OID_A " " OID_B " R100\0a", sizeof(OID_A) * 2 + 24 },
		{ ":100644 100644 " OID_A " xyz M\0a", sizeof(OID_A) + 24 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct changes *changes = changes_new();
		struct err err;

		assert_int_equal(changes_parse(changes, str_make(bad[i].p, bad[i].n), false, &err),
		                 ERR_BACKEND);
		changes_free(changes);
	}
}

static void feed(struct changes *changes, struct str in, size_t max_step)
{
	while (in.n > 0) {
		size_t n = max_step == 0 ? in.n : 1 + (size_t)rand() % max_step;

		n = n < in.n ? n : in.n;
		if (!changes_feed(changes, str_make(in.p, n))) {
			return;
		}
		in.p += n;
		in.n -= n;
	}
}

static void both_sides_are_read_however_the_output_is_split(void **state)
{
	static const char blobs[] = OID_A " blob 4\na\nb\n\n" OID_B " blob 0\n\n" OID_B
					  " blob 3\n\xff\ny\n" OID_A " missing\n";

	(void)state;
	for (size_t step = 0; step < 30; step++) {
		struct changes *changes = parsed();
		struct buf wanted;

		buf_init(&wanted, 4096);
		changes_wanted(changes, &wanted);
		assert_string_equal(buf_cstr(&wanted), OID_A "\n" OID_B "\n" OID_B "\n" OID_A "\n");
		feed(changes, str_make(blobs, sizeof(blobs) - 1), step);
		assert_true(changes->list[0].has_text && !changes->list[0].large);
		assert_true(str_eq(changes->list[0].before.text, STR_LIT("a\nb\n")));
		assert_int_equal(changes->list[0].before.lines, 2);
		assert_int_equal(changes->list[0].after.text.n, 0);
		assert_true(changes->list[1].has_text);
		assert_true(str_eq(changes->list[1].after.text, STR_LIT("\xef\xbf\xbd\ny")));
		assert_false(changes->list[2].has_text);
		assert_false(changes->list[3].has_text);
		assert_false(changes->list[4].has_text);
		buf_fini(&wanted);
		changes_free(changes);
	}
}

/* A side of `lines` lines of `width` bytes each, then its other side "x\n". */
static struct changes *large(size_t lines, size_t width)
{
	static const char one[] = ":100644 100644 " OID_A " " OID_B " M\0one\0001\t2\tone";
	struct changes *changes = changes_new();
	struct buf wanted, blobs;
	struct err err;

	buf_init(&wanted, 4096);
	buf_init(&blobs, 1 << 24);
	assert_int_equal(changes_parse(changes, str_make(one, sizeof(one)), false, &err), ERR_OK);
	changes_wanted(changes, &wanted);
	buf_addf(&blobs, OID_A " blob %zu\n", lines * width);
	for (size_t i = 0; i < lines; i++) {
		buf_addf(&blobs, "%0*zu\n", (int)width - 1, i + 1);
	}
	buf_addf(&blobs, "\n" OID_B " blob 2\nx\n\n");
	feed(changes, buf_str(&blobs), 70000);
	buf_fini(&wanted);
	buf_fini(&blobs);
	return changes;
}

static void up_to_the_bounds_the_text_is_whole(void **state)
{
	struct changes *changes = large(CHANGE_LARGE_LINES, 32);

	(void)state;
	assert_true(changes->list[0].has_text && !changes->list[0].large);
	assert_int_equal(changes->list[0].before.text.n, CHANGE_LARGE_LINES * 32);
	changes_free(changes);
}

static void too_many_lines_leave_the_first_200_and_the_last_50(void **state)
{
	struct changes *changes = large(CHANGE_LARGE_LINES + 1, 8);
	const struct change *change = &changes->list[0];

	(void)state;
	assert_true(change->has_text && change->large);
	assert_int_equal(change->before.text.n, 0);
	assert_int_equal(change->before.head.n, 200 * 8);
	assert_int_equal(change->before.tail.n, 50 * 8);
	assert_true(str_starts(change->before.tail, STR_LIT("0001952\n")));
	assert_true(str_ends(change->before.tail, STR_LIT("0002001\n")));
	assert_true(str_eq(change->after.head, STR_LIT("x\n")));
	assert_true(str_eq(change->after.tail, STR_LIT("x\n")));
	changes_free(changes);
}

static void a_side_past_64_kib_is_read_without_being_kept(void **state)
{
	struct changes *changes = large(10000, 1000);
	const struct change *change = &changes->list[0];

	(void)state;
	assert_true(change->has_text && change->large);
	assert_int_equal(change->before.bytes, 10000000);
	assert_int_equal(change->before.lines, 10000);
	assert_int_equal(change->before.head.n,
	                 CHANGE_LARGE_BYTES); /* clamped: 200 lines are more */
	assert_int_equal(change->before.tail.n, 50 * 1000);
	assert_true(str_ends(change->before.tail, STR_LIT("10000\n")));
	changes_free(changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_has_paths_states_and_counts),
		cmocka_unit_test(any_cut_list_is_an_error_or_said_to_be_cut),
		cmocka_unit_test(what_git_never_prints_is_an_error),
		cmocka_unit_test(both_sides_are_read_however_the_output_is_split),
		cmocka_unit_test(up_to_the_bounds_the_text_is_whole),
		cmocka_unit_test(too_many_lines_leave_the_first_200_and_the_last_50),
		cmocka_unit_test(a_side_past_64_kib_is_read_without_being_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
