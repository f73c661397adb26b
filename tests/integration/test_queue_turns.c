/* Whose turn it is, and what is in the way: users, weights, limits, parking, preferred workers. */
#include <stdio.h>
#include <string.h>

#include "queue/demand.h"
#include "queue/queue.h"
#include "queue/queue_gate.h"
#include "queue/queue_limit.h"
#include "queue/queue_why.h"
#include "tests/support/world.h"

enum { SLOTS = 1000 };

static struct queue queue_in(struct world *world)
{
	return queue_at(world->redis, 0);
}

static struct id submit(const struct queue *queue, struct queue_submit item)
{
	enum queue_set set;
	struct err err;

	item.sid = id_new();
	item.needs = item.needs != NULL ? item.needs : "";
	assert_int_equal(queue_submit(queue, &item, &set, &err), ERR_OK);
	return item.sid;
}

static size_t claim_for(const struct queue *queue, const char *incarnation, unsigned slots,
                        struct queue_item *items, unsigned max)
{
	const struct queue_claim claim = { incarnation, "os=linux", slots, SLOTS, max };
	size_t count;
	struct err err;

	assert_int_equal(queue_claim(queue, &claim, items, &count, &err), ERR_OK);
	return count;
}

static struct queue_item claim_one(const struct queue *queue)
{
	struct queue_item item;

	assert_int_equal(claim_for(queue, "inc-1", SLOTS, &item, 1), 1);
	return item;
}

static void claim_none(const struct queue *queue)
{
	struct queue_item item;

	assert_int_equal(claim_for(queue, "inc-1", SLOTS, &item, 1), 0);
}

static void limit(const struct queue *queue, struct queue_limit limit)
{
	struct err err;

	assert_int_equal(queue_limit_set(queue, &limit, 1, &err), ERR_OK);
}

typedef enum err_code(move_fn)(const struct queue *queue, const struct queue_move *move,
                               enum queue_set *ret, struct err *err);

static enum queue_set move(const struct queue *queue, move_fn *fn, struct queue_move move)
{
	enum queue_set set = QUEUE_NONE;
	struct err err;

	assert_int_equal(fn(queue, &move, &set, &err), ERR_OK);
	return set;
}

static enum queue_set finish(const struct queue *queue, const struct queue_item *item)
{
	return move(queue, queue_finish, (struct queue_move){ .sid = item->sid });
}

static struct queue_item get(const struct queue *queue, const struct id *sid)
{
	struct queue_item item;
	struct err err;

	assert_int_equal(queue_get(queue, sid, &item, &err), ERR_OK);
	return item;
}

/* ---- turns ---- */

static void users_body(struct world *world)
{
	struct queue queue = queue_in(world);
	unsigned of_small = 0;

	for (int i = 0; i < 40; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "acme", .user = "big" });
	}
	for (int i = 0; i < 5; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "acme", .user = "small" });
	}
	for (int i = 0; i < 10; i++) {
		of_small += strcmp(claim_one(&queue).user, "small") == 0;
	}
	assert_int_equal(of_small, 5);
}

static void users_of_a_tenant_take_turns(void **state)
{
	(void)state;
	world_run(users_body);
}

static void weights_body(struct world *world)
{
	struct queue queue = queue_in(world);
	unsigned heavy = 0;

	limit(&queue, (struct queue_limit){ QUEUE_WEIGHT, "heavy", NULL, 3, false });
	for (int i = 0; i < 100; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "heavy" });
		(void)submit(&queue, (struct queue_submit){ .tenant = "light" });
	}
	for (int i = 0; i < 80; i++) {
		heavy += strcmp(claim_one(&queue).tenant, "heavy") == 0;
	}
	assert_in_range(heavy, 59, 61);
}

static void a_tenant_of_thrice_the_weight_gets_thrice_the_turns(void **state)
{
	(void)state;
	world_run(weights_body);
}

