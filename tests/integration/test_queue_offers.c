/* Offers: what comes while nobody waits is leased as it comes, all else goes by claims. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "queue/eta.h"
#include "queue/offer.h"
#include "queue/queue.h"
#include "queue/queue_gate.h"
#include "queue/queue_limit.h"
#include "queue/queue_load.h"
#include "queue/queue_why.h"
#include "redis/sub.h"
#include "tests/support/holders.h"
#include "tests/support/world.h"

enum { LONG_MS = 600000, SLOTS = 1000 };

#define HAS "os=linux,gpu=a10"

static struct queue queue_in(struct world *world)
{
	return queue_at(world->redis, 0);
}

static bool offer_as(const struct queue *queue, const char *holder, const struct queue_offer *items,
                     size_t count)
{
	const struct queue_offers offers = {
		.holder = holder, .for_ms = LONG_MS, .items = items, .count = count
	};
	bool stands;
	struct err err;

	assert_int_equal(queue_offer(queue, &offers, &stands, &err), ERR_OK);
	return stands;
}

/* One worker with so many slots, and places. */
static void offer(const struct queue *queue, unsigned slots, unsigned places)
{
	const struct queue_offer item = { "inc-1", HAS, "repo=r", slots, places, 0 };

	assert_true(offer_as(queue, "h-1", &item, 1));
}

static void withdraw(const struct queue *queue)
{
	assert_true(offer_as(queue, "h-1", NULL, 0));
}

static struct queue_submit plain(void)
{
	return (struct queue_submit){ .sid = id_new(),
		                      .tenant = "acme",
		                      .user = "ann",
		                      .project = "p",
		                      .agent = "command",
		                      .needs = "os=linux",
		                      .epoch = 1 };
}

static enum queue_set submit(const struct queue *queue, const struct queue_submit *item)
{
	enum queue_set set;
	struct err err;

	assert_int_equal(queue_submit(queue, item, &set, &err), ERR_OK);
	return set;
}

static struct queue_item get(const struct queue *queue, const struct id *sid)
{
	struct queue_item item;
	struct err err;

	assert_int_equal(queue_get(queue, sid, &item, &err), ERR_OK);
	return item;
}

typedef enum err_code(move_fn)(const struct queue *queue, const struct queue_move *move,
                               enum queue_set *ret, struct err *err);

static enum queue_set move(const struct queue *queue, move_fn *fn, const struct queue_move *move)
{
	enum queue_set set;
	struct err err;

	assert_int_equal(fn(queue, move, &set, &err), ERR_OK);
	return set;
}

static void finish(const struct queue *queue, const struct id *sid)
{
	assert_int_equal(move(queue, queue_finish, &(struct queue_move){ .sid = *sid }),
	                 QUEUE_DONE);
}

static size_t claim(const struct queue *queue, struct queue_item *items, unsigned max)
{
	const struct queue_claim claim = { "inc-1", HAS, SLOTS, SLOTS, max };
	size_t count;
	struct err err;

	assert_int_equal(queue_claim(queue, &claim, items, &count, &err), ERR_OK);
	return count;
}

/* Nothing is in the way: one that comes now is leased at once. */
static void must_take(const struct queue *queue)
{
	const struct queue_submit item = plain();

	assert_int_equal(submit(queue, &item), QUEUE_LEASING);
	finish(queue, &item.sid);
}

/* Something is: it waits, and is claimed. */
static void must_wait(const struct queue *queue)
{
	const struct queue_submit item = plain();

	assert_int_equal(submit(queue, &item), QUEUE_READY);
	finish(queue, &item.sid);
}

static void (*heard_body)(struct world *world);

static void listen_and_run(struct world *world)
{
	static const char *const holders[] = { "h-1", "h-2" };
	struct redis_sub *sub = holders_listen(world, holders, ARRAY_LEN(holders));

	heard_body(world);
	redis_sub_free(sub);
}

static void run_heard(void (*body)(struct world *world))
{
	heard_body = body;
	world_run(listen_and_run);
}

/* ---- what is taken ---- */

struct ear {
	struct fiber_signal heard;
	unsigned taken, others;
	struct queue_taken last;
	char holder[QUEUE_NAME_MAX + 1], copy[64];
};

