#include "cli/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { PIECE = 1024, EXIT_NO_TOOL = 127 };

static bool is_there(void)
{
	const char *bus = getenv("DBUS_SESSION_BUS_ADDRESS"), *no = getenv("FAIRLEAD_NO_KEYRING");

	return bus != NULL && bus[0] != '\0' && (no == NULL || no[0] == '\0');
}

static void be_tool(int fd, const char *const *argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	/* execvp() takes no const, and changes nothing. */
	(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(EXIT_NO_TOOL);
}

/* What it says, until it ends; it may wait for somebody who unlocks the keyring, and not for ever.
 */
static void listen_to(int fd, struct buf *out)
{
	uint64_t until = clock_mono_ms() + KEYRING_TIMEOUT_MS, now;
	char piece[PIECE];

	while ((now = clock_mono_ms()) < until) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&ready, 1, (int)(until - now)) <= 0) {
			continue;
		}
		n = read(fd, piece, sizeof(piece));
		if (n <= 0) {
			return;
		}
		if (out != NULL) {
			buf_add(out, piece, (size_t)n);
		}
	}
}

static bool ended_well(pid_t pid)
{
	int status = 0;
	pid_t got = waitpid(pid, &status, WNOHANG);

	for (int i = 0; got == 0 && i < PIECE; i++) {
		/* Its output is closed: it is about to end, or hangs. */
		(void)kill(pid, i > 0 ? SIGKILL : SIGTERM);
		got = waitpid(pid, &status, 0);
	}
	return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run(const char *const *argv, struct str in, struct buf *out)
{
	int pair[2];
	pid_t pid;

	if (!is_there() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		return false;
	}
	pid = fork();
	if (pid == 0) {
		be_tool(pair[1], argv);
	}
	(void)close(pair[1]);
	if (pid > 0) {
		(void)send(pair[0], in.p, in.n, MSG_NOSIGNAL);
		(void)shutdown(pair[0], SHUT_WR);
		listen_to(pair[0], out);
	}
	(void)close(pair[0]);
	return pid > 0 && ended_well(pid);
}

bool keyring_store(const char *server, struct str secret)
{
	const char *const argv[] = { "secret-tool", "store",    "--label=Fairlead",
		                     "service",     "fairlead", "server",
		                     server,        NULL };

	return run(argv, secret, NULL);
}

bool keyring_find(const char *server, struct buf *out)
{
	const char *const argv[] = { "secret-tool", "lookup", "service", "fairlead",
		                     "server",      server,   NULL };

	return run(argv, STR_LIT(""), out) && out->len > 0 && !buf_failed(out);
}

void keyring_clear(const char *server)
{
	const char *const argv[] = { "secret-tool", "clear", "service", "fairlead",
		                     "server",      server,  NULL };

	(void)run(argv, STR_LIT(""), NULL);
}
