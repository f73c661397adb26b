#include "scheduler/grant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "pg/pg.h"
#include "redis/redis.h"
#include "scheduler/app.h"
#include "scheduler/handover.h"
#include "scheduler/opening.h"
#include "scheduler/order.h"
#include "scheduler/retake.h"

enum {
	HALF_DONE_MS = 2000,
	LOOK_MS = 500,
	RESEND_MS = 2000,
	EVICT_MS = 2000,
	PAGE = 32,
	CLAIMS_MAX = 16,
};

/* ---- new leases ---- */

/* One claim, and what came of it. */
struct asking {
	struct app *app;
	const struct queue *queue;
	size_t worker; /* in the fleet */
	unsigned max;
	struct handover *batch; /* what is new */
	size_t got;             /* that the queue gave a slot to */
	enum err_code code;
	struct err err;
};

static bool is_asked_lately(struct fleet_use *use, const struct id *sid)
{
	uint64_t now = clock_mono_ms();

	if (id_eq(&use->evicting, sid) && now < use->evict_ms + EVICT_MS) {
		return true;
	}
	use->evicting = *sid;
	use->evict_ms = now;
	return false;
}

/* What the worker has already: it goes on, or makes room. A lost word is said again. */
static void say_word(struct asking *ask, const struct queue_item *item)
{
	const struct lease_worker *worker = &ask->app->fleet.workers[ask->worker];
	const struct order_to to = { worker->worker, item->incarnation, item->epoch, item->attempt,
		                     NULL };
	bool back = item->claimed == QUEUE_CLAIMED_BACK;
	struct err err;

	if (!back && is_asked_lately(&ask->app->fleet.uses[ask->worker], &item->sid)) {
		return;
	}
	log_info(back ? "session.unparked" : "session.evicting", "session=%s incarnation=%s",
	         item->sid.s, item->incarnation);
	if (order_word(ask->app, &item->sid, back ? "unpark" : "evict", &to, &err) != ERR_OK) {
		log_warn("session.untold", "session=%s %s", item->sid.s, err.msg);
	}
}

static void sort_claimed(struct asking *ask, const struct queue_item *items,
                         const struct queue_wish *wishes, size_t count)
{
	const struct lease_worker *worker = &ask->app->fleet.workers[ask->worker];
	struct handover *batch = ask->batch;

	for (size_t i = 0; i < count; i++) {
		struct handover_lease *lease = &batch->leases[batch->count];

		ask->got += items[i].claimed != QUEUE_CLAIMED_EVICT;
		if (items[i].claimed != QUEUE_CLAIMED_NEW) {
			continue;
		}
		lease->item = items[i];
		memcpy(lease->worker, worker->worker, sizeof(lease->worker));
		batch->wishes[batch->count++] = wishes[i];
	}
	ask->app->fleet.uses[ask->worker].working += (unsigned)ask->got;
	for (size_t i = 0; i < count; i++) {
		if (items[i].claimed != QUEUE_CLAIMED_NEW) {
			say_word(ask, &items[i]);
		}
	}
}

/* The list of workers does not change before all have claimed. */
static void claim(void *arg)
{
	struct asking *ask = arg;
	const struct lease_worker *worker = &ask->app->fleet.workers[ask->worker];
	struct queue_item *items = mem_calloc(ask->max, sizeof(*items));
	struct queue_wish *wishes = mem_calloc(ask->max, sizeof(*wishes));
	const struct queue_claim what = { worker->incarnation, worker->has, worker->slots,
		                          worker->resident, ask->max };
	size_t count = 0;

	ask->code = queue_claim_wishes(ask->queue, &what, items, wishes, &count, &ask->err);
	if (ask->code == ERR_OK) {
		sort_claimed(ask, items, wishes, count);
	}
	free(items);
	free(wishes);
}

/* Whom to ask next; nobody: the count. */
static size_t next_worker(const struct app *app, const bool *asked)
{
	const struct fleet *fleet = &app->fleet;
	const struct place_rules rules = { .pack = app->node->conf.scheduler_placement ==
		                                   PLACEMENT_PACK };
	size_t best = fleet->count;

	for (size_t k = 0; k < fleet->count; k++) {
		size_t i = (k + app->turn) % fleet->count;
		const struct fleet_use *use = &fleet->uses[i];
		struct place_worker one, other;

		if (asked[i] || use->dry || fleet_room(fleet, i) == 0) {
			continue;
		}
		if (use->freed) {
			return i;
		}
		if (best == fleet->count) {
			best = i;
			continue;
		}
		one = fleet_place(fleet, i);
		other = fleet_place(fleet, best);
		if (place_compare(&one, &other, &rules) > 0) {
			best = i;
		}
	}
	return best;
}

static unsigned share_of(const struct app *app, size_t worker, uint64_t wanted)
{
	unsigned room = fleet_room(&app->fleet, worker);
	uint64_t share = (wanted + app->fleet.count - 1) / app->fleet.count;

	share = share < 1 ? 1 : share;
	share = share > HANDOVER_MAX ? HANDOVER_MAX : share;
	return share < room ? (unsigned)share : room;
}