static void on_ring(void *arg, struct str channel, struct str payload)
{
	struct ear *ear = arg;

	(void)channel;
	if (queue_taken_read(payload, &ear->last)) {
		ear->taken++;
		assert_true(str_copy(ear->holder, sizeof(ear->holder), ear->last.holder));
		assert_true(str_copy(ear->copy, sizeof(ear->copy), ear->last.copy));
	} else {
		ear->others++;
	}
	fiber_signal_raise(&ear->heard);
}

static void on_subscribed(void *arg)
{
	struct ear *ear = arg;

	fiber_signal_raise(&ear->heard);
}

static struct redis_sub *hear_bell(struct world *world, const struct queue *queue, struct ear *ear)
{
	static const struct redis_sub_events events = { .message = on_ring,
		                                        .resumed = on_subscribed };
	const struct redis_options options = { getenv("TEST_REDIS_URL"), WORLD_TIMEOUT_MS, 500 };
	char channel[QUEUE_KEY_SIZE];
	struct redis_sub *sub;
	struct err err;

	fiber_signal_init(&ear->heard);
	sub = redis_sub_new(world->loop, &options, &events, ear, &err);
	assert_non_null(sub);
	queue_taken_channel(queue, "h-1", channel);
	redis_subscribe(sub, str_of(channel));
	queue_bell_channel(queue, channel);
	redis_subscribe(sub, str_of(channel));
	assert_int_equal(fiber_signal_wait(&ear->heard, WORLD_TIMEOUT_MS), ERR_OK);
	return sub;
}

static void await_rings(struct ear *ear, unsigned taken, unsigned others)
{
	while (ear->taken + ear->others < taken + others) {
		assert_int_equal(fiber_signal_wait(&ear->heard, WORLD_TIMEOUT_MS), ERR_OK);
	}
	assert_int_equal(ear->taken, taken);
	assert_int_equal(ear->others, others);
}

static void taken_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct ear ear = { .taken = 0 };
	struct redis_sub *sub = hear_bell(world, &queue, &ear);
	struct queue_submit item = plain();
	struct queue_move opened = { .sid = item.sid, .attempt = 4, .epoch = 4 };
	struct queue_item got;
	char token[QUEUE_TOKEN_SIZE];

	item.epoch = 3;
	item.priority = 5;
	item.copy = STR_LIT("a copy\nof it");
	offer(&queue, 2, 0);
	assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
	assert_int_equal(submit(&queue, &item), QUEUE_LEASING); /* once: nothing is said again */
	await_rings(&ear, 1, 0);
	assert_string_equal(ear.holder, "h-1");
	assert_string_equal(ear.copy, "a copy\nof it");
	got = get(&queue, &item.sid);
	assert_int_equal(got.set, QUEUE_LEASING);
	assert_string_equal(got.incarnation, "inc-1");
	assert_int_equal(got.attempt, 4);
	assert_int_equal(got.epoch, 3);
	/* The bell says what is there. */
	assert_true(id_eq(&ear.last.item.sid, &item.sid));
	assert_string_equal(ear.last.item.tenant, got.tenant);
	assert_string_equal(ear.last.item.user, got.user);
	assert_string_equal(ear.last.item.incarnation, got.incarnation);
	assert_int_equal(ear.last.item.priority, 5);
	assert_int_equal(ear.last.item.attempt, got.attempt);
	assert_int_equal(ear.last.item.epoch, got.epoch);
	assert_true(ear.last.item.queued_ms == got.queued_ms);
	queue_token(&ear.last.item, token);
	assert_string_equal(token, "lease-4");
	/* It goes on as what was claimed, and its room is given back. */
	assert_int_equal(move(&queue, queue_opened, &opened), QUEUE_LEASED);
	finish(&queue, &item.sid);
	await_rings(&ear, 1, 1); /* "room" */
	item = plain();
	item.user = NULL; /* of nobody, and with no copy */
	assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
	await_rings(&ear, 2, 1);
	assert_string_equal(ear.last.item.user, "");
	assert_string_equal(ear.copy, "");
	redis_sub_free(sub);
}

static void what_comes_while_nobody_waits_is_leased_and_the_bell_says_all_of_it(void **state)
{
	(void)state;
	run_heard(taken_body);
}

