#include "redis/sentinel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/loop.h"
#include "redis/cmd.h"
#include "redis/conn.h"

enum {
	ASK_EVERY_MS = 1000,
	QUESTION_MAX = 4096, /* bytes; a URL, and so a name, has at most 1024 */
};

static const struct str switch_channel = { "+switch-master", sizeof("+switch-master") - 1 };

/* What the replies to a question are, in the order in which they come. */
enum awaited { AWAIT_NOTHING, AWAIT_EPOCH, AWAIT_ADDRESS };

/* One Sentinel, and what it said last. */
struct watcher {
	struct redis_sentinel *sentinel;
	struct redis_conn *conn;
	struct buf out;
	enum awaited awaited;
	uint64_t asked_ms;
	bool listening; /* subscribed: it must unsubscribe to ask */
	bool told;      /* it is up, and what follows is its answer */
	uint64_t epoch, asked_epoch;
	char host[REDIS_HOST_SIZE];
	uint64_t port;
};

struct redis_sentinel {
	struct loop *loop;
	char *master; /* its name */
	void (*moved)(void *arg);
	void *arg;
	unsigned timeout_ms;
	struct loop_timer timer;
	bool known; /* what follows: the choice */
	char host[REDIS_HOST_SIZE];
	unsigned port;
	size_t count;
	struct watcher watchers[REDIS_SENTINELS_MAX];
};

/* ---- the choice ---- */

static const struct watcher *latest(const struct redis_sentinel *sentinel)
{
	const struct watcher *best = NULL;

	for (size_t i = 0; i < sentinel->count; i++) {
		const struct watcher *w = &sentinel->watchers[i];

		if (w->told && (best == NULL || w->epoch > best->epoch)) {
			best = w;
		}
	}
	return best;
}

static void choose(struct redis_sentinel *sentinel)
{
	const struct watcher *w = latest(sentinel);
	char name[REDIS_NAME_SIZE];

	if (w == NULL) {
		return; /* the last one known may well be there still */
	}
	if (sentinel->known && w->port == sentinel->port && strcmp(w->host, sentinel->host) == 0) {
		return;
	}
	sentinel->known = true;
	memcpy(sentinel->host, w->host, sizeof(w->host));
	sentinel->port = (unsigned)w->port;
	redis_name_of(sentinel->host, sentinel->port, name);
	log_info("redis.master", "master=%s server=%s epoch=%" PRIu64, sentinel->master, name,
	         w->epoch);
	sentinel->moved(sentinel->arg);
}

/* ---- questions ---- */

static void flush(struct watcher *w)
{
	struct iovec iov = { w->out.data, w->out.len };

	if (w->out.len > 0) {
		buf_drop(&w->out, redis_conn_write(w->conn, &iov, 1));
	}
}

static void say(struct watcher *w, size_t count, const struct str words[])
{
	redis_wire_add(&w->out, count, words);
}

/* The epoch and the address change in one step, and are asked in one. */
static void ask(struct watcher *w)
{
	const struct str master = str_of(w->sentinel->master);
	const struct str leave[] = { STR_LIT("UNSUBSCRIBE"), switch_channel };
	const struct str epoch[] = { STR_LIT("SENTINEL"), STR_LIT("MASTER"), master };
	const struct str address[] = { STR_LIT("SENTINEL"), STR_LIT("GET-MASTER-ADDR-BY-NAME"),
		                       master };
	const struct str listen[] = { STR_LIT("SUBSCRIBE"), switch_channel };

	if (!redis_conn_is_up(w->conn) || w->awaited != AWAIT_NOTHING) {
		return;
	}
	if (w->listening) {
		say(w, ARRAY_LEN(leave), leave);
	}
	say(w, ARRAY_LEN(epoch), epoch);
	say(w, ARRAY_LEN(address), address);
	say(w, ARRAY_LEN(listen), listen);
	w->listening = true;
	w->awaited = AWAIT_EPOCH;
	w->asked_ms = clock_mono_ms();
	flush(w);
}

/* Whoever owes an answer for too long is given up, and tried anew. */
static void on_timer(struct loop_timer *timer)
{
	struct redis_sentinel *sentinel = CONTAINER_OF(timer, struct redis_sentinel, timer);
	uint64_t now = clock_mono_ms();
	struct err err;

	for (size_t i = 0; i < sentinel->count; i++) {
		struct watcher *w = &sentinel->watchers[i];

		if (w->awaited != AWAIT_NOTHING && now - w->asked_ms >= sentinel->timeout_ms) {
			(void)err_set(&err, ERR_UNAVAILABLE, "sentinel: silent for %u ms",
			              sentinel->timeout_ms);
			redis_conn_drop(w->conn, &err);
		}
		ask(w);
	}
	loop_timer_set(&sentinel->timer, ASK_EVERY_MS);
}

void redis_sentinel_ask(struct redis_sentinel *sentinel)
{
	for (size_t i = 0; i < sentinel->count; i++) {
		ask(&sentinel->watchers[i]);
	}
}

