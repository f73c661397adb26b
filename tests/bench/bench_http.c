/*
 * Requests per second with a 100-byte reply and keep-alive: our server, and beside it in the same
 * run a bare epoll loop that answers every read with fixed bytes.  CPU time per request is the
 * server's own (user and system): the client shares the machine.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/http.h"
#include "loop/loop.h"

enum { CONNECTIONS = 64, RUN_MS = 3000, BODY = 100, EVENTS = 64, READ_SIZE = 4096 };

static const char request[] = "GET /x HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void get_x(struct http_request *req, struct http_reply *reply)
{
	char *room = buf_reserve(&reply->body, BODY);

	(void)req;
	memset(room, 'x', BODY);
	buf_commit(&reply->body, BODY);
}

static void on_term(int signo, void *arg)
{
	(void)signo;
	loop_stop(arg);
}

static void tell_port(int ready, unsigned port)
{
	if (write(ready, &port, sizeof(port)) != sizeof(port)) {
		die("write");
	}
}

static void serve_ours(int ready)
{
	static const struct http_route routes[] = {
		{ .method = HTTP_GET, .pattern = "/x", .handler = get_x }
	};
	struct http_options options = { .listen = "127.0.0.1:0",
		                        .routes = routes,
		                        .route_count = 1,
		                        .head_timeout_ms = 10000,
		                        .body_timeout_ms = 10000,
		                        .keepalive_ms = 60000,
		                        .write_timeout_ms = 10000,
		                        .max_connections = 1000,
		                        .max_pipelined = 16 };
	struct loop *loop = loop_new();
	struct err err;
	struct http_server *server = http_server_new(loop, &options, &err);

	if (server == NULL) {
		die(err.msg);
	}
	loop_on_signal(loop, SIGTERM, on_term, loop);
	tell_port(ready, http_server_port(server));
	loop_run(loop);
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		die("epoll_ctl");
	}
}

static void answer(int fd)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
				    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	char in[READ_SIZE];

	if (read(fd, in, sizeof(in)) <= 0 ||
	    write(fd, reply, sizeof(reply) - 1) != sizeof(reply) - 1) {
		(void)close(fd);
	}
}

static void serve_bare(int ready)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	void *raw = &address;
	int epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, raw, size) != 0 || listen(listener, CONNECTIONS) != 0 ||
	    getsockname(listener, raw, &size) != 0) {
		die("listen");
	}
	watch(epoll, listener);
	tell_port(ready, ntohs(address.sin_port));
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener) {
				watch(epoll, accept(listener, NULL, NULL));
			} else {
				answer(events[i].data.fd);
			}
		}
	}
}

static pid_t start(void (*serve)(int ready), unsigned *ret_port)
{
	int ready[2];
	pid_t pid = -1;

	if (pipe(ready) != 0 || (pid = fork()) < 0) {
		die("fork");
	}
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(ready[1]);
		_exit(0);
	}
	if (read(ready[0], ret_port, sizeof(*ret_port)) != sizeof(*ret_port)) {
		die("server");
	}
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void ask(int fd)
{
	if (write(fd, request, sizeof(request) - 1) != sizeof(request) - 1) {
		die("request");
	}
}

/* One request in flight per connection; a reply of this size comes in one piece on loopback. */
static unsigned long load(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	void *raw = &address;
	int epoll = epoll_create1(0);
	uint64_t end;
	unsigned long count = 0;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, raw, sizeof(address)) != 0) {
			die("connect");
		}
		watch(epoll, fd);
		ask(fd);
	}
	end = clock_mono_ms() + RUN_MS;
	while (clock_mono_ms() < end) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, 1000);

		for (int i = 0; i < n; i++) {
			char in[READ_SIZE];

			if (read(events[i].data.fd, in, sizeof(in)) < BODY) {
				die("reply");
			}
			count++;
			ask(events[i].data.fd);
		}
	}
	(void)close(epoll);
	return count;
}

static void run(const char *name, void (*serve)(int ready))
{
	struct rusage usage;
	unsigned port;
	pid_t pid = start(serve, &port);
	unsigned long count = load(port);
	double cpu_us;

	(void)kill(pid, SIGTERM);
	(void)wait4(pid, NULL, 0, &usage);
	cpu_us = 1e6 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	printf("%-10s %8.0f requests/s  %6.2f us CPU/request (user %.2f)\n", name,
	       (double)count * 1000 / RUN_MS, cpu_us / (double)count,
	       (1e6 * (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec) /
	               (double)count);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	run("bare epoll", serve_bare);
	run("http", serve_ours);
	return 0;
}