static void looks_body(struct world *world)
{
	static const char *const names[] = { "inc-1" };
	struct queue queue = queue_in(world);
	const struct queue_submit item = plain();
	const struct eta_slots slots = { 2, 1 };
	struct queue_item items[2];
	struct queue_page page = { items, 2, 0 };
	struct queue_counts counts;
	struct queue_load load;
	struct queue_why why;
	uint64_t ready;
	struct err err;

	offer(&queue, 2, 0);
	assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
	assert_int_equal(queue_count(&queue, &counts, &err), ERR_OK);
	assert_int_equal(counts.in[QUEUE_LEASING], 1);
	assert_int_equal(counts.in[QUEUE_READY], 0);
	assert_int_equal(queue_loads(&queue, names, 1, &load, &ready, &err), ERR_OK);
	assert_int_equal(load.working, 1);
	assert_int_equal(ready, 0);
	assert_int_equal(queue_of_worker(&queue, "inc-1", &page, &err), ERR_OK);
	assert_int_equal(page.count, 1);
	assert_true(id_eq(&items[0].sid, &item.sid));
	assert_int_equal(queue_list(&queue, QUEUE_LEASING, 0, &page, &err), ERR_OK);
	assert_int_equal(page.count, 1);
	assert_int_equal(queue_explain(&queue, &item.sid, &why, &err), ERR_OK);
	assert_int_equal(why.set, QUEUE_LEASING);
	assert_string_equal(why.incarnation, "inc-1");
	assert_string_equal(why.needs, "os=linux");
	assert_int_equal(why.leases, 1);
	assert_int_equal(eta_of(&why, &slots).basis, ETA_NONE);
	/* Refused by its worker it waits as any other. */
	assert_int_equal(
		move(&queue, queue_refuse, &(struct queue_move){ .sid = item.sid, .attempt = 2 }),
		QUEUE_READY);
	must_wait(&queue);
	assert_int_equal(claim(&queue, items, 2), 1);
	assert_int_equal(items[0].attempt, 3);
	must_take(&queue);
}

static void who_looks_sees_it_as_any_lease(void **state)
{
	(void)state;
	run_heard(looks_body);
}

/* ---- what goes by claims ---- */

static void unusual_body(struct world *world)
{
	static const struct {
		struct queue_submit item;
		enum queue_set set;
	} cases[] = {
		{ { .needs = "os=linux,gpu=a100" }, QUEUE_READY },
		{ { .needs = "os=linux,gpu=a1" }, QUEUE_READY },
		{ { .needs = "os=linux", .key = "k" }, QUEUE_READY },
		{ { .needs = "os=linux", .likes = "repo=x" }, QUEUE_READY },
		{ { .needs = "os=linux", .likes = "repo=r,repo=x" }, QUEUE_READY },
		{ { .needs = "os=linux", .likes = "gpu=a10,repo=r" }, QUEUE_LEASING },
		{ { .needs = "os=linux", .first = true }, QUEUE_READY },
		{ { .needs = "os=linux", .not_before_ms = UINT64_C(9999999999999) },
		  QUEUE_DELAYED },
		{ { .needs = "os=linux", .hold = "budget" }, QUEUE_HELD },
	};
	struct queue queue = queue_in(world);

	offer(&queue, 1, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct queue_submit item = cases[i].item;

		must_take(&queue);
		item.sid = id_new();
		item.tenant = "acme";
		assert_int_equal(submit(&queue, &item), cases[i].set);
		/* Only one that could run there is in the way, or has the slot. */
		if ((cases[i].set == QUEUE_READY && strcmp(item.needs, "os=linux") == 0) ||
		    cases[i].set == QUEUE_LEASING) {
			must_wait(&queue);
		} else {
			must_take(&queue);
		}
		finish(&queue, &item.sid);
	}
	must_take(&queue);
}

static void what_is_unusual_goes_by_claims(void **state)
{
	(void)state;
	run_heard(unusual_body);
}

