/* Which worker gets which session, and when: schedulers as processes, workers that the test plays.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "approval/rule_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cost/budget_store.h"
#include "limit/limit_store.h"
#include "offers_rig.h"
#include "queue/queue_gate.h"
#include "queue/queue_limit.h"
#include "queue/queue_why.h"
#include "scheduler_world.h"
#include "session/session_copy.h"

#define URL "https://host.example/a.git"
#define GIT_BODY                                                                                   \
	"{\"prompt\":\"go on\",\"repo\":{\"mode\":\"git\",\"url\":\"" URL "\"},"                   \
	"\"runtime\":{\"type\":\"local\"},\"agents\":[" AGENT(1) "]}"
#define GPU_BODY BODY(AGENT(1), ",\"workers\":{\"required\":[\"gpu=yes\"]}")

SQL(forget_limits, "DELETE FROM limits");
SQL(in_order, "SELECT $1::jsonb::text");
SQL(forget_all_rules, "DELETE FROM approval_rules");
SQL(forget_budgets, "DELETE FROM budgets");
SQL(many_budgets, "INSERT INTO budgets (tenant_id, kind, name, period, hard_tokens) "
                  "SELECT $1::text, 'user', 'u' || n, 'total', 0 FROM generate_series(1, 700) n");
SQL(forget_some_budgets, "DELETE FROM budgets WHERE name LIKE 'u10%'");

static struct id accept_one(struct stage *stage, const char *body)
{
	return accept_task(stage->world, body).sessions[0];
}

struct expected {
	struct player *player;
	struct id sid;
	enum queue_set set;
	const char *text;
};

static bool is_ordered(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	(void)stage;
	return player_order(e->player, &e->sid) != NULL;
}

static bool is_in_set(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	return stage_set(stage, &e->sid) == e->set;
}

/* Whether the log has an event of these words. */
static unsigned told(struct stage *stage, const struct id *sid, const char *text)
{
	const struct log_range range = { *sid, TENANT, { 0, 0 }, LOG_READ_MAX, 1024 * 1024 };
	struct log_page page;
	unsigned count = 0;
	struct err err;

	if (log_read(&stage->store, &range, &page, &err) != ERR_OK) {
		return 0;
	}
	for (size_t i = 0; i < page.count; i++) {
		const struct log_event *event = &page.events[i];
		char data[1024];

		count += str_eq(event->type, STR_LIT("waiting")) &&
		         str_copy(data, sizeof(data), event->data) && strstr(data, text) != NULL;
	}
	log_page_fini(&page);
	return count;
}

static bool is_told(struct stage *stage, void *arg)
{
	const struct expected *e = arg;

	return told(stage, &e->sid, e->text) > 0;
}

static void await_order(struct stage *stage, struct player *player, const struct id *sid)
{
	struct expected e = { .player = player, .sid = *sid };

	(void)stage_await(stage, is_ordered, &e, "an order to run");
}

static void await_set(struct stage *stage, const struct id *sid, enum queue_set set)
{
	struct expected e = { .sid = *sid, .set = set };

	(void)stage_await(stage, is_in_set, &e, queue_set_name(set));
}

static void say(struct stage *stage, struct player *player)
{
	struct err err;

	assert_int_equal(lease_register(stage->redis, &player->lease, &err), ERR_OK);
}

/* ---- at once ---- */

/* Nothing is looked at by itself for longer than this test lasts: only bells wake the scheduler. */
static void bells_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct id sids[6];
	uint64_t begun;

	stage_open(&stage, world);
	stage.settings[0] = "FAIRLEAD_SCHEDULER_TICK=10s";
	player = stage_worker(&stage, 0, "inc-1", 1);
	stage_start_scheduler(&stage, 0);
	for (size_t i = 0; i < 6; i++) {
		sids[i] = accept_one(&stage, BODY(AGENT(1), ""));
	}
	begun = clock_mono_ms();
	for (size_t done = 0; done < 6; done++) {
		const struct order *order;

		while (player->count == done) {
			assert_true(clock_mono_ms() < begun + SOON_MS);
			assert_int_equal(fiber_sleep(1), ERR_OK);
		}
		order = &player->orders[done];
		stage_complete(&stage, order);
	}
	for (size_t i = 0; i < 6; i++) {
		await_set(&stage, &sids[i], QUEUE_DONE);
	}
	stage_close(&stage);
}

