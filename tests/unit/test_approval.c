/* Rules that answer for people: what they fit, and what they must never fit. */
#include <stdio.h>
#include <string.h>

#include "approval/glob.h"
#include "approval/rule.h"
#include "approval/words.h"
#include "base/attr.h"
#include "json/value.h"
#include "json/write.h"
#include "tests/support/test.h"

enum { TEXT_MAX = 8192 };

/* One rule against the data of one permission_request. */
static bool fits(const struct approval_rule *rule, const char *data)
{
	struct arena *arena = arena_new();
	struct approval_question question;
	struct json_value *json;
	struct err err;
	bool yes;

	json = json_parse(str_of(data), &err);
	assert_non_null(json);
	approval_question_of(json, STR_LIT("/srv/tree/s1"), arena, &question);
	yes = approval_rule_fits(rule, &question);
	json_value_free(json);
	arena_free(arena);
	return yes;
}

static bool command_fits(bool allow, const char *prefix, const char *command)
{
	const struct approval_rule rule = { .allow = allow, .command = str_of(prefix) };
	struct buf data;
	struct jsonw w;
	bool yes;

	buf_init(&data, TEXT_MAX);
	jsonw_init(&w, &data);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "tool_name", "Bash");
	jsonw_object(&w, "input");
	jsonw_cstr(&w, "command", command);
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	yes = fits(&rule, buf_cstr(&data));
	buf_fini(&data);
	return yes;
}

static void a_command_is_allowed_by_words_and_never_by_bytes(void **state)
{
	(void)state;
	assert_true(command_fits(true, "git status", "git status"));
	assert_true(command_fits(true, "git status", "git  status\t-s"));
	assert_true(command_fits(true, "git status", " git status --short ./a,b"));
	assert_false(command_fits(true, "git status", "git statusx"));
	assert_false(command_fits(true, "git status", "git statusx; rm"));
	assert_false(command_fits(true, "git status", "git"));
	assert_false(command_fits(true, "git status", "xgit status"));
	assert_false(command_fits(true, "git status", "/usr/bin/git status"));
	assert_false(command_fits(true, "git status", ""));
}

static void what_a_shell_reads_something_into_is_never_allowed(void **state)
{
	static const char letters[] = ";&|<>()$`\\\"'*?[]{}~!#^\n\r";
	char command[64];

	(void)state;
	for (size_t i = 0; i < sizeof(letters) - 1; i++) {
		(void)snprintf(command, sizeof(command), "git status %c rm", letters[i]);
		assert_false(command_fits(true, "git status", command));
		(void)snprintf(command, sizeof(command), "git status%c", letters[i]);
		assert_false(command_fits(true, "git status", command));
	}
	for (unsigned c = 1; c < ' '; c++) {
		(void)snprintf(command, sizeof(command), "git status%crm", (int)c);
		assert_false(command_fits(true, "git status", command) && c != '\t');
	}
	assert_false(command_fits(true, "git status", "git status\xc2\xa0rm"));
	assert_false(command_fits(true, "git status", "PATH=. git status"));
}

static void the_command_of_a_shell_is_looked_at(void **state)
{
	const struct approval_rule rule = { .allow = true, .command = STR_LIT("git status") };
	const struct approval_rule no = { .command = STR_LIT("git status") };

	(void)state;
	assert_true(command_fits(true, "git status", "/bin/bash -lc 'git status -s'"));
	assert_false(command_fits(true, "git status", "/bin/bash -lc 'git status; rm'"));
	assert_false(command_fits(true, "git status", "bash -c 'git status' 'rm'"));
	assert_true(fits(&rule, "{\"input\":{\"command\":[\"git\",\"status\",\"; rm\"]}}"));
	assert_true(fits(&rule, "{\"input\":{\"command\":[\"bash\",\"-lc\",\"git status\"]}}"));
	assert_false(fits(&rule, "{\"input\":{\"command\":[\"bash\",\"-lc\",\"git status;x\"]}}"));
	assert_false(fits(&rule, "{\"input\":{\"command\":[\"git status\"]}}"));
	assert_false(fits(&rule, "{\"input\":{\"command\":[\"git\",\"status\",1]}}"));
	assert_false(fits(&rule, "{\"input\":{\"command\":\"git status\",\"cmd\":\"rm\"}}"));
	assert_true(fits(&no, "{\"input\":{\"command\":[\"bash\",\"-lc\",\"x; git status\"]}}"));
}

