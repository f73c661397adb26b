/*
 * Metrics: metric.def is the table, metric_render() the page for Prometheus.
 *
 *	metric_inc(METRIC_EVENTS_APPENDED, NULL);
 *	metric_inc(METRIC_REDIS_ERRORS, err_name(code));
 *	metric_observe_us(METRIC_SCHEDULE_LAG, NULL, us);
 *	metric_add(METRIC_EVENTS_APPENDED, NULL, 1)   is one addition
 *
 * A metric without labels takes NULL.  Label values are copied once and then found by hash; hot
 * paths keep the series that metric_series() returns.  A metric has at most METRIC_SERIES_MAX
 * series: whatever comes then, and values that are too long or not UTF-8, is counted under "other",
 * so a mistake costs a name and never the memory.  Counters only grow.
 *
 * For the loop's thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct buf;

enum metric_id {
#define GROUP(title)
#define X(id, type, name, labels, help) METRIC_##id,
#include "metric/metric.def"
#undef X
#undef GROUP
	METRIC_COUNT
};

/* As many series as all routes with all their status classes have. */
enum {
	METRIC_SERIES_MAX = 1024,
	METRIC_LABELS_MAX = 3,
	METRIC_LABEL_MAX = 64,
	METRIC_BUCKETS = 20
};

/* One line of the page, or for a histogram one set of buckets. Lives as long as the process. */
struct metric_series {
	double value;      /* with buckets: sum in microseconds */
	uint64_t *buckets; /* HISTOGRAM, LONG: METRIC_BUCKETS + 1 counts, not yet cumulated; else
	                      NULL */
	char labels[METRIC_LABELS_MAX][METRIC_LABEL_MAX];
};

extern struct metric_series metric_plain[METRIC_COUNT]; /* of metrics without labels */

/* Series with these label values; NULL where the metric has fewer labels. Never fails. */
struct metric_series *metric_series(enum metric_id id, const char *label, const char *second);
struct metric_series *metric_series3(enum metric_id id, const char *label, const char *second,
                                     const char *third);

static inline struct metric_series *metric_at(enum metric_id id, const char *label)
{
	return label == NULL ? &metric_plain[id] : metric_series(id, label, NULL);
}

static inline void metric_add(enum metric_id id, const char *label, double n)
{
	metric_at(id, label)->value += n;
}

static inline void metric_inc(enum metric_id id, const char *label)
{
	metric_at(id, label)->value += 1;
}

static inline void metric_dec(enum metric_id id, const char *label) /* GAUGE */
{
	metric_at(id, label)->value -= 1;
}

/* GAUGE, or a COUNTER that is kept elsewhere and copied when asked for. */
static inline void metric_set(enum metric_id id, const char *label, double value)
{
	metric_at(id, label)->value = value;
}

void metric_inc2(enum metric_id id, const char *label, const char *second); /* two labels */
void metric_observe_us(enum metric_id id, const char *label, uint64_t us);  /* HISTOGRAM, LONG */
/* HISTOGRAM: the same, that many times at once, with the series at hand. */
void metric_observe_times(struct metric_series *series, uint64_t us, uint64_t times);

/* Fill build_info and the start time. */
void metric_setup(const char *program, const char *version);

/* Called before each page, to copy figures that live elsewhere (a pool's size, log_stats()). At
 * most 8. */
void metric_on_render(void (*fn)(void *arg), void *arg);

/* Copies them, and those of the process, as before each page. */
void metric_collect(void);

/* Of all its series, or those with that as their last label; of a histogram the microseconds. */
double metric_sum(enum metric_id id, const char *last);
/* Likewise: of a histogram how much was observed, else how many series there are. */
double metric_count(enum metric_id id, const char *last);

/* The page: text format 0.0.4, Content-Type METRIC_CONTENT_TYPE. */
#define METRIC_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metric_render(struct buf *out);

void metric_document(struct buf *out); /* docs/metrics.md */
