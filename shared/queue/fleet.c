#include "queue/fleet.h"

#include <stdlib.h>

#include "base/mem.h"
#include "queue/keys.h"
#include "queue/words.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

/* Adds what shard says of the workers from `first` on. */
static enum err_code count_in(struct redis *redis, unsigned shard, struct fleet *fleet,
                              size_t first, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_SLOTS];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	size_t last =
		fleet->count < first + QUEUE_BATCH_MAX ? fleet->count : first + QUEUE_BATCH_MAX;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	queue_key_tag(shard, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	for (size_t i = first; i < last; i++) {
		redis_arg_cstr(cmd, fleet->workers[i].incarnation);
	}
	code = redis_script(redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "slots");
	}
	for (size_t i = first; i < last; i++) {
		uint64_t working;

		if (!redis_reply_u64(redis_reply_at(reply, i - first), &working)) {
			return err_set(err, ERR_BACKEND, "slots: damaged");
		}
		fleet->working[i] += (unsigned)working;
	}
	return ERR_OK;
}

enum err_code fleet_read(struct redis *redis, struct fleet *ret, struct err *err)
{
	struct fleet fleet = { .workers = mem_calloc(FLEET_MAX, sizeof(*fleet.workers)),
		               .working = mem_calloc(FLEET_MAX, sizeof(*fleet.working)) };
	enum err_code code = lease_list(redis, fleet.workers, FLEET_MAX, &fleet.count, err);

	fleet.more = fleet.count == FLEET_MAX;
	for (unsigned shard = 0; code == ERR_OK && shard < QUEUE_SHARDS; shard++) {
		for (size_t i = 0; code == ERR_OK && i < fleet.count; i += QUEUE_BATCH_MAX) {
			code = count_in(redis, shard, &fleet, i, err);
		}
	}
	if (code != ERR_OK) {
		fleet_fini(&fleet);
	}
	*ret = fleet;
	return code;
}

void fleet_fini(struct fleet *fleet)
{
	free(fleet->workers);
	free(fleet->working);
	*fleet = (struct fleet){ .count = 0 };
}

struct eta_slots fleet_slots(const struct fleet *fleet, const char *needs, size_t *ret_fitting)
{
	struct eta_slots slots = { 0, 0 };
	size_t fitting = 0;

	for (size_t i = 0; i < fleet->count; i++) {
		const struct lease_worker *worker = &fleet->workers[i];

		if (worker->draining || !words_fit(worker->has, needs)) {
			continue;
		}
		fitting++;
		slots.all += worker->slots;
		slots.free +=
			worker->slots > fleet->working[i] ? worker->slots - fleet->working[i] : 0;
	}
	if (ret_fitting != NULL) {
		*ret_fitting = fitting;
	}
	return slots;
}
