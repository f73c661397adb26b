#include "node/systemd.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

enum { STATE_MAX = 64, SOCKETS_MAX = 256 };

static int notify_fd = -1;

/* "/path", or "@name" in the abstract namespace (unix(7)). */
static int connect_to(struct str name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name.n);
	int fd;

	if (name.n < 2 || (name.p[0] != '/' && name.p[0] != '@') ||
	    !str_copy(address.sun_path, sizeof(address.sun_path), name)) {
		return -1;
	}
	if (name.p[0] == '@') {
		address.sun_path[0] = '\0';
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Whose sockets these are is in the environment too: it may have come from a parent. */
static unsigned take_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t whose, count;

	if (pid == NULL || fds == NULL || !parse_u64(str_of(pid), INT32_MAX, &whose) ||
	    (pid_t)whose != getpid() || !parse_u64(str_of(fds), SOCKETS_MAX, &count)) {
		return 0;
	}
	for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + (int)count; fd++) {
		int flags = fcntl(fd, F_GETFL);

		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return (unsigned)count;
}

unsigned systemd_begin(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
		                             "LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES" };
	const char *name = getenv("NOTIFY_SOCKET");
	unsigned count = take_sockets();

	if (name != NULL) {
		notify_fd = connect_to(str_of(name));
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)unsetenv(names[i]);
	}
	return count;
}

void systemd_notify(const char *format, ...)
{
	char state[STATE_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(state, sizeof(state), format, args);
	va_end(args);
	assert(n > 0 && n < STATE_MAX);
	/* Whoever does not read it has nothing to miss: the next second tells again that we live.
	 */
	if (notify_fd >= 0) {
		(void)send(notify_fd, state, (size_t)n, MSG_NOSIGNAL);
	}
}
