/* fairlead-guard and worker/runner against commands that do not want to end, and workers that do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "guard/tree.h"
#include "tests/support/own_cgroup.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/cgroup.h"
#include "worker/lines.h"
#include "worker/runner.h"

enum { LONG_MS = 20000, OUT_MAX = 1 << 20, PATH_SIZE = 256 };

static char dir[] = "/tmp/fairlead-guard-XXXXXX";
static struct process_user user;
static const char *const environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", "SECRET=s3cret",
	                                   NULL };

/* ---- looking at processes ---- */

static bool stat_of(pid_t pid, struct tree_process *ret)
{
	char path[64], line[1024];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	n = read(fd, line, sizeof(line));
	(void)close(fd);
	return n > 0 && tree_parse_stat(line, (size_t)n, ret);
}

/* '\0': it does not run any more. */
static char state_of(pid_t pid)
{
	struct tree_process process;

	if (!stat_of(pid, &process) || process.state == 'Z') {
		return '\0';
	}
	return process.state;
}

static void nap(void)
{
	const struct timespec ts = { .tv_nsec = 5000000 };

	(void)nanosleep(&ts, NULL);
}

static bool await_state(pid_t pid, char state)
{
	uint64_t until = clock_mono_ms() + LONG_MS;

	while (state_of(pid) != state) {
		if (clock_mono_ms() > until) {
			return false;
		}
		nap();
	}
	return true;
}

/* The number a command wrote into a file of the test directory. */
static pid_t await_pid(const char *name)
{
	uint64_t until = clock_mono_ms() + LONG_MS;
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	while (clock_mono_ms() < until) {
		FILE *file = fopen(path, "re");
		char line[32] = "";
		bool whole = file != NULL && fgets(line, sizeof(line), file) != NULL &&
		             strchr(line, '\n') != NULL;
		uint64_t pid;

		if (file != NULL) {
			(void)fclose(file);
		}
		if (whole && parse_u64(str_make(line, strcspn(line, "\n")), INT32_MAX, &pid)) {
			return (pid_t)pid;
		}
		nap();
	}
	return -1;
}

static void forget(const char *name)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
}

static off_t size_of(const char *name)
{
	char path[PATH_SIZE];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0 ? st.st_size : 0;
}

/* This test is a subreaper: whoever a guard left behind would be its child. */
static void assert_nobody_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void await_nobody(void)
{
	uint64_t until = clock_mono_ms() + LONG_MS;

	while (waitpid(-1, NULL, WNOHANG) >= 0 && clock_mono_ms() < until) {
		nap();
	}
	assert_nobody_is_left();
}

/* ---- running ---- */

struct job {
	const char *argv[8];
	struct runner_options options;
	const char *input;
	bool close_stdin;
	struct buf out;
	bool discard;
	size_t total;
	enum err_code code;
	struct err err;
	struct runner_exit exit;
	void (*then)(struct job *job, struct runner *runner); /* instead of reading at once */
	bool seen[8];
};

static struct job shell(const char *script)
{
	struct job job = { .argv = { "sh", "-c", script, NULL } };

	job.options = (struct runner_options){
		.guard_path = GUARD_PATH,
		.env = environment,
		.cwd = dir,
		.user = user,
		.orphan_ms = 300,
		.grace_ms = 300,
	};
	buf_init(&job.out, OUT_MAX);
	return job;
}

static void read_all(struct job *job, struct runner *runner)
{
	char *chunk = mem_calloc(1, RUNNER_CHUNK);
	enum runner_stream stream;
	size_t n = 0;

	do {
		job->code = runner_read(runner, chunk, LONG_MS, &n, &stream);
		job->total += n;
		if (!job->discard) {
			buf_add(&job->out, chunk, n);
		}
	} while (job->code == ERR_OK && n > 0);
	free(chunk);
}

static void job_body(struct loop *loop, void *arg)
{
	struct job *job = arg;
	struct runner *runner;

	job->options.argv = job->argv;
	job->code = runner_start(loop, &job->options, &runner, &job->err);
	if (job->code != ERR_OK) {
		return;
	}
	if (job->input != NULL) {
		job->code = runner_write_stdin(runner, str_of(job->input), LONG_MS);
	}
	if (job->close_stdin) {
		runner_close_stdin(runner);
	}
	if (job->then != NULL) {
		job->then(job, runner);
	} else {
		read_all(job, runner);
	}
	if (job->code == ERR_OK) {
		job->code = runner_wait_exit(runner, LONG_MS, &job->exit);
	}
	if (job->code == ERR_OK) {
		job->code = runner_wait_gone(runner, LONG_MS);
	}
	runner_free(runner);
}

