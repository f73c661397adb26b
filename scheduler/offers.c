#include "scheduler/offers.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "log/log.h"
#include "metric/metric.h"
#include "pg/pg.h"
#include "queue/offer.h"
#include "redis/redis.h"
#include "scheduler/app.h"
#include "scheduler/handover.h"
#include "scheduler/order_secret.h"
#include "session/session_copy.h"
#include "session/session_store.h"

enum { STANDS_MS = 1000 }; /* four turns */

/* ---- offering ---- */

/* What is free is divided among the shards; which have one more than others changes. */
static unsigned part_of(const struct app *app, size_t i, unsigned shard, unsigned shards)
{
	unsigned room = fleet_room(&app->fleet, i);

	return room / shards + ((shard + app->offers.turn) % shards < room % shards ? 1 : 0);
}

static void add(const struct app *app, size_t i, unsigned shard, struct queue_offers *ret,
                struct queue_offer items[QUEUE_OFFERS_MAX])
{
	const struct lease_worker *worker = &app->fleet.workers[i];
	const unsigned shards = redis_shards(app->node->redis);
	struct queue_offer *item = &items[ret->count];

	*item = (struct queue_offer){ .incarnation = worker->incarnation,
		                      .has = worker->has,
		                      .holds = worker->holds,
		                      .capacity = worker->slots,
		                      .resident = worker->resident };
	if (shards > 1) {
		item->more = part_of(app, i, shard, shards);
	}
	ret->count += (shards == 1 || item->more > 0) && !worker->draining && worker->slots > 0;
}

/* Only the fullest that has room; it is full when others are to be begun with. */
static void pack(const struct app *app, unsigned shard, struct queue_offers *ret,
                 struct queue_offer items[QUEUE_OFFERS_MAX])
{
	const struct place_rules rules = { .pack = true };
	const struct fleet *fleet = &app->fleet;
	size_t best = fleet->count;

	for (size_t i = 0; i < fleet->count; i++) {
		struct place_worker one = fleet_place(fleet, i);
		struct place_worker other = fleet_place(fleet, best < fleet->count ? best : i);

		if (fleet_room(fleet, i) > 0 &&
		    (best == fleet->count || place_compare(&one, &other, &rules) > 0)) {
			best = i;
		}
	}
	if (best < fleet->count) {
		add(app, best, shard, ret, items);
	}
}

/* All, or as many as may be; each turn begins with others. */
static void spread(const struct app *app, unsigned shard, struct queue_offers *ret,
                   struct queue_offer items[QUEUE_OFFERS_MAX])
{
	const size_t count = app->fleet.count;
	const size_t from = count > QUEUE_OFFERS_MAX ? app->offers.turn * QUEUE_OFFERS_MAX : 0;

	for (size_t k = 0; k < count && ret->count < QUEUE_OFFERS_MAX; k++) {
		add(app, (from + k) % count, shard, ret, items);
	}
}

/* Until the list of workers is read anew. */
static enum err_code offer(struct app *app, bool any, struct err *err)
{
	struct queue_offer items[QUEUE_OFFERS_MAX];
	enum err_code code = ERR_OK;

	for (unsigned i = 0; code == ERR_OK && i < redis_shards(app->node->redis) &&
	                     (!any || app->fleet.read_ms > 0);
	     i++) {
		const struct queue queue = queue_at(app->node->redis, i);
		struct queue_offers offers = { .holder = app->holder.s,
			                       .for_ms = STANDS_MS,
			                       .items = items };
		bool stands;

		if (any && app->node->conf.scheduler_placement == PLACEMENT_PACK) {
			pack(app, i, &offers, items);
		} else if (any) {
			spread(app, i, &offers, items);
		}
		code = queue_offer(&queue, &offers, &stands, err);
	}
	app->offers.turn++;
	return code;
}

/* Of several shards none knows who waits in the others for the same workers. */
static bool anybody_waits(const struct app *app)
{
	const unsigned shards = redis_shards(app->node->redis);
	bool any = false;

	for (unsigned i = 0; shards > 1 && i < shards; i++) {
		any = any || app->fleet.ready[i] > 0 || app->rung[i] > 0;
	}
	return any;
}

