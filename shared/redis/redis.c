#include "redis/redis.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "redis/cmd.h"
#include "redis/conn.h"
#include "redis/reply.h"

enum {
	HELD_MAX = 64 * 1024 * 1024, /* bytes of commands that are not answered yet */
	WRITE_PIECES = 256,          /* commands in one write */
};

/* A command from redis_send() to its answer: first waiting, then, from its first byte written, in
 * flight.  Its caller may go (op NULL): the answer still has to be taken from the wire. */
struct redis_request {
	struct redis *redis;
	struct redis_op *op;
	uint64_t began_us, deadline_ms, sent_ms;
	TAILQ_ENTRY(redis_request) link;
	size_t written;
	bool same_server;
	size_t len;
	char wire[];
};

TAILQ_HEAD(request_list, redis_request);

struct redis_waiter { /* inside redis_wait_connected() */
	struct fiber_op op;
	struct redis *redis;
	LIST_ENTRY(redis_waiter) link;
};

struct redis {
	struct loop *loop;
	struct redis_conn *conn;
	unsigned timeout_ms;
	struct request_list in_flight, waiting; /* both oldest first: all have the same timeout */
	struct redis_request *partial; /* the last in flight, when not all of it is written */
	size_t held;
	uint64_t answered_ms; /* when the last reply came */
	struct loop_task flush;
	struct loop_timer timer;
	bool timer_set;
	uint64_t server;                  /* how many there were */
	char history[REDIS_HISTORY_SIZE]; /* of the last */
	unsigned shards;                  /* 0: not told */
	LIST_HEAD(waiter_list, redis_waiter) waiters;
};

static void request_free(struct redis_request *request)
{
	request->redis->held -= request->len;
	free(request);
}

/* Let the caller go on. The request itself stays where it is. */
static void request_done(struct redis_request *request, const struct err *err)
{
	struct redis_op *op = request->op;

	if (op != NULL) {
		if (err != NULL) {
			metric_inc(METRIC_REDIS_ERRORS, err_name(err->code));
		}
		request->op = NULL;
		op->request = NULL;
		fiber_op_done(&op->op, err);
	}
}

static void fail_all(struct request_list *list, const struct err *err)
{
	struct redis_request *request;

	while ((request = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, request, link);
		request_done(request, err);
		request_free(request);
	}
}

/* ---- out ---- */

/* The kernel took n bytes: what they belong to is in flight now. */
static void account(struct redis *redis, size_t n)
{
	uint64_t now = clock_mono_ms();

	while (n > 0) {
		struct redis_request *request = redis->partial;
		size_t rest, part;

		if (request == NULL) {
			request = TAILQ_FIRST(&redis->waiting);
			TAILQ_REMOVE(&redis->waiting, request, link);
			TAILQ_INSERT_TAIL(&redis->in_flight, request, link);
			request->sent_ms = now;
			metric_inc(METRIC_REDIS_COMMANDS, NULL);
		}
		rest = request->len - request->written;
		part = n < rest ? n : rest;
		request->written += part;
		redis->partial = part < rest ? request : NULL;
		n -= part;
	}
}

static int gather(struct redis *redis, struct iovec iov[WRITE_PIECES], size_t *ret_bytes)
{
	struct redis_request *request = redis->partial;
	int count = 0;

	*ret_bytes = 0;
	if (request != NULL) {
		iov[count++] = (struct iovec){ request->wire + request->written,
			                       request->len - request->written };
		*ret_bytes += request->len - request->written;
	}
	TAILQ_FOREACH (request, &redis->waiting, link) {
		if (count == WRITE_PIECES) {
			break;
		}
		iov[count++] = (struct iovec){ request->wire, request->len };
		*ret_bytes += request->len;
	}
	return count;
}

static void flush(struct redis *redis)
{
	struct iovec iov[WRITE_PIECES];
	size_t want, put;
	int count;

	while (redis_conn_is_up(redis->conn) && (count = gather(redis, iov, &want)) > 0) {
		put = redis_conn_write(redis->conn, iov, count);
		account(redis, put);
		if (put < want) {
			return; /* on_conn_writable() or on_conn_down() goes on */
		}
	}
}

