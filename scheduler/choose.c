#include "scheduler/choose.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "metric/metric.h"
#include "scheduler/app.h"
#include "scheduler/handover.h"
#include "scheduler/place.h"

enum { EWMA_PARTS = 4 };

/* ---- what repositories take ---- */

static struct learned *slot_of(struct app *app, struct str repo)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < repo.n; i++) {
		h = (h ^ (unsigned char)repo.p[i]) * 16777619U;
	}
	return &app->learned[h % LEARNED_MAX];
}

void choose_learn(struct app *app, struct str repo, uint64_t ms)
{
	struct learned *slot = slot_of(app, repo);

	if (str_eq(str_of(slot->repo), repo)) {
		slot->ms = (slot->ms * (EWMA_PARTS - 1) + ms) / EWMA_PARTS;
	} else if (str_copy(slot->repo, sizeof(slot->repo), repo)) {
		slot->ms = ms; /* another's place: only so many are remembered */
	}
}

static uint64_t expected_ms(struct app *app, const char *likes)
{
	struct str rest = str_of(likes);

	while (rest.n > 0) {
		struct str word = str_split(&rest, ',');
		const struct learned *slot = slot_of(app, word);

		if (word.n > 0 && str_eq(str_of(slot->repo), word)) {
			return slot->ms;
		}
	}
	return app->node->conf.scheduler_materialise;
}

/* ---- decisions ---- */

static struct place decide(struct app *app, const struct queue_item *item,
                           const struct queue_wish *wish)
{
	const struct fleet *fleet = &app->fleet;
	const struct place_rules rules = { .pack = app->node->conf.scheduler_placement ==
		                                   PLACEMENT_PACK,
		                           .like_ms = app->node->conf.scheduler_like };
	struct place_ask ask = { .needs = wish->needs,
		                 .likes = wish->likes,
		                 .here = fleet->count,
		                 .waited_ms = (uint64_t)(item->since_ms - item->queued_ms),
		                 .materialise_ms = expected_ms(app, wish->likes) };
	struct place place = { .what = PLACE_HERE };
	struct place_worker *workers = mem_calloc(fleet->count + 1, sizeof(*workers));

	for (size_t i = 0; i < fleet->count; i++) {
		workers[i] = fleet_place(fleet, i);
		if (strcmp(fleet->workers[i].incarnation, item->incarnation) == 0) {
			ask.here = i;
		}
	}
	if (ask.here < fleet->count) {
		place = place_decide(workers, fleet->count, &ask, &rules);
	}
	free(workers);
	return place;
}

/* False: it is not this batch's any more. */
static bool act(struct handover *batch, struct handover_lease *lease, const struct place *place)
{
	struct app *app = batch->app;
	const struct lease_worker *worker = &app->fleet.workers[place->worker];
	char incarnation[QUEUE_WORKER_MAX + 1],
		name[QUEUE_WORKER_MAX + 1]; /* the list may change */
	const struct queue_move move = { .sid = lease->item.sid,
		                         .attempt = lease->item.attempt,
		                         .delay_ms = place->wait_ms,
		                         .worker = incarnation,
		                         .slots = worker->slots };
	bool waits = place->what == PLACE_WAIT;
	enum queue_set set;
	enum err_code code;
	struct err err;

	memcpy(incarnation, worker->incarnation, sizeof(incarnation));
	memcpy(name, worker->worker, sizeof(name));
	code = waits ? queue_prefer(&batch->queue, &move, &set, &err)
	             : queue_place(&batch->queue, &move, &set, &err);
	if (code != ERR_OK) {
		/* Full meanwhile, or not to be asked: where it is it can run too. */
		log_debug("session.stays", "session=%s code=%s", lease->item.sid.s, err_name(code));
		return true;
	}
	log_info("session.placed", "session=%s incarnation=%s waits_ms=%llu", lease->item.sid.s,
	         incarnation, (unsigned long long)place->wait_ms);
	metric_inc(METRIC_PLACEMENTS, waits ? "wait" : "other");
	if (waits) {
		fleet_await(&app->fleet, incarnation);
	}
	memcpy(lease->item.incarnation, incarnation, sizeof(incarnation));
	memcpy(lease->worker, name, sizeof(name));
	return !waits;
}

void choose_places(struct handover *batch)
{
	size_t kept = 0;

	for (size_t i = 0; i < batch->count; i++) {
		struct handover_lease *lease = &batch->leases[i];
		struct place place = { .what = PLACE_HERE };

		if (batch->wishes[i].likes[0] != '\0') {
			place = decide(batch->app, &lease->item, &batch->wishes[i]);
		}
		if (place.what == PLACE_HERE || act(batch, lease, &place)) {
			if (kept != i) {
				batch->leases[kept] = *lease;
			}
			kept++;
		}
	}
	batch->count = kept;
}
