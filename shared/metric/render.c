/* Text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "metric/table.h"

enum { COLLECTORS_MAX = 8 };

static struct {
	void (*fn)(void *arg);
	void *arg;
} collectors[COLLECTORS_MAX];
static size_t collector_count;

void metric_on_render(void (*fn)(void *arg), void *arg)
{
	assert(collector_count < COLLECTORS_MAX);
	collectors[collector_count].fn = fn;
	collectors[collector_count++].arg = arg;
}

/* Whole numbers in full: %g would round a large counter. */
static void add_number(struct buf *out, double value)
{
	const double exact = 9007199254740992.0; /* 2^53 */

	if (value > -exact && value < exact && value - (double)(int64_t)value == 0) {
		buf_addf(out, "%" PRId64, (int64_t)value);
	} else {
		buf_addf(out, "%.12g", value);
	}
}

static void add_escaped(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\n') {
			buf_add_cstr(out, "\\n");
		} else {
			if (*s == '"' || *s == '\\') {
				buf_add_char(out, '\\');
			}
			buf_add_char(out, *s);
		}
	}
}

/* `{route="x",le="0.1"}`; bound NULL: without le. */
static void add_labels(struct buf *out, const struct metric_row *row,
                       const struct metric_series *series, const char *bound)
{
	struct str names = str_of(row->labels);
	const char *separator = "{";

	for (size_t i = 0; names.n > 0; i++) {
		struct str name = str_split(&names, ',');

		buf_addf(out, "%s%" STR_FMT "=\"", separator, STR_ARG(name));
		add_escaped(out, series->labels[i]);
		buf_add_char(out, '"');
		separator = ",";
	}
	if (bound != NULL) {
		buf_addf(out, "%sle=\"%s\"", separator, bound);
		separator = ",";
	}
	buf_add_cstr(out, *separator == ',' ? "} " : " ");
}

static void add_histogram(struct buf *out, const struct metric_row *row,
                          const struct metric_series *series)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		struct buf bound;

		buf_init(&bound, 32);
		if (i == METRIC_BUCKETS) {
			buf_add_cstr(&bound, "+Inf");
		} else {
			add_number(&bound, (double)metric_bound(row->type, i) / 1e6);
		}
		count += series->buckets != NULL ? series->buckets[i] : 0;
		buf_addf(out, "%s_bucket", row->name);
		add_labels(out, row, series, buf_cstr(&bound));
		buf_addf(out, "%" PRIu64 "\n", count);
		buf_fini(&bound);
	}
	buf_addf(out, "%s_sum", row->name);
	add_labels(out, row, series, NULL);
	add_number(out, series->value / 1e6);
	buf_addf(out, "\n%s_count", row->name);
	add_labels(out, row, series, NULL);
	buf_addf(out, "%" PRIu64 "\n", count);
}

static void add_series(struct buf *out, const struct metric_row *row,
                       const struct metric_series *series)
{
	if (metric_has_buckets(row->type)) {
		add_histogram(out, row, series);
		return;
	}
	buf_add_cstr(out, row->name);
	add_labels(out, row, series, NULL);
	add_number(out, series->value);
	buf_add_char(out, '\n');
}

void metric_collect(void)
{
	metric_collect_process();
	for (size_t i = 0; i < collector_count; i++) {
		collectors[i].fn(collectors[i].arg);
	}
}

void metric_render(struct buf *out)
{
	metric_collect();
	for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
		const struct metric_row *row = &metric_rows[id];
		const struct metric_series *series;

		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
		         metric_type_name(row->type));
		if (row->labels[0] == '\0') {
			add_series(out, row, &metric_plain[id]);
			continue;
		}
		for (size_t at = 0; (series = metric_nth(id, at)) != NULL; at++) {
			add_series(out, row, series);
		}
	}
}