static void late_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct id single;

	for (int i = 0; i < 300; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "crowd", .priority = 9 });
	}
	for (int i = 0; i < 200; i++) {
		(void)claim_one(&queue);
	}
	single = submit(&queue, (struct queue_submit){ .tenant = "single" });
	(void)claim_one(&queue);
	assert_int_not_equal(get(&queue, &single).set, QUEUE_READY);
}

static void the_single_task_of_another_tenant_waits_for_one_slot_at_most(void **state)
{
	(void)state;
	world_run(late_body);
}

static void debt_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_item items[20];
	unsigned of_greedy = 0;

	(void)submit(&queue, (struct queue_submit){ .tenant = "patient" });
	for (int i = 0; i < 20; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "greedy" });
	}
	assert_int_equal(claim_for(&queue, "inc-1", SLOTS, items, 20), 20);
	(void)claim_one(&queue); /* now nobody has anything ready */
	for (int i = 0; i < 5; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "greedy" });
		(void)submit(&queue, (struct queue_submit){ .tenant = "patient" });
	}
	for (int i = 0; i < 5; i++) {
		of_greedy += strcmp(claim_one(&queue).tenant, "greedy") == 0;
	}
	assert_in_range(of_greedy, 0, 1);
}

static void what_a_tenant_used_is_remembered_when_its_queue_was_empty(void **state)
{
	(void)state;
	world_run(debt_body);
}

enum { FAIR_TENANTS = 200, FAIR_STARTS = 30, FAIR_BATCH = 50 };

struct fair {
	struct queue queue;
	unsigned next;
	struct fiber_group group;
};

static void submit_part(void *arg)
{
	struct fair *fair = arg;

	while (fair->next < FAIR_TENANTS * (FAIR_STARTS + 4)) {
		unsigned i = fair->next++;
		char tenant[16];

		(void)snprintf(tenant, sizeof(tenant), "t%u", i % FAIR_TENANTS);
		(void)submit(&fair->queue, (struct queue_submit){ .tenant = tenant });
	}
}

/* Jain's index of what each got for its weight: (sum x)^2 / (n sum x^2); 1 is perfectly fair. */
static void fair_body(struct world *world)
{
	static unsigned starts[FAIR_TENANTS];
	struct fair fair = { .queue = queue_in(world) };
	struct queue_item items[FAIR_BATCH];
	double sum = 0, squares = 0;

	for (int i = 0; i < 16; i++) {
		(void)fiber_start(world->loop, &fair.group, "submit", submit_part, &fair);
	}
	assert_int_equal(fiber_group_wait(&fair.group, FIBER_NO_TIMEOUT), ERR_OK);
	memset(starts, 0, sizeof(starts));
	for (unsigned i = 0; i < FAIR_TENANTS * FAIR_STARTS; i += FAIR_BATCH) {
		const struct queue_claim claim = { "inc-1", "", 1000000, 1000000, FAIR_BATCH };
		size_t count;
		struct err err;

		assert_int_equal(queue_claim(&fair.queue, &claim, items, &count, &err), ERR_OK);
		for (size_t k = 0; k < count; k++) {
			starts[strtoul(items[k].tenant + 1, NULL, 10)]++;
		}
		i -= FAIR_BATCH - (unsigned)count; /* a claim may stop early */
	}
	for (int i = 0; i < FAIR_TENANTS; i++) {
		sum += starts[i];
		squares += (double)starts[i] * starts[i];
		assert_in_range(starts[i], FAIR_STARTS - 1, FAIR_STARTS + 1);
	}
	assert_true(sum * sum / (FAIR_TENANTS * squares) >= 0.99);
}

static void two_hundred_tenants_get_the_same(void **state)
{
	(void)state;
	world_run(fair_body);
}

/* ---- limits ---- */

static void limits_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit item = { .tenant = "acme", .user = "ann", .project = "p1" };
	struct queue_item first, second;
	struct id third;

	limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, "acme", NULL, 2, false });
	for (int i = 0; i < 3; i++) {
		third = submit(&queue, item);
	}
	first = claim_one(&queue);
	second = claim_one(&queue);
	claim_none(&queue);
	(void)submit(&queue, (struct queue_submit){ .tenant = "other" });
	assert_string_equal(claim_one(&queue).tenant, "other");
	assert_int_equal(finish(&queue, &first), QUEUE_DONE);
	first = claim_one(&queue);
	assert_true(id_eq(&first.sid, &third));
	(void)submit(&queue, item);
	claim_none(&queue);
	limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, "acme", NULL, 3, false });
	(void)claim_one(&queue);
	assert_int_equal(finish(&queue, &second), QUEUE_DONE);
}

