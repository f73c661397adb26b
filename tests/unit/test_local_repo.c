#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "worker/local_repo.h"

enum { PATH_SIZE = 256 };

struct place {
	char root[64];
	char open[PATH_SIZE], closed[PATH_SIZE], link_out[PATH_SIZE + 8], beside[PATH_SIZE];
};

static void make(char out[PATH_SIZE], const struct place *place, const char *name)
{
	(void)snprintf(out, PATH_SIZE, "%s/%s", place->root, name);
	assert_int_equal(mkdir(out, 0755), 0);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	(void)snprintf(place->root, sizeof(place->root), "/tmp/local-repo.XXXXXX");
	assert_non_null(mkdtemp(place->root));
	make(place->open, place, "open");
	make(place->closed, place, "closed");
	make(place->beside, place, "opened");
	(void)snprintf(place->link_out, sizeof(place->link_out), "%s/link", place->open);
	assert_int_equal(symlink(place->closed, place->link_out), 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	(void)unlink(place->link_out);
	(void)rmdir(place->open);
	(void)rmdir(place->closed);
	(void)rmdir(place->beside);
	assert_int_equal(rmdir(place->root), 0);
	free(place);
	return 0;
}

static enum err_code check(const char *folders, const char *url)
{
	struct err err;

	return local_repo_check(folders, str_of(url), &err);
}

static void what_is_below_a_folder_may_be_used(void **state)
{
	const struct place *place = *state;
	char list[2 * PATH_SIZE], url[PATH_SIZE + 8];

	(void)snprintf(list, sizeof(list), "/nonexistent, %s", place->open);
	(void)snprintf(url, sizeof(url), "file://%s", place->open);
	assert_int_equal(check(list, place->open), ERR_OK);
	assert_int_equal(check(list, url), ERR_OK);
	assert_int_equal(check("/", place->closed), ERR_OK);
	assert_int_equal(check(list, place->closed), ERR_FORBIDDEN);
}

static void a_longer_name_is_not_below(void **state)
{
	const struct place *place = *state;

	assert_int_equal(check(place->open, place->beside), ERR_FORBIDDEN);
}

static void no_folder_means_none(void **state)
{
	const struct place *place = *state;

	assert_int_equal(check("", place->open), ERR_FORBIDDEN);
	assert_int_equal(check(" , ,", place->open), ERR_FORBIDDEN);
}

static void links_and_dots_lead_nowhere_else(void **state)
{
	const struct place *place = *state;
	char dots[2 * PATH_SIZE];

	(void)snprintf(dots, sizeof(dots), "%s/../closed", place->open);
	assert_int_equal(check(place->open, place->link_out), ERR_FORBIDDEN);
	assert_int_equal(check(place->open, dots), ERR_FORBIDDEN);
}

static void an_escape_in_a_file_url_is_refused(void **state)
{
	const struct place *place = *state;
	char url[2 * PATH_SIZE];

	(void)snprintf(url, sizeof(url), "file://%s/%%2e%%2e/closed", place->open);
	assert_int_equal(check("/", url), ERR_FORBIDDEN);
}

static void other_urls_are_not_its_business(void **state)
{
	(void)state;
	assert_int_equal(check("", "https://example.org/a.git"), ERR_OK);
	assert_int_equal(check("", "git@example.org:a.git"), ERR_OK);
}

static void a_folder_that_is_not_there_is_said(void **state)
{
	(void)state;
	assert_int_equal(check("/", "/nonexistent/repository"), ERR_NOT_FOUND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(what_is_below_a_folder_may_be_used),
		T(a_longer_name_is_not_below),
		T(no_folder_means_none),
		T(links_and_dots_lead_nowhere_else),
		T(an_escape_in_a_file_url_is_refused),
		T(other_urls_are_not_its_business),
		T(a_folder_that_is_not_there_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