static void run(struct job *job)
{
	run_fiber(job_body, job);
	assert_nobody_is_left();
}

/* ---- what a command says ---- */

static void the_exit_code_and_both_streams_arrive(void **state)
{
	struct job job = shell("echo out; echo err >&2; exit 7");

	(void)state;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_false(job.exit.by_signal);
	assert_int_equal(job.exit.code, 7);
	assert_int_equal(job.out.len, 8);
	assert_non_null(strstr(buf_cstr(&job.out), "out\n"));
	assert_non_null(strstr(buf_cstr(&job.out), "err\n"));
	buf_fini(&job.out);
}

static void a_death_by_signal_is_told_from_an_exit(void **state)
{
	struct job job = shell("kill -SEGV $$");

	(void)state;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_true(job.exit.by_signal);
	assert_int_equal(job.exit.code, SIGSEGV);
	buf_fini(&job.out);
}

static void a_missing_program_is_one_clear_error(void **state)
{
	struct job job = shell("");

	(void)state;
	job.argv[0] = "no-such-program";
	run(&job);
	assert_int_equal(job.code, ERR_INVALID);
	assert_string_equal(job.err.msg, "no-such-program: No such file or directory");
	buf_fini(&job.out);
}

static void the_command_has_its_user_its_environment_and_nothing_else(void **state)
{
	struct job job =
		shell("id -u; env | sort; ls /proc/self/fd | tr '\\n' ' '; pwd; ulimit -c; nice");
	char want[512];

	(void)state;
	run(&job);
	/* dash sets PWD; ls itself has 3 open. */
	(void)snprintf(want, sizeof(want),
	               "%u\nLC_ALL=C\nPATH=/usr/bin:/bin\nPWD=%s\nSECRET=s3cret\n"
	               "0 1 2 3 %s\n0\n%d\n",
	               user.drop ? (unsigned)user.uid : (unsigned)getuid(), dir, dir,
	               getpriority(PRIO_PROCESS, 0) + 5);
	assert_string_equal(buf_cstr(&job.out), want);
	buf_fini(&job.out);
}

static void a_prompt_reaches_standard_input(void **state)
{
	struct job job = shell("read a; read b; echo \"$a/$b\"");

	(void)state;
	job.input = "one\ntwo\n";
	run(&job);
	assert_string_equal(buf_cstr(&job.out), "one/two\n");
	buf_fini(&job.out);
}

static void closing_standard_input_is_its_end(void **state)
{
	struct job job = shell("wc -c");

	(void)state;
	job.input = "12345";
	job.close_stdin = true;
	run(&job);
	assert_string_equal(buf_cstr(&job.out), "5\n");
	buf_fini(&job.out);
}

static void a_pty_is_a_terminal_with_a_size_and_an_echo(void **state)
{
	struct job job =
		shell("test -t 0 && test -t 1 && stty size; read a </dev/tty; echo \"got:$a\"");

	(void)state;
	job.options.pty = true;
	job.options.columns = 100;
	job.options.rows = 30;
	job.input = "hello\n";
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_non_null(strstr(buf_cstr(&job.out), "30 100\r\n"));
	assert_non_null(strstr(buf_cstr(&job.out), "hello\r\n"));
	assert_non_null(strstr(buf_cstr(&job.out), "got:hello\r\n"));
	buf_fini(&job.out);
}

static void invalid_utf8_comes_out_valid(void **state)
{
	struct job job = shell("printf 'a\\377\\303\\244\\303\\n'");
	struct lines *lines = mem_calloc(1, sizeof(*lines));
	struct lines_record record;
	struct str in;

	(void)state;
	run(&job);
	in = buf_str(&job.out);
	lines_init(lines, 100);
	assert_true(lines_take(lines, &in, 0, &record));
	assert_int_equal(record.text.n, 9);
	assert_memory_equal(record.text.p, "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd", 9);
	lines_fini(lines);
	free(lines);
	buf_fini(&job.out);
}

static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128] = "";
	struct str rest;
	uint64_t pages = 0;

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	(void)fclose(file);
	rest = str_of(line);
	(void)str_split(&rest, ' ');
	assert_true(parse_u64(str_split(&rest, ' '), UINT64_MAX, &pages));
	return (long)pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void a_gigabyte_of_output_costs_no_memory(void **state)
{
	struct job job = shell("head -c 1073741824 /dev/zero");
	long before = resident_kib();

	(void)state;
	job.discard = true;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_int_equal(job.total, 1073741824);
	assert_true(resident_kib() - before < 16 * 1024);
	buf_fini(&job.out);
}

