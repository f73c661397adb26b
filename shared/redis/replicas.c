#include "redis/replicas.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "metric/metric.h"

/*
 * WAIT counts from the last write of its own connection.  A message that nobody hears is one: it
 * is in the stream of replication behind all that was there before, and takes no memory, so it is
 * not refused where there is none left.
 */
static const struct str channel = { "replicas", sizeof("replicas") - 1 };

struct waiter {
	struct fiber_op op;
	const struct redis *written;
	uint64_t server;
	LIST_ENTRY(waiter) link;
};

LIST_HEAD(waiter_list, waiter);

struct redis_replicas {
	struct loop *loop;
	struct fiber_group *group;
	struct redis *redis;
	unsigned count, wait_ms;
	struct waiter_list lists[2]; /* of the round that is made, and of the next one */
	unsigned next;               /* which is which */
	bool busy;                   /* a fiber makes rounds */
};

static enum err_code ask(struct redis_replicas *replicas, uint64_t *ret_count, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_op told = { 0 }, waited = { 0 };
	struct fiber_op *const ops[] = { &told.op, &waited.op };
	enum err_code code;

	redis_arg_cstr(cmd, "PUBLISH");
	redis_arg(cmd, channel);
	redis_arg_cstr(cmd, "");
	redis_send(replicas->redis, &told, cmd);
	redis_cmd_reset(cmd);
	redis_arg_cstr(cmd, "WAIT");
	redis_arg_u64(cmd, replicas->count);
	redis_arg_u64(cmd, replicas->wait_ms);
	redis_send(replicas->redis, &waited, cmd);
	code = fiber_wait_all(ops, ARRAY_LEN(ops), FIBER_NO_TIMEOUT, err);
	if (code == ERR_OK && !redis_reply_u64(waited.reply, ret_count)) {
		code = err_set(err, ERR_BACKEND, "redis: WAIT answers no number");
	}
	redis_reply_free(told.reply);
	redis_reply_free(waited.reply);
	return code;
}

/* One that is not connected cannot tell whether its server was demoted meanwhile. */
static bool is_on(const struct redis *redis, const struct waiter *waiter)
{
	return redis_connected(waiter->written) &&
	       redis_server(waiter->written) == waiter->server &&
	       strcmp(redis_run_id(waiter->written), redis_run_id(redis)) == 0;
}

/* The answer counts for the server that gave it. */
static void tell(struct waiter_list *round, const struct redis *redis, const struct err *err)
{
	struct waiter *waiter;
	struct err moved;

	(void)err_set(&moved, ERR_UNKNOWN, "redis: the master is another one now");
	while ((waiter = LIST_FIRST(round)) != NULL) {
		LIST_REMOVE(waiter, link);
		if (err != NULL || is_on(redis, waiter)) {
			fiber_op_done(&waiter->op, err);
		} else {
			fiber_op_done(&waiter->op, &moved);
		}
	}
}

/* On one and the same connection from the question to the answer. */
static enum err_code try_round(struct redis_replicas *replicas, struct err *err)
{
	struct redis *redis = replicas->redis;
	enum err_code code = redis_wait_connected(redis, replicas->wait_ms, err);
	uint64_t connection = redis_connection(redis), count = 0;

	if (code == ERR_OK) {
		code = ask(replicas, &count, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (redis_connection(redis) != connection) {
		return err_set(err, ERR_UNKNOWN, "redis: connected anew meanwhile");
	}
	return count >= replicas->count ? ERR_OK
	                                : err_set(err, ERR_UNKNOWN, "in %u of them after %u ms",
	                                          (unsigned)count, replicas->wait_ms);
}

static void make_round(struct redis_replicas *replicas)
{
	struct waiter_list *round = &replicas->lists[replicas->next];
	struct err err;

	replicas->next = 1 - replicas->next;
	if (try_round(replicas, &err) == ERR_OK) {
		tell(round, replicas->redis, NULL);
	} else {
		(void)err_wrap(&err, "not known to be in %u replicas", replicas->count);
		err.code = ERR_UNKNOWN;
		tell(round, replicas->redis, &err);
	}
}

static void make_rounds(void *arg)
{
	struct redis_replicas *replicas = arg;

	fiber_shield();
	while (!LIST_EMPTY(&replicas->lists[replicas->next])) {
		make_round(replicas);
	}
	fiber_unshield();
	replicas->busy = false;
}

static void abandon(struct fiber_op *op)
{
	struct waiter *waiter = CONTAINER_OF(op, struct waiter, op);

	LIST_REMOVE(waiter, link);
}

enum err_code redis_replicas_wait(struct redis_replicas *replicas, const struct redis *written,
                                  uint64_t server, struct err *err)
{
	struct waiter waiter = { .written = written, .server = server };
	enum err_code code;

	fiber_op_begin(&waiter.op, abandon);
	LIST_INSERT_HEAD(&replicas->lists[replicas->next], &waiter, link);
	if (!replicas->busy) {
		replicas->busy = true;
		(void)fiber_start(replicas->loop, replicas->group, "replicas", make_rounds,
		                  replicas);
	}
	code = fiber_wait(&waiter.op, FIBER_NO_TIMEOUT, err);
	if (code != ERR_OK) {
		metric_inc(METRIC_REDIS_UNREPLICATED, NULL);
	}
	return code;
}

struct redis_replicas *redis_replicas_new(struct loop *loop, struct fiber_group *group,
                                          const struct redis_replicas_options *options,
                                          struct err *err)
{
	const struct redis_options redis = { options->url, options->timeout_ms + options->wait_ms,
		                             options->backoff_max_ms };
	struct redis_replicas *replicas = mem_calloc(1, sizeof(*replicas));

	replicas->redis = redis_new(loop, &redis, err);
	if (replicas->redis == NULL) {
		free(replicas);
		return NULL;
	}
	replicas->loop = loop;
	replicas->group = group;
	replicas->count = options->count;
	replicas->wait_ms = options->wait_ms;
	LIST_INIT(&replicas->lists[0]);
	LIST_INIT(&replicas->lists[1]);
	return replicas;
}

void redis_replicas_free(struct redis_replicas *replicas)
{
	if (replicas != NULL) {
		redis_free(replicas->redis);
		free(replicas);
	}
}
