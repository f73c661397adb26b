#include "redis/conn.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "redis/cmd.h"
#include "redis/info.h"
#include "redis/reply.h"
#include "redis/sentinel.h"
#include "redis/stream.h"
#include "redis/url.h"
#include "tls/tls.h"

enum {
	BACKOFF_FIRST_MS = 50,
	STABLE_MS = 1000, /* up for so long: the next loss starts with the shortest pause */
	READ_BYTES = 65536,
	READS_PER_TURN = 8, /* then other descriptors have a turn */
	GREETING_MAX = 4096,
};

enum conn_state {
	CONN_DOWN,
	CONN_RESOLVING,
	CONN_CONNECTING,
	CONN_GREETING,
	CONN_UP,
	CONN_LOST,
};

/* What each reply of the greeting answers, in the order in which they are sent. */
enum greeting { GREET_AUTH, GREET_SELECT, GREET_SETNAME, GREET_INFO, GREET_COUNT };

struct redis_conn {
	struct loop *loop;
	const struct redis_conn_events *events;
	void *arg;
	struct redis_url url;
	struct redis_sentinel *sentinel; /* NULL: the URL says where it is */
	char host[REDIS_HOST_SIZE];      /* as the Sentinels, or else the URL, say; "": a path */
	unsigned port;
	struct redis_finder finder;
	char name[REDIS_NAME_SIZE]; /* for the log: where it is, no secret */
	unsigned timeout_ms, backoff_max_ms;

	enum conn_state state;
	struct redis_stream stream;
	struct tls_client *tls; /* NULL: plain */
	struct event readable, writable;
	struct redis_parser *parser;
	char *room;       /* READ_BYTES, for what arrives */
	struct buf hello; /* the greeting's bytes still to be sent */
	enum greeting expected[GREET_COUNT];
	size_t expected_count, greeted;

	struct loop_timer timer; /* down: the pause; until it is up: the deadline */
	struct loop_task lost;   /* reports a loss on a turn of its own */
	struct err why;
	unsigned attempts;
	uint64_t count, up_ms, heard_ms;
	char run_id[REDIS_HISTORY_SIZE], history[REDIS_HISTORY_SIZE];

	bool reading; /* inside read_all(): a free waits for its end */
	bool doomed;
};

static void close_stream(struct redis_conn *conn)
{
	redis_finder_drop(&conn->finder);
	if (conn->stream.fd >= 0) {
		(void)event_del(&conn->readable);
		(void)event_del(&conn->writable);
		redis_stream_close(&conn->stream);
	}
	redis_parser_free(conn->parser);
	conn->parser = NULL;
	buf_fini(&conn->hello);
}

static unsigned random_up_to(unsigned most)
{
	uint32_t v = 0;

	if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v)) {
		v = (uint32_t)clock_mono_us();
	}
	return (unsigned)(v % ((uint64_t)most + 1));
}

static void pause_before_connect(struct redis_conn *conn)
{
	unsigned most = BACKOFF_FIRST_MS;

	for (unsigned i = 0; i < conn->attempts && most < conn->backoff_max_ms; i++) {
		most *= 2;
	}
	if (most > conn->backoff_max_ms) {
		most = conn->backoff_max_ms;
	}
	conn->attempts++;
	conn->state = CONN_DOWN;
	loop_timer_set(&conn->timer, random_up_to(most));
}

/* A connection that never came up: nobody was told of it, so nobody is told of its end. */
static void attempt_failed(struct redis_conn *conn, const struct err *why)
{
	if (conn->why.code == ERR_OK) { /* one line per outage, not per attempt */
		log_warn("redis.unreachable", "server=%s %s", conn->name, why->msg);
	}
	conn->why = *why;
	conn->finder.turn++;
	close_stream(conn);
	pause_before_connect(conn);
	if (conn->sentinel != NULL) {
		redis_sentinel_ask(conn->sentinel);
	}
}

