#include "queue/queue_again.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "queue/keys.h"
#include "queue/submit.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

static struct redis_cmd *begin(const struct queue *queue, const struct text *script)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	return cmd;
}

enum err_code queue_about(const struct queue *queue, const struct id *sid, struct queue_about *ret,
                          struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char key[QUEUE_KEY_SIZE];
	struct str text;
	enum err_code code;

	queue_key_items(queue, key);
	redis_arg_cstr(cmd, "HGET");
	redis_arg_cstr(cmd, key);
	redis_arg_cstr(cmd, sid->s);
	code = redis_call(queue->redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "queue item %s", sid->s);
	}
	if (redis_reply_type(reply) == REDIS_NIL) {
		return err_set(err, ERR_NOT_FOUND, "%s is not in this shard", sid->s);
	}
	text = redis_reply_str(reply);
	if (!str_copy(ret->text, sizeof(ret->text), str_split(&text, '\n'))) {
		return err_set(err, ERR_BACKEND, "queue item %s is damaged", sid->s);
	}
	return ERR_OK;
}

/* ---- workers ---- */

static void add_attest(struct redis_cmd *cmd, const struct queue_attest *item)
{
	redis_arg_cstr(cmd, item->sid.s);
	redis_arg_u64(cmd, item->epoch);
	redis_arg_u64(cmd, item->attempt);
	redis_arg_cstr(cmd, item->parked ? "parked" : "leased");
	redis_arg_cstr(cmd, item->placeless ? "2" : item->stays ? "1" : "0");
	redis_arg_cstr(cmd, item->reason != NULL ? item->reason : "");
	redis_arg_cstr(cmd, item->about->text);
}

enum err_code queue_attest(const struct queue *queue, const char *incarnation,
                           struct queue_attest *items, size_t count, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_ATTEST];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	if (!queue_name_ok(incarnation) || count > QUEUE_ATTEST_MAX) {
		return err_set(err, ERR_INVALID, "attest for %s", incarnation);
	}
	redis_arg_cstr(cmd, incarnation);
	for (size_t i = 0; i < count; i++) {
		add_attest(cmd, &items[i]);
	}
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "attest");
	}
	for (size_t i = 0; i < count; i++) {
		const struct redis_reply *row = redis_reply_at(reply, i);

		items[i].taken = redis_reply_u64(redis_reply_at(row, 1), &items[i].attempt_now);
	}
	return ERR_OK;
}

/* ---- what waits ---- */

static const char *name(const char *text)
{
	return text != NULL ? text : "";
}

static void add_refill(struct redis_cmd *cmd, const struct queue_submit *item, int64_t since_ms)
{
	redis_arg_cstr(cmd, item->sid.s);
	redis_arg_cstr(cmd, item->first ? "1" : "0");
	redis_arg_u64(cmd, item->not_before_ms);
	redis_arg_cstr(cmd, name(item->hold));
	redis_argf(cmd, "%s|%s|%s|%s|%s|%u|%" PRId64 "|%s|%s", item->tenant, name(item->user),
	           name(item->project), name(item->agent), name(item->key), item->priority,
	           since_ms, item->needs, name(item->likes));
}

enum err_code queue_refill(const struct queue *queue, const struct queue_refill *refill,
                           size_t *ret_added, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_REFILL];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char bell[QUEUE_KEY_SIZE];
	enum err_code code;

	if (refill->count > QUEUE_REFILL_MAX) {
		return err_set(err, ERR_INVALID, "refill with more than %d", QUEUE_REFILL_MAX);
	}
	queue_key_bell(queue, bell);
	redis_argf(cmd, "%s", bell);
	redis_arg_u64(cmd, refill->attempts);
	for (size_t i = 0; i < refill->count; i++) {
		if (!queue_submit_ok(&refill->items[i])) {
			return err_set(err, ERR_INVALID, "submit %s", refill->items[i].sid.s);
		}
		add_refill(cmd, &refill->items[i], refill->since_ms[i]);
	}
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "refill");
	}
	*ret_added = (size_t)redis_reply_int(reply);
	return ERR_OK;
}

/* ---- what an earlier layout left ---- */

enum { SCAN_COUNT = 256 };

/* "{q<k>/<shards>}..." */
static bool is_of_now(struct str key, unsigned shards)
{
	struct str rest = key;
	uint64_t shard, all;

	return str_eq(str_split(&rest, 'q'), STR_LIT("{")) &&
	       parse_u64(str_split(&rest, '/'), QUEUE_SHARDS_MAX - 1, &shard) &&
	       parse_u64(str_split(&rest, '}'), QUEUE_SHARDS_MAX, &all) && all == shards;
}

static enum err_code scan(struct redis *redis, uint64_t cursor, struct redis_reply **ret,
                          struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();

	redis_arg_cstr(cmd, "SCAN");
	redis_arg_u64(cmd, cursor);
	redis_arg_cstr(cmd, "MATCH");
	redis_arg_cstr(cmd, "{q*");
	redis_arg_cstr(cmd, "COUNT");
	redis_arg_u64(cmd, SCAN_COUNT);
	return redis_call(redis, cmd, ret, err);
}

enum err_code queue_drop_former(struct redis *redis, uint64_t *cursor, size_t *ret_dropped,
                                struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *unlink = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *page = NULL, *reply = NULL;
	const struct redis_reply *keys;
	size_t count = 0;
	enum err_code code = scan(redis, *cursor, &page, err);

	if (code != ERR_OK) {
		return err_wrap(err, "former queue");
	}
	keys = redis_reply_at(page, 1);
	redis_arg_cstr(unlink, "UNLINK");
	for (size_t i = 0; i < redis_reply_len(keys); i++) {
		struct str key = redis_reply_str(redis_reply_at(keys, i));

		if (!is_of_now(key, redis_shards(redis))) {
			redis_arg(unlink, key);
			count++;
		}
	}
	if (count > 0) {
		code = redis_call(redis, unlink, &reply, err);
	}
	if (code == ERR_OK &&
	    !parse_u64(redis_reply_str(redis_reply_at(page, 0)), UINT64_MAX, cursor)) {
		code = err_set(err, ERR_BACKEND, "former queue: SCAN without a cursor");
	}
	*ret_dropped = count;
	return code;
}