static void what_is_ready_and_what_is_free_is_seen_without_looking(void **state)
{
	(void)state;
	world_run(bells_body);
}

static void aloud_body(struct world *world)
{
	struct listener listener = { .notes = 0 };
	struct redis_sub *sub;
	struct stage stage;
	struct player *player;
	struct id first, second;

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 2);
	sub = listen_to(&stage, player->lease.worker, &listener);
	stage_start_scheduler(&stage, 0);
	first = accept_one(&stage, BODY(AGENT(1), ""));
	while (listener.notes == 0) {
		assert_int_equal(fiber_signal_wait(&listener.heard, SOON_MS), ERR_OK);
	}
	assert_true(id_eq(&listener.sid, &first));
	assert_int_equal(listener.epoch, stage_head(&stage, &first).at.epoch);
	assert_int_equal(stage_head(&stage, &first).state, SESSION_PROVISIONING);
	await_set(&stage, &first, QUEUE_LEASED);
	assert_null(player_order(player, &first)); /* and so it is in no mailbox */
	redis_sub_free(sub);
	second = accept_one(&stage, BODY(AGENT(1), ""));
	await_order(&stage, player, &second);
	/* Who did nothing about what it heard is reminded. */
	await_order(&stage, player, &first);
	assert_int_equal(player_order(player, &first)->epoch, listener.epoch);
	assert_int_equal(player_order(player, &first)->attempt, listener.attempt);
	assert_int_equal(listener.notes, 1);
	stage_close(&stage);
}

static void a_worker_hears_of_its_session_with_the_epoch_or_finds_it_in_its_mailbox(void **state)
{
	(void)state;
	world_run(aloud_body);
}

/* ---- what comes while nobody waits ---- */

static void blot(char *text, const struct id *id)
{
	char *at;

	while ((at = strstr(text, id->s)) != NULL) {
		memset(at, '-', ID_LEN);
	}
}

/* The order as its worker heard it, but for the ids; members in one order. */
static char *hear_order(struct stage *stage, const struct draft *draft, struct listener *listener)
{
	const size_t taken = listener->taken, notes = listener->notes;
	struct pg_rows *rows;
	char *order;

	publish(stage, draft);
	await_heard(listener, taken + 1, notes + 1);
	assert_true(id_eq(&listener->sid, &draft->row.id));
	assert_int_equal(listener->epoch, 2);
	assert_int_equal(listener->attempt, 2);
	assert_int_equal(listener->copied, draft->publication.copy.n);
	assert_non_null(strstr(listener->body, draft->row.id.s));
	blot(listener->body, &draft->row.id);
	blot(listener->body, &draft->accepted.task);
	rows = ask(stage->world->pg, "", &in_order, (const char *const[]){ listener->body, NULL });
	order = arena_strdup(test_arena(), pg_str(rows, 0, 0));
	pg_rows_free(rows);
	return order;
}

static void add_rule(struct stage *stage)
{
	const struct approval_rule rule = { .id = id_new(),
		                            .allow = true,
		                            .user = STR_LIT("ann"),
		                            .tool = STR_LIT("tool-of-ann") };
	struct pg_tx *tx = begin(stage->world);
	struct id id;
	struct err err;

	assert_int_equal(approval_rule_add(tx, TENANT, &rule, "key-1", &id, &err), ERR_OK);
	commit(tx);
}

static void forget_rules(struct stage *stage)
{
	tell(stage->world->pg, "", &forget_all_rules, (const char *const[]){ NULL });
}

