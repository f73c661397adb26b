/* Who looks at a session, on a real Redis: one script, its deltas, and the set they make. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "presence/presence.h"
#include "redis/sub.h"
#include "tests/support/world.h"

enum { AWAIT_MS = 5000, HEARD_MAX = 32 };

struct stage {
	struct world *world;
	struct presence_place a, b; /* two nodes, one session */
	struct redis_sub *sub;
	bool resumed;
	struct presence_set set; /* made of nothing but deltas */
	size_t heard, missed;
	uint64_t version;
	struct err err;
};

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct stage *stage = arg;
	struct presence_delta delta;
	struct id sid;

	assert_true(presence_channel_parse(channel, &sid));
	assert_true(id_eq(&sid, &stage->a.sid));
	assert_true(presence_delta_decode(payload, &delta));
	if (stage->heard++ == 0) {
		stage->set.version = delta.version - 1;
	}
	stage->missed += presence_apply(&stage->set, &delta) == PRESENCE_GAP;
	presence_delta_fini(&delta);
}

static void on_resumed(void *arg)
{
	((struct stage *)arg)->resumed = true;
}

static const struct redis_sub_events sub_events = { .message = on_message, .resumed = on_resumed };

static void open_stage(struct stage *stage, struct world *world)
{
	struct redis_options options = { getenv("TEST_REDIS_URL"), WORLD_TIMEOUT_MS, 500 };
	char channel[PRESENCE_CHANNEL_SIZE];
	uint64_t until = clock_mono_ms() + AWAIT_MS;

	*stage = (struct stage){ .world = world };
	stage->a = (struct presence_place){ world->redis, id_new(), id_new() };
	stage->b = stage->a;
	stage->b.node = id_new();
	stage->sub = redis_sub_new(world->loop, &options, &sub_events, stage, &stage->err);
	assert_non_null(stage->sub);
	presence_channel(&stage->a.sid, channel);
	redis_subscribe(stage->sub, str_of(channel));
	while (!stage->resumed) {
		assert_true(clock_mono_ms() < until);
		fiber_sleep(5);
	}
}

static void close_stage(struct stage *stage)
{
	redis_sub_free(stage->sub);
	presence_set_fini(&stage->set);
}

/* "ann:participant bob:observer", as the set in Redis says. */
static void list(struct stage *stage, struct buf *out, struct presence_set *ret)
{
	assert_int_equal(presence_list(stage->world->redis, &stage->a.sid, ret, &stage->err),
	                 ERR_OK);
	buf_reset(out);
	for (size_t i = 0; i < ret->count; i++) {
		buf_addf(out, "%s%s:%s", i > 0 ? " " : "", ret->all[i].user,
		         presence_role_name(ret->all[i].role));
	}
}

static void assert_shown(struct stage *stage, const char *expected)
{
	struct presence_set set;
	struct buf text;

	buf_init(&text, 64 * 1024);
	list(stage, &text, &set);
	assert_string_equal(buf_cstr(&text), expected);
	buf_fini(&text);
	presence_set_fini(&set);
}

/* Deltas alone lead to what Redis shows. */
static void assert_heard(struct stage *stage, size_t deltas)
{
	uint64_t until = clock_mono_ms() + AWAIT_MS;
	struct presence_set set;
	struct presence_delta diff;

	while (stage->heard < deltas) {
		assert_true(clock_mono_ms() < until);
		fiber_sleep(2);
	}
	/* Whatever was published before this answer was heard before it. */
	world_say(stage->world, "PING");
	fiber_sleep(2);
	assert_int_equal(stage->heard, deltas);
	assert_int_equal(stage->missed, 0);
	assert_int_equal(presence_list(stage->world->redis, &stage->a.sid, &set, &stage->err),
	                 ERR_OK);
	presence_diff(&set, &stage->set, &diff);
	assert_int_equal(diff.came_count + diff.gone_count, 0);
	assert_int_equal(stage->set.version, set.version);
	presence_delta_fini(&diff);
	presence_set_fini(&set);
}

