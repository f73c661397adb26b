#include "worker/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"

enum {
	CHILD_FAILED = 127,
	FD_KEEP = 32, /* where descriptors wait while 0 to PROCESS_FDS are being set */
	TERM_GRACE_MS = 2000,
	KILL_WAIT_MS = 10000,
	STDERR_MAX = 8192,
	CHUNK = 65536,
	OUT_MAX = 65536,
	TIMEOUT_MS = 60000,
};

enum err_code process_user_find(const char *name, struct process_user *ret, struct err *err)
{
	struct process_user user = { .drop = false };
	const struct passwd *entry;

	if (name == NULL || name[0] == '\0') {
		*ret = user;
		return ERR_OK;
	}
	entry = getpwnam(name);
	if (entry == NULL) {
		return err_set(err, ERR_NOT_FOUND, "there is no user \"%s\"", name);
	}
	if (entry->pw_uid != geteuid()) {
		if (geteuid() != 0) {
			return err_set(err, ERR_FORBIDDEN, "only root can run agents as \"%s\"",
			               name);
		}
		user = (struct process_user){ true, entry->pw_uid, entry->pw_gid };
	}
	*ret = user;
	return ERR_OK;
}

/* ---- in the child: async-signal-safe calls only, threads that look up names may hold any lock
 * ---- */

static void child_fail(int report_fd) __attribute__((noreturn));

static void child_fail(int report_fd)
{
	int why = errno;

	(void)!write(report_fd, &why, sizeof(why));
	_exit(CHILD_FAILED);
}

/* glibc's own set*id() talk to the other threads of the process, of which the child has none. */
static bool child_drop(const struct process_user *user)
{
	return syscall(SYS_setgroups, 0, NULL) == 0 &&
	       syscall(SYS_setresgid, user->gid, user->gid, user->gid) == 0 &&
	       syscall(SYS_setresuid, user->uid, user->uid, user->uid) == 0;
}