/* In the mailbox, since it is too long to be said aloud. */
static void must_have_mail(struct stage *stage, const struct id *sid, const char *prompt)
{
	struct mail_page page;
	bool found = false;
	struct err err;

	assert_int_equal(mail_read(stage->redis, "host-0", "0", &page, &err), ERR_OK);
	for (size_t i = 0; i < page.count; i++) {
		const struct mail *mail = &page.mails[i];

		found = found || (id_eq(&mail->sid, sid) &&
		                  memmem(mail->body.p, mail->body.n, prompt, strlen(prompt)));
	}
	assert_true(found);
	mail_page_fini(&page);
}

static void copy_body(struct world *world)
{
	enum { LONG = 9000 };
	static const char body[] = BODY(AGENT(1), ",\"maxAttempts\":7");
	struct listener listener = { .notes = 0 };
	struct stage stage;
	struct player *player, *second;
	struct redis_sub *sub;
	struct draft draft;
	char *order, *prompt = arena_take(test_arena(), LONG + 1);
	struct session copied;
	struct err err;

	stage_open(&stage, world);
	add_rule(&stage);
	player = stage_worker(&stage, 0, "inc-1", 8);
	sub = listen_to(&stage, player->lease.worker, &listener);
	stage_start_scheduler(&stage, 0);
	await_offer(&stage, "1", "inc-1|");
	listen_to_holder(&stage, sub, &listener);

	/* What a row says, a copy says. */
	draft = draft_of(&stage, body);
	draft.publication.copy = STR_LIT("");
	order = hear_order(&stage, &draft, &listener);
	assert_non_null(strstr(order, "go on"));
	assert_non_null(strstr(order, "tool-of-ann"));
	assert_non_null(strstr(order, "\"maxAttempts\": 7"));
	draft = draft_of(&stage, body);
	assert_true(draft.publication.copy.n > 0);
	assert_string_equal(hear_order(&stage, &draft, &listener), order);
	/* The row is not read. */
	draft = draft_of(&stage, body);
	copied = draft.row;
	copied.prompt = STR_LIT("[{\"type\":\"text\",\"text\":\"of a copy\"}]");
	draft.publication.copy = session_copy_write(&copied, test_arena());
	assert_non_null(strstr(hear_order(&stage, &draft, &listener), "of a copy"));
	/* A copy of another is not believed. */
	draft = draft_of(&stage, body);
	copied.id = id_new();
	draft.publication.copy = session_copy_write(&copied, test_arena());
	assert_string_equal(hear_order(&stage, &draft, &listener), order);

	/* What is too long for a copy, and to be said aloud, is in the mailbox. */
	memset(prompt, 'x', LONG);
	draft = draft_of(&stage, arena_printf(test_arena(),
	                                      "{\"prompt\":\"%s\",\"repo\":{\"mode\":\"none\"},"
	                                      "\"runtime\":{\"type\":\"local\"},"
	                                      "\"agents\":[" AGENT(1) "]}",
	                                      prompt));
	publish(&stage, &draft);
	await_order(&stage, player, &draft.row.id);
	await_heard(&listener, 5, 4);
	assert_int_equal(listener.copied, 0);
	must_have_mail(&stage, &draft.row.id, prompt);

	/* Its worker is lost before it is handed over: it goes to another. */
	assert_int_equal(kill(stage.schedulers[0], SIGSTOP), 0);
	player->silent = true;
	assert_int_equal(lease_end(stage.redis, "inc-1", &err), ERR_OK);
	draft = draft_of(&stage, body);
	publish(&stage, &draft);
	await_heard(&listener, 6, 4);
	assert_int_equal(stage_set(&stage, &draft.row.id), QUEUE_LEASING);
	second = stage_worker(&stage, 1, "inc-2", 8);
	assert_int_equal(kill(stage.schedulers[0], SIGCONT), 0);
	await_order(&stage, second, &draft.row.id);
	assert_true(player_order(second, &draft.row.id)->attempt > 2);
	redis_sub_free(sub);
	forget_rules(&stage);
	stage_close(&stage);
}

