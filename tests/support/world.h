/* A loop, a fiber and a clean Redis for a test's body; under with-redis. */
#pragma once

#include <stdlib.h>

#include "loop/fiber.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "tests/support/test.h"

enum { WORLD_TIMEOUT_MS = 5000 };

struct world {
	struct loop *loop;
	struct redis *redis;
	void (*body)(struct world *world);
};

/* One command of words without spaces. */
static inline struct redis_reply *world_ask(struct world *world, const char *line)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_reply *reply = NULL;
	struct str rest = str_of(line);
	struct err err;

	while (rest.p != NULL) {
		redis_arg(cmd, str_split(&rest, ' '));
	}
	if (redis_call(world->redis, cmd, &reply, &err) != ERR_OK) {
		fail_msg("%s: %s", line, err.msg);
	}
	return reply;
}

static inline void world_say(struct world *world, const char *line)
{
	redis_reply_free(world_ask(world, line));
}

static inline void world_main(void *arg)
{
	struct world *world = arg;
	struct redis_options options = { getenv("TEST_REDIS_URL"), WORLD_TIMEOUT_MS, 500 };
	struct err err;

	world->redis = redis_new(world->loop, &options, &err);
	assert_non_null(world->redis);
	assert_int_equal(redis_wait_connected(world->redis, WORLD_TIMEOUT_MS, &err), ERR_OK);
	world_say(world, "FLUSHALL");
	world->body(world);
	redis_free(world->redis);
}

static inline void world_run(void (*body)(struct world *world))
{
	struct world world = { .loop = loop_new(), .body = body };

	assert_non_null(world.loop);
	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
}
