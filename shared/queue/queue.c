#include "queue/queue.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "queue/keys.h"
#include "queue/submit.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

enum { SCRIPT_MOVES = 24, SCRIPT_CLAIMS = 8 }; /* others wait for each script */

static const char *const set_names[QUEUE_SET_COUNT] = {
	[QUEUE_NONE] = "none",     [QUEUE_READY] = "ready",     [QUEUE_DELAYED] = "delayed",
	[QUEUE_HELD] = "held",     [QUEUE_LEASING] = "leasing", [QUEUE_LEASED] = "leased",
	[QUEUE_PARKED] = "parked", [QUEUE_DONE] = "done",
};

const char *queue_set_name(enum queue_set set)
{
	return set_names[set];
}

bool queue_set_parse(struct str name, enum queue_set *ret)
{
	for (unsigned i = QUEUE_READY; i < QUEUE_SET_COUNT; i++) {
		if (str_eq(name, str_of(set_names[i]))) {
			*ret = (enum queue_set)i;
			return true;
		}
	}
	return false;
}

unsigned queue_shard_of(struct str tenant, unsigned shards)
{
	uint32_t h = 2166136261U; /* FNV-1a: stable over processes and versions */

	assert(shards > 0);
	for (size_t i = 0; i < tenant.n; i++) {
		h = (h ^ (unsigned char)tenant.p[i]) * 16777619U;
	}
	return h % shards;
}

struct queue queue_of_tenant(struct redis *redis, struct str tenant)
{
	return queue_at(redis, queue_shard_of(tenant, redis_shards(redis)));
}

struct queue queue_at(struct redis *redis, unsigned shard)
{
	return (struct queue){ redis, shard, redis_shards(redis) };
}

void queue_bell_channel(const struct queue *queue, char out[QUEUE_KEY_SIZE])
{
	queue_key_bell(queue, out);
}

void queue_token(const struct queue_item *item, char out[QUEUE_TOKEN_SIZE])
{
	(void)snprintf(out, QUEUE_TOKEN_SIZE, "lease-%" PRIu64, item->attempt);
}

static enum err_code damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_BACKEND, "%s: an answer that it does not give", what);
}

static struct redis_cmd *begin(const struct queue *queue, const struct text *script)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	return cmd;
}

static void add_bell(struct redis_cmd *cmd, const struct queue *queue)
{
	char bell[QUEUE_KEY_SIZE];

	queue_key_bell(queue, bell);
	redis_argf(cmd, "%s", bell);
}

/* ---- submitting ---- */

static bool name_fits(const char *name)
{
	return name == NULL || queue_name_ok(name);
}

bool queue_submit_ok(const struct queue_submit *item)
{
	return queue_name_ok(item->tenant) && item->priority <= QUEUE_PRIORITY_MAX &&
	       name_fits(item->user) && name_fits(item->project) && name_fits(item->agent) &&
	       name_fits(item->key) && queue_words_ok(item->needs) &&
	       (item->likes == NULL || queue_words_fit(item->likes, QUEUE_LIKES_MAX)) &&
	       (item->hold == NULL ||
	        (item->hold[0] != '\0' && strlen(item->hold) <= QUEUE_REASON_MAX));
}

static void add_name(struct redis_cmd *cmd, const char *name)
{
	redis_arg_cstr(cmd, name != NULL ? name : "");
}

enum err_code queue_submit(const struct queue *queue, const struct queue_submit *item,
                           enum queue_set *ret_set, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_SUBMIT];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	if (!queue_submit_ok(item)) {
		return err_set(err, ERR_INVALID, "submit %s", item->sid.s);
	}
	redis_arg_cstr(cmd, item->sid.s);
	redis_arg_cstr(cmd, item->tenant);
	redis_arg_u64(cmd, item->priority);
	redis_arg_cstr(cmd, item->needs);
	redis_arg_u64(cmd, item->not_before_ms);
	add_name(cmd, item->hold);
	add_bell(cmd, queue);
	redis_arg_u64(cmd, item->epoch);
	add_name(cmd, item->user);
	add_name(cmd, item->project);
	add_name(cmd, item->agent);
	add_name(cmd, item->key);
	redis_arg_cstr(cmd, item->first ? "1" : "0");
	add_name(cmd, item->likes);
	redis_arg(cmd, item->copy);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "submit %s", item->sid.s);
	}
	return queue_set_parse(redis_reply_str(redis_reply_at(reply, 1)), ret_set)
	               ? ERR_OK
	               : damaged(script->name, err);
}

