/* What an agent used, added up: usage and cost events, each with what it adds. */
#include <math.h>
#include <stdio.h>

#include "cost/cost_store.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/session_adapter.h"

static uint64_t add(uint64_t *total, const struct json_value *usage, const char *name)
{
	int64_t more = json_as_i64(json_get(usage, name));

	*total += more > 0 ? (uint64_t)more : 0;
	return more > 0 ? (uint64_t)more : 0;
}

static void write_usd(struct jsonw *w, const char *name, double usd)
{
	char text[40];
	int n = snprintf(text, sizeof(text), "%.9g", usd);

	jsonw_raw(w, name, str_make(text, n > 0 ? (size_t)n : 0));
}

/* What one report adds. */
struct report {
	struct str model;
	struct cost_tokens tokens;
	bool any; /* tokens */
	enum cost_source source;
	double usd;                         /* unless the source is unknown */
	int64_t context_used, context_size; /* how full it is now: no sums */
};

static void add_all(struct session_usage *total, const struct json_value *usage,
                    struct report *report)
{
	struct cost_tokens *added = &report->tokens;

	added->input = add(&total->input, usage, "input_tokens");
	added->output = add(&total->output, usage, "output_tokens");
	added->cache_read = add(&total->cache_read, usage, "cache_read_tokens");
	added->cache_write = add(&total->cache_write, usage, "cache_write_tokens");
	added->reasoning = add(&total->reasoning, usage, "reasoning_tokens");
	report->any = added->input + added->output + added->cache_read + added->cache_write +
	                      added->reasoning >
	              0;
}

/* What the agent says counts; once it says so, nothing is counted twice by looking prices up. */
static void set_price(struct session_adapter *a, const struct json_value *usage,
                      struct report *report)
{
	const struct json_value *usd = json_get(usage, "usd");
	struct cost_price price;

	report->usd = json_as_f64(usd);
	if (json_type_of(usd) == JSON_T_NUMBER && isfinite(report->usd) && report->usd >= 0) {
		a->usage.priced = true;
	}
	report->source = COST_UNKNOWN;
	if (a->usage.priced) {
		report->source = COST_AGENT;
		report->usd = report->usd > 0 && isfinite(report->usd) ? report->usd : 0;
	} else if (cost_price_find(&a->run->host->prices.known, report->model, &price)) {
		report->source = COST_TABLE;
		report->usd = (double)cost_of(&price, &report->tokens) / (double)COST_NANO;
	}
}

static void write_tokens(struct jsonw *w, const struct cost_tokens *tokens)
{
	jsonw_u64(w, "input_tokens", tokens->input);
	jsonw_u64(w, "output_tokens", tokens->output);
	jsonw_u64(w, "cache_read_tokens", tokens->cache_read);
	jsonw_u64(w, "cache_write_tokens", tokens->cache_write);
	jsonw_u64(w, "reasoning_tokens", tokens->reasoning);
}

static void say_usage(struct session_adapter *a, const struct report *report, struct buf *text)
{
	const struct session_usage *total = &a->usage;
	const struct cost_tokens all = { total->input, total->output, total->cache_read,
		                         total->cache_write, total->reasoning };
	struct jsonw w;

	jsonw_init(&w, text);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "model", report->model);
	write_tokens(&w, &all);
	if (report->context_used > 0) {
		jsonw_i64(&w, "context_used", report->context_used);
	}
	if (report->context_size > 0) {
		jsonw_i64(&w, "context_size", report->context_size);
	}
	jsonw_object(&w, "added");
	write_tokens(&w, &report->tokens);
	jsonw_end_object(&w);
	if (report->any) {
		jsonw_cstr(&w, "priced", cost_source_name(report->source));
	}
	jsonw_end_object(&w);
	(void)session_say(a->run, EVENT_TYPE_USAGE, text);
}

static void say_cost(struct session_adapter *a, const struct report *report, struct buf *text)
{
	int64_t nano;
	struct jsonw w;

	if (report->source == COST_UNKNOWN || (!report->any && report->usd <= 0)) {
		return;
	}
	a->usage.usd += report->usd;
	if (cost_nano_of(report->usd, &nano)) {
		session_budget_use(a->run, nano);
	}
	jsonw_init(&w, text);
	jsonw_object(&w, NULL);
	write_usd(&w, "usd", a->usage.usd);
	write_usd(&w, "added_usd", report->usd);
	jsonw_str(&w, "model", report->model);
	jsonw_cstr(&w, "source", cost_source_name(report->source));
	jsonw_end_object(&w);
	(void)session_say(a->run, EVENT_TYPE_COST, text);
}

/* Whoever gave it a budget takes it for a limit. */
static void say_unpriced(struct session_adapter *a, const struct report *report, struct buf *text)
{
	const struct session_budget *budget = &a->run->budget;
	struct jsonw w;

	if (report->source != COST_UNKNOWN || !report->any || a->usage.unpriced ||
	    (budget->soft == 0 && budget->hard == 0)) {
		return;
	}
	a->usage.unpriced = true;
	jsonw_init(&w, text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "message",
	           arena_printf(a->run->arena,
	                        "The model %.*s has no price: its tokens do not count for the "
	                        "budget of this session.",
	                        report->model.n < COST_MODEL_MAX ? (int)report->model.n
	                                                         : COST_MODEL_MAX,
	                        report->model.p));
	jsonw_end_object(&w);
	(void)session_say(a->run, EVENT_TYPE_NOTE, text);
}

void session_usage_add(struct session_adapter *a, struct str usage)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(usage, &err);
	struct report report = { .model = json_as_str(json_get(json, "model")),
		                 .context_used = json_as_i64(json_get(json, "context_used")),
		                 .context_size = json_as_i64(json_get(json, "context_size")) };
	struct buf text;

	event_text_init(&text);
	add_all(&a->usage, json, &report);
	set_price(a, json, &report);
	say_usage(a, &report, &text);
	say_cost(a, &report, &text);
	say_unpriced(a, &report, &text);
	session_budget_check(a->run);
	buf_fini(&text);
}