/* Who has enough to do offers nothing, and another may. */
enum err_code offers_turn(struct app *app, struct err *err)
{
	if (app->offers.withdrawn || app->fleet.read_ms == 0) { /* 0: it is being read */
		return ERR_OK;
	}
	return offer(app,
	             pg_available(app->node->pg) && app->handing < HANDOVERS_MAX &&
	                     app->offers.count < HANDOVER_MAX && !anybody_waits(app),
	             err);
}

void offers_withdraw(struct app *app)
{
	struct err err;

	app->offers.withdrawn = true;
	if (offer(app, false, &err) != ERR_OK) {
		log_debug("offers.stand", "%s", err.msg); /* for a second */
	}
}

/* ---- what was taken ---- */

void offers_init(struct offers *offers)
{
	TAILQ_INIT(&offers->taken);
}

static struct taken *pop(struct offers *offers)
{
	struct taken *taken = TAILQ_FIRST(&offers->taken);

	TAILQ_REMOVE(&offers->taken, taken, link);
	offers->count--;
	return taken;
}

void offers_fini(struct offers *offers)
{
	while (!TAILQ_EMPTY(&offers->taken)) {
		free(pop(offers));
	}
}

bool offers_hear(struct app *app, struct str payload)
{
	struct offers *offers = &app->offers;
	struct queue_taken heard;
	struct taken *taken;

	if (!queue_taken_read(payload, &heard)) {
		return false;
	}
	if (!str_eq(heard.holder, str_of(app->holder.s)) || offers->count == OFFERS_TAKEN_MAX) {
		return true;
	}
	taken = mem_calloc(1, sizeof(*taken) + heard.copy.n);
	taken->item = heard.item;
	taken->len = heard.copy.n;
	memcpy(taken->copy, heard.copy.p, heard.copy.n);
	TAILQ_INSERT_TAIL(&offers->taken, taken, link);
	offers->count++;
	fleet_took(&app->fleet, heard.item.incarnation);
	metric_inc(METRIC_LEASES_TAKEN, NULL);
	duty_ring(&app->duties[DUTY_TAKEN]);
	return true;
}

/* NULL: it has to be read. Workers may say anything on channels of the queue: a copy may ask for no
 * secrets. */
static const struct session *row_of(const struct taken *taken, struct arena *arena)
{
	struct session *row = arena_take(arena, sizeof(*row));

	return session_copy_read(str_make(taken->copy, taken->len), arena, row) &&
	                       id_eq(&row->id, &taken->item.sid) &&
	                       str_eq(row->tenant, str_of(taken->item.tenant)) &&
	                       !order_wants_secrets(row, arena)
	               ? row
	               : NULL;
}

/* Whose worker is gone is queued again. */
static void add_to(struct handover *batch, const struct taken *taken)
{
	const struct lease_worker *worker = fleet_find(&batch->app->fleet, taken->item.incarnation);
	struct handover_lease *lease = &batch->leases[batch->count];
	struct err err;

	if (worker == NULL) {
		if (handover_one(batch->app, &taken->item, NULL, &err) != ERR_OK) {
			log_debug("session.half_leased", "session=%s %s", taken->item.sid.s,
			          err.msg);
		}
		return;
	}
	lease->item = taken->item;
	lease->row = row_of(taken, batch->arena);
	memcpy(lease->worker, worker->worker, sizeof(lease->worker));
	batch->count++;
}

/* As many as are of the first one's shard. */
static struct handover *next_batch(struct app *app)
{
	struct offers *offers = &app->offers;
	struct handover *batch = mem_calloc(1, sizeof(*batch));
	struct taken *taken;

	batch->app = app;
	batch->arena = arena_new();
	while ((taken = TAILQ_FIRST(&offers->taken)) != NULL && batch->count < HANDOVER_MAX) {
		const struct queue queue = app_queue(app, taken->item.tenant);

		if (batch->count > 0 && queue.shard != batch->queue.shard) {
			break;
		}
		batch->queue = queue;
		taken = pop(offers);
		add_to(batch, taken);
		free(taken);
	}
	return batch;
}

enum err_code offers_taken_turn(struct app *app, struct err *err)
{
	(void)err;
	while (app->offers.count > 0) {
		handover_start(next_batch(app));
	}
	return ERR_OK;
}