static void room_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit first = plain(), second = plain(), third = plain(), hopes = plain();
	struct queue_move park = { .sid = first.sid, .attempt = 2, .slots = 1 };
	struct queue_move prefer = {
		.sid = hopes.sid, .attempt = 2, .delay_ms = LONG_MS, .worker = "inc-1"
	};
	struct queue_item items[1];

	must_wait(&queue); /* nobody offers */
	offer(&queue, 1, 2);
	assert_int_equal(submit(&queue, &first), QUEUE_LEASING);
	must_wait(&queue); /* no slot */
	assert_int_equal(move(&queue, queue_park, &park), QUEUE_PARKED);
	assert_int_equal(submit(&queue, &second), QUEUE_LEASING);
	/* It would go on, and waits for the slot of its worker: it comes first. */
	assert_int_equal(move(&queue, queue_unpark, &park), QUEUE_PARKED);
	finish(&queue, &second.sid);
	must_wait(&queue);
	assert_int_equal(claim(&queue, items, 1), 1);
	assert_true(id_eq(&items[0].sid, &first.sid));
	assert_int_equal(move(&queue, queue_park, &park), QUEUE_PARKED);
	offer(&queue, 1, 1);
	must_wait(&queue); /* no place */
	assert_int_equal(move(&queue, queue_unpark, &park), QUEUE_LEASED);
	park.placeless = true;
	assert_int_equal(move(&queue, queue_park, &park), QUEUE_PARKED);
	must_take(&queue); /* it takes none */
	finish(&queue, &first.sid);
	withdraw(&queue);
	must_wait(&queue);
	/* Somebody has been ready since before the offer. */
	assert_int_equal(submit(&queue, &third), QUEUE_READY);
	offer(&queue, 4, 0);
	must_wait(&queue);
	assert_int_equal(claim(&queue, items, 1), 1);
	must_take(&queue);
	/* The next slot of that worker is somebody's. */
	hopes.likes = "repo=x";
	assert_int_equal(submit(&queue, &hopes), QUEUE_READY);
	assert_int_equal(claim(&queue, items, 1), 1);
	assert_int_equal(move(&queue, queue_prefer, &prefer), QUEUE_DELAYED);
	must_wait(&queue);
	finish(&queue, &hopes.sid);
	must_take(&queue);
}

static void only_free_slots_and_places_are_taken_and_who_waits_comes_first(void **state)
{
	(void)state;
	run_heard(room_body);
}

static void set_limit(const struct queue *queue, struct queue_limit limit)
{
	struct err err;

	assert_int_equal(queue_limit_set(queue, &limit, 1, &err), ERR_OK);
}

/* A limit of one is reached by the first lease of acme's ann, and by nobody else's. */
static void check_limit(const struct queue *queue, struct queue_limit limit,
                        const struct queue_submit *free)
{
	const struct queue_submit first = plain();
	struct queue_submit other = *free;

	limit.value = 1;
	set_limit(queue, limit);
	assert_int_equal(submit(queue, &first), QUEUE_LEASING);
	other.sid = id_new();
	assert_int_equal(submit(queue, &other), QUEUE_LEASING);
	must_wait(queue);
	finish(queue, &first.sid);
	must_take(queue);
	finish(queue, &other.sid);
	limit.unset = true;
	set_limit(queue, limit);
}

static void limits_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit bob = plain(), others = plain(), chat = plain();

	bob.user = "bob";
	others.tenant = "others";
	chat.agent = "chat";
	offer(&queue, 8, 0);
	check_limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, .tenant = "acme" }, &others);
	check_limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, .tenant = NULL }, &others);
	check_limit(&queue,
	            (struct queue_limit){ QUEUE_LIMIT_USER, .tenant = "acme", .name = "ann" },
	            &bob);
	check_limit(&queue, (struct queue_limit){ QUEUE_LIMIT_USER, .tenant = NULL }, &bob);
	/* Its own counts, not that of all. */
	set_limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, .tenant = NULL, .value = 0 });
	must_wait(&queue);
	set_limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, .tenant = "acme", .value = 1 });
	must_take(&queue);
	set_limit(&queue,
	          (struct queue_limit){ QUEUE_LIMIT_TENANT, .tenant = "acme", .unset = true });
	set_limit(&queue,
	          (struct queue_limit){ QUEUE_LIMIT_TENANT, .tenant = NULL, .unset = true });
	/* From here on projects and types of agents are counted. */
	check_limit(&queue,
	            (struct queue_limit){ QUEUE_LIMIT_PROJECT, .tenant = "acme", .name = "p" },
	            &others);
	check_limit(&queue, (struct queue_limit){ QUEUE_LIMIT_AGENT, .tenant = NULL }, &chat);
	must_take(&queue);
}