static void on_lost(struct loop_task *task)
{
	struct redis_conn *conn = CONTAINER_OF(task, struct redis_conn, lost);
	struct err why = conn->why;

	if (clock_mono_ms() - conn->up_ms >= STABLE_MS) {
		conn->attempts = 0;
	}
	log_warn("redis.lost", "server=%s %s", conn->name, why.msg);
	pause_before_connect(conn);
	conn->events->down(conn->arg, &why);
}

static void lose(struct redis_conn *conn, const struct err *why)
{
	if (conn->state == CONN_RESOLVING || conn->state == CONN_CONNECTING ||
	    conn->state == CONN_GREETING) {
		attempt_failed(conn, why);
	} else if (conn->state == CONN_UP) {
		conn->why = *why;
		conn->state = CONN_LOST;
		close_stream(conn);
		loop_defer(conn->loop, &conn->lost);
	}
}

/* ---- the greeting ---- */

static void expect(struct redis_conn *conn, enum greeting what, size_t count,
                   const struct str words[])
{
	redis_wire_add(&conn->hello, count, words);
	conn->expected[conn->expected_count++] = what;
}

static void write_greeting(struct redis_conn *conn)
{
	const struct str name[] = { STR_LIT("CLIENT"), STR_LIT("SETNAME"), STR_LIT("fairlead") };
	const struct str info[] = { STR_LIT("INFO") };
	struct buf db;

	conn->expected_count = conn->greeted = 0;
	if (conn->url.password != NULL && conn->url.user != NULL) {
		const struct str auth[] = { STR_LIT("AUTH"), str_of(conn->url.user),
			                    str_of(conn->url.password) };

		expect(conn, GREET_AUTH, ARRAY_LEN(auth), auth);
	} else if (conn->url.password != NULL) {
		const struct str auth[] = { STR_LIT("AUTH"), str_of(conn->url.password) };

		expect(conn, GREET_AUTH, ARRAY_LEN(auth), auth);
	}
	if (conn->url.db != 0) {
		buf_init(&db, 32);
		buf_add_u64(&db, conn->url.db);
		expect(conn, GREET_SELECT, 2,
		       (const struct str[]){ STR_LIT("SELECT"), buf_str(&db) });
		buf_fini(&db);
	}
	expect(conn, GREET_SETNAME, ARRAY_LEN(name), name);
	expect(conn, GREET_INFO, ARRAY_LEN(info), info);
}

static enum err_code look_at_info(struct redis_conn *conn, struct str info, struct err *err)
{
	enum err_code code = redis_info_history(info, conn->history, err);

	if (code == ERR_OK) {
		(void)str_copy(conn->run_id, sizeof(conn->run_id),
		               redis_info_value(info, STR_LIT("run_id")));
	}
	return code;
}

static void come_up(struct redis_conn *conn)
{
	loop_timer_clear(&conn->timer);
	conn->state = CONN_UP;
	conn->count++;
	if (conn->count > 1) {
		metric_inc(METRIC_REDIS_RECONNECTS, NULL);
	}
	log_info("redis.connected", "server=%s run_id=%s connection=%" PRIu64, conn->name,
	         conn->run_id, conn->count);
	conn->up_ms = clock_mono_ms();
	conn->why = (struct err){ .code = ERR_OK };
	conn->events->up(conn->arg);
}

static void on_greeting_reply(struct redis_conn *conn, const struct redis_reply *reply)
{
	enum greeting what = conn->expected[conn->greeted++];
	struct err err;

	/* A user without the right to name its connection works just as well. */
	if (redis_reply_type(reply) == REDIS_ERROR && what != GREET_SETNAME) {
		struct str text = redis_reply_str(reply);

		(void)err_set(&err, ERR_UNAVAILABLE, "redis: %" STR_FMT, STR_ARG(text));
		attempt_failed(conn, &err);
		return;
	}
	if (what == GREET_INFO && look_at_info(conn, redis_reply_str(reply), &err) != ERR_OK) {
		attempt_failed(conn, &err);
		return;
	}
	if (conn->greeted == conn->expected_count) {
		come_up(conn);
	}
}

