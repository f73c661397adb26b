#include "guard/inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "guard/protocol.h"

enum {
	FAILED = 127,
	PAIRS_MAX = 128,
	ROOM = 65536,
	BACKLOG = 64,
	EVENTS = 16,
	LISTENERS = 2,
	HEAD_ENOUGH = 16384, /* a head without a Host field in so many bytes is none */
};

/* ---- what it was asked for ---- */

struct inside {
	uint64_t proxy_port;
	const char *proxy, *serve;             /* paths of sockets; NULL: no such bridge */
	uint64_t processes, memory, file_size; /* 0: no limit of ours */
	char **argv;
};

enum option_id { OPTION_PROXY = 1, OPTION_SERVE, OPTION_PROCESSES, OPTION_MEMORY, OPTION_FILE };

static const struct option options_known[] = {
	{ "proxy", required_argument, NULL, OPTION_PROXY },
	{ "serve", required_argument, NULL, OPTION_SERVE },
	{ "processes", required_argument, NULL, OPTION_PROCESSES },
	{ "memory", required_argument, NULL, OPTION_MEMORY },
	{ "file-size", required_argument, NULL, OPTION_FILE },
	{ NULL, 0, NULL, 0 },
};

static bool parse_options(int argc, char **argv, struct inside *ret)
{
	struct inside in = { .proxy = NULL };
	bool ok = true;
	int id;

	while (ok && (id = getopt_long(argc, argv, "+", options_known, NULL)) != -1) {
		const struct str value = str_of(optarg != NULL ? optarg : "");

		switch (id) {
		case OPTION_PROXY:
			ok = parse_u64(value, UINT16_MAX, &in.proxy_port) && optind < argc;
			in.proxy = ok ? argv[optind++] : NULL;
			break;
		case OPTION_SERVE: in.serve = optarg; break;
		case OPTION_PROCESSES: ok = parse_u64(value, INT64_MAX, &in.processes); break;
		case OPTION_MEMORY: ok = parse_u64(value, INT64_MAX, &in.memory); break;
		case OPTION_FILE: ok = parse_u64(value, INT64_MAX, &in.file_size); break;
		default: ok = false; break;
		}
	}
	in.argv = argv + optind;
	*ret = in;
	return ok && optind < argc && (in.proxy == NULL || strchr(in.proxy, '/') != NULL) &&
	       (in.serve == NULL || strchr(in.serve, '/') != NULL);
}

/* ---- one connection through a bridge ---- */

struct side {
	int fd;
	bool ended;      /* it sends no more */
	char room[ROOM]; /* what it sent, for the other */
	size_t used;
	bool shut; /* the other was told of its end */
};

struct pair {
	struct side sides[2]; /* who came; where it goes, fd -1: not known yet */
	bool dead;
};

struct bridge {
	int poll;
	int listeners[LISTENERS]; /* -1: none */
	const struct inside *in;
	struct pair *pairs[PAIRS_MAX];
};

/* By the descriptor of its directory: a path may be longer than an address can be. */
static struct sockaddr_un unix_address(int dir, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir,
	               strrchr(path, '/') + 1);
	return address;
}

static int open_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent = mem_strndup(str_make(path, slash != NULL ? (size_t)(slash - path) : 0));
	int fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);

	free(parent);
	return fd;
}

