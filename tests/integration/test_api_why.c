/* GET /api/v1/sessions/{id}/why, for each place that a session can have in the queue. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_world.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "queue/lease.h"
#include "queue/queue.h"
#include "queue/queue_gate.h"
#include "queue/queue_limit.h"
#include "redis/redis.h"
#include "tests/support/test.h"

#define TENANT "acme"

enum { WAIT_MS = 5000 };

/* ---- as a scheduler and a worker ---- */

struct visit {
	struct loop *loop;
	void (*body)(struct queue *queue, void *arg);
	void *arg;
};

static void visit_main(void *arg)
{
	struct visit *visit = arg;
	const struct redis_options options = { getenv("TEST_REDIS_URL"), WAIT_MS, 100 };
	struct queue queue = { .shard = queue_shard_of(str_of(TENANT), 1) };
	struct err err;

	queue.redis = redis_new(visit->loop, &options, &err);
	assert_non_null(queue.redis);
	assert_int_equal(redis_wait_connected(queue.redis, WAIT_MS, &err), ERR_OK);
	visit->body(&queue, visit->arg);
	redis_free(queue.redis);
}

static void in_queue(void (*body)(struct queue *queue, void *arg), void *arg)
{
	struct visit visit = { loop_new(), body, arg };

	assert_non_null(visit.loop);
	(void)fiber_start(visit.loop, NULL, "visit", visit_main, &visit);
	loop_run(visit.loop);
	loop_free(visit.loop);
}

struct hire {
	const char *incarnation, *has;
	unsigned slots;
	bool draining;
};

static void do_hire(struct queue *queue, void *arg)
{
	const struct hire *hire = arg;
	struct lease_worker worker = { .slots = hire->slots, .draining = hire->draining };
	struct err err;

	(void)snprintf(worker.incarnation, sizeof(worker.incarnation), "%s", hire->incarnation);
	(void)snprintf(worker.worker, sizeof(worker.worker), "of-%s", hire->incarnation);
	(void)snprintf(worker.name, sizeof(worker.name), "n");
	(void)snprintf(worker.has, sizeof(worker.has), "%s", hire->has);
	assert_int_equal(lease_register(queue->redis, &worker, &err), ERR_OK);
}

static void hire(struct hire hire)
{
	in_queue(do_hire, &hire);
}

