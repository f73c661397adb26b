#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "worker/snapshot_store.h"

static char dir[] = "/tmp/fairlead-snapshots-XXXXXX";

static void put(const struct id *sid, uint64_t epoch, uint64_t number, const char *facts)
{
	const struct snapshot_name name = { .sid = *sid, .epoch = epoch, .number = number };
	struct err err;
	int fd;

	assert_int_equal(snapshot_store_open(dir, sid, &fd, &err), ERR_OK);
	assert_int_equal(write(fd, facts, strlen(facts)), strlen(facts));
	assert_int_equal(snapshot_store_put(dir, &name, fd, str_of(facts), &err), ERR_OK);
	assert_int_equal(close(fd), 0);
}

/* The newest, by what was written into it; "": there is none. */
static void newest(const struct id *sid, char out[64])
{
	struct snapshot_name name;
	struct buf facts;
	struct err err;
	char image[64] = "";
	int fd = -1;

	buf_init(&facts, SNAPSHOT_FACTS_MAX);
	out[0] = '\0';
	if (snapshot_store_find(dir, sid, &name, &facts, &fd, &err) == ERR_OK) {
		assert_true(str_copy(out, 64, buf_str(&facts)));
		assert_true(read(fd, image, sizeof(image) - 1) > 0);
		assert_string_equal(image, out);
		assert_int_equal(close(fd), 0);
	}
	buf_fini(&facts);
}

static void the_newest_is_of_the_highest_epoch_then_of_the_highest_number(void **state)
{
	const struct id sid = id_new(), other = id_new();
	char found[64];

	(void)state;
	newest(&sid, found);
	assert_string_equal(found, "");
	put(&sid, 9, 20, "{\"a\":1}");
	put(&sid, 10, 1, "{\"a\":2}");
	put(&other, 11, 1, "{\"a\":3}");
	put(&sid, 9, 21, "{\"a\":4}");
	newest(&sid, found);
	assert_string_equal(found, "{\"a\":2}");
	put(&sid, 10, 1, "{\"a\":5}"); /* the same once more */
	newest(&sid, found);
	assert_string_equal(found, "{\"a\":5}");
}

static void older_ones_give_way_and_half_ones_are_nothing(void **state)
{
	const struct id sid = id_new();
	struct snapshot_name name = { .sid = sid, .epoch = 1, .number = 1 };
	char path[256], found[64];
	int there = 0;

	(void)state;
	for (uint64_t i = 1; i <= SNAPSHOTS_KEPT + 3; i++) {
		put(&sid, 1, i, "{}");
	}
	for (uint64_t i = 1; i <= SNAPSHOTS_KEPT + 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/1-%ju.image", dir, name.sid.s,
		               (uintmax_t)i);
		there += access(path, F_OK) == 0;
	}
	assert_int_equal(there, SNAPSHOTS_KEPT);
	(void)snprintf(path, sizeof(path), "%s/%s/7-1.image", dir, name.sid.s);
	assert_int_equal(mkdir(path, 0700), 0); /* without facts */
	newest(&sid, found);
	assert_string_equal(found, "{}");
	assert_int_equal(rmdir(path), 0);
}

static void a_sweep_takes_what_is_old(void **state)
{
	const struct id sid = id_new();
	char found[64];

	(void)state;
	put(&sid, 1, 1, "{}");
	snapshot_store_sweep(dir, 3600 * 1000);
	newest(&sid, found);
	assert_string_equal(found, "{}");
	snapshot_store_sweep(dir, 0);
	newest(&sid, found);
	assert_string_equal(found, "");
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_is_of_the_highest_epoch_then_of_the_highest_number),
		cmocka_unit_test(older_ones_give_way_and_half_ones_are_nothing),
		cmocka_unit_test(a_sweep_takes_what_is_old),
	};

	return mkdtemp(dir) != NULL ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
