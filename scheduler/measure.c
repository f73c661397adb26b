#include "scheduler/measure.h"

#include "metric/metric.h"
#include "scheduler/app.h"

enum err_code measure_turn(struct app *app, struct err *err)
{
	double in[QUEUE_SET_COUNT] = { 0 };

	for (unsigned shard = 0; shard < QUEUE_SHARDS; shard++) {
		const struct queue queue = { app->node->redis, shard };
		struct queue_counts counts;
		enum err_code code = queue_count(&queue, &counts, err);

		if (code != ERR_OK) {
			return code;
		}
		for (unsigned i = QUEUE_READY; i < QUEUE_DONE; i++) {
			in[i] += (double)counts.in[i];
		}
	}
	for (unsigned i = QUEUE_READY; i < QUEUE_DONE; i++) {
		metric_set(METRIC_QUEUE_DEPTH, queue_set_name((enum queue_set)i), in[i]);
	}
	return ERR_OK;
}