static bool child_descriptors(const struct process_spec *spec, int *report_fd)
{
	int kept[PROCESS_FDS];

	*report_fd = fcntl(*report_fd, F_DUPFD_CLOEXEC, FD_KEEP);
	if (*report_fd < 0) {
		return false;
	}
	for (int i = 0; i < PROCESS_FDS; i++) {
		int fd = spec->fds[i];

		if (fd < 0 && i <= STDERR_FILENO) {
			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		}
		kept[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_KEEP);
		if (fd >= 0 && kept[i] < 0) {
			return false;
		}
	}
	for (int i = 0; i < PROCESS_FDS; i++) {
		if (kept[i] < 0) {
			(void)close(i);
		} else if (dup2(kept[i], i) < 0) {
			return false;
		}
	}
	return close_range(PROCESS_FDS, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static void child_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++) {
		(void)signal(signo, SIG_DFL);
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_exec(const struct process_spec *spec, int report_fd) __attribute__((noreturn));

static void child_exec(const struct process_spec *spec, int report_fd)
{
	const struct rlimit file = { spec->file_max_bytes, spec->file_max_bytes };
	const struct rlimit core = { 0, 0 };
	char *const *argv, *const *env;

	/* execve() promises not to write to them, in words only. */
	memcpy(&argv, &spec->argv, sizeof(argv));
	memcpy(&env, &spec->env, sizeof(env));
	child_signals();
	(void)umask(022); /* mirrors are read by agents, whatever the worker's own is */
	if (!child_descriptors(spec, &report_fd) || setpgid(0, 0) != 0 ||
	    setrlimit(RLIMIT_CORE, &core) != 0 ||
	    (spec->file_max_bytes > 0 && setrlimit(RLIMIT_FSIZE, &file) != 0) ||
	    (spec->user != NULL && spec->user->drop && !child_drop(spec->user)) ||
	    (!spec->survives_us && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) ||
	    chdir(spec->cwd != NULL ? spec->cwd : "/") != 0) {
		child_fail(report_fd);
	}
	(void)execvpe(argv[0], argv, env);
	child_fail(report_fd);
}

/* ---- spawn, wait, end ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
}

enum err_code process_spawn(const struct process_spec *spec, struct process *ret, struct err *err)
{
	struct process process = { .pidfd = -1 };
	int report[2], why = 0;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "pipe: %s", strerror(errno));
	}
	process.pid = fork();
	if (process.pid == 0) {
		child_exec(spec, report[1]);
	}
	(void)close(report[1]);
	if (process.pid < 0) {
		(void)close(report[0]);
		return err_set(err, ERR_UNAVAILABLE, "fork: %s", strerror(errno));
	}
	/* Ends as soon as the child has called exec: no longer than a fork takes. */
	while ((n = read(report[0], &why, sizeof(why))) < 0 && errno == EINTR) {
	}
	(void)close(report[0]);
	if (n > 0) {
		(void)waitpid(process.pid, NULL, 0);
		return err_set(err, ERR_UNAVAILABLE, "cannot run %s: %s", spec->argv[0],
		               strerror(why));
	}
	process.pidfd = (int)syscall(SYS_pidfd_open, process.pid, 0);
	if (process.pidfd < 0) {
		why = errno;
		(void)kill(-process.pid, SIGKILL);
		(void)waitpid(process.pid, NULL, 0);
		return err_set(err, ERR_UNAVAILABLE, "pidfd_open: %s", strerror(why));
	}
	*ret = process;
	return ERR_OK;
}

static bool reap(struct process *process, int *ret_status)
{
	if (waitpid(process->pid, ret_status, WNOHANG) != process->pid) {
		return false;
	}
	close_fd(&process->pidfd);
	process->pid = 0;
	return true;
}

enum err_code process_wait(struct process *process, uint64_t timeout_ms, int *ret_status)
{
	enum err_code code = ERR_OK;

	assert(process->pid > 0);
	while (!reap(process, ret_status)) {
		code = fiber_wait_fd(process->pidfd, FIBER_READ, timeout_ms);
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

void process_end(struct process *process)
{
	int status;

	if (process->pid <= 0) {
		return;
	}
	fiber_shield();
	(void)kill(-process->pid, SIGTERM); /* git removes its lock files */
	if (process_wait(process, TERM_GRACE_MS, &status) != ERR_OK) {
		(void)kill(-process->pid, SIGKILL);
		if (process_wait(process, KILL_WAIT_MS, &status) != ERR_OK) {
			close_fd(&process->pidfd); /* stuck in the kernel: nothing is left to try */
			process->pid = 0;
		}
	}
	fiber_unshield();
}

/* ---- run ---- */

struct run {
	const struct process_run *run;
	struct process_result *result;
	struct process process;
	struct buf errors;
	struct str input;
	int in, out, err; /* our ends; -1 once closed */
	int poll;
	bool enough; /* the sink or the bound ended it */
	char *chunk;
};

static bool open_pipe(int fds[2], int ours)
{
	return pipe2(fds, O_CLOEXEC) == 0 && fcntl(fds[ours], F_SETFL, O_NONBLOCK) == 0;
}

static void add_to_poll(const struct run *r, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .fd = fd } };

	if (fd >= 0) {
		(void)epoll_ctl(r->poll, EPOLL_CTL_ADD, fd, &event);
	}
}

static void feed_input(struct run *r)
{
	while (r->in >= 0 && r->input.n > 0) {
		ssize_t n = write(r->in, r->input.p, r->input.n);

		if (n < 0) {
			if (errno == EAGAIN) {
				return;
			}
			break; /* it does not want the rest */
		}
		r->input.p += n;
		r->input.n -= (size_t)n;
	}
	close_fd(&r->in);
}

static void take_output(struct run *r, struct str bytes)
{
	struct process_result *result = r->result;
	size_t room = r->run->out_max - result->out.len;

	if (r->run->sink != NULL) {
		r->enough = !r->run->sink(r->run->sink_arg, bytes);
	} else {
		buf_add(&result->out, bytes.p, bytes.n < room ? bytes.n : room);
		r->enough = bytes.n > room;
	}
	result->truncated = r->enough;
}

/* Only the end is kept: that is where the reason is. */
static void take_errors(struct run *r, struct str bytes)
{
	if (bytes.n > STDERR_MAX) {
		bytes = str_make(bytes.p + (bytes.n - STDERR_MAX), STDERR_MAX);
	}
	if (r->errors.len + bytes.n > STDERR_MAX) {
		buf_drop(&r->errors, r->errors.len + bytes.n - STDERR_MAX);
	}
	buf_add_str(&r->errors, bytes);
}

static void drain(struct run *r, int *fd, void (*take)(struct run *r, struct str bytes))
{
	ssize_t n = *fd >= 0 ? read(*fd, r->chunk, CHUNK) : -1;

	if (n > 0) {
		take(r, str_make(r->chunk, (size_t)n));
	} else if (*fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR))) {
		close_fd(fd);
	}
}

static enum err_code pump(struct run *r, uint64_t until_ms)
{
	while ((r->out >= 0 || r->err >= 0) && !r->enough) {
		struct epoll_event events[4];
		uint64_t now = clock_mono_ms();
		enum err_code code;

		if (now >= until_ms) {
			return ERR_TIMEOUT;
		}
		code = fiber_wait_fd(r->poll, FIBER_READ, until_ms - now);
		if (code != ERR_OK) {
			return code;
		}
		(void)epoll_wait(r->poll, events, (int)ARRAY_LEN(events), 0);
		feed_input(r);
		drain(r, &r->err, take_errors);
		drain(r, &r->out, take_output);
	}
	return ERR_OK;
}

