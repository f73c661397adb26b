#include "scheduler/spend.h"

#include <string.h>

#include "cost/cost_json.h"
#include "cost/price_keys.h"
#include "event/log.h"
#include "metric/metric.h"
#include "scheduler/app.h"
#include "session/session_store.h"
#include "session/session_trail.h"

enum { MICRO = 1000 };

static bool is_cost(const struct log_event *event)
{
	return str_eq(event->type, STR_LIT("cost"));
}

bool spend_concerns(const struct log_event *event)
{
	return is_cost(event) || str_eq(event->type, STR_LIT("usage"));
}

static void count(const struct cost_use *use)
{
	const struct cost_tokens *tokens = &use->tokens;
	const struct {
		const char *kind;
		uint64_t tokens;
	} all[] = { { "input", tokens->input },
		    { "output", tokens->output },
		    { "cache_read", tokens->cache_read },
		    { "cache_write", tokens->cache_write } };
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].tokens > 0) {
			any = true;
			metric_add(METRIC_USAGE_TOKENS, all[i].kind, (double)all[i].tokens);
		}
	}
	if (use->has_nano) {
		metric_add(METRIC_USAGE_USD, cost_source_name(use->source),
		           (double)use->nano / (double)COST_NANO);
	} else if (any) {
		metric_inc(METRIC_USAGE_UNPRICED, NULL);
	}
}

enum err_code spend_follow(struct app *app, const struct session_trail *trail,
                           const struct log_event *event, const struct json_value *data,
                           struct err *err)
{
	struct cost_use use = { .tenant = trail->tenant.p,
		                .session = trail->id,
		                .epoch = event->at.epoch,
		                .n = event->at.n,
		                .at_us = event->ts_ms * MICRO };
	bool counted = false;
	enum err_code code;

	if (!cost_use_decode(is_cost(event), data, &use)) {
		return ERR_OK;
	}
	code = cost_use_add(app->node->pg, &use, &counted, err);
	if (code == ERR_OK && counted) {
		count(&use);
	}
	return code;
}

enum err_code spend_prices_turn(struct app *app, struct err *err)
{
	struct arena *arena = arena_new();
	struct cost_prices prices;
	enum err_code code = cost_prices_list(app->node->pg, arena, &prices, err);

	if (code == ERR_OK) {
		code = cost_prices_write(app->node->redis, &prices, err);
	}
	arena_free(arena);
	return code;
}

enum err_code spend_before(struct app *app, const struct session *row, uint64_t *ret,
                           struct err *err)
{
	static const char word[] = "\"budget\"";

	*ret = 0;
	return memmem(row->agent.p, row->agent.n, word, sizeof(word) - 1) == NULL
	               ? ERR_OK
	               : cost_spent(app->node->pg, row->tenant.p, &row->id, ret, err);
}