static struct presence named(const char *user, enum presence_role role)
{
	struct presence who = { .role = role };

	assert_true(str_copy(who.user, sizeof(who.user), str_of(user)));
	(void)snprintf(who.name, sizeof(who.name), "The %s\n with a tail", user);
	return who;
}

static void join(struct stage *stage, const struct presence_place *place,
                 const struct presence *who, size_t count)
{
	assert_int_equal(presence_join(place, who, count, &stage->version, &stage->err), ERR_OK);
}

static void leave(struct stage *stage, const struct presence_place *place,
                  const struct presence *who, size_t count)
{
	assert_int_equal(presence_leave(place, who, count, &stage->version, &stage->err), ERR_OK);
}

static void first_body(struct world *world)
{
	struct presence who[] = { named("ann", PRESENCE_PARTICIPANT),
		                  named("bob", PRESENCE_OBSERVER),
		                  named("ann", PRESENCE_OBSERVER) };
	struct stage stage;

	open_stage(&stage, world);
	assert_shown(&stage, "");
	join(&stage, &stage.a, who, 2);
	assert_shown(&stage, "ann:participant bob:observer");
	join(&stage, &stage.a, who, 2);     /* again: nothing */
	join(&stage, &stage.b, &who[1], 1); /* on another node: nothing */
	assert_heard(&stage, 1);
	assert_string_equal(stage.set.all[0].name, "The ann\n with a tail");
	assert_true(stage.set.all[0].since_ms > INT64_C(1500000000000));
	join(&stage, &stage.b, &who[2], 1);
	assert_shown(&stage, "ann:participant ann:observer bob:observer");
	leave(&stage, &stage.a, &who[1], 1); /* still on the other */
	assert_heard(&stage, 2);
	leave(&stage, &stage.a, &who[1], 1); /* was not there */
	assert_heard(&stage, 2);
	leave(&stage, &stage.b, &who[1], 1);
	assert_heard(&stage, 3);
	assert_shown(&stage, "ann:participant ann:observer");
	leave(&stage, &stage.a, &who[0], 1);
	leave(&stage, &stage.b, &who[2], 1);
	assert_heard(&stage, 5);
	assert_shown(&stage, "");
	close_stage(&stage);
}

static void a_user_is_shown_from_the_first_node_to_the_last(void **state)
{
	(void)state;
	world_run(first_body);
}

/* What the clock of Redis says next: a node is silent when its time is over. */
static void silence(struct stage *stage, const struct id *node)
{
	char line[160];

	(void)snprintf(line, sizeof(line), "ZADD {s:%s}:presence:nodes XX 1 %s", stage->a.sid.s,
	               node->s);
	world_say(stage->world, line);
}

static void silent_body(struct world *world)
{
	struct presence who[] = { named("ann", PRESENCE_PARTICIPANT),
		                  named("bob", PRESENCE_OBSERVER) };
	struct stage stage;

	open_stage(&stage, world);
	join(&stage, &stage.a, who, 2);
	join(&stage, &stage.b, &who[1], 1);
	silence(&stage, &stage.a.node);
	assert_int_equal(presence_renew(&stage.b, &stage.version, &stage.err), ERR_OK);
	assert_heard(&stage, 2);
	assert_int_equal(stage.set.version, stage.version);
	assert_shown(&stage, "bob:observer");
	assert_int_equal(presence_renew(&stage.a, &stage.version, &stage.err), ERR_FENCED);
	join(&stage, &stage.a, who, 2);
	assert_shown(&stage, "ann:participant bob:observer");
	silence(&stage, &stage.b.node); /* nobody took its viewers away yet */
	assert_int_equal(presence_renew(&stage.b, &stage.version, &stage.err), ERR_OK);
	silence(&stage, &stage.a.node);
	silence(&stage, &stage.b.node);
	assert_shown(&stage, ""); /* who looks notices too */
	assert_heard(&stage, 4);
	close_stage(&stage);
}

static void the_viewers_of_a_silent_node_go_and_whoever_notices_says_so(void **state)
{
	(void)state;
	world_run(silent_body);
}

