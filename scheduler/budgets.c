#include "scheduler/budgets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "cost/budget_store.h"
#include "limit/limit_store.h"
#include "log/log.h"
#include "metric/metric.h"
#include "queue/queue_gate.h"
#include "redis/redis.h"
#include "scheduler/app.h"

enum { PAGE = 64, GATES_FIRST = 256, MILLI = 1000, PLACE_SIZE = QUEUE_GATE_NAME_MAX + 16 };

struct seen {
	struct queue_gate gate;
	unsigned shard;
	bool stays;
};

/* A turn: what there is in Redis, and what there should be. */
struct look {
	struct app *app;
	int64_t now_us;
	struct seen *seen; /* size of them */
	size_t size, count;
	struct map *places;             /* of them, by shard and name */
	size_t levels[BUDGET_HARD + 1]; /* budgets */
};

static enum err_code read_kind(struct look *look, unsigned shard, enum queue_gate_kind kind,
                               struct queue_gate *gates, struct err *err)
{
	const struct queue queue = queue_at(look->app->node->redis, shard);
	size_t count = 0;
	enum err_code code =
		queue_gates(&queue, kind, gates, look->size - look->count, &count, err);

	for (size_t i = 0; i < count; i++) {
		look->seen[look->count++] = (struct seen){ gates[i], shard, false };
	}
	return code;
}

static enum err_code read_some(struct look *look, struct err *err)
{
	struct queue_gate *gates = mem_calloc(look->size, sizeof(*gates));
	enum err_code code = ERR_OK;

	look->count = 0;
	look->seen = mem_realloc(look->seen, look->size * sizeof(*look->seen));
	for (unsigned i = 0; code == ERR_OK && i < redis_shards(look->app->node->redis); i++) {
		code = read_kind(look, i, QUEUE_GATE_BUDGET, gates, err);
		if (code == ERR_OK) {
			code = read_kind(look, i, QUEUE_GATE_SOFT, gates, err);
		}
	}
	free(gates);
	return code;
}

static struct str place_of(unsigned shard, const char *name, char room[PLACE_SIZE])
{
	(void)snprintf(room, PLACE_SIZE, "%u %s", shard, name);
	return str_of(room);
}

/* All of them, or those that are not seen would stay for ever. */
static enum err_code read_gates(struct look *look, struct err *err)
{
	char place[PLACE_SIZE];
	enum err_code code;

	look->size = GATES_FIRST;
	while ((code = read_some(look, err)) == ERR_OK && look->count == look->size) {
		look->size *= 2;
	}
	for (size_t i = 0; code == ERR_OK && i < look->count; i++) {
		struct seen *seen = &look->seen[i];

		(void)map_put(look->places, place_of(seen->shard, seen->gate.name, place), seen);
	}
	return code;
}

/* True: it is there already. */
static bool stays(struct look *look, unsigned shard, const struct queue_gate *gate)
{
	char place[PLACE_SIZE];
	struct seen *seen = map_get(look->places, place_of(shard, gate->name, place));

	if (seen != NULL && seen->gate.kind == gate->kind) {
		seen->stays = true;
		return seen->gate.until_ms == gate->until_ms &&
		       strcmp(seen->gate.more, gate->more) == 0;
	}
	log_info(gate->kind == QUEUE_GATE_SOFT ? "budget.soft" : "budget.spent", "of=%s budget=%s",
	         gate->name, gate->more);
	return false;
}

static void describe(const struct look *look, const struct budget *budget,
                     enum queue_gate_kind kind, struct queue_gate *ret)
{
	static const enum queue_limit_kind kinds[BUDGET_KIND_COUNT] = {
		[BUDGET_TENANT] = QUEUE_LIMIT_TENANT,
		[BUDGET_PROJECT] = QUEUE_LIMIT_PROJECT,
		[BUDGET_USER] = QUEUE_LIMIT_USER,
	};
	struct limit limit = { .kind = kinds[budget->kind] };
	struct queue_limit of;
	char room[QUEUE_NAME_MAX + 1];

