/* Files and terminals that an agent asks for, as root with an unprivileged agents' user, or all as
 * one user. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/agent_calls.h"

enum { PATH_SIZE = 512, TEXT_SIZE = 4096 };

static char dir[] = "/tmp/fairlead-calls-XXXXXX";
static char workspace[PATH_SIZE];
static struct process_user user;
static struct agent_calls *calls;
static char failure[TEXT_SIZE]; /* the first that was not as it should be: no longjmp out of a fiber
                                 */

/* Text with %s for the workspace. */
static char *filled(const char *format)
{
	struct buf text;

	buf_init(&text, TEXT_SIZE);
	while (*format != '\0') {
		if (format[0] == '%' && format[1] == 's') {
			buf_add_cstr(&text, workspace);
			format += 2;
		} else {
			buf_add_char(&text, *format++);
		}
	}
	return buf_take(&text);
}

/* wanted: the result, or "!" and a part of the error. */
static void call(const char *method, const char *params, const char *wanted)
{
	char *given = filled(params), *expected = filled(wanted);
	struct buf got;
	struct err err = { .msg = "" };
	enum err_code code;
	bool ok;

	buf_init(&got, AGENT_CALLS_RESULT_MAX);
	code = agent_calls_do(calls, str_of(method), str_of(given), &got, &err);
	if (expected[0] == '!') {
		ok = code != ERR_OK && strstr(err.msg, expected + 1) != NULL;
	} else {
		ok = code == ERR_OK && strcmp(buf_cstr(&got), expected) == 0;
	}
	if (!ok && failure[0] == '\0') {
		(void)snprintf(failure, sizeof(failure), "%s %s\n  wanted: %s\n  got:    %s",
		               method, given, expected, code == ERR_OK ? buf_cstr(&got) : err.msg);
	}
	buf_fini(&got);
	free(given);
	free(expected);
}

static void put_file(const char *name, const char *text, size_t n, bool as_agent)
{
	char path[2 * PATH_SIZE];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	assert_true(!as_agent || !user.drop || fchown(fd, user.uid, user.gid) == 0);
	assert_int_equal(close(fd), 0);
}

struct scenario {
	void (*fn)(void);
};

static void in_fiber(struct loop *loop, void *arg)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "OURS=1", "KEPT=2", NULL };
	const struct scenario *scenario = arg;
	const struct runner_options run = { .guard_path = GUARD_PATH,
		                            .env = env,
		                            .cwd = workspace,
		                            .user = user,
		                            .grace_ms = 100 };

	calls = agent_calls_new(loop, &run);
	scenario->fn();
	agent_calls_free(calls);
}

static void run_scenario(void (*fn)(void))
{
	failure[0] = '\0';
	run_fiber(in_fiber, &(struct scenario){ fn });
	if (failure[0] != '\0') {
		fail_msg("%s", failure);
	}
}

/* ---- files ---- */

static void files(void)
{
	call("fs/write_text_file",
	     "{\"path\":\"%s/a/b/c.txt\",\"content\":\"one\\ntwo\\nthree\\n\"}", "{}");
	call("fs/read_text_file", "{\"path\":\"%s/a/b/c.txt\"}",
	     "{\"content\":\"one\\ntwo\\nthree\\n\"}");
	call("fs/read_text_file", "{\"path\":\"%s/a/b/c.txt\",\"line\":2,\"limit\":1}",
	     "{\"content\":\"two\\n\"}");
	call("fs/read_text_file", "{\"path\":\"a/b/c.txt\",\"line\":3,\"limit\":null}",
	     "{\"content\":\"three\\n\"}");
	call("fs/read_text_file", "{\"path\":\"%s/a/b/c.txt\",\"line\":9}", "{\"content\":\"\"}");
	call("fs/write_text_file", "{\"path\":\"%s/a/b/c.txt\",\"content\":\"x\"}", "{}");
	call("fs/read_text_file", "{\"path\":\"%s/a/b/c.txt\"}", "{\"content\":\"x\"}");
	call("fs/read_text_file", "{\"path\":\"%s/none\"}", "!No such file");
	call("fs/read_text_file", "{\"path\":\"%s/a\"}", "!regular file");
	call("fs/write_text_file", "{\"path\":\"%s/a\",\"content\":\"x\"}", "!Is a directory");
	call("fs/write_text_file", "{\"path\":\"%s/n\"}", "!content must be a string");
	call("fs/read_text_file", "{\"path\":\"%s/bytes\"}", "!not text");
	call("fs/read_text_file", "{\"path\":\"%s/pipe\"}", "!regular file");
	call("fs/unknown", "{}", "!not known");
	call("fs/read_text_file", "[", "!JSON");
}

