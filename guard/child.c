#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "guard/cage.h"
#include "guard/guard.h"

enum {
	ENV_BYTES_MAX = 2 * 1024 * 1024, /* what execve() takes at most on a default stack */
	CHILD_FAILED = 127,
	OOM_SCORE_ADJ = 500, /* under memory pressure the command goes, not its guard */
	NICE = 5,            /* on a busy host it waits, not the worker that renews its lease */
};

static void fail(int report_fd, const char *what) __attribute__((noreturn));

static void fail(int report_fd, const char *what)
{
	(void)dprintf(report_fd, "%s: %s", what, strerror(errno));
	_exit(CHILD_FAILED);
}

/* The bytes of the environment: returned NUL-terminated, owned by the caller (who is about to
 * exec). */
static char *read_environment(int fd, size_t *ret_len)
{
	char *bytes = NULL;
	struct stat st;
	size_t len = 0;

	if (fstat(fd, &st) != 0 || st.st_size < 0 || st.st_size > ENV_BYTES_MAX) {
		errno = E2BIG;
		return NULL;
	}
	bytes = mem_calloc(1, (size_t)st.st_size + 1);
	while (len < (size_t)st.st_size) {
		ssize_t n = pread(fd, bytes + len, (size_t)st.st_size - len, (off_t)len);

		if (n <= 0) {
			free(bytes);
			return NULL;
		}
		len += (size_t)n;
	}
	*ret_len = len;
	return bytes;
}

static char **split_environment(char *bytes, size_t len)
{
	size_t count = 0;
	char **env;

	for (size_t at = 0; at < len; at += strlen(bytes + at) + 1) {
		count++;
	}
	env = mem_calloc(count + 1, sizeof(*env));
	count = 0;
	for (size_t at = 0; at < len; at += strlen(bytes + at) + 1) {
		env[count++] = bytes + at;
	}
	return env;
}

static bool set_limit(int resource, uint64_t max)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0) {
		return false;
	}
	limit.rlim_cur = limit.rlim_max = limit.rlim_max < max ? limit.rlim_max : max;
	return setrlimit(resource, &limit) == 0;
}

static void limit_resources(const struct guard_options *options, int report_fd)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) { /* not being allowed to is no reason not to run */
		(void)dprintf(fd, "%d", OOM_SCORE_ADJ);
		(void)close(fd);
	}
	(void)!nice(NICE);
	if (!set_limit(RLIMIT_CORE, 0) ||
	    (options->nproc_max > 0 && !set_limit(RLIMIT_NPROC, options->nproc_max)) ||
	    (options->nofile_max > 0 && !set_limit(RLIMIT_NOFILE, options->nofile_max))) {
		fail(report_fd, "setrlimit");
	}
}

static void drop_privileges(const struct guard_options *options, int report_fd)
{
	if (options->drop &&
	    (setgroups(0, NULL) != 0 || setresgid(options->gid, options->gid, options->gid) != 0 ||
	     setresuid(options->uid, options->uid, options->uid) != 0)) {
		fail(report_fd, "change to the agent's user");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		fail(report_fd, "set no_new_privs");
	}
	/* A second line only: it is lost at the command's own fork(), and the subreaper is the
	 * first. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* bubblewrap passes no signal on: if it died of one, what runs in it would seem to have ended. */
static void reset_signals(bool wrapped)
{
	const int asking[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++) {
		(void)signal(signo, SIG_DFL);
	}
	for (size_t i = 0; i < ARRAY_LEN(asking) && wrapped; i++) {
		(void)signal(asking[i], SIG_IGN);
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* execvp() answers EACCES when it may not search a folder of PATH, although the program is nowhere.
 */
static bool is_nowhere(const char *name)
{
	const char *path = getenv("PATH");
	struct str rest = str_of(path != NULL ? path : "");
	char file[PATH_MAX];

	if (strchr(name, '/') != NULL) {
		return false;
	}
	while (rest.n > 0) {
		struct str folder = str_split(&rest, ':');

		if (snprintf(file, sizeof(file), "%" STR_FMT "/%s", STR_ARG(folder), name) <
		            (int)sizeof(file) &&
		    access(file, F_OK) == 0) {
			return false;
		}
	}
	return true;
}

void guard_child(const struct guard_options *options, const struct cage *cage, int report_fd)
{
	size_t len = 0;
	char *bytes = read_environment(options->env_fd, &len);
	int why;

	if (bytes == NULL) {
		fail(report_fd, "read the environment");
	}
	if (setsid() < 0 || (options->pty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0)) {
		fail(report_fd, "open a session");
	}
	if (!cage_join(cage)) { /* its user may not */
		fail(report_fd, "join the session's cgroup");
	}
	limit_resources(options, report_fd);
	drop_privileges(options, report_fd);
	if (chdir(options->cwd) != 0) {
		fail(report_fd, options->cwd);
	}
	(void)umask(022);
	reset_signals(options->wrapped);

	/* The report closes itself at a successful exec. */
	if (dup3(report_fd, STDERR_FILENO + 1, O_CLOEXEC) < 0 && report_fd != STDERR_FILENO + 1) {
		fail(report_fd, "dup3");
	}
	(void)syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0); /* musl has no close_range() */
	environ = split_environment(bytes, len);
	(void)execvp(options->argv[0], options->argv);
	why = errno;
	errno = why == EACCES && is_nowhere(options->argv[0]) ? ENOENT : why;
	fail(STDERR_FILENO + 1, options->argv[0]);
}