/* ---- claiming ---- */

static bool parse_claimed(struct str word, struct queue_item *ret)
{
	static const struct {
		const char *word;
		enum queue_set set;
	} kinds[] = {
		[QUEUE_CLAIMED_NEW] = { "new", QUEUE_LEASING },
		[QUEUE_CLAIMED_BACK] = { "back", QUEUE_LEASED },
		[QUEUE_CLAIMED_EVICT] = { "evict", QUEUE_PARKED },
	};

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(word, str_of(kinds[i].word))) {
			ret->claimed = (enum queue_claimed)i;
			ret->set = kinds[i].set;
			return true;
		}
	}
	return false;
}

static bool decode_claimed(const struct redis_reply *row, const char *incarnation,
                           struct queue_item *ret)
{
	uint64_t priority, attempt, queued, since;

	*ret = (struct queue_item){ .set = QUEUE_NONE };
	if (!id_parse(redis_reply_str(redis_reply_at(row, 0)), &ret->sid) ||
	    !str_copy(ret->tenant, sizeof(ret->tenant), redis_reply_str(redis_reply_at(row, 1))) ||
	    !redis_reply_u64(redis_reply_at(row, 2), &priority) ||
	    !redis_reply_u64(redis_reply_at(row, 3), &attempt) ||
	    !redis_reply_u64(redis_reply_at(row, 4), &queued) ||
	    !redis_reply_u64(redis_reply_at(row, 5), &since) ||
	    !redis_reply_u64(redis_reply_at(row, 6), &ret->epoch) ||
	    !str_copy(ret->user, sizeof(ret->user), redis_reply_str(redis_reply_at(row, 7))) ||
	    !parse_claimed(redis_reply_str(redis_reply_at(row, 8)), ret) ||
	    !redis_reply_u64(redis_reply_at(row, 9), &ret->waited_ms) ||
	    !str_copy(ret->incarnation, sizeof(ret->incarnation), str_of(incarnation))) {
		return false;
	}
	ret->priority = (unsigned)priority;
	ret->attempt = attempt;
	ret->queued_ms = (int64_t)queued;
	ret->since_ms = (int64_t)since;
	return true;
}

static bool decode_wish(const struct redis_reply *row, struct queue_wish *ret)
{
	return str_copy(ret->needs, sizeof(ret->needs), redis_reply_str(redis_reply_at(row, 10))) &&
	       str_copy(ret->likes, sizeof(ret->likes), redis_reply_str(redis_reply_at(row, 11)));
}

/* One script; wishes may be NULL. */
static enum err_code claim_some(const struct queue *queue, const struct queue_claim *claim,
                                struct queue_item *items, struct queue_wish *wishes,
                                size_t *ret_count, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_CLAIM];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_cstr(cmd, claim->incarnation);
	redis_argf(cmd, ",%s,", claim->has);
	redis_arg_u64(cmd, claim->capacity);
	redis_arg_u64(cmd, claim->resident > 0 ? claim->resident : claim->capacity);
	redis_arg_u64(cmd, claim->max);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "claim");
	}
	if (redis_reply_type(reply) != REDIS_ARRAY || redis_reply_len(reply) > claim->max) {
		return damaged(script->name, err);
	}
	for (size_t i = 0; i < redis_reply_len(reply); i++) {
		const struct redis_reply *row = redis_reply_at(reply, i);

		if (!decode_claimed(row, claim->incarnation, &items[i]) ||
		    (wishes != NULL && !decode_wish(row, &wishes[i]))) {
			return damaged(script->name, err);
		}
	}
	*ret_count = redis_reply_len(reply);
	return ERR_OK;
}

