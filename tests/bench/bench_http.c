/*
 * Requests per second with a 100-byte reply and keep-alive: our server, plain and over TLS, and
 * beside it in the same run a bare epoll loop that answers every read with fixed bytes; and events
 * of 200 bytes on streams, plain and over TLS.  CPU time is the server's own (user and system): the
 * client shares the machine.  What handshakes take is told by itself.
 *
 * TLS needs TEST_TLS_DIR (with-certificates).
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/http.h"
#include "loop/loop.h"
#include "tls/tls.h"

enum { CONNECTIONS = 64, RUN_MS = 3000, BODY = 100, EVENTS = 64, READ_SIZE = 4096 };
enum { EVENT = 200, EVENT_EVERY_MS = 4, PATH_SIZE = 512, ROUNDS = 3 };

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n"

/* Of the same length. */
static const char request[] = REQUEST("/x"), follow[] = REQUEST("/s");

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

/* ---- streams ---- */

static struct {
	struct loop_timer timer;
	struct http_conn *conns[CONNECTIONS];
	size_t count;
} fan;

static void on_opened(void *stream, struct http_conn *conn)
{
	(void)stream;
	fan.conns[fan.count++] = conn;
}

static void on_nothing(void *stream)
{
	(void)stream;
}

static void on_closed(void *stream)
{
	(void)stream;
	fan.count = 0; /* all leave at once, at the end */
}

static void on_event(struct loop_timer *timer)
{
	static char event[EVENT];
	struct iovec iov = { event, sizeof(event) };

	memset(event, 'e', sizeof(event));
	for (size_t i = 0; i < fan.count; i++) {
		(void)http_conn_writev(fan.conns[i], &iov, 1);
	}
	loop_timer_set(timer, EVENT_EVERY_MS);
}

static void get_s(struct http_request *req, struct http_reply *reply)
{
	static const struct http_stream_ops ops = { .opened = on_opened,
		                                    .writable = on_nothing,
		                                    .drain = on_nothing,
		                                    .closed = on_closed };

	(void)req;
	reply->content_type = "text/event-stream";
	reply->stream_ops = &ops;
	reply->stream = &fan;
}

static void on_term(int signo, void *arg)
{
	(void)signo;
	loop_stop(arg);
}

static void path_of(const char *name, char out[PATH_SIZE])
{
	(void)snprintf(out, PATH_SIZE, "%s/%s", getenv("TEST_TLS_DIR"), name);
}

static void tell_port(int ready, unsigned port)
{
	if (write(ready, &port, sizeof(port)) != sizeof(port)) {
		die("write");
	}
}

static void serve_ours(int ready, bool over_tls)
{
	static const struct http_route routes[] = {
		{ .method = HTTP_GET, .pattern = "/x", .handler = get_x },
		{ .method = HTTP_GET,
		  .pattern = "/s",
		  .handler = get_s,
		  .flags = HTTP_ROUTE_STREAM }
	};
	struct http_options options = { .listen = over_tls ? "tls://127.0.0.1:0" : "127.0.0.1:0",
		                        .routes = routes,
		                        .route_count = 2,
		                        .head_timeout_ms = 10000,
		                        .body_timeout_ms = 10000,
		                        .keepalive_ms = 60000,
		                        .write_timeout_ms = 10000,
		                        .max_connections = 1000,
		                        .max_pipelined = 16 };
	struct loop *loop = loop_new();
	struct http_server *server;
	struct err err;

	if (over_tls) {
		char certificate[PATH_SIZE], key[PATH_SIZE];

		path_of("server.pem", certificate);
		path_of("server.key", key);
		options.tls = tls_server_new(certificate, key, &err);
	}
	if ((over_tls && options.tls == NULL) ||
	    (server = http_server_new(loop, &options, &err)) == NULL) {
		die(err.msg);
	}
	loop_timer_init(&fan.timer, loop, on_event);
	loop_timer_set(&fan.timer, EVENT_EVERY_MS);
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

static void serve_bare(int ready, bool over_tls)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	void *raw = &address;
	int epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);

	(void)over_tls;
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

struct kind {
	const char *name, *unit;
	void (*serve)(int ready, bool over_tls);
	bool tls, streams;
};

static pid_t start(const struct kind *kind, unsigned *ret_port)
{
	int ready[2];
	pid_t pid = -1;

	if (pipe(ready) != 0 || (pid = fork()) < 0) {
		die("fork");
	}
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		kind->serve(ready[1], kind->tls);
		_exit(0);
	}
	if (read(ready[0], ret_port, sizeof(*ret_port)) != sizeof(*ret_port)) {
		die("server");
	}
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