static void within_limits_only(void **state)
{
	(void)state;
	run_heard(limits_body);
}

static void shut_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_gate gate = { .kind = QUEUE_GATE_BUDGET, .more = "b" };
	struct queue_submit keyed = plain(), next = plain();
	struct queue_item items[2];
	struct err err;

	queue_gate_name(&(struct queue_limit){ QUEUE_LIMIT_TENANT, .tenant = "acme" },
	                QUEUE_GATE_BUDGET, gate.name);
	offer(&queue, 4, 0);
	assert_int_equal(queue_gate_shut(&queue, &gate, &err), ERR_OK);
	must_wait(&queue);
	assert_int_equal(queue_gate_open(&queue, &gate, &err), ERR_OK);
	must_take(&queue);
	/* Somebody is held for the room of another's key. */
	keyed.key = next.key = "k";
	assert_int_equal(submit(&queue, &keyed), QUEUE_READY);
	assert_int_equal(submit(&queue, &next), QUEUE_READY);
	assert_int_equal(claim(&queue, items, 2), 1);
	assert_int_equal(get(&queue, &next.sid).set, QUEUE_HELD);
	must_wait(&queue);
	finish(&queue, &keyed.sid);
	assert_int_equal(claim(&queue, items, 2), 1);
	must_take(&queue);
}

static void nothing_passes_a_gate_or_who_is_held_for_room(void **state)
{
	(void)state;
	run_heard(shut_body);
}

static void kinds_body(struct world *world)
{
	enum { KINDS = 40 }; /* more than are looked at */
	struct queue queue = queue_in(world);
	struct queue_promoted promoted;
	struct id sids[KINDS];
	char needs[32];
	struct err err;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < KINDS; i++) {
			struct queue_submit item = plain();

			(void)snprintf(needs, sizeof(needs), "os=linux,n=%u", i);
			item.needs = needs;
			sids[i] = item.sid;
			assert_int_equal(submit(&queue, &item), QUEUE_READY);
		}
		offer(&queue, 4, 0);
		must_wait(&queue);
		for (unsigned i = 0; i < KINDS; i++) {
			finish(&queue, &sids[i]);
		}
		/* Kinds of which nothing is ready are forgotten. */
		assert_int_equal(queue_promote(&queue, LONG_MS, &promoted, &err), ERR_OK);
		must_take(&queue);
		withdraw(&queue);
	}
}

static void unheard_body(struct world *world)
{
	const struct queue_offer item = { "inc-1", HAS, NULL, 4, 0, 0 };
	struct queue queue = queue_in(world);

	assert_true(offer_as(&queue, "h-3", &item, 1));
	must_wait(&queue);
}

static void what_nobody_would_hear_of_is_not_leased(void **state)
{
	(void)state;
	run_heard(unheard_body);
}

static void misfit_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit misfit = plain();

	misfit.needs = "os=plan9";
	assert_int_equal(submit(&queue, &misfit), QUEUE_READY);
	offer(&queue, 4, 0);
	must_take(&queue);
}

static void who_waits_for_workers_that_are_not_there_is_in_nobodys_way(void **state)
{
	(void)state;
	run_heard(misfit_body);
}

static void however_many_kinds_of_sessions_were_ready_once_it_is_leased_at_once(void **state)
{
	(void)state;
	run_heard(kinds_body);
}

/* ---- turns ---- */

static struct queue_submit of(const char *tenant, const char *user)
{
	struct queue_submit item = plain();

	item.tenant = tenant;
	item.user = user;
	return item;
}

/* Leased as it comes: to who is offered, or claimed. */
static void lease(const struct queue *queue, const char *tenant, const char *user, bool at_once)
{
	const struct queue_submit item = of(tenant, user);
	struct queue_item got;

	assert_int_equal(submit(queue, &item), at_once ? QUEUE_LEASING : QUEUE_READY);
	if (!at_once) {
		assert_int_equal(claim(queue, &got, 1), 1);
	}
}

/* What the tenant, or its user, has used; what weighs less as time goes by is rounded. */
static double pass_of(struct world *world, const char *key, const char *who)
{
	struct redis_reply *reply;
	char line[128];
	double pass;

	(void)snprintf(line, sizeof(line), "HGET {q0/1}:%s %s", key, who);
	reply = world_ask(world, line);
	assert_true(redis_reply_str(reply).n > 0);
	pass = strtod(redis_reply_str(reply).p, NULL);
	redis_reply_free(reply);
	return pass;
}

