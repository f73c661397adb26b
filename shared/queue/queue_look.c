/* Looking at the queue without changing it. */
#include <inttypes.h>

#include "queue/keys.h"
#include "queue/queue.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

static const char *const fields[] = { "t",   "p",    "a",  "e",  "inc", "set",
	                              "why", "lost", "at", "by", "u" };

static bool decode_texts(const struct redis_reply *row, size_t at, struct queue_item *ret)
{
	struct str lost = redis_reply_str(redis_reply_at(row, at + 7));
	struct str set = redis_reply_str(redis_reply_at(row, at + 5));

	for (unsigned i = QUEUE_READY; i < QUEUE_SET_COUNT; i++) {
		if (str_eq(set, str_of(queue_set_name((enum queue_set)i)))) {
			ret->set = (enum queue_set)i;
		}
	}
	for (size_t i = 0; i < lost.n; i++) {
		ret->lost += lost.p[i] == ',';
	}
	return ret->set != QUEUE_NONE &&
	       str_copy(ret->user, sizeof(ret->user),
	                redis_reply_str(redis_reply_at(row, at + 10))) &&
	       str_copy(ret->tenant, sizeof(ret->tenant),
	                redis_reply_str(redis_reply_at(row, at))) &&
	       str_copy(ret->incarnation, sizeof(ret->incarnation),
	                redis_reply_str(redis_reply_at(row, at + 4))) &&
	       str_copy(ret->reason, sizeof(ret->reason),
	                redis_reply_str(redis_reply_at(row, at + 6)));
}

/* The values of `fields`, from element `at` of a row. */
static bool decode_item(const struct redis_reply *row, size_t at, struct queue_item *ret)
{
	uint64_t priority, since, queued;

	if (!decode_texts(row, at, ret) ||
	    !redis_reply_u64(redis_reply_at(row, at + 1), &priority) ||
	    !redis_reply_u64(redis_reply_at(row, at + 2), &ret->attempt) ||
	    !redis_reply_u64(redis_reply_at(row, at + 3), &ret->epoch) ||
	    !redis_reply_u64(redis_reply_at(row, at + 8), &since) ||
	    !redis_reply_u64(redis_reply_at(row, at + 9), &queued)) {
		return false;
	}
	ret->priority = (unsigned)priority;
	ret->since_ms = (int64_t)since;
	ret->queued_ms = (int64_t)queued;
	return true;
}

enum err_code queue_get(const struct queue *queue, const struct id *sid, struct queue_item *ret,
                        struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct queue_item item = { .sid = *sid };
	char key[QUEUE_KEY_SIZE];
	enum err_code code;

	queue_key_item(queue->shard, sid, key);
	redis_arg_cstr(cmd, "HMGET");
	redis_arg_cstr(cmd, key);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		redis_arg_cstr(cmd, fields[i]);
	}
	code = redis_call(queue->redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "queue item %s", sid->s);
	}
	if (redis_reply_type(redis_reply_at(reply, 0)) == REDIS_NIL) {
		return err_set(err, ERR_NOT_FOUND, "%s is not in this shard", sid->s);
	}
	if (!decode_item(reply, 0, &item)) {
		return err_set(err, ERR_BACKEND, "queue item %s is damaged", sid->s);
	}
	*ret = item;
	return ERR_OK;
}

static enum err_code list(const struct queue *queue, struct redis_cmd *cmd, struct queue_page *page,
                          struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_LIST];
	size_t max = page->max < QUEUE_BATCH_MAX ? page->max : QUEUE_BATCH_MAX;
	enum err_code code;

	redis_arg_u64(cmd, max);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "queue_list");
	}
	if (redis_reply_type(reply) != REDIS_ARRAY || redis_reply_len(reply) > max) {
		return err_set(err, ERR_BACKEND, "queue_list: an answer that it does not give");
	}
	for (size_t i = 0; i < redis_reply_len(reply); i++) {
		const struct redis_reply *row = redis_reply_at(reply, i);
		struct queue_item *item = &page->items[i];

		*item = (struct queue_item){ .set = QUEUE_NONE };
		if (!id_parse(redis_reply_str(redis_reply_at(row, 0)), &item->sid) ||
		    !decode_item(row, 1, item)) {
			return err_set(err, ERR_BACKEND, "queue_list: a damaged item");
		}
	}
	page->count = redis_reply_len(reply);
	return ERR_OK;
}

static struct redis_cmd *begin_list(const struct queue *queue)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	queue_key_tag(queue->shard, tag);
	redis_script_begin(cmd, &queue_lua_texts[QUEUE_LUA_QUEUE_LIST], 1);
	redis_argf(cmd, "%s", tag);
	return cmd;
}

enum err_code queue_list(const struct queue *queue, enum queue_set set, uint64_t older_ms,
                         struct queue_page *page, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin_list(queue);

	redis_arg_cstr(cmd, queue_set_name(set));
	redis_arg_u64(cmd, older_ms);
	return list(queue, cmd, page, err);
}

