/* What the duties ask PostgreSQL, answered from the world's records. */
#include <string.h>

#include "cost/budget_store.h"
#include "event/origin.h"
#include "event/segment.h"
#include "limit/limit_store.h"
#include "pg/pg.h"
#include "session/session_store.h"
#include "tests/sim/world.h"

bool __wrap_pg_available(const struct pg *pg);
enum err_code __wrap_log_epoch_store(struct pg *pg, const struct log_epoch *epoch, struct err *err);
enum err_code __wrap_log_origin_get(struct pg *pg, const struct id *sid, const char *tenant,
                                    struct log_origin *ret, struct err *err);
enum err_code __wrap_session_live(struct pg *pg, const struct session_walk *walk,
                                  struct arena *arena, struct session_batch *ret, struct err *err);
enum err_code __wrap_session_unqueued(struct pg *pg, const struct session_walk *walk,
                                      struct arena *arena, struct session_batch *ret,
                                      struct err *err);
enum err_code __wrap_session_mark_queued(struct pg *pg, const char *tenant, const struct id *ids,
                                         size_t count, struct err *err);
enum err_code __wrap_session_epoch_last(struct pg *pg, const char *tenant, const struct id *id,
                                        struct session_epoch *ret, struct err *err);

enum err_code __wrap_session_begun(struct pg *pg, const struct session_walk *walk,
                                   struct arena *arena, struct session_batch *ret, struct err *err);
enum err_code __wrap_session_waiting(struct pg *pg, const struct session_waiting_walk *walk,
                                     struct arena *arena, struct session_batch *ret,
                                     struct err *err);
enum err_code __wrap_queue_drop_former(struct redis *redis, uint64_t *cursor, size_t *ret_dropped,
                                       struct err *err);
enum err_code __wrap_limit_list(struct pg *pg, uint64_t after, struct limit *items, size_t max,
                                size_t *ret_count, struct err *err);
enum err_code __wrap_budget_list(struct pg *pg, const char *tenant, const struct budget *after,
                                 int64_t now_us, struct budget *items, size_t max,
                                 size_t *ret_count, struct err *err);

bool __wrap_pg_available(const struct pg *pg)
{
	(void)pg;
	return true;
}

enum err_code __wrap_log_epoch_store(struct pg *pg, const struct log_epoch *epoch, struct err *err)
{
	struct record *record = record_of(&epoch->sid);
	enum err_code code = pg_door(pg, err);

	if (code == ERR_OK && epoch->first.epoch > record->epoch) {
		record->epoch = epoch->first.epoch;
		record->generation = epoch->generation;
	}
	return code;
}

enum err_code __wrap_log_origin_get(struct pg *pg, const struct id *sid, const char *tenant,
                                    struct log_origin *ret, struct err *err)
{
	const struct record *record = record_of(sid);
	enum err_code code = pg_door(pg, err);

	(void)tenant;
	if (code == ERR_OK) {
		*ret = (struct log_origin){ record->state, record->epoch, record->archived };
		if (record->archived.epoch > ret->epoch) {
			ret->epoch = record->archived.epoch;
		}
	}
	return code;
}

struct session row_of(const struct record *record)
{
	return (struct session){
		.id = record->sid,
		.task = record->sid,
		.tenant = str_of(record->tenant),
		.state = record->state,
		.epoch = record->at.epoch,
		.n = record->at.n,
		.queued_us = record->queued ? 1 : 0,
		.priority = record->priority,
		.owner = str_of(record->user),
		.concurrency_key = str_of(record->key),
		.project = str_of(record->project),
		.not_before_us = (int64_t)record->not_before_ms * 1000,
		.agent = STR_LIT("{\"type\":\"command\"}"),
		.prompt = STR_LIT("\"go\""),
		.repo = STR_LIT("{}"),
		.runtime = STR_LIT("{\"type\":\"local\"}"),
		.labels = STR_LIT("{}"),
		.workers = STR_LIT("{}"),
	};
}

enum wanted { LIVE, BEGUN, WAITING, UNQUEUED };

static bool is_wanted(const struct record *record, enum wanted what, uint64_t older_ms)
{
	switch (what) {
	case LIVE: return !session_is_terminal(record->state);
	case BEGUN: return !session_is_terminal(record->state) && record->state != SESSION_QUEUED;
	case WAITING: return record->state == SESSION_QUEUED && record->queued;
	case UNQUEUED:
		return !record->queued && record->accepted_us + older_ms * 1000 < world->now_us;
	}
	return false;
}