enum { A = 3, B = 1, DIRECT = 13 };

struct passes {
	double a, b, ann, bob, all;
};

/* Thirteen of a, of ann and bob in turns, one of b: a has thrice the weight. */
static struct passes use(struct world *world, const struct queue *queue, bool at_once)
{
	world_say(world, "FLUSHALL");
	set_limit(queue, (struct queue_limit){ QUEUE_WEIGHT, .tenant = "a", .value = A });
	if (at_once) {
		offer(queue, SLOTS, 0);
	}
	lease(queue, "b", "eve", at_once);
	for (unsigned i = 0; i < DIRECT; i++) {
		lease(queue, "a", i % 3 == 0 ? "ann" : "bob", at_once);
	}
	return (struct passes){ .a = pass_of(world, "v", "a"),
		                .b = pass_of(world, "v", "b"),
		                .ann = pass_of(world, "v:a", "ann"),
		                .bob = pass_of(world, "v:a", "bob"),
		                .all = pass_of(world, "v", "*") };
}

static void must_be_near(double got, double expected)
{
	const double turn = 1000;

	if (got - expected > turn / 10 || expected - got > turn / 10) {
		fail_msg("pass %f, not %f", got, expected);
	}
}

static void turns_body(struct world *world)
{
	enum { MORE = 26 };
	struct queue queue = queue_in(world);
	const struct passes claimed = use(world, &queue, false), taken = use(world, &queue, true);
	struct queue_item items[MORE];
	unsigned a = DIRECT, b = 1;

	must_be_near(taken.a, claimed.a);
	must_be_near(taken.b, claimed.b);
	must_be_near(taken.ann, claimed.ann);
	must_be_near(taken.bob, claimed.bob);
	must_be_near(taken.all, claimed.all);
	assert_true(taken.a > taken.b);
	/* What was leased at once counts: claims make the shares even. */
	withdraw(&queue);
	for (unsigned i = 0; i < MORE; i++) {
		const struct queue_submit of_a = of("a", "ann"), of_b = of("b", "eve");

		assert_int_equal(submit(&queue, &of_a), QUEUE_READY);
		assert_int_equal(submit(&queue, &of_b), QUEUE_READY);
	}
	for (unsigned i = 0; i < MORE; i++) {
		assert_int_equal(claim(&queue, &items[i], 1), 1);
		a += strcmp(items[i].tenant, "a") == 0;
		b += strcmp(items[i].tenant, "b") == 0;
	}
	assert_int_equal(a + b, DIRECT + 1 + MORE);
	assert_in_range(a, 29, 31); /* of 40: three quarters */
}

static void leases_at_once_are_turns_as_claims_are(void **state)
{
	(void)state;
	run_heard(turns_body);
}

/* ---- offers ---- */

static void holders_body(struct world *world)
{
	const struct queue_offer first = { "inc-1", HAS, NULL, 4, 0, 0 },
				 second = { "inc-2", HAS, NULL, 4, 0, 0 };
	const struct queue_offer bad[] = { { "no good", HAS, NULL, 4, 0, 0 },
		                           { "inc-1", "a b", NULL, 4, 0, 0 } };
	struct queue queue = queue_in(world);
	struct queue_submit item = plain();
	struct queue_offers offers = {
		.holder = "h-1", .for_ms = LONG_MS, .items = bad, .count = 1
	};
	bool stands;
	struct err err;

	assert_int_equal(queue_offer(&queue, &offers, &stands, &err), ERR_INVALID);
	offers.items = &bad[1];
	assert_int_equal(queue_offer(&queue, &offers, &stands, &err), ERR_INVALID);
	offers.items = &first;
	offers.holder = "h 1";
	assert_int_equal(queue_offer(&queue, &offers, &stands, &err), ERR_INVALID);
	must_wait(&queue);

	assert_true(offer_as(&queue, "h-1", &first, 1));
	assert_false(offer_as(&queue, "h-2", &second, 1));
	assert_false(offer_as(&queue, "h-2", NULL, 0)); /* nor does it withdraw another's */
	assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
	assert_string_equal(get(&queue, &item.sid).incarnation, "inc-1");
	assert_true(offer_as(&queue, "h-1", &second, 1)); /* in place of what it offered before */
	item = plain();
	assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
	assert_string_equal(get(&queue, &item.sid).incarnation, "inc-2");
	/* Its holder has said nothing for as long as it offered. */
	world_say(world, "HINCRBY {q0/1}:offer till -700000");
	must_wait(&queue);
	assert_true(offer_as(&queue, "h-2", &first, 1));
	assert_false(offer_as(&queue, "h-1", &second, 1));
	item = plain();
	assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
	assert_string_equal(get(&queue, &item.sid).incarnation, "inc-1");
	assert_true(offer_as(&queue, "h-2", NULL, 0));
	must_wait(&queue);
	assert_true(offer_as(&queue, "h-1", &second, 1));
	must_take(&queue);
}