static void agents_read_and_write_text_in_the_workspace(void **state)
{
	char path[2 * PATH_SIZE];
	struct stat about;

	(void)state;
	put_file("w/bytes", "a\0b", 3, true);
	(void)snprintf(path, sizeof(path), "%s/pipe", workspace);
	assert_int_equal(mkfifo(path, 0666), 0);
	run_scenario(files);
	(void)snprintf(path, sizeof(path), "%s/a/b", workspace);
	assert_int_equal(stat(path, &about), 0);
	assert_true(!user.drop || about.st_uid == user.uid);
}

static void outside(void)
{
	call("fs/read_text_file", "{\"path\":\"/etc/passwd\"}", "!in the workspace");
	call("fs/read_text_file", "{\"path\":\"%s/../secret\"}", "!out of the workspace");
	call("fs/read_text_file", "{\"path\":\"%s-too/x\"}", "!in the workspace");
	call("fs/read_text_file", "{\"path\":\"%s/link\"}", "!out of the workspace");
	call("fs/write_text_file", "{\"path\":\"%s/up/secret\",\"content\":\"x\"}",
	     "!out of the workspace");
	call("fs/write_text_file", "{\"path\":\"%s/../new/dir\",\"content\":\"x\"}",
	     "!out of the workspace");
	call("fs/read_text_file", "{\"path\":\"/proc/self/cwd/secret\"}", "!in the workspace");
	call("fs/read_text_file", "{\"path\":\"\"}", "!path must be");
	call("terminal/create", "{\"command\":\"pwd\",\"cwd\":\"/tmp\"}", "!in the workspace");
	call("terminal/create", "{\"command\":\"pwd\",\"cwd\":\"%s/up\"}", "!out of the workspace");
	if (user.drop) {
		call("fs/read_text_file", "{\"path\":\"%s/roots\"}", "!Permission denied");
		call("fs/write_text_file", "{\"path\":\"%s/roots\",\"content\":\"x\"}",
		     "!Permission denied");
	}
}

static void nothing_outside_of_the_workspace_is_reached(void **state)
{
	char path[2 * PATH_SIZE];

	(void)state;
	put_file("secret", "s", 1, true);
	put_file("w/roots", "s", 1, false);
	(void)snprintf(path, sizeof(path), "%s/link", workspace);
	assert_int_equal(symlink("../secret", path), 0);
	(void)snprintf(path, sizeof(path), "%s/up", workspace);
	assert_int_equal(symlink("..", path), 0);
	run_scenario(outside);
}

/* ---- terminals ---- */