static void a_full_tenant_waits_for_a_lease_to_end_or_for_its_limit_to_rise(void **state)
{
	(void)state;
	world_run(limits_body);
}

static void user_limit_body(struct world *world)
{
	struct queue queue = queue_in(world);

	limit(&queue, (struct queue_limit){ QUEUE_LIMIT_USER, NULL, NULL, 1, false });
	for (int i = 0; i < 3; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "acme", .user = "ann" });
	}
	assert_string_equal(claim_one(&queue).user, "ann");
	claim_none(&queue);
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme", .user = "bob" });
	assert_string_equal(claim_one(&queue).user, "bob");
	claim_none(&queue);
	limit(&queue, (struct queue_limit){ QUEUE_LIMIT_USER, "acme", "ann", 2, false });
	assert_string_equal(claim_one(&queue).user, "ann");
	claim_none(&queue);
}

static void a_full_user_does_not_hold_up_the_others_of_the_tenant(void **state)
{
	(void)state;
	world_run(user_limit_body);
}

static void keys_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit item = { .tenant = "acme", .key = "deploy" };
	struct queue_promoted promoted;
	struct queue_item first, next;
	struct queue_why why;
	struct id second;
	struct err err;

	(void)submit(&queue, item);
	second = submit(&queue, item);
	first = claim_one(&queue);
	claim_none(&queue);
	assert_int_equal(get(&queue, &second).set, QUEUE_HELD);
	assert_int_equal(queue_explain(&queue, &second, &why, &err), ERR_OK);
	assert_string_equal(why.limit, "c:acme:deploy");
	assert_int_equal(why.used, 1);
	assert_int_equal(why.most, 1);
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	(void)claim_one(&queue);
	/* The next of the key is not lost when one that waits goes away. */
	(void)submit(&queue, item);
	claim_none(&queue);
	assert_int_equal(finish(&queue, &(struct queue_item){ .sid = second }), QUEUE_DONE);
	assert_int_equal(move(&queue, queue_requeue,
	                      (struct queue_move){ .sid = first.sid, .delay_ms = 100000 }),
	                 QUEUE_DELAYED);
	next = claim_one(&queue);
	assert_false(id_eq(&next.sid, &first.sid));
	assert_int_equal(queue_promote(&queue, 60000, &promoted, &err), ERR_OK);
	assert_int_equal(promoted.drift, 0);
}

static void a_key_of_concurrency_admits_one_and_holds_the_others_in_order(void **state)
{
	(void)state;
	world_run(keys_body);
}

static void two_limits_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit both = { .tenant = "acme", .project = "p1", .key = "k" };
	struct queue_submit one = { .tenant = "acme", .project = "p1" };
	struct queue_item held, other;

	limit(&queue, (struct queue_limit){ QUEUE_LIMIT_PROJECT, "acme", "p1", 2, false });
	(void)submit(&queue, both);
	(void)submit(&queue, one);
	held = claim_one(&queue);
	other = claim_one(&queue);
	(void)submit(&queue, both); /* will be stopped by the project, then by the key */
	(void)submit(&queue, one);
	claim_none(&queue);
	assert_int_equal(finish(&queue, &other), QUEUE_DONE);
	(void)claim_one(&queue); /* the room is not lost on who cannot use it */
	assert_int_equal(finish(&queue, &held), QUEUE_DONE);
	(void)claim_one(&queue);
}

static void room_goes_to_the_next_when_the_first_is_stopped_by_another_limit(void **state)
{
	(void)state;
	world_run(two_limits_body);
}