static void crowd_body(struct world *world)
{
	static struct presence who[PRESENCE_SHOWN_MAX + PRESENCE_BATCH_MAX];
	struct stage stage;
	struct presence_set set;
	size_t calls = 0;

	open_stage(&stage, world);
	for (size_t i = 0; i < ARRAY_LEN(who); i++) {
		char user[16];

		(void)snprintf(user, sizeof(user), "u%04zu", i);
		who[i] = named(user, PRESENCE_OBSERVER);
	}
	for (size_t i = 0; i < ARRAY_LEN(who); i += PRESENCE_BATCH_MAX) {
		join(&stage, &stage.a, &who[i], PRESENCE_BATCH_MAX);
	}
	assert_int_equal(presence_list(world->redis, &stage.a.sid, &set, &stage.err), ERR_OK);
	assert_in_range(set.count, PRESENCE_SHOWN_MAX - 1, PRESENCE_SHOWN_MAX);
	presence_set_fini(&set);
	silence(&stage, &stage.a.node);
	do { /* a call takes away so many, and no more */
		size_t before = stage.set.count;

		assert_int_equal(presence_list(world->redis, &stage.a.sid, &set, &stage.err),
		                 ERR_OK);
		assert_true(before <= set.count + PRESENCE_BATCH_MAX);
		before = set.count;
		presence_set_fini(&set);
		calls++;
		if (before == 0) {
			break;
		}
	} while (calls < 100);
	assert_in_range(calls, PRESENCE_SHOWN_MAX / PRESENCE_BATCH_MAX, 10);
	close_stage(&stage);
}

static void a_crowd_is_bounded_and_goes_in_parts(void **state)
{
	(void)state;
	world_run(crowd_body);
}

static void forgotten_body(struct world *world)
{
	struct presence ann = named("ann", PRESENCE_PARTICIPANT);
	struct stage stage;
	uint64_t version;

	open_stage(&stage, world);
	join(&stage, &stage.a, &ann, 1);
	version = stage.version;
	assert_heard(&stage, 1);
	world_say(world, "FLUSHALL");
	join(&stage, &stage.a, &ann, 1);
	assert_true(stage.version > version + 1);
	while (stage.missed == 0) {
		fiber_sleep(2);
	}
	close_stage(&stage);
}

static void a_set_that_was_forgotten_does_not_repeat_a_version(void **state)
{
	(void)state;
	world_run(forgotten_body);
}

static void bounds_body(struct world *world)
{
	struct presence who = named("ann", PRESENCE_PARTICIPANT);
	char line[160];
	struct stage stage;

	open_stage(&stage, world);
	join(&stage, &stage.a, &who, 1);
	for (int i = 0; i < 3; i++) {
		static const char *const tails[] = { "", ":nodes", ":of" };
		struct redis_reply *reply;

		(void)snprintf(line, sizeof(line), "PTTL {s:%s}:presence%s", stage.a.sid.s,
		               tails[i]);
		reply = world_ask(world, line);
		assert_in_range(redis_reply_int(reply), 9 * PRESENCE_SILENT_MS,
		                10 * PRESENCE_SILENT_MS);
		redis_reply_free(reply);
	}
	who.user[0] = '\0';
	assert_int_equal(presence_join(&stage.a, &who, 1, &stage.version, &stage.err), ERR_INVALID);
	who.user[0] = (char)0xff;
	assert_int_equal(presence_join(&stage.a, &who, 1, &stage.version, &stage.err), ERR_INVALID);
	close_stage(&stage);
}

static void nothing_of_it_stays_and_what_is_no_text_is_refused(void **state)
{
	(void)state;
	world_run(bounds_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_shown_from_the_first_node_to_the_last),
		cmocka_unit_test(the_viewers_of_a_silent_node_go_and_whoever_notices_says_so),
		cmocka_unit_test(a_crowd_is_bounded_and_goes_in_parts),
		cmocka_unit_test(a_set_that_was_forgotten_does_not_repeat_a_version),
		cmocka_unit_test(nothing_of_it_stays_and_what_is_no_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
