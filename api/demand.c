/* GET /api/v1/scheduling/demand: how much work waits for which workers, for those who start them.
 */
#include "queue/demand.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "json/write.h"
#include "queue/staff.h"

static void write_words(struct jsonw *w, const char *name, const char *words)
{
	struct str rest = str_of(words);

	jsonw_array(w, name);
	while (rest.n > 0) {
		jsonw_str(w, NULL, str_split(&rest, ','));
	}
	jsonw_end_array(w);
}

static void write_slots(struct jsonw *w, const struct staff *staff, const char *needs)
{
	size_t workers;
	struct eta_slots slots = staff_slots(staff, needs, &workers);

	jsonw_object(w, "slots");
	jsonw_u64(w, "workers", workers);
	jsonw_u64(w, "all", slots.all);
	jsonw_u64(w, "free", slots.free);
	jsonw_end_object(w);
}

static void write_seconds(struct jsonw *w, const char *name, bool known, double ms)
{
	if (known) {
		jsonw_u64(w, name, (uint64_t)(ms / 1000 + 0.5));
	} else {
		jsonw_null(w, name);
	}
}

static void write_item(struct jsonw *w, const struct demand *item, const struct staff *staff,
                       int64_t now_us)
{
	bool known = item->mean_ms > 0;

	jsonw_object(w, NULL);
	write_words(w, "needs", item->needs);
	jsonw_u64(w, "ready", item->ready);
	write_seconds(w, "oldestSeconds", true, (double)item->oldest_ms);
	jsonw_u64(w, "soon", item->soon);
	if (item->soon > 0) {
		jsonw_time(w, "next", now_us + (int64_t)item->next_ms * 1000);
	} else {
		jsonw_null(w, "next");
	}
	write_seconds(w, "meanSeconds", known, item->mean_ms);
	write_seconds(w, "workerSeconds", known, item->mean_ms * (double)item->ready);
	write_seconds(w, "soonWorkerSeconds", known, item->mean_ms * (double)item->soon);
	write_slots(w, staff, item->needs);
	jsonw_end_object(w);
}

/* Slots that would be in use if there were enough of them. What only comes soon is not in it. */
static uint64_t slots_wanted(const struct demands *demands, const struct staff *staff)
{
	uint64_t wanted = 0;

	for (size_t i = 0; i < demands->count; i++) {
		wanted += demands->items[i].ready;
	}
	for (size_t i = 0; i < staff->count; i++) {
		wanted += staff->working[i];
	}
	return wanted;
}

void serve_scheduling_demand(struct http_request *req, struct http_reply *reply)
{
	struct redis *redis = node_of(req)->redis;
	int64_t now_us = clock_wall_us();
	struct demands demands;
	struct staff staff;
	struct err err;
	struct jsonw w;

	if (demand_read(redis, &demands, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	if (staff_read(redis, &staff, &err) != ERR_OK) {
		demand_fini(&demands);
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_time(&w, "at", now_us);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < demands.count; i++) {
		write_item(&w, &demands.items[i], &staff, now_us);
	}
	jsonw_end_array(&w);
	jsonw_u64(&w, "limited", demands.limited);
	jsonw_u64(&w, "wanted", slots_wanted(&demands, &staff));
	write_slots(&w, &staff, "");
	jsonw_bool(&w, "more", demands.more || staff.more);
	jsonw_end_object(&w);
	demand_fini(&demands);
	staff_fini(&staff);
}
