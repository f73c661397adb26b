#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/conn.h"

enum { BACKLOG = 4096, HOST_SIZE = 256, UNIX_MODE = 0660 };

/* A socket file that nobody listens on is left over from a process that was killed. */
static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused = fd >= 0 &&
	               connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
	               errno == ECONNREFUSED;

	if (fd >= 0) {
		(void)close(fd);
	}
	return refused;
}

static int listen_unix(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!str_copy(address.sun_path, sizeof(address.sun_path), str_of(path))) {
		(void)err_set(err, ERR_INVALID, "listen unix:%s: the path is too long", path);
		return -1;
	}
	if (is_stale(&address)) {
		(void)unlink(path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(path, UNIX_MODE) != 0 || listen(fd, BACKLOG) != 0) {
		(void)err_set(err, ERR_UNAVAILABLE, "listen unix:%s: %s", path, strerror(errno));
		if (fd >= 0) {
			(void)close(fd);
		}
		return -1;
	}
	return fd;
}

/* "host:port" or "[host]:port" into its parts. */
static bool split_address(const char *address, char host[HOST_SIZE], const char **ret_port)
{
	const char *colon = strrchr(address, ':');
	struct str name;
	uint64_t port;

	if (colon == NULL || !parse_u64(str_of(colon + 1), UINT16_MAX, &port)) {
		return false;
	}
	name = str_make(address, (size_t)(colon - address));
	if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']') {
		name = str_make(name.p + 1, name.n - 2);
	}
	*ret_port = colon + 1;
	return str_copy(host, HOST_SIZE, name) && name.n > 0;
}

static int listen_tcp(const struct addrinfo *info)
{
	int one = 1, fd;

	fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

unsigned http_port_of(int fd)
{
	/* room for an IPv4 address too */
	struct sockaddr_in6 address = { .sin6_family = AF_UNSPEC };
	socklen_t size = sizeof(address);

	_Static_assert(offsetof(struct sockaddr_in6, sin6_port) ==
	                       offsetof(struct sockaddr_in, sin_port),
	               "the port is at one place in both");
	if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
	    address.sin6_family == AF_UNIX) {
		return 0;
	}
	return ntohs(address.sin6_port);
}

char *http_unix_path(const char *address)
{
	return strncmp(address, "unix:", 5) == 0 ? mem_strdup(address + 5) : NULL;
}

/* For freeaddrinfo(); NULL: it is not an address and a port. */
static struct addrinfo *resolve(const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		                  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *info = NULL;
	char host[HOST_SIZE];
	const char *port;

	if (!split_address(address, host, &port) ||
	    getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &info) !=
	            0) {
		return NULL;
	}
	return info;
}

static bool is_unix_at(const struct sockaddr_storage *bound, socklen_t size, struct str path)
{
	struct sockaddr_un address;

	memcpy(&address, bound, sizeof(address));
	size -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
	return bound->ss_family == AF_UNIX &&
	       str_eq(str_make(address.sun_path, strnlen(address.sun_path, size)), path);
}

bool http_listens_at(int fd, const char *address)
{
	struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
	socklen_t size = sizeof(bound);
	struct addrinfo *info;
	bool same;

	if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
		return false;
	}
	if (strncmp(address, "unix:", 5) == 0) {
		return is_unix_at(&bound, size, str_of(address + 5));
	}
	info = resolve(address);
	same = info != NULL && info->ai_addrlen == size && memcmp(info->ai_addr, &bound, size) == 0;
	freeaddrinfo(info);
	return same;
}

int http_listen(const char *address, struct err *err)
{
	struct addrinfo *info;
	int fd;

	if (strncmp(address, "unix:", 5) == 0) {
		return listen_unix(address + 5, err);
	}
	info = resolve(address);
	if (info == NULL) {
		(void)err_set(err, ERR_INVALID, "listen %s: not an address and a port", address);
		return -1;
	}
	fd = listen_tcp(info);
	freeaddrinfo(info);
	if (fd < 0) {
		(void)err_set(err, ERR_UNAVAILABLE, "listen %s: %s", address, strerror(errno));
	}
	return fd;
}

/* ---- a list of doors ---- */

static const struct {
	struct str prefix;
	unsigned how;
} schemes[] = {
	{ { "tls://", 6 }, HTTP_LISTEN_TLS },
	{ { "proxy://", 8 }, HTTP_LISTEN_PROXY },
	{ { "proxy+tls://", 12 }, HTTP_LISTEN_PROXY | HTTP_LISTEN_TLS },
};

static bool parse_door(struct str text, struct http_door *ret)
{
	ret->how = 0;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = schemes[i].prefix.n;

		if (str_starts(text, schemes[i].prefix)) {
			ret->how = schemes[i].how;
			text = str_make(text.p + n, text.n - n);
		}
	}
	return text.n > 0 && str_copy(ret->address, sizeof(ret->address), text);
}

size_t http_doors_parse(const char *text, struct http_door ret[HTTP_LISTENERS_MAX], struct err *err)
{
	struct str rest = str_of(text), one;
	size_t count = 0;

	while (http_list_next(&rest, &one)) {
		if (count == HTTP_LISTENERS_MAX || !parse_door(one, &ret[count])) {
			(void)err_set(err, ERR_INVALID, "listen %s: up to %d addresses", text,
			              HTTP_LISTENERS_MAX);
			return 0;
		}
		count++;
	}
	if (count == 0) {
		(void)err_set(err, ERR_INVALID, "listen %s: no address", text);
	}
	return count;
}

size_t http_listen_count(const char *address)
{
	struct http_door doors[HTTP_LISTENERS_MAX];
	struct err err;

	return http_doors_parse(address, doors, &err);
}