	_Static_assert(sizeof(limit.name) >= sizeof(budget->name), "a limit has as long a name");
	memcpy(limit.tenant, budget->tenant, sizeof(budget->tenant));
	memcpy(limit.name, budget->name, sizeof(budget->name));
	limit_of_queue(&limit, room, &of);
	*ret = (struct queue_gate){ .kind = kind,
		                    .until_ms =
		                            budget_ends_us(budget->period, look->now_us) / MILLI };
	queue_gate_name(&of, kind, ret->name);
	budget_text(budget, ret->more);
}

static enum err_code shut(struct look *look, const struct budget *budget, enum queue_gate_kind kind,
                          struct err *err)
{
	const struct queue queue = app_queue(look->app, budget->tenant);
	struct queue_gate gate;

	describe(look, budget, kind, &gate);
	return stays(look, queue.shard, &gate) ? ERR_OK : queue_gate_shut(&queue, &gate, err);
}

static bool is_of_same(const struct budget *a, const struct budget *b)
{
	return strcmp(a->tenant, b->tenant) == 0 && a->kind == b->kind &&
	       strcmp(a->name, b->name) == 0;
}

/*
 * Of several that are spent at the same time the last to end counts.  Rows come in their order:
 * those of one thing by period, and that is day, month, total.
 */
static bool is_followed(const struct budget *items, size_t count, size_t i, enum budget_level level)
{
	for (size_t k = i + 1; k < count && is_of_same(&items[k], &items[i]); k++) {
		if (budget_level_of(&items[k]) == level) {
			return true;
		}
	}
	return false;
}

static enum err_code take_page(struct look *look, const struct budget *items, size_t count,
                               struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		enum budget_level level = budget_level_of(&items[i]);

		look->levels[level]++;
		if (level != BUDGET_BELOW && !is_followed(items, count, i, level)) {
			code = shut(look, &items[i],
			            level == BUDGET_HARD ? QUEUE_GATE_BUDGET : QUEUE_GATE_SOFT,
			            err);
		}
	}
	return code;
}

/* The rows of one thing are not taken apart: what may go on in the next page waits for it. */
static size_t whole_of(const struct budget *items, size_t count)
{
	size_t n = count;

	while (n > 0 && is_of_same(&items[n - 1], &items[count - 1])) {
		n--;
	}
	return n > 0 ? n : count;
}

static enum err_code take_all(struct look *look, struct err *err)
{
	struct budget *items = mem_calloc(PAGE, sizeof(*items)), last;
	size_t count = PAGE;
	bool first = true;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && count == PAGE) {
		size_t whole;

		code = budget_list(look->app->node->pg, NULL, first ? NULL : &last, look->now_us,
		                   items, PAGE, &count, err);
		if (code != ERR_OK || count == 0) {
			break;
		}
		whole = count == PAGE ? whole_of(items, count) : count;
		code = take_page(look, items, whole, err);
		last = items[whole - 1];
		first = false;
	}
	free(items);
	return code;
}

static enum err_code open_others(struct look *look, struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < look->count; i++) {
		const struct seen *seen = &look->seen[i];
		const struct queue queue = queue_at(look->app->node->redis, seen->shard);

		if (!seen->stays) {
			log_info("budget.opened", "of=%s", seen->gate.name);
			code = queue_gate_open(&queue, &seen->gate, err);
		}
	}
	return code;
}

enum err_code budgets_turn(struct app *app, struct err *err)
{
	struct look look = { .app = app, .now_us = clock_wall_us() };
	enum err_code code;

	look.places = map_new();
	code = read_gates(&look, err);
	if (code == ERR_OK) {
		code = take_all(&look, err);
	}
	if (code == ERR_OK) {
		code = open_others(&look, err);
	}
	if (code == ERR_OK) {
		metric_set(METRIC_BUDGETS, "soft", (double)look.levels[BUDGET_SOFT]);
		metric_set(METRIC_BUDGETS, "hard", (double)look.levels[BUDGET_HARD]);
	}
	map_free(look.places);
	free(look.seen);
	return code;
}
