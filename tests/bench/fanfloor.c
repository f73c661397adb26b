/*
 * The floor for compare-streaming: a server that does nothing but write what it was given to
 * everybody.
 *
 *	fanfloor PORT TICK_MS        0: at once; else all that came within a tick in one writev
 *
 * A connection that begins with GET is a subscriber and gets the head of an event stream; any
 * other publishes, an event a line of "<16 digits>\n", each answered "ok\n".
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/fan.h"

enum { EPOLL_MAX = 256, READ_MAX = 64 * 1024, PENDING_MAX = 256, FRAME_MAX = 512, LINE = 17 };

struct peer {
	int fd;
	bool known, publishes;
};

static struct {
	int epoll, listening;
	unsigned tick_ms;
	int *subscribers;
	size_t count, room;
	char frames[PENDING_MAX][FRAME_MAX];
	struct iovec iov[PENDING_MAX];
	int pending;
	uint64_t number;
} all;

static void die(const char *what)
{
	(void)fprintf(stderr, "fanfloor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void flush(void)
{
	for (size_t i = 0; all.pending > 0 && i < all.count; i++) {
		/* A reader that is full loses the rest: then the client counts too few. */
		(void)!writev(all.subscribers[i], all.iov, all.pending);
	}
	all.pending = 0;
}

static void take_event(const char *due)
{
	char *frame;
	int n;

	if (all.pending == PENDING_MAX) {
		flush();
	}
	frame = all.frames[all.pending];
	all.number++;
	n = snprintf(frame, FRAME_MAX,
	             "id: 1-%llu\nevent: log\ndata: {\"type\":\"log\",\"ts\":\"2026-01-01T00:00:00."
	             "000Z\",\"sessionId\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"seq\":%llu,\"id\":\"1-"
	             "%llu\",\"level\":\"info\",\"message\":\"due=%.16s a line of output as agents "
	             "write them, of a usual length\"}\n\n",
	             (unsigned long long)all.number, (unsigned long long)all.number,
	             (unsigned long long)all.number, due);
	all.iov[all.pending++] = (struct iovec){ frame, (size_t)n };
}

static void greet(struct peer *peer, const char *bytes)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
	int on = 1;

	peer->known = true;
	peer->publishes = strncmp(bytes, "GET", 3) != 0;
	if (peer->publishes) {
		return;
	}
	(void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (write(peer->fd, head, sizeof(head) - 1) < 0) {
		die("write");
	}
	if (all.count == all.room) {
		all.room = all.room == 0 ? 1024 : 2 * all.room;
		all.subscribers = mem_realloc(all.subscribers, all.room * sizeof(*all.subscribers));
	}
	all.subscribers[all.count++] = peer->fd;
}

static void take(struct peer *peer)
{
	static char bytes[READ_MAX];
	ssize_t n = read(peer->fd, bytes, sizeof(bytes));

	if (n <= 0) {
		(void)epoll_ctl(all.epoll, EPOLL_CTL_DEL, peer->fd, NULL);
		return;
	}
	if (!peer->known) {
		greet(peer, bytes);
	}
	for (ssize_t at = 0; peer->publishes && at + LINE <= n; at += LINE) {
		take_event(bytes + at);
		if (write(peer->fd, "ok\n", 3) < 0) {
			die("answer");
		}
	}
}

static void accept_all(void)
{
	int fd;

	while ((fd = accept4(all.listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *peer = mem_calloc(1, sizeof(*peer));
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

		peer->fd = fd;
		(void)epoll_ctl(all.epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

static void serve(void)
{
	struct epoll_event events[EPOLL_MAX];
	uint64_t next_ms = clock_mono_ms() + all.tick_ms;

	for (;;) {
		int count = epoll_wait(all.epoll, events, EPOLL_MAX, all.pending > 0 ? 1 : -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL) {
				accept_all();
			} else {
				take(events[i].data.ptr);
			}
		}
		if (clock_mono_ms() >= next_ms) {
			flush();
			next_ms = clock_mono_ms() + all.tick_ms;
		}
	}
}

static void listen_on(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN };
	int on = 1;

	all.listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(all.listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(all.listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(all.listening, 4096) != 0 ||
	    epoll_ctl(all.epoll, EPOLL_CTL_ADD, all.listening, &event) != 0) {
		die("listen");
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	uint64_t port, tick_ms;

	if (argc != 3 || !parse_u64(str_of(argv[1]), UINT16_MAX, &port) ||
	    !parse_u64(str_of(argv[2]), 1000, &tick_ms)) {
		(void)fprintf(stderr, "usage: fanfloor PORT TICK_MS\n");
		return 2;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.tick_ms = (unsigned)tick_ms;
	listen_on((unsigned)port);
	serve();
}
