/* The queue's scripts against a real Redis. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "queue/lease.h"
#include "queue/mail.h"
#include "queue/queue.h"
#include "redis/sub.h"
#include "tests/support/world.h"

static struct queue queue_in(struct world *world)
{
	return queue_at(world->redis, 0);
}

static struct id submit_as(const struct queue *queue, const char *tenant, unsigned priority)
{
	struct queue_submit item = {
		.sid = id_new(), .tenant = tenant, .priority = priority, .needs = ""
	};
	enum queue_set set = QUEUE_NONE;
	struct err err;

	assert_int_equal(queue_submit(queue, &item, &set, &err), ERR_OK);
	assert_int_equal(set, QUEUE_READY);
	return item.sid;
}

static size_t claim_up_to(const struct queue *queue, unsigned max, struct queue_item *items)
{
	struct queue_claim claim = { "inc-1", "os=linux,runtime=local", 100, 0, max };
	size_t count = 0;
	struct err err;

	assert_int_equal(queue_claim(queue, &claim, items, &count, &err), ERR_OK);
	return count;
}

static enum queue_set set_of(const struct queue *queue, const struct id *sid)
{
	struct queue_item item;
	struct err err;

	return queue_get(queue, sid, &item, &err) == ERR_OK ? item.set : QUEUE_NONE;
}

typedef enum err_code(move_fn)(const struct queue *queue, const struct queue_move *move,
                               enum queue_set *ret, struct err *err);

/* The set afterwards, QUEUE_NONE for a conflict. */
static enum queue_set try_move(const struct queue *queue, move_fn *fn,
                               const struct queue_move *move)
{
	enum queue_set set = QUEUE_NONE;
	struct err err;
	enum err_code code = fn(queue, move, &set, &err);

	if (code != ERR_OK) {
		assert_int_equal(code, ERR_CONFLICT);
	}
	return set;
}

static void once_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit item = { .sid = id_new(), .tenant = "acme", .needs = "", .epoch = 3 };
	enum queue_set set;
	struct queue_counts counts;
	struct queue_item got;
	struct err err;

	assert_int_equal(queue_submit(&queue, &item, &set, &err), ERR_OK);
	assert_int_equal(queue_submit(&queue, &item, &set, &err), ERR_OK);
	assert_int_equal(set, QUEUE_READY);
	assert_int_equal(queue_count(&queue, &counts, &err), ERR_OK);
	assert_int_equal(counts.in[QUEUE_READY], 1);
	assert_int_equal(queue_get(&queue, &item.sid, &got, &err), ERR_OK);
	assert_string_equal(got.tenant, "acme");
	assert_int_equal(got.attempt,
	                 3); /* goes on from the epoch: after a loss none is given twice */
	assert_int_equal(got.epoch, 3);
	assert_int_equal(claim_up_to(&queue, 1, &got), 1);
	assert_int_equal(got.epoch, 3);
	assert_true(got.queued_ms > INT64_C(1500000000000));
	assert_true((int64_t)got.waited_ms <= got.since_ms - got.queued_ms);
	item.sid = id_new();
	assert_int_equal(queue_get(&queue, &item.sid, &got, &err), ERR_NOT_FOUND);
	item.needs = "no good";
	assert_int_equal(queue_submit(&queue, &item, &set, &err), ERR_INVALID);
	item.needs = "";
	item.priority = 10;
	assert_int_equal(queue_submit(&queue, &item, &set, &err), ERR_INVALID);
}

static void a_session_is_queued_once_however_often_it_is_submitted(void **state)
{
	(void)state;
	world_run(once_body);
}

static void order_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct id low = submit_as(&queue, "acme", 1);
	struct id first = submit_as(&queue, "acme", 5);
	struct id second = submit_as(&queue, "acme", 5);
	struct id high = submit_as(&queue, "acme", 9);
	struct queue_item items[8];

	assert_int_equal(claim_up_to(&queue, 8, items), 4);
	assert_true(id_eq(&items[0].sid, &high));
	assert_true(id_eq(&items[1].sid, &first));
	assert_true(id_eq(&items[2].sid, &second));
	assert_true(id_eq(&items[3].sid, &low));
	assert_int_equal(items[0].attempt, 1);
	assert_int_equal(items[0].priority, 9);
	assert_string_equal(items[0].incarnation, "inc-1");
	assert_int_equal(set_of(&queue, &low), QUEUE_LEASING);
	assert_int_equal(claim_up_to(&queue, 8, items), 0);
}

