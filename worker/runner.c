#include "worker/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "guard/protocol.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum {
	CONTROL_FD = 3,
	ENV_FD = 4,
	NUMBER_SIZE = 24,
	GUARD_ARGS_MAX = 32,
	START_TIMEOUT_MS = 10000,
	GONE_TIMEOUT_MS = 10000,
};

struct runner {
	struct process guard;
	int control;
	int in;                     /* a pty has one descriptor, in and out[RUNNER_STDOUT] */
	int out[RUNNER_STDERR + 1]; /* closed at the end only: another fiber may wait for them */
	bool ended[RUNNER_STDERR + 1];
	int poll; /* of out[] */
	bool pty;
	enum runner_stream turn; /* who is looked at first: neither stream starves the other */

	/* What the guard said; `changed` is raised at each message. */
	struct guard_reader reader;
	bool started, late, exited, gone, frozen, lost;
	uint64_t answers; /* of freeze and thaw, and those of the lease */
	struct runner_exit exit;
	char error[GUARD_TEXT_MAX + 1];
	struct fiber_signal changed;
	struct loop_watch watch;   /* of the control socket */
	void (*on_end)(void *arg); /* told once that the command has ended, or its guard */
	void *arg;
};

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
}

/* ---- what the guard says ---- */

static void on_message(struct runner *r, const struct guard_message *message)
{
	switch (message->verb) {
	case GUARD_STARTED: r->started = true; break;
	case GUARD_EXITED:
		r->exited = true;
		r->exit = (struct runner_exit){ message->by_signal, (int)message->number };
		break;
	case GUARD_FROZEN:
	case GUARD_THAWED:
		r->frozen = message->verb == GUARD_FROZEN;
		r->answers++;
		break;
	case GUARD_GONE: r->gone = true; break;
	case GUARD_LATE: r->late = true; break;
	case GUARD_ERROR: memcpy(r->error, message->text, sizeof(r->error)); break;
	case GUARD_DEADLINE:
	case GUARD_FREEZE:
	case GUARD_THAW:
	case GUARD_SIGNAL:
	case GUARD_STOP:
	case GUARD_KILL:
	case GUARD_FENCED:
	case GUARD_VERB_COUNT: break;
	}
}

/* False at the end of the connection. */
static bool read_control(struct runner *r)
{
	char bytes[1024];
	ssize_t n = recv(r->control, bytes, sizeof(bytes), MSG_DONTWAIT);
	struct str in = str_make(bytes, n > 0 ? (size_t)n : 0);
	struct guard_message message;
	enum guard_read got;

	if (n < 0) {
		return errno == EAGAIN || errno == EINTR;
	}
	while ((got = guard_next(&r->reader, &in, &message)) != GUARD_READ_MORE) {
		if (got == GUARD_READ_MESSAGE) {
			on_message(r, &message);
		}
	}
	return n > 0;
}

/* No fiber of its own: a guard says nothing for hours. */
static void on_control(struct loop_watch *watch)
{
	struct runner *r = CONTAINER_OF(watch, struct runner, watch);

	if (!read_control(r)) {
		r->lost = true;
		loop_watch_clear(&r->watch);
	}
	fiber_signal_raise(&r->changed);
	if (r->on_end != NULL && (r->exited || r->lost)) {
		void (*on_end)(void *arg) = r->on_end;

		r->on_end = NULL;
		on_end(r->arg);
	}
}

