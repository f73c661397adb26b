#include "redis/sub.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "redis/cmd.h"
#include "redis/conn.h"

enum {
	PING_EVERY_MS = 2000,
	OUT_MAX = 16 * 1024 * 1024, /* beyond it the server does not read: reconnect */
};

struct redis_sub {
	struct loop *loop;
	struct redis_conn *conn;
	const struct redis_sub_events *events;
	void *arg;
	unsigned timeout_ms;
	struct map *channels; /* wanted; the value only marks presence */
	struct buf out;
	struct loop_task flush;
	struct loop_timer timer; /* up: the next PING, or the end of the wait for an answer */
	bool pinged;
	uint64_t ping_ms;
	size_t unconfirmed; /* of what was subscribed when the connection came up */
	bool calling;       /* two callbacks may follow each other; the first may free us */
	bool doomed;        /* freed meanwhile: the memory goes when they are over */
};

static void flush(struct redis_sub *sub)
{
	struct iovec iov = { sub->out.data, sub->out.len };
	struct err err;

	if (!redis_conn_is_up(sub->conn)) {
		return;
	}
	if (buf_failed(&sub->out)) {
		(void)err_set(&err, ERR_UNAVAILABLE,
		              "redis: the server does not read subscriptions");
		redis_conn_drop(sub->conn, &err);
	} else if (sub->out.len > 0) {
		buf_drop(&sub->out, redis_conn_write(sub->conn, &iov, 1));
	}
}

static void on_flush(struct loop_task *task)
{
	flush(CONTAINER_OF(task, struct redis_sub, flush));
}

static void say(struct redis_sub *sub, size_t count, const struct str words[])
{
	if (redis_conn_is_up(sub->conn)) {
		redis_wire_add(&sub->out, count, words);
		loop_defer(sub->loop, &sub->flush);
	}
}

static void say_channel(struct redis_sub *sub, struct str verb, struct str channel)
{
	const struct str words[] = { verb, channel };

	say(sub, ARRAY_LEN(words), words);
}

/* ---- a sign of life ---- */

static void on_timer(struct loop_timer *timer)
{
	struct redis_sub *sub = CONTAINER_OF(timer, struct redis_sub, timer);
	const struct str ping[] = { STR_LIT("PING") };
	struct err err;

	if (sub->pinged && redis_conn_heard_ms(sub->conn) < sub->ping_ms) {
		(void)err_set(&err, ERR_UNAVAILABLE, "redis: the server was silent for %u ms",
		              sub->timeout_ms);
		redis_conn_drop(sub->conn, &err);
		return;
	}
	sub->pinged = !sub->pinged;
	if (sub->pinged) {
		sub->ping_ms = clock_mono_ms();
		say(sub, ARRAY_LEN(ping), ping);
	}
	loop_timer_set(&sub->timer, sub->pinged ? sub->timeout_ms : PING_EVERY_MS);
}

/* ---- what the connection tells ---- */

static void on_conn_up(void *arg)
{
	struct redis_sub *sub = arg;
	struct str channel;
	void *value;
	size_t at = 0;

	buf_reset(&sub->out);
	sub->pinged = false;
	sub->unconfirmed = map_count(sub->channels);
	while (map_next(sub->channels, &at, &channel, &value)) {
		say_channel(sub, STR_LIT("SUBSCRIBE"), channel);
	}
	loop_timer_set(&sub->timer, PING_EVERY_MS);
	if (sub->unconfirmed == 0) {
		sub->events->resumed(sub->arg);
	}
}

static void on_conn_down(void *arg, const struct err *why)
{
	struct redis_sub *sub = arg;

	(void)why;
	buf_reset(&sub->out);
	loop_timer_clear(&sub->timer);
}

/* Confirmations come in the order of the requests, so the first ones are those of on_conn_up(). */
static void on_subscribed(struct redis_sub *sub, struct str channel)
{
	bool last = sub->unconfirmed == 1;

	if (sub->unconfirmed > 0) {
		sub->unconfirmed--;
	}
	sub->calling = true;
	if (sub->events->subscribed != NULL && map_get(sub->channels, channel) != NULL) {
		sub->events->subscribed(sub->arg, channel);
	}
	if (last && !sub->doomed) {
		sub->events->resumed(sub->arg);
	}
	sub->calling = false;
	if (sub->doomed) {
		free(sub);
	}
}

static void on_conn_reply(void *arg, struct redis_reply *reply)
{
	struct redis_sub *sub = arg;
	CLEANUP(redis_reply_cleanup) struct redis_reply *owned = reply;
	struct str kind = redis_reply_str(redis_reply_at(owned, 0));
	struct str channel = redis_reply_str(redis_reply_at(owned, 1));
	struct err err;

	if (redis_reply_type(owned) == REDIS_ERROR) {
		struct str text = redis_reply_str(owned);

		(void)err_set(&err, ERR_UNAVAILABLE, "redis: %" STR_FMT, STR_ARG(text));
		redis_conn_drop(sub->conn, &err);
	} else if (str_eq(kind, STR_LIT("message"))) {
		if (map_get(sub->channels, channel) != NULL) {
			sub->events->message(sub->arg, channel,
			                     redis_reply_str(redis_reply_at(owned, 2)));
		}
	} else if (str_eq(kind, STR_LIT("subscribe"))) {
		on_subscribed(sub, channel);
	}
	/* The rest, "unsubscribe" and "pong", is heard and needs no more. */
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

/* ---- public ---- */

struct redis_sub *redis_sub_new(struct loop *loop, const struct redis_options *options,
                                const struct redis_sub_events *events, void *arg, struct err *err)
{
	struct redis_sub *sub = mem_calloc(1, sizeof(*sub));

	sub->conn = redis_conn_new(loop, options, &conn_events, sub, err);
	if (sub->conn == NULL) {
		free(sub);
		return NULL;
	}
	sub->loop = loop;
	sub->events = events;
	sub->arg = arg;
	sub->timeout_ms = options->timeout_ms;
	sub->channels = map_new();
	buf_init(&sub->out, OUT_MAX);
	sub->flush.run = on_flush;
	loop_timer_init(&sub->timer, loop, on_timer);
	return sub;
}

void redis_sub_free(struct redis_sub *sub)
{
	if (sub == NULL) {
		return;
	}
	loop_undefer(sub->loop, &sub->flush);
	loop_timer_clear(&sub->timer);
	redis_conn_free(sub->conn);
	map_free(sub->channels);
	buf_fini(&sub->out);
	sub->doomed = true;
	if (!sub->calling) {
		free(sub);
	}
}

void redis_subscribe(struct redis_sub *sub, struct str channel)
{
	if (map_put(sub->channels, channel, sub) == NULL) {
		say_channel(sub, STR_LIT("SUBSCRIBE"), channel);
	}
}

void redis_unsubscribe(struct redis_sub *sub, struct str channel)
{
	if (map_remove(sub->channels, channel) != NULL) {
		say_channel(sub, STR_LIT("UNSUBSCRIBE"), channel);
	}
}
