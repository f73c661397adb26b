#include "scheduler/backlog.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "event/backlog.h"
#include "log/log.h"
#include "scheduler/app.h"
#include "scheduler/handover.h"
#include "scheduler/looks.h"
#include "session/session_trail.h"

enum { PAGE = 128, PAGES = 8 };

struct sum {
	uint64_t bytes;
};

static void add(struct backlog *backlog, struct str tenant, uint64_t bytes)
{
	struct sum *sum;

	if (backlog->sums == NULL) {
		backlog->sums = map_new();
	}
	sum = map_get(backlog->sums, tenant);
	if (sum == NULL) {
		sum = mem_calloc(1, sizeof(*sum));
		(void)map_put(backlog->sums, tenant, sum);
	}
	sum->bytes += bytes;
}

void backlog_fini(struct backlog *backlog)
{
	struct str tenant;
	size_t at = 0;
	void *sum;

	while (backlog->sums != NULL && map_next(backlog->sums, &at, &tenant, &sum)) {
		free(sum);
	}
	map_free(backlog->sums);
	*backlog = (struct backlog){ .sums = NULL };
}

static enum err_code walk_page(struct app *app, size_t *ret_count, struct err *err)
{
	struct arena *arena = arena_new();
	struct session_trails trails;
	struct log_look *looks;
	uint64_t pass_ms = HANDOVER_PASS_MS, begun_ms;
	enum err_code code;

	handover_let_pass(app, &pass_ms);
	begun_ms = clock_mono_ms();
	code = session_trail_list(app->node->pg, &app->backlog.after, PAGE, arena, &trails, err);
	if (code == ERR_OK) {
		looks = trails_look(&trails, arena);
		code = log_heads_get(&app->node->store, looks, trails.count, err);
	}
	for (size_t i = 0; code == ERR_OK && i < trails.count; i++) {
		const struct session_trail *trail = &trails.items[i];
		const struct log_head *head = &looks[i].head;

		if (looks[i].err.code != ERR_OK) {
			(void)!duty_item_failed(trail->id.s, looks[i].err.code, &looks[i].err);
		} else if (head->found && head->unarchived > 0) {
			add(&app->backlog, trail->tenant, head->unarchived);
		}
		app->backlog.after = trail->id;
	}
	*ret_count = code == ERR_OK ? trails.count : 0;
	arena_free(arena);
	duty_rest(begun_ms);
	return code;
}

/* Part of a sum is enough to be over the limit, only a whole one to be below it again. */
static void judge(const struct backlog *backlog, uint64_t max, struct backlog_marks *ret)
{
	struct str tenant;
	size_t at = 0;
	void *value;

	while (backlog->sums != NULL && map_next(backlog->sums, &at, &tenant, &value)) {
		const struct sum *sum = value;

		if (sum->bytes > max && ret->over_count < BACKLOG_TENANTS_MAX) {
			ret->over[ret->over_count++] = tenant;
		} else if (sum->bytes >= max / 4 * 3 && ret->near_count < BACKLOG_TENANTS_MAX) {
			ret->near[ret->near_count++] = tenant;
		}
	}
}

enum err_code backlog_turn(struct app *app, struct err *err)
{
	struct backlog_marks marks = { .whole = false };
	enum err_code code = ERR_OK, marked;
	size_t count = PAGE;
	struct err why;

	for (unsigned i = 0; code == ERR_OK && i < PAGES && count == PAGE; i++) {
		code = walk_page(app, &count, err);
	}
	marks.whole = code == ERR_OK && count < PAGE;
	judge(&app->backlog, app->node->conf.tenant_unarchived_max, &marks);
	/* Also when the walk cannot go on: a PostgreSQL that is away frees nobody. */
	marked = backlog_mark(app->node->redis, &marks, &why);
	if (marks.whole) {
		backlog_fini(&app->backlog);
	}
	if (code == ERR_OK && marked != ERR_OK) {
		*err = why;
		return marked;
	}
	return code;
}
