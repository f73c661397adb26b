#include "cli/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/fiber.h"

static bool ask(int fd, const struct sockaddr_in *sin, uint64_t timeout_ms)
{
	static const char request[] =
		"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	char head[16];
	ssize_t n;

	if (connect(fd, (const struct sockaddr *)sin, sizeof(*sin)) != 0 &&
	    (errno != EINPROGRESS || fiber_wait_fd(fd, FIBER_WRITE, timeout_ms) != ERR_OK)) {
		return false;
	}
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1 ||
	    fiber_wait_fd(fd, FIBER_READ, timeout_ms) != ERR_OK) {
		return false;
	}
	n = recv(fd, head, sizeof(head), 0);
	return n > 0 && str_starts(str_make(head, (size_t)n), STR_LIT("HTTP/1.1 200"));
}

bool probe_ready(uint16_t port, uint64_t timeout_ms)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET,
		                         .sin_port = htons(port),
		                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ready = fd >= 0 && ask(fd, &sin, timeout_ms);

	if (fd >= 0) {
		(void)close(fd);
	}
	return ready;
}