enum err_code queue_of_worker(const struct queue *queue, const char *incarnation,
                              struct queue_page *page, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin_list(queue);

	if (!queue_name_ok(incarnation)) {
		return err_set(err, ERR_INVALID, "an incarnation's name");
	}
	redis_argf(cmd, "w:%s,p:%s", incarnation, incarnation);
	redis_arg_u64(cmd, 0);
	return list(queue, cmd, page, err);
}

enum err_code queue_count(const struct queue *queue, struct queue_counts *ret, struct err *err)
{
	struct redis_op ops[QUEUE_SET_COUNT] = { 0 };
	struct fiber_op *waits[QUEUE_SET_COUNT];
	struct redis_cmd *cmds[QUEUE_SET_COUNT];
	struct queue_counts counts = { { 0 } };
	size_t count = 0;
	enum err_code code;

	for (unsigned set = QUEUE_READY; set < QUEUE_SET_COUNT; set++) {
		char key[QUEUE_KEY_SIZE];

		queue_key_set(queue->shard, (enum queue_set)set, key);
		cmds[set] = redis_cmd_new();
		redis_arg_cstr(cmds[set], "ZCARD");
		redis_argf(cmds[set], "%s", key);
		redis_send(queue->redis, &ops[set], cmds[set]);
		waits[count++] = &ops[set].op;
	}
	code = fiber_wait_all(waits, count, FIBER_NO_TIMEOUT, err);
	for (unsigned set = QUEUE_READY; set < QUEUE_SET_COUNT; set++) {
		if (code == ERR_OK) {
			counts.in[set] = (uint64_t)redis_reply_int(ops[set].reply);
		}
		redis_reply_free(ops[set].reply);
		redis_cmd_free(cmds[set]);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "queue counts");
	}
	*ret = counts;
	return ERR_OK;
}

/* ---- why, and how much ---- */

static bool decode_why(const struct redis_reply *row, struct queue_why *ret)
{
	*ret = (struct queue_why){ .set = QUEUE_NONE };
	for (unsigned i = QUEUE_READY; i < QUEUE_SET_COUNT; i++) {
		if (str_eq(redis_reply_str(redis_reply_at(row, 0)),
		           str_of(queue_set_name((enum queue_set)i)))) {
			ret->set = (enum queue_set)i;
		}
	}
	return ret->set != QUEUE_NONE && redis_reply_u64(redis_reply_at(row, 6), &ret->turns) &&
	       str_copy(ret->reason, sizeof(ret->reason),
	                redis_reply_str(redis_reply_at(row, 1))) &&
	       str_copy(ret->needs, sizeof(ret->needs), redis_reply_str(redis_reply_at(row, 2))) &&
	       redis_reply_u64(redis_reply_at(row, 3), &ret->ahead) &&
	       redis_reply_u64(redis_reply_at(row, 4), &ret->of_user) &&
	       redis_reply_u64(redis_reply_at(row, 5), &ret->tenants_ahead) &&
	       redis_reply_u64(redis_reply_at(row, 7), &ret->leases) &&
	       str_copy(ret->limit, sizeof(ret->limit), redis_reply_str(redis_reply_at(row, 8))) &&
	       redis_reply_u64(redis_reply_at(row, 9), &ret->used) &&
	       redis_reply_u64(redis_reply_at(row, 10), &ret->most);
}

static struct redis_cmd *begin_look(const struct queue *queue, const struct text *script)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	queue_key_tag(queue->shard, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	return cmd;
}

enum err_code queue_explain(const struct queue *queue, const struct id *sid, struct queue_why *ret,
                            struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_WHY];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin_look(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_cstr(cmd, sid->s);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "why %s", sid->s);
	}
	if (str_eq(redis_reply_str(redis_reply_at(reply, 0)), STR_LIT("missing"))) {
		return err_set(err, ERR_NOT_FOUND, "%s is not in this shard", sid->s);
	}
	return decode_why(reply, ret) ? ERR_OK
	                              : err_set(err, ERR_BACKEND, "why %s: damaged", sid->s);
}

enum err_code queue_demanded(const struct queue *queue, size_t first, struct queue_demand *demands,
                             size_t *ret_count, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_DEMAND];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin_look(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_u64(cmd, first);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "demand");
	}
	*ret_count = redis_reply_len(reply);
	for (size_t i = 0; i < *ret_count && i < QUEUE_BATCH_MAX; i++) {
		const struct redis_reply *row = redis_reply_at(reply, i);

		if (!str_copy(demands[i].needs, sizeof(demands[i].needs),
		              redis_reply_str(redis_reply_at(row, 0))) ||
		    !redis_reply_u64(redis_reply_at(row, 1), &demands[i].ready) ||
		    !redis_reply_u64(redis_reply_at(row, 2), &demands[i].oldest_ms)) {
			return err_set(err, ERR_BACKEND, "demand: damaged");
		}
	}
	return ERR_OK;
}