static void priority_goes_before_age(void **state)
{
	(void)state;
	world_run(order_body);
}

static void turns_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_item items[6];

	for (int i = 0; i < 50; i++) {
		(void)submit_as(&queue, "big", 9);
	}
	for (int i = 0; i < 3; i++) {
		(void)submit_as(&queue, "small", 0);
	}
	assert_int_equal(claim_up_to(&queue, 6, items), 6);
	for (int i = 0; i < 6; i += 2) {
		assert_string_not_equal(items[i].tenant, items[i + 1].tenant);
	}
}

static void tenants_take_turns_whatever_they_have_queued(void **state)
{
	(void)state;
	world_run(turns_body);
}

static void fit_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit item = { .sid = id_new(),
		                     .tenant = "acme",
		                     .needs = "os=linux,gpu=a100" };
	struct queue_claim claim = { "inc-1", "os=linux,gpu=a1000,gpu=a10", 4, 0, 4 };
	struct queue_item items[4];
	struct id fits;
	enum queue_set set;
	size_t count;
	struct err err;

	assert_int_equal(queue_submit(&queue, &item, &set, &err), ERR_OK);
	fits = submit_as(&queue, "acme", 0);
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(id_eq(&items[0].sid, &fits));
	claim.has = "gpu=a100,os=linux";
	claim.incarnation = "inc-2";
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(id_eq(&items[0].sid, &item.sid));
}

static void a_worker_gets_only_what_it_has_every_word_for(void **state)
{
	(void)state;
	world_run(fit_body);
}

static void slots_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_claim claim = { "inc-1", "", 2, 8, 8 };
	struct queue_item items[8];
	struct queue_move move = { .epoch = 2 };
	size_t count;
	struct err err;

	for (int i = 0; i < 5; i++) {
		(void)submit_as(&queue, "acme", 0);
	}
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 2);
	move.sid = items[0].sid;
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
	assert_int_equal(try_move(&queue, queue_opened, &move), QUEUE_LEASED);
	assert_int_equal(try_move(&queue, queue_park, &move), QUEUE_PARKED);
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(try_move(&queue, queue_unpark, &move), QUEUE_LEASED);
	assert_int_equal(queue_claim(&queue, &claim, items, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
}

static void slots_are_counted_from_what_is_leased_and_a_parked_session_frees_its_own(void **state)
{
	(void)state;
	world_run(slots_body);
}

static void lease_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct id sid = submit_as(&queue, "acme", 0);
	struct queue_item items[1];
	struct queue_move move = { .sid = sid, .attempt = 1, .epoch = 7 };
	struct queue_item got;
	char token[QUEUE_TOKEN_SIZE];
	struct err err;

	assert_int_equal(try_move(&queue, queue_opened, &move), QUEUE_NONE);
	assert_int_equal(claim_up_to(&queue, 1, items), 1);
	queue_token(&items[0], token);
	assert_string_equal(token, "lease-1");
	assert_int_equal(try_move(&queue, queue_opened, &move), QUEUE_LEASED);
	assert_int_equal(try_move(&queue, queue_opened, &move), QUEUE_LEASED);
	assert_int_equal(queue_get(&queue, &sid, &got, &err), ERR_OK);
	assert_int_equal(got.epoch, 7);
	assert_int_equal(try_move(&queue, queue_refuse, &move), QUEUE_READY);
	assert_int_equal(try_move(&queue, queue_refuse, &move), QUEUE_READY);
	assert_int_equal(try_move(&queue, queue_opened, &move), QUEUE_NONE);
	assert_int_equal(claim_up_to(&queue, 1, items), 1);
	assert_int_equal(items[0].attempt, 2);
	assert_int_equal(try_move(&queue, queue_refuse, &move), QUEUE_NONE);
	assert_int_equal(try_move(&queue, queue_finish, &move), QUEUE_NONE);
	move.attempt = 2;
	assert_int_equal(try_move(&queue, queue_finish, &move), QUEUE_DONE);
	assert_int_equal(try_move(&queue, queue_finish, &move), QUEUE_DONE);
	assert_int_equal(try_move(&queue, queue_requeue, &move), QUEUE_NONE);
	assert_int_equal(claim_up_to(&queue, 1, items), 0);
}

static void each_step_of_a_lease_can_be_repeated_and_names_its_attempt(void **state)
{
	(void)state;
	world_run(lease_body);
}