static void one_offer_stands_until_it_is_over_or_withdrawn(void **state)
{
	(void)state;
	run_heard(holders_body);
}

static void part_body(struct world *world)
{
	const struct queue_offer part = { "inc-1", HAS, NULL, 8, 0, 1 },
				 full = { "inc-1", HAS, NULL, 2, 0, 1 };
	struct queue queue = queue_in(world);

	/* So many more than it has then; its slots are the most. */
	for (unsigned i = 0; i < 2; i++) {
		const struct queue_submit item = plain();

		assert_true(offer_as(&queue, "h-1", &part, 1));
		assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
		must_wait(&queue);
	}
	assert_true(offer_as(&queue, "h-1", &full, 1));
	must_wait(&queue);
	assert_true(offer_as(&queue, "h-1", &part, 1));
	must_take(&queue);
}

static void of_a_worker_only_that_part_is_taken_that_is_offered(void **state)
{
	(void)state;
	run_heard(part_body);
}

static unsigned working(const struct queue *queue, const char *incarnation)
{
	struct queue_load load;
	uint64_t ready;
	struct err err;

	assert_int_equal(queue_loads(queue, &incarnation, 1, &load, &ready, &err), ERR_OK);
	return load.working;
}

static void even_body(struct world *world)
{
	const struct queue_offer items[] = { { "inc-1", HAS, NULL, 8, 0, 0 },
		                             { "inc-2", HAS, NULL, 4, 0, 0 },
		                             { "inc-3", "os=other", NULL, 64, 0, 0 } };
	struct queue queue = queue_in(world);

	assert_true(offer_as(&queue, "h-1", items, 2));
	for (unsigned i = 0; i < 12; i++) {
		const struct queue_submit item = plain();
		unsigned wide, narrow;

		assert_int_equal(submit(&queue, &item), QUEUE_LEASING);
		wide = working(&queue, "inc-1");
		narrow = working(&queue, "inc-2");
		assert_int_equal(wide + narrow, i + 1);
		assert_in_range(wide + 2, 2 * narrow, 2 * narrow + 4);
	}
	must_wait(&queue);
	/* Which of three are looked at is left to the clock; who does not fit is never taken. */
	assert_true(offer_as(&queue, "h-1", items, 3));
	for (unsigned i = 0; i < 20; i++) {
		must_wait(&queue);
	}
}

static void of_two_the_less_busy_is_taken(void **state)
{
	(void)state;
	run_heard(even_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_comes_while_nobody_waits_is_leased_and_the_bell_says_all_of_it),
		cmocka_unit_test(who_looks_sees_it_as_any_lease),
		cmocka_unit_test(what_is_unusual_goes_by_claims),
		cmocka_unit_test(only_free_slots_and_places_are_taken_and_who_waits_comes_first),
		cmocka_unit_test(within_limits_only),
		cmocka_unit_test(nothing_passes_a_gate_or_who_is_held_for_room),
		cmocka_unit_test(
			however_many_kinds_of_sessions_were_ready_once_it_is_leased_at_once),
		cmocka_unit_test(what_nobody_would_hear_of_is_not_leased),
		cmocka_unit_test(who_waits_for_workers_that_are_not_there_is_in_nobodys_way),
		cmocka_unit_test(leases_at_once_are_turns_as_claims_are),
		cmocka_unit_test(one_offer_stands_until_it_is_over_or_withdrawn),
		cmocka_unit_test(of_a_worker_only_that_part_is_taken_that_is_offered),
		cmocka_unit_test(of_two_the_less_busy_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