static void tell(struct runner *r, enum guard_verb verb, uint64_t number)
{
	const struct guard_message message = { .verb = verb, .number = number };
	char line[GUARD_LINE_MAX + 1];
	size_t len = guard_format(&message, line);

	/* The guard always reads: a full socket means that it is dead, and on_control() sees that.
	 */
	(void)send(r->control, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- starting ---- */

/* The other clock is read first: a pause between the two can only shorten the lease. */
static uint64_t boot_time_of(uint64_t mono_ms)
{
	struct timespec ts;
	uint64_t boot, now;

	if (mono_ms == 0) {
		return 0;
	}
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	boot = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	now = clock_mono_ms();
	return mono_ms > now ? boot + (mono_ms - now) : boot;
}

/* In memory and not in the guard's own environment: the guard may be root and LD_PRELOAD is the
 * user's. */
static int environment_file(const char *const *env, struct err *err)
{
	int fd = memfd_create("environment", MFD_CLOEXEC);

	for (size_t i = 0; fd >= 0 && env[i] != NULL; i++) {
		size_t len = strlen(env[i]) + 1;

		if (write(fd, env[i], len) != (ssize_t)len) {
			close_fd(&fd);
		}
	}
	if (fd < 0) {
		(void)err_set(err, ERR_UNAVAILABLE, "environment: %s", strerror(errno));
	}
	return fd;
}

struct ends {
	int theirs[PROCESS_FDS];
};

static bool open_terminal(struct runner *r, const struct runner_options *options, struct ends *ends)
{
	const struct winsize size = { .ws_row = options->rows != 0 ? options->rows : 24,
		                      .ws_col = options->columns != 0 ? options->columns : 80 };
	char name[64];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	r->in = r->out[RUNNER_STDOUT] = master;
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0 || ioctl(master, TIOCSWINSZ, &size) != 0) {
		return false;
	}
	ends->theirs[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	for (int i = 1; i <= STDERR_FILENO && ends->theirs[0] >= 0; i++) {
		ends->theirs[i] = fcntl(ends->theirs[0], F_DUPFD_CLOEXEC, 0);
	}
	return ends->theirs[STDERR_FILENO] >= 0;
}

static bool open_pipes(struct runner *r, struct ends *ends)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) != 0) {
		return false;
	}
	ends->theirs[STDIN_FILENO] = in[0];
	r->in = in[1];
	for (int i = RUNNER_STDOUT; i <= RUNNER_STDERR; i++) {
		if (pipe2(out, O_CLOEXEC) != 0) {
			return false;
		}
		r->out[i] = out[0];
		ends->theirs[STDOUT_FILENO + i] = out[1];
		(void)fcntl(out[0], F_SETFL, O_NONBLOCK);
	}
	return fcntl(r->in, F_SETFL, O_NONBLOCK) == 0;
}

static enum err_code open_ends(struct runner *r, const struct runner_options *options,
                               struct ends *ends, struct err *err)
{
	int control[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "socketpair: %s", strerror(errno));
	}
	r->control = control[0];
	ends->theirs[CONTROL_FD] = control[1];
	ends->theirs[ENV_FD] = environment_file(options->env, err);
	if (ends->theirs[ENV_FD] < 0) {
		return err->code;
	}
	r->poll = epoll_create1(EPOLL_CLOEXEC);
	if (r->poll < 0 || !(r->pty ? open_terminal(r, options, ends) : open_pipes(r, ends))) {
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", r->pty ? "terminal" : "pipe",
		               strerror(errno));
	}
	for (unsigned i = RUNNER_STDOUT; i <= RUNNER_STDERR; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data = { .u32 = i } };

		r->ended[i] = r->out[i] < 0;
		if (!r->ended[i] && epoll_ctl(r->poll, EPOLL_CTL_ADD, r->out[i], &event) != 0) {
			return err_set(err, ERR_UNAVAILABLE, "epoll: %s", strerror(errno));
		}
	}
	return ERR_OK;
}

struct guard_args {
	const char **argv;
	size_t count;
	char numbers[GUARD_ARGS_MAX][NUMBER_SIZE];
	size_t numbers_count;
};

static void add_option(struct guard_args *args, const char *name, uint64_t value)
{
	char *number = args->numbers[args->numbers_count++];

	(void)snprintf(number, NUMBER_SIZE, "%" PRIu64, value);
	args->argv[args->count++] = name;
	args->argv[args->count++] = number;
}

static enum err_code spawn_guard(struct runner *r, const struct runner_options *options,
                                 const struct ends *ends, struct err *err)
{
	static const char *const nothing[] = { NULL };
	struct process_spec spec = { .env = nothing, .survives_us = true };
	struct guard_args args = { 0 };
	size_t count = 0;
	enum err_code code;

	while (options->argv[count] != NULL) {
		count++;
	}
	args.argv = mem_calloc(count + GUARD_ARGS_MAX, sizeof(*args.argv));
	args.argv[args.count++] = options->guard_path;
	add_option(&args, "--control", CONTROL_FD);
	add_option(&args, "--env", ENV_FD);
	add_option(&args, "--deadline", boot_time_of(options->lease_until_ms));
	add_option(&args, "--orphan", options->orphan_ms);
	add_option(&args, "--grace", options->grace_ms);
	add_option(&args, "--nproc", options->nproc_max);
	add_option(&args, "--nofile", options->nofile_max);
	if (options->user.drop) {
		add_option(&args, "--uid", options->user.uid);
		add_option(&args, "--gid", options->user.gid);
	}
	if (options->cgroup != NULL) {
		args.argv[args.count++] = "--cgroup";
		args.argv[args.count++] = options->cgroup;
	}
	args.argv[args.count++] = "--cwd";
	args.argv[args.count++] = options->cwd;
	if (r->pty) {
		args.argv[args.count++] = "--pty";
	}
	if (options->wrapped) {
		args.argv[args.count++] = "--wrapped";
	}
	args.argv[args.count++] = "--";
	for (size_t i = 0; i < count; i++) {
		args.argv[args.count++] = options->argv[i];
	}
	spec.argv = args.argv;
	memcpy(spec.fds, ends->theirs, sizeof(spec.fds));
	code = process_spawn(&spec, &r->guard, err);
	free(args.argv);
	return code;
}