static void do_claim(struct queue *queue, void *arg)
{
	const char *has = arg;
	const struct queue_claim claim = {
		.incarnation = "fits", .has = has, .capacity = 1, .max = 1
	};
	struct queue_item item;
	size_t count;
	struct err err;

	assert_int_equal(queue_claim(queue, &claim, &item, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
}

static void do_claim_nothing(struct queue *queue, void *arg)
{
	const struct queue_claim claim = {
		.incarnation = "big", .has = arg, .capacity = 4, .max = 1
	};
	struct queue_item item;
	size_t count;
	struct err err;

	assert_int_equal(queue_claim(queue, &claim, &item, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
}

typedef enum err_code(move_fn)(const struct queue *queue, const struct queue_move *move,
                               enum queue_set *ret, struct err *err);

struct step {
	move_fn *fn;
	struct queue_move move;
};

static void do_step(struct queue *queue, void *arg)
{
	const struct step *step = arg;
	enum queue_set set;
	struct err err;

	assert_int_equal(step->fn(queue, &step->move, &set, &err), ERR_OK);
}

static void step(move_fn *fn, const struct id *sid, const char *reason, uint64_t delay_ms)
{
	struct step step = { fn, { .sid = *sid, .reason = reason, .delay_ms = delay_ms } };

	in_queue(do_step, &step);
}

static void do_limit(struct queue *queue, void *arg)
{
	const struct queue_limit limit = { QUEUE_LIMIT_TENANT, TENANT, NULL, 1, *(bool *)arg };
	struct err err;

	assert_int_equal(queue_limit_set(queue, &limit, 1, &err), ERR_OK);
}

/* ---- what is said ---- */

static void expect_why(const struct id *sid, const char *place, const char *code)
{
	struct answer answer = get(session_path(sid, "/why"));

	assert_int_equal(answer.status, 200);
	assert_string_equal(answer_text(&answer, "place"), place);
	assert_string_equal(answer_text(&answer, "reason/code"), code);
	answer_free(&answer);
}

static struct str member(const struct answer *answer, const char *path)
{
	return json_as_str(answer_at(answer, path));
}

static const char *words_needed(const struct id *sid)
{
	static char words[QUEUE_NEEDS_MAX + 1];
	struct answer answer = get(session_path(sid, "/why"));
	const struct json_value *needs = answer_at(&answer, "needs");

	words[0] = '\0';
	for (size_t i = 0; i < json_count(needs); i++) {
		struct str word = json_as_str(json_at(needs, i));
		size_t n = strlen(words);

		(void)snprintf(words + n, sizeof(words) - n, "%s%" STR_FMT, i > 0 ? "," : "",
		               STR_ARG(word));
	}
	answer_free(&answer);
	return words;
}

/* Ready, then with a worker. */
static void until_it_runs(const struct id *sid, char needs[QUEUE_NEEDS_MAX + 1])
{
	struct answer answer;

	expect_why(sid, "ready", "no_worker");
	(void)snprintf(needs, QUEUE_NEEDS_MAX + 1, "%s", words_needed(sid));
	hire((struct hire){ "other", "os=plan9", 4, false });
	answer = get(session_path(sid, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "needs");
	assert_true(json_count(answer_at(&answer, "reason/missing")) > 0);
	assert_int_equal(json_type_of(answer_at(&answer, "eta")), JSON_T_NULL);
	answer_free(&answer);
	hire((struct hire){ "leaves", needs, 4, true });
	expect_why(sid, "ready", "draining");
	hire((struct hire){ "fits", needs, 1, false });
	answer = get(session_path(sid, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "next");
	assert_true(member(&answer, "eta/p50").n > 0);
	assert_true(member(&answer, "eta/p90").n > 0);
	answer_free(&answer);

	in_queue(do_claim, needs);
	expect_why(sid, "leasing", "starting");
	step(queue_opened, sid, NULL, 0);
	answer = get(session_path(sid, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "running");
	assert_string_equal(answer_text(&answer, "worker"), "of-fits");
	assert_int_equal(json_as_i64(answer_at(&answer, "share/leases")), 1);
	answer_free(&answer);
}

static int64_t waiting_for(const char *reason)
{
	struct answer answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "GET", .path = "/api/v1/scheduling/waits" });
	const struct json_value *items = answer_at(&answer, "items");
	int64_t ret = 0;

	assert_int_equal(answer.status, 200);
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *item = json_at(items, i);

		if (str_eq(json_as_str(json_get(item, "tenant")), STR_LIT(TENANT)) &&
		    str_eq(json_as_str(json_get(item, "reason")), str_of(reason))) {
			ret += json_as_i64(json_get(item, "sessions"));
		}
	}
	answer_free(&answer);
	return ret;
}

static void each_place_has_its_reason(void **state)
{
	struct id first = make_session(""), second;
	char needs[QUEUE_NEEDS_MAX + 1];
	struct answer answer;
	bool unset = false;
	int64_t turn;

	(void)state;
	until_it_runs(&first, needs);
	second = make_session("");
	expect_why(&second, "ready", "slots");
	turn = waiting_for("turn");
	assert_true(turn >= 1);
	in_queue(do_limit, &unset);
	in_queue(do_claim_nothing, needs);
	assert_int_equal(waiting_for("limit"), turn); /* all of the tenant */
	assert_int_equal(waiting_for("turn"), 0);
	answer = get(session_path(&second, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "limit");
	assert_string_equal(answer_text(&answer, "reason/limit/kind"), "tenant");
	assert_int_equal(json_as_i64(answer_at(&answer, "reason/limit/used")), 1);
	assert_int_equal(json_as_i64(answer_at(&answer, "reason/limit/most")), 1);
	answer_free(&answer);
	unset = true;
	in_queue(do_limit, &unset);
	step(queue_hold, &second, "after:01JD0M6T3RHN4P6S8TAVCXEZ1B", 0);
	expect_why(&second, "held", "after");

	step(queue_park, &first, "timer@1900000000000", 0);
	answer = get(session_path(&first, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "parked");
	assert_string_equal(answer_text(&answer, "reason/until"), "2030-03-17T17:46:40.000Z");
	answer_free(&answer);
	step(queue_requeue, &first, NULL, 60000);
	answer = get(session_path(&first, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "delayed");
	assert_string_equal(answer_text(&answer, "eta/basis"), "due");
	answer_free(&answer);
	step(queue_finish, &first, NULL, 0);
	expect_why(&first, "done", "ended");
	step(queue_finish, &second, NULL, 0);
}

static void do_fail(struct queue *queue, void *arg)
{
	const struct queue_breaker_rule rule = { 1, 60000, 60000, 1 };
	const struct queue_agents of = { TENANT, "command" };
	bool opened = false;
	struct err err;

	(void)arg;
	assert_int_equal(queue_gate_fail(queue, &of, "x-1", &rule, &opened, &err), ERR_OK);
	assert_true(opened);
}

static void a_breaker_is_told_of_until_it_is_reset(void **state)
{
	static const char list[] = "/api/v1/scheduling/breakers";
	static const char path[] = "/api/v1/scheduling/breakers/" TENANT "/command/reset";
	const struct ask listing = { .key = api_keys.admin, .method = "GET", .path = list };
	const struct ask reset = { .key = api_keys.admin, .method = "POST", .path = path };
	struct id sid = make_session("");
	struct answer answer;

	(void)state;
	hire((struct hire){ "fits", words_needed(&sid), 1, false });
	in_queue(do_fail, NULL);
	answer = get(session_path(&sid, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "breaker");
	assert_true(member(&answer, "reason/until").n > 0);
	answer_free(&answer);
	answer = ask(&listing);
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_count(answer_at(&answer, "items")), 1);
	answer_free(&answer);
	expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = list }, 403);
	expect(&(struct ask){ .key = api_keys.all, .method = "POST", .path = path }, 403);
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "POST",
	                      .path = "/api/v1/scheduling/breakers/a%20b/command/reset" },
	       400);
	answer = ask(&reset);
	assert_int_equal(answer.status, 200);
	assert_true(json_as_bool(answer_at(&answer, "wasOpen")));
	answer_free(&answer);
	answer = ask(&listing);
	assert_int_equal(json_count(answer_at(&answer, "items")), 0);
	answer_free(&answer);
	answer = get(session_path(&sid, "/why"));
	assert_string_not_equal(answer_text(&answer, "reason/code"), "breaker");
	answer_free(&answer);
	step(queue_finish, &sid, NULL, 0);
}

static void do_shut(struct queue *queue, void *arg)
{
	const struct queue_gate *gate = arg;
	struct err err;

	assert_int_equal(gate->until_ms > 0 ? queue_gate_shut(queue, gate, &err)
	                                    : queue_gate_open(queue, gate, &err),
	                 ERR_OK);
}

static void a_budget_is_set_told_of_and_deleted(void **state)
{
	static const char path[] = "/api/v1/budgets/tenant/" TENANT "/month";
	const struct ask listing = { .key = api_keys.admin,
		                     .method = "GET",
		                     .path = "/api/v1/budgets" };
	struct ask put = { .key = api_keys.admin,
		           .method = "PUT",
		           .path = path,
		           .body = "{\"softUsd\":1.5,\"hardTokens\":0}" };
	struct queue_gate gate = { .kind = QUEUE_GATE_BUDGET,
		                   .name = "t:" TENANT,
		                   .until_ms = INT64_C(4102444800000),
		                   .more = "month,2000000000,1500000000,7,-1" };
	struct id sid = make_session("");
	struct answer answer;

	(void)state;
	expect(&put, 201);
	expect(&put, 200);
	answer = ask(&listing);
	assert_int_equal(json_count(answer_at(&answer, "items")), 1);
	answer_free(&answer);
	put.key = api_keys.all;
	expect(&put, 403);
	put.key = api_keys.admin;
	put.body = "{\"softUsd\":-1,\"hardTokens\":1.5}";
	expect(&put, 400);
	put.path = "/api/v1/budgets/tenant/other/month";
	expect(&put, 400);
	put.path = "/api/v1/budgets/agent/x/month";
	expect(&put, 400);
	put.path = "/api/v1/budgets/user/x/year";
	expect(&put, 400);

	hire((struct hire){ "fits", words_needed(&sid), 1, false });
	in_queue(do_shut, &gate);
	answer = get(session_path(&sid, "/why"));
	assert_string_equal(answer_text(&answer, "reason/code"), "budget");
	assert_string_equal(answer_text(&answer, "reason/text"),
	                    "The budget of the tenant for this month (UTC) is spent: 2 of 1.5 US "
	                    "dollars.");
	assert_string_equal(answer_text(&answer, "reason/until"), "2100-01-01T00:00:00.000Z");
	answer_free(&answer);
	gate.until_ms = 0;
	in_queue(do_shut, &gate);
	answer = get(session_path(&sid, "/why"));
	assert_string_not_equal(answer_text(&answer, "reason/code"), "budget");
	answer_free(&answer);
	expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path }, 204);
	expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path }, 404);
	step(queue_finish, &sid, NULL, 0);
}