enum err_code queue_claim_wishes(const struct queue *queue, const struct queue_claim *claim,
                                 struct queue_item *items, struct queue_wish *wishes,
                                 size_t *ret_count, struct err *err)
{
	size_t count = 0, asked = 0, got = 0;

	if (!queue_name_ok(claim->incarnation) || !queue_words_ok(claim->has) ||
	    claim->max > QUEUE_BATCH_MAX) {
		return err_set(err, ERR_INVALID, "claim for %s", claim->incarnation);
	}
	*ret_count = 0;
	do {
		struct queue_claim some = *claim;
		enum err_code code;

		asked = claim->max - count < SCRIPT_CLAIMS ? claim->max - count : SCRIPT_CLAIMS;
		some.max = (unsigned)asked;
		code = claim_some(queue, &some, items + count,
		                  wishes != NULL ? wishes + count : NULL, &got, err);
		if (code != ERR_OK) {
			/* What was claimed before is not lost: it is told, and the failure shows
			 * again. */
			return count > 0 ? ERR_OK : code;
		}
		count += got;
		*ret_count = count;
	} while (got == asked && count < claim->max);
	return ERR_OK;
}

enum err_code queue_claim(const struct queue *queue, const struct queue_claim *claim,
                          struct queue_item *items, size_t *ret_count, struct err *err)
{
	return queue_claim_wishes(queue, claim, items, NULL, ret_count, err);
}

/* ---- moving ---- */

/* What queue_opened.lua asks for, and the beginning of what queue_move.lua does. */
static void add_opened(struct redis_cmd *cmd, const struct queue_move *move)
{
	redis_arg_cstr(cmd, move->sid.s);
	if (move->attempt > 0) {
		redis_arg_u64(cmd, move->attempt);
	} else {
		redis_arg_cstr(cmd, "");
	}
	redis_arg_u64(cmd, move->epoch);
}

static void add_move(struct redis_cmd *cmd, const struct queue_move *move)
{
	add_opened(cmd, move);
	redis_arg_u64(cmd, move->delay_ms);
	add_name(cmd, move->reason);
	add_name(cmd, move->lost != NULL ? move->lost : move->worker);
	redis_arg_u64(cmd, move->placeless ? 2 : move->stays ? 1 : move->slots);
}

static enum err_code decode_move(const struct redis_reply *row, enum queue_set *ret,
                                 struct err *err)
{
	struct str word = redis_reply_str(redis_reply_at(row, 0));
	enum queue_set set;

	if (str_eq(word, STR_LIT("missing"))) {
		return err_set(err, ERR_NOT_FOUND, "not in this shard");
	}
	if (!queue_set_parse(redis_reply_str(redis_reply_at(row, 1)), &set)) {
		return damaged("queue_move", err);
	}
	if (str_eq(word, STR_LIT("conflict"))) {
		return err_set(err, ERR_CONFLICT, "it is %s, or of another attempt",
		               set_names[set]);
	}
	*ret = set;
	return ERR_OK;
}

static bool move_ok(const struct queue_move *move)
{
	return (move->reason == NULL || strlen(move->reason) <= QUEUE_REASON_MAX) &&
	       name_fits(move->lost) && name_fits(move->worker);
}

static enum err_code ask_moves(const struct queue *queue, const char *verb,
                               const struct queue_move *moves, size_t count,
                               struct redis_reply **ret, struct err *err)
{
	const bool opened = strcmp(verb, "opened") == 0;
	const struct text *script =
		&queue_lua_texts[opened ? QUEUE_LUA_QUEUE_OPENED : QUEUE_LUA_QUEUE_MOVE];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, script);

	if (!opened) {
		add_bell(cmd, queue);
		redis_arg_cstr(cmd, verb);
	}
	for (size_t i = 0; i < count; i++) {
		if (!move_ok(&moves[i])) {
			return err_set(err, ERR_INVALID, "%s %s", verb, moves[i].sid.s);
		}
		(opened ? add_opened : add_move)(cmd, &moves[i]);
	}
	return redis_script(queue->redis, script, cmd, ret, err);
}

static enum err_code run_move(const struct queue *queue, const struct queue_move *move,
                              const char *verb, enum queue_set *ret, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = ask_moves(queue, verb, move, 1, &reply, err);

	if (code == ERR_OK) {
		code = decode_move(redis_reply_at(reply, 0), ret, err);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "%s %s", verb, move->sid.s);
}

