#include "metric/metric.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "metric/table.h"

enum { SLOTS = 2 * METRIC_SERIES_MAX };

const struct metric_row metric_rows[METRIC_COUNT] = {
#define GROUP(title)
#define X(id, type, name, labels, help) [METRIC_##id] = { METRIC_##type, name, labels, help },
#include "metric/metric.def"
#undef X
#undef GROUP
};

static const uint64_t bounds[METRIC_BUCKETS] = {
	10,    25,    50,     100,    250,    500,     1000,    2500,    5000,     10000,
	25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
};

enum { LONGER = 1000 };

struct metric_series metric_plain[METRIC_COUNT];

/* The series of a metric with labels; open addressing over their hash. */
static struct family {
	size_t count;
	struct metric_series *series[METRIC_SERIES_MAX];
	uint16_t slots[SLOTS]; /* index + 1 */
} * families[METRIC_COUNT];

const char *metric_type_name(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER: return "counter";
	case METRIC_GAUGE: return "gauge";
	case METRIC_HISTOGRAM:
	case METRIC_LONG: break;
	}
	return "histogram";
}

static uint64_t *new_buckets(enum metric_id id)
{
	return metric_has_buckets(metric_rows[id].type)
	               ? mem_calloc(METRIC_BUCKETS + 1, sizeof(uint64_t))
	               : NULL;
}

static size_t hash(const char *const labels[METRIC_LABELS_MAX])
{
	size_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
		for (const char *s = labels[i]; *s != '\0'; s++) {
			h = (h ^ (unsigned char)*s) * 0x100000001b3u;
		}
		h = (h ^ 0xff) * 0x100000001b3u;
	}
	return h;
}

static bool fit(const char *const labels[METRIC_LABELS_MAX])
{
	for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
		if (strnlen(labels[i], METRIC_LABEL_MAX) == METRIC_LABEL_MAX ||
		    !str_is_utf8(str_of(labels[i]))) {
			return false;
		}
	}
	return true;
}

static bool same(const struct metric_series *series, const char *const labels[METRIC_LABELS_MAX])
{
	for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
		if (strcmp(series->labels[i], labels[i]) != 0) {
			return false;
		}
	}
	return true;
}

static struct metric_series *add_series(enum metric_id id, uint16_t *slot,
                                        const char *const labels[METRIC_LABELS_MAX])
{
	struct family *family = families[id];
	struct metric_series *series = mem_calloc(1, sizeof(*series));

	series->buckets = new_buckets(id);
	for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
		(void)str_copy(series->labels[i], METRIC_LABEL_MAX, str_of(labels[i]));
	}
	family->series[family->count++] = series;
	*slot = (uint16_t)family->count;
	return series;
}

/* The series, or NULL and the free slot where it would go. */
static struct metric_series *find(const struct family *family,
                                  const char *const labels[METRIC_LABELS_MAX], size_t *ret_slot)
{
	size_t at = hash(labels) % SLOTS;

	for (; family->slots[at] != 0; at = (at + 1) % SLOTS) {
		struct metric_series *series = family->series[family->slots[at] - 1];

		if (same(series, labels)) {
			return series;
		}
	}
	*ret_slot = at;
	return NULL;
}

static struct metric_series *find_or_add(enum metric_id id, const char *labels[METRIC_LABELS_MAX])
{
	struct family *family = families[id];
	size_t slot = 0;
	struct metric_series *series = find(family, labels, &slot);

	if (series != NULL) {
		return series;
	}
	/* the last place is kept for "other" */
	if (!fit(labels) || family->count >= METRIC_SERIES_MAX - 1) {
		for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
			labels[i] = labels[i][0] != '\0' ? "other" : "";
		}
		series = find(family, labels, &slot);
	}
	return series != NULL ? series : add_series(id, &family->slots[slot], labels);
}

static size_t label_count(enum metric_id id)
{
	size_t count = metric_rows[id].labels[0] != '\0';

	for (const char *c = metric_rows[id].labels; *c != '\0'; c++) {
		count += *c == ',';
	}
	return count;
}

struct metric_series *metric_series3(enum metric_id id, const char *label, const char *second,
                                     const char *third)
{
	const char *labels[METRIC_LABELS_MAX] = { label, second, third };
	size_t count = label_count(id);

	for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
		assert((labels[i] != NULL) == (i < count));
		labels[i] = i < count ? labels[i] : "";
	}
	if (count == 0) {
		return &metric_plain[id];
	}
	if (families[id] == NULL) {
		families[id] = mem_calloc(1, sizeof(*families[id]));
	}
	return find_or_add(id, labels);
}

struct metric_series *metric_series(enum metric_id id, const char *label, const char *second)
{
	return metric_series3(id, label, second, NULL);
}

const struct metric_series *metric_nth(enum metric_id id, size_t at)
{
	return families[id] != NULL && at < families[id]->count ? families[id]->series[at] : NULL;
}

static const struct metric_series *series_at(enum metric_id id, size_t at)
{
	if (metric_rows[id].labels[0] == '\0') {
		return at == 0 ? &metric_plain[id] : NULL;
	}
	return metric_nth(id, at);
}

static bool is_asked(const struct metric_series *series, const char *last)
{
	size_t label = METRIC_LABELS_MAX;

	while (label > 0 && series->labels[label - 1][0] == '\0') {
		label--;
	}
	return last == NULL || (label > 0 && strcmp(series->labels[label - 1], last) == 0);
}

double metric_sum(enum metric_id id, const char *last)
{
	const struct metric_series *series;
	double sum = 0;

	for (size_t at = 0; (series = series_at(id, at)) != NULL; at++) {
		sum += is_asked(series, last) ? series->value : 0;
	}
	return sum;
}

static double observed(const struct metric_series *series)
{
	double count = series->buckets == NULL;

	for (size_t i = 0; series->buckets != NULL && i <= METRIC_BUCKETS; i++) {
		count += (double)series->buckets[i];
	}
	return count;
}

double metric_count(enum metric_id id, const char *last)
{
	const struct metric_series *series;
	double count = 0;

	for (size_t at = 0; (series = series_at(id, at)) != NULL; at++) {
		count += is_asked(series, last) ? observed(series) : 0;
	}
	return count;
}

void metric_inc2(enum metric_id id, const char *label, const char *second)
{
	metric_series(id, label, second)->value += 1;
}

uint64_t metric_bound(enum metric_type type, size_t bucket)
{
	return bounds[bucket] * (type == METRIC_LONG ? LONGER : 1);
}

static void observe(struct metric_series *series, uint64_t us, uint64_t longer, uint64_t times)
{
	size_t bucket = 0;

	while (bucket < METRIC_BUCKETS && us > bounds[bucket] * longer) {
		bucket++;
	}
	series->buckets[bucket] += times;
	series->value += (double)us * (double)times;
}

void metric_observe_times(struct metric_series *series, uint64_t us, uint64_t times)
{
	observe(series, us, 1, times);
}

void metric_observe_us(enum metric_id id, const char *label, uint64_t us)
{
	struct metric_series *series = metric_at(id, label);

	if (series->buckets == NULL) {
		series->buckets = new_buckets(id);
	}
	observe(series, us, metric_rows[id].type == METRIC_LONG ? LONGER : 1, 1);
}

void metric_setup(const char *program, const char *version)
{
	int64_t now_ms = clock_wall_us() / 1000;

	metric_series(METRIC_BUILD_INFO, program, version)->value = 1;
	metric_set(METRIC_PROCESS_START, NULL, (double)now_ms / 1000);
}