static enum err_code await_start(struct runner *r, struct err *err)
{
	enum err_code code = ERR_OK;

	while (code == ERR_OK && !r->started && !r->late && r->error[0] == '\0' && !r->lost) {
		code = fiber_signal_wait(&r->changed, START_TIMEOUT_MS);
	}
	if (r->late) {
		return err_set(err, ERR_FENCED, "the lease was over before the command began");
	}
	if (r->error[0] != '\0') {
		return err_set(err, ERR_INVALID, "%s", r->error);
	}
	if (code != ERR_OK) {
		return err_set(err, code, "start the command: %s", err_text(code));
	}
	return r->started ? ERR_OK : err_set(err, ERR_BACKEND, "the guard ended at its start");
}

enum err_code runner_start(struct loop *loop, const struct runner_options *options,
                           struct runner **ret, struct err *err)
{
	struct runner *r = mem_calloc(1, sizeof(*r));
	struct ends ends = { { -1, -1, -1, -1, -1 } };
	enum err_code code;

	r->guard.pidfd = r->control = r->in = r->poll = -1;
	r->out[RUNNER_STDOUT] = r->out[RUNNER_STDERR] = -1;
	r->pty = options->pty;
	fiber_signal_init(&r->changed);
	code = open_ends(r, options, &ends, err);
	if (code == ERR_OK) {
		code = spawn_guard(r, options, &ends, err);
	}
	for (int i = 0; i < PROCESS_FDS; i++) {
		close_fd(&ends.theirs[i]);
	}
	if (code == ERR_OK) {
		loop_watch_set(&r->watch, loop, r->control, on_control);
		code = await_start(r, err);
	}
	if (code != ERR_OK) {
		runner_free(r);
		return code;
	}
	*ret = r;
	return ERR_OK;
}

void runner_free(struct runner *r)
{
	if (r == NULL) {
		return;
	}
	r->on_end = NULL;
	fiber_shield();
	if (r->guard.pid > 0) {
		int status;

		runner_kill(r);
		if (runner_wait_gone(r, GONE_TIMEOUT_MS) != ERR_OK ||
		    process_wait(&r->guard, GONE_TIMEOUT_MS, &status) != ERR_OK) {
			close_fd(&r->guard.pidfd); /* stuck in the kernel; the guard goes on killing
			                            */
		}
	}
	loop_watch_clear(&r->watch);
	fiber_unshield();
	if (r->pty) {
		r->in = -1;
	}
	close_fd(&r->in);
	close_fd(&r->out[RUNNER_STDOUT]);
	close_fd(&r->out[RUNNER_STDERR]);
	close_fd(&r->poll);
	close_fd(&r->control);
	free(r);
}

/* ---- input and output ---- */

static bool read_one(struct runner *r, enum runner_stream stream, char *out, size_t *ret_n)
{
	ssize_t n;

	if (r->ended[stream]) {
		return false;
	}
	n = read(r->out[stream], out, RUNNER_CHUNK);
	if (n > 0) {
		*ret_n = (size_t)n;
		return true;
	}
	/* A pty whose last slave was closed says EIO (pty(7)). */
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		(void)epoll_ctl(r->poll, EPOLL_CTL_DEL, r->out[stream], NULL);
		r->ended[stream] = true;
	}
	return false;
}

enum err_code runner_read(struct runner *r, char out[RUNNER_CHUNK], uint64_t timeout_ms,
                          size_t *ret_n, enum runner_stream *ret_stream)
{
	/* Who always has more to say would keep the loop from all else, as a lease's renewal. */
	(void)fiber_yield();
	for (;;) {
		struct epoll_event events[2];
		enum err_code code;

		for (int i = 0; i < 2; i++) {
			enum runner_stream stream = r->turn;

			r->turn = stream == RUNNER_STDOUT ? RUNNER_STDERR : RUNNER_STDOUT;
			if (read_one(r, stream, out, ret_n)) {
				*ret_stream = stream;
				return ERR_OK;
			}
		}
		if (r->ended[RUNNER_STDOUT] && r->ended[RUNNER_STDERR]) {
			*ret_n = 0;
			*ret_stream = RUNNER_STDOUT;
			return ERR_OK;
		}
		code = fiber_wait_fd(r->poll, FIBER_READ, timeout_ms);
		if (code != ERR_OK) {
			return code;
		}
		(void)epoll_wait(r->poll, events, (int)ARRAY_LEN(events), 0);
	}
}

