#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "http/conn.h"
#include "metric/metric.h"

enum { ACCEPT_BATCH = 64, ACCEPT_PAUSE_MS = 100, RANDOM_SIZE = 256 };

/* ---- small services for connections ---- */

/* RFC 9110 section 5.6.7; formatted once a second. */
const char *http_server_date(struct http_server *server)
{
	int64_t now = clock_wall_us() / 1000000;
	struct tm tm;
	time_t t = (time_t)now;

	if (now != server->date_s || server->date[0] == '\0') {
		server->date_s = now;
		(void)strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT",
		               gmtime_r(&t, &tm));
	}
	return server->date;
}

/* For trace ids: a system call for many of them. */
void http_server_random(struct http_server *server, unsigned char *out, size_t n)
{
	if (server->random_left < n) {
		ssize_t got = getrandom(server->random, RANDOM_SIZE, 0);

		assert(got == RANDOM_SIZE);
		server->random_left = RANDOM_SIZE;
	}
	server->random_left -= n;
	memcpy(out, server->random + server->random_left, n);
}

/* ---- accepting ---- */

static void pause_accept(struct http_server *server)
{
	if (!server->accept_paused) {
		server->accept_paused = true;
		for (size_t i = 0; i < server->listener_count; i++) {
			(void)event_del(&server->listeners[i].accept_event);
		}
	}
	loop_timer_set(&server->accept_timer, ACCEPT_PAUSE_MS);
}

static void resume_accept(struct http_server *server)
{
	if (server->accept_paused && !server->frozen) {
		server->accept_paused = false;
		loop_timer_clear(&server->accept_timer);
		for (size_t i = 0; i < server->listener_count; i++) {
			(void)event_add(&server->listeners[i].accept_event, NULL);
		}
	}
}

static void on_accept_timer(struct loop_timer *timer)
{
	resume_accept(CONTAINER_OF(timer, struct http_server, accept_timer));
}

/* Above the limit a client is told at once: other processes on this port may have room.  One that
 * would not understand it is told by the close. */
static void turn_away(const struct http_listener *listener, int fd)
{
	static const char answer[] =
		"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
		"Content-Type: application/problem+json\r\nContent-Length: 93\r\n\r\n"
		"{\"type\":\"/errors/unavailable\",\"title\":\"temporarily "
		"unavailable\",\"status\":503,"
		"\"detail\":\"busy\"}";
	char drop[4096];

	if (listener->how == 0) {
		(void)!send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
	}
	(void)shutdown(fd, SHUT_WR);
	/* What came already would turn the close into a reset, and the answer would be lost. */
	(void)!recv(fd, drop, sizeof(drop), MSG_DONTWAIT);
	(void)close(fd);
}

/* A second's worth may come at once; beyond that they come at the rate. */
static bool is_too_fast(struct http_server *server)
{
	uint64_t now_us = clock_mono_us();

	if (server->options.accept_rate == 0) {
		return false;
	}
	if (server->accepted_us < now_us) {
		server->accepted_us = now_us;
	}
	if (server->accepted_us - now_us >= 1000000) {
		return true;
	}
	server->accepted_us += 1000000 / server->options.accept_rate;
	return false;
}

static void set_options(const struct http_server *server, int fd)
{
	unsigned timeout = server->options.write_timeout_ms;
	int one = 1;

	if (timeout < server->options.stream_timeout_ms) {
		timeout = server->options.stream_timeout_ms;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A peer that vanished without a word is noticed although a stream's few bytes fit the
	 * socket. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

bool http_server_count(struct http_server *server, const char *peer, bool *ret_counted)
{
	size_t *count;

	*ret_counted = server->options.address_connections > 0 && strcmp(peer, "unix") != 0 &&
	               !http_proxies_trust(&server->proxies, str_of(peer));
	if (!*ret_counted) {
		return true;
	}
	count = map_get(server->addresses, str_of(peer));
	if (count == NULL) {
		count = mem_calloc(1, sizeof(*count));
		(void)map_put(server->addresses, str_of(peer), count);
	}
	if (*count >= server->options.address_connections) {
		return false;
	}
	(*count)++;
	return true;
}

void http_server_forget(struct http_conn *conn)
{
	struct map *addresses = conn->server->addresses;
	size_t *count = conn->counted ? map_get(addresses, str_of(conn->peer)) : NULL;

	if (count != NULL && --*count == 0) {
		free(map_remove(addresses, str_of(conn->peer)));
	}
	conn->counted = false;
}

/* ERR_OK: it may come in; *ret_counted: it is one of its address. */
static enum err_code admit(struct http_server *server, const struct http_listener *listener,
                           const char *peer, bool *ret_counted)
{
	if (server->conn_count >= server->options.max_connections) {
		return ERR_UNAVAILABLE;
	}
	if (is_too_fast(server)) {
		return ERR_LIMIT;
	}
	if ((listener->how & HTTP_LISTEN_PROXY) != 0 &&
	    !http_proxies_trust(&server->proxies, str_of(peer))) {
		return ERR_FORBIDDEN;
	}
	return http_server_count(server, peer, ret_counted) ? ERR_OK : ERR_LIMIT;
}

static void take_connection(const struct http_listener *listener, int fd,
                            const struct sockaddr_storage *address)
{
	struct http_server *server = listener->server;
	char peer[HTTP_PEER_SIZE];
	bool counted = false;
	enum err_code code;

	metric_inc(METRIC_HTTP_ACCEPTED, NULL);
	http_peer_of(address, peer);
	code = admit(server, listener, peer, &counted);
	if (code != ERR_OK) {
		metric_inc(METRIC_HTTP_REFUSED, err_name(code));
		turn_away(listener, fd);
		return;
	}
	if (address->ss_family != AF_UNIX) {
		set_options(server, fd);
	}
	http_conn_new(server, fd, peer, listener->how)->counted = counted;
}

/* False when there is nothing more to accept now. */
static bool accept_one(const struct http_listener *listener)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t size = sizeof(address);
	void *raw = &address;
	int fd = accept4(listener->fd, raw, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		if (listener->unix_path != NULL) {
			address.ss_family = AF_UNIX;
		}
		take_connection(listener, fd, &address);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* The connection stays in the backlog: trying again at once would only spin. */
		pause_accept(listener->server);
	}
	return errno == EINTR || errno == ECONNABORTED;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	const struct http_listener *listener = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < ACCEPT_BATCH && accept_one(listener); i++) {
	}
}

