#include "tests/support/test.h"
#include "worker/git.h"
#include "worker/process.h"

static enum err_code check(const char *url, bool allow_local)
{
	struct err err;

	return git_check_url(str_of(url), allow_local, &err);
}

static void the_usual_remote_urls_are_accepted(void **state)
{
	static const char *const good[] = {
		"https://git.example.org/a/b.git",   "https://user@git.example.org:8443/a",
		"ssh://git@git.example.org:22/a/b",  "git://git.example.org/a",
		"git@git.example.org:team/repo.git", "git.example.org:repo",
		"http://git.example.org/a",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(check(good[i], false), ERR_OK);
	}
}

static void what_could_run_something_or_hides_a_secret_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-oProxyCommand=x",
		"--upload-pack=x",
		"ext::sh -c x",
		"ext::sh%20-c%20x",
		"fd::17",
		"ssh://-oProxyCommand=x/a",
		"ssh://user@-oProxyCommand=x/a",
		"ssh://-lroot@host/a",
		"-l@host:path",
		"user@-oProxyCommand=x:path",
		"host:-path",
		"http://user:secret@git.example.org/a",
		"ftp://git.example.org/a",
		"https://",
		"https:///a",
		"https://user:secret@git.example.org/a",
		"https://git.example.org/a b",
		"https://git.example.org/a\nb",
		"relative/path",
		"./here:there",
		"host:",
		":path",
		"@host:path",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (check(bad[i], true) != ERR_INVALID) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
}

static void the_disk_of_the_worker_is_open_only_when_allowed(void **state)
{
	(void)state;
	assert_int_equal(check("/srv/repo", false), ERR_INVALID);
	assert_int_equal(check("file:///srv/repo", false), ERR_INVALID);
	assert_int_equal(check("/srv/repo", true), ERR_OK);
	assert_int_equal(check("file:///srv/repo", true), ERR_OK);
	assert_int_equal(check("/srv/my repo", true), ERR_OK);
	assert_int_equal(check("/srv/my\nrepo", true), ERR_INVALID);
}

static void branch_names_are_those_of_git_check_ref_format(void **state)
{
	static const char *const good[] = { "main", "feature/x-1", "a.b", "v1.0", "\xc3\xa4" };
	static const char *const bad[] = { "",     "-x",   "a..b",   "a b",  "a~1",
		                           "a^",   "a:b",  "a?",     "a*",   "a[",
		                           "a\\b", "/a",   "a/",     "a//b", ".a",
		                           "a/.b", "a.",   "a.lock", "a@{1", "a.lock/b",
		                           "@",    "HEAD", "a\x7f",  "a\n",  "\xff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(git_is_branch(str_of(good[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (git_is_branch(str_of(bad[i]))) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
}

static void commits_are_hex(void **state)
{
	(void)state;
	assert_true(git_is_commit(STR_LIT("0123abc")));
	assert_true(git_is_commit(STR_LIT("0123456789abcdef0123456789abcdef01234567")));
	assert_false(git_is_commit(STR_LIT("abc")));
	assert_false(git_is_commit(STR_LIT("0123ABC")));
	assert_false(git_is_commit(STR_LIT("-123456")));
	assert_false(git_is_commit(STR_LIT("main~12")));
}

static void the_reason_is_the_line_that_says_why(void **state)
{
	char out[32];

	(void)state;
	process_reason(STR_LIT("warning: a\nfatal: no such\trepo\r\n\n"), out, sizeof(out));
	assert_string_equal(out, "no such?repo");
	process_reason(STR_LIT("hint: a\nremote: error: no\nfatal: cut off\n"), out, sizeof(out));
	assert_string_equal(out, "no");
	process_reason(STR_LIT("one\nsh: x: not found\n\n"), out, sizeof(out));
	assert_string_equal(out, "sh: x: not found");
	process_reason(STR_LIT(""), out, sizeof(out));
	assert_string_equal(out, "");
	process_reason(STR_LIT("error: 0123456789012345678901234567890123456789"), out,
	               sizeof(out));
	assert_string_equal(out, "0123456789012345678901234567890");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_usual_remote_urls_are_accepted),
		cmocka_unit_test(what_could_run_something_or_hides_a_secret_is_refused),
		cmocka_unit_test(the_disk_of_the_worker_is_open_only_when_allowed),
		cmocka_unit_test(branch_names_are_those_of_git_check_ref_format),
		cmocka_unit_test(commits_are_hex),
		cmocka_unit_test(the_reason_is_the_line_that_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
