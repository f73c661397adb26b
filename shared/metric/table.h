/* The metrics as data.  Private to shared/metric. */
#pragma once

#include <stdbool.h>

#include "metric/metric.h"

/* LONG: a histogram with a thousand times longer bounds. */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_LONG };

struct metric_row {
	enum metric_type type;
	const char *name;
	const char *labels;
	const char *help;
};

extern const struct metric_row metric_rows[METRIC_COUNT];

static inline bool metric_has_buckets(enum metric_type type)
{
	return type == METRIC_HISTOGRAM || type == METRIC_LONG;
}

/* Upper bound of a bucket in microseconds. */
uint64_t metric_bound(enum metric_type type, size_t bucket);

const char *metric_type_name(enum metric_type type);

/* Series number `at` of a metric with labels, in the order they came; NULL past the last. */
const struct metric_series *metric_nth(enum metric_id id, size_t at);

void metric_collect_process(void);