/* ---- freeze and thaw ---- */

/* Not a loop of the shell: while a shell waits for its child in vfork() it looks the same, stopped
 * or not. */
static const char ticking[] =
	"rm -f tick; echo $$ > main; (setsid sh -c 'echo $$ > far; exec sleep 1000' & ); "
	"exec perl -e 'while (1) { open(F, \">>tick\"); print F \".\"; close(F); "
	"select(undef, undef, undef, 0.01) }'";

static void await_ticks(struct job *job, size_t slot)
{
	off_t before = size_of("tick");
	uint64_t until = clock_mono_ms() + LONG_MS;

	while (size_of("tick") < before + 10 && clock_mono_ms() < until) {
		(void)fiber_sleep(5);
	}
	job->seen[slot] = size_of("tick") >= before + 10;
}

static void pause_and_resume(struct job *job, struct runner *runner)
{
	pid_t near = await_pid("main"), far = await_pid("far");
	off_t before;

	await_ticks(job, 0);
	job->code = runner_freeze(runner, LONG_MS);
	before = size_of("tick");
	job->seen[1] = runner_is_frozen(runner) && state_of(near) == 'T' && state_of(far) == 'T';
	(void)fiber_sleep(300); /* longer than a look at the frozen: nothing may have moved */
	job->seen[2] = size_of("tick") == before;
	(void)kill(far, SIGCONT); /* a stranger interferes */
	job->seen[3] = await_state(far, 'T');
	if (job->code == ERR_OK) {
		job->code = runner_thaw(runner, LONG_MS);
	}
	await_ticks(job, 4);
	job->seen[5] = state_of(far) == 'S';
	runner_stop(runner, 5000);
}

static void assert_seen(const struct job *job, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!job->seen[i]) {
			fail_msg("step %zu was not seen", i);
		}
	}
}

static void pause_stops_every_descendant_and_resume_continues_it(void **state)
{
	struct job job = shell(ticking);

	(void)state;
	forget("main");
	forget("far");
	job.then = pause_and_resume;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_seen(&job, 6);
	assert_true(job.exit.by_signal);
	assert_int_equal(job.exit.code, SIGTERM);
	buf_fini(&job.out);
}

static void let_the_lease_end(struct job *job, struct runner *runner)
{
	pid_t near = await_pid("main"), far = await_pid("far");
	off_t before;

	await_ticks(job, 0); /* renewed by nobody, but not over yet */
	runner_renew(runner, clock_mono_ms() + 100);
	job->seen[1] = await_state(near, 'T') && await_state(far, 'T');
	job->seen[2] = runner_thaw(runner, LONG_MS) == ERR_CONFLICT && state_of(near) == 'T';
	runner_renew(runner, clock_mono_ms() + LONG_MS);
	await_ticks(job, 3);
	job->code = runner_freeze(runner, LONG_MS);
	runner_renew(runner, clock_mono_ms() + LONG_MS); /* a renewal is not a resume */
	before = size_of("tick");
	(void)fiber_sleep(100);
	job->seen[4] = state_of(near) == 'T' && size_of("tick") == before;
	runner_fenced(runner);
}

static void the_end_of_the_lease_freezes_and_its_renewal_thaws(void **state)
{
	struct job job = shell(ticking);

	(void)state;
	forget("main");
	forget("far");
	job.options.lease_until_ms = clock_mono_ms() + LONG_MS;
	job.then = let_the_lease_end;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_seen(&job, 5);
	assert_true(job.exit.by_signal);
	assert_int_equal(job.exit.code, SIGKILL);
	buf_fini(&job.out);
}

static void a_lease_that_is_over_begins_nothing(void **state)
{
	struct job job = shell("echo $$ >begun");

	(void)state;
	job.options.lease_until_ms = clock_mono_ms();
	run(&job);
	assert_int_equal(job.code, ERR_FENCED);
	assert_int_equal(size_of("begun"), 0);
	buf_fini(&job.out);
}

/* ---- commands that do not want to end ---- */

static void stop_soon(struct job *job, struct runner *runner)
{
	job->seen[0] = await_pid("main") > 0;
	runner_stop(runner, 200);
}

