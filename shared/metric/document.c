/* docs/metrics.md, from the table. */
#include "base/buf.h"
#include "base/str.h"
#include "metric/table.h"

/* The table as it is read: titles between metrics. */
static const struct document_row {
	const char *title; /* NULL: a metric */
	enum metric_id id;
} document_rows[] = {
#define GROUP(title)                        { title, METRIC_COUNT },
#define X(metric, type, name, labels, help) { NULL, METRIC_##metric },
#include "metric/metric.def"
#undef X
#undef GROUP
};

static const char document_intro[] =
	"# Metrics\n\n"
	"<!-- Made from shared/metric/metric.def; run tools/docs-update to renew it. -->\n\n"
	"Every process serves these at `/metrics` in the Prometheus text format (0.0.4): API nodes "
	"and "
	"streamers on their own port, schedulers and workers where `metrics.listen` says. All "
	"programs share "
	"one table; what a program does not do stays 0.\n\n"
	"A metric with labels has at most 1024 series; what comes after that is counted under "
	"`other`, so "
	"the page stays bounded. Durations are histograms in seconds with buckets from 10 "
	"microseconds to 30 seconds; of a *long* histogram from 10 milliseconds to 8 hours 20 "
	"minutes. What to look at, and what alerts mean: [monitoring.md](monitoring.md).\n";

static void document_metric(struct buf *out, const struct metric_row *row)
{
	struct str labels = str_of(row->labels);
	const char *separator = "";

	buf_addf(out, "| `%s` | %s%s | ", row->name, row->type == METRIC_LONG ? "long " : "",
	         metric_type_name(row->type));
	while (labels.n > 0) {
		struct str label = str_split(&labels, ',');

		buf_addf(out, "%s`%" STR_FMT "`", separator, STR_ARG(label));
		separator = ", ";
	}
	buf_addf(out, " | %s |\n", row->help);
}

void metric_document(struct buf *out)
{
	buf_add_cstr(out, document_intro);
	for (size_t i = 0; i < ARRAY_LEN(document_rows); i++) {
		if (document_rows[i].title == NULL) {
			document_metric(out, &metric_rows[document_rows[i].id]);
			continue;
		}
		buf_addf(out, "\n## %s\n\n| Name | Type | Labels | Meaning |\n|---|---|---|---|\n",
		         document_rows[i].title);
	}
}
