#include "cli/service.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/home.h"
#include "log/log.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 5000,
	YOUNG_MS = 10000,
	LOOK_MS = 100,
	DAY_MS = 86400000
};

/* Where the next string goes; one more stays free for the NULL at the end. */
static size_t next_slot(const char *const *list, size_t size)
{
	size_t i = 0;

	while (list[i] != NULL) {
		i++;
	}
	assert(i + 1 < size);
	return i;
}

void service_env(struct service *service, const char *pair)
{
	service->env[next_slot(service->env, SERVICE_ENV_MAX)] = pair;
}

void service_arg(struct service *service, const char *arg)
{
	service->argv[next_slot(service->argv, SERVICE_ARGS_MAX)] = arg;
}

/* In the child, between fork and exec: becomes the user, then asks for the signal (a change of
 * credentials clears it), then makes sure that the supervisor had not died before that. */
static bool become(const struct service *service, pid_t supervisor)
{
	const struct home_user *user = service->user;

	if (user != NULL && geteuid() == 0 &&
	    (initgroups(user->name, user->gid) != 0 || setgid(user->gid) != 0 ||
	     setuid(user->uid) != 0)) {
		return false;
	}
	return prctl(PR_SET_PDEATHSIG, service->stop_signal) == 0 && getppid() == supervisor;
}

/* A child that is about to exec need not free anything. */
static char *own(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

static void child(const struct service *service, const char *flag, int log_fd, pid_t supervisor)
{
	char *argv[SERVICE_ARGS_MAX + 2];
	size_t args = 0;
	int null_fd = open("/dev/null", O_RDONLY);
	/* Its folder may be closed to the user that it becomes: a clone in /root is. */
	int program = strchr(service->argv[0], '/') != NULL
	                      ? open(service->argv[0], O_PATH | O_CLOEXEC)
	                      : -1; /* one of PATH, never of the folder that we are in */
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setpgid(0, 0); /* a Ctrl-C at the terminal is the supervisor's business */
	if (dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0 ||
	    !become(service, supervisor)) {
		_exit(126);
	}
	if (chdir("/") != 0) {
		_exit(126);
	}
	for (size_t i = 0; service->env[i] != NULL; i++) {
		(void)putenv(own(service->env[i]));
	}
	while (service->argv[args] != NULL) {
		argv[args] = own(service->argv[args]);
		args++;
	}
	argv[args++] = own(flag);
	argv[args] = NULL;
	(void)execvp(service->argv[0], argv);
	if (errno == EACCES && program >= 0) {
		(void)fexecve(program, argv, environ);
	}
	(void)fprintf(stderr, "cannot run %s: %s\n", service->argv[0], strerror(errno));
	_exit(127);
}

/* flag: one more argument, or NULL. */
static enum err_code launch(const struct service *service, const char *flag, pid_t *ret_pid,
                            struct err *err)
{
	pid_t supervisor = getpid();
	int log_fd = open(service->log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
	                  0640);

	if (log_fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot open %s: %s", service->log_path,
		               strerror(errno));
	}
	*ret_pid = fork();
	if (*ret_pid == 0) {
		child(service, flag, log_fd, supervisor);
	}
	(void)close(log_fd);
	if (*ret_pid < 0) {
		*ret_pid = 0;
		return err_set(err, ERR_UNAVAILABLE, "cannot start %s: %s", service->name,
		               strerror(errno));
	}
	return ERR_OK;
}

static enum err_code start(struct service *service, struct err *err)
{
	enum err_code code = launch(service, NULL, &service->pid, err);

	if (code == ERR_OK) {
		service->started_us = clock_wall_us();
	}
	return code;
}

static void describe(struct service *service, int status)
{
	if (WIFEXITED(status)) {
		(void)snprintf(service->why, sizeof(service->why), "exited with %d",
		               WEXITSTATUS(status));
	} else {
		(void)snprintf(service->why, sizeof(service->why), "killed by signal %d",
		               WTERMSIG(status));
	}
}

/* Wait for the end of the child. False: the time is up and it still runs. */
static bool reap(struct service *service, uint64_t timeout_ms, int *ret_status)
{
	int fd = pidfd_open(service->pid, 0);
	bool ended = fd >= 0 && fiber_wait_fd(fd, FIBER_READ, timeout_ms) == ERR_OK;

	if (fd >= 0) {
		(void)close(fd);
	} else {
		/* Without a descriptor to spare: looked at now and then, never in a spin. */
		(void)fiber_sleep(timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS);
	}
	/* Asked in any case: the child may have ended when the wait did. */
	ended = waitpid(service->pid, ret_status, ended ? 0 : WNOHANG) == service->pid;
	if (ended) {
		describe(service, *ret_status);
		service->pid = 0;
		fiber_signal_raise(&service->ended);
	}
	return ended;
}

/* Full jitter would serve many clients of one server; here one child restarts, so plain doubling.
 */
static unsigned next_backoff(uint64_t lived_ms, unsigned last_ms)
{
	if (lived_ms >= YOUNG_MS || last_ms == 0) {
		return BACKOFF_FIRST_MS;
	}
	return last_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : last_ms * 2;
}