static void others_do_not_see_why(void **state)
{
	struct id sid = make_session("");

	(void)state;
	expect(&(struct ask){ .key = api_keys.foreign,
	                      .method = "GET",
	                      .path = session_path(&sid, "/why") },
	       404);
	expect(&(struct ask){ .key = api_keys.reader,
	                      .method = "GET",
	                      .path = session_path(&sid, "/why") },
	       200);
	step(queue_finish, &sid, NULL, 0);
}

static const struct json_value *demand_for(const struct answer *answer, const char *word)
{
	const struct json_value *items = answer_at(answer, "items");

	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *needs = json_get(json_at(items, i), "needs");

		for (size_t k = 0; k < json_count(needs); k++) {
			if (str_eq(json_as_str(json_at(needs, k)), str_of(word))) {
				return json_at(items, i);
			}
		}
	}
	fail_msg("nothing needs %s", word);
	return NULL;
}

static long long number(const struct json_value *of, const char *name)
{
	return (long long)json_as_i64(json_get(of, name));
}

/* Of all classes, and what is at work: slots that are not free. */
static long long slots_wanted(const struct answer *answer)
{
	const struct json_value *items = answer_at(answer, "items");
	const struct json_value *slots = answer_at(answer, "slots");
	long long wanted = number(slots, "all") - number(slots, "free");

	for (size_t i = 0; i < json_count(items); i++) {
		wanted += number(json_at(items, i), "ready");
	}
	return wanted;
}