static void on_flush(struct loop_task *task)
{
	flush(CONTAINER_OF(task, struct redis, flush));
}

/* ---- deadlines ---- */

/* The caller learns of its deadline here, in time; a request in flight keeps its place. */
static void expire_in_flight(struct redis *redis, uint64_t now)
{
	struct redis_request *request;
	struct err err;

	TAILQ_FOREACH (request, &redis->in_flight, link) {
		if (request->deadline_ms > now) {
			break;
		}
		(void)err_set(&err, ERR_TIMEOUT, "redis: no reply in %u ms", redis->timeout_ms);
		request_done(request, &err);
	}
}

static void expire_waiting(struct redis *redis, uint64_t now)
{
	struct redis_request *request = TAILQ_FIRST(&redis->waiting), *next;
	const char *trouble = redis_conn_trouble(redis->conn);
	struct err err;

	for (; request != NULL && request->deadline_ms <= now; request = next) {
		next = TAILQ_NEXT(request, link);
		TAILQ_REMOVE(&redis->waiting, request, link);
		(void)err_set(&err, ERR_UNAVAILABLE, "%s",
		              trouble[0] != '\0' ? trouble : "redis: not sent in time");
		request_done(request, &err);
		request_free(request);
	}
}

/* Since when the server owes an answer; meaningful while something is in flight. */
static uint64_t owed_since(const struct redis *redis)
{
	uint64_t sent_ms = TAILQ_FIRST(&redis->in_flight)->sent_ms;

	return sent_ms > redis->answered_ms ? sent_ms : redis->answered_ms;
}

static uint64_t next_deadline(const struct redis *redis)
{
	const struct redis_request *request;
	uint64_t at = UINT64_MAX;

	if (!TAILQ_EMPTY(&redis->in_flight)) {
		at = owed_since(redis) + redis->timeout_ms;
	}
	TAILQ_FOREACH (request, &redis->in_flight, link) {
		if (request->op != NULL) {
			at = request->deadline_ms < at ? request->deadline_ms : at;
			break;
		}
	}
	request = TAILQ_FIRST(&redis->waiting);
	return request != NULL && request->deadline_ms < at ? request->deadline_ms : at;
}

/* One timer, left alone while it is set: it fires at most once per timeout when all goes well. */
static void arm_timer(struct redis *redis)
{
	uint64_t at, now;

	if (redis->timer_set || (at = next_deadline(redis)) == UINT64_MAX) {
		return;
	}
	now = clock_mono_ms();
	redis->timer_set = true;
	loop_timer_set(&redis->timer, at > now ? at - now : 1);
}

static void on_timer(struct loop_timer *timer)
{
	struct redis *redis = CONTAINER_OF(timer, struct redis, timer);
	uint64_t now = clock_mono_ms();
	struct err why;

	redis->timer_set = false;
	expire_in_flight(redis, now);
	expire_waiting(redis, now);
	if (!TAILQ_EMPTY(&redis->in_flight) && owed_since(redis) + redis->timeout_ms <= now) {
		(void)err_set(&why, ERR_UNKNOWN, "redis: the server was silent for %u ms",
		              redis->timeout_ms);
		redis_conn_drop(redis->conn, &why);
	}
	arm_timer(redis);
}

/* ---- what the connection tells ---- */

/* What waited may have been meant for the server before. */
static void look_at_server(struct redis *redis)
{
	struct str history = str_of(redis_conn_history(redis->conn));
	struct redis_request *request, *next;
	struct err err;

	if (redis->server > 0 && str_eq(history, str_of(redis->history))) {
		return;
	}
	(void)str_copy(redis->history, sizeof(redis->history), history);
	redis->server++;
	(void)err_set(&err, ERR_UNAVAILABLE, "redis: it is another server than before");
	for (request = TAILQ_FIRST(&redis->waiting); request != NULL; request = next) {
		next = TAILQ_NEXT(request, link);
		if (request->same_server && redis->server > 1) {
			TAILQ_REMOVE(&redis->waiting, request, link);
			request_done(request, &err);
			request_free(request);
		}
	}
}