/* ---- the client ---- */

struct peer {
	int fd;
	struct tls_stream *tls; /* NULL: plain */
};

static void say(struct peer *peer, const char *bytes, size_t n)
{
	union {
		const char *in;
		void *out;
	} text = { .in = bytes };
	struct iovec iov = { text.out, n };
	ssize_t done =
		peer->tls != NULL ? tls_writev(peer->tls, &iov, 1) : write(peer->fd, bytes, n);

	if (done != (ssize_t)n) {
		die("request");
	}
}

static size_t take(struct peer *peer)
{
	char in[READ_SIZE];
	ssize_t n = peer->tls != NULL ? tls_read(peer->tls, in, sizeof(in))
	                              : read(peer->fd, in, sizeof(in));

	if (n <= 0) {
		die("reply");
	}
	return (size_t)n;
}

static double cpu_us_of(pid_t pid)
{
	struct timespec spent;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &spent) != 0) {
		die("clock");
	}
	return 1e6 * (double)spent.tv_sec + (double)spent.tv_nsec / 1000;
}

static void open_peer(struct peer *peer, const struct kind *kind, unsigned port,
                      struct tls_client *client)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	void *raw = &address;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(peer->fd, raw, sizeof(address)) != 0) {
		die("connect");
	}
	peer->tls = kind->tls ? tls_connect(client, peer->fd, "localhost") : NULL;
	say(peer, kind->streams ? follow : request, sizeof(request) - 1);
	(void)take(peer);
}

/* What came while it ran: replies, or bytes of events. One request is in flight on each connection;
 * a reply of this size comes in one piece on loopback. */
static uint64_t load(struct peer *peers, const struct kind *kind)
{
	int epoll = epoll_create1(0);
	uint64_t end = clock_mono_ms() + RUN_MS, count = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &peers[i] };

		(void)epoll_ctl(epoll, EPOLL_CTL_ADD, peers[i].fd, &event);
		if (!kind->streams) {
			say(&peers[i], request, sizeof(request) - 1);
		}
	}
	while (clock_mono_ms() < end) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, 1000);

		for (int i = 0; i < n; i++) {
			struct peer *peer = events[i].data.ptr;
			size_t bytes = take(peer);

			count += kind->streams ? bytes : 1;
			if (!kind->streams) {
				say(peer, request, sizeof(request) - 1);
			}
		}
	}
	(void)close(epoll);
	return kind->streams ? count / EVENT : count;
}

static void run(const struct kind *kind, struct tls_client *client)
{
	struct peer peers[CONNECTIONS];
	unsigned port;
	pid_t pid = start(kind, &port);
	double began_us = cpu_us_of(pid), open_us, done_us;
	uint64_t count;

	for (int i = 0; i < CONNECTIONS; i++) {
		open_peer(&peers[i], kind, port, client);
	}
	open_us = cpu_us_of(pid);
	count = load(peers, kind);
	done_us = cpu_us_of(pid);
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, NULL, 0);
	for (int i = 0; i < CONNECTIONS; i++) {
		tls_stream_free(peers[i].tls);
		(void)close(peers[i].fd);
	}
	printf("%-10s %8.0f %ss/s  %6.2f us CPU/%s  %7.1f us CPU/connection\n", kind->name,
	       (double)count * 1000 / RUN_MS, kind->unit, (done_us - open_us) / (double)count,
	       kind->unit, (open_us - began_us) / CONNECTIONS);
}

int main(void)
{
	static const struct kind kinds[] = {
		{ "bare epoll", "request", serve_bare, false, false },
		{ "http", "request", serve_ours, false, false },
		{ "https", "request", serve_ours, true, false },
		{ "stream", "event", serve_ours, false, true },
		{ "stream TLS", "event", serve_ours, true, true },
	};
	struct tls_client_options options = { .ca = NULL };
	char ca[PATH_SIZE];
	struct tls_client *client = NULL;
	struct err err;

	(void)signal(SIGPIPE, SIG_IGN);
	if (getenv("TEST_TLS_DIR") != NULL) {
		path_of("ca.pem", ca);
		options.ca = ca;
		client = tls_client_new(&options, &err);
		if (client == NULL) {
			die(err.msg);
		}
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			if (!kinds[i].tls || client != NULL) {
				run(&kinds[i], client);
			}
		}
	}
	tls_client_free(client);
	return 0;
}