static void await_room(struct redis_conn *conn, size_t left)
{
	if (redis_stream_wants_room(&conn->stream, left)) {
		(void)event_add(&conn->writable, NULL);
	}
}

static void send_greeting(struct redis_conn *conn)
{
	struct iovec iov = { conn->hello.data, conn->hello.len };
	struct err err;
	size_t put;

	if (redis_stream_write(&conn->stream, &iov, 1, &put, &err) != ERR_OK) {
		attempt_failed(conn, &err);
		return;
	}
	buf_drop(&conn->hello, put);
	await_room(conn, conn->hello.len);
}

/* ---- events of the socket ---- */

/* Hand out every whole reply. False when the connection ended meanwhile. */
static bool deliver(struct redis_conn *conn)
{
	struct redis_reply *reply = NULL;
	struct err err;

	for (;;) {
		if (redis_parser_next(conn->parser, &reply, &err) != ERR_OK) {
			lose(conn, &err);
			return false;
		}
		if (reply == NULL) {
			return true;
		}
		if (conn->state == CONN_UP) {
			conn->events->reply(conn->arg, reply);
		} else {
			on_greeting_reply(conn, reply);
			redis_reply_free(reply);
		}
		if (conn->doomed || conn->parser == NULL) {
			return false;
		}
	}
}

static bool take_in(struct redis_conn *conn, const char *bytes, size_t n)
{
	struct err err;

	for (size_t at = 0; at < n; at += REDIS_FEED) {
		size_t slice = n - at < REDIS_FEED ? n - at : REDIS_FEED;

		if (!redis_parser_feed(conn->parser, bytes + at, slice)) {
			(void)err_set(&err, ERR_BACKEND, "redis: a reply of more than %d bytes",
			              REDIS_REPLY_MAX);
			lose(conn, &err);
			return false;
		}
		if (!deliver(conn)) {
			return false;
		}
	}
	return true;
}

static void read_all(struct redis_conn *conn)
{
	struct err err;
	size_t got;

	for (int i = 0; i < READS_PER_TURN; i++) {
		if (redis_stream_read(&conn->stream, conn->room, READ_BYTES, &got, &err) !=
		    ERR_OK) {
			lose(conn, &err);
			return;
		}
		if (got == 0) {
			return;
		}
		conn->heard_ms = clock_mono_ms();
		if (!take_in(conn, conn->room, got)) {
			return;
		}
		if (got < READ_BYTES && !redis_stream_has_input(&conn->stream)) {
			return;
		}
	}
	if (redis_stream_has_input(&conn->stream)) {
		event_active(&conn->readable, EV_READ, 0);
	}
}

static void destroy(struct redis_conn *conn)
{
	close_stream(conn);
	loop_timer_clear(&conn->timer);
	loop_undefer(conn->loop, &conn->lost);
	redis_sentinel_free(conn->sentinel);
	tls_client_free(conn->tls);
	redis_url_fini(&conn->url);
	free(conn->room);
	free(conn);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct redis_conn *conn = arg;

	(void)fd;
	(void)what;
	conn->reading = true;
	read_all(conn);
	conn->reading = false;
	if (!conn->doomed && conn->state == CONN_GREETING && conn->hello.len > 0) {
		send_greeting(conn); /* it waited for the handshake */
	}
	if (conn->doomed) {
		destroy(conn);
	}
}

