/* The metrics as data.  Private to shared/metric. */
#pragma once

#include "metric/metric.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_row {
	enum metric_type type;
	const char *name;
	const char *labels;
	const char *help;
};

extern const struct metric_row metric_rows[METRIC_COUNT];

/* Upper bounds in microseconds. */
extern const uint64_t metric_bounds[METRIC_BUCKETS];

const char *metric_type_name(enum metric_type type);

/* Series number `at` of a metric with labels, in the order they came; NULL past the last. */
const struct metric_series *metric_nth(enum metric_id id, size_t at);

void metric_collect_process(void);
