#include "worker/egress.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/address.h"
#include "loop/fiber.h"
#include "loop/lookup.h"

enum {
	CONNECTIONS_MAX = 64,
	LOOKUPS_MAX = 8, /* at a time: each has a thread */
	ADDRESSES_MAX = 16,
	CHUNK = 16384,
	HEAD_MS = 30000,
	CONNECT_MS = 10000,
	WRITE_MS = 60000,
	IDLE_MS = 30 * 60 * 1000, /* a model may think for long */
};

struct connection {
	struct egress *egress;
	int client, server;
	struct buf head, request;
	struct egress_request asked;
	uint64_t out, in;
	struct fiber_group back;
};

/* ---- bytes ---- */

static bool write_all(int fd, struct str rest)
{
	while (rest.n > 0) {
		ssize_t n = send(fd, rest.p, rest.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			rest = str_make(rest.p + n, rest.n - (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			if (fiber_wait_fd(fd, FIBER_WRITE, WRITE_MS) != ERR_OK) {
				return false;
			}
		} else if (n >= 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* 0: its end; < 0: broken, late or cancelled. */
static ssize_t read_some(int fd, char *out, size_t size, uint64_t timeout_ms)
{
	ssize_t n;

	while ((n = recv(fd, out, size, MSG_DONTWAIT)) < 0) {
		if ((errno != EAGAIN && errno != EINTR) ||
		    fiber_wait_fd(fd, FIBER_READ, timeout_ms) != ERR_OK) {
			return -1;
		}
	}
	return n;
}

static void copy(int from, int to, uint64_t *count)
{
	char *room = mem_calloc(1, CHUNK);
	ssize_t n;

	while ((n = read_some(from, room, CHUNK, IDLE_MS)) > 0 &&
	       write_all(to, str_make(room, (size_t)n))) {
		*count += (uint64_t)n;
	}
	free(room);
	/* An orderly end may leave the other direction open; else nothing is left to wait for. */
	(void)shutdown(to, SHUT_WR);
	if (n != 0) {
		(void)shutdown(from, SHUT_RDWR);
		(void)shutdown(to, SHUT_RDWR);
	}
}

/* ---- where it goes ---- */

/* On the stack of the fiber that waits. */
struct naming {
	struct fiber_op op;
	struct lookup *lookup;
	struct sockaddr_storage found[ADDRESSES_MAX];
	socklen_t sizes[ADDRESSES_MAX];
	size_t count;
};

static void on_found(void *arg, const struct addrinfo *found, const char *problem)
{
	struct naming *naming = arg;

	(void)problem;
	for (; found != NULL && naming->count < ADDRESSES_MAX; found = found->ai_next) {
		memcpy(&naming->found[naming->count], found->ai_addr, found->ai_addrlen);
		naming->sizes[naming->count++] = found->ai_addrlen;
	}
	fiber_op_done(&naming->op, NULL);
}

static void abandon_naming(struct fiber_op *op)
{
	lookup_cancel(CONTAINER_OF(op, struct naming, op)->lookup);
}

/* Whose names nobody answers for makes only its own connections wait. */
static void look_up(struct connection *c, struct naming *naming)
{
	struct egress *e = c->egress;
	struct err err;

	naming->count = 0;
	if (turns_take(&e->lookups) != ERR_OK) {
		return;
	}
	fiber_op_begin(&naming->op, abandon_naming);
	naming->lookup =
		lookup_begin(e->loop, c->asked.target.host, c->asked.target.port, on_found, naming);
	(void)!fiber_wait(&naming->op, FIBER_NO_TIMEOUT, &err);
	turns_give(&e->lookups);
}

static bool dial(struct connection *c, const struct sockaddr *to, socklen_t size)
{
	socklen_t n = sizeof(int);
	int failed = 0;

	c->server = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->server >= 0 &&
	    (connect(c->server, to, size) == 0 ||
	     (errno == EINPROGRESS && fiber_wait_fd(c->server, FIBER_WRITE, CONNECT_MS) == ERR_OK &&
	      getsockopt(c->server, SOL_SOCKET, SO_ERROR, &failed, &n) == 0 && failed == 0))) {
		return true;
	}
	if (c->server >= 0) {
		(void)close(c->server);
		c->server = -1;
	}
	return false;
}

/* NULL: connected; else why not. */
static const char *reach(struct connection *c)
{
	const struct egress *e = c->egress;
	bool may_private = egress_rules_fit(e->rules.private, e->tenant, &c->asked.target);
	bool refused = false, done = false;
	struct naming naming;

	look_up(c, &naming);
	if (naming.count == 0) {
		return "no such host";
	}
	for (size_t i = 0; i < naming.count && !done && !fiber_cancelled(); i++) {
		const struct sockaddr *at = (const struct sockaddr *)&naming.found[i];

		if (!may_private && fetch_net_of(at) != FETCH_NET_PUBLIC) {
			refused = true;
		} else {
			done = dial(c, at, naming.sizes[i]);
		}
	}
	return done ? NULL : refused ? "its address is private" : "it does not answer";
}

static bool is_allowed(const struct egress *e, const struct egress_target *target)
{
	if (egress_rules_fit(e->rules.all, e->tenant, target)) {
		return true;
	}
	for (size_t i = 0; i < e->wish_count; i++) {
		if (egress_rule_fits(e->wishes[i], STR_LIT(""), target)) {
			return egress_rules_fit(e->rules.tasks, e->tenant, target);
		}
	}
	return false;
}

/* ---- one connection ---- */

static void refuse(const struct connection *c, const char *status, const char *why)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
	               "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nConnection: close\r\n"
	               "Content-Length: %zu\r\n\r\nfairlead: %s\n",
	               status, strlen(why) + sizeof("fairlead: \n") - 1, why);
	(void)write_all(c->client, str_of(text));
}

/* Up to the empty line; *ret: its length. */
static bool read_head(struct connection *c, size_t *ret)
{
	uint64_t until = clock_mono_ms() + HEAD_MS, now;
	const char *end = NULL;

	while (end == NULL && (now = clock_mono_ms()) < until) {
		char *room = buf_reserve(&c->head, 1024);
		ssize_t n = room != NULL ? read_some(c->client, room, 1024, until - now) : -1;

		if (n <= 0) {
			return false;
		}
		buf_commit(&c->head, (size_t)n);
		end = memmem(c->head.data, c->head.len, "\r\n\r\n", 4);
	}
	*ret = end != NULL ? (size_t)(end - c->head.data) + 4 : 0;
	return end != NULL;
}

static void copy_back(void *arg)
{
	struct connection *c = arg;

	copy(c->server, c->client, &c->in);
}

static void tunnel(struct connection *c, size_t head)
{
	struct str rest = buf_str(&c->head);
	bool ok;

	rest = str_make(rest.p + head, rest.n - head);
	ok = c->asked.connects
	             ? write_all(c->client, STR_LIT("HTTP/1.1 200 Connection established\r\n\r\n"))
	             : write_all(c->server, buf_str(&c->request));
	if (!ok || !write_all(c->server, rest)) {
		return;
	}
	c->out = rest.n;
	(void)fiber_start(c->egress->loop, &c->back, "egress back", copy_back, c);
	copy(c->client, c->server, &c->out);
	if (fiber_group_wait(&c->back, FIBER_NO_TIMEOUT) != ERR_OK) {
		fiber_group_cancel(&c->back, ERR_CANCELLED);
		fiber_shield();
		(void)!fiber_group_wait(&c->back, FIBER_NO_TIMEOUT);
		fiber_unshield();
	}
}

static void serve(struct connection *c)
{
	struct egress_ended ended = { .target = &c->asked.target };
	size_t head;

	if (!read_head(c, &head)) {
		return;
	}
	if (!egress_parse(str_make(c->head.data, head), &c->asked, &c->request) ||
	    buf_failed(&c->request)) {
		refuse(c, "400 Bad Request", "this is a proxy: CONNECT, or http: with a host");
		return;
	}
	if (!is_allowed(c->egress, &c->asked.target)) {
		ended.why = "not among the hosts that it may reach";
		refuse(c, "403 Forbidden", ended.why);
	} else if ((ended.why = reach(c)) != NULL) {
		refuse(c, "502 Bad Gateway", ended.why);
	} else {
		tunnel(c, head);
	}
	ended.out = c->out;
	ended.in = c->in;
	c->egress->ended(c->egress->arg, &ended);
}

static void connection_main(void *arg)
{
	struct connection *c = arg;

	buf_init(&c->head, EGRESS_HEAD_MAX);
	buf_init(&c->request, 2 * EGRESS_HEAD_MAX);
	serve(c);
	buf_fini(&c->head);
	buf_fini(&c->request);
	(void)close(c->client);
	if (c->server >= 0) {
		(void)close(c->server);
	}
	c->egress->open--;
	free(c);
}

void egress_init(struct egress *egress)
{
	turns_init(&egress->lookups, LOOKUPS_MAX);
}

void egress_take(struct egress *egress, int fd)
{
	struct connection *c;

	if (egress->open >= CONNECTIONS_MAX) {
		(void)close(fd);
		return;
	}
	c = mem_calloc(1, sizeof(*c));
	c->egress = egress;
	c->client = fd;
	c->server = -1;
	egress->open++;
	(void)fiber_start(egress->loop, egress->fibers, "egress", connection_main, c);
}