/* ---- draining ---- */

void http_server_settled(struct http_server *server)
{
	resume_accept(server);
	if (server->draining) {
		loop_defer(server->loop, &server->drain_task);
	}
}

static void on_drain_turn(struct loop_task *task)
{
	struct http_server *server = CONTAINER_OF(task, struct http_server, drain_task);
	void (*drained)(void *arg) = server->drained;

	if (server->conn_count > 0 || server->fibers.count > 0 || drained == NULL) {
		return;
	}
	loop_timer_clear(&server->drain_timer);
	server->drained = NULL;
	drained(server->drained_arg);
}

static void on_drain_timer(struct loop_timer *timer)
{
	struct http_server *server = CONTAINER_OF(timer, struct http_server, drain_timer);
	struct http_conn *conn;

	LIST_FOREACH(conn, &server->conns, link)
	{
		http_conn_kill(conn);
	}
	http_server_settled(server);
}

static void stop_listening(struct http_server *server)
{
	loop_timer_clear(&server->accept_timer);
	for (size_t i = 0; i < server->listener_count; i++) {
		struct http_listener *listener = &server->listeners[i];

		(void)event_del(&listener->accept_event);
		(void)close(listener->fd);
		if (listener->unix_path != NULL && !listener->given) {
			(void)unlink(listener->unix_path);
		}
		free(listener->unix_path);
	}
	server->listener_count = 0;
}

/* Closing a socket resets what waits in its backlog: take it in first. */
static void empty_backlog(const struct http_listener *listener)
{
	unsigned most = listener->server->options.max_connections;

	for (unsigned i = 0; i < most && accept_one(listener); i++) {
	}
}

void http_server_will_drain(struct http_server *server)
{
	server->will_drain = true;
}

void http_server_retire(struct http_server *server)
{
	struct http_conn *conn;

	if (server->draining) {
		return;
	}
	for (size_t i = 0; i < server->listener_count; i++) {
		empty_backlog(&server->listeners[i]);
	}
	stop_listening(server);
	server->will_drain = true;
	server->draining = true;
	LIST_FOREACH(conn, &server->conns, link)
	{
		if (conn->state != CONN_STREAM) {
			http_conn_drain(conn);
		}
	}
}

void http_server_drain(struct http_server *server, unsigned timeout_ms, void (*drained)(void *arg),
                       void *arg)
{
	struct http_conn *conn;

	if (server->told) {
		return;
	}
	http_server_retire(server);
	server->told = true;
	server->drained = drained;
	server->drained_arg = arg;
	LIST_FOREACH(conn, &server->conns, link)
	{
		if (conn->state == CONN_STREAM) {
			http_conn_drain(conn);
		}
	}
	loop_timer_set(&server->drain_timer, timeout_ms);
	http_server_settled(server);
}

bool http_server_draining(const struct http_server *server)
{
	return server->draining;
}

/* ---- handing over ---- */

void http_server_freeze(struct http_server *server)
{
	struct http_conn *conn;

	server->frozen = true;
	pause_accept(server);
	LIST_FOREACH(conn, &server->conns, link)
	{
		if (conn->state == CONN_STREAM && !conn->opening && conn->tls == NULL) {
			http_conn_freeze(conn);
		}
	}
}

void http_server_thaw(struct http_server *server)
{
	struct http_conn *conn;

	server->frozen = false;
	resume_accept(server);
	LIST_FOREACH(conn, &server->conns, link)
	{
		if (conn->frozen) {
			http_conn_thaw(conn);
		}
	}
}

size_t http_server_fds(const struct http_server *server, int fds[HTTP_LISTENERS_MAX])
{
	for (size_t i = 0; i < server->listener_count; i++) {
		fds[i] = server->listeners[i].fd;
	}
	return server->listener_count;
}

