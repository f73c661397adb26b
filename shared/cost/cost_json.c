#include "cost/cost_json.h"

enum { PER_MILLION = 1000 }; /* thousands in it */

const char cost_usd_schema[] = "{\"type\":\"number\",\"minimum\":0,\"maximum\":1000000000,"
			       "\"description\":\"US dollars.\"}";

void cost_decode_usd(const struct json_value *value, const char *path, void *out,
                     struct arena *arena, struct json_problems *problems)
{
	int64_t *nano = out;

	if (json_type_of(value) != JSON_T_NUMBER || !cost_nano_of(json_as_f64(value), nano)) {
		json_problem_add(problems, arena, path, "must be a number from 0 to %d",
		                 COST_USD_MAX);
	}
}

void cost_write_usd(struct jsonw *w, const char *name, int64_t nano)
{
	char room[COST_TEXT_SIZE];

	jsonw_raw(w, name, cost_usd(nano, room));
}

void cost_write_sum(struct jsonw *w, const struct cost_sum *sum)
{
	const struct cost_tokens *tokens = &sum->tokens;

	jsonw_u64(w, "inputTokens", tokens->input);
	jsonw_u64(w, "outputTokens", tokens->output);
	jsonw_u64(w, "cacheReadTokens", tokens->cache_read);
	jsonw_u64(w, "cacheWriteTokens", tokens->cache_write);
	jsonw_u64(w, "reasoningTokens", tokens->reasoning);
	if (sum->known) {
		cost_write_usd(w, "usd", sum->nano);
	} else {
		jsonw_null(w, "usd");
	}
	cost_write_usd(w, "agentUsd", sum->agent_nano);
	cost_write_usd(w, "tableUsd", sum->nano - sum->agent_nano);
	jsonw_u64(w, "unpricedTokens", sum->unpriced);
	jsonw_u64(w, "sessions", sum->sessions);
}

void cost_write_price(struct jsonw *w, const struct cost_price *price)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "model", price->model);
	cost_write_usd(w, "input", price->input * PER_MILLION);
	cost_write_usd(w, "output", price->output * PER_MILLION);
	cost_write_usd(w, "cacheRead", price->cache_read * PER_MILLION);
	cost_write_usd(w, "cacheWrite", price->cache_write * PER_MILLION);
	jsonw_end_object(w);
}

/* ---- events ---- */

static uint64_t tokens_of(const struct json_value *added, const char *name)
{
	int64_t tokens = json_as_i64(json_get(added, name));

	return tokens > 0 && tokens <= COST_TOKENS_MAX ? (uint64_t)tokens : 0;
}

bool cost_use_decode(bool is_cost, const struct json_value *data, struct cost_use *ret)
{
	const struct json_value *added = json_get(data, "added");
	struct cost_tokens *tokens = &ret->tokens;
	struct str model = json_as_str(json_get(data, "model"));

	ret->model = model.n <= COST_MODEL_MAX ? model : str_make(model.p, COST_MODEL_MAX);
	if (is_cost) {
		const struct json_value *usd = json_get(data, "added_usd");

		ret->source = cost_source_of(json_as_str(json_get(data, "source")));
		ret->has_nano = ret->source != COST_UNKNOWN && json_type_of(usd) == JSON_T_NUMBER &&
		                cost_nano_of(json_as_f64(usd), &ret->nano);
		return ret->has_nano;
	}
	ret->source = cost_source_of(json_as_str(json_get(data, "priced")));
	tokens->input = tokens_of(added, "input_tokens");
	tokens->output = tokens_of(added, "output_tokens");
	tokens->cache_read = tokens_of(added, "cache_read_tokens");
	tokens->cache_write = tokens_of(added, "cache_write_tokens");
	tokens->reasoning = tokens_of(added, "reasoning_tokens");
	return tokens->input + tokens->output + tokens->cache_read + tokens->cache_write +
	               tokens->reasoning >
	       0;
}