/* The child has ended: is there one that has taken over from it? */
static bool is_succeeded(struct service *service)
{
	if (service->successor == 0 || service->stopping) {
		return false;
	}
	service->pid = service->successor;
	service->successor = 0;
	service->started_us = clock_wall_us();
	log_info("service.replaced", "service=%s pid=%ld before=\"%s\"", service->name,
	         (long)service->pid, service->why);
	return true;
}

/* Start it and stay until its end, and that of its successors. */
static void live_once(struct service *service)
{
	struct err err;
	int status;

	if (start(service, &err) != ERR_OK) {
		(void)snprintf(service->why, sizeof(service->why), "%s", err.msg);
		return;
	}
	log_info("service.started", "service=%s pid=%ld", service->name, (long)service->pid);
	do {
		while (!reap(service, DAY_MS, &status) && !fiber_cancelled()) {
		}
	} while (service->pid == 0 && is_succeeded(service));
}

void service_keep(void *arg)
{
	struct service *service = arg;
	unsigned backoff_ms = 0;

	while (!service->stopping && !fiber_cancelled()) {
		uint64_t begun_ms = clock_mono_ms();

		live_once(service);
		if (service->stopping || fiber_cancelled()) {
			break;
		}
		backoff_ms = next_backoff(clock_mono_ms() - begun_ms, backoff_ms);
		service->restarts++;
		log_warn("service.died", "service=%s how=%s restart_in_ms=%u", service->name,
		         service->why, backoff_ms);
		(void)fiber_sleep(backoff_ms);
	}
}

static bool wait_gone(struct service *service, uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms() + timeout_ms, now;

	while (service->pid != 0 && (now = clock_mono_ms()) < until) {
		if (fiber_signal_wait(&service->ended, until - now) != ERR_OK &&
		    fiber_cancelled()) {
			break;
		}
	}
	return service->pid == 0;
}

/* Has it ended? */
static bool is_gone(pid_t pid, uint64_t within_ms)
{
	int fd = pidfd_open(pid, 0), status;

	if (fd >= 0) {
		(void)!fiber_wait_fd(fd, FIBER_READ, within_ms);
		(void)close(fd);
	}
	return waitpid(pid, &status, WNOHANG) == pid;
}

/* It did not become the child: it must not go on beside it. */
static enum err_code give_up(struct service *service, struct err *err)
{
	pid_t pid = service->successor;

	service->successor = 0;
	(void)kill(pid, SIGKILL);
	while (!is_gone(pid, LOOK_MS) && !fiber_cancelled()) {
	}
	return err_set(err, ERR_TIMEOUT, "its successor does not take over");
}

enum err_code service_replace(struct service *service, const char *flag, uint64_t timeout_ms,
                              struct err *err)
{
	uint64_t until = clock_mono_ms() + timeout_ms;
	enum err_code code;
	pid_t pid;

	if (service->pid == 0 || service->successor != 0 || service->stopping) {
		return err_set(err, ERR_UNAVAILABLE, "it is not running, or being replaced");
	}
	if ((code = launch(service, flag, &service->successor, err)) != ERR_OK) {
		return code;
	}
	pid = service->successor;
	while (service->successor == pid) {
		if (is_gone(pid, LOOK_MS)) {
			service->successor = 0;
			return err_set(err, ERR_BACKEND, "its successor has ended; see %s",
			               service->log_path);
		}
		if (clock_mono_ms() > until || service->stopping || fiber_cancelled()) {
			return give_up(service, err);
		}
	}
	return ERR_OK;
}

void service_stop(struct service *service)
{
	service->stopping = true;
	if (service->pid == 0) {
		return;
	}
	(void)kill(service->pid, service->stop_signal);
	if (!wait_gone(service, service->stop_ms)) {
		log_warn("service.killed", "service=%s after_ms=%u", service->name,
		         service->stop_ms);
		(void)kill(service->pid, SIGKILL);
		(void)wait_gone(service, SERVICE_KILLED_MS);
	}
}

/* The last line of its log is the best reason there is. */
static void last_line(const struct service *service, char out[ERR_MSG_MAX])
{
	char tail[1024];
	int fd = open(service->log_path, O_RDONLY | O_CLOEXEC);
	off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	ssize_t n = end > 0 ? pread(fd, tail, sizeof(tail), end > 1024 ? end - 1024 : 0) : 0;
	struct str rest = str_make(tail, n > 0 ? (size_t)n : 0), line = { "", 0 };

	while (rest.n > 0) {
		struct str next = str_trim(str_split(&rest, '\n'));

		line = next.n > 0 ? next : line;
	}
	(void)snprintf(out, ERR_MSG_MAX, "%" STR_FMT, STR_ARG(line));
	if (fd >= 0) {
		(void)close(fd);
	}
}

enum err_code service_run(struct service *service, uint64_t timeout_ms, struct err *err)
{
	char line[ERR_MSG_MAX];
	int status = 0;
	enum err_code code = start(service, err);

	if (code != ERR_OK) {
		return code;
	}
	if (!reap(service, timeout_ms, &status)) {
		(void)kill(service->pid, SIGKILL);
		while (!reap(service, 1000, &status)) {
		}
		return err_set(err, ERR_TIMEOUT, "%s did not end within %llu s", service->name,
		               (unsigned long long)timeout_ms / 1000);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		last_line(service, line);
		return err_set(err, ERR_BACKEND, "%s %s: %s", service->name, service->why, line);
	}
	return ERR_OK;
}