/* Those who get one after the other, so that all get some. Returns how many are asked. */
static size_t choose_workers(struct app *app, const struct queue *queue, uint64_t wanted,
                             struct asking asks[CLAIMS_MAX])
{
	bool *asked = mem_calloc(app->fleet.count + 1, sizeof(*asked));
	uint64_t expected = 0;
	size_t count = 0;

	while (count < CLAIMS_MAX) {
		size_t i = next_worker(app, asked);
		struct asking *ask = &asks[count];

		if (i == app->fleet.count || (expected >= wanted && !app->fleet.uses[i].freed)) {
			break;
		}
		asked[i] = true;
		app->fleet.uses[i].freed = app->fleet.uses[i].awaited = false;
		*ask = (struct asking){ .app = app, .queue = queue, .worker = i };
		ask->max = share_of(app, i, wanted);
		ask->batch = mem_calloc(1, sizeof(*ask->batch));
		ask->batch->app = app;
		ask->batch->queue = *queue;
		expected += ask->max;
		count++;
	}
	free(asked);
	return count;
}

/* All claims in one write. */
static enum err_code ask_all(struct app *app, struct asking *asks, size_t count, struct err *err)
{
	struct fiber_group children = { .count = 0 };
	enum err_code code;

	for (size_t i = 0; i < count; i++) {
		(void)fiber_start(app->node->loop, &children, "claim", claim, &asks[i]);
	}
	code = fiber_group_wait(&children, FIBER_NO_TIMEOUT);
	if (code != ERR_OK) {
		fiber_group_cancel(&children, ERR_CANCELLED);
		fiber_shield();
		(void)!fiber_group_wait(&children, FIBER_NO_TIMEOUT);
		fiber_unshield();
		return err_set(err, code, "claims");
	}
	for (size_t i = 0; i < count && code == ERR_OK; i++) {
		if (asks[i].code != ERR_OK) {
			*err = asks[i].err;
			code = asks[i].code;
		}
	}
	return code;
}

/* Claims from as many workers as there is something for; *ret: how many sessions they got. */
static enum err_code claim_round(struct app *app, const struct queue *queue, uint64_t *wanted,
                                 bool *ret_more, struct err *err)
{
	struct asking asks[CLAIMS_MAX];
	size_t count = choose_workers(app, queue, *wanted, asks);
	enum err_code code = ask_all(app, asks, count, err);

	*ret_more = count > 0;
	for (size_t i = 0; i < count; i++) {
		struct asking *ask = &asks[i];

		app->fleet.uses[ask->worker].dry = ask->got < ask->max;
		app->fleet.uses[ask->worker].sated = ask->got < ask->max;
		*wanted -= ask->got < *wanted ? ask->got : *wanted;
		if (ask->batch->count > 0) {
			handover_start(ask->batch);
		} else {
			free(ask->batch);
		}
	}
	return code;
}

/* Whether a worker that has room again is to be asked: not when there was nothing for it when it
 * had room before, and nothing was left over since, unless somebody may wait for it alone. */
static bool any_freed(struct fleet *fleet)
{
	bool any = false;

	for (size_t i = 0; i < fleet->count; i++) {
		struct fleet_use *use = &fleet->uses[i];

		use->freed = use->freed && (!use->sated || use->awaited || use->parked > 0);
		any = any || (use->freed && !use->dry && fleet_room(fleet, i) > 0);
	}
	return any;
}

/* While somebody waits for a worker, or a worker that was full has room. */
static enum err_code grant_shard(struct app *app, const struct queue *queue, struct err *err)
{
	uint64_t *rung = &app->rung[queue->shard], *ready = &app->fleet.ready[queue->shard];
	uint64_t wanted = *rung + *ready;
	enum err_code code = ERR_OK;
	bool more = true;

	*rung = *ready = 0;
	for (size_t i = 0; i < app->fleet.count; i++) {
		app->fleet.uses[i].dry = false;
	}
	while (code == ERR_OK && more && (wanted > 0 || any_freed(&app->fleet))) {
		code = claim_round(app, queue, &wanted, &more, err);
		wanted += *rung; /* came meanwhile */
		*rung = 0;
		app->turn++;
	}
	for (size_t i = 0; i < app->fleet.count && wanted > 0; i++) {
		struct fleet_use *use = &app->fleet.uses[i];

		use->sated = use->sated && fleet_room(&app->fleet, i) > 0;
	}
	return code;
}

/* ---- what was left half done ---- */

static enum err_code complete_half_done(struct app *app, const struct queue *queue, struct err *err)
{
	struct queue_item items[PAGE];
	struct queue_page page = { items, PAGE, 0 };
	enum err_code code = queue_list(queue, QUEUE_LEASING, HALF_DONE_MS, &page, err);

	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		const struct lease_worker *worker = fleet_find(&app->fleet, items[i].incarnation);
		char name[QUEUE_WORKER_MAX + 1] = "";

