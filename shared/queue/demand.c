#include "queue/demand.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "queue/keys.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

static enum err_code ask(const struct queue *queue, enum queue_lua_id id, uint64_t word,
                         struct redis_reply **ret, struct err *err)
{
	const struct text *script = &queue_lua_texts[id];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	redis_arg_u64(cmd, word);
	return redis_script(queue->redis, script, cmd, ret, err);
}

static enum err_code damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_BACKEND, "%s: damaged", what);
}

enum err_code queue_demanded(const struct queue *queue, size_t first, struct queue_demand *demands,
                             size_t *ret_count, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = ask(queue, QUEUE_LUA_QUEUE_DEMAND, first, &reply, err);

	if (code != ERR_OK) {
		return err_wrap(err, "demand");
	}
	*ret_count = redis_reply_len(reply);
	if (*ret_count > QUEUE_BATCH_MAX) {
		return damaged("demand", err);
	}
	for (size_t i = 0; i < *ret_count; i++) {
		const struct redis_reply *row = redis_reply_at(reply, i);
		struct queue_demand *demand = &demands[i];

		if (!str_copy(demand->needs, sizeof(demand->needs),
		              redis_reply_str(redis_reply_at(row, 0))) ||
		    !redis_reply_u64(redis_reply_at(row, 1), &demand->ready) ||
		    !redis_reply_u64(redis_reply_at(row, 2), &demand->oldest_ms) ||
		    !queue_spent_parse(redis_reply_str(redis_reply_at(row, 3)), &demand->spent)) {
			return damaged("demand", err);
		}
	}
	return ERR_OK;
}

enum err_code queue_soon(const struct queue *queue, uint64_t within_ms, struct queue_soon *soon,
                         size_t *ret_count, uint64_t *ret_limited, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = ask(queue, QUEUE_LUA_QUEUE_SOON, within_ms, &reply, err);

	if (code != ERR_OK) {
		return err_wrap(err, "soon");
	}
	if (!redis_reply_u64(redis_reply_at(reply, 0), ret_limited) ||
	    redis_reply_len(reply) > 1 + QUEUE_SOON_MAX) {
		return damaged("soon", err);
	}
	*ret_count = redis_reply_len(reply) - 1;
	for (size_t i = 0; i < *ret_count; i++) {
		const struct redis_reply *row = redis_reply_at(reply, i + 1);

		if (!str_copy(soon[i].needs, sizeof(soon[i].needs),
		              redis_reply_str(redis_reply_at(row, 0))) ||
		    !redis_reply_u64(redis_reply_at(row, 1), &soon[i].in_ms) ||
		    !queue_spent_parse(redis_reply_str(redis_reply_at(row, 2)), &soon[i].spent)) {
			return damaged("soon", err);
		}
	}
	return ERR_OK;
}

/* "t:acme", "u:acme:ann" */
static bool take_tenant(struct str limit, char out[QUEUE_NAME_MAX + 1])
{
	(void)str_split(&limit, ':');
	return limit.p != NULL && str_copy(out, QUEUE_NAME_MAX + 1, str_split(&limit, ':'));
}

enum err_code queue_limited(const struct queue *queue, struct queue_limited *found,
                            size_t *ret_count, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_LIMITED];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "limited");
	}
	*ret_count = redis_reply_len(reply);
	if (*ret_count > QUEUE_BATCH_MAX) {
		return damaged("limited", err);
	}
	for (size_t i = 0; i < *ret_count; i++) {
		const struct redis_reply *row = redis_reply_at(reply, i);

		if (!take_tenant(redis_reply_str(redis_reply_at(row, 0)), found[i].tenant) ||
		    !redis_reply_u64(redis_reply_at(row, 1), &found[i].sessions)) {
			return damaged("limited", err);
		}
	}
	return ERR_OK;
}

/* ---- all shards together ---- */

static struct demand *find(struct demands *all, const char *needs, const struct queue_spent *spent)
{
	struct demand *item = all->items;

	while (item < all->items + all->count && strcmp(item->needs, needs) != 0) {
		item++;
	}
	if (item == all->items + DEMAND_MAX) {
		all->more = true;
		return NULL;
	}
	if (item == all->items + all->count) {
		(void)str_copy(item->needs, sizeof(item->needs), str_of(needs));
		all->count++;
	}
	if (spent->ended >= 1) {
		item->mean_ms = spent->ms / spent->ended;
	}
	return item;
}

static enum err_code add_ready(const struct queue *queue, struct demands *all,
                               struct queue_demand *room, struct err *err)
{
	size_t count = QUEUE_BATCH_MAX;

	for (size_t first = 0; count == QUEUE_BATCH_MAX && first < DEMAND_MAX; first += count) {
		enum err_code code = queue_demanded(queue, first, room, &count, err);

		for (size_t i = 0; code == ERR_OK && i < count; i++) {
			struct demand *item = find(all, room[i].needs, &room[i].spent);

			if (item == NULL) {
				return ERR_OK;
			}
			item->ready += room[i].ready;
			item->oldest_ms = room[i].oldest_ms > item->oldest_ms ? room[i].oldest_ms
			                                                      : item->oldest_ms;
		}
		if (code != ERR_OK) {
			return code;
		}
	}
	all->more = all->more || count == QUEUE_BATCH_MAX;
	return ERR_OK;
}

static enum err_code add_soon(const struct queue *queue, struct demands *all,
                              struct queue_soon *room, struct err *err)
{
	uint64_t limited = 0;
	size_t count = 0;
	enum err_code code = queue_soon(queue, DEMAND_SOON_MS, room, &count, &limited, err);

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		struct demand *item = find(all, room[i].needs, &room[i].spent);

		if (item == NULL) {
			break;
		}
		if (item->soon == 0 || room[i].in_ms < item->next_ms) {
			item->next_ms = room[i].in_ms;
		}
		item->soon++;
	}
	all->limited += limited;
	return code;
}

enum err_code demand_read(struct redis *redis, struct demands *ret, struct err *err)
{
	struct demands all = { .items = mem_calloc(DEMAND_MAX, sizeof(*all.items)) };
	struct queue_demand *ready = mem_calloc(QUEUE_BATCH_MAX, sizeof(*ready));
	struct queue_soon *soon = mem_calloc(QUEUE_SOON_MAX, sizeof(*soon));
	enum err_code code = ERR_OK;

	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(redis); shard++) {
		const struct queue queue = queue_at(redis, shard);

		code = add_ready(&queue, &all, ready, err);
		if (code == ERR_OK) {
			code = add_soon(&queue, &all, soon, err);
		}
	}
	free(ready);
	free(soon);
	if (code != ERR_OK) {
		demand_fini(&all);
	}
	*ret = all;
	return code;
}

void demand_fini(struct demands *demands)
{
	free(demands->items);
	*demands = (struct demands){ .count = 0 };
}