/* ---- answers ---- */

/* SENTINEL MASTER: names and values by turns. */
static void take_epoch(struct watcher *w, const struct redis_reply *reply)
{
	w->asked_epoch = 0;
	for (size_t i = 0; i + 1 < redis_reply_len(reply); i += 2) {
		if (str_eq(redis_reply_str(redis_reply_at(reply, i)), STR_LIT("config-epoch")) &&
		    !redis_reply_u64(redis_reply_at(reply, i + 1), &w->asked_epoch)) {
			w->asked_epoch = 0;
		}
	}
	w->awaited = AWAIT_ADDRESS;
}

/* Nil, or an error, when the Sentinel knows no master of that name. */
static void take_address(struct watcher *w, const struct redis_reply *reply)
{
	w->told = str_copy(w->host, sizeof(w->host), redis_reply_str(redis_reply_at(reply, 0))) &&
	          w->host[0] != '\0' && redis_reply_u64(redis_reply_at(reply, 1), &w->port) &&
	          w->port > 0 && w->port <= REDIS_PORT_MAX;
	w->epoch = w->asked_epoch;
	w->awaited = AWAIT_NOTHING;
	choose(w->sentinel);
}

static bool is_push(const struct redis_reply *reply)
{
	struct str kind = redis_reply_str(redis_reply_at(reply, 0));

	return str_eq(kind, STR_LIT("message")) || str_eq(kind, STR_LIT("subscribe")) ||
	       str_eq(kind, STR_LIT("unsubscribe"));
}

static void on_conn_reply(void *arg, struct redis_reply *reply)
{
	struct watcher *w = arg;
	CLEANUP(redis_reply_cleanup) struct redis_reply *owned = reply;

	if (is_push(owned)) {
		if (str_eq(redis_reply_str(redis_reply_at(owned, 0)), STR_LIT("message"))) {
			redis_sentinel_ask(w->sentinel);
		}
	} else if (w->awaited == AWAIT_EPOCH) {
		take_epoch(w, owned);
	} else if (w->awaited == AWAIT_ADDRESS) {
		take_address(w, owned);
	}
}

static void on_conn_up(void *arg)
{
	ask(arg);
}

static void on_conn_down(void *arg, const struct err *why)
{
	struct watcher *w = arg;

	(void)why;
	buf_reset(&w->out);
	w->awaited = AWAIT_NOTHING;
	w->listening = w->told = false;
	choose(w->sentinel);
}

static void on_conn_writable(void *arg)
{
	flush(arg);
}

static const struct redis_conn_events conn_events = {
	.up = on_conn_up,
	.down = on_conn_down,
	.reply = on_conn_reply,
	.writable = on_conn_writable,
};

/* ---- for the connection ---- */

static enum err_code watch(struct redis_sentinel *sentinel, const struct redis_url *url, size_t i,
                           const struct redis_options *options, struct err *err)
{
	struct watcher *w = &sentinel->watchers[i];
	struct redis_url at;

	redis_url_of_sentinel(url, i, &at);
	w->sentinel = sentinel;
	buf_init(&w->out, QUESTION_MAX);
	w->conn = redis_conn_open(sentinel->loop, &at, options, &conn_events, w, err);
	return w->conn != NULL ? ERR_OK : err->code;
}

struct redis_sentinel *redis_sentinel_new(struct loop *loop, const struct redis_url *url,
                                          const struct redis_options *options,
                                          void (*moved)(void *arg), void *arg, struct err *err)
{
	struct redis_sentinel *sentinel = mem_calloc(1, sizeof(*sentinel));

	sentinel->loop = loop;
	sentinel->master = mem_strdup(url->master);
	sentinel->moved = moved;
	sentinel->arg = arg;
	sentinel->timeout_ms = options->timeout_ms;
	loop_timer_init(&sentinel->timer, loop, on_timer);
	while (sentinel->count < url->sentinel_count) {
		if (watch(sentinel, url, sentinel->count++, options, err) != ERR_OK) {
			redis_sentinel_free(sentinel);
			return NULL;
		}
	}
	loop_timer_set(&sentinel->timer, ASK_EVERY_MS);
	return sentinel;
}

void redis_sentinel_free(struct redis_sentinel *sentinel)
{
	if (sentinel == NULL) {
		return;
	}
	loop_timer_clear(&sentinel->timer);
	for (size_t i = 0; i < sentinel->count; i++) {
		redis_conn_free(sentinel->watchers[i].conn);
		buf_fini(&sentinel->watchers[i].out);
	}
	free(sentinel->master);
	free(sentinel);
}

enum err_code redis_sentinel_master(const struct redis_sentinel *sentinel,
                                    char host[REDIS_HOST_SIZE], unsigned *port, struct err *err)
{
	if (!sentinel->known) {
		return err_set(err, ERR_UNAVAILABLE, "redis: no Sentinel has told the master %s",
		               sentinel->master);
	}
	memcpy(host, sentinel->host, sizeof(sentinel->host));
	*port = sentinel->port;
	return ERR_OK;
}
