#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "conf/conf.h"
#include "tests/support/test.h"

enum { ARGS_MAX = 32, TEXT_MAX = 64 * 1024 };

struct run {
	struct conf conf;
	struct buf problems;
	struct buf notes;
	enum conf_outcome outcome;
};

/* argv and envp from literals; both end with NULL. */
static void run(struct run *r, const char *const *args, const char *const *env,
                const char *const *required)
{
	static char name[] = "test";
	char *argv[ARGS_MAX] = { name };
	char *envp[ARGS_MAX] = { NULL };
	int argc = 1;

	for (; args != NULL && *args != NULL; args++) {
		argv[argc++] = strdup(*args);
	}
	for (int i = 0; env != NULL && env[i] != NULL; i++) {
		envp[i] = strdup(env[i]);
	}
	buf_init(&r->problems, TEXT_MAX);
	buf_init(&r->notes, TEXT_MAX);
	r->outcome =
		conf_load(&r->conf, &(struct conf_source){ "test", argc, argv, envp, required },
	                  &r->problems, &r->notes);
	while (argc > 1) {
		free(argv[--argc]);
	}
	for (int i = 0; envp[i] != NULL; i++) {
		free(envp[i]);
	}
}

static void done(struct run *r)
{
	conf_fini(&r->conf);
	buf_fini(&r->problems);
	buf_fini(&r->notes);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A file with this text; *path is "--config=/tmp/..." */
static void write_file(char path[64], const char *text, size_t n)
{
	int fd;

	(void)snprintf(path, 64, "--config=/tmp/fairlead-conf-XXXXXX");
	fd = mkstemp(path + strlen("--config="));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	(void)close(fd);
}

static void remove_file(const char *path)
{
	(void)unlink(path + strlen("--config="));
}

static void every_default_keeps_its_own_rule(void **state)
{
	struct run r;

	(void)state;
	run(&r, NULL, NULL, NULL);
	assert_int_equal(r.outcome, CONF_READY);
	assert_string_equal(buf_cstr(&r.problems), "");
	assert_int_equal(r.conf.redis_timeout, 2000);
	assert_int_equal(r.conf.session_unarchived_max, 16 << 20);
	assert_string_equal(r.conf.redis_url, "");
	assert_int_equal(r.conf.log_level, 2);
	done(&r);
}

static void each_type_reads_its_spellings(void **state)
{
	struct run r;

	(void)state;
	run(&r,
	    LIST("--redis.timeout=1500ms", "--http.body_timeout=2m", "--worker.orphan=24h",
	         "--stream.ring_bytes=128KiB", "--tenant.unarchived_max=16777216",
	         "--session.unarchived_max=1MiB", "--worker.slots=1024", "--log.format=json",
	         "--worker.name=w=1"),
	    LIST("FAIRLEAD_PEPPER=0123456789abcdef", "PATH=/bin"), NULL);
	assert_string_equal(buf_cstr(&r.problems), "");
	assert_int_equal(r.conf.redis_timeout, 1500);
	assert_int_equal(r.conf.http_body_timeout, 120000);
	assert_int_equal(r.conf.worker_orphan, 24 * 3600 * 1000);
	assert_int_equal(r.conf.stream_ring_bytes, 128 * 1024);
	assert_int_equal(r.conf.tenant_unarchived_max, 16777216);
	assert_int_equal(r.conf.worker_slots, 1024);
	assert_int_equal(r.conf.log_format, 1);
	assert_string_equal(r.conf.worker_name, "w=1");
	assert_string_equal(r.conf.pepper, "0123456789abcdef");
	done(&r);
}

static void wrong_values_are_refused_with_the_rule(void **state)
{
	static const struct {
		const char *flag;
		const char *problem;
	} rows[] = {
		{ "--redis.timeout=5",
		  "--redis.timeout: \"5\" must be a time such as 500ms, 5s, 2m or 1h\n" },
		{ "--redis.timeout=5 s", "must be a time" },
		{ "--redis.timeout=-5s", "must be a time" },
		{ "--redis.timeout=ms", "must be a time" },
		{ "--redis.timeout=99999999999999999999s", "must be a time" },
		{ "--redis.timeout=18446744073709551615h", "must be a time" },
		{ "--redis.timeout=9ms", "must be between 10ms and 1m\n" },
		{ "--redis.timeout=60001ms", "must be between 10ms and 1m\n" },
		{ "--worker.slots=0", "must be between 1 and 1024\n" },
		{ "--worker.slots=1025", "must be between 1 and 1024\n" },
		{ "--worker.slots=4294967296", "must be a whole number\n" },
		{ "--worker.slots=0x10", "must be a whole number\n" },
		{ "--worker.slots=", "must be a whole number\n" },
		{ "--stream.ring_bytes=1MB", "must be a size" },
		{ "--stream.ring_bytes=1mib", "must be a size" },
		{ "--log.level=loud", "must be one of: error warn info debug\n" },
		{ "--log.level=", "must be one of: error warn info debug\n" },
		{ "--log.level=error warn", "must be one of: error warn info debug\n" },
		{ "--api.listen=", "must be between 1 and 256 bytes long\n" },
		{ "--worker.name=a\nb", "must not hold control characters\n" },
		{ "--worker.name=\xff", "must be UTF-8\n" },
		{ "--worker.name", "--worker.name: needs a value, --worker.name=...\n" },
		{ "--worker_name=x", "--worker_name: unknown flag\n" },
		{ "--pepper=0123456789abcdef", "--pepper: a secret cannot be a flag" },
		{ "extra", "extra: unexpected argument\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r;

		run(&r, LIST(rows[i].flag), NULL, NULL);
		assert_int_equal(r.outcome, CONF_BAD);
		if (strstr(buf_cstr(&r.problems), rows[i].problem) == NULL) {
			fail_msg("%s: %s", rows[i].flag, buf_cstr(&r.problems));
		}
		assert_null(strstr(buf_cstr(&r.problems), "0123456789abcdef"));
		done(&r);
	}
}

static void a_flag_beats_the_environment_beats_the_file_beats_the_default(void **state)
{
	static const char text[] =
		"# comment\n\n worker.slots = 10 \nhttp.pipeline=10\npg.pool\t=\t10\n";
	char path[64];
	struct run r;

	(void)state;
	write_file(path, text, strlen(text));
	run(&r, LIST(path, "--pg.pool=30"),
	    LIST("FAIRLEAD_HTTP_PIPELINE=20", "FAIRLEAD_PG_POOL=20"), NULL);
	remove_file(path);
	assert_string_equal(buf_cstr(&r.problems), "");
	assert_int_equal(r.conf.worker_slots, 10);
	assert_int_equal(r.conf.http_pipeline, 20);
	assert_int_equal(r.conf.pg_pool, 30);
	assert_int_equal(r.conf.pg_acquire_timeout, 5000);
	done(&r);
}

static void all_problems_of_all_sources_are_told_at_once_with_their_place(void **state)
{
	static const char text[] = "redis.timeout = soon\nwhat.is = this\nno equals sign\n"
				   "pg.pool = 1\npg.pool = 2\npepper = short\n";
	char path[64];
	char expected[2048];
	struct run r;

	(void)state;
	write_file(path, text, strlen(text));
	run(&r, LIST(path, "--nope=1", "--worker.slots=0"),
	    LIST("FAIRLEAD_HTTP_PIPELINE=many", "FAIRLEAD_LEASE_RENEW=1s",
	         "FAIRLEAD_SESSION_UNARCHIVED_MAX=1GiB"),
	    LIST("redis.url", "pg.url", "pepper"));
	remove_file(path);
	assert_int_equal(r.outcome, CONF_BAD);
	(void)snprintf(expected, sizeof(expected),
	               "%1$s:1: \"soon\" must be a time such as 500ms, 5s, 2m or 1h\n"
	               "%1$s:2: unknown setting \"what.is\"\n"
	               "%1$s:3: must be \"name = value\"\n"
	               "%1$s:5: pg.pool is set twice\n"
	               "%1$s:6: must be between 16 and 512 bytes long\n"
	               "FAIRLEAD_HTTP_PIPELINE: \"many\" must be a whole number\n"
	               "FAIRLEAD_LEASE_RENEW: \"1s\" must be between 50ms and 600ms\n"
	               "--nope: unknown flag\n"
	               "--worker.slots: \"0\" must be between 1 and 1024\n"
	               "redis.url: is required; set FAIRLEAD_REDIS_URL\n"
	               "pg.url: is required; set FAIRLEAD_PG_URL\n"
	               "session.unarchived_max: must not be above tenant.unarchived_max\n",
	               path + strlen("--config="));
	assert_string_equal(buf_cstr(&r.problems), expected);
	done(&r);
}

static void a_missing_or_binary_file_is_a_problem(void **state)
{
	char path[64];
	struct run r;

	(void)state;
	run(&r, LIST("--config=/nonexistent/fairlead.conf"), NULL, NULL);
	assert_string_equal(buf_cstr(&r.problems),
	                    "/nonexistent/fairlead.conf: No such file or directory\n");
	done(&r);
	write_file(path, "pg.pool = 3\0\n", 13);
	run(&r, NULL, LIST("FAIRLEAD_CONFIG=/", "x=y"), NULL);
	assert_int_equal(r.outcome, CONF_BAD); /* a directory */
	done(&r);
	run(&r, LIST(path), NULL, NULL);
	assert_non_null(strstr(buf_cstr(&r.problems), "is not a text file\n"));
	remove_file(path);
	done(&r);
}

static void a_secret_may_stand_in_a_file_of_its_own(void **state)
{
	static const char *const names[] = { "FAIRLEAD_PEPPER_FILE=", "--pepper_file=" };
	char path[64];
	char arg[128];
	struct run r;

	(void)state;
	write_file(path, "fedcba9876543210\r\n", 18);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(arg, sizeof(arg), "%s%s", names[i], path + strlen("--config="));
		run(&r, i == 1 ? LIST(arg) : NULL, i == 0 ? LIST(arg) : NULL, LIST("pepper"));
		assert_string_equal(buf_cstr(&r.problems), "");
		assert_string_equal(r.conf.pepper, "fedcba9876543210");
		done(&r);
	}
	run(&r, NULL, LIST("FAIRLEAD_PEPPER=0123456789abcdef", "FAIRLEAD_PEPPER_FILE=/nowhere"),
	    NULL);
	assert_string_equal(
		buf_cstr(&r.problems),
		"FAIRLEAD_PEPPER: must not be set together with FAIRLEAD_PEPPER_FILE\n");
	done(&r);
	run(&r, NULL, LIST("FAIRLEAD_PEPPER_FILE=/nowhere"), LIST("pepper"));
	assert_string_equal(buf_cstr(&r.problems),
	                    "FAIRLEAD_PEPPER_FILE: /nowhere: No such file or directory\n");
	done(&r);
	remove_file(path);
}

static void unknown_variables_are_noted_not_refused(void **state)
{
	struct run r;

	(void)state;
	run(&r, NULL, LIST("FAIRLEAD_API_SERVICE_HOST=10.0.0.1", "FAIRLEAD_KEY=k", "OTHER=1"),
	    NULL);
	assert_int_equal(r.outcome, CONF_READY);
	assert_string_equal(buf_cstr(&r.notes),
	                    "FAIRLEAD_API_SERVICE_HOST: unknown setting, ignored\n");
	done(&r);
}

static void help_and_version_win_over_problems(void **state)
{
	struct buf help;
	struct run r;

	(void)state;
	run(&r, LIST("--nope", "--help"), NULL, LIST("redis.url"));
	assert_int_equal(r.outcome, CONF_HELP);
	done(&r);
	run(&r, LIST("--version"), NULL, NULL);
	assert_int_equal(r.outcome, CONF_VERSION);
	done(&r);
	buf_init(&help, TEXT_MAX);
	conf_help(&help, "fairlead-api");
	assert_non_null(strstr(buf_cstr(&help), "usage: fairlead-api"));
	assert_non_null(
		strstr(buf_cstr(&help), "time, 10ms to 1m; default 2s; FAIRLEAD_REDIS_TIMEOUT\n"));
	assert_non_null(strstr(buf_cstr(&help), "  --pepper_file=...\n"));
	buf_fini(&help);
}

static void a_reload_takes_what_may_change_and_names_the_rest(void **state)
{
	static char name[] = "test";
	static char debug[] = "--log.level=debug";
	static char slots[] = "--worker.slots=9";
	static char bad[] = "--log.level=loud";
	char *argv[] = { name, debug, slots, NULL };
	char *envp[] = { NULL };
	struct conf_source source = { "test", 3, argv, envp, NULL };
	struct run r;

	(void)state;
	run(&r, NULL, NULL, NULL);
	assert_int_equal(conf_reload(&r.conf, &source, &r.problems, &r.notes), ERR_OK);
	assert_int_equal(r.conf.log_level, 3);
	assert_int_equal(r.conf.worker_slots, 4);
	assert_string_equal(buf_cstr(&r.notes),
	                    "worker.slots: changed, takes effect at the next start\n");
	argv[1] = bad;
	assert_int_equal(conf_reload(&r.conf, &source, &r.problems, &r.notes), ERR_INVALID);
	assert_int_equal(r.conf.log_level, 3);
	done(&r);
}

/* What a process prints to standard error, and how it exits. */
static int run_process(char *const *argv, int argc, char *const *envp, char *out, size_t size)
{
	size_t n = 0;
	ssize_t got;
	int fds[2];
	int status;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct conf conf;

		(void)dup2(fds[1], STDERR_FILENO);
		(void)dup2(fds[1], STDOUT_FILENO);
		conf_load_or_exit(&conf, &(struct conf_source){ "test", argc, argv, envp, NULL });
		_exit(99); /* it did not exit */
	}
	(void)close(fds[1]);
	while (n + 1 < size && (got = read(fds[0], out + n, size - 1 - n)) > 0) {
		n += (size_t)got;
	}
	out[n] = '\0';
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_program_with_problems_prints_them_all_and_exits_with_2(void **state)
{
	static char name[] = "test";
	static char nope[] = "--nope=1";
	static char slots[] = "--worker.slots=0";
	static char help[] = "--help";
	static char odd[] = "FAIRLEAD_ODD=1";
	char *argv[] = { name, nope, slots, NULL };
	char *asks[] = { name, help, NULL };
	char *envp[] = { odd, NULL };
	static char out[TEXT_MAX];

	(void)state;
	assert_int_equal(run_process(argv, 3, envp, out, sizeof(out)), 2);
	assert_string_equal(out, "test: FAIRLEAD_ODD: unknown setting, ignored\n"
	                         "test: --nope: unknown flag\n"
	                         "test: --worker.slots: \"0\" must be between 1 and 1024\n");
	assert_int_equal(run_process(asks, 2, envp, out, sizeof(out)), 0);
	assert_true(str_starts(str_of(out), STR_LIT("usage: test [--config=FILE]")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_keeps_its_own_rule),
		cmocka_unit_test(each_type_reads_its_spellings),
		cmocka_unit_test(wrong_values_are_refused_with_the_rule),
		cmocka_unit_test(a_flag_beats_the_environment_beats_the_file_beats_the_default),
		cmocka_unit_test(all_problems_of_all_sources_are_told_at_once_with_their_place),
		cmocka_unit_test(a_missing_or_binary_file_is_a_problem),
		cmocka_unit_test(a_secret_may_stand_in_a_file_of_its_own),
		cmocka_unit_test(unknown_variables_are_noted_not_refused),
		cmocka_unit_test(help_and_version_win_over_problems),
		cmocka_unit_test(a_program_with_problems_prints_them_all_and_exits_with_2),
		cmocka_unit_test(a_reload_takes_what_may_change_and_names_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