static void late_limit_body(struct world *world)
{
	enum { LEASED = 150, LEASING = 140 }; /* more than one script looks at */
	struct queue queue = queue_in(world);
	struct queue_item item, leased[LEASED];
	struct queue_promoted promoted;
	unsigned scripts = 0;
	struct err err;

	for (unsigned i = 0; i < LEASED + LEASING; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "acme", .project = "p1" });
		assert_int_equal(claim_for(&queue, "inc-1", 1000, &item, 1), 1);
		if (i < LEASED) {
			leased[i] = item;
			assert_int_equal(move(&queue, queue_opened,
			                      (struct queue_move){ .sid = item.sid, .epoch = 2 }),
			                 QUEUE_LEASED);
		}
	}
	limit(&queue,
	      (struct queue_limit){ QUEUE_LIMIT_PROJECT, "acme", "p1", LEASED + LEASING, false });
	do {
		assert_int_equal(queue_promote(&queue, 60000, &promoted, &err), ERR_OK);
		scripts++;
	} while (promoted.count > 0);
	assert_int_equal(scripts, 10);
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme", .project = "p1" });
	assert_int_equal(claim_for(&queue, "inc-2", 1000, &item, 1), 0);
	assert_int_equal(finish(&queue, &leased[0]), QUEUE_DONE);
	assert_int_equal(claim_for(&queue, "inc-2", 1000, &item, 1), 1);
	assert_int_equal(queue_promote(&queue, 60000, &promoted, &err), ERR_OK);
	assert_int_equal(promoted.drift, 0);
}

static void the_first_limit_of_a_project_counts_what_runs_already(void **state)
{
	(void)state;
	world_run(late_limit_body);
}

/* ---- parking ---- */

static void back_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit item = { .tenant = "acme", .key = "k" };
	struct queue_item parked, busy, items[4];
	struct queue_move about = { .epoch = 2 };

	(void)submit(&queue, item);
	assert_int_equal(claim_for(&queue, "inc-1", 1, &parked, 1), 1);
	about.sid = parked.sid;
	assert_int_equal(move(&queue, queue_opened, about), QUEUE_LEASED);
	assert_int_equal(move(&queue, queue_park, about), QUEUE_PARKED);
	(void)submit(&queue, item); /* the key is still its */
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	assert_int_equal(claim_for(&queue, "inc-1", 1, &busy, 1), 1);
	about.slots = 1;
	assert_int_equal(move(&queue, queue_unpark, about), QUEUE_PARKED);
	(void)submit(&queue, (struct queue_submit){ .tenant = "other", .first = true });
	assert_int_equal(claim_for(&queue, "inc-1", 1, items, 4), 0);
	assert_int_equal(finish(&queue, &busy), QUEUE_DONE);
	assert_int_equal(claim_for(&queue, "inc-1", 1, items, 4), 1);
	assert_true(id_eq(&items[0].sid, &parked.sid));
	assert_int_equal(items[0].claimed, QUEUE_CLAIMED_BACK);
	assert_int_equal(items[0].attempt, parked.attempt);
	assert_int_equal(items[0].epoch, 2);
	assert_int_equal(get(&queue, &parked.sid).set, QUEUE_LEASED);
}

static void a_parked_session_that_may_go_on_gets_the_next_slot_of_its_worker(void **state)
{
	(void)state;
	world_run(back_body);
}

/* It is in nobody's way, since it could not come back; but it is its worker's like all others. */
static void stay_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_claim claim = { "inc-1", "", 2, 2, 4 };
	struct queue_item items[4];
	struct queue_page page = { items, 4, 0 };
	struct queue_move about = { .reason = "waits", .stays = true };
	struct id second;
	size_t count;
	struct err err;

	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	second = submit(&queue, (struct queue_submit){ .tenant = "acme" });
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 2);
	for (int i = 0; i < 2; i++) {
		about.sid = items[i].sid;
		about.stays = !id_eq(&items[i].sid, &second);
		assert_int_equal(move(&queue, queue_opened, about), QUEUE_LEASED);
		assert_int_equal(move(&queue, queue_park, about), QUEUE_PARKED);
	}
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_true(count == 1 && id_eq(&items[0].sid, &second));
	assert_int_equal(items[0].claimed, QUEUE_CLAIMED_EVICT);
	about.sid = second;
	assert_int_equal(move(&queue, queue_finish, about), QUEUE_DONE);
	assert_int_equal(queue_of_worker(&queue, "inc-1", &page, &err), ERR_OK);
	assert_int_equal(page.count, 1);
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(items[0].claimed, QUEUE_CLAIMED_NEW);
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
}