void http_server_leave(struct http_server *server)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		free(server->listeners[i].unix_path);
		server->listeners[i].unix_path = NULL;
	}
	stop_listening(server);
}

static void accept_from(struct http_server *server, int fd, const struct http_door *door)
{
	struct http_listener *listener = &server->listeners[server->listener_count++];

	assert(server->listener_count <= HTTP_LISTENERS_MAX);
	*listener = (struct http_listener){ .server = server,
		                            .fd = fd,
		                            .how = door->how,
		                            .unix_path = http_unix_path(door->address) };
	server->port = server->listener_count == 1 ? http_port_of(fd) : server->port;
	(void)event_assign(&listener->accept_event, loop_base(server->loop), fd,
	                   EV_READ | EV_PERSIST, on_accept, listener);
	(void)event_add(&listener->accept_event, NULL);
}

void http_server_take(struct http_server *server, const int *fds, const char *address)
{
	struct http_door doors[HTTP_LISTENERS_MAX];
	struct err err;
	size_t count = http_doors_parse(address, doors, &err);

	assert(server->listener_count == 0);
	server->accept_paused = false;
	for (size_t i = 0; i < count; i++) {
		accept_from(server, fds[i], &doors[i]);
	}
}

/* ---- life ---- */

/* The descriptor of one that was given; -1: none is bound to that address. */
static int find_given(const struct http_options *options, const char *address)
{
	for (int fd = options->given_first; fd < options->given_first + (int)options->given_count;
	     fd++) {
		if (http_listens_at(fd, address)) {
			return fd;
		}
	}
	return -1;
}

static enum err_code listen_at(struct http_server *server, const struct http_door *door,
                               struct err *err)
{
	int fd, given = find_given(&server->options, door->address);

	if ((door->how & HTTP_LISTEN_TLS) != 0 && server->options.tls == NULL) {
		return err_set(err, ERR_INVALID, "listen tls://%s: no certificate is set",
		               door->address);
	}
	fd = given >= 0 ? given : http_listen(door->address, err);
	if (fd < 0) {
		return err->code;
	}
	accept_from(server, fd, door);
	server->listeners[server->listener_count - 1].given = given >= 0;
	return ERR_OK;
}

/* Who connects to one that nobody serves would wait for ever. */
static enum err_code check_given(const struct http_server *server, const char *address,
                                 struct err *err)
{
	unsigned served = 0;

	for (size_t i = 0; i < server->listener_count; i++) {
		served += server->listeners[i].given;
	}
	return served == server->options.given_count
	               ? ERR_OK
	               : err_set(err, ERR_INVALID,
	                         "listen %s: %u sockets were given, and %u of them are there",
	                         address, server->options.given_count, served);
}

enum err_code http_server_listen(struct http_server *server, const char *address, struct err *err)
{
	struct http_door doors[HTTP_LISTENERS_MAX];
	size_t count = http_doors_parse(address, doors, err);
	enum err_code code = count > 0 ? ERR_OK : err->code;

	assert(server->listener_count == 0);
	server->accept_paused = false;
	for (size_t i = 0; i < count && code == ERR_OK; i++) {
		code = listen_at(server, &doors[i], err);
	}
	code = code == ERR_OK ? check_given(server, address, err) : code;
	if (code != ERR_OK) {
		stop_listening(server);
	}
	return code;
}

struct http_server *http_server_new(struct loop *loop, const struct http_options *options,
                                    struct err *err)
{
	struct http_server *server = mem_calloc(1, sizeof(*server));
	const char *proxies = options->trusted_proxies != NULL ? options->trusted_proxies : "";

	server->loop = loop;
	server->options = *options;
	server->drain_task.run = on_drain_turn;
	LIST_INIT(&server->conns);
	loop_timer_init(&server->accept_timer, loop, on_accept_timer);
	loop_timer_init(&server->drain_timer, loop, on_drain_timer);
	if (http_proxies_parse(str_of(proxies), &server->proxies, err) != ERR_OK ||
	    (options->listen != NULL &&
	     http_server_listen(server, options->listen, err) != ERR_OK)) {
		free(server);
		return NULL;
	}
	server->proxies.by = (enum http_forwarded_by)options->forwarded_by;
	server->addresses = map_new();
	server->routes = http_routes_new(options->routes, options->route_count);
	server->scratch = mem_calloc(1, HTTP_READ_SIZE);
	server->random = mem_calloc(1, RANDOM_SIZE);
	return server;
}

void http_server_free(struct http_server *server)
{
	struct http_conn *conn;

	if (server == NULL) {
		return;
	}
	stop_listening(server);
	loop_timer_clear(&server->drain_timer);
	while ((conn = LIST_FIRST(&server->conns)) != NULL) {
		http_conn_kill(conn);
		http_conn_free(conn);
	}
	assert(server->fibers.count == 0);
	loop_undefer(server->loop, &server->drain_task);
	http_routes_free(server->routes);
	map_free(server->addresses);
	free(server->scratch);
	free(server->random);
	free(server);
}

unsigned http_server_port(const struct http_server *server)
{
	return server->port;
}

size_t http_server_connections(const struct http_server *server)
{
	return server->conn_count;
}