/* One script. */
static enum err_code run_some(const struct queue *queue, const char *verb,
                              const struct queue_move *moves, size_t count, enum queue_set *sets,
                              struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = ask_moves(queue, verb, moves, count, &reply, err);

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		struct err why;

		sets[i] = QUEUE_NONE;
		if (decode_move(redis_reply_at(reply, i), &sets[i], &why) == ERR_BACKEND) {
			*err = why;
			return ERR_BACKEND;
		}
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "%s", verb);
}

static enum err_code run_moves(const struct queue *queue, const struct queue_moves *moves,
                               const char *verb, struct err *err)
{
	enum err_code code = ERR_OK;

	if (moves->count > QUEUE_MOVES_MAX) {
		return err_set(err, ERR_INVALID, "%s: more than %d", verb, QUEUE_MOVES_MAX);
	}
	for (size_t i = 0; code == ERR_OK && i < moves->count; i += SCRIPT_MOVES) {
		size_t left = moves->count - i;

		code = run_some(queue, verb, moves->items + i,
		                left < SCRIPT_MOVES ? left : SCRIPT_MOVES, moves->sets + i, err);
	}
	return code;
}

enum err_code queue_opened_all(const struct queue *queue, const struct queue_moves *moves,
                               struct err *err)
{
	return run_moves(queue, moves, "opened", err);
}

enum err_code queue_finish_all(const struct queue *queue, const struct queue_moves *moves,
                               struct err *err)
{
	return run_moves(queue, moves, "finish", err);
}

enum err_code queue_opened(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "opened", ret, err);
}

enum err_code queue_place(const struct queue *queue, const struct queue_move *move,
                          enum queue_set *ret, struct err *err)
{
	assert(move->worker != NULL);
	return run_move(queue, move, "place", ret, err);
}

enum err_code queue_prefer(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err)
{
	assert(move->worker != NULL);
	return run_move(queue, move, "prefer", ret, err);
}

enum err_code queue_refuse(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "refuse", ret, err);
}

enum err_code queue_requeue(const struct queue *queue, const struct queue_move *move,
                            enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "requeue", ret, err);
}

enum err_code queue_park(const struct queue *queue, const struct queue_move *move,
                         enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "park", ret, err);
}

enum err_code queue_unpark(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "unpark", ret, err);
}

enum err_code queue_evict(const struct queue *queue, const struct queue_move *move,
                          enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "evict", ret, err);
}

enum err_code queue_hold(const struct queue *queue, const struct queue_move *move,
                         enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "hold", ret, err);
}

enum err_code queue_release(const struct queue *queue, const struct queue_move *move,
                            enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "release", ret, err);
}

enum err_code queue_finish(const struct queue *queue, const struct queue_move *move,
                           enum queue_set *ret, struct err *err)
{
	return run_move(queue, move, "finish", ret, err);
}

static bool decode_promoted(const struct redis_reply *reply, struct queue_promoted *ret)
{
	struct str next = redis_reply_str(redis_reply_at(reply, 1));
	uint64_t count, woken, drift;

	*ret = (struct queue_promoted){ 0 };
	if (!redis_reply_u64(redis_reply_at(reply, 0), &count) ||
	    !redis_reply_u64(redis_reply_at(reply, 2), &woken) ||
	    !redis_reply_u64(redis_reply_at(reply, 3), &drift) ||
	    (next.n > 0 && !redis_reply_u64(redis_reply_at(reply, 1), &ret->next_ms))) {
		return false;
	}
	if (next.n > 0 && ret->next_ms == 0) {
		ret->next_ms = 1; /* due already: more than one batch */
	}
	ret->count = count;
	ret->woken = woken;
	ret->drift = drift;
	return true;
}

enum err_code queue_promote(const struct queue *queue, uint64_t keep_done_ms,
                            struct queue_promoted *ret, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_PROMOTE];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_u64(cmd, keep_done_ms);
	add_bell(cmd, queue);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "promote");
	}
	return decode_promoted(reply, ret) ? ERR_OK : damaged(script->name, err);
}
