/* The driver beside Sentinels, over TLS or without: which master it finds, and where it goes when
 * that changes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/replicas.h"
#include "redis/sub.h"
#include "tests/support/test.h"

enum {
	SHORT_MS = 300,
	TIMEOUT_MS = 2000,
	LONG_MS = 30000,
	BACKOFF_MS = 200,
	LOOK_MS = 10,
	URL_SIZE = 256
};

struct world {
	struct loop *loop;
	struct redis *redis, *other; /* other: at an address, whatever it is */
	struct redis_sub *sub;
	unsigned heard, resumed;
	void (*body)(struct world *world);
};

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct world *world = arg;

	(void)channel;
	(void)payload;
	world->heard++;
}

static void on_resumed(void *arg)
{
	struct world *world = arg;

	world->resumed++;
}

static struct redis *open_at(struct world *world, const char *url)
{
	const struct redis_options options = { url, TIMEOUT_MS, BACKOFF_MS };
	struct redis *redis;
	struct err err;

	redis = redis_new(world->loop, &options, &err);
	if (redis == NULL) {
		fail_msg("%s", err.msg);
	}
	return redis;
}

static void world_main(void *arg)
{
	static const struct redis_sub_events events = { .message = on_message,
		                                        .resumed = on_resumed };
	const struct redis_options options = { getenv("TEST_SENTINEL_URL"), TIMEOUT_MS,
		                               BACKOFF_MS };
	struct world *world = arg;
	struct err err;

	world->redis = open_at(world, getenv("TEST_SENTINEL_URL"));
	world->sub = redis_sub_new(world->loop, &options, &events, world, &err);
	assert_non_null(world->sub);
	redis_subscribe(world->sub, STR_LIT("bell"));
	world->body(world);
	redis_sub_free(world->sub);
	redis_free(world->other);
	redis_free(world->redis);
}

static void run(void (*body)(struct world *world))
{
	struct world world = { .body = body };

	world.loop = loop_new();
	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
}

/* ---- what is asked ---- */

static enum err_code ask(struct redis *redis, const char *line, struct redis_reply **ret,
                         struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct str rest = str_of(line);

	while (rest.p != NULL) {
		redis_arg(cmd, str_split(&rest, ' '));
	}
	return redis_call(redis, cmd, ret, err);
}

static enum err_code say(struct redis *redis, const char *line, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;

	return ask(redis, line, &reply, err);
}

/* What cannot be written now is said again: it is idempotent. */
static void insist(struct redis *redis, const char *line)
{
	uint64_t until = clock_mono_ms() + LONG_MS;
	struct err err;

	while (say(redis, line, &err) != ERR_OK) {
		if (clock_mono_ms() > until) {
			fail_msg("%s: %s", line, err.msg);
		}
		(void)fiber_sleep(LOOK_MS);
	}
}

static uint64_t info_number(struct redis *redis, const char *name)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct err err;
	struct str rest;
	uint64_t ret;

	assert_int_equal(ask(redis, "INFO server", &reply, &err), ERR_OK);
	rest = redis_reply_str(reply);
	while (rest.p != NULL) {
		struct str line = str_split(&rest, '\n'), key = str_split(&line, ':');

		if (str_eq(key, str_of(name))) {
			assert_true(parse_u64(str_split(&line, '\r'), UINT32_MAX, &ret));
			return ret;
		}
	}
	fail_msg("INFO tells no %s", name);
	return 0;
}

static void await_other_server(struct world *world, uint64_t server)
{
	uint64_t until = clock_mono_ms() + LONG_MS;

	while (redis_server(world->redis) == server || !redis_connected(world->redis)) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(LOOK_MS);
	}
}

static void await_bell(struct world *world)
{
	uint64_t until = clock_mono_ms() + LONG_MS;
	unsigned heard = world->heard;
	struct err err;

	while (world->heard == heard) {
		assert_true(clock_mono_ms() < until);
		(void)say(world->redis, "PUBLISH bell x", &err);
		(void)fiber_sleep(LOOK_MS);
	}
}

static void url_of(uint64_t port, char out[URL_SIZE])
{
	const char *dir = getenv("TEST_TLS_DIR");

	(void)snprintf(out, URL_SIZE, "%s://127.0.0.1:%u%s%s%s", dir != NULL ? "rediss" : "redis",
	               (unsigned)port, dir != NULL ? "/0?ca=" : "", dir != NULL ? dir : "",
	               dir != NULL ? "/ca.pem" : "");
}

/* ---- the tests ---- */

static uint64_t master_port(struct world *world)
{
	return info_number(world->redis, "tcp_port");
}

