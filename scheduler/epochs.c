#include "scheduler/epochs.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/app.h"

void epochs_init(struct epochs *epochs)
{
	*epochs = (struct epochs){ .items = mem_calloc(EPOCHS_MAX, sizeof(*epochs->items)) };
}

void epochs_fini(struct epochs *epochs)
{
	free(epochs->items);
}

bool epochs_add(struct app *app, const struct queue_item *item, const char *worker,
                const struct cursor *first)
{
	struct epoch_lease *lease = &app->epochs.items[app->epochs.count];

	if (app->epochs.count == EPOCHS_MAX) {
		return false;
	}
	*lease = (struct epoch_lease){ .sid = item->sid,
		                       .first = *first,
		                       .generation = app->node->store.generation };
	(void)str_copy(lease->tenant, sizeof(lease->tenant), str_of(item->tenant));
	(void)str_copy(lease->worker, sizeof(lease->worker), str_of(worker));
	app->epochs.count++;
	duty_ring(&app->duties[DUTY_EPOCHS]);
	return true;
}

enum err_code epochs_turn(struct app *app, struct err *err)
{
	struct epochs *epochs = &app->epochs;
	struct log_epoch rows[LOG_EPOCHS_MAX];
	enum err_code code = ERR_OK;

	while (code == ERR_OK && epochs->count > 0) {
		size_t count = epochs->count < LOG_EPOCHS_MAX ? epochs->count : LOG_EPOCHS_MAX;

		for (size_t i = 0; i < count; i++) {
			const struct epoch_lease *lease = &epochs->items[i];

			rows[i] = (struct log_epoch){ .sid = lease->sid,
				                      .tenant = lease->tenant,
				                      .first = lease->first,
				                      .cause = "lease",
				                      .worker_id = lease->worker,
				                      .generation = lease->generation };
		}
		/* They stay in their places until they are stored: only the end grows meanwhile. */
		code = log_epoch_store_all(app->node->pg, rows, count, err);
		if (code == ERR_OK) {
			epochs->count -= count;
			memmove(epochs->items, epochs->items + count,
			        epochs->count * sizeof(*epochs->items));
		}
	}
	return code;
}