static enum err_code rows(struct pg *pg, const struct session_walk *walk, enum wanted what,
                          struct arena *arena, struct session_batch *ret, struct err *err)
{
	enum err_code code = pg_door(pg, err);

	ret->count = 0;
	ret->items = arena_take(arena, SESSIONS_MAX * sizeof(struct session));
	for (unsigned i = 0; code == ERR_OK && i < world->shape.sessions; i++) {
		const struct record *record = &world->records[i];

		if (record->committed && is_wanted(record, what, walk->older_ms) &&
		    ret->count < walk->max && strcmp(record->sid.s, walk->after.s) > 0) {
			ret->items[ret->count++] = row_of(record);
		}
	}
	return code;
}

enum err_code __wrap_session_live(struct pg *pg, const struct session_walk *walk,
                                  struct arena *arena, struct session_batch *ret, struct err *err)
{
	return rows(pg, walk, LIVE, arena, ret, err);
}

enum err_code __wrap_session_begun(struct pg *pg, const struct session_walk *walk,
                                   struct arena *arena, struct session_batch *ret, struct err *err)
{
	return rows(pg, walk, BEGUN, arena, ret, err);
}

/* In the order of ids: nothing in the simulated world depends on it. */
enum err_code __wrap_session_waiting(struct pg *pg, const struct session_waiting_walk *walk,
                                     struct arena *arena, struct session_batch *ret,
                                     struct err *err)
{
	const struct session_walk all = { .after = walk->after, .max = walk->max };

	return rows(pg, &all, WAITING, arena, ret, err);
}

enum err_code __wrap_limit_list(struct pg *pg, uint64_t after, struct limit *items, size_t max,
                                size_t *ret_count, struct err *err)
{
	(void)after;
	(void)items;
	(void)max;
	*ret_count = 0;
	return pg_door(pg, err);
}

/* All in one page. */
enum err_code __wrap_budget_list(struct pg *pg, const char *tenant, const struct budget *after,
                                 int64_t now_us, struct budget *items, size_t max,
                                 size_t *ret_count, struct err *err)
{
	enum err_code code = pg_door(pg, err);

	(void)tenant;
	*ret_count = 0;
	for (size_t i = 0; code == ERR_OK && after == NULL && i < world->spent_count && i < max;
	     i++) {
		const struct spent *spent = &world->spent[i];
		struct budget *budget = &items[(*ret_count)++];
		char day[BUDGET_DATE_SIZE];

		*budget = (struct budget){ .kind = spent->kind,
			                   .period = spent->period,
			                   .limits = { BUDGET_SOFT, BUDGET_HARD, BUDGET_NONE,
			                               BUDGET_NONE } };
		memcpy(budget->tenant, spent->tenant, strlen(spent->tenant));
		memcpy(budget->name, spent->name, strlen(spent->name));
		budget_first_day(spent->period, now_us, day);
		if (strcmp(day, spent->day) == 0) {
			budget->nano = (int64_t)spent->level;
		}
	}
	return code;
}

enum err_code __wrap_session_unqueued(struct pg *pg, const struct session_walk *walk,
                                      struct arena *arena, struct session_batch *ret,
                                      struct err *err)
{
	return rows(pg, walk, UNQUEUED, arena, ret, err);
}

enum err_code __wrap_session_mark_queued(struct pg *pg, const char *tenant, const struct id *ids,
                                         size_t count, struct err *err)
{
	enum err_code code = pg_door(pg, err);

	(void)tenant;
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		record_of(&ids[i])->queued = true;
	}
	return code;
}

enum err_code __wrap_session_epoch_last(struct pg *pg, const char *tenant, const struct id *id,
                                        struct session_epoch *ret, struct err *err)
{
	const struct record *record = record_of(id);
	enum err_code code = pg_door(pg, err);

	(void)tenant;
	if (code == ERR_OK) {
		*ret = (struct session_epoch){ .epoch = record->epoch,
			                       .generation = record->generation };
	}
	return code;
}

/* There is no former queue here. */
enum err_code __wrap_queue_drop_former(struct redis *redis, uint64_t *cursor, size_t *ret_dropped,
                                       struct err *err)
{
	(void)redis;
	(void)err;
	*cursor = *ret_dropped = 0;
	return ERR_OK;
}