static void who_could_not_come_back_is_not_asked_to_leave(void **state)
{
	(void)state;
	world_run(stay_body);
}

/* However many wait for what they submitted, that is run. */
static void placeless_body(struct world *world)
{
	struct queue queue = queue_in(world);
	const struct queue_claim claim = { "inc-1", "", 1, 1, 4 };
	struct queue_item items[4];
	struct queue_page page = { items, 4, 0 };
	struct queue_move about = { .reason = "session", .placeless = true, .slots = 1 };
	size_t count;
	struct err err;

	for (int i = 0; i < 3; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
		assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
		assert_int_equal(count, 1);
		about.sid = items[0].sid;
		assert_int_equal(move(&queue, queue_opened, about), QUEUE_LEASED);
		assert_int_equal(move(&queue, queue_park, about), QUEUE_PARKED);
	}
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_true(count == 1 && items[0].claimed == QUEUE_CLAIMED_NEW);
	about.placeless = false;
	assert_int_equal(move(&queue, queue_unpark, about), QUEUE_PARKED);
	assert_int_equal(finish(&queue, &items[0]), QUEUE_DONE);
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_true(count == 1 && items[0].claimed == QUEUE_CLAIMED_BACK);
	assert_true(id_eq(&items[0].sid, &about.sid));
	assert_int_equal(queue_of_worker(&queue, "inc-1", &page, &err), ERR_OK);
	assert_int_equal(page.count, 3);
	for (size_t i = 0; i < 3; i++) {
		about.sid = items[i].sid;
		assert_int_equal(move(&queue, queue_finish, about), QUEUE_DONE);
	}
	assert_int_equal(queue_of_worker(&queue, "inc-1", &page, &err), ERR_OK);
	assert_int_equal(page.count, 0);
}

static void who_waits_for_another_session_takes_no_place(void **state)
{
	(void)state;
	world_run(placeless_body);
}

static void evict_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_claim claim = { "inc-1", "", 1, 2, 4 };
	struct queue_item items[4];
	struct queue_move about = { .reason = "waits" };
	struct id first = submit(&queue, (struct queue_submit){ .tenant = "acme" }), third;
	size_t count;
	struct err err;

	for (int i = 0; i < 2; i++) {
		if (i == 1) {
			(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
		}
		assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
		assert_int_equal(count, 1);
		about.sid = items[0].sid;
		assert_int_equal(move(&queue, queue_opened, about), QUEUE_LEASED);
		assert_int_equal(move(&queue, queue_park, about), QUEUE_PARKED);
	}
	third = submit(&queue, (struct queue_submit){ .tenant = "acme" });
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(items[0].claimed, QUEUE_CLAIMED_EVICT);
	assert_true(id_eq(&items[0].sid, &first));
	about.sid = first;
	assert_int_equal(move(&queue, queue_evict, about), QUEUE_HELD);
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_true(count == 1 && id_eq(&items[0].sid, &third));
	assert_int_equal(finish(&queue, &items[0]), QUEUE_DONE);
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme", .priority = 9 });
	assert_int_equal(move(&queue, queue_release, about), QUEUE_READY);
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_true(count == 1 && id_eq(&items[0].sid, &first));
	assert_int_equal(items[0].attempt, 2);
}

static void the_longest_parked_makes_room_and_is_first_when_it_may_go_on(void **state)
{
	(void)state;
	world_run(evict_body);
}

/* ---- workers ---- */