enum err_code runner_write_stdin(struct runner *r, struct str bytes, uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms() + timeout_ms, now;
	enum err_code code;

	while (bytes.n > 0) {
		ssize_t n = r->in >= 0 ? write(r->in, bytes.p, bytes.n) : -1;

		if (n > 0) {
			bytes.p += n;
			bytes.n -= (size_t)n;
			continue;
		}
		if (r->in < 0 || (errno != EAGAIN && errno != EINTR)) {
			return ERR_GONE;
		}
		now = clock_mono_ms();
		if (now >= until) {
			return ERR_TIMEOUT;
		}
		code = fiber_wait_fd(r->in, FIBER_WRITE, until - now);
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

void runner_close_stdin(struct runner *r)
{
	static const char end_of_file = 4; /* ^D, VEOF of a new terminal */

	if (!r->pty) {
		close_fd(&r->in);
	} else if (r->in >= 0) {
		(void)!write(r->in, &end_of_file, 1);
	}
}

void runner_resize(struct runner *r, unsigned short columns, unsigned short rows)
{
	const struct winsize size = { .ws_row = rows, .ws_col = columns };

	if (r->pty && r->in >= 0) {
		(void)ioctl(r->in, TIOCSWINSZ, &size);
	}
}

/* ---- control ---- */

void runner_renew(struct runner *r, uint64_t lease_until_ms)
{
	tell(r, GUARD_DEADLINE, boot_time_of(lease_until_ms));
}

static enum err_code ask(struct runner *r, enum guard_verb verb, uint64_t timeout_ms)
{
	uint64_t before = r->answers;
	enum err_code code = ERR_OK;

	tell(r, verb, 0);
	while (code == ERR_OK && r->answers == before && !r->exited && !r->gone && !r->lost) {
		code = fiber_signal_wait(&r->changed, timeout_ms);
	}
	if (r->answers == before && (r->exited || r->gone || r->lost)) {
		return ERR_GONE;
	}
	return code;
}

enum err_code runner_freeze(struct runner *r, uint64_t timeout_ms)
{
	enum err_code code = ask(r, GUARD_FREEZE, timeout_ms);

	/* An answer may be that of a lease renewed just before; the next one is ours. */
	while (code == ERR_OK && !r->frozen && !r->exited && !r->lost) {
		code = fiber_signal_wait(&r->changed, timeout_ms);
	}
	return code;
}

enum err_code runner_thaw(struct runner *r, uint64_t timeout_ms)
{
	enum err_code code = ask(r, GUARD_THAW, timeout_ms);

	return code == ERR_OK && r->frozen ? ERR_CONFLICT : code;
}

bool runner_is_frozen(const struct runner *r)
{
	return r->frozen;
}

void runner_signal(struct runner *r, int signo)
{
	tell(r, GUARD_SIGNAL, (uint64_t)signo);
}

void runner_stop(struct runner *r, uint64_t grace_ms)
{
	tell(r, GUARD_STOP, grace_ms);
}

void runner_kill(struct runner *r)
{
	tell(r, GUARD_KILL, 0);
}

void runner_fenced(struct runner *r)
{
	tell(r, GUARD_FENCED, 0);
}

bool runner_exit_of(const struct runner *r, struct runner_exit *ret)
{
	*ret = r->exit;
	return r->exited;
}

void runner_on_end(struct runner *r, void (*ended)(void *arg), void *arg)
{
	r->arg = arg;
	r->on_end = ended;
	if (r->exited || r->lost) {
		r->on_end = NULL;
		ended(arg);
	}
}

enum err_code runner_wait_exit(struct runner *r, uint64_t timeout_ms, struct runner_exit *ret)
{
	enum err_code code = ERR_OK;

	while (code == ERR_OK && !r->exited && !r->lost) {
		code = fiber_signal_wait(&r->changed, timeout_ms);
	}
	if (r->exited) {
		*ret = r->exit;
		return ERR_OK;
	}
	return r->lost ? ERR_BACKEND : code;
}

enum err_code runner_wait_gone(struct runner *r, uint64_t timeout_ms)
{
	enum err_code code = ERR_OK;

	while (code == ERR_OK && !r->gone && !r->lost) {
		code = fiber_signal_wait(&r->changed, timeout_ms);
	}
	return r->gone || r->lost ? ERR_OK : code;
}