static void what_comes_while_nobody_waits_is_told_to_its_worker_by_a_copy_of_its_row(void **state)
{
	(void)state;
	world_run(copy_body);
}

static void holder_body(struct world *world)
{
	enum { SOME = 4 };
	struct listener listener = { .notes = 0 };
	struct stage stage;
	struct player *player;
	struct redis_sub *sub;
	struct draft draft;
	char first[QUEUE_NAME_MAX + 1];
	struct offered offered = { "holder", first, true };

	stage_open(&stage, world);
	player = stage_worker(&stage, 0, "inc-1", 16);
	sub = listen_to(&stage, NULL, &listener);
	stage_start_scheduler(&stage, 0);
	await_offer(&stage, "n", "1");
	read_offer(&stage, "holder", first);
	listen_to_holder(&stage, sub, &listener);
	stage_start_scheduler(&stage, 1);
	for (unsigned i = 0; i < SOME; i++) {
		draft = draft_of(&stage, BODY(AGENT(1), ""));
		publish(&stage, &draft);
		await_order(&stage, player, &draft.row.id);
		await_heard(&listener, i + 1, 0);
		assert_int_equal(stage_head(&stage, &draft.row.id).at.epoch, 2);
		assert_int_equal(player_orders(player, &draft.row.id), 1);
	}
	/* It is gone, and what was taken from its offer is completed by the other, which offers. */
	assert_int_equal(kill(stage.schedulers[0], SIGSTOP), 0);
	assert_int_equal(kill(stage.schedulers[1], SIGSTOP), 0);
	draft = draft_of(&stage, BODY(AGENT(1), ""));
	publish(&stage, &draft);
	await_heard(&listener, SOME + 1, 0);
	assert_int_equal(stage_set(&stage, &draft.row.id), QUEUE_LEASING);
	stage_kill_scheduler(&stage, 0);
	assert_int_equal(kill(stage.schedulers[1], SIGCONT), 0);
	(void)stage_await(&stage, is_offered, &offered, "another's offer");
	await_order(&stage, player, &draft.row.id);
	assert_int_equal(player_order(player, &draft.row.id)->attempt, 2);
	assert_int_equal(player_order(player, &draft.row.id)->epoch, 2);
	listen_to_holder(&stage, sub, &listener);
	draft = draft_of(&stage, BODY(AGENT(1), ""));
	publish(&stage, &draft);
	await_order(&stage, player, &draft.row.id);
	await_heard(&listener, SOME + 2, 0);
	assert_string_not_equal(listener.holder, first);
	/* It leaves, and offers nothing any more. */
	stage_stop_scheduler(&stage, 1);
	await_offer(&stage, "n", "");
	redis_sub_free(sub);
	stage_close(&stage);
}

static void one_scheduler_offers_and_when_it_is_gone_another(void **state)
{
	(void)state;
	world_run(holder_body);
}

static void pack_body(struct world *world)
{
	struct stage stage;
	struct player *first, *second;
	struct draft draft;

	stage_open(&stage, world);
	stage.settings[0] = "FAIRLEAD_SCHEDULER_PLACEMENT=pack";
	first = stage_worker(&stage, 0, "inc-1", 2);
	stage_start_scheduler(&stage, 0);
	draft = draft_of(&stage, BODY(AGENT(1), ""));
	await_offer(&stage, "1", "inc-1|");
	publish(&stage, &draft);
	await_order(&stage, first, &draft.row.id);
	second = stage_worker(&stage, 1, "inc-2", 2); /* the emptier one */
	draft = draft_of(&stage, BODY(AGENT(1), ""));
	publish(&stage, &draft);
	await_order(&stage, first, &draft.row.id);
	await_offer(&stage, "1", "inc-2|"); /* once the first is full */
	await_offer(&stage, "n", "1");
	draft = draft_of(&stage, BODY(AGENT(1), ""));
	publish(&stage, &draft);
	await_order(&stage, second, &draft.row.id);
	stage_close(&stage);
}