static void place_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_item item, other;
	struct queue_move about = { .worker = "inc-2", .slots = 1, .delay_ms = 60000 };
	enum queue_set set;
	struct err err;

	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	item = claim_one(&queue);
	about.sid = item.sid;
	assert_int_equal(move(&queue, queue_place, about), QUEUE_LEASING);
	assert_string_equal(get(&queue, &item.sid).incarnation, "inc-2");
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	other = claim_one(&queue);
	about.sid = other.sid;
	assert_int_equal(queue_place(&queue, &about, &set, &err), ERR_CONFLICT);
	assert_int_equal(move(&queue, queue_prefer, about), QUEUE_DELAYED);
	claim_none(&queue);
	assert_int_equal(finish(&queue, &item), QUEUE_DONE);
	assert_int_equal(claim_for(&queue, "inc-2", 1, &item, 1), 1);
	assert_true(id_eq(&item.sid, &other.sid));
	assert_int_equal(item.attempt, 2);
}

static void a_session_waits_for_the_worker_that_is_better_for_it(void **state)
{
	(void)state;
	world_run(place_body);
}

static void back_within_limits_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_item parked, busy, item;
	struct queue_move about = { .epoch = 2 };

	limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, "acme", NULL, 1, false });
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	parked = claim_one(&queue);
	about.sid = parked.sid;
	assert_int_equal(move(&queue, queue_opened, about), QUEUE_LEASED);
	assert_int_equal(move(&queue, queue_park, about), QUEUE_PARKED);
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	busy = claim_one(&queue);
	assert_int_equal(move(&queue, queue_unpark, about), QUEUE_PARKED);
	claim_none(&queue);
	assert_int_equal(finish(&queue, &busy), QUEUE_DONE);
	item = claim_one(&queue);
	assert_true(id_eq(&item.sid, &parked.sid));
	assert_int_equal(item.claimed, QUEUE_CLAIMED_BACK);
}

static void prefer_within_limits_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_item first, item;
	struct queue_move about = { .worker = "inc-2", .slots = 1, .delay_ms = 60000 };

	limit(&queue, (struct queue_limit){ QUEUE_LIMIT_TENANT, "acme", NULL, 1, false });
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	item = claim_one(&queue);
	about.sid = item.sid;
	assert_int_equal(move(&queue, queue_prefer, about), QUEUE_DELAYED);
	first = claim_one(&queue);
	assert_int_equal(claim_for(&queue, "inc-2", 1, &item, 1), 0);
	assert_int_equal(finish(&queue, &first), QUEUE_DONE);
	assert_int_equal(claim_for(&queue, "inc-2", 1, &item, 1), 1);
	assert_true(id_eq(&item.sid, &about.sid));
}

/* ---- breakers ---- */

static const struct queue_agents agents = { "acme", "codex" };

static void fail_start(const struct queue *queue, const char *token, uint64_t open_ms, bool opens)
{
	const struct queue_breaker_rule rule = { 2, 60000, open_ms, 2 };
	bool moved = false;
	struct err err;

	assert_int_equal(queue_gate_fail(queue, &agents, token, &rule, &moved, &err), ERR_OK);
	assert_int_equal(moved, opens);
}

static void pass_start(const struct queue *queue, const struct id *sid, bool closes)
{
	const struct queue_breaker_rule rule = { 2, 60000, 1, 2 };
	bool moved = false;
	struct err err;

	assert_int_equal(queue_gate_pass(queue, &agents, sid, &rule, &moved, &err), ERR_OK);
	assert_int_equal(moved, closes);
}

/* Promotes until there is one. */
static struct queue_item await_claim(const struct queue *queue)
{
	struct queue_promoted promoted;
	struct queue_item item;
	struct err err;

	while (claim_for(queue, "inc-1", SLOTS, &item, 1) == 0) {
		assert_int_equal(queue_promote(queue, 60000, &promoted, &err), ERR_OK);
		assert_int_equal(promoted.drift, 0);
	}
	return item;
}