static struct sockaddr_in loopback(uint64_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		                     .sin_port = htons((uint16_t)port),
		                     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static int dial_worker(const char *path)
{
	int dir = open_parent(path), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = unix_address(dir, path);

	/* It waits when the worker is slow to accept, which the agent then is too. */
	if (fd >= 0 && (dir < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
	                fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	if (dir >= 0) {
		(void)close(dir);
	}
	return fd;
}

static int dial_loopback(uint64_t port)
{
	struct sockaddr_in to = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 &&
	    errno != EINPROGRESS) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

/* The port of "Host: 127.0.0.1:PORT". 0: it is not there yet. */
static uint64_t port_in(struct str head)
{
	while (head.n > 0) {
		struct str line = str_split(&head, '\n');
		struct str name = str_split(&line, ':');
		uint64_t port;

		if (head.n == 0) {
			return 0; /* the line has not ended */
		}
		if (str_eq_nocase(name, STR_LIT("host"))) {
			(void)str_split(&line, ':');
			line.n -= line.n > 0 && line.p[line.n - 1] == '\r' ? 1 : 0;
			return parse_u64(str_trim(line), UINT16_MAX, &port) ? port : 0;
		}
	}
	return 0;
}

static void watch(const struct bridge *b, struct pair *p, int i)
{
	struct side *own = &p->sides[i];
	const struct side *other = &p->sides[!i];
	struct epoll_event event = { .data = { .ptr = p } };

	if (own->fd < 0) {
		return;
	}
	event.events = (!own->ended && own->used < ROOM ? (uint32_t)EPOLLIN : 0U) |
	               (other->used > 0 ? (uint32_t)EPOLLOUT : 0U);
	if (epoll_ctl(b->poll, EPOLL_CTL_MOD, own->fd, &event) != 0 &&
	    epoll_ctl(b->poll, EPOLL_CTL_ADD, own->fd, &event) != 0) {
		p->dead = true;
	}
}

static bool is_again(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
}

static void read_side(struct pair *p, struct side *from)
{
	ssize_t n;

	if (from->ended || from->used == ROOM) {
		return;
	}
	n = recv(from->fd, from->room + from->used, ROOM - from->used, 0);
	if (n > 0) {
		from->used += (size_t)n;
	} else if (n == 0) {
		from->ended = true;
	} else if (!is_again()) {
		p->dead = true;
	}
}

static void write_side(struct pair *p, struct side *from, const struct side *to)
{
	ssize_t n = from->used > 0 ? send(to->fd, from->room, from->used, MSG_NOSIGNAL) : 0;

	if (n < 0 && !is_again()) {
		p->dead = true;
	} else if (n > 0) {
		memmove(from->room, from->room + n, from->used - (size_t)n);
		from->used -= (size_t)n;
	}
	if (from->ended && from->used == 0 && !from->shut) {
		from->shut = true;
		(void)shutdown(to->fd, SHUT_WR);
	}
}

static void turn(const struct bridge *b, struct pair *p)
{
	struct side *came = &p->sides[0], *goes = &p->sides[1];

	read_side(p, came);
	if (goes->fd < 0) {
		uint64_t port = port_in(str_make(came->room, came->used));

		goes->fd = port > 0 ? dial_loopback(port) : -1;
		p->dead = p->dead ||
		          (goes->fd < 0 && (port > 0 || came->ended || came->used >= HEAD_ENOUGH));
	}
	if (goes->fd >= 0) {
		read_side(p, goes);
		write_side(p, came, goes);
		write_side(p, goes, came);
	}
	p->dead = p->dead || (came->shut && goes->shut);
	if (!p->dead) {
		watch(b, p, 0);
		watch(b, p, 1);
	}
}

static void on_pair(const struct bridge *b, struct pair *p, uint32_t events)
{
	struct side *came = &p->sides[0], *goes = &p->sides[1];

	turn(b, p);
	/* One is gone for good and all it sent was given: epoll would tell it for ever. */
	if ((events & (uint32_t)(EPOLLHUP | EPOLLERR)) != 0 && came->used == 0 && goes->used == 0 &&
	    (came->ended || goes->ended)) {
		p->dead = true;
	}
}

static void end_pair(struct bridge *b, size_t at)
{
	struct pair *p = b->pairs[at];

	for (int i = 0; i < 2; i++) {
		if (p->sides[i].fd >= 0) {
			(void)close(p->sides[i].fd);
		}
	}
	free(p);
	b->pairs[at] = NULL;
}

static void take(struct bridge *b, int which)
{
	int fd = accept4(b->listeners[which], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t at = 0;

	while (at < PAIRS_MAX && b->pairs[at] != NULL) {
		at++;
	}
	if (fd < 0 || at == PAIRS_MAX) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return;
	}
	b->pairs[at] = mem_calloc(1, sizeof(*b->pairs[at]));
	b->pairs[at]->sides[0].fd = fd;
	b->pairs[at]->sides[1].fd = which == 0 ? dial_worker(b->in->proxy) : -1;
	b->pairs[at]->dead = which == 0 && b->pairs[at]->sides[1].fd < 0;
	if (!b->pairs[at]->dead) {
		turn(b, b->pairs[at]);
	}
}

static void bridge_main(struct bridge *b) __attribute__((noreturn));

static void bridge_main(struct bridge *b)
{
	b->poll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < LISTENERS; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = NULL } };

		if (b->listeners[i] >= 0) {
			(void)epoll_ctl(b->poll, EPOLL_CTL_ADD, b->listeners[i], &event);
		}
	}
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(b->poll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr != NULL) {
				on_pair(b, events[i].data.ptr, events[i].events);
			}
		}
		for (int i = 0; i < LISTENERS && n > 0; i++) {
			if (b->listeners[i] >= 0) {
				take(b, i);
			}
		}
		for (size_t i = 0; i < PAIRS_MAX; i++) {
			if (b->pairs[i] != NULL && b->pairs[i]->dead) {
				end_pair(b, i);
			}
		}
	}
}

