/*
 * Estimates of when sessions start, under a steady load on the model: what is said when a session
 * comes is compared with when it starts, under a virtual clock and with the shipped scripts.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "queue/eta.h"
#include "queue/queue.h"
#include "queue/words.h"
#include "redis/redis.h"
#include "tests/sim/bridge.h"
#include "tests/support/test.h"

enum {
	SESSIONS = 900,
	WARM = 150, /* starts before the first that counts */
	WAITING_MAX = 256,
	WORKERS = 4,
	SLOTS = 3,
	USERS = 6,
	RUN_MS = 20000, /* the mean */
	TICK_MS = 5,    /* how exact a start is told */
};

/* ---- the driver, replaced ---- */

enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err);
enum err_code __wrap_redis_script(struct redis *redis, const struct text *script,
                                  struct redis_cmd *cmd, struct redis_reply **ret, struct err *err);

static struct model *model;

static enum err_code run(const struct redis_cmd *cmd, const struct text *script,
                         struct redis_reply **ret, struct err *err)
{
	struct model_reply *reply = bridge_run(model, cmd, script);
	enum err_code code = bridge_reply(reply, ret, err);

	model_reply_free(reply);
	return code;
}

enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err)
{
	(void)redis;
	return run(cmd, NULL, ret, err);
}

enum err_code __wrap_redis_script(struct redis *redis, const struct text *script,
                                  struct redis_cmd *cmd, struct redis_reply **ret, struct err *err)
{
	(void)redis;
	return run(cmd, script, ret, err);
}

/* ---- the load ---- */

/* Who submits: a tenant's user, what its sessions need, and its share of them. */
static const struct {
	const char *tenant, *user, *needs;
	unsigned share;
} users[USERS] = {
	{ "acme", "ann", "a", 3 },  { "acme", "bob", "a", 1 },    { "acme", "bob", "a,b", 1 },
	{ "rival", "cid", "a", 2 }, { "rival", "dan", "a,b", 1 }, { "third", "eve", "a", 4 },
};

struct waiting {
	struct id sid; /* nil: free */
	int64_t from_ms;
	struct eta eta;
	bool counts;
};

struct slot {
	struct id sid;
	int64_t end_ms; /* 0: free */
};

struct load {
	struct dice dice;
	struct queue queue;
	unsigned percent; /* of what the slots can do */
	struct waiting waiting[WAITING_MAX];
	struct slot slots[WORKERS][SLOTS];
	unsigned submitted, started;
	/* By basis: estimates that were given, and starts before and after their bands. */
	unsigned told[ETA_BASIS_COUNT], before[ETA_BASIS_COUNT], after[ETA_BASIS_COUNT];
};

static const char *const has[WORKERS] = { "a", "a,b", "a", "a,b" };

/* Of an exponential distribution. */
static int64_t random_ms(struct load *load, double mean)
{
	double u = (double)(1 + dice_roll(&load->dice, 1000000)) / 1000001.0;

	return (int64_t)(-log(u) * mean) + 1;
}

/* Half of it is the same for all. */
static int64_t random_run(struct load *load)
{
	return RUN_MS / 2 + random_ms(load, RUN_MS / 2.0);
}

static int64_t random_pause(struct load *load)
{
	return random_ms(load, RUN_MS * 100.0 / (WORKERS * SLOTS * (double)load->percent));
}

static void fine(enum err_code code, const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("%s", err->msg);
	}
}

static size_t any_user(struct load *load)
{
	unsigned all = 0, roll;

	for (size_t i = 0; i < USERS; i++) {
		all += users[i].share;
	}
	roll = (unsigned)dice_roll(&load->dice, all);
	for (size_t i = 0; i < USERS; i++) {
		if (roll < users[i].share) {
			return i;
		}
		roll -= users[i].share;
	}
	return 0;
}

static struct eta_slots slots_for(const struct load *load, const char *needs)
{
	struct eta_slots slots = { 0, 0 };

	for (unsigned w = 0; w < WORKERS; w++) {
		for (unsigned i = 0; words_fit(has[w], needs) && i < SLOTS; i++) {
			slots.all++;
			slots.free += load->slots[w][i].end_ms == 0;
		}
	}
	return slots;
}

static void submit(struct load *load)
{
	const unsigned char entropy[10] = { (unsigned char)load->submitted,
		                            (unsigned char)(load->submitted >> 8) };
	size_t user = any_user(load);
	const struct eta_slots slots = slots_for(load, users[user].needs);
	struct queue_submit item = { .sid = id_make((uint64_t)model_now(model), entropy),
		                     .tenant = users[user].tenant,
		                     .user = users[user].user,
		                     .agent = "command",
		                     .needs = users[user].needs };
	struct waiting *waiting = load->waiting;
	struct queue_why why;
	enum queue_set set;
	struct err err;

	while (!id_is_nil(&waiting->sid)) {
		waiting++;
		assert_true(waiting < load->waiting + WAITING_MAX);
	}
	fine(queue_submit(&load->queue, &item, &set, &err), &err);
	fine(queue_explain(&load->queue, &item.sid, &why, &err), &err);
	*waiting = (struct waiting){ item.sid, model_now(model), eta_of(&why, &slots),
		                     load->started >= WARM };
	load->submitted++;
}

