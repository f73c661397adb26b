#include "scheduler/cordon.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cordon/cordon_store.h"
#include "log/log.h"
#include "queue/lease.h"
#include "queue/mail.h"
#include "scheduler/app.h"

static const struct lease_cordon *find(const struct cordon_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].name, name) == 0) {
			return &list->items[i];
		}
	}
	return NULL;
}

static enum err_code bring(struct app *app, const struct cordon_list *rows,
                           const struct cordon_list *copy, struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < rows->count; i++) {
		const struct lease_cordon *known = find(copy, rows->items[i].name);

		if (known == NULL || known->drain != rows->items[i].drain) {
			code = lease_cordon_set(app->node->redis, &rows->items[i], err);
		}
	}
	for (size_t i = 0; code == ERR_OK && i < copy->count; i++) {
		if (find(rows, copy->items[i].name) == NULL) {
			code = lease_cordon_clear(app->node->redis, copy->items[i].name, err);
		}
	}
	return code;
}

/* A note may be lost, so it is sent until the worker says that it heard it. */
static enum err_code tell(struct app *app, const struct cordon_list *rows, struct err *err)
{
	struct lease_worker *workers = mem_calloc(FLEET_MAX, sizeof(*workers));
	size_t count = 0;
	enum err_code code = lease_list(app->node->redis, workers, FLEET_MAX, &count, err);

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		const struct lease_cordon *cordon = find(rows, workers[i].name);
		const bool drain = cordon != NULL && cordon->drain;
		const struct mail mail = { .kind = drain ? STR_LIT("drain") : STR_LIT("undrain"),
			                   .incarnation = str_of(workers[i].incarnation) };

		if (drain != workers[i].leaving) {
			log_debug("worker.told", "worker=%s drain=%d", workers[i].worker, drain);
			code = mail_send(app->node->redis, workers[i].worker, &mail, err);
		}
	}
	free(workers);
	return code;
}

/* The copy is read first: what was written there after its row is not taken for one without. */
enum err_code cordon_turn(struct app *app, struct err *err)
{
	struct arena *arena = arena_new();
	struct cordon_list rows,
		copy = { arena_take(arena, LEASE_CORDONS_MAX * sizeof(*copy.items)), 0 };
	enum err_code code = lease_cordons(app->node->redis, copy.items, &copy.count, err);

	if (code == ERR_OK) {
		code = cordon_list(app->node->pg, arena, &rows, err);
	}
	if (code == ERR_OK) {
		code = bring(app, &rows, &copy, err);
	}
	if (code == ERR_OK) {
		code = tell(app, &rows, err);
	}
	arena_free(arena);
	return code;
}
