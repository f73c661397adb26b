/* Children that are kept: restarted when they die, stopped in order, gone with their supervisor. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/home.h"
#include "cli/service.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"

enum { WAIT_MS = 8000, LOOK_MS = 5 };

static char log_path[] = "/tmp/fairlead-service.XXXXXX";

static void describe(struct service *service, const char *script)
{
	*service = (struct service){
		.name = "child", .log_path = log_path, .stop_signal = SIGTERM, .stop_ms = WAIT_MS
	};
	fiber_signal_init(&service->ended);
	service_arg(service, "/bin/sh");
	service_arg(service, "-c");
	service_arg(service, script);
}

static bool log_has(const char *words)
{
	char text[1024];
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, words) != NULL;
}

static bool await_log(const char *words)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (!log_has(words) && clock_mono_ms() < until) {
		(void)fiber_sleep(LOOK_MS);
	}
	return log_has(words);
}

/* What a test saw; judged outside the fiber. */
struct seen {
	bool reached, ended;
	unsigned restarts;
	uint64_t took_ms;
	enum err_code code;
	char why[ERR_MSG_MAX];
};

static void end(struct service *service, struct fiber_group *keepers, struct seen *seen)
{
	service_stop(service);
	seen->ended = service->pid == 0;
	fiber_group_cancel(keepers, ERR_CANCELLED);
	seen->ended = fiber_group_wait(keepers, WAIT_MS) == ERR_OK && seen->ended;
	(void)snprintf(seen->why, sizeof(seen->why), "%s", service->why);
}

static void restart_body(struct loop *loop, void *arg)
{
	struct fiber_group keepers = { .count = 0 };
	uint64_t begun = clock_mono_ms();
	struct seen *seen = arg;
	struct service service;

	describe(&service, "exit 3");
	(void)fiber_start(loop, &keepers, "keep", service_keep, &service);
	while (service.restarts < 3 && clock_mono_ms() - begun < WAIT_MS) {
		(void)fiber_sleep(LOOK_MS);
	}
	seen->took_ms = clock_mono_ms() - begun;
	seen->restarts = service.restarts;
	end(&service, &keepers, seen);
}

static void a_child_that_dies_is_started_again_each_time_a_little_later(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(restart_body, &seen);
	assert_int_equal(seen.restarts, 3);
	/* 100 ms before the second start, 200 ms before the third. */
	assert_true(seen.took_ms >= 300);
	assert_string_equal(seen.why, "exited with 3");
	assert_true(seen.ended);
}

static void unstartable_body(struct loop *loop, void *arg)
{
	struct fiber_group keepers = { .count = 0 };
	uint64_t begun = clock_mono_ms();
	struct seen *seen = arg;
	struct service service;

	describe(&service, "exit 0");
	service.log_path = "/nonexistent/log";
	service.started_us = 1; /* as if it had lived long before */
	(void)fiber_start(loop, &keepers, "keep", service_keep, &service);
	while (service.restarts < 3 && clock_mono_ms() - begun < WAIT_MS) {
		(void)fiber_sleep(LOOK_MS);
	}
	seen->took_ms = clock_mono_ms() - begun;
	end(&service, &keepers, seen);
}

static void one_that_cannot_start_is_tried_later_each_time_and_says_why(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(unstartable_body, &seen);
	assert_true(seen.took_ms >= 300 && seen.took_ms < WAIT_MS);
	assert_non_null(strstr(seen.why, "/nonexistent/log"));
	assert_true(seen.ended);
}

/* What a clone in /root is to the user that runs what was built in it. */
static void closed_body(struct loop *loop, void *arg)
{
	static const struct home_user nobody = { .uid = 65534, .gid = 65534, .name = "nobody" };
	char folder[] = "/tmp/fairlead-closed.XXXXXX", copy[64], command[128];
	struct fiber_group keepers = { .count = 0 };
	struct seen *seen = arg;
	struct service service;

	assert_non_null(mkdtemp(folder)); /* of mode 0700 */
	(void)snprintf(copy, sizeof(copy), "%s/sh", folder);
	(void)snprintf(command, sizeof(command), "cp /bin/sh %s", copy);
	assert_int_equal(system(command), 0); // NOLINT(concurrency-mt-unsafe,cert-env33-c)
	describe(&service, "echo runs; cat");
	service.argv[0] = copy;
	service.user = &nobody;
	(void)fiber_start(loop, &keepers, "keep", service_keep, &service);
	seen->reached = await_log("runs\n");
	end(&service, &keepers, seen);
	(void)unlink(copy);
	(void)rmdir(folder);
}

