/* What an agent used, added up: usage and cost events, each with what it adds. */
#include <math.h>
#include <stdio.h>

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

/* How full it is now: no sum. */
static void add_context(struct jsonw *w, const struct json_value *usage, const char *name)
{
	int64_t value = json_as_i64(json_get(usage, name));

	if (value > 0) {
		jsonw_u64(w, name, (uint64_t)value);
	}
}

static void say_usage(struct session_adapter *a, const struct json_value *usage, struct buf *text)
{
	struct session_usage *total = &a->usage;
	const struct {
		const char *name;
		uint64_t *total;
	} rows[] = { { "input_tokens", &total->input },
		     { "output_tokens", &total->output },
		     { "cache_read_tokens", &total->cache_read },
		     { "cache_write_tokens", &total->cache_write },
		     { "reasoning_tokens", &total->reasoning } };
	uint64_t added[ARRAY_LEN(rows)];
	struct jsonw w;

	jsonw_init(&w, text);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "model", json_as_str(json_get(usage, "model")));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		added[i] = add(rows[i].total, usage, rows[i].name);
		jsonw_u64(&w, rows[i].name, *rows[i].total);
	}
	add_context(&w, usage, "context_used");
	add_context(&w, usage, "context_size");
	jsonw_object(&w, "added");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		jsonw_u64(&w, rows[i].name, added[i]);
	}
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	(void)session_say(a->run, EVENT_TYPE_USAGE, text);
}

static void say_cost(struct session_adapter *a, const struct json_value *usage, struct buf *text)
{
	double usd = json_as_f64(json_get(usage, "usd"));
	struct str source = json_as_str(json_get(usage, "source"));
	struct jsonw w;

	if (json_get(usage, "usd") == NULL || !isfinite(usd) || usd < 0) {
		return;
	}
	a->usage.usd += usd;
	jsonw_init(&w, text);
	jsonw_object(&w, NULL);
	write_usd(&w, "usd", a->usage.usd);
	write_usd(&w, "added_usd", usd);
	jsonw_str(&w, "model", json_as_str(json_get(usage, "model")));
	jsonw_str(&w, "source", source.n > 0 ? source : STR_LIT("agent"));
	jsonw_end_object(&w);
	(void)session_say(a->run, EVENT_TYPE_COST, text);
}

void session_usage_add(struct session_adapter *a, struct str usage)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(usage, &err);
	struct buf text;

	event_text_init(&text);
	say_usage(a, json, &text);
	say_cost(a, json, &text);
	buf_fini(&text);
}
