#include "guard/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard/cage.h"
#include "guard/protocol.h"
#include "guard/tree.h"

enum {
	RECHECK_MS = 250, /* between two looks at what is frozen */
	KILL_MS = 20,     /* between two rounds of killing */
	OOM_SCORE_ADJ = -900,
	STACK_MARGIN = 512, /* of rest() itself, and what it calls */
	STACK_DEPTH = 64 * 1024,
};

/* Why everything is stopped; it runs when no reason is left. */
enum { FROZEN_PAUSE = 1, FROZEN_LEASE = 2 };

enum guard_phase {
	GUARD_RUNNING,
	GUARD_STOPPING, /* SIGTERM was sent; SIGKILL follows at kill_at */
	GUARD_KILLING,  /* in rounds, until no child is left */
};

struct guard {
	const struct guard_options *options;
	int control; /* -1: the worker is gone */
	int signals;
	int timer;
	struct guard_reader reader;
	struct tree tree;
	struct cage cage;
	pid_t child;
	bool exited;
	enum guard_phase phase;
	unsigned frozen;
	uint64_t deadline;  /* 0: none */
	uint64_t closed_at; /* when the worker was lost */
	uint64_t kill_at;
	uint64_t look_at; /* the next look at the frozen, or round of killing */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Never waits for the worker: one that sends without reading loses answers, not its guard. */
static void tell(struct guard *g, const struct guard_message *message)
{
	char line[GUARD_LINE_MAX + 1];
	size_t len = guard_format(message, line);

	if (g->control >= 0) {
		(void)send(g->control, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

static void tell_verb(struct guard *g, enum guard_verb verb)
{
	const struct guard_message message = { .verb = verb };

	tell(g, &message);
}

static void freeze(struct guard *g, unsigned reason)
{
	g->frozen |= reason;
	/* The walk first: in a frozen cgroup a process takes no signal, so it would never seem to
	 * have stopped. */
	tree_freeze(&g->tree);
	cage_freeze(&g->cage);
	g->look_at = now_ms() + RECHECK_MS;
	tell_verb(g, GUARD_FROZEN);
}

static void let_run(struct guard *g)
{
	g->frozen = 0;
	cage_thaw(&g->cage);
	tree_thaw(&g->tree);
}

static void thaw(struct guard *g, unsigned reason)
{
	g->frozen &= ~reason;
	if (g->frozen == 0) {
		let_run(g);
		tell_verb(g, GUARD_THAWED);
	} else {
		tell_verb(g, GUARD_FROZEN);
	}
}

static void start_killing(struct guard *g)
{
	g->phase = GUARD_KILLING;
	g->look_at = 0;
}

/* Once the lease is over nothing may run any more, not even to say goodbye. */
static void start_stopping(struct guard *g, uint64_t grace_ms)
{
	if (g->phase == GUARD_KILLING) {
		return;
	}
	if (grace_ms == 0 || (g->frozen & FROZEN_LEASE) != 0) {
		start_killing(g);
		return;
	}
	g->kill_at = now_ms() + grace_ms;
	g->phase = GUARD_STOPPING;
	tree_signal(&g->tree, SIGTERM);
	let_run(g);
}

static void forward_signal(const struct guard *g, uint64_t signo)
{
	if (!g->exited && g->child > 0 && signo > 0 && signo < NSIG) {
		(void)kill(-g->child, (int)signo);
	}
}

static void renew(struct guard *g, uint64_t deadline)
{
	g->deadline = deadline;
	if ((g->frozen & FROZEN_LEASE) != 0 && (deadline == 0 || deadline > now_ms())) {
		thaw(g, FROZEN_LEASE);
	}
}

static void obey(struct guard *g, const struct guard_message *message)
{
	switch (message->verb) {
	case GUARD_DEADLINE: renew(g, message->number); break;
	case GUARD_FREEZE:
		if (g->phase == GUARD_RUNNING) {
			freeze(g, FROZEN_PAUSE);
		}
		break;
	case GUARD_THAW: thaw(g, FROZEN_PAUSE); break;
	case GUARD_SIGNAL: forward_signal(g, message->number); break;
	case GUARD_STOP: start_stopping(g, message->number); break;
	case GUARD_KILL:
	case GUARD_FENCED: start_killing(g); break;
	case GUARD_STARTED:
	case GUARD_LATE:
	case GUARD_EXITED:
	case GUARD_FROZEN:
	case GUARD_THAWED:
	case GUARD_GONE:
	case GUARD_ERROR:
	case GUARD_VERB_COUNT: break;
	}
}

static void lose_worker(struct guard *g)
{
	(void)close(g->control);
	g->control = -1;
	g->closed_at = now_ms();
	if (g->deadline == 0) {
		g->deadline = g->closed_at;
	}
}

static void on_control(struct guard *g)
{
	char bytes[GUARD_LINE_MAX];
	ssize_t n = recv(g->control, bytes, sizeof(bytes), MSG_DONTWAIT);
	struct str in = str_make(bytes, n > 0 ? (size_t)n : 0);
	struct guard_message message;
	enum guard_read got;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		lose_worker(g);
		return;
	}
	while ((got = guard_next(&g->reader, &in, &message)) != GUARD_READ_MORE) {
		if (got == GUARD_READ_MESSAGE) {
			obey(g, &message);
		}
	}
}

static void on_signal(struct guard *g)
{
	struct signalfd_siginfo info;

	while (read(g->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM) { /* the host is going down */
			start_stopping(g, g->options->grace_ms);
		}
	}
}

/* What the command leaves behind gets the same grace as itself. */
static void on_exit_of_command(struct guard *g, const siginfo_t *info)
{
	const struct guard_message message = {
		.verb = GUARD_EXITED,
		.number = (uint64_t)info->si_status,
		.by_signal = info->si_code != CLD_EXITED,
	};

	g->exited = true;
	tell(g, &message);
	if (g->phase == GUARD_RUNNING) {
		start_stopping(g, g->options->grace_ms);
	}
}

/* False when no descendant is left: whoever loses its parent becomes a child of ours. */
static bool reap(struct guard *g)
{
	for (;;) {
		siginfo_t info = { 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0) {
			return errno != ECHILD;
		}
		if (info.si_pid == 0) {
			return true;
		}
		if (info.si_pid == g->child) {
			on_exit_of_command(g, &info);
		}
	}
}

static uint64_t orphan_end(const struct guard *g)
{
	uint64_t from = g->deadline > g->closed_at ? g->deadline : g->closed_at;

	return from + g->options->orphan_ms;
}

static void act_running(struct guard *g, uint64_t now)
{
	if (g->deadline != 0 && now >= g->deadline && (g->frozen & FROZEN_LEASE) == 0) {
		freeze(g, FROZEN_LEASE);
	} else if (g->frozen != 0 && now >= g->look_at) {
		if (!g->cage.frozen) { /* else nobody can have continued one */
			tree_freeze(&g->tree);
		}
		g->look_at = now + RECHECK_MS;
	}
	if (g->control < 0 && now >= orphan_end(g)) {
		start_killing(g);
	}
}

static void act(struct guard *g, uint64_t now)
{
	switch (g->phase) {
	case GUARD_RUNNING: act_running(g, now); break;
	case GUARD_STOPPING:
		if (now >= g->kill_at || (g->deadline != 0 && now >= g->deadline)) {
			start_killing(g);
		}
		break;
	case GUARD_KILLING: break;
	}
	if (g->phase == GUARD_KILLING && now >= g->look_at) {
		cage_kill(&g->cage);
		tree_kill(&g->tree);
		g->look_at = now + KILL_MS;
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_time(const struct guard *g)
{
	uint64_t at = UINT64_MAX;

	switch (g->phase) {
	case GUARD_RUNNING:
		if (g->deadline != 0 && (g->frozen & FROZEN_LEASE) == 0) {
			at = g->deadline;
		}
		if (g->frozen != 0) {
			at = earlier(at, g->look_at);
		}
		return g->control < 0 ? earlier(at, orphan_end(g)) : at;
	case GUARD_STOPPING:
		return g->deadline != 0 ? earlier(g->kill_at, g->deadline) : g->kill_at;
	case GUARD_KILLING: return g->look_at;
	}
	return at;
}

static void arm(const struct guard *g)
{
	uint64_t at = next_time(g);
	struct itimerspec spec = { 0 };

	if (at != UINT64_MAX) {
		spec.it_value.tv_sec = (time_t)(at / 1000);
		/* Not all zero: that would disarm it. */
		spec.it_value.tv_nsec = (long)(at % 1000 * 1000000 + 1);
	}
	(void)timerfd_settime(g->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void watch(struct guard *g)
{
	while (reap(g)) {
		struct pollfd fds[] = {
			{ .fd = g->signals, .events = POLLIN },
			{ .fd = g->timer, .events = POLLIN },
			{ .fd = g->control, .events = POLLIN },
		};
		uint64_t expirations;

		act(g, now_ms());
		arm(g);
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0) {
			continue;
		}
		if (fds[0].revents != 0) {
			on_signal(g);
		}
		if (fds[1].revents != 0) {
			(void)!read(g->timer, &expirations, sizeof(expirations));
		}
		if (fds[2].revents != 0) {
			on_control(g);
		}
	}
	cage_close(&g->cage); /* before it is told: the session's own is removed then */
	tell_verb(g, GUARD_GONE);
}

/* Only the command holds the pipes and the terminal: their end is the end of all descendants. */
static void release_stdio(const struct guard_options *options)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++) {
		(void)dup2(null, fd);
	}
	if (null > STDERR_FILENO) {
		(void)close(null);
	}
	(void)close(options->env_fd);
}

static bool refuse(struct guard *g, const char *what)
{
	struct guard_message message = { .verb = GUARD_ERROR };

	(void)snprintf(message.text, sizeof(message.text), "%s: %s", what, strerror(errno));
	tell(g, &message);
	return false;
}

static bool start_command(struct guard *g)
{
	const struct guard_options *options = g->options;
	struct guard_message message = { .verb = GUARD_ERROR };
	int report[2];
	ssize_t n;

	if (options->pty && options->drop &&
	    (fchown(STDIN_FILENO, options->uid, options->gid) != 0 ||
	     fchmod(STDIN_FILENO, 0620) != 0)) {
		return refuse(g, "chown the terminal");
	}
	if (!cage_open(&g->cage, options->cgroup)) {
		return refuse(g, "make a cgroup for it");
	}
	if (pipe2(report, O_CLOEXEC) != 0 || (g->child = fork()) < 0) {
		return refuse(g, "fork");
	}
	if (g->child == 0) {
		(void)close(report[0]);
		guard_child(options, &g->cage, report[1]);
	}
	(void)close(report[1]);
	release_stdio(options);
	while ((n = read(report[0], message.text, GUARD_TEXT_MAX)) < 0 && errno == EINTR) {
	}
	(void)close(report[0]);
	if (n > 0) {
		tell(g, &message);
		return true; /* the child is still to be reaped */
	}
	message.verb = GUARD_STARTED;
	message.number = (uint64_t)g->child;
	tell(g, &message);
	return true;
}

/* What starting took of the stack is not kept for as long as the command runs: there is a guard for
 * each. Not inline: what lies above its frame is its caller's, and stays. */
static void __attribute__((noinline)) rest(void)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	const uintptr_t end = (here - STACK_MARGIN) / page * page;

	(void)madvise((void *)(end - STACK_DEPTH), STACK_DEPTH, MADV_DONTNEED);
}

int guard_run(const struct guard_options *options)
{
	struct guard g = {
		.options = options,
		.control = options->control_fd,
		.deadline = options->deadline_ms,
		.phase = GUARD_RUNNING,
		.cage = { .parent = -1, .dir = -1 },
	};
	sigset_t all, watched;

	int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)setsid(); /* what the worker's terminal gets is not for us */
	if (oom >= 0) { /* only root may; without the guard nobody watches its command */
		(void)dprintf(oom, "%d", OOM_SCORE_ADJ);
		(void)close(oom);
	}
	(void)fcntl(g.control, F_SETFD, FD_CLOEXEC);
	(void)fcntl(options->env_fd, F_SETFD, FD_CLOEXEC);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)sigemptyset(&watched);
	(void)sigaddset(&watched, SIGCHLD);
	(void)sigaddset(&watched, SIGTERM);
	g.signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	g.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (g.signals < 0 || g.timer < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
		(void)refuse(&g, "guard");
		return GUARD_EXIT_USAGE;
	}
	if (g.deadline != 0 && now_ms() >= g.deadline) {
		tell_verb(&g, GUARD_LATE); /* frozen at once it would have run a little */
	} else if (start_command(&g)) {
		rest();
		watch(&g);
	}
	cage_close(&g.cage);
	tree_fini(&g.tree);
	return GUARD_EXIT_OK;
}