static void a_program_in_a_folder_that_is_closed_to_its_user_runs(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	if (geteuid() != 0) {
		skip(); /* whoever is not root becomes nobody else */
	}
	run_fiber(closed_body, &seen);
	assert_true(seen.reached && seen.ended);
}

/* What PATH has may not be run; what lies about where somebody calls us is not what was meant. */
static void astray_body(struct loop *loop, void *arg)
{
	char folder[] = "/tmp/fairlead-astray.XXXXXX", command[512];
	struct seen *seen = arg;
	struct service service;
	struct err err;

	(void)loop;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(command, sizeof(command),
	               "cd %s && mkdir path && : >path/astray && cp /bin/echo astray", folder);
	assert_int_equal(system(command), 0); // NOLINT(concurrency-mt-unsafe,cert-env33-c)
	assert_int_equal(chdir(folder), 0);
	describe(&service, "");
	service.argv[0] = "astray";
	service.argv[1] = "gone astray";
	(void)snprintf(command, sizeof(command), "PATH=%s/path", folder);
	service_env(&service, command);
	seen->code = service_run(&service, WAIT_MS, &err);
	seen->reached = log_has("gone astray");
	assert_int_equal(chdir("/"), 0);
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0); // NOLINT(concurrency-mt-unsafe,cert-env33-c)
}

static void no_program_of_the_folder_we_are_in_is_run_for_one_of_path(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(astray_body, &seen);
	assert_false(seen.reached);
	assert_int_equal(seen.code, ERR_BACKEND);
}

static void stop_body(struct loop *loop, void *arg)
{
	struct fiber_group keepers = { .count = 0 };
	struct seen *seen = arg;
	struct service service;

	describe(&service, "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.01; done");
	(void)fiber_start(loop, &keepers, "keep", service_keep, &service);
	seen->reached = await_log("up\n");
	end(&service, &keepers, seen);
	seen->restarts = service.restarts;
}

static void a_child_is_asked_to_stop_and_not_started_again(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(stop_body, &seen);
	assert_true(seen.reached && seen.ended);
	assert_true(log_has("asked"));
	assert_string_equal(seen.why, "exited with 0");
	assert_int_equal(seen.restarts, 0);
}

static void kill_body(struct loop *loop, void *arg)
{
	struct fiber_group keepers = { .count = 0 };
	struct seen *seen = arg;
	struct service service;

	describe(&service, "trap '' TERM; echo deaf; while :; do sleep 0.01; done");
	service.stop_ms = 50;
	(void)fiber_start(loop, &keepers, "keep", service_keep, &service);
	seen->reached = await_log("deaf\n");
	end(&service, &keepers, seen);
}

static void one_that_does_not_listen_is_killed_after_its_grace(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(kill_body, &seen);
	assert_true(seen.reached && seen.ended);
	assert_string_equal(seen.why, "killed by signal 9");
}

/* The first writes down who it is, and ends when its successor says so. */
static void replace_body(struct loop *loop, void *arg)
{
	struct fiber_group keepers = { .count = 0 };
	struct seen *seen = arg;
	struct service service;
	char script[512];
	struct err err;
	pid_t first;

	(void)snprintf(script, sizeof(script),
	               "case $0 in --takeover) kill -USR1 $(cat %s.pid); echo took;; "
	               "--refuse) exit 1;; "
	               "*) echo $$ >%s.pid; trap 'rm %s.pid; exit 0' USR1; echo up;; esac; "
	               "while :; do sleep 0.01; done",
	               log_path, log_path, log_path);
	describe(&service, script);
	(void)fiber_start(loop, &keepers, "keep", service_keep, &service);
	seen->reached = await_log("up\n");
	first = service.pid;
	seen->reached = seen->reached &&
	                service_replace(&service, "--refuse", WAIT_MS, &err) == ERR_BACKEND &&
	                service.pid == first && service.successor == 0;
	seen->code = service_replace(&service, "--takeover", WAIT_MS, &err);
	seen->reached = seen->reached && service.pid != first && await_log("took");
	seen->restarts = service.restarts;
	end(&service, &keepers, seen);
}