		if (worker == NULL && fleet_is_cut(&app->fleet)) {
			continue; /* it may be beyond the list */
		}
		log_info("session.half_leased", "session=%s attempt=%" PRIu64, items[i].sid.s,
		         items[i].attempt);
		if (worker != NULL) {
			memcpy(name, worker->worker, sizeof(name));
		}
		code = handover_one(app, &items[i], worker != NULL ? name : NULL, err);
		if (code != ERR_OK) {
			code = duty_item_failed(items[i].sid.s, code, err);
		}
	}
	return code;
}

/* ---- workers that did not hear, or did not say ---- */

/*
 * Parked in the queue, but queued by its log. A worker that lets it go is between two steps; when
 * it is so at the next look too, nobody is: two schedulers queued it again after a loss of Redis.
 */
static bool is_astray(struct app *app, const struct id *sid)
{
	uint64_t now_ms = clock_mono_ms();

	for (unsigned i = 0; i < ASTRAY_MAX; i++) {
		struct astray *seen = &app->astray[i];

		if (id_eq(&seen->sid, sid)) {
			bool still = now_ms - seen->seen_ms <= 2 * RESEND_MS;

			*seen = (struct astray){ .seen_ms = 0 };
			if (still) {
				return true;
			}
		}
	}
	app->astray[app->astray_next++ % ASTRAY_MAX] = (struct astray){ *sid, now_ms };
	return false;
}

static enum err_code remind_of(struct app *app, const struct queue_item *item,
                               const struct lease_worker *worker, struct err *err)
{
	struct order_to to = { worker->worker, item->incarnation, item->epoch, item->attempt,
		               NULL };
	struct log_head head;
	enum err_code code = opening_head(app, &item->sid, item->tenant, &head, err);

	if (code == ERR_STALE) {
		return ERR_OK; /* its log is not open again yet */
	}
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		return code;
	}
	if (code == ERR_NOT_FOUND || !head.found || session_is_terminal(head.state)) {
		return retake_finish(app, &item->sid, item->tenant, err);
	}
	if (head.state == SESSION_QUEUED) {
		return item->set == QUEUE_LEASED || is_astray(app, &item->sid)
		               ? retake_item(app, item, RETAKE_MISPLACED, err)
		               : ERR_OK;
	}
	if (head.state != SESSION_PROVISIONING || item->set != QUEUE_LEASED) {
		return ERR_OK;
	}
	log_debug("session.reminded", "session=%s worker=%s", item->sid.s, worker->worker);
	to.epoch = head.at.epoch;
	return order_run(app, item, &to, err);
}

static enum err_code remind(struct app *app, const struct queue *queue,
                            const struct lease_worker *worker, struct err *err)
{
	int64_t before_ms = clock_wall_us() / 1000 - RESEND_MS;
	struct queue_item items[QUEUE_BATCH_MAX];
	struct queue_page page = { items, QUEUE_BATCH_MAX, 0 };
	enum err_code code = queue_of_worker(queue, worker->incarnation, &page, err);

	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		bool held = items[i].set == QUEUE_LEASED || items[i].set == QUEUE_PARKED;

		if (!held || items[i].since_ms > before_ms) {
			continue;
		}
		code = remind_of(app, &items[i], worker, err);
		if (code != ERR_OK) {
			code = duty_item_failed(items[i].sid.s, code, err);
		}
	}
	return code;
}

/* Once in every_ms. */
static bool is_due(uint64_t *last_ms, uint64_t every_ms)
{
	uint64_t now = clock_mono_ms();

	if (now < *last_ms + every_ms) {
		return false;
	}
	*last_ms = now;
	return true;
}

/* ---- the turn ---- */

static enum err_code look_after(struct app *app, const struct queue *queue, bool resend,
                                struct err *err)
{
	enum err_code code = complete_half_done(app, queue, err);

	for (size_t i = 0; code == ERR_OK && resend && i < app->fleet.count; i++) {
		code = remind(app, queue, &app->fleet.workers[i], err);
	}
	return code;
}

enum err_code grant_turn(struct app *app, struct err *err)
{
	bool look = is_due(&app->looked_ms, LOOK_MS);
	bool resend = look && is_due(&app->resent_ms, RESEND_MS);
	const unsigned shards = redis_shards(app->node->redis), first = app->first_shard++;
	struct fleet *fleet = &app->fleet;
	bool read = look || clock_mono_ms() >= fleet->read_ms + app->node->conf.scheduler_tick;
	enum err_code code = ERR_OK;

	if (read) {
		code = fleet_read(fleet, app->node->redis, err);
	}
	ahead_ask(app);
	for (unsigned i = 0; code == ERR_OK && i < shards; i++) {
		const struct queue queue = queue_at(app->node->redis, (first + i) % shards);

		if (fleet->count > 0 && pg_available(app->node->pg)) {
			code = grant_shard(app, &queue, err);
		}
		if (code == ERR_OK && look) {
			code = look_after(app, &queue, resend, err);
		}
	}
	if (read) { /* of what is left then */
		duty_ring(&app->duties[DUTY_OFFER]);
	}
	return code;
}