static void who_packs_offers_one_worker_after_the_other(void **state)
{
	(void)state;
	world_run(pack_body);
}

/* ---- placement ---- */

static void place_body(struct world *world)
{
	struct stage stage;
	struct player *cold, *warm;
	struct id sid, other;
	char name[QUEUE_NAME_MAX + 1];

	stage_open(&stage, world);
	cold = stage_worker(&stage, 0, "cold", 4);
	warm = stage_worker(&stage, 1, "warm", 1);
	queue_name_of(STR_LIT(URL), name);
	(void)snprintf(warm->lease.holds, sizeof(warm->lease.holds), "repo=x,repo=%s", name);
	say(&stage, warm);
	stage_start_scheduler(&stage, 0);
	sid = accept_one(&stage, GIT_BODY);
	await_order(&stage, warm, &sid);
	/* It is full now, and waited for as long as that saves. */
	other = accept_one(&stage, GIT_BODY);
	await_set(&stage, &other, QUEUE_DELAYED);
	stage_complete(&stage, player_order(warm, &sid));
	await_order(&stage, warm, &other);
	/* What needs no repository goes where there is room. */
	sid = accept_one(&stage, BODY(AGENT(1), ""));
	await_order(&stage, cold, &sid);
	stage_close(&stage);
}

static void a_session_goes_to_the_worker_that_holds_its_repository(void **state)
{
	(void)state;
	world_run(place_body);
}

/* ---- limits ---- */

static void say_limit(struct world *world, uint64_t value)
{
	struct limit limit = { .kind = QUEUE_LIMIT_TENANT, .tenant = TENANT, .value = value };
	struct err err;

	assert_int_equal(limit_set(world->pg, &limit, &err), ERR_OK);
}

static void limit_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct id first, second, third;

	stage_open(&stage, world);
	say_limit(world, 1);
	player = stage_worker(&stage, 0, "inc-1", 8);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	first = accept_one(&stage, BODY(AGENT(1), ""));
	await_order(&stage, player, &first);
	second = accept_one(&stage, BODY(AGENT(1), ""));
	third = accept_one(&stage, BODY(AGENT(1), ""));
	await_set(&stage, &second, QUEUE_READY);
	await_set(&stage, &third, QUEUE_READY);
	assert_null(player_order(player, &second));
	say_limit(world, 2);
	while (player->count < 2) {
		assert_int_equal(fiber_sleep(1), ERR_OK);
	}
	/* It is the same after everything in Redis was lost. */
	stage_lose_redis(&stage);
	player->count = 0;
	await_set(&stage, &third, QUEUE_READY);
	say_limit(world, 8);
	await_order(&stage, player, &third);
	tell(world->pg, "", &forget_limits, (const char *const[]){ NULL });
	stage_close(&stage);
}

static void a_limit_takes_effect_at_once_and_outlives_redis(void **state)
{
	(void)state;
	world_run(limit_body);
}

/* ---- budgets ---- */

static void say_budget(struct world *world, enum budget_period period, int64_t hard_tokens)
{
	const struct budget budget = { .tenant = TENANT,
		                       .period = period,
		                       .limits = { BUDGET_NONE, BUDGET_NONE, BUDGET_NONE,
		                                   hard_tokens } };
	bool is_new;
	struct err err;

	assert_int_equal(budget_set(world->pg, &budget, &is_new, &err), ERR_OK);
}

static void await_gate(struct stage *stage, const struct id *sid, enum budget_period period)
{
	struct queue_why why = { .gate = { .kind = QUEUE_GATE_NONE } };
	struct budget budget = { .period = BUDGET_PERIOD_COUNT };
	struct err err;

	while (why.gate.kind != QUEUE_GATE_BUDGET || budget.period != period) {
		const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));

		assert_int_equal(fiber_sleep(1), ERR_OK);
		if (queue_explain(&queue, sid, &why, &err) == ERR_OK &&
		    why.gate.kind == QUEUE_GATE_BUDGET) {
			assert_true(budget_text_parse(str_of(why.gate.more), &budget));
		}
	}
	assert_int_equal(why.gate.until_ms == 0, period == BUDGET_TOTAL);
}