static void who_ignores_sigterm_is_killed_after_the_grace(void **state)
{
	struct job job = shell("trap '' TERM HUP INT; echo $$ > main; "
	                       "while :; do sleep 0.1; done");
	uint64_t begin = clock_mono_ms();

	(void)state;
	forget("main");
	job.then = stop_soon;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_true(job.seen[0] && job.exit.by_signal);
	assert_int_equal(job.exit.code, SIGKILL);
	assert_true(clock_mono_ms() - begin < 5000);
	buf_fini(&job.out);
}

static void who_minds_sigterm_ends_by_itself(void **state)
{
	struct job job = shell("trap 'exit 42' TERM; echo $$ > main; while :; do sleep 0.05; done");

	(void)state;
	forget("main");
	job.then = stop_soon;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_false(job.exit.by_signal);
	assert_int_equal(job.exit.code, 42);
	buf_fini(&job.out);
}

static void a_daemon_left_behind_goes_with_its_command(void **state)
{
	struct job job =
		shell("(setsid sh -c 'trap \"\" TERM; echo $$ > far; while :; do sleep 1; "
	              "done' >/dev/null 2>&1 & ) ; while ! test -s far; do sleep 0.01; done");

	(void)state;
	forget("far");
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_int_equal(job.exit.code, 0);
	assert_int_equal(state_of(await_pid("far")), '\0');
	buf_fini(&job.out);
}

static uint64_t processes_of(uid_t uid)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	uint64_t count = 0, pid;

	assert_non_null(proc);
	while ((entry = readdir(proc)) != NULL) {
		struct stat st;

		if (parse_u64(str_of(entry->d_name), INT32_MAX, &pid) &&
		    fstatat(dirfd(proc), entry->d_name, &st, 0) == 0 && st.st_uid == uid) {
			count++;
		}
	}
	(void)closedir(proc);
	return count;
}

static void let_it_burst(struct job *job, struct runner *runner)
{
	uid_t uid = user.drop ? user.uid : getuid();
	uint64_t until = clock_mono_ms() + LONG_MS;

	/* They come and go near the limit: once is enough. */
	do {
		(void)fiber_sleep(5);
		job->seen[0] = processes_of(uid) + 10 >= job->options.nproc_max;
	} while (!job->seen[0] && clock_mono_ms() < until);
	job->code = runner_freeze(runner, LONG_MS);
	job->seen[1] = runner_is_frozen(runner);
	runner_kill(runner);
}

static void a_fork_bomb_hits_its_limit_and_is_frozen_and_killed(void **state)
{
	/* The command itself must not fork: a shell that cannot ends. */
	struct job job = shell("f() { while :; do (f &) 2>/dev/null; sleep 0.001; done; }; "
	                       "(f & f &) 2>/dev/null; exec sleep 1000");

	(void)state;
	job.options.nproc_max = processes_of(user.drop ? user.uid : getuid()) + 50;
	job.then = let_it_burst;
	if (!user.drop && getuid() == 0) {
		job.options.nproc_max = 0; /* root has no such limit: nothing to test */
		job.argv[2] = "exit 0";
		job.then = NULL;
	}
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_true(job.then == NULL || (job.seen[0] && job.seen[1]));
	buf_fini(&job.out);
}

/* ---- workers that do not live ---- */

static void lease_and_wait(struct job *job, struct runner *runner)
{
	(void)runner;
	job->code = fiber_sleep(10 * LONG_MS);
}

/* Another process that is a worker with one running command and one lease. */
static pid_t fork_worker(uint64_t lease_ms)
{
	pid_t pid;

	forget("main");
	forget("far");
	pid = fork();
	if (pid == 0) {
		struct job job = shell(ticking);

		job.options.lease_until_ms = clock_mono_ms() + lease_ms;
		job.then = lease_and_wait;
		run_fiber(job_body, &job);
		_exit(0);
	}
	return pid;
}

static void when_the_worker_is_killed_its_agent_is_frozen_then_killed(void **state)
{
	uint64_t begin = clock_mono_ms();
	pid_t worker = fork_worker(2500), near = await_pid("main"), far = await_pid("far");

	(void)state;
	assert_true(near > 0 && far > 0);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	assert_true(await_state(near, 'T'));
	assert_true(clock_mono_ms() - begin >= 2490);
	assert_true(await_state(far, 'T'));
	assert_true(await_state(near, '\0'));
	assert_true(clock_mono_ms() - begin >= 2790);
	assert_true(await_state(far, '\0'));
	await_nobody();
}