static void note_start(struct load *load, const struct id *sid)
{
	struct waiting *waiting = load->waiting;
	int64_t took;

	while (!id_eq(&waiting->sid, sid)) {
		waiting++;
		assert_true(waiting < load->waiting + WAITING_MAX);
	}
	took = model_now(model) - waiting->from_ms;
	load->started++;
	if (waiting->counts) {
		load->told[waiting->eta.basis]++;
		load->before[waiting->eta.basis] += took + TICK_MS < (int64_t)waiting->eta.p10_ms;
		load->after[waiting->eta.basis] += took > (int64_t)waiting->eta.p90_ms + TICK_MS;
	}
	waiting->sid = (struct id){ "" };
}

static void claim(struct load *load, unsigned w)
{
	char incarnation[8];
	struct queue_claim ask = { incarnation, has[w], SLOTS, SLOTS, 1 };
	struct queue_item item;
	struct err err;
	size_t count;

	(void)snprintf(incarnation, sizeof(incarnation), "w%u", w);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &load->slots[w][i];
		struct queue_move move;
		enum queue_set set;

		if (slot->end_ms > 0) {
			continue;
		}
		fine(queue_claim(&load->queue, &ask, &item, &count, &err), &err);
		if (count == 0) {
			return;
		}
		move = (struct queue_move){ .sid = item.sid, .attempt = item.attempt };
		fine(queue_opened(&load->queue, &move, &set, &err), &err);
		note_start(load, &item.sid);
		*slot = (struct slot){ item.sid, model_now(model) + random_run(load) };
	}
}

static struct slot *next_end(struct load *load, unsigned *ret_worker)
{
	struct slot *first = NULL;

	for (unsigned w = 0; w < WORKERS; w++) {
		for (unsigned i = 0; i < SLOTS; i++) {
			struct slot *slot = &load->slots[w][i];

			if (slot->end_ms > 0 && (first == NULL || slot->end_ms < first->end_ms)) {
				first = slot;
				*ret_worker = w;
			}
		}
	}
	return first;
}

static void finish(struct load *load, struct slot *slot, unsigned w)
{
	struct queue_promoted promoted;
	enum queue_set set;
	struct err err;

	fine(queue_finish(&load->queue, &(struct queue_move){ .sid = slot->sid }, &set, &err),
	     &err);
	slot->end_ms = 0;
	claim(load, w);
	fine(queue_promote(&load->queue, 0, &promoted, &err), &err);
}

static void play(struct load *load)
{
	int64_t next_ms = model_now(model);

	while (load->submitted < SESSIONS || load->started < load->submitted) {
		unsigned w = 0;
		struct slot *end = next_end(load, &w);
		bool comes = load->submitted < SESSIONS && (end == NULL || next_ms <= end->end_ms);
		int64_t at = comes ? next_ms : end->end_ms;

		model_advance(model, at - model_now(model));
		if (comes) {
			submit(load);
			next_ms = at + random_pause(load);
			for (unsigned i = 0; i < WORKERS; i++) {
				claim(load, i);
			}
		} else {
			finish(load, end, w);
		}
	}
}

static void check(unsigned percent)
{
	struct load load = { .dice = { 7 }, .percent = percent };
	unsigned all = 0, outside = 0;

	model = model_new(1700000000000);
	play(&load);
	model_free(model);
	for (unsigned i = 0; i < ETA_BASIS_COUNT; i++) {
		if (load.told[i] > 0) {
			(void)printf("load %u %%, by %s: %u, %u before, %u after\n", percent,
			             eta_basis_name((enum eta_basis)i), load.told[i],
			             load.before[i], load.after[i]);
		}
		all += load.told[i];
		outside += load.before[i] + load.after[i];
	}
	(void)printf("load %u %%: %u of %u inside\n", percent, all - outside, all);
	assert_int_equal(load.told[ETA_NONE], 0);
	assert_in_range((all - outside) * 100, 74 * all, 90 * all);
}

static void of_ten_sessions_eight_start_within_the_band(void **state)
{
	(void)state;
	check(97);
}

static void the_band_holds_when_more_comes_than_can_run(void **state)
{
	(void)state;
	check(115);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_ten_sessions_eight_start_within_the_band),
		cmocka_unit_test(the_band_holds_when_more_comes_than_can_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