static void spent_body(struct world *world)
{
	struct stage stage;
	struct player *player;
	struct id first, second;

	stage_open(&stage, world);
	say_budget(world, BUDGET_MONTH, 0);
	player = stage_worker(&stage, 0, "inc-1", 8);
	first = accept_one(&stage, BODY(AGENT(1), "")); /* it may be faster than the budget */
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	await_gate(&stage, &first, BUDGET_MONTH);
	second = accept_one(&stage, BODY(AGENT(1), ""));
	await_set(&stage, &second, QUEUE_READY);
	assert_null(player_order(player, &second));
	/* Of two that are spent the one that ends later is told of; and nothing in Redis is the
	 * only one to know. */
	say_budget(world, BUDGET_TOTAL, 0);
	await_gate(&stage, &second, BUDGET_TOTAL);
	stage_lose_redis(&stage);
	player->count = 0;
	await_set(&stage, &second, QUEUE_READY);
	await_gate(&stage, &second, BUDGET_TOTAL);
	say_budget(world, BUDGET_TOTAL, 1);
	await_gate(&stage, &second, BUDGET_MONTH);
	tell(world->pg, "", &forget_budgets, (const char *const[]){ NULL });
	await_order(&stage, player, &second);
	stage_close(&stage);
}

static void await_gates(struct stage *stage, size_t wanted)
{
	enum { MOST = 1000 };
	const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));
	struct queue_gate *gates = mem_calloc(MOST, sizeof(*gates));
	size_t count = 0;
	struct err err;

	while (count != wanted) {
		assert_int_equal(fiber_sleep(20), ERR_OK);
		assert_int_equal(queue_gates(&queue, QUEUE_GATE_BUDGET, gates, MOST, &count, &err),
		                 ERR_OK);
	}
	free(gates);
}

static void many_body(struct world *world)
{
	struct stage stage;

	stage_open(&stage, world);
	tell(world->pg, "", &many_budgets, (const char *const[]){ TENANT, NULL });
	stage_start_scheduler(&stage, 0);
	await_gates(&stage, 700);
	tell(world->pg, "", &forget_some_budgets, (const char *const[]){ NULL });
	await_gates(&stage, 700 - 11); /* u10, u100 to u109 */
	tell(world->pg, "", &forget_budgets, (const char *const[]){ NULL });
	stage_close(&stage);
}

static void however_many_budgets_are_spent_none_shuts_for_longer(void **state)
{
	(void)state;
	world_run(many_body);
}

static void while_a_budget_is_spent_nothing_starts(void **state)
{
	(void)state;
	world_run(spent_body);
}

