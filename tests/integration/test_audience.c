/* Who looks at a session, as sockets of two streamers are told. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "presence/presence.h"
#include "tests/integration/talker.h"

#define WS "/api/v1/ws"

enum { LEFT_WITHIN_MS = 10000 };

static void run(void (*body)(struct world *world))
{
	struct world world = { .body = body };

	world_run(&world);
}

static const struct json_value *list(const struct talker *talker, const char *name)
{
	return json_get(talker->json, name);
}

/* How many in a list of the frame just read have that role. */
static size_t with_role(const struct json_value *users, const char *role)
{
	size_t count = 0;

	for (size_t i = 0; i < json_count(users); i++) {
		count += str_eq(json_as_str(json_get(json_at(users, i), "role")), str_of(role));
	}
	return count;
}

/* Pass over events. */
static void expect_presence(struct talker *talker)
{
	do {
		talker_next(talker);
	} while (!str_eq(talker_str(talker, "type"), STR_LIT("presence")));
}

static struct talker *watch(struct world *world, size_t streamer, const struct id *sid,
                            const char *headers)
{
	struct talker *talker = talker_open(world, streamer, WS, headers);

	talker_say(talker,
	           "{\"type\":\"subscribe\",\"sessionId\":\"%s\",\"profile\":\"status\","
	           "\"presence\":true}",
	           sid->s);
	talker_expect(talker, "subscribed");
	return talker;
}

/* Redis has lost what it knew of who looks. */
static void forget(struct world *world, const struct id *sid)
{
	char line[160];

	(void)snprintf(line, sizeof(line), "DEL {s:%s}:presence:nodes", sid->s);
	world_say(world, line);
	(void)snprintf(line, sizeof(line), "DEL {s:%s}:presence {s:%s}:presence:of", sid->s,
	               sid->s);
	world_say(world, line);
}

/* Somebody looks, and Redis no longer knows. */
static struct talker *be_forgotten(struct world *world, const struct id *sid)
{
	struct talker *talker = watch(world, 0, sid, "");

	expect_presence(talker);
	if (json_count(list(talker, "users")) == 0) {
		expect_presence(talker);
	}
	forget(world, sid);
	return talker;
}

/* The streamer's next sign of life is not known: it says all again. */
static void await_again(struct world *world, const struct id *sid)
{
	uint64_t until = clock_mono_ms() + 2 * (uint64_t)PRESENCE_RENEW_MS;
	size_t count = 0;

	while (count == 0) {
		struct presence_set set;
		struct err err;

		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(100), ERR_OK);
		assert_int_equal(presence_list(world->redis, sid, &set, &err), ERR_OK);
		count = set.count;
		presence_set_fini(&set);
	}
}

static void two_body(struct world *world)
{
	struct id sid = world_session(world), forgotten = world_session(world);
	struct talker *first, *second, *third, *again = be_forgotten(world, &forgotten);
	char observer[CRED_KEY_MAX + 64];
	struct viewer *sse;
	uint64_t left_ms;

	world_start(world, 1);
	world_await_ready(world, 1);
	(void)snprintf(observer, sizeof(observer), "Authorization: ApiKey %s\r\n",
	               world->observer_key);
	first = watch(world, 0, &sid, "");
	expect_presence(first); /* itself, or nobody yet and then itself */
	if (json_count(list(first, "users")) == 0) {
		expect_presence(first);
		assert_int_equal(json_count(list(first, "joined")), 1);
	}
	/* Another stream of the same user changes nothing; another user does, from anywhere. */
	sse = viewer_open(world, 1, &sid, "", "");
	second = watch(world, 1, &sid, observer);
	expect_presence(first);
	assert_int_equal(json_count(list(first, "joined")), 1);
	assert_int_equal(with_role(list(first, "joined"), "observer"), 1);
	assert_int_equal(json_count(list(first, "left")), 0);
	/* Asked again, all are told. */
	talker_say(first, "{\"type\":\"presence\",\"sessionId\":\"%s\",\"ref\":\"p\"}", sid.s);
	expect_presence(first);
	assert_int_equal(json_count(list(first, "users")), 2);
	assert_int_equal(with_role(list(first, "users"), "observer"), 1);
	assert_null(strstr(buf_cstr(&first->payload), world->key));
	talker_expect(first, "ack");
	/* It leaves, and comes back at once: it was not away. Then it leaves for good. */
	talker_close(second);
	second = watch(world, 1, &sid, observer);
	expect_presence(second);
	assert_int_equal(json_count(list(second, "users")), 2);
	left_ms = clock_mono_ms();
	talker_close(second);
	expect_presence(first);
	assert_int_equal(json_count(list(first, "left")), 1);
	assert_int_equal(json_count(list(first, "joined")), 0);
	assert_true(clock_mono_ms() - left_ms < LEFT_WITHIN_MS);
	/* One who does not follow the session may not ask. */
	third = talker_open(world, 0, WS, observer);
	talker_say(third, "{\"type\":\"presence\",\"sessionId\":\"%s\"}", sid.s);
	talker_expect(third, "error");
	assert_true(str_eq(talker_str(third, "code"), STR_LIT("NOT_FOUND")));
	viewer_close(sse);
	talker_close(first);
	talker_close(third);
	await_again(world, &forgotten);
	talker_close(again);
}

static void sockets_are_told_who_looks_through_any_streamer_also_when_redis_forgets(void **state)
{
	(void)state;
	run(two_body);
}

static void moved_body(struct world *world)
{
	struct id sid = world_session(world);
	struct talker *first = watch(world, 0, &sid, ""), *second;
	struct streamer *streamer = &world->streamers[0];
	char observer[CRED_KEY_MAX + 64];
	pid_t before = streamer->pid;

	(void)snprintf(observer, sizeof(observer), "Authorization: ApiKey %s\r\n",
	               world->observer_key);
	do {
		expect_presence(first);
	} while (json_count(list(first, "users")) + json_count(list(first, "joined")) == 0);
	streamer->pid = world_start_successor(world, 0);
	assert_int_equal(world_await_end(before), 0);
	world_await_ready(world, 0);
	expect_presence(first); /* all of them again, itself as well: it never left */
	assert_int_equal(json_count(list(first, "users")), 1);
	second = watch(world, 0, &sid, observer);
	expect_presence(first);
	assert_int_equal(json_count(list(first, "joined")), 1);
	assert_int_equal(json_count(list(first, "left")), 0);
	talker_close(first);
	talker_close(second);
}

static void who_is_told_is_told_on_by_the_next_streamer(void **state)
{
	struct world world = { .body = moved_body, .hands_over = true };

	(void)state;
	world_find_ports(&world);
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			sockets_are_told_who_looks_through_any_streamer_also_when_redis_forgets),
		cmocka_unit_test(who_is_told_is_told_on_by_the_next_streamer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
