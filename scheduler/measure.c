#include "scheduler/measure.h"

#include <string.h>

#include "base/clock.h"
#include "metric/metric.h"
#include "queue/demand.h"
#include "queue/queue_gate.h"
#include "redis/redis.h"
#include "schedule/schedule_store.h"
#include "scheduler/app.h"
#include "session/session.h"

/* ---- by what is needed ---- */

/* The place of a class, MEASURE_CLASSES for those that have none of their own. */
static size_t place_of(struct measure *measure, const char *needs)
{
	const char *name = needs[0] != '\0' ? needs : "any";
	size_t i = 0;

	while (i < measure->count && strcmp(measure->names[i], name) != 0) {
		i++;
	}
	if (i == MEASURE_CLASSES ||
	    (i == measure->count &&
	     !str_copy(measure->names[i], MEASURE_NAME_SIZE, str_of(name)))) {
		return MEASURE_CLASSES;
	}
	measure->count += i == measure->count;
	return i;
}

static void set_classes(struct measure *measure, const struct demands *demands)
{
	double ready[MEASURE_CLASSES + 1] = { 0 }, oldest[MEASURE_CLASSES + 1] = { 0 };

	for (size_t i = 0; i < demands->count; i++) {
		const struct demand *item = &demands->items[i];
		size_t at = place_of(measure, item->needs);
		double seconds = (double)item->oldest_ms / 1000;

		ready[at] += (double)item->ready;
		oldest[at] = seconds > oldest[at] ? seconds : oldest[at];
	}
	for (size_t i = 0; i <= measure->count; i++) {
		size_t at = i < measure->count ? i : MEASURE_CLASSES;
		const char *name = i < measure->count ? measure->names[i] : "other";

		metric_set(METRIC_QUEUE_READY, name, ready[at]);
		metric_set(METRIC_QUEUE_OLDEST, name, oldest[at]);
	}
}

/* ---- the workers ---- */

static void set_fleet(const struct fleet *fleet)
{
	unsigned ready = 0, draining = 0, cordoned = 0, used = 0, free_slots = 0;

	for (size_t i = 0; i < fleet->count; i++) {
		const struct lease_worker *worker = &fleet->workers[i];
		unsigned working = fleet->uses[i].working;

		used += working;
		if (worker->cordoned) {
			cordoned++;
		} else if (worker->draining) {
			draining++;
		} else {
			ready++;
			free_slots += worker->slots > working ? worker->slots - working : 0;
		}
	}
	metric_set(METRIC_WORKERS, "ready", ready);
	metric_set(METRIC_WORKERS, "draining", draining);
	metric_set(METRIC_WORKERS, "cordoned", cordoned);
	metric_set(METRIC_FLEET_SLOTS, "used", used);
	metric_set(METRIC_FLEET_SLOTS, "free", free_slots);
}

/* ---- what happens seldom ---- */

/* It is told as 0 before it happens, or whoever compares two looks would not see the first time. */
static void begin_at_zero(void)
{
	for (unsigned i = 0; i < SCHEDULE_OUTCOME_COUNT; i++) {
		metric_add(METRIC_SCHEDULE_RUNS, schedule_outcome_name((enum schedule_outcome)i),
		           0);
	}
	for (enum session_state state = 0; state < SESSION_STATE_COUNT; state++) {
		if (session_is_terminal(state)) {
			metric_add(METRIC_SESSIONS_FINISHED, session_state_name(state), 0);
		}
	}
}

/* ---- by place ---- */

static void add_waited(const double in[QUEUE_SET_COUNT], double limited, double seconds)
{
	double held = in[QUEUE_HELD] > limited ? in[QUEUE_HELD] - limited : 0;

	metric_add(METRIC_QUEUE_WAITED, "turn", in[QUEUE_READY] * seconds);
	metric_add(METRIC_QUEUE_WAITED, "time", in[QUEUE_DELAYED] * seconds);
	metric_add(METRIC_QUEUE_WAITED, "limit", limited * seconds);
	metric_add(METRIC_QUEUE_WAITED, "other", held * seconds);
	metric_add(METRIC_QUEUE_WAITED, "parked", in[QUEUE_PARKED] * seconds);
}

static enum err_code count_all(const struct app *app, double in[QUEUE_SET_COUNT], struct err *err)
{
	for (unsigned shard = 0; shard < redis_shards(app->node->redis); shard++) {
		const struct queue queue = queue_at(app->node->redis, shard);
		struct queue_counts counts;
		enum err_code code = queue_count(&queue, &counts, err);

		if (code != ERR_OK) {
			return code;
		}
		for (unsigned i = QUEUE_READY; i < QUEUE_DONE; i++) {
			in[i] += (double)counts.in[i];
		}
	}
	return ERR_OK;
}

/* ---- breakers ---- */

enum { BREAKERS_MAX = 128 };

static enum err_code count_breakers(const struct app *app, struct err *err)
{
	const int64_t now_ms = clock_wall_us() / 1000;
	struct queue_gate gates[BREAKERS_MAX];
	double open = 0, trying = 0;

	for (unsigned shard = 0; shard < redis_shards(app->node->redis); shard++) {
		const struct queue queue = queue_at(app->node->redis, shard);
		size_t count = 0;
		enum err_code code =
			queue_gates(&queue, QUEUE_GATE_BREAKER, gates, BREAKERS_MAX, &count, err);

		if (code != ERR_OK) {
			return code;
		}
		for (size_t i = 0; i < count; i++) {
			*(now_ms < gates[i].until_ms ? &open : &trying) += 1;
		}
	}
	metric_set(METRIC_BREAKERS, "open", open);
	metric_set(METRIC_BREAKERS, "trying", trying);
	return ERR_OK;
}

enum err_code measure_turn(struct app *app, struct err *err)
{
	struct measure *measure = &app->measure;
	double in[QUEUE_SET_COUNT] = { 0 };
	uint64_t now = clock_mono_ms();
	struct demands demands;
	enum err_code code = count_all(app, in, err);

	if (code != ERR_OK || (code = demand_read(app->node->redis, &demands, err)) != ERR_OK) {
		return code;
	}
	for (unsigned i = QUEUE_READY; i < QUEUE_DONE; i++) {
		metric_set(METRIC_QUEUE_DEPTH, queue_set_name((enum queue_set)i), in[i]);
	}
	if (measure->at_ms == 0) {
		begin_at_zero();
	} else {
		add_waited(in, (double)demands.limited, (double)(now - measure->at_ms) / 1000);
	}
	measure->at_ms = now;
	set_classes(measure, &demands);
	if (app->fleet.read_ms != 0) {
		set_fleet(&app->fleet);
	}
	demand_fini(&demands);
	return count_breakers(app, err);
}
