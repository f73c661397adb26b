/* Subscriptions on a real server that is killed, frozen and started again. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/sub.h"
#include "tests/integration/redis_server.h"
#include "tests/support/test.h"

enum { LONG_MS = 10000, SILENCE_MS = 300, BACKOFF_MS = 100 };

struct world {
	struct loop *loop;
	struct redis_server server;
	struct redis *redis;
	struct redis_sub *sub;
	void (*body)(struct world *world);
	struct buf heard; /* "channel=payload;", "!channel;" when in force, "*;" when all are */
	struct fiber_signal changed;
	bool free_on_message;
};

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct world *world = arg;

	buf_addf(&world->heard, "%.*s=%.*s;", (int)channel.n, channel.p, (int)payload.n, payload.p);
	fiber_signal_raise(&world->changed);
	if (world->free_on_message) {
		redis_sub_free(world->sub);
		world->sub = NULL;
	}
}

static void on_subscribed(void *arg, struct str channel)
{
	struct world *world = arg;

	buf_addf(&world->heard, "!%.*s;", (int)channel.n, channel.p);
	fiber_signal_raise(&world->changed);
}

static void on_resumed(void *arg)
{
	struct world *world = arg;

	buf_add_cstr(&world->heard, "*;");
	fiber_signal_raise(&world->changed);
}

static const struct redis_sub_events events = { on_message, on_subscribed, on_resumed };

static void await_heard(struct world *world, const char *what)
{
	while (strstr(buf_cstr(&world->heard), what) == NULL) {
		if (fiber_signal_wait(&world->changed, LONG_MS) != ERR_OK) {
			fail_msg("heard %s, not %s", buf_cstr(&world->heard), what);
		}
	}
}

/* Wait until it was heard, then forget it and what came before. */
static void await(struct world *world, const char *what)
{
	await_heard(world, what);
	buf_reset(&world->heard);
}

static void await_exactly(struct world *world, const char *what)
{
	await_heard(world, what);
	assert_string_equal(buf_cstr(&world->heard), what);
	buf_reset(&world->heard);
}

static void publish(struct world *world, const char *channel, const char *payload)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct err err;

	redis_arg_cstr(cmd, "PUBLISH");
	redis_arg_cstr(cmd, channel);
	redis_arg_cstr(cmd, payload);
	if (redis_call(world->redis, cmd, &reply, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static void world_main(void *arg)
{
	struct world *world = arg;
	struct redis_options options = { world->server.url, LONG_MS, BACKOFF_MS };
	struct err err;

	redis_server_init(&world->server);
	redis_server_start(&world->server, NULL);
	world->redis = redis_new(world->loop, &options, &err);
	assert_non_null(world->redis);
	options.timeout_ms = SILENCE_MS;
	world->sub = redis_sub_new(world->loop, &options, &events, world, &err);
	assert_non_null(world->sub);
	world->body(world);
	redis_sub_free(world->sub);
	redis_free(world->redis);
	redis_server_fini(&world->server);
}

static void run(void (*body)(struct world *world))
{
	struct world world = { .loop = loop_new(), .body = body };

	assert_non_null(world.loop);
	buf_init(&world.heard, 65536);
	fiber_signal_init(&world.changed);
	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
	buf_fini(&world.heard);
}

static void messages(struct world *world)
{
	await(world, "*;"); /* nothing is subscribed, and that is in force */
	redis_subscribe(world->sub, STR_LIT("a"));
	redis_subscribe(world->sub, STR_LIT("a"));
	redis_subscribe(world->sub, STR_LIT("b"));
	await(world, "!a;!b;");
	publish(world, "a", "1");
	publish(world, "c", "2");
	publish(world, "b", "3");
	await(world, "a=1;b=3;");
	redis_unsubscribe(world->sub, STR_LIT("a"));
	redis_unsubscribe(world->sub, STR_LIT("never"));
	redis_subscribe(world->sub, STR_LIT("d"));
	await(world, "!d;");
	publish(world, "a", "4");
	publish(world, "d", "");
	await_exactly(world, "d=;");
}

static void subscribers_hear_what_they_subscribed_to(void **state)
{
	(void)state;
	run(messages);
}

static void restart(struct world *world)
{
	redis_subscribe(world->sub, STR_LIT("a"));
	redis_subscribe(world->sub, STR_LIT("b"));
	await(world, "*;");
	redis_server_kill(&world->server);
	redis_unsubscribe(world->sub, STR_LIT("b")); /* remembered, whether it was noticed or not */
	redis_subscribe(world->sub, STR_LIT("c"));
	redis_server_start(&world->server, NULL);
	await(world, "*;");
	publish(world, "b", "gone");
	publish(world, "a", "again");
	publish(world, "c", "new");
	await_exactly(world, "a=again;c=new;");
}

static void subscriptions_come_back_with_the_server_and_say_so(void **state)
{
	(void)state;
	run(restart);
}

static void frozen(struct world *world)
{
	redis_subscribe(world->sub, STR_LIT("a"));
	await(world, "!a;");
	redis_server_signal(&world->server, SIGSTOP);
	redis_server_kill(&world->server); /* the peer is silent, then gone */
	redis_server_start(&world->server, NULL);
	await(world, "!a;*;");
	redis_server_signal(&world->server, SIGSTOP);
	/* No error on the socket this time: only the missing sign of life tells. */
	assert_int_equal(fiber_sleep(2000 + 4 * SILENCE_MS), ERR_OK);
	redis_server_signal(&world->server, SIGCONT);
	await(world, "!a;*;");
	publish(world, "a", "alive");
	await(world, "a=alive;");
}

static void a_silent_server_is_left_and_found_again(void **state)
{
	(void)state;
	run(frozen);
}

static void idle(struct world *world)
{
	redis_subscribe(world->sub, STR_LIT("a"));
	await(world, "*;");
	assert_int_equal(fiber_sleep(2000 + 4 * SILENCE_MS), ERR_OK);
	publish(world, "a", "still");
	await_exactly(world, "a=still;");
}

static void an_idle_subscription_stays_on_its_connection(void **state)
{
	(void)state;
	run(idle);
}

static void freed_inside(struct world *world)
{
	redis_subscribe(world->sub, STR_LIT("a"));
	await(world, "!a;");
	world->free_on_message = true;
	publish(world, "a", "last");
	publish(world, "a", "too late");
	await(world, "a=last;");
	assert_null(world->sub);
}

static void a_callback_may_free_the_subscriber(void **state)
{
	(void)state;
	run(freed_inside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subscribers_hear_what_they_subscribed_to),
		cmocka_unit_test(subscriptions_come_back_with_the_server_and_say_so),
		cmocka_unit_test(a_silent_server_is_left_and_found_again),
		cmocka_unit_test(an_idle_subscription_stays_on_its_connection),
		cmocka_unit_test(a_callback_may_free_the_subscriber),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