static void a_successor_becomes_the_child_when_the_first_has_ended(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(replace_body, &seen);
	assert_int_equal(seen.code, ERR_OK);
	assert_true(seen.reached && seen.ended);
	assert_int_equal(seen.restarts, 0);
}

static void lazy_body(struct loop *loop, void *arg)
{
	struct fiber_group keepers = { .count = 0 };
	struct seen *seen = arg;
	struct service service;
	struct err err;
	pid_t first;

	describe(&service, "echo up; while :; do sleep 0.01; done");
	(void)fiber_start(loop, &keepers, "keep", service_keep, &service);
	seen->reached = await_log("up\n");
	first = service.pid;
	seen->code = service_replace(&service, "--takeover", 50, &err);
	seen->reached = seen->reached && service.pid == first && service.successor == 0;
	end(&service, &keepers, seen);
}

static void a_successor_that_does_not_take_over_goes(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(lazy_body, &seen);
	assert_true(seen.reached && seen.ended);
	assert_int_equal(seen.code, ERR_TIMEOUT);
}

static void run_body(struct loop *loop, void *arg)
{
	struct seen *seen = arg;
	struct service service;
	struct err err = { .code = ERR_OK };

	(void)loop;
	describe(&service, "echo first; echo it hurts >&2; exit 4");
	seen->code = service_run(&service, WAIT_MS, &err);
	(void)snprintf(seen->why, sizeof(seen->why), "%s", err.msg);
	describe(&service, "while :; do sleep 0.01; done");
	seen->reached = service_run(&service, 50, &err) == ERR_TIMEOUT;
	seen->ended = service.pid == 0;
}

static void a_single_run_tells_its_last_line_and_has_an_end(void **state)
{
	struct seen seen = { .reached = false };

	(void)state;
	run_fiber(run_body, &seen);
	assert_int_equal(seen.code, ERR_BACKEND);
	assert_string_equal(seen.why, "child exited with 4: it hurts");
	assert_true(seen.reached && seen.ended);
}

static void orphan_body(struct loop *loop, void *arg)
{
	struct service service;

	(void)arg;
	describe(&service,
	         "trap 'echo alone; exit 0' TERM; echo begun; while :; do sleep 0.01; done");
	(void)fiber_start(loop, NULL, "keep", service_keep, &service);
	(void)await_log("begun\n");
	_exit(0); /* the supervisor is gone without a word to anybody */
}

static void look_body(struct loop *loop, void *arg)
{
	(void)loop;
	*(bool *)arg = await_log("alone\n");
}

static void a_child_is_told_when_its_supervisor_dies(void **state)
{
	pid_t supervisor = fork();
	bool told = false;

	(void)state;
	if (supervisor == 0) {
		run_fiber(orphan_body, NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
	run_fiber(look_body, &told);
	assert_true(told);
}

static int setup(void **state)
{
	(void)state;
	return truncate(log_path, 0);
}

static int make_log(void **state)
{
	int fd = mkstemp(log_path);

	(void)state;
	return fd >= 0 ? close(fd) : -1;
}

static int remove_log(void **state)
{
	(void)state;
	return unlink(log_path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(a_child_that_dies_is_started_again_each_time_a_little_later),
		TEST(one_that_cannot_start_is_tried_later_each_time_and_says_why),
		TEST(a_program_in_a_folder_that_is_closed_to_its_user_runs),
		TEST(no_program_of_the_folder_we_are_in_is_run_for_one_of_path),
		TEST(a_child_is_asked_to_stop_and_not_started_again),
		TEST(one_that_does_not_listen_is_killed_after_its_grace),
		TEST(a_successor_becomes_the_child_when_the_first_has_ended),
		TEST(a_successor_that_does_not_take_over_goes),
		TEST(a_single_run_tells_its_last_line_and_has_an_end),
		TEST(a_child_is_told_when_its_supervisor_dies),
	};

	return cmocka_run_group_tests(tests, make_log, remove_log);
}
