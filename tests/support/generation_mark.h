/* For tests beside nodes: the generation that they go by, or one that they will. */
#pragma once

#include <inttypes.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include "pg/generation.h"
#include "redis/redis.h"
#include "tests/support/test.h"

static inline struct redis_reply *generation_ask(struct redis *redis, struct redis_cmd *cmd)
{
	uint64_t until = clock_mono_ms() + 20000;
	struct redis_reply *reply = NULL;
	struct err err;

	while (redis_call(redis, cmd, &reply, &err) != ERR_OK) {
		if (!err_retryable(err.code) || clock_mono_ms() > until) { /* it may be loading */
			fail_msg("%s", err.msg);
		}
		(void)fiber_sleep(10);
	}
	redis_cmd_free(cmd);
	return reply;
}

static inline void generation_history(struct redis *redis, char out[REDIS_HISTORY_SIZE])
{
	uint64_t until = clock_mono_ms() + 20000;
	struct err err;

	while (redis_history(redis, out, &err) != ERR_OK) {
		if (!err_retryable(err.code) || clock_mono_ms() > until) {
			fail_msg("%s", err.msg);
		}
		(void)fiber_sleep(10);
	}
}

/* False: nobody has begun to mark this server. 0: somebody is about to. */
static inline bool generation_marked(struct redis *redis, uint64_t *ret)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char history[REDIS_HISTORY_SIZE];
	struct redis_reply *reply;
	struct str rest;
	bool marked;

	redis_arg_cstr(cmd, "GET");
	redis_arg_cstr(cmd, "{w}:generation");
	reply = generation_ask(redis, cmd);
	rest = redis_reply_str(reply);
	generation_history(redis, history);
	marked = str_eq(str_split(&rest, ' '), str_of(history)) &&
	         parse_u64(str_split(&rest, ' '), UINT32_MAX, ret);
	redis_reply_free(reply);
	return marked;
}

/* A history without a name of its own goes by the server's. */
static inline uint64_t generation_learn(struct redis *redis, struct pg *pg)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char history[REDIS_HISTORY_SIZE];
	uint64_t generation = 0;
	struct err err;

	while (generation_marked(redis, &generation)) {
		if (generation > 0) {
			redis_cmd_free(cmd);
			return generation;
		}
		(void)fiber_sleep(10);
	}
	generation_history(redis, history);
	if (pg_generation(pg, str_of(history), &generation, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, "{w}:generation");
	redis_argf(cmd, "%s %" PRIu64 " 1 1", history, generation);
	redis_reply_free(generation_ask(redis, cmd));
	return generation;
}