/* ---- starting ---- */

static int fail(const char *what)
{
	(void)fprintf(stderr, "fairlead-guard: %s: %s\n", what, strerror(errno));
	return FAILED;
}

static int listen_on_loopback(uint64_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;

	if (fd >= 0 &&
	    (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	     bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, BACKLOG) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static int listen_on_path(const char *path)
{
	int dir = open_parent(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = unix_address(dir, path);

	(void)unlink(path);
	if (fd >= 0 && (dir < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
	                chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	if (dir >= 0) {
		(void)close(dir);
	}
	return fd;
}

/* It ends when the command does: the signal is its parent's death. */
static bool start_bridge(const struct inside *in)
{
	struct bridge b = { .listeners = { -1, -1 }, .in = in };
	pid_t parent = getpid(), child;
	int null;

	if (in->proxy != NULL) {
		b.listeners[0] = listen_on_loopback(in->proxy_port);
	}
	if (in->serve != NULL) {
		b.listeners[1] = listen_on_path(in->serve);
	}
	if ((in->proxy != NULL && b.listeners[0] < 0) ||
	    (in->serve != NULL && b.listeners[1] < 0)) {
		return false;
	}
	child = in->proxy != NULL || in->serve != NULL ? fork() : 1;
	if (child != 0) {
		for (int i = 0; i < LISTENERS; i++) {
			if (b.listeners[i] >= 0) {
				(void)close(b.listeners[i]);
			}
		}
		return child > 0;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setsid() < 0) {
		_exit(FAILED);
	}
	null = open("/dev/null", O_RDWR);
	for (int i = 0; i <= STDERR_FILENO; i++) {
		(void)dup2(null, i); /* the agent's pipes end with the agent */
	}
	bridge_main(&b);
}

static bool set_limit(int resource, uint64_t max)
{
	struct rlimit limit;

	if (max == 0) {
		return true;
	}
	if (getrlimit(resource, &limit) != 0) {
		return false;
	}
	limit.rlim_cur = limit.rlim_max = limit.rlim_max < max ? limit.rlim_max : max;
	return setrlimit(resource, &limit) == 0;
}

int inside_main(int argc, char **argv)
{
	struct inside in;

	if (!parse_options(argc, argv, &in)) {
		(void)fprintf(stderr, "fairlead-guard inside: not meant to be run by hand\n");
		return GUARD_EXIT_USAGE;
	}
	if (!start_bridge(&in)) {
		return fail("bridge out of the sandbox");
	}
	if (!set_limit(RLIMIT_NPROC, in.processes) || !set_limit(RLIMIT_DATA, in.memory) ||
	    !set_limit(RLIMIT_FSIZE, in.file_size)) {
		return fail("setrlimit");
	}
	/* guard/child.c left them ignored, so that bubblewrap outlives them. */
	for (int signo = 1; signo < NSIG; signo++) {
		(void)signal(signo, SIG_DFL);
	}
	(void)execvp(in.argv[0], in.argv);
	return fail(in.argv[0]);
}