/* The Sentinels choose another master; ours is demoted by hand, for they take ten seconds to. */
static void handed_over(struct world *world)
{
	char old_url[URL_SIZE], sentinel_url[URL_SIZE], demote[URL_SIZE];
	uint64_t server, port;
	struct redis *sentinel;
	struct err err;

	insist(world->redis, "SET k before");
	await_bell(world);
	server = redis_server(world->redis);
	port = master_port(world);
	url_of(port, old_url);
	world->other = open_at(world, old_url);
	insist(world->other, "PING");

	url_of(strtoul(getenv("TEST_SENTINEL_PORTS"), NULL, 10), sentinel_url);
	sentinel = open_at(world, sentinel_url);
	insist(sentinel, "SENTINEL FAILOVER fairlead");
	await_other_server(world, server);
	insist(world->redis, "SET k after");
	assert_int_not_equal(master_port(world), port);
	await_bell(world);

	(void)snprintf(demote, sizeof(demote), "REPLICAOF 127.0.0.1 %u",
	               (unsigned)master_port(world));
	insist(world->other, demote);
	assert_int_equal(say(world->other, "SET k lost", &err), ERR_UNAVAILABLE);
	assert_memory_equal(err.msg, "READONLY ", 9);
	assert_int_equal(redis_wait_connected(world->other, SHORT_MS, &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "replica"));
	redis_free(sentinel);
}

static void a_master_that_was_demoted_is_left_and_not_written_to(void **state)
{
	(void)state;
	run(handed_over);
}

static void frozen(struct world *world)
{
	uint64_t server, pid;

	insist(world->redis, "SET k v");
	server = redis_server(world->redis);
	pid = info_number(world->redis, "process_id");
	assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
	await_other_server(world, server);
	insist(world->redis, "SET k w");
	await_bell(world);
	assert_int_equal(kill((pid_t)pid, SIGCONT), 0);
	insist(world->redis, "SET k x");
	assert_int_not_equal(info_number(world->redis, "process_id"), pid);
}

static void a_frozen_master_is_left_for_the_one_that_the_sentinels_elect(void **state)
{
	(void)state;
	run(frozen);
}

static void killed(struct world *world)
{
	uint64_t server;

	insist(world->redis, "SET k v");
	insist(world->redis, "WAIT 1 1000");
	await_bell(world); /* subscribed */
	server = redis_server(world->redis);
	assert_int_equal(kill((pid_t)info_number(world->redis, "process_id"), SIGKILL), 0);
	await_other_server(world, server);
	insist(world->redis, "SET other v");
	await_bell(world);
	assert_true(world->resumed >= 2);
}

static void a_killed_master_is_followed_by_commands_and_subscriptions(void **state)
{
	(void)state;
	run(killed);
}

/* ---- replicas ---- */

enum { REPLICAS = 2, CROWD = 20, WAIT_MS = 300 };

struct crowd {
	struct world *world;
	struct redis_replicas *replicas;
	unsigned unknown, in_replicas;
};

static void one_of_crowd(void *arg)
{
	struct crowd *crowd = arg;
	struct redis *redis = crowd->world->redis;
	uint64_t server = redis_server(redis);
	enum err_code code;
	struct err err;

	insist(redis, "INCR written");
	code = redis_replicas_wait(crowd->replicas, redis, server, &err);
	crowd->in_replicas += code == ERR_OK;
	crowd->unknown += code == ERR_UNKNOWN;
}

static struct crowd ask_for(struct world *world, unsigned count, unsigned wait_ms)
{
	const struct redis_replicas_options options = { .url = getenv("TEST_SENTINEL_URL"),
		                                        .count = count,
		                                        .wait_ms = wait_ms,
		                                        .timeout_ms = TIMEOUT_MS,
		                                        .backoff_max_ms = BACKOFF_MS };
	struct fiber_group rounds = { .count = 0 }, askers = { .count = 0 };
	struct crowd crowd = { .world = world };
	struct err err;

	crowd.replicas = redis_replicas_new(world->loop, &rounds, &options, &err);
	assert_non_null(crowd.replicas);
	for (int i = 0; i < CROWD; i++) {
		(void)fiber_start(world->loop, &askers, "asker", one_of_crowd, &crowd);
	}
	assert_int_equal(fiber_group_wait(&askers, LONG_MS), ERR_OK);
	assert_int_equal(fiber_group_wait(&rounds, LONG_MS), ERR_OK);
	redis_replicas_free(crowd.replicas);
	return crowd;
}

static void counted(struct world *world)
{
	insist(world->redis, "WAIT 2 1000"); /* both are there */
	assert_int_equal(ask_for(world, REPLICAS, LONG_MS).in_replicas, CROWD);
	assert_int_equal(ask_for(world, REPLICAS + 1, WAIT_MS).unknown, CROWD);
}

static void what_is_not_in_as_many_replicas_in_time_is_unknown(void **state)
{
	(void)state;
	run(counted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_in_as_many_replicas_in_time_is_unknown),
		cmocka_unit_test(a_master_that_was_demoted_is_left_and_not_written_to),
		cmocka_unit_test(a_frozen_master_is_left_for_the_one_that_the_sentinels_elect),
		cmocka_unit_test(a_killed_master_is_followed_by_commands_and_subscriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