static void while_the_worker_is_stopped_its_agent_is_frozen_not_killed(void **state)
{
	pid_t worker = fork_worker(2000), near = await_pid("main"), far = await_pid("far");
	const struct timespec past_the_orphan_time = { .tv_nsec = 600000000 };

	(void)state;
	assert_true(near > 0 && far > 0);
	assert_int_equal(kill(worker, SIGSTOP), 0);
	assert_true(await_state(near, 'T'));
	assert_true(await_state(far, 'T'));
	(void)nanosleep(&past_the_orphan_time, NULL);
	assert_int_equal(state_of(near), 'T'); /* it may come back: it was not told otherwise */
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	assert_true(await_state(near, '\0'));
	assert_true(await_state(far, '\0'));
	await_nobody();
}

/* ---- guards that do not live ---- */

static void signal_the_guard(struct job *job, int signo)
{
	struct tree_process process;

	job->seen[0] = stat_of(await_pid("main"), &process) && await_pid("far") > 0 &&
	               kill(process.parent, signo) == 0;
}

static void end_the_guard(struct job *job, struct runner *runner)
{
	(void)runner;
	signal_the_guard(job, SIGTERM);
}

static void a_guard_that_is_asked_to_end_stops_its_command_first(void **state)
{
	struct job job = shell(ticking);

	(void)state;
	forget("main");
	forget("far");
	job.then = end_the_guard;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_seen(&job, 1);
	assert_true(job.exit.by_signal);
	assert_int_equal(job.exit.code, SIGTERM);
	buf_fini(&job.out);
}

static void kill_the_guard(struct job *job, struct runner *runner)
{
	(void)runner;
	signal_the_guard(job, SIGKILL);
}

/* Only the command itself goes with it: its far relatives are the worker's to find. */
static void a_guard_that_was_killed_is_noticed(void **state)
{
	struct job job = shell(ticking);
	pid_t far;

	(void)state;
	forget("main");
	forget("far");
	job.then = kill_the_guard;
	run_fiber(job_body, &job);
	assert_int_equal(job.code, ERR_BACKEND);
	assert_seen(&job, 1);
	assert_true(await_state(await_pid("main"), '\0'));
	far = await_pid("far");
	assert_int_equal(kill(far, SIGKILL), 0);
	await_nobody();
	buf_fini(&job.out);
}

/* ---- in a cgroup ---- */

static char cgroup_given[PATH_SIZE], cgroup_path[CGROUP_PATH_MAX];
static struct cgroup_home cgroups;

/* A number of a file of the guard's cgroup of a command, by its key. */
static uint64_t cgroup_event(pid_t command, const char *key)
{
	struct tree_process process;
	char path[CGROUP_PATH_MAX + 64], text[256];
	ssize_t n = 0;
	int fd = -1;

	if (stat_of(command, &process)) {
		(void)snprintf(path, sizeof(path), "%s/g%d/cgroup.events", cgroup_path,
		               (int)process.parent);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0) {
		n = read(fd, text, sizeof(text));
		(void)close(fd);
	}
	return n > 0 ? cgroup_number(str_make(text, (size_t)n), key) : UINT64_MAX;
}

/* Moves this process into one of its own: it has no limits, controllers may be elsewhere. */
static void open_cgroups(void)
{
	const struct cgroup_limits none = { { 0 } };
	struct id sid = id_new();
	struct err err;
	unsigned held;

	if (!own_cgroup_make(cgroup_given, sizeof(cgroup_given))) {
		/* Most users may make no cgroup, and older hosts have no version 2. */
		print_message("no cgroups to try here\n");
		skip();
	}
	assert_int_equal(cgroup_open("", cgroup_given, "t", &cgroups, &err), ERR_OK);
	assert_int_equal(cgroup_make(&cgroups, &sid, &none, cgroup_path, &held, &err), ERR_OK);
	assert_int_equal(held, 0);
}

static void close_cgroups(void)
{
	char path[PATH_SIZE + 32];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/../cgroup.procs", cgroup_given);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "0", 1), 1);
	assert_int_equal(close(fd), 0);
	assert_true(own_cgroup_remove(cgroup_given, "t"));
}