static enum err_code start(struct run *r, struct err *err)
{
	struct process_spec spec = r->run->spec;
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errors[2] = { -1, -1 };
	enum err_code code = ERR_UNAVAILABLE;

	r->poll = epoll_create1(EPOLL_CLOEXEC);
	if (r->poll < 0 || !open_pipe(in, 1) || !open_pipe(out, 0) || !open_pipe(errors, 0)) {
		(void)err_set(err, code, "pipe: %s", strerror(errno));
	} else {
		spec.fds[0] = r->run->input_fd >= 0 ? r->run->input_fd : in[0];
		spec.fds[1] = r->run->output_fd >= 0 ? r->run->output_fd : out[1];
		spec.fds[2] = errors[1];
		spec.fds[3] = spec.fds[4] = -1;
		code = process_spawn(&spec, &r->process, err);
	}
	close_fd(&in[0]);
	close_fd(&out[1]);
	close_fd(&errors[1]);
	r->in = in[1];
	r->out = out[0];
	r->err = errors[0];
	if (code == ERR_OK) {
		add_to_poll(r, r->in, EPOLLOUT);
		add_to_poll(r, r->out, EPOLLIN);
		add_to_poll(r, r->err, EPOLLIN);
	}
	return code;
}

static enum err_code judge(struct run *r, struct err *err)
{
	struct process_result *result = r->result;
	const char *what = r->run->spec.argv[0];

	process_reason(buf_str(&r->errors), result->reason, sizeof(result->reason));
	if (WIFEXITED(result->status) && WEXITSTATUS(result->status) == 0) {
		return ERR_OK;
	}
	if (result->reason[0] != '\0') {
		return err_set(err, ERR_BACKEND, "%s", result->reason);
	}
	if (WIFSIGNALED(result->status)) {
		return err_set(err, ERR_BACKEND, "%s was ended by signal %d", what,
		               WTERMSIG(result->status));
	}
	return err_set(err, ERR_BACKEND, "%s exited with code %d", what,
	               WEXITSTATUS(result->status));
}

struct process_run process_run_init(const char *const *argv, const char *const *env)
{
	return (struct process_run){
		.spec = { .argv = argv, .env = env, .fds = { -1, -1, -1, -1, -1 } },
		.output_fd = -1,
		.input_fd = -1,
		.out_max = OUT_MAX,
		.timeout_ms = TIMEOUT_MS,
	};
}

enum err_code process_run(const struct process_run *run, struct process_result *ret,
                          struct err *err)
{
	struct run r = { .run = run, .result = ret, .input = run->input };
	uint64_t until_ms = clock_mono_ms() + run->timeout_ms, now;
	enum err_code code;

	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->out, run->out_max);
	buf_init(&r.errors, STDERR_MAX);
	code = start(&r, err);
	if (code == ERR_OK) {
		r.chunk = mem_calloc(1, CHUNK);
		code = pump(&r, until_ms);
		now = clock_mono_ms();
		if (code == ERR_OK && !r.enough) {
			code = process_wait(&r.process, now < until_ms ? until_ms - now : 1,
			                    &ret->status);
		}
		process_end(&r.process);
		if (code != ERR_OK) {
			(void)err_set(err, code, "%s: %s", run->spec.argv[0], err_text(code));
		} else if (!ret->truncated) {
			code = judge(&r, err);
		}
	}
	close_fd(&r.in);
	close_fd(&r.out);
	close_fd(&r.err);
	close_fd(&r.poll);
	free(r.chunk);
	buf_fini(&r.errors);
	return code;
}

void process_result_fini(struct process_result *result)
{
	buf_fini(&result->out);
}

static bool cut_prefix(struct str *line, struct str prefix)
{
	if (!str_starts(*line, prefix)) {
		return false;
	}
	line->p += prefix.n;
	line->n -= prefix.n;
	return true;
}

/* Git explains itself after the error, and its callers complain after it: the first is the cause.
 */
static struct str find_reason(struct str text)
{
	struct str last = { "", 0 };

	while (text.n > 0) {
		struct str line = str_split(&text, '\n');

		if (line.n > 0 && line.p[line.n - 1] == '\r') {
			line.n--;
		}
		line = str_trim(line);
		(void)cut_prefix(&line, STR_LIT("remote: "));
		if (cut_prefix(&line, STR_LIT("fatal: ")) ||
		    cut_prefix(&line, STR_LIT("error: "))) {
			return line;
		}
		if (line.n > 0) {
			last = line;
		}
	}
	return last;
}

void process_reason(struct str text, char *out, size_t size)
{
	struct str best = find_reason(text);
	size_t used = 0;

	while (used < best.n && used + 1 < size) { /* it goes to a log and to a client */
		unsigned char c = (unsigned char)best.p[used];

		out[used++] = (char)(c < 0x20 || c > 0x7e ? '?' : c);
	}
	out[used] = '\0';
}
