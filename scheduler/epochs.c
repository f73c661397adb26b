#include "scheduler/epochs.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "command/command_store.h"
#include "scheduler/app.h"
#include "scheduler/order.h"
#include "session/session_store.h"

/* Those of the next moment go along. No longer: of a lease that PostgreSQL has not heard of when
 * Redis is lost, and whose worker has said nothing yet, nobody knows, and it is given again. */
enum { GATHER_MS = 20 };

void epochs_init(struct epochs *epochs)
{
	*epochs = (struct epochs){ .items = mem_calloc(EPOCHS_MAX, sizeof(*epochs->items)) };
}

void epochs_fini(struct epochs *epochs)
{
	free(epochs->items);
}

bool epochs_add(struct app *app, const struct queue_item *item, const char *worker,
                const struct log_result *opened)
{
	struct epoch_lease *lease = &app->epochs.items[app->epochs.count];

	if (app->epochs.count == EPOCHS_MAX) {
		return false;
	}
	*lease = (struct epoch_lease){ .sid = item->sid,
		                       .first = opened->first,
		                       .last_n = opened->repeated ? 0 : opened->last.n,
		                       .attempt = item->attempt,
		                       .generation = app->node->store.generation };
	(void)str_copy(lease->tenant, sizeof(lease->tenant), str_of(item->tenant));
	(void)str_copy(lease->worker, sizeof(lease->worker), str_of(worker));
	memcpy(lease->incarnation, item->incarnation, sizeof(lease->incarnation));
	app->epochs.count++;
	duty_ring(&app->duties[DUTY_EPOCHS]);
	return true;
}

static enum err_code store(struct app *app, const struct epoch_lease *leases, size_t count,
                           struct err *err)
{
	struct session_leased moved[LOG_EPOCHS_MAX];
	struct log_epoch rows[LOG_EPOCHS_MAX];
	size_t moves = 0;
	enum err_code code;

	for (size_t i = 0; i < count; i++) {
		rows[i] = (struct log_epoch){ .sid = leases[i].sid,
			                      .tenant = leases[i].tenant,
			                      .first = leases[i].first,
			                      .cause = "lease",
			                      .worker_id = leases[i].worker,
			                      .generation = leases[i].generation };
		if (leases[i].last_n == leases[i].first.n + 1) { /* its epoch, and its state */
			moved[moves++] = (struct session_leased){ .id = leases[i].sid,
				                                  .worker = leases[i].worker,
				                                  .epoch = leases[i].first.epoch,
				                                  .first_n = leases[i].first.n,
				                                  .n = leases[i].last_n };
		}
	}
	code = log_epoch_store_all(app->node->pg, rows, count, err);
	return code == ERR_OK && moves > 0 ? session_leased_all(app->node->pg, moved, moves, err)
	                                   : code;
}

/* What clients asked before there was a worker; nobody's beginning waits for that. */
static enum err_code tell_waiting(struct app *app, const struct epoch_lease *leases, size_t count,
                                  struct err *err)
{
	struct id ids[LOG_EPOCHS_MAX];
	bool waiting[LOG_EPOCHS_MAX];
	enum err_code code;

	for (size_t i = 0; i < count; i++) {
		ids[i] = leases[i].sid;
	}
	code = command_waiting(app->node->pg, ids, count, waiting, err);
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		const struct epoch_lease *lease = &leases[i];
		const struct order_to to = { lease->worker, lease->incarnation, lease->first.epoch,
			                     lease->attempt, NULL };

		if (waiting[i]) {
			code = order_waiting(app, &lease->sid, lease->tenant, &to, err);
		}
		if (code != ERR_OK) {
			code = duty_item_failed(lease->sid.s, code, err);
		}
	}
	return code;
}

enum err_code epochs_store(struct app *app, struct err *err)
{
	struct epochs *epochs = &app->epochs;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && epochs->count > 0) {
		size_t count = epochs->count < LOG_EPOCHS_MAX ? epochs->count : LOG_EPOCHS_MAX;

		/* They stay in their places until that is done: only the end grows meanwhile. */
		code = store(app, epochs->items, count, err);
		if (code == ERR_OK) {
			code = tell_waiting(app, epochs->items, count, err);
		}
		if (code == ERR_OK) {
			epochs->count -= count;
			memmove(epochs->items, epochs->items + count,
			        epochs->count * sizeof(*epochs->items));
		}
	}
	return code;
}

enum err_code epochs_turn(struct app *app, struct err *err)
{
	if (app->epochs.count > 0) {
		(void)fiber_sleep(GATHER_MS);
	}
	if (moves_ripen(&app->moves)) {
		app_ring_archivers(app);
	}
	return epochs_store(app, err);
}