static void lost_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct id sid = submit_as(&queue, "acme", 0);
	struct queue_item items[4];
	struct queue_page page = { items, 4, 0 };
	struct queue_item got;
	struct err err;

	for (uint64_t attempt = 1; attempt <= QUEUE_LOST_MAX; attempt++) {
		struct queue_move move = { .sid = sid, .attempt = attempt, .lost = "inc-1" };

		assert_int_equal(claim_up_to(&queue, 1, items), 1);
		assert_int_equal(queue_of_worker(&queue, "inc-1", &page, &err), ERR_OK);
		assert_int_equal(page.count, 1);
		assert_int_equal(page.items[0].attempt, attempt);
		assert_int_equal(try_move(&queue, queue_requeue, &move),
		                 attempt < QUEUE_LOST_MAX ? QUEUE_READY : QUEUE_HELD);
		assert_int_equal(try_move(&queue, queue_requeue, &move),
		                 attempt < QUEUE_LOST_MAX ? QUEUE_READY : QUEUE_HELD);
		assert_int_equal(queue_of_worker(&queue, "inc-1", &page, &err), ERR_OK);
		assert_int_equal(page.count, 0);
	}
	assert_int_equal(queue_get(&queue, &sid, &got, &err), ERR_OK);
	assert_string_equal(got.reason, "poison");
	assert_int_equal(got.lost, QUEUE_LOST_MAX);
	assert_string_equal(got.incarnation, "");
}

static void a_session_on_which_too_many_workers_were_lost_is_held(void **state)
{
	(void)state;
	world_run(lost_body);
}

static void delay_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct id sid = submit_as(&queue, "acme", 3);
	struct queue_item items[1];
	struct queue_move move = {
		.sid = sid, .attempt = 1, .delay_ms = 60000, .reason = "backoff"
	};
	struct queue_submit late = { .sid = id_new(), .tenant = "acme", .needs = "" };
	enum queue_set set;
	struct queue_promoted promoted;
	struct err err;

	assert_int_equal(claim_up_to(&queue, 1, items), 1);
	assert_int_equal(try_move(&queue, queue_requeue, &move), QUEUE_DELAYED);
	assert_int_equal(queue_promote(&queue, 60000, &promoted, &err), ERR_OK);
	assert_int_equal(promoted.count, 0);
	assert_true(promoted.next_ms > 50000 && promoted.next_ms <= 60000);
	move.attempt = 0;
	assert_int_equal(try_move(&queue, queue_hold, &move), QUEUE_HELD);
	move.delay_ms = 0;
	assert_int_equal(try_move(&queue, queue_release, &move), QUEUE_READY);
	assert_int_equal(claim_up_to(&queue, 1, items), 1);
	late.not_before_ms = (uint64_t)clock_wall_us() / 1000 + 30;
	assert_int_equal(queue_submit(&queue, &late, &set, &err), ERR_OK);
	assert_int_equal(set, QUEUE_DELAYED);
	do {
		assert_int_equal(queue_promote(&queue, 60000, &promoted, &err), ERR_OK);
	} while (promoted.count == 0);
	assert_int_equal(promoted.next_ms, 0);
	assert_int_equal(set_of(&queue, &late.sid), QUEUE_READY);
}

static void a_delayed_session_becomes_ready_when_it_is_due(void **state)
{
	(void)state;
	world_run(delay_body);
}

static void look_body(struct world *world)
{
	struct queue queue = queue_in(world);
	struct queue_submit held = {
		.sid = id_new(), .tenant = "acme", .needs = "", .hold = "budget"
	};
	struct queue_item items[8];
	struct queue_page page = { items, 8, 0 };
	struct queue_move move = { .attempt = 0 };
	enum queue_set set;
	struct queue_promoted promoted;
	struct err err;

	assert_int_equal(queue_submit(&queue, &held, &set, &err), ERR_OK);
	assert_int_equal(set, QUEUE_HELD);
	move.sid = submit_as(&queue, "acme", 0);
	assert_int_equal(claim_up_to(&queue, 1, items), 1);
	assert_int_equal(queue_list(&queue, QUEUE_LEASING, 0, &page, &err), ERR_OK);
	assert_int_equal(page.count, 1);
	assert_true(id_eq(&page.items[0].sid, &move.sid));
	assert_int_equal(queue_list(&queue, QUEUE_LEASING, 60000, &page, &err), ERR_OK);
	assert_int_equal(page.count, 0);
	assert_int_equal(queue_list(&queue, QUEUE_HELD, 0, &page, &err), ERR_OK);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.items[0].reason, "budget");
	assert_int_equal(try_move(&queue, queue_finish, &move), QUEUE_DONE);
	assert_int_equal(queue_promote(&queue, 60000, &promoted, &err), ERR_OK);
	assert_int_equal(set_of(&queue, &move.sid), QUEUE_DONE);
	assert_int_equal(queue_promote(&queue, 0, &promoted, &err), ERR_OK);
	assert_int_equal(set_of(&queue, &move.sid), QUEUE_NONE);
}