static void terminals(void)
{
	call("terminal/create",
	     "{\"command\":\"sh\",\"args\":[\"-c\",\"echo $A $OURS $KEPT; pwd; exit 3\"],"
	     "\"env\":[{\"name\":\"A\",\"value\":\"b "
	     "c\"},{\"name\":\"OURS\",\"value\":\"theirs\"}]}",
	     "{\"terminalId\":\"term-1\"}");
	call("terminal/wait_for_exit", "{\"terminalId\":\"term-1\"}",
	     "{\"exitCode\":3,\"signal\":null}");
	call("terminal/output", "{\"terminalId\":\"term-1\"}",
	     "{\"output\":\"b c theirs "
	     "2\\n%s\\n\",\"truncated\":false,\"exitStatus\":{\"exitCode\":3,"
	     "\"signal\":null}}");
	call("terminal/kill", "{\"terminalId\":\"term-1\"}", "{}");
	call("terminal/release", "{\"terminalId\":\"term-1\"}", "{}");
	call("terminal/output", "{\"terminalId\":\"term-1\"}", "!not known");
	call("terminal/create",
	     "{\"command\":\"printf '\\u00e4\\u00e4\\u00e4' && exit 0\",\"outputByteLimit\":3}",
	     "{\"terminalId\":\"term-2\"}");
	call("terminal/wait_for_exit", "{\"terminalId\":\"term-2\"}",
	     "{\"exitCode\":0,\"signal\":null}");
	call("terminal/output", "{\"terminalId\":\"term-2\"}",
	     "{\"output\":\"\xc3\xa4\",\"truncated\":true,\"exitStatus\":{\"exitCode\":0,"
	     "\"signal\":"
	     "null}}");
	call("terminal/create", "{\"command\":\"sleep\",\"args\":[\"1000\"]}",
	     "{\"terminalId\":\"term-3\"}");
	call("terminal/output", "{\"terminalId\":\"term-3\"}",
	     "{\"output\":\"\",\"truncated\":false}");
	call("terminal/kill", "{\"terminalId\":\"term-3\"}", "{}");
	call("terminal/wait_for_exit", "{\"terminalId\":\"term-3\"}",
	     "{\"exitCode\":null,\"signal\":\"SIGKILL\"}");
	call("terminal/create", "{\"command\":\"no-such-program\"}", "!no-such-program");
	call("terminal/create", "{\"command\":\"\"}", "!must not be empty");
	call("terminal/create", "{\"command\":\"x\",\"args\":[1]}", "!strings");
	call("terminal/create", "{\"command\":\"x\",\"env\":[{\"name\":\"a=b\",\"value\":\"\"}]}",
	     "!must be a name");
	/* What is left is ended with the calls. */
	call("terminal/create", "{\"command\":\"sleep 1000; true\"}",
	     "{\"terminalId\":\"term-8\"}");
}

static void commands_run_on_terminals_until_they_are_released(void **state)
{
	(void)state;
	run_scenario(terminals);
}

static void wait_for_it(void *arg)
{
	(void)arg;
	call("terminal/wait_for_exit", "{\"terminalId\":\"term-1\"}", "!released");
}

static void frozen(void)
{
	struct fiber_group waiting = { .count = 0 };

	call("terminal/create", "{\"command\":\"sleep\",\"args\":[\"1000\"]}",
	     "{\"terminalId\":\"term-1\"}");
	if (agent_calls_freeze(calls, 5000) != ERR_OK || agent_calls_thaw(calls, 5000) != ERR_OK) {
		(void)snprintf(failure, sizeof(failure), "a terminal is not frozen and thawed");
	}
	(void)fiber_start(fiber_loop(), &waiting, "waiting", wait_for_it, NULL);
	(void)!fiber_yield();
	(void)!fiber_yield();
	call("terminal/release", "{\"terminalId\":\"term-1\"}", "{}");
	(void)!fiber_group_wait(&waiting, 5000);
	for (int i = 2; i < 2 + AGENT_CALLS_TERMINALS_MAX; i++) {
		char wanted[64];

		(void)snprintf(wanted, sizeof(wanted), "{\"terminalId\":\"term-%d\"}", i);
		call("terminal/create", "{\"command\":\"true\"}", wanted);
	}
	call("terminal/create", "{\"command\":\"true\"}", "!at most 16");
}

static void terminals_are_frozen_with_their_agent_and_are_not_many(void **state)
{
	(void)state;
	run_scenario(frozen);
}

/* ---- */

static int set_up(void **state)
{
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(process_user_find(geteuid() == 0 ? "nobody" : "", &user, &err), ERR_OK);
	(void)snprintf(workspace, sizeof(workspace), "%s/w", dir);
	assert_int_equal(mkdir(workspace, 0755), 0);
	assert_true(!user.drop || chown(workspace, user.uid, user.gid) == 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[2 * PATH_SIZE];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agents_read_and_write_text_in_the_workspace),
		cmocka_unit_test(nothing_outside_of_the_workspace_is_reached),
		cmocka_unit_test(commands_run_on_terminals_until_they_are_released),
		cmocka_unit_test(terminals_are_frozen_with_their_agent_and_are_not_many),
	};

	return cmocka_run_group_tests_name("agent_calls", tests, set_up, tear_down);
}