static void freeze_in_cgroup(struct job *job, struct runner *runner)
{
	pid_t near = await_pid("main"), far = await_pid("far");
	uint64_t until = clock_mono_ms() + LONG_MS;
	off_t before;

	await_ticks(job, 0);
	job->seen[1] = cgroup_event(near, "populated") == 1 && cgroup_event(near, "frozen") == 0;
	job->code = runner_freeze(runner, LONG_MS);
	while (cgroup_event(near, "frozen") != 1 && clock_mono_ms() < until) {
		(void)fiber_sleep(5);
	}
	before = size_of("tick");
	(void)kill(near, SIGCONT); /* nobody looks any more: the kernel holds it */
	(void)kill(far, SIGCONT);
	(void)fiber_sleep(50);
	job->seen[2] = size_of("tick") == before && cgroup_event(near, "frozen") == 1;
	if (job->code == ERR_OK) {
		job->code = runner_thaw(runner, LONG_MS);
	}
	await_ticks(job, 3);
	runner_stop(runner, 5000);
}

static void a_cgroup_holds_what_a_stranger_continues(void **state)
{
	struct job job = shell(ticking);

	(void)state;
	open_cgroups();
	forget("main");
	forget("far");
	job.options.cgroup = cgroup_path;
	job.then = freeze_in_cgroup;
	run(&job);
	assert_int_equal(job.code, ERR_OK);
	assert_seen(&job, 4);
	assert_int_equal(rmdir(cgroup_path), 0); /* the guard removed its own */
	close_cgroups();
	buf_fini(&job.out);
}

static void remove_cgroup(struct loop *loop, void *arg)
{
	(void)loop;
	*(enum err_code *)arg = cgroup_remove(cgroup_path, LONG_MS);
}

static void what_a_killed_guard_leaves_goes_with_its_cgroup(void **state)
{
	struct job job = shell(ticking);
	enum err_code code = ERR_OK;

	(void)state;
	open_cgroups();
	forget("main");
	forget("far");
	job.options.cgroup = cgroup_path;
	job.then = kill_the_guard;
	run_fiber(job_body, &job);
	assert_int_equal(job.code, ERR_BACKEND);
	assert_seen(&job, 1);
	assert_int_not_equal(state_of(await_pid("far")), '\0');
	run_fiber(remove_cgroup, &code);
	assert_int_equal(code, ERR_OK);
	assert_int_equal(state_of(await_pid("far")), '\0');
	await_nobody();
	assert_int_equal(access(cgroup_path, F_OK), -1);
	close_cgroups();
	buf_fini(&job.out);
}

static int set_up(void **state)
{
	struct err err;

	(void)state;
	if (mkdtemp(dir) == NULL || chmod(dir, 0777) != 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
		return -1;
	}
	return process_user_find(getuid() == 0 ? "nobody" : "", &user, &err) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	forget("main");
	forget("far");
	forget("tick");
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_code_and_both_streams_arrive),
		cmocka_unit_test(a_death_by_signal_is_told_from_an_exit),
		cmocka_unit_test(a_missing_program_is_one_clear_error),
		cmocka_unit_test(the_command_has_its_user_its_environment_and_nothing_else),
		cmocka_unit_test(a_prompt_reaches_standard_input),
		cmocka_unit_test(closing_standard_input_is_its_end),
		cmocka_unit_test(a_pty_is_a_terminal_with_a_size_and_an_echo),
		cmocka_unit_test(invalid_utf8_comes_out_valid),
		cmocka_unit_test(a_gigabyte_of_output_costs_no_memory),
		cmocka_unit_test(pause_stops_every_descendant_and_resume_continues_it),
		cmocka_unit_test(the_end_of_the_lease_freezes_and_its_renewal_thaws),
		cmocka_unit_test(a_lease_that_is_over_begins_nothing),
		cmocka_unit_test(who_ignores_sigterm_is_killed_after_the_grace),
		cmocka_unit_test(who_minds_sigterm_ends_by_itself),
		cmocka_unit_test(a_daemon_left_behind_goes_with_its_command),
		cmocka_unit_test(a_fork_bomb_hits_its_limit_and_is_frozen_and_killed),
		cmocka_unit_test(when_the_worker_is_killed_its_agent_is_frozen_then_killed),
		cmocka_unit_test(while_the_worker_is_stopped_its_agent_is_frozen_not_killed),
		cmocka_unit_test(a_guard_that_is_asked_to_end_stops_its_command_first),
		cmocka_unit_test(a_guard_that_was_killed_is_noticed),
		cmocka_unit_test(a_cgroup_holds_what_a_stranger_continues),
		cmocka_unit_test(what_a_killed_guard_leaves_goes_with_its_cgroup),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