static void breaker_body(struct world *world)
{
	const struct queue queue = queue_in(world);
	const struct queue_submit codex = { .tenant = "acme", .agent = "codex" };
	struct id sids[4], other;
	struct queue_item item;
	struct queue_gate gates[2];
	struct queue_why why;
	size_t count = 0;
	bool was = false;
	struct err err;

	fail_start(&queue, "x-1", 60000, false);
	fail_start(&queue, "x-1", 60000, false); /* told twice */
	fail_start(&queue, "x-2", 60000, true);
	fail_start(&queue, "x-3", 60000, false); /* it is open */
	for (size_t i = 0; i < ARRAY_LEN(sids); i++) {
		sids[i] = submit(&queue, codex);
	}
	other = submit(&queue, (struct queue_submit){ .tenant = "acme", .agent = "gemini" });
	item = claim_one(&queue);
	assert_true(id_eq(&item.sid, &other));
	claim_none(&queue);
	assert_int_equal(queue_explain(&queue, &sids[0], &why, &err), ERR_OK);
	assert_int_equal(why.gate.kind, QUEUE_GATE_BREAKER);
	assert_true(why.gate.until_ms > why.now_ms);
	assert_string_equal(why.reason, "limit:a:acme:codex");

	assert_int_equal(queue_gate_reset(&queue, &agents, &was, &err), ERR_OK);
	assert_true(was);
	assert_int_equal(queue_gate_reset(&queue, &agents, &was, &err), ERR_OK);
	assert_false(was);
	fail_start(&queue, "x-4", 1, false);
	fail_start(&queue, "x-5", 1, true);

	/* One at a time, and one that fails opens it again. */
	item = await_claim(&queue);
	assert_int_equal(queue_gates(&queue, QUEUE_GATE_BREAKER, gates, 2, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_string_equal(gates[0].name, "a:acme:codex");
	fail_start(&queue, "x-6", 1, true);
	assert_int_equal(finish(&queue, &item), QUEUE_DONE);
	item = await_claim(&queue);
	pass_start(&queue, &other, false); /* it is not on trial */
	pass_start(&queue, &item.sid, false);
	pass_start(&queue, &item.sid, false); /* told twice */
	item = await_claim(&queue);
	pass_start(&queue, &item.sid, true);
	assert_int_equal(queue_gates(&queue, QUEUE_GATE_BREAKER, gates, 2, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
	(void)await_claim(&queue);
}

static void leased_body(struct world *world)
{
	const struct queue queue = queue_in(world);
	struct queue_move it = { .slots = SLOTS };

	it.sid = submit(&queue, (struct queue_submit){ .tenant = "acme", .agent = "codex" });
	(void)claim_one(&queue);
	assert_int_equal(move(&queue, queue_opened, it), QUEUE_LEASED);
	assert_int_equal(move(&queue, queue_park, it), QUEUE_PARKED);
	fail_start(&queue, "x-1", 60000, false);
	fail_start(&queue, "x-2", 60000, true);
	assert_int_equal(move(&queue, queue_unpark, it), QUEUE_LEASED);
}

static void agents_that_fail_as_they_start_are_tried_one_at_a_time(void **state)
{
	(void)state;
	world_run(breaker_body);
	world_run(leased_body); /* what was started goes on */
}

static void who_waits_for_a_worker_or_was_parked_is_within_the_limits_too(void **state)
{
	(void)state;
	world_run(prefer_within_limits_body);
	world_run(back_within_limits_body);
}

static void demand_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_demand demands[QUEUE_BATCH_MAX];
	struct queue_counts counts;
	struct queue_promoted promoted;
	size_t count;
	struct err err;

	for (int i = 0; i < 3; i++) {
		(void)submit(&queue, (struct queue_submit){ .tenant = "a", .needs = "gpu=h100" });
	}
	(void)submit(&queue, (struct queue_submit){ .tenant = "b" });
	assert_int_equal(queue_demanded(&queue, 0, demands, &count, &err), ERR_OK);
	assert_int_equal(count, 2);
	assert_string_equal(demands[0].needs, "gpu=h100");
	assert_int_equal(demands[0].ready, 3);
	assert_int_equal(queue_count(&queue, &counts, &err), ERR_OK);
	assert_int_equal(counts.in[QUEUE_READY], 4);
	(void)claim_one(&queue);
	assert_int_equal(queue_promote(&queue, 60000, &promoted, &err), ERR_OK);
	assert_int_equal(queue_demanded(&queue, 0, demands, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
}

static void demand_is_told_by_what_is_needed(void **state)
{
	(void)state;
	world_run(demand_body);
}

static void soon_body(struct world *world)
{
	struct queue queue = queue_in(world);
	static struct queue_soon soon[QUEUE_SOON_MAX];
	struct queue_demand demands[QUEUE_BATCH_MAX];
	struct redis_reply *time = world_ask(world, "TIME");
	uint64_t now_s, limited;
	struct queue_item first, parked;
	char reason[64];
	size_t count;
	struct err err;

	assert_true(redis_reply_u64(redis_reply_at(time, 0), &now_s));
	redis_reply_free(time);
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	first = claim_one(&queue);
	(void)move(&queue, queue_opened, (struct queue_move){ .sid = first.sid });
	(void)finish(&queue, &first);
	parked = claim_one(&queue);
	(void)move(&queue, queue_opened, (struct queue_move){ .sid = parked.sid });
	(void)snprintf(reason, sizeof(reason), "timer@%llu",
	               (unsigned long long)(now_s + 60) * 1000);
	(void)move(&queue, queue_park, (struct queue_move){ .sid = parked.sid, .reason = reason });
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme",
	                                            .not_before_ms = (now_s + 30) * 1000 });
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme",
	                                            .not_before_ms = (now_s + 9000) * 1000 });
	assert_int_equal(queue_soon(&queue, 600000, soon, &count, &limited, &err), ERR_OK);
	assert_int_equal(count, 2);
	assert_in_range(soon[0].in_ms, 1, 30000);
	assert_in_range(soon[1].in_ms, soon[0].in_ms + 30000, 60000);
	assert_int_equal(limited, 0);

	/* The one that ended says how long such sessions run. */
	(void)submit(&queue, (struct queue_submit){ .tenant = "acme" });
	assert_int_equal(queue_demanded(&queue, 0, demands, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(demands[0].spent.ended >= 1);
}

static void what_is_delayed_or_parked_until_a_time_is_known_before(void **state)
{
	(void)state;
	world_run(soon_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_of_a_tenant_take_turns),
		cmocka_unit_test(a_tenant_of_thrice_the_weight_gets_thrice_the_turns),
		cmocka_unit_test(the_single_task_of_another_tenant_waits_for_one_slot_at_most),
		cmocka_unit_test(what_a_tenant_used_is_remembered_when_its_queue_was_empty),
		cmocka_unit_test(two_hundred_tenants_get_the_same),
		cmocka_unit_test(a_full_tenant_waits_for_a_lease_to_end_or_for_its_limit_to_rise),
		cmocka_unit_test(a_full_user_does_not_hold_up_the_others_of_the_tenant),
		cmocka_unit_test(a_key_of_concurrency_admits_one_and_holds_the_others_in_order),
		cmocka_unit_test(room_goes_to_the_next_when_the_first_is_stopped_by_another_limit),
		cmocka_unit_test(the_first_limit_of_a_project_counts_what_runs_already),
		cmocka_unit_test(a_parked_session_that_may_go_on_gets_the_next_slot_of_its_worker),
		cmocka_unit_test(who_could_not_come_back_is_not_asked_to_leave),
		cmocka_unit_test(who_waits_for_another_session_takes_no_place),
		cmocka_unit_test(the_longest_parked_makes_room_and_is_first_when_it_may_go_on),
		cmocka_unit_test(a_session_waits_for_the_worker_that_is_better_for_it),
		cmocka_unit_test(who_waits_for_a_worker_or_was_parked_is_within_the_limits_too),
		cmocka_unit_test(agents_that_fail_as_they_start_are_tried_one_at_a_time),
		cmocka_unit_test(demand_is_told_by_what_is_needed),
		cmocka_unit_test(what_is_delayed_or_parked_until_a_time_is_known_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