static void what_is_held_or_half_leased_is_listed_and_what_is_done_is_forgotten(void **state)
{
	(void)state;
	world_run(look_body);
}

static void shards_are_stable_and_within_range(void **state)
{
	(void)state;
	assert_int_equal(queue_shard_of(STR_LIT("acme"), 1), 0);
	for (unsigned n = 1; n < 20; n++) {
		assert_true(queue_shard_of(STR_LIT("acme"), n) < n);
		assert_int_equal(queue_shard_of(STR_LIT("acme"), n),
		                 queue_shard_of(STR_LIT("acme"), n));
	}
}

/* ---- leases ---- */

static struct lease_worker worker_named(const char *incarnation)
{
	struct lease_worker worker = {
		.worker = "host-1", .name = "host", .slots = 4, .has = "os=linux"
	};

	(void)snprintf(worker.incarnation, sizeof(worker.incarnation), "%s", incarnation);
	return worker;
}

/* Sweep until n are lost, or for at most limit_ms; returns how many are. */
static size_t sweep_for(struct world *world, size_t n, uint64_t limit_ms, struct lease_lost *lost)
{
	uint64_t until = clock_mono_ms() + limit_ms;
	size_t count = 0;
	struct err err;

	do {
		assert_int_equal(lease_sweep(world->redis, lost, 8, &count, &err), ERR_OK);
		assert_int_equal(fiber_sleep(20), ERR_OK);
	} while (count < n && clock_mono_ms() < until);
	return count;
}

static void late_body(struct world *world)
{
	static const char *const names[] = { "inc-1", "inc-2", "inc-3" };
	struct queue queue = queue_in(world);
	struct id sid = submit_as(&queue, "acme", 0);
	struct lease_worker back = worker_named("inc-4");
	struct queue_item items[1];
	unsigned late = 9;
	struct err err;

	assert_int_equal(queue_late(&queue, &sid, &late, &err), ERR_OK);
	assert_int_equal(late, 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct queue_move move = { .sid = sid, .lost = names[i] };

		assert_int_equal(claim_up_to(&queue, 1, items), 1);
		assert_int_equal(try_move(&queue, queue_requeue, &move), QUEUE_READY);
	}
	assert_int_equal(queue_late(&queue, &sid, &late, &err), ERR_OK);
	assert_int_equal(late, 0);
	(void)snprintf(back.former, sizeof(back.former), "inc-2");
	assert_int_equal(lease_register(world->redis, &back, &err), ERR_OK);
	assert_int_equal(queue_late(&queue, &sid, &late, &err), ERR_OK);
	assert_int_equal(late, 1);
	back = worker_named("inc-5");
	(void)snprintf(back.former, sizeof(back.former), "inc-3");
	assert_int_equal(lease_register(world->redis, &back, &err), ERR_OK);
	assert_int_equal(queue_late(&queue, &sid, &late, &err), ERR_OK);
	assert_int_equal(late, 2);
	sid = id_new();
	assert_int_equal(queue_late(&queue, &sid, &late, &err), ERR_NOT_FOUND);
}

static void a_lost_worker_that_comes_back_was_only_late(void **state)
{
	(void)state;
	world_run(late_body);
}

