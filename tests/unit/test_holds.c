/* What a worker says that it holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/queue_limit.h"
#include "queue/words.h"
#include "tests/support/test.h"
#include "worker/holds.h"

static void what_is_used_comes_first_and_is_named_once(void **state)
{
	char holds[LEASE_HOLDS_MAX + 1] = "";

	(void)state;
	assert_true(holds_add(holds, STR_LIT("repo=a")));
	assert_string_equal(holds, "repo=a");
	assert_true(holds_add(holds, STR_LIT("repo=ab")));
	assert_string_equal(holds, "repo=ab,repo=a");
	assert_false(holds_add(holds, STR_LIT("repo=a")));
	assert_string_equal(holds, "repo=a,repo=ab");
	assert_false(words_have(holds, STR_LIT("repo=")));
	assert_true(words_have(holds, STR_LIT("repo=ab")));
}

static void the_oldest_leave_when_there_are_too_many(void **state)
{
	char holds[LEASE_HOLDS_MAX + 1] = "", word[HOLDS_WORD_SIZE];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(word, sizeof(word), "repo=%016u", i);
		assert_true(holds_add(holds, str_of(word)));
		assert_true(strlen(holds) <= LEASE_HOLDS_MAX);
	}
	assert_true(words_have(holds, STR_LIT("repo=0000000000000199")));
	assert_true(words_have(holds, STR_LIT("repo=0000000000000160")));
	assert_false(words_have(holds, STR_LIT("repo=0000000000000000")));
}

/* What a scheduler asks for by the URL is what a worker reads from the names of its mirrors. */
static void mirrors_are_named_as_the_queue_names_their_repositories(void **state)
{
	char dir[] = "/tmp/holds.XXXXXX", path[128], word[HOLDS_WORD_SIZE];
	char holds[LEASE_HOLDS_MAX + 1] = "", name[QUEUE_NAME_MAX + 1];

	(void)state;
	assert_non_null(mkdtemp(dir));
	holds_read(dir, holds);
	assert_string_equal(holds, "");
	queue_name_of(STR_LIT("https://host.example/a.git"), name);
	(void)snprintf(path, sizeof(path), "%s/mirrors", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/mirrors/%s012345670.git", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
	holds_read(dir, holds);
	holds_repo(STR_LIT("https://host.example/a.git"), word);
	assert_string_equal(holds, word);
	assert_int_equal(rmdir(path), 0);
	(void)snprintf(path, sizeof(path), "%s/mirrors", dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_used_comes_first_and_is_named_once),
		cmocka_unit_test(the_oldest_leave_when_there_are_too_many),
		cmocka_unit_test(mirrors_are_named_as_the_queue_names_their_repositories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