static void limits_are_checked_and_listed(struct world *world)
{
	struct limit bad[] = {
		{ .kind = QUEUE_LIMIT_USER, .tenant = "", .name = "somebody", .value = 1 },
		{ .kind = QUEUE_LIMIT_USER, .tenant = TENANT, .value = 1 },
		{ .kind = QUEUE_LIMIT_TENANT, .tenant = TENANT, .name = "x", .value = 1 },
		{ .kind = QUEUE_LIMIT_PROJECT, .tenant = TENANT, .name = "a b", .value = 1 },
		{ .kind = QUEUE_WEIGHT, .tenant = TENANT, .value = 0 },
		{ .kind = QUEUE_WEIGHT, .value = 2 },
		{ .kind = QUEUE_LIMIT_AGENT, .value = LIMIT_VALUE_MAX + 1 },
	};
	struct limit good = {
		.kind = QUEUE_LIMIT_USER, .tenant = TENANT, .name = "a person", .value = 3
	};
	struct limit unknown = { .kind = QUEUE_LIMIT_TENANT, .tenant = "nobody", .value = 1 };
	struct limit read[4];
	struct queue_limit queued;
	char room[QUEUE_NAME_MAX + 1], name[QUEUE_NAME_MAX + 1];
	size_t count;
	struct err err;

	clear_rows(world);
	tell(world->pg, "", &forget_limits, (const char *const[]){ NULL });
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(limit_set(world->pg, &bad[i], &err), ERR_INVALID);
	}
	assert_int_equal(limit_set(world->pg, &unknown, &err), ERR_NOT_FOUND);
	assert_int_equal(limit_set(world->pg, &good, &err), ERR_OK);
	assert_int_equal(limit_list(world->pg, 0, read, 4, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_string_equal(read[0].name, "a person");
	assert_int_equal(read[0].value, 3);
	limit_of_queue(&read[0], room, &queued);
	queue_name_of(STR_LIT("a person"), name);
	assert_string_equal(queued.name, name);
	good.none = true;
	assert_int_equal(limit_set(world->pg, &good, &err), ERR_OK);
	assert_int_equal(limit_list(world->pg, read[0].version, read, 4, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(read[0].none);
	tell(world->pg, "", &forget_limits, (const char *const[]){ NULL });
}

static void a_limit_that_cannot_be_is_refused(void **state)
{
	(void)state;
	world_run(limits_are_checked_and_listed);
}

/* ---- what nobody can run ---- */

static void flag_body(struct world *world)
{
	struct stage stage;
	struct player *plain, *gpu;
	struct expected e;
	struct id sid, fine;

	stage_open(&stage, world);
	plain = stage_worker(&stage, 0, "plain", 1);
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	sid = accept_one(&stage, GPU_BODY);
	e = (struct expected){ .sid = sid, .text = "gpu=yes" };
	(void)stage_await(&stage, is_told, &e, "told that no worker has it");
	fine = accept_one(&stage, BODY(AGENT(1), ""));
	await_order(&stage, plain, &fine);
	/* One that has it, and no slot: it is told, once, and waits for its turn. */
	gpu = stage_worker(&stage, 1, "gpu", 0);
	(void)snprintf(gpu->lease.has, sizeof(gpu->lease.has),
	               "runtime=local,agent=command,gpu=yes");
	say(&stage, gpu);
	e.text = "\"over\":true";
	(void)stage_await(&stage, is_told, &e, "told that one has it");
	assert_int_equal(told(&stage, &sid, "gpu=yes"), 2);
	assert_int_equal(told(&stage, &sid, "\"over\":true"), 1);
	assert_int_equal(told(&stage, &fine, "worker"), 0);
	gpu->lease.slots = 1;
	say(&stage, gpu);
	await_order(&stage, gpu, &sid);
	stage_close(&stage);
}

static void what_no_worker_can_run_is_told_so_once_and_told_when_one_can(void **state)
{
	(void)state;
	world_run(flag_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_ready_and_what_is_free_is_seen_without_looking),
		cmocka_unit_test(
			a_worker_hears_of_its_session_with_the_epoch_or_finds_it_in_its_mailbox),
		cmocka_unit_test(
			what_comes_while_nobody_waits_is_told_to_its_worker_by_a_copy_of_its_row),
		cmocka_unit_test(one_scheduler_offers_and_when_it_is_gone_another),
		cmocka_unit_test(who_packs_offers_one_worker_after_the_other),
		cmocka_unit_test(a_session_goes_to_the_worker_that_holds_its_repository),
		cmocka_unit_test(a_limit_takes_effect_at_once_and_outlives_redis),
		cmocka_unit_test(while_a_budget_is_spent_nothing_starts),
		cmocka_unit_test(however_many_budgets_are_spent_none_shuts_for_longer),
		cmocka_unit_test(a_limit_that_cannot_be_is_refused),
		cmocka_unit_test(what_no_worker_can_run_is_told_so_once_and_told_when_one_can),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
