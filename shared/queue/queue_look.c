/* Looking at the queue without changing it. */
#include <inttypes.h>

#include "queue/keys.h"
#include "queue/lease.h"
#include "queue/queue.h"
#include "queue/queue_load.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

/* "tenant|user|project|agent|key|priority|age|words|words it likes" */
static bool decode_submitted(struct str text, struct queue_item *ret)
{
	uint64_t priority, queued;

	if (!str_copy(ret->tenant, sizeof(ret->tenant), str_split(&text, '|')) ||
	    !str_copy(ret->user, sizeof(ret->user), str_split(&text, '|'))) {
		return false;
	}
	for (int i = 0; i < 3; i++) {
		(void)str_split(&text, '|');
	}
	if (!parse_u64(str_split(&text, '|'), QUEUE_PRIORITY_MAX, &priority) ||
	    !parse_u64(str_split(&text, '|'), INT64_MAX, &queued)) {
		return false;
	}
	ret->priority = (unsigned)priority;
	ret->queued_ms = (int64_t)queued;
	return true;
}

/* "set|since|incarnation|attempt|epoch|class|first|lost,|reason"; *ret_lost: as it is there */
static bool decode_state(struct str text, struct queue_item *ret, struct str *ret_lost)
{
	struct str set = str_split(&text, '|');
	uint64_t since;

	if (!queue_set_parse(set, &ret->set) ||
	    !parse_u64(str_split(&text, '|'), INT64_MAX, &since) ||
	    !str_copy(ret->incarnation, sizeof(ret->incarnation), str_split(&text, '|')) ||
	    !parse_u64(str_split(&text, '|'), UINT64_MAX, &ret->attempt) ||
	    !parse_u64(str_split(&text, '|'), UINT64_MAX, &ret->epoch)) {
		return false;
	}
	ret->since_ms = (int64_t)since;
	(void)str_split(&text, '|');
	(void)str_split(&text, '|');
	*ret_lost = str_split(&text, '|');
	for (size_t i = 0; i < ret_lost->n; i++) {
		ret->lost += ret_lost->p[i] == ',';
	}
	return str_copy(ret->reason, sizeof(ret->reason), text);
}

/* What was submitted, a line, and how it is now. */
static bool decode_item(struct str text, struct queue_item *ret, struct str *ret_lost)
{
	struct str line = str_split(&text, '\n');

	return decode_submitted(line, ret) && decode_state(text, ret, ret_lost);
}

/* *ret_lost is in *reply, the caller's to free. */
static enum err_code get(const struct queue *queue, const struct id *sid, struct queue_item *ret,
                         struct str *ret_lost, struct redis_reply **reply, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	char key[QUEUE_KEY_SIZE];
	enum err_code code;

	queue_key_items(queue, key);
	redis_arg_cstr(cmd, "HGET");
	redis_arg_cstr(cmd, key);
	redis_arg_cstr(cmd, sid->s);
	code = redis_call(queue->redis, cmd, reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "queue item %s", sid->s);
	}
	if (redis_reply_type(*reply) == REDIS_NIL) {
		return err_set(err, ERR_NOT_FOUND, "%s is not in this shard", sid->s);
	}
	*ret = (struct queue_item){ .sid = *sid };
	if (!decode_item(redis_reply_str(*reply), ret, ret_lost)) {
		return err_set(err, ERR_BACKEND, "queue item %s is damaged", sid->s);
	}
	return ERR_OK;
}

enum err_code queue_get(const struct queue *queue, const struct id *sid, struct queue_item *ret,
                        struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct queue_item item;
	struct str lost;
	enum err_code code = get(queue, sid, &item, &lost, &reply, err);

	if (code == ERR_OK) {
		*ret = item;
	}
	return code;
}

enum err_code queue_late(const struct queue *queue, const struct id *sid, unsigned *ret,
                         struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct queue_item item;
	struct str lost;
	enum err_code code = get(queue, sid, &item, &lost, &reply, err);

	return code == ERR_OK ? lease_late(queue->redis, lost, ret, err) : code;
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
		struct str lost;

		*item = (struct queue_item){ .set = QUEUE_NONE };
		if (!id_parse(redis_reply_str(redis_reply_at(row, 0)), &item->sid) ||
		    !decode_item(redis_reply_str(redis_reply_at(row, 1)), item, &lost)) {
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

	queue_key_tag(queue, tag);
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
	redis_argf(cmd, "w:%s,p:%s,n:%s", incarnation, incarnation, incarnation);
	redis_arg_u64(cmd, 0);
	return list(queue, cmd, page, err);
}

static struct redis_cmd *begin_look(const struct queue *queue, const struct text *script)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	return cmd;
}

enum err_code queue_count(const struct queue *queue, struct queue_counts *ret, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_COUNT];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin_look(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = redis_script(queue->redis, script, cmd, &reply, err);

	if (code != ERR_OK) {
		return err_wrap(err, "queue counts");
	}
	*ret = (struct queue_counts){ { 0 } };
	for (unsigned set = QUEUE_READY; set < QUEUE_SET_COUNT; set++) {
		ret->in[set] = (uint64_t)redis_reply_int(redis_reply_at(reply, set - QUEUE_READY));
	}
	return ERR_OK;
}

static bool decode_load(const struct redis_reply *reply, size_t i, struct queue_load *ret)
{
	const struct redis_reply *working = redis_reply_at(reply, 1 + 2 * i);
	const struct redis_reply *parked = redis_reply_at(reply, 2 + 2 * i);

	ret->working = (unsigned)redis_reply_int(working);
	ret->parked = (unsigned)redis_reply_int(parked);
	return redis_reply_type(working) == REDIS_INTEGER &&
	       redis_reply_type(parked) == REDIS_INTEGER;
}

enum err_code queue_loads(const struct queue *queue, const char *const *incarnations, size_t count,
                          struct queue_load *loads, uint64_t *ret_ready, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_LOADS];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin_look(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	if (count > QUEUE_BATCH_MAX) {
		return err_set(err, ERR_INVALID, "loads of more than %d", QUEUE_BATCH_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		redis_arg_cstr(cmd, incarnations[i]);
	}
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "loads");
	}
	*ret_ready = (uint64_t)redis_reply_int(redis_reply_at(reply, 0));
	for (size_t i = 0; i < count; i++) {
		if (!decode_load(reply, i, &loads[i])) {
			return err_set(err, ERR_BACKEND, "loads: damaged");
		}
	}
	return ERR_OK;
}
