#include "queue/staff.h"

#include <stdlib.h>

#include "base/mem.h"
#include "queue/queue_load.h"
#include "queue/words.h"
#include "redis/redis.h"

/* Adds what shard says of the workers from `first` on. */
static enum err_code count_in(const struct queue *queue, struct staff *staff, size_t first,
                              struct err *err)
{
	const char *names[QUEUE_BATCH_MAX];
	struct queue_load loads[QUEUE_BATCH_MAX];
	size_t count = 0;
	uint64_t ready;
	enum err_code code;

	for (; count < QUEUE_BATCH_MAX && first + count < staff->count; count++) {
		names[count] = staff->workers[first + count].incarnation;
	}
	code = queue_loads(queue, names, count, loads, &ready, err);
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		staff->working[first + i] += loads[i].working;
	}
	return code;
}

enum err_code staff_read(struct redis *redis, struct staff *ret, struct err *err)
{
	struct staff staff = { .workers = mem_calloc(STAFF_MAX, sizeof(*staff.workers)),
		               .working = mem_calloc(STAFF_MAX, sizeof(*staff.working)) };
	enum err_code code = lease_list(redis, staff.workers, STAFF_MAX, &staff.count, err);

	staff.more = staff.count == STAFF_MAX;
	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(redis); shard++) {
		const struct queue queue = queue_at(redis, shard);

		for (size_t i = 0; code == ERR_OK && i < staff.count; i += QUEUE_BATCH_MAX) {
			code = count_in(&queue, &staff, i, err);
		}
	}
	if (code != ERR_OK) {
		staff_fini(&staff);
	}
	*ret = staff;
	return code;
}

void staff_fini(struct staff *staff)
{
	free(staff->workers);
	free(staff->working);
	*staff = (struct staff){ .count = 0 };
}

struct eta_slots staff_slots(const struct staff *staff, const char *needs, size_t *ret_fitting)
{
	struct eta_slots slots = { 0, 0 };
	size_t fitting = 0;

	for (size_t i = 0; i < staff->count; i++) {
		const struct lease_worker *worker = &staff->workers[i];

		if (worker->draining || !words_fit(worker->has, needs)) {
			continue;
		}
		fitting++;
		slots.all += worker->slots;
		slots.free +=
			worker->slots > staff->working[i] ? worker->slots - staff->working[i] : 0;
	}
	if (ret_fitting != NULL) {
		*ret_fitting = fitting;
	}
	return slots;
}