static void demand_is_told_by_what_is_needed(void **state)
{
	struct id one = make_session(",\"workers\":{\"required\":[\"gpu\"]}");
	struct id other = make_session(",\"workers\":{\"required\":[\"gpu\"]}");
	struct id late = make_session(",\"workers\":{\"required\":[\"gpu\"]}");
	struct answer answer;
	const struct json_value *item;

	(void)state;
	hire((struct hire){ "big", words_needed(&one), 8, false });
	answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "GET", .path = "/api/v1/scheduling/demand" });
	assert_int_equal(answer.status, 200);
	item = demand_for(&answer, "gpu");
	assert_int_equal(number(item, "ready"), 3);
	assert_int_equal(number(item, "soon"), 0);
	assert_int_equal(number(json_get(item, "slots"), "free"), 8);
	assert_int_equal(json_type_of(json_get(item, "workerSeconds")), JSON_T_NULL);
	assert_true(slots_wanted(&answer) >= 3);
	assert_int_equal((long long)json_as_i64(answer_at(&answer, "wanted")),
	                 slots_wanted(&answer));
	answer_free(&answer);
	step(queue_finish, &one, NULL, 0);
	step(queue_finish, &other, NULL, 0);
	step(queue_finish, &late, NULL, 0);
	expect(&(struct ask){ .key = api_keys.reader,
	                      .method = "GET",
	                      .path = "/api/v1/scheduling/demand" },
	       403);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_place_has_its_reason),
		cmocka_unit_test(a_breaker_is_told_of_until_it_is_reset),
		cmocka_unit_test(a_budget_is_set_told_of_and_deleted),
		cmocka_unit_test(others_do_not_see_why),
		cmocka_unit_test(demand_is_told_by_what_is_needed),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