static void on_conn_up(void *arg)
{
	struct redis *redis = arg;
	struct redis_waiter *waiter;

	look_at_server(redis);
	while ((waiter = LIST_FIRST(&redis->waiters)) != NULL) {
		LIST_REMOVE(waiter, link);
		fiber_op_done(&waiter->op, NULL);
	}
	flush(redis);
}

static void on_conn_down(void *arg, const struct err *why)
{
	struct redis *redis = arg;
	struct err err;

	/* What was not written at all stays in waiting: it is as good as new. */
	(void)err_set(&err, ERR_UNKNOWN, "%s", why->msg);
	redis->partial = NULL;
	fail_all(&redis->in_flight, &err);
}

/* A master that was demoted: nothing can be written there any more. */
static void leave_replica(struct redis *redis, const struct redis_reply *error)
{
	struct err why;

	if (str_starts(redis_reply_str(error), STR_LIT("READONLY"))) {
		(void)err_set(&why, ERR_UNKNOWN, "redis: it is a replica now");
		redis_conn_drop(redis->conn, &why);
	}
}

static void on_conn_reply(void *arg, struct redis_reply *reply)
{
	struct redis *redis = arg;
	struct redis_request *request = TAILQ_FIRST(&redis->in_flight);
	enum err_code code = ERR_OK;
	uint64_t now_us;
	struct err err;

	if (request == NULL || request == redis->partial) {
		(void)err_set(&err, ERR_UNKNOWN, "redis: a reply that nobody asked for");
		redis_reply_free(reply);
		redis_conn_drop(redis->conn, &err);
		return;
	}
	TAILQ_REMOVE(&redis->in_flight, request, link);
	now_us = clock_mono_us();
	redis->answered_ms = now_us / 1000;
	metric_observe_us(METRIC_REDIS_DURATION, NULL, now_us - request->began_us);
	if (redis_reply_type(reply) == REDIS_ERROR) {
		code = redis_reply_error(reply, &err);
		leave_replica(redis, reply);
		redis_reply_free(reply);
	} else if (request->op != NULL) {
		request->op->reply = reply;
	} else {
		redis_reply_free(reply);
	}
	request_done(request, code != ERR_OK ? &err : NULL);
	request_free(request);
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

struct redis *redis_new(struct loop *loop, const struct redis_options *options, struct err *err)
{
	struct redis *redis = mem_calloc(1, sizeof(*redis));

	redis->conn = redis_conn_new(loop, options, &conn_events, redis, err);
	if (redis->conn == NULL) {
		free(redis);
		return NULL;
	}
	redis->loop = loop;
	redis->timeout_ms = options->timeout_ms;
	TAILQ_INIT(&redis->in_flight);
	TAILQ_INIT(&redis->waiting);
	LIST_INIT(&redis->waiters);
	redis->flush.run = on_flush;
	loop_timer_init(&redis->timer, loop, on_timer);
	return redis;
}

void redis_free(struct redis *redis)
{
	struct redis_waiter *waiter;
	struct err err;

	if (redis == NULL) {
		return;
	}
	(void)err_set(&err, ERR_CANCELLED, "redis: the connection is closed");
	fail_all(&redis->in_flight, &err);
	fail_all(&redis->waiting, &err);
	while ((waiter = LIST_FIRST(&redis->waiters)) != NULL) {
		LIST_REMOVE(waiter, link);
		fiber_op_done(&waiter->op, &err);
	}
	loop_undefer(redis->loop, &redis->flush);
	loop_timer_clear(&redis->timer);
	redis_conn_free(redis->conn);
	free(redis);
}

bool redis_connected(const struct redis *redis)
{
	return redis_conn_is_up(redis->conn);
}

static size_t count_of(const struct request_list *list)
{
	const struct redis_request *request;
	size_t count = 0;

	TAILQ_FOREACH (request, list, link) {
		count++;
	}
	return count;
}

struct redis_stats redis_stats(const struct redis *redis)
{
	return (struct redis_stats){ .waiting = count_of(&redis->waiting),
		                     .in_flight = count_of(&redis->in_flight),
		                     .held = redis->held };
}

const char *redis_run_id(const struct redis *redis)
{
	return redis_conn_run_id(redis->conn);
}

uint64_t redis_connection(const struct redis *redis)
{
	return redis_conn_count(redis->conn);
}

unsigned redis_shards(const struct redis *redis)
{
	return redis == NULL || redis->shards == 0 ? 1 : redis->shards;
}

void redis_set_shards(struct redis *redis, unsigned shards)
{
	redis->shards = shards;
}

uint64_t redis_server(const struct redis *redis)
{
	return redis->server;
}

static void abandon_waiter(struct fiber_op *op)
{
	struct redis_waiter *waiter = CONTAINER_OF(op, struct redis_waiter, op);

	LIST_REMOVE(waiter, link);
}

enum err_code redis_wait_connected(struct redis *redis, uint64_t timeout_ms, struct err *err)
{
	struct redis_waiter waiter = { .redis = redis };
	enum err_code code;

	if (redis_connected(redis)) {
		return ERR_OK;
	}
	fiber_op_begin(&waiter.op, abandon_waiter);
	LIST_INSERT_HEAD(&redis->waiters, &waiter, link);
	code = fiber_wait(&waiter.op, timeout_ms, err);
	if (code != ERR_TIMEOUT) {
		return code;
	}
	return err_set(err, ERR_UNAVAILABLE, "%s",
	               redis_conn_trouble(redis->conn)[0] != '\0' ? redis_conn_trouble(redis->conn)
	                                                          : "redis: not connected yet");
}

static void abandon_request(struct fiber_op *fiber_op)
{
	struct redis_op *op = CONTAINER_OF(fiber_op, struct redis_op, op);
	struct redis_request *request = op->request;

	op->request = NULL;
	request->op = NULL;
	if (request->written == 0) {
		TAILQ_REMOVE(&request->redis->waiting, request, link);
		request_free(request);
	}
}

void redis_send(struct redis *redis, struct redis_op *op, struct redis_cmd *cmd)
{
	struct redis_request *request;
	struct err err;
	size_t len;

	op->reply = NULL;
	op->request = NULL;
	fiber_op_begin(&op->op, abandon_request);
	if (redis_cmd_check(cmd, &err) != ERR_OK) {
		fiber_op_done(&op->op, &err);
		return;
	}
	len = redis_cmd_wire_len(cmd);
	if (len > HELD_MAX - redis->held) {
		(void)err_set(&err, ERR_UNAVAILABLE, "redis: %zu bytes of commands wait already",
		              redis->held);
		fiber_op_done(&op->op, &err);
		return;
	}
	request = mem_calloc(1, sizeof(*request) + len);
	request->redis = redis;
	request->op = op;
	request->len = len;
	request->same_server = cmd->same_server;
	request->began_us = clock_mono_us();
	request->deadline_ms = request->began_us / 1000 + redis->timeout_ms;
	redis_cmd_wire(cmd, request->wire);
	op->request = request;
	redis->held += len;
	TAILQ_INSERT_TAIL(&redis->waiting, request, link);
	loop_defer(redis->loop, &redis->flush);
	arm_timer(redis);
}

enum err_code redis_call(struct redis *redis, struct redis_cmd *cmd, struct redis_reply **ret,
                         struct err *err)
{
	struct redis_op op = { .reply = NULL };
	enum err_code code;

	redis_send(redis, &op, cmd);
	/* The driver's own deadline ends the operation: it alone knows whether it was sent. */
	code = fiber_wait(&op.op, FIBER_NO_TIMEOUT, err);
	if (code == ERR_OK) {
		*ret = op.reply;
	}
	return code;
}