/* The name that its certificate has to have: the one that is given, or what we connected to. */
static void secure(struct redis_conn *conn)
{
	const char *name = conn->url.name != NULL ? conn->url.name : conn->host;

	if (conn->tls != NULL) {
		redis_stream_secure(&conn->stream, conn->tls, name);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct redis_conn *conn = arg;
	struct err err;

	(void)fd;
	(void)what;
	if (conn->state == CONN_UP) {
		if (conn->tls != NULL) {
			(void)redis_conn_write(conn, NULL, 0); /* what TLS holds */
		}
		conn->events->writable(conn->arg);
		return;
	}
	if (conn->state == CONN_CONNECTING) {
		if (redis_stream_connected(&conn->stream, &err) != ERR_OK) {
			attempt_failed(conn, &err);
			return;
		}
		conn->state = CONN_GREETING;
		conn->parser = redis_parser_new();
		secure(conn);
		write_greeting(conn);
		(void)event_add(&conn->readable, NULL);
	}
	send_greeting(conn);
}

static void connect_to(struct redis_conn *conn, const struct redis_address *address)
{
	struct event_base *base = loop_base(conn->loop);
	struct err err;

	if (redis_stream_open(address, &conn->stream, &err) != ERR_OK) {
		attempt_failed(conn, &err);
		return;
	}
	conn->state = CONN_CONNECTING;
	(void)event_assign(&conn->readable, base, conn->stream.fd, EV_READ | EV_PERSIST,
	                   on_readable, conn);
	(void)event_assign(&conn->writable, base, conn->stream.fd, EV_WRITE, on_writable, conn);
	(void)event_add(&conn->writable, NULL);
	loop_timer_set(&conn->timer, conn->timeout_ms);
}

static void on_found(void *arg, const struct redis_address *address, const struct err *why)
{
	struct redis_conn *conn = arg;

	if (address != NULL) {
		connect_to(conn, address);
	} else {
		attempt_failed(conn, why);
	}
}

static void begin(struct redis_conn *conn)
{
	struct redis_address address;
	struct err err;

	if (conn->sentinel != NULL) {
		if (redis_sentinel_master(conn->sentinel, conn->host, &conn->port, &err) !=
		    ERR_OK) {
			attempt_failed(conn, &err);
			return;
		}
		redis_name_of(conn->host, conn->port, conn->name);
	}
	if (conn->url.path != NULL) {
		if (redis_address_of_path(conn->url.path, &address, &err) == ERR_OK) {
			connect_to(conn, &address);
		} else {
			attempt_failed(conn, &err);
		}
	} else if (redis_address_numeric(conn->host, conn->port, &address)) {
		connect_to(conn, &address);
	} else {
		conn->state = CONN_RESOLVING;
		loop_timer_set(&conn->timer, conn->timeout_ms);
		redis_finder_ask(&conn->finder, conn->loop, conn->host, conn->port);
	}
}

/* The question stays: another one would be answered no sooner. */
static void complain_of_names(struct redis_conn *conn)
{
	if (conn->why.code == ERR_OK) {
		(void)err_set(&conn->why, ERR_UNAVAILABLE, "redis: %s is not resolved within %u ms",
		              conn->host, conn->timeout_ms);
		log_warn("redis.unreachable", "server=%s %s", conn->name, conn->why.msg);
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct redis_conn *conn = CONTAINER_OF(timer, struct redis_conn, timer);
	struct err err;

	switch (conn->state) {
	case CONN_DOWN: begin(conn); break;
	case CONN_RESOLVING: complain_of_names(conn); break;
	case CONN_CONNECTING:
	case CONN_GREETING:
		(void)err_set(&err, ERR_UNAVAILABLE, "redis: not connected within %u ms",
		              conn->timeout_ms);
		attempt_failed(conn, &err);
		break;
	case CONN_UP:
	case CONN_LOST: break;
	}
}

/* ---- for the owner ---- */

static void on_moved(void *arg)
{
	struct redis_conn *conn = arg;
	struct err err;

	conn->attempts = 0;
	if (conn->state == CONN_DOWN) {
		loop_timer_set(&conn->timer, 0);
	} else {
		(void)err_set(&err, ERR_UNKNOWN, "redis: the Sentinels name another master");
		lose(conn, &err);
	}
}

static enum err_code prepare_tls(struct redis_conn *conn, struct err *err)
{
	const struct tls_client_options options = { .ca = conn->url.ca,
		                                    .certificate = conn->url.certificate,
		                                    .key = conn->url.key };

	if (!conn->url.tls) {
		return ERR_OK;
	}
	conn->tls = tls_client_new(&options, err);
	return conn->tls != NULL ? ERR_OK : err_wrap(err, "redis");
}

/* Where it is, or who is to be asked. */
static enum err_code find_server(struct redis_conn *conn, const struct redis_options *options,
                                 struct err *err)
{
	const struct redis_url *url = &conn->url;

	if (url->master != NULL) {
		(void)snprintf(conn->name, sizeof(conn->name), "%s", url->master);
		conn->sentinel = redis_sentinel_new(conn->loop, url, options, on_moved, conn, err);
		return conn->sentinel != NULL ? ERR_OK : err->code;
	}
	if (url->path != NULL) {
		(void)snprintf(conn->name, sizeof(conn->name), "%s", url->path);
		return ERR_OK;
	}
	if (!str_copy(conn->host, sizeof(conn->host), str_of(url->host))) {
		return err_set(err, ERR_INVALID, "redis URL: the host is too long");
	}
	conn->port = url->port;
	redis_name_of(conn->host, conn->port, conn->name);
	return ERR_OK;
}

struct redis_conn *redis_conn_open(struct loop *loop, struct redis_url *url,
                                   const struct redis_options *options,
                                   const struct redis_conn_events *events, void *arg,
                                   struct err *err)
{
	struct redis_conn *conn = mem_calloc(1, sizeof(*conn));

	conn->loop = loop;
	conn->events = events;
	conn->arg = arg;
	conn->url = *url;
	conn->timeout_ms = options->timeout_ms;
	conn->backoff_max_ms = options->backoff_max_ms;
	conn->finder = (struct redis_finder){ .found = on_found, .arg = conn };
	conn->stream.fd = -1;
	conn->lost.run = on_lost;
	buf_init(&conn->hello, GREETING_MAX);
	loop_timer_init(&conn->timer, loop, on_timer);
	if (prepare_tls(conn, err) != ERR_OK || find_server(conn, options, err) != ERR_OK) {
		destroy(conn);
		return NULL;
	}
	conn->room = mem_calloc(1, READ_BYTES);
	/* on_moved() is sooner, or there is something to complain about. */
	loop_timer_set(&conn->timer, conn->sentinel != NULL ? conn->timeout_ms : 0);
	return conn;
}

struct redis_conn *redis_conn_new(struct loop *loop, const struct redis_options *options,
                                  const struct redis_conn_events *events, void *arg,
                                  struct err *err)
{
	struct redis_url url;

	if (redis_url_parse(options->url, &url, err) != ERR_OK) {
		return NULL;
	}
	return redis_conn_open(loop, &url, options, events, arg, err);
}

void redis_conn_free(struct redis_conn *conn)
{
	if (conn == NULL) {
		return;
	}
	if (conn->reading) {
		conn->doomed = true;
		return;
	}
	destroy(conn);
}

bool redis_conn_is_up(const struct redis_conn *conn)
{
	return conn->state == CONN_UP;
}

const char *redis_conn_run_id(const struct redis_conn *conn)
{
	return conn->run_id;
}

const char *redis_conn_history(const struct redis_conn *conn)
{
	return conn->history;
}

uint64_t redis_conn_count(const struct redis_conn *conn)
{
	return conn->count;
}

uint64_t redis_conn_heard_ms(const struct redis_conn *conn)
{
	return conn->heard_ms;
}

const char *redis_conn_trouble(const struct redis_conn *conn)
{
	return conn->why.code != ERR_OK ? conn->why.msg : "";
}

size_t redis_conn_write(struct redis_conn *conn, const struct iovec *iov, int count)
{
	size_t put = 0, want = 0;
	struct err err;

	if (conn->state != CONN_UP) {
		return 0;
	}
	for (int i = 0; i < count; i++) {
		want += iov[i].iov_len;
	}
	if (redis_stream_write(&conn->stream, iov, count, &put, &err) != ERR_OK) {
		lose(conn, &err);
	} else {
		await_room(conn, want - put);
	}
	return put;
}

void redis_conn_drop(struct redis_conn *conn, const struct err *why)
{
	if (conn->state == CONN_UP) {
		lose(conn, why);
	}
}
