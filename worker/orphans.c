#include "worker/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/str.h"
#include "log/log.h"
#include "loop/fiber.h"

enum { PATH_SIZE = 512, CMDLINE_MAX = 4096, KILL_WAIT_MS = 10000 };

enum err_code orphans_lock(const char *state_dir, struct err *err)
{
	char path[PATH_SIZE];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/lock", state_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)close(fd);
		return err_set(err, ERR_CONFLICT, "%s: another worker uses this directory", path);
	}
	return ERR_OK; /* the descriptor stays open */
}

/* Whether a command line is that of a guard whose --cwd is below dir. */
static bool is_guard_of(struct str cmdline, const char *dir)
{
	struct str program = str_split(&cmdline, '\0');
	size_t n = strlen(dir);

	if (!str_ends(program, STR_LIT("fairlead-guard"))) {
		return false;
	}
	while (cmdline.n > 0) {
		struct str word = str_split(&cmdline, '\0');

		if (str_eq(word, STR_LIT("--"))) {
			return false; /* the rest is the agent's */
		}
		if (str_eq(word, STR_LIT("--cwd"))) {
			word = str_split(&cmdline, '\0');
			return word.n > n && memcmp(word.p, dir, n) == 0 && word.p[n] == '/';
		}
	}
	return false;
}

static bool guards(pid_t pid, const char *dir)
{
	char path[64], cmdline[CMDLINE_MAX];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	n = read(fd, cmdline, sizeof(cmdline));
	(void)close(fd);
	return n > 0 && is_guard_of(str_make(cmdline, (size_t)n), dir);
}

static int send_signal(int pidfd, int signo)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

/* The pidfd was opened first, so what is signalled is what was looked at. The guard ends its agent
 * before itself; killed, it would leave the agent alone. */
static bool end_one(pid_t pid, const char *dir, uint64_t grace_ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool gone = true;

	if (pidfd < 0) {
		return true;
	}
	if (guards(pid, dir)) {
		log_info("orphan.ending", "pid=%d", (int)pid);
		(void)send_signal(pidfd, SIGTERM);
		gone = fiber_wait_fd(pidfd, FIBER_READ, grace_ms + KILL_WAIT_MS) == ERR_OK;
	}
	(void)close(pidfd);
	return gone;
}

enum err_code orphans_end(const char *dir, uint64_t grace_ms, struct err *err)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	uint64_t pid;
	bool gone = true;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (parse_u64(str_of(entry->d_name), INT32_MAX, &pid)) {
			gone = end_one((pid_t)pid, dir, grace_ms) && gone;
		}
	}
	if (proc != NULL) {
		(void)closedir(proc);
	}
	return gone ? ERR_OK : err_set(err, ERR_TIMEOUT, "agents of an earlier worker do not end");
}