static void a_command_is_denied_wherever_a_shell_would_run_it(void **state)
{
	static const char *const denied[] = {
		"git push",           "git push origin main",
		"cd x && git push",   "echo $(git push)",
		"x; git push",        "a | git push",
		"\"git\" push",       "g\\it push",
		"FOO=1 git push",     "env A=1 git push",
		"/usr/bin/git push",  "sudo git push",
		"bash -c 'git push'", "if true; then git push; fi",
		"(git push)",         "x\ngit push",
		"`git push`",
	};
	static const char *const others[] = { "git pushx", "git status", "echo git push",
		                              "echo 'git push'", "git" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		if (!command_fits(false, "git push", denied[i])) {
			fail_msg("not denied: %s", denied[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (command_fits(false, "git push", others[i])) {
			fail_msg("denied: %s", others[i]);
		}
	}
}

static void patterns_of_paths_know_names_and_depth(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool fits;
	} cases[] = {
		{ "src/*.c", "src/a.c", true },
		{ "src/*.c", "src/x/a.c", false },
		{ "src/**", "src/x/a.c", true },
		{ "src/**", "src", false },
		{ "src/**/a.c", "src/a.c", true },
		{ "src/**/a.c", "src/x/y/a.c", true },
		{ "src/**/a.c", "src/x/ba.c", false },
		{ "src/**/a.c", "srcx/a.c", false },
		{ "**", "", true },
		{ "**", "a/b", true },
		{ "*", "a/b", false },
		{ "?", "ab", false },
		{ "?.md", "a.md", true },
		{ "a?b", "a/b", false },
		{ "**/*.md", "a.md", true },
		{ "**/*.md", "x/y/a.md", true },
		{ "a**b", "a/x/b", true },
		{ "a**/b", "ab", false },
		{ "", "", true },
		{ "", "a", false },
		{ "a*b*c", "axxbyyc", true },
		{ "a*b*c", "axxbyy", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (approval_glob_fits(str_of(cases[i].pattern), str_of(cases[i].path)) !=
		    cases[i].fits) {
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
		}
	}
}

static void a_path_is_below_the_workspace_or_fits_nothing(void **state)
{
	const struct approval_rule rule = { .allow = true, .path = STR_LIT("src/**") };
	char out[APPROVAL_PATH_MAX + 1];

	(void)state;
	assert_true(fits(&rule, "{\"input\":{\"file_path\":\"/srv/tree/s1/src/a.c\"}}"));
	assert_true(fits(&rule, "{\"input\":{\"file_path\":\"src/./x//a.c\"}}"));
	assert_true(fits(&rule, "{\"input\":{\"file_path\":\"doc/../src/a.c\"}}"));
	assert_false(fits(&rule, "{\"input\":{\"file_path\":\"src/../../s2/src/a.c\"}}"));
	assert_false(fits(&rule, "{\"input\":{\"file_path\":\"/srv/tree/s1/../s2/src/a.c\"}}"));
	assert_false(fits(&rule, "{\"input\":{\"file_path\":\"/srv/tree/s10/src/a.c\"}}"));
	assert_false(fits(&rule, "{\"input\":{\"file_path\":\"~/src/a.c\"}}"));
	assert_false(fits(&rule, "{\"input\":{\"paths\":[\"src/a.c\",\"etc/b\"]}}"));
	assert_true(fits(&rule, "{\"input\":{\"paths\":[\"src/a.c\",\"src/b\"]}}"));
	assert_false(fits(&rule, "{\"input\":{\"paths\":[\"src/a.c\",7]}}"));
	assert_false(fits(&rule, "{\"input\":{\"changes\":{\"src/a.c\":{},\"/etc/passwd\":{}}}}"));
	assert_false(fits(&rule, "{\"input\":{}}"));
	assert_true(approval_path_below(STR_LIT("/w/"), STR_LIT("/w"), out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(approval_path_below(STR_LIT("/"), STR_LIT("/w"), out, sizeof(out)));
	assert_false(approval_path_below(STR_LIT(""), STR_LIT("/w"), out, sizeof(out)));
	assert_false(approval_path_below(STR_LIT("/w"), STR_LIT("a/b/c"), out, 5));
}

static void a_denied_path_is_enough(void **state)
{
	const struct approval_rule rule = { .path = STR_LIT(".env") };

	(void)state;
	assert_true(fits(&rule, "{\"input\":{\"paths\":[\"src/a.c\",\"/srv/tree/s1/.env\"]}}"));
	assert_false(fits(&rule, "{\"input\":{\"paths\":[\"src/a.c\"]}}"));
}

static void hosts_are_whole_names(void **state)
{
	const struct approval_rule one = { .allow = true, .host = STR_LIT("example.org") };
	const struct approval_rule below = { .allow = true, .host = STR_LIT("*.example.org") };

	(void)state;
	assert_true(fits(&one, "{\"input\":{\"url\":\"https://Example.org:443/x?y\"}}"));
	assert_false(fits(&one, "{\"input\":{\"url\":\"https://a.example.org/\"}}"));
	assert_false(fits(&one, "{\"input\":{\"url\":\"https://example.org@evil.net/\"}}"));
	assert_false(fits(&one, "{\"input\":{\"url\":\"https://example.org:x@evil.net/\"}}"));
	assert_false(fits(&one, "{\"input\":{\"url\":\"https://example.org\\\\.evil.net/\"}}"));
	assert_false(fits(&one, "{\"input\":{\"url\":\"example.org\"}}"));
	assert_true(fits(&below, "{\"input\":{\"url\":\"https://a.b.example.org\"}}"));
	assert_false(fits(&below, "{\"input\":{\"url\":\"https://example.org\"}}"));
	assert_false(fits(&below, "{\"input\":{\"url\":\"https://aexample.org\"}}"));
	assert_false(fits(&one, "{\"input\":{\"urls\":[\"https://example.org\",\"http://x\"]}}"));
}

static void what_is_allowed_in_part_is_not_allowed(void **state)
{
	const struct approval_rule path = { .allow = true, .path = STR_LIT("src/**") };
	const struct approval_rule tool = { .allow = true, .tool = STR_LIT("Bash") };
	const struct approval_rule many = { .allow = true, .tool = STR_LIT("mcp__git__*") };

	(void)state;
	assert_false(fits(&path, "{\"input\":{\"path\":\"src/a\",\"command\":\"rm x\"}}"));
	assert_false(fits(&path, "{\"input\":{\"path\":\"src/a\",\"url\":\"http://x/\"}}"));
	assert_true(fits(&tool, "{\"tool_name\":\"Bash\",\"input\":{\"command\":\"a; b\"}}"));
	assert_false(fits(&tool, "{\"tool_name\":\"BashX\"}"));
	assert_false(fits(&tool, "{\"title\":\"Bash\"}"));
	assert_true(fits(&many, "{\"tool_name\":\"mcp__git__log\"}"));
	assert_false(fits(&many, "{\"tool_name\":\"mcp__hub__log\"}"));
}

static void a_rule_that_denies_comes_before_those_that_allow(void **state)
{
	const struct approval_rule rules[] = {
		{ .allow = true, .tool = STR_LIT("Bash") },
		{ .allow = true, .tool = STR_LIT("B*") },
		{ .tool = STR_LIT("Bash"), .command = STR_LIT("rm") },
	};
	struct approval_question q = { .tool = STR_LIT("Bash"), .line = STR_LIT("ls") };

	(void)state;
	assert_ptr_equal(approval_decide(rules, 3, &q), &rules[0]);
	q.line = STR_LIT("ls; rm x");
	assert_ptr_equal(approval_decide(rules, 3, &q), &rules[2]);
	q.tool = STR_LIT("Read");
	assert_null(approval_decide(rules, 3, &q));
	assert_null(approval_decide(NULL, 0, &q));
}

static void a_rule_is_for_a_project_and_a_user(void **state)
{
	const struct approval_rule rule = { .project = STR_LIT("p"), .user = STR_LIT("ann") };
	const struct approval_rule any = { .allow = true };

	(void)state;
	assert_true(approval_rule_concerns(&rule, STR_LIT("p"), STR_LIT("ann")));
	assert_false(approval_rule_concerns(&rule, STR_LIT("q"), STR_LIT("ann")));
	assert_false(approval_rule_concerns(&rule, STR_LIT("p"), STR_LIT("bob")));
	assert_true(approval_rule_concerns(&any, STR_LIT(""), STR_LIT("")));
}

static void flaws_name_their_member(void **state)
{
	static const struct {
		struct approval_rule rule;
		const char *field;
	} cases[] = {
		{ { .allow = true }, "tool" },
		{ { .tool = STR_LIT("*") }, "tool" },
		{ { .tool = STR_LIT("a*b") }, "tool" },
		{ { .command = STR_LIT("git status;") }, "command" },
		{ { .command = STR_LIT(" git") }, "command" },
		{ { .path = STR_LIT("/etc/**") }, "path" },
		{ { .path = STR_LIT("../x") }, "path" },
		{ { .path = STR_LIT("a//b") }, "path" },
		{ { .host = STR_LIT("Example.org") }, "host" },
		{ { .host = STR_LIT("*") }, "host" },
		{ { .host = STR_LIT("a..b") }, "host" },
		{ { .tool = STR_LIT("a\nb") }, "tool" },
	};
	const char *field = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_non_null(approval_rule_flaw(&cases[i].rule, &field));
		assert_string_equal(field, cases[i].field);
	}
}

/* What "always" makes fits the question that it was made of. */
static void check_suggested(const char *data, const char *expected)
{
	struct arena *arena = arena_new();
	struct approval_question question;
	struct approval_rule rule, again;
	struct json_value *json, *written;
	struct buf text;
	struct jsonw w;
	struct err err;
	enum err_code code;

	json = json_parse(str_of(data), &err);
	approval_question_of(json, STR_LIT("/srv/tree/s1"), arena, &question);
	code = approval_rule_suggest(&question, true, arena, &rule, &err);
	if (expected == NULL) {
		assert_int_equal(code, ERR_INVALID);
	} else {
		assert_int_equal(code, ERR_OK);
		assert_true(approval_rule_fits(&rule, &question));
		rule.id = id_make(0, (const unsigned char *)"0123456789");
		buf_init(&text, TEXT_MAX);
		jsonw_init(&w, &text);
		approval_rule_write(&w, &rule);
		assert_non_null(strstr(buf_cstr(&text), expected));
		written = json_parse(buf_str(&text), &err);
		assert_true(approval_rule_read(written, &again));
		assert_true(approval_rule_fits(&again, &question));
		json_value_free(written);
		buf_fini(&text);
	}
	json_value_free(json);
	arena_free(arena);
}

static void always_means_the_narrowest_rule_that_fits(void **state)
{
	(void)state;
	check_suggested("{\"tool_name\":\"Bash\",\"input\":{\"command\":\"git status -s\"}}",
	                "\"tool\":\"Bash\",\"command\":\"git status -s\"}");
	check_suggested("{\"tool_name\":\"sh\",\"input\":{\"command\":[\"bash\",\"-lc\",\"ls\"]}}",
	                "\"tool\":\"sh\",\"command\":\"ls\"}");
	check_suggested("{\"tool_name\":\"Edit\",\"input\":{\"file_path\":\"/srv/tree/s1/a.c\"}}",
	                "\"tool\":\"Edit\",\"path\":\"a.c\"}");
	check_suggested("{\"tool_name\":\"Fetch\",\"input\":{\"url\":\"https://x.org/a\"}}",
	                "\"tool\":\"Fetch\",\"host\":\"x.org\"}");
	check_suggested("{\"tool_name\":\"Plan\",\"input\":{\"text\":\"x\"}}",
	                "\"tool\":\"Plan\"}");
	check_suggested("{\"tool_name\":\"Bash\",\"input\":{\"command\":\"a; b\"}}", NULL);
	check_suggested("{\"tool_name\":\"Edit\",\"input\":{\"file_path\":\"/etc/x\"}}", NULL);
	check_suggested("{\"tool_name\":\"Edit\",\"input\":{\"file_path\":\"a*.c\"}}", NULL);
	check_suggested("{\"title\":\"May I?\"}", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_allowed_by_words_and_never_by_bytes),
		cmocka_unit_test(what_a_shell_reads_something_into_is_never_allowed),
		cmocka_unit_test(the_command_of_a_shell_is_looked_at),
		cmocka_unit_test(a_command_is_denied_wherever_a_shell_would_run_it),
		cmocka_unit_test(patterns_of_paths_know_names_and_depth),
		cmocka_unit_test(a_path_is_below_the_workspace_or_fits_nothing),
		cmocka_unit_test(a_denied_path_is_enough),
		cmocka_unit_test(hosts_are_whole_names),
		cmocka_unit_test(what_is_allowed_in_part_is_not_allowed),
		cmocka_unit_test(a_rule_that_denies_comes_before_those_that_allow),
		cmocka_unit_test(a_rule_is_for_a_project_and_a_user),
		cmocka_unit_test(flaws_name_their_member),
		cmocka_unit_test(always_means_the_narrowest_rule_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
