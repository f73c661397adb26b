/* The end of a turn, and what it used. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/claude.h"

/* ---- use ---- */

static struct claude_model *model_of(struct adapter *c, struct str name)
{
	for (size_t i = 0; i < c->model_count; i++) {
		if (str_eq(str_of(c->models[i].name), name)) {
			return &c->models[i];
		}
	}
	if (c->model_count == CLAUDE_MODELS_MAX || name.n >= sizeof(c->models[0].name)) {
		return NULL;
	}
	c->models = mem_realloc(c->models, (c->model_count + 1) * sizeof(*c->models));
	memset(&c->models[c->model_count], 0, sizeof(*c->models));
	(void)str_copy(c->models[c->model_count].name, sizeof(c->models[0].name), name);
	return &c->models[c->model_count++];
}

/* What a number that only grows has grown by. */
static uint64_t grown(uint64_t *kept, const struct json_value *use, const char *name)
{
	int64_t now = json_as_i64(json_get(use, name));
	uint64_t more = now > 0 && (uint64_t)now > *kept ? (uint64_t)now - *kept : 0;

	*kept += more;
	return more;
}

static void say_use(struct claude_model *model, const struct json_value *use,
                    struct adapter_out *out)
{
	double usd = json_as_f64(json_get(use, "costUSD")), more = usd - model->usd;
	uint64_t input = grown(&model->input, use, "inputTokens");
	uint64_t output = grown(&model->output, use, "outputTokens");
	uint64_t read = grown(&model->cache_read, use, "cacheReadInputTokens");
	uint64_t written = grown(&model->cache_write, use, "cacheCreationInputTokens");
	char cost[40];
	struct jsonw w;
	struct buf text;

	if (input + output + read + written == 0 && !(more > 0)) {
		return;
	}
	model->usd = more > 0 ? usd : model->usd;
	(void)snprintf(cost, sizeof(cost), "%.9g", more > 0 ? more : 0);
	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "model", model->name);
	jsonw_u64(&w, "input_tokens", input);
	jsonw_u64(&w, "output_tokens", output);
	jsonw_u64(&w, "cache_read_tokens", read);
	jsonw_u64(&w, "cache_write_tokens", written);
	jsonw_u64(&w, "reasoning_tokens", 0);
	jsonw_raw(&w, "usd", str_of(cost));
	jsonw_cstr(&w, "source", "agent");
	jsonw_end_object(&w);
	adapter_out_usage(out, &text);
	buf_fini(&text);
}

/* By model, since the process began: sub-agents and turns without a result are in it. */
static void say_uses(struct adapter *c, const struct json_value *uses, struct adapter_out *out)
{
	const struct json_value *use;
	struct str name;
	void *at = NULL;

	while (json_next(uses, &at, &name, &use)) {
		struct claude_model *model = model_of(c, name);

		if (model != NULL) {
			say_use(model, use, out);
		}
	}
}

/* ---- why it ended ---- */

static bool was_aborted(const struct json_value *line)
{
	return str_starts(claude_member(line, "terminal_reason"), STR_LIT("aborted"));
}

static struct str stop_reason(const struct json_value *line)
{
	struct str subtype = claude_member(line, "subtype");
	struct str reason = claude_member(line, "stop_reason");

	if (was_aborted(line)) {
		return STR_LIT("interrupted");
	}
	if (str_eq(subtype, STR_LIT("error_max_turns"))) {
		return STR_LIT("max_turns");
	}
	if (json_as_bool(json_get(line, "is_error"))) {
		return STR_LIT("error");
	}
	return reason.n > 0 && reason.n < 64 ? reason : STR_LIT("end_turn");
}

static void say_failure(const struct json_value *line, struct adapter_out *out)
{
	const struct json_value *errors = json_get(line, "errors");
	struct str message = claude_member(line, "result");
	struct str subtype = claude_member(line, "subtype");

	if (message.n == 0) {
		message = json_as_str(json_at(errors, 0));
	}
	adapter_say_error(out,
	                  str_eq(subtype, STR_LIT("success")) ? STR_LIT("agent_error") : subtype,
	                  message.n > 0 ? message : STR_LIT("the turn failed"));
}

void claude_result(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	struct str reason = stop_reason(line);

	claude_asks_end(c, out);
	claude_tools_end(c, reason, out);
	say_uses(c, json_get(line, "modelUsage"), out);
	if (str_eq(reason, STR_LIT("error")) || str_eq(reason, STR_LIT("max_turns"))) {
		say_failure(line, out);
	}
	c->turn = false;
	adapter_out_turn_end(out, reason);
}