static void expiry_body(struct world *world)
{
	struct lease_worker a = worker_named("inc-a"), b = worker_named("inc-b");
	struct lease_worker living[4];
	struct lease_lost lost[8];
	uint64_t start = clock_mono_ms();
	size_t count;
	struct err err;

	assert_int_equal(lease_renew(world->redis, "inc-a", &err), ERR_FENCED);
	assert_int_equal(lease_describe(world->redis, &a, &err), ERR_FENCED);
	assert_int_equal(lease_register(world->redis, &a, &err), ERR_OK);
	assert_int_equal(lease_describe(world->redis, &a, &err), ERR_OK);
	assert_int_equal(lease_register(world->redis, &b, &err), ERR_OK);
	assert_int_equal(sweep_for(world, 1, 900, lost), 0);
	assert_int_equal(lease_renew(world->redis, "inc-b", &err), ERR_OK);
	assert_int_equal(sweep_for(world, 1, 5000, lost), 1);
	assert_true(clock_mono_ms() - start >= LEASE_TTL_MS - 50);
	assert_true(clock_mono_ms() - start < LEASE_TTL_MS + 500);
	assert_string_equal(lost[0].incarnation, "inc-a");
	assert_string_equal(lost[0].worker, "host-1");
	assert_int_equal(lease_renew(world->redis, "inc-a", &err), ERR_FENCED);
	assert_int_equal(lease_register(world->redis, &a, &err), ERR_FENCED);
	assert_int_equal(lease_list(world->redis, living, 4, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_string_equal(living[0].incarnation, "inc-b");
	assert_int_equal(living[0].slots, 4);
	assert_string_equal(living[0].has, "os=linux");
	assert_int_equal(lease_forget(world->redis, "inc-a", &err), ERR_OK);
	assert_int_equal(lease_sweep(world->redis, lost, 8, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
	assert_int_equal(lease_renew(world->redis, "inc-a", &err), ERR_FENCED);
	assert_int_equal(lease_end(world->redis, "inc-b", &err), ERR_OK);
	assert_int_equal(lease_end(world->redis, "inc-b", &err), ERR_OK);
	assert_int_equal(lease_sweep(world->redis, lost, 8, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
}

static void an_incarnation_that_does_not_renew_is_lost_for_good(void **state)
{
	(void)state;
	world_run(expiry_body);
}

static void gap_body(struct world *world)
{
	struct lease_worker a = worker_named("inc-a");
	struct lease_lost lost[8];
	size_t count;
	struct err err;

	assert_int_equal(lease_sweep(world->redis, lost, 8, &count, &err), ERR_OK);
	assert_int_equal(lease_register(world->redis, &a, &err), ERR_OK);
	/* As if the last sweep had been a minute ago. */
	world_say(world, "HINCRBY {w}:clock at -60000");
	assert_int_equal(lease_sweep(world->redis, lost, 8, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
	assert_int_equal(lease_renew(world->redis, "inc-a", &err), ERR_OK);
	assert_int_equal(sweep_for(world, 1, 5000, lost), 1);
}

static void time_in_which_nobody_swept_expires_nobody(void **state)
{
	(void)state;
	world_run(gap_body);
}

/* ---- mail ---- */

static void mail_body(struct world *world)
{
	struct mail note = { .kind = STR_LIT("run"),
		             .incarnation = STR_LIT("inc-1"),
		             .sid = id_new(),
		             .epoch = 7,
		             .attempt = 3,
		             .body = STR_LIT("{\"a\":1}") };
	struct mail_page page;
	struct err err;

	assert_int_equal(mail_read(world->redis, "host-1", "0", &page, &err), ERR_OK);
	assert_int_equal(page.count, 0);
	mail_page_fini(&page);
	assert_int_equal(mail_send(world->redis, "host-1", &note, &err), ERR_OK);
	note.kind = STR_LIT("drain");
	note.sid = (struct id){ "" };
	note.body = STR_LIT("");
	assert_int_equal(mail_send(world->redis, "host-1", &note, &err), ERR_OK);
	assert_int_equal(mail_read(world->redis, "host-1", "0", &page, &err), ERR_OK);
	assert_int_equal(page.count, 2);
	assert_true(str_eq(page.mails[0].kind, STR_LIT("run")));
	assert_true(str_eq(page.mails[0].incarnation, STR_LIT("inc-1")));
	assert_int_equal(page.mails[0].epoch, 7);
	assert_int_equal(page.mails[0].attempt, 3);
	assert_true(str_eq(page.mails[0].body, STR_LIT("{\"a\":1}")));
	assert_true(id_is_nil(&page.mails[1].sid));
	{
		char after[MAIL_ID_SIZE];

		memcpy(after, page.mails[0].id, sizeof(after));
		mail_page_fini(&page);
		assert_int_equal(mail_read(world->redis, "host-1", after, &page, &err), ERR_OK);
	}
	assert_int_equal(page.count, 1);
	mail_page_fini(&page);
	assert_int_equal(mail_send(world->redis, "no good", &note, &err), ERR_INVALID);
}

/* What a ring brought to whoever has read through `after`. */
struct ear {
	struct fiber_signal heard;
	char after[MAIL_ID_SIZE];
	unsigned notes, reads;
};

static void on_ring(void *arg, struct str channel, struct str payload)
{
	struct ear *ear = arg;
	struct mail mail;

	(void)channel;
	if (mail_bell_read(payload, ear->after, &mail) == MAIL_RUNG_NOTE) {
		ear->notes++;
		memcpy(ear->after, mail.id, sizeof(ear->after));
	} else {
		ear->reads++;
	}
	fiber_signal_raise(&ear->heard);
}

static void on_subscribed(void *arg)
{
	struct ear *ear = arg;

	fiber_signal_raise(&ear->heard);
}

static void hear_mail(struct world *world, struct ear *ear, size_t size)
{
	char body[10000] = "";
	const struct mail note = { .kind = STR_LIT("run"), .body = str_make(body, size) };
	const unsigned rings = ear->notes + ear->reads;
	struct err err;

	memset(body, 'x', sizeof(body));
	assert_int_equal(mail_send(world->redis, "host-1", &note, &err), ERR_OK);
	while (ear->notes + ear->reads == rings) {
		assert_int_equal(fiber_signal_wait(&ear->heard, WORLD_TIMEOUT_MS), ERR_OK);
	}
}

static void ring_body(struct world *world)
{
	static const struct redis_sub_events events = { .message = on_ring,
		                                        .resumed = on_subscribed };
	const struct redis_options options = { getenv("TEST_REDIS_URL"), WORLD_TIMEOUT_MS, 500 };
	struct ear ear = { .after = "0" };
	struct mail_page page;
	struct redis_sub *sub;
	char channel[QUEUE_KEY_SIZE];
	struct err err;

	fiber_signal_init(&ear.heard);
	sub = redis_sub_new(world->loop, &options, &events, &ear, &err);
	assert_non_null(sub);
	mail_bell_channel("host-1", channel);
	redis_subscribe(sub, str_of(channel));
	assert_int_equal(fiber_signal_wait(&ear.heard, WORLD_TIMEOUT_MS), ERR_OK);
	hear_mail(world, &ear, 10); /* nobody knows what was before */
	assert_int_equal(ear.reads, 1);
	assert_int_equal(mail_read(world->redis, "host-1", "0", &page, &err), ERR_OK);
	memcpy(ear.after, page.mails[0].id, sizeof(ear.after));
	mail_page_fini(&page);
	hear_mail(world, &ear, 10);
	hear_mail(world, &ear, 0);
	assert_int_equal(ear.notes, 2);
	hear_mail(world, &ear, 10000); /* too large to be brought */
	hear_mail(world, &ear, 10);
	assert_int_equal(ear.notes, 2);
	assert_int_equal(ear.reads, 3);
	redis_sub_free(sub);
}

static void a_small_note_comes_with_the_ring_while_none_is_missing(void **state)
{
	(void)state;
	world_run(ring_body);
}

static void a_note_is_read_by_its_worker_in_order(void **state)
{
	(void)state;
	world_run(mail_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_queued_once_however_often_it_is_submitted),
		cmocka_unit_test(priority_goes_before_age),
		cmocka_unit_test(tenants_take_turns_whatever_they_have_queued),
		cmocka_unit_test(a_worker_gets_only_what_it_has_every_word_for),
		cmocka_unit_test(
			slots_are_counted_from_what_is_leased_and_a_parked_session_frees_its_own),
		cmocka_unit_test(each_step_of_a_lease_can_be_repeated_and_names_its_attempt),
		cmocka_unit_test(a_session_on_which_too_many_workers_were_lost_is_held),
		cmocka_unit_test(a_lost_worker_that_comes_back_was_only_late),
		cmocka_unit_test(a_delayed_session_becomes_ready_when_it_is_due),
		cmocka_unit_test(
			what_is_held_or_half_leased_is_listed_and_what_is_done_is_forgotten),
		cmocka_unit_test(shards_are_stable_and_within_range),
		cmocka_unit_test(an_incarnation_that_does_not_renew_is_lost_for_good),
		cmocka_unit_test(time_in_which_nobody_swept_expires_nobody),
		cmocka_unit_test(a_note_is_read_by_its_worker_in_order),
		cmocka_unit_test(a_small_note_comes_with_the_ring_while_none_is_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
