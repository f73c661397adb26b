#include "scheduler/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "queue/queue_load.h"
#include "redis/redis.h"

enum { SEEN_MS = 10000 };

void fleet_init(struct fleet *fleet)
{
	*fleet = (struct fleet){ .workers = mem_calloc(FLEET_MAX, sizeof(*fleet->workers)),
		                 .uses = mem_calloc(FLEET_MAX, sizeof(*fleet->uses)) };
}

void fleet_fini(struct fleet *fleet)
{
	free(fleet->workers);
	free(fleet->uses);
}

static enum err_code add_loads(struct fleet *fleet, const struct queue *queue, size_t first,
                               uint64_t *ret_ready, struct err *err)
{
	const char *names[QUEUE_BATCH_MAX] = { NULL };
	struct queue_load loads[QUEUE_BATCH_MAX];
	size_t left = fleet->count - first, count = left < QUEUE_BATCH_MAX ? left : QUEUE_BATCH_MAX;
	enum err_code code;

	for (size_t i = 0; i < count; i++) {
		names[i] = fleet->workers[first + i].incarnation;
	}
	code = queue_loads(queue, names, count, loads, ret_ready, err);
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		fleet->uses[first + i].working += loads[i].working;
		fleet->uses[first + i].parked += loads[i].parked;
	}
	return code;
}

/* Of those who have not been there for SEEN_MS nothing is awaited. With more than FLEET_SEEN_MAX
 * nothing is known. */
static void witness(struct fleet *fleet)
{
	uint64_t now = clock_mono_ms();
	size_t kept = 0;

	for (size_t i = 0; i < fleet->seen_count; i++) {
		if (now < fleet->seen[i].ms + SEEN_MS) {
			fleet->seen[kept++] = fleet->seen[i];
		}
	}
	for (size_t k = 0; k < fleet->count && kept < FLEET_SEEN_MAX; k++) {
		const char *incarnation = fleet->workers[k].incarnation;
		size_t i = 0;

		while (i < kept && strcmp(fleet->seen[i].incarnation, incarnation) != 0) {
			i++;
		}
		memcpy(fleet->seen[i].incarnation, incarnation, sizeof(fleet->seen[i].incarnation));
		fleet->seen[i].ms = now;
		kept = i == kept ? kept + 1 : kept;
	}
	fleet->seen_count = kept;
}

enum err_code fleet_read(struct fleet *fleet, struct redis *redis, struct err *err)
{
	enum err_code code;

	fleet->read_ms = 0;
	code = lease_list(redis, fleet->workers, FLEET_MAX, &fleet->count, err);
	if (code == ERR_OK) {
		for (size_t i = 0; i < fleet->count; i++) {
			fleet->uses[i].working = fleet->uses[i].parked = 0;
			fleet->uses[i].freed = fleet->uses[i].dry = false;
		}
		memset(fleet->ready, 0, sizeof(fleet->ready));
		witness(fleet);
	}
	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(redis); shard++) {
		const struct queue queue = queue_at(redis, shard);
		uint64_t ready = 0;
		size_t first = 0;

		do {
			code = add_loads(fleet, &queue, first, &ready, err);
			first += QUEUE_BATCH_MAX;
		} while (code == ERR_OK && first < fleet->count);
		fleet->ready[shard] = ready;
	}
	if (code == ERR_OK) {
		fleet->read_ms = clock_mono_ms();
	}
	return code;
}

static bool find(const struct fleet *fleet, struct str incarnation, size_t *ret)
{
	for (size_t i = 0; i < fleet->count; i++) {
		if (str_eq(incarnation, str_of(fleet->workers[i].incarnation))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

void fleet_freed(struct fleet *fleet, struct str payload)
{
	struct str rest = payload;
	size_t i;

	(void)str_split(&rest, ' ');
	while (rest.n > 0) {
		if (find(fleet, str_split(&rest, ' '), &i)) {
			struct fleet_use *use = &fleet->uses[i];

			/* One that had room has had what there was. */
			use->freed = use->freed || use->parked > 0 || use->awaited ||
			             use->working >= fleet->workers[i].slots;
			if (use->working > 0) {
				use->working--;
			}
		}
	}
}

bool fleet_all_back(const struct fleet *fleet, uint64_t generation)
{
	size_t back = 0, i;

	for (size_t k = 0; k < fleet->seen_count; k++) {
		back += find(fleet, str_of(fleet->seen[k].incarnation), &i) &&
		        fleet->workers[i].generation == generation;
	}
	return back > 0 && back == fleet->seen_count && back < FLEET_SEEN_MAX;
}

void fleet_await(struct fleet *fleet, const char *incarnation)
{
	size_t i;

	if (find(fleet, str_of(incarnation), &i)) {
		fleet->uses[i].awaited = true;
	}
}

const struct lease_worker *fleet_find(const struct fleet *fleet, const char *incarnation)
{
	size_t i;

	return find(fleet, str_of(incarnation), &i) ? &fleet->workers[i] : NULL;
}

void fleet_took(struct fleet *fleet, const char *incarnation)
{
	size_t i;

	if (find(fleet, str_of(incarnation), &i)) {
		fleet->uses[i].working++;
	}
}

void fleet_lost(struct fleet *fleet, const char *incarnation)
{
	size_t i;

	if (find(fleet, str_of(incarnation), &i)) {
		fleet->workers[i].draining = true;
	}
}

bool fleet_is_cut(const struct fleet *fleet)
{
	return fleet->count == FLEET_MAX;
}

unsigned fleet_room(const struct fleet *fleet, size_t i)
{
	const struct lease_worker *worker = &fleet->workers[i];
	const struct fleet_use *use = &fleet->uses[i];

	return worker->draining || use->working >= worker->slots ? 0 : worker->slots - use->working;
}

struct place_worker fleet_place(const struct fleet *fleet, size_t i)
{
	const struct lease_worker *worker = &fleet->workers[i];
	const struct fleet_use *use = &fleet->uses[i];

	return (struct place_worker){ .has = worker->has,
		                      .holds = worker->holds,
		                      .slots = worker->slots,
		                      .working = use->working,
		                      .resident = worker->resident,
		                      .residing = use->working + use->parked,
		                      .draining = worker->draining };
}
