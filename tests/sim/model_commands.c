#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/model_data.h"

typedef struct model_reply *(command_fn)(struct model *model, const struct str *args, size_t count);

static struct model_reply *fail(const char *text)
{
	return model_reply_text(MODEL_ERROR, str_of(text));
}

static struct model_reply *wrong_type(void)
{
	return fail("WRONGTYPE Operation against a key holding the wrong kind of value");
}

static struct model_reply *bulk(struct str s)
{
	return model_reply_text(MODEL_STRING, s);
}

static struct model_reply *bulk_or_nil(const struct pair *pair)
{
	return pair != NULL ? bulk(pair->value) : model_reply_new(MODEL_NIL);
}

static bool is(struct str s, const char *word)
{
	return str_eq_nocase(s, str_of(word));
}

static struct model_reply *score_reply(double score)
{
	char text[NUMBER_SIZE];

	return bulk(number_format(score, text));
}

/* ---- strings and keys ---- */

static struct model_reply *cmd_get(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *value = value_find(model, args[1], VALUE_STRING, &wrong);

	(void)count;
	if (wrong) {
		return wrong_type();
	}
	return value != NULL ? bulk(value->text) : model_reply_new(MODEL_NIL);
}

static struct model_reply *cmd_set(struct model *model, const struct str *args, size_t count)
{
	(void)count;
	(void)value_remove(model, args[1]);
	value_make(model, args[1], VALUE_STRING)->text = text_copy(args[2]);
	return model_reply_text(MODEL_STATUS, STR_LIT("OK"));
}

static struct model_reply *cmd_del(struct model *model, const struct str *args, size_t count)
{
	int64_t removed = 0;

	for (size_t i = 1; i < count; i++) {
		removed += value_remove(model, args[i]);
	}
	return model_reply_int(removed);
}

static struct model_reply *cmd_flushall(struct model *model, const struct str *args, size_t count)
{
	(void)args;
	(void)count;
	model_flush(model);
	return model_reply_text(MODEL_STATUS, STR_LIT("OK"));
}

static struct value *any_value(struct model *model, struct str key)
{
	bool wrong = false;
	struct value *value = NULL;

	for (int type = VALUE_STRING; type <= VALUE_STREAM && value == NULL; type++) {
		value = value_find(model, key, (enum value_type)type, &wrong);
		if (!wrong && value == NULL) {
			return NULL; /* it is not there at all */
		}
		wrong = false;
	}
	return value;
}

static struct model_reply *cmd_exists(struct model *model, const struct str *args, size_t count)
{
	int64_t there = 0;

	for (size_t i = 1; i < count; i++) {
		there += any_value(model, args[i]) != NULL;
	}
	return model_reply_int(there);
}

static struct model_reply *cmd_pexpire(struct model *model, const struct str *args, size_t count)
{
	struct value *value = any_value(model, args[1]);
	uint64_t ms;

	(void)count;
	if (!parse_u64(args[2], INT64_MAX, &ms)) {
		return fail("ERR value is not an integer or out of range");
	}
	if (value != NULL) {
		value->expires_ms = model->now_ms + (int64_t)ms;
	}
	return model_reply_int(value != NULL);
}

static struct model_reply *cmd_publish(struct model *model, const struct str *args, size_t count)
{
	unsigned heard = 0;

	(void)count;
	model->published++;
	if (model->on_publish != NULL) {
		heard = model->on_publish(model->publish_arg, args[1], args[2]);
	}
	return model_reply_int(heard);
}

static struct model_reply *cmd_time(struct model *model, const struct str *args, size_t count)
{
	struct model_reply *reply = model_reply_new(MODEL_ARRAY);
	char text[32];

	(void)args;
	(void)count;
	(void)snprintf(text, sizeof(text), "%" PRId64, model->now_ms / 1000);
	model_reply_push(reply, bulk(str_of(text)));
	(void)snprintf(text, sizeof(text), "%" PRId64, model->now_ms % 1000 * 1000);
	model_reply_push(reply, bulk(str_of(text)));
	return reply;
}

/* ---- hashes ---- */

static struct model_reply *cmd_hget(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *hash = value_find(model, args[1], VALUE_HASH, &wrong);

	(void)count;
	return wrong ? wrong_type() : bulk_or_nil(hash_find(hash, args[2]));
}

static struct model_reply *cmd_hmget(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *hash = value_find(model, args[1], VALUE_HASH, &wrong);
	struct model_reply *reply;

	if (wrong) {
		return wrong_type();
	}
	reply = model_reply_new(MODEL_ARRAY);
	for (size_t i = 2; i < count; i++) {
		model_reply_push(reply, bulk_or_nil(hash_find(hash, args[i])));
	}
	return reply;
}

static struct model_reply *cmd_hset(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *hash = value_find(model, args[1], VALUE_HASH, &wrong);
	int64_t added = 0;

	if (wrong) {
		return wrong_type();
	}
	if (count % 2 != 0) {
		return fail("ERR wrong number of arguments for 'hset' command");
	}
	if (hash == NULL) {
		hash = value_make(model, args[1], VALUE_HASH);
	}
	for (size_t i = 2; i < count; i += 2) {
		added += hash_set(hash, args[i], args[i + 1]);
	}
	return model_reply_int(added);
}

static struct model_reply *cmd_hincrby(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *hash = value_find(model, args[1], VALUE_HASH, &wrong);
	struct pair *pair = hash_find(hash, args[2]);
	int64_t old = 0, by;
	char text[32];

	(void)count;
	if (wrong) {
		return wrong_type();
	}
	if (!parse_i64(args[3], &by) || (pair != NULL && !parse_i64(pair->value, &old))) {
		return fail("ERR hash value is not an integer");
	}
	if (hash == NULL) {
		hash = value_make(model, args[1], VALUE_HASH);
	}
	(void)snprintf(text, sizeof(text), "%" PRId64, old + by);
	(void)hash_set(hash, args[2], str_of(text));
	return model_reply_int(old + by);
}

/* ---- sorted sets ---- */

static struct model_reply *cmd_zadd(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false, only_new = count > 4 && is(args[2], "NX");
	bool only_old = count > 4 && is(args[2], "XX");
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);
	size_t at = only_new || only_old ? 3 : 2;
	int64_t added = 0;
	double score;

	if (wrong) {
		return wrong_type();
	}
	if (count < at + 2 || (count - at) % 2 != 0) {
		return fail("ERR syntax error");
	}
	for (size_t i = at; i < count; i += 2) {
		if (!number_parse(args[i], &score)) {
			return fail("ERR value is not a valid float");
		}
	}
	for (size_t i = at; i < count; i += 2) {
		bool known = zset_find(zset, args[i + 1]) != NULL;

		if (known ? only_new : only_old) {
			continue;
		}
		if (zset == NULL) {
			zset = value_make(model, args[1], VALUE_ZSET);
		}
		(void)!number_parse(args[i], &score);
		added += zset_set(zset, args[i + 1], score);
	}
	return model_reply_int(added);
}

/* ---- sets: zsets without scores ---- */

static struct model_reply *cmd_sadd(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *set = value_find(model, args[1], VALUE_SET, &wrong);
	int64_t added = 0;

	if (wrong) {
		return wrong_type();
	}
	if (set == NULL) {
		set = value_make(model, args[1], VALUE_SET);
	}
	for (size_t i = 2; i < count; i++) {
		added += zset_set(set, args[i], 0);
	}
	return model_reply_int(added);
}

static struct model_reply *cmd_srem(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *set = value_find(model, args[1], VALUE_SET, &wrong);
	int64_t removed = 0;

	if (wrong) {
		return wrong_type();
	}
	for (size_t i = 2; set != NULL && i < count; i++) {
		removed += zset_remove(set, args[i]);
	}
	if (set != NULL) {
		value_drop_if_empty(model, set);
	}
	return model_reply_int(removed);
}

static struct model_reply *cmd_scard(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *set = value_find(model, args[1], VALUE_SET, &wrong);

	(void)count;
	return wrong ? wrong_type() : model_reply_int(set != NULL ? (int64_t)set->count : 0);
}

static struct model_reply *cmd_sismember(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *set = value_find(model, args[1], VALUE_SET, &wrong);

	(void)count;
	return wrong ? wrong_type() : model_reply_int(zset_find(set, args[2]) != NULL);
}

/* Some of them; which ones is nobody's to count on. */
static struct model_reply *cmd_srandmember(struct model *model, const struct str *args,
                                           size_t count)
{
	bool wrong = false;
	struct value *set = value_find(model, args[1], VALUE_SET, &wrong);
	struct model_reply *reply;
	uint64_t most;

	(void)count;
	if (wrong) {
		return wrong_type();
	}
	if (!parse_u64(args[2], INT64_MAX, &most)) {
		return fail("ERR value is not an integer or out of range");
	}
	reply = model_reply_new(MODEL_ARRAY);
	for (size_t i = 0; set != NULL && i < set->count && i < most; i++) {
		model_reply_push(reply, bulk(set->members[i].name));
	}
	return reply;
}

static struct model_reply *cmd_hdel(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *hash = value_find(model, args[1], VALUE_HASH, &wrong);
	int64_t removed = 0;

	if (wrong) {
		return wrong_type();
	}
	for (size_t i = 2; hash != NULL && i < count; i++) {
		removed += hash_remove(hash, args[i]);
	}
	if (hash != NULL) {
		value_drop_if_empty(model, hash);
	}
	return model_reply_int(removed);
}

static struct model_reply *cmd_hgetall(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *hash = value_find(model, args[1], VALUE_HASH, &wrong);
	struct model_reply *reply;

	(void)count;
	if (wrong) {
		return wrong_type();
	}
	reply = model_reply_new(MODEL_ARRAY);
	for (size_t i = 0; hash != NULL && i < hash->count; i++) {
		model_reply_push(reply, bulk(hash->fields[i].name));
		model_reply_push(reply, bulk(hash->fields[i].value));
	}
	return reply;
}

static struct model_reply *cmd_hlen(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *hash = value_find(model, args[1], VALUE_HASH, &wrong);

	(void)count;
	return wrong ? wrong_type() : model_reply_int(hash != NULL ? (int64_t)hash->count : 0);
}

static struct model_reply *cmd_zrank(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);
	struct member *member = zset_find(zset, args[2]);

	(void)count;
	if (wrong) {
		return wrong_type();
	}
	return member != NULL ? model_reply_int(member - zset->members)
	                      : model_reply_new(MODEL_NIL);
}

static struct model_reply *cmd_zincrby(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);
	struct member *member = zset_find(zset, args[3]);
	double score;

	(void)count;
	if (wrong) {
		return wrong_type();
	}
	if (!number_parse(args[2], &score)) {
		return fail("ERR value is not a valid float");
	}
	if (zset == NULL) {
		zset = value_make(model, args[1], VALUE_ZSET);
	}
	score += member != NULL ? member->score : 0;
	(void)zset_set(zset, args[3], score);
	return score_reply(score);
}

static struct model_reply *cmd_zrem(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);
	int64_t removed = 0;

	if (wrong) {
		return wrong_type();
	}
	for (size_t i = 2; zset != NULL && i < count; i++) {
		removed += zset_remove(zset, args[i]);
	}
	if (zset != NULL) {
		value_drop_if_empty(model, zset);
	}
	return model_reply_int(removed);
}

static struct model_reply *cmd_zcard(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);

	(void)count;
	return wrong ? wrong_type() : model_reply_int(zset != NULL ? (int64_t)zset->count : 0);
}

static struct model_reply *cmd_zscore(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);
	struct member *member = zset_find(zset, args[2]);

	(void)count;
	if (wrong) {
		return wrong_type();
	}
	return member != NULL ? score_reply(member->score) : model_reply_new(MODEL_NIL);
}

static struct model_reply *cmd_zrange(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false, scores = count > 4 && is(args[4], "WITHSCORES");
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);
	int64_t first, last, size = zset != NULL ? (int64_t)zset->count : 0;
	struct model_reply *reply;

	if (wrong) {
		return wrong_type();
	}
	if (!parse_i64(args[2], &first) || !parse_i64(args[3], &last)) {
		return fail("ERR value is not an integer or out of range");
	}
	first = first < 0 ? (first + size > 0 ? first + size : 0) : first;
	last = last < 0 ? last + size : last;
	reply = model_reply_new(MODEL_ARRAY);
	for (int64_t i = first; i <= last && i < size; i++) {
		model_reply_push(reply, bulk(zset->members[i].name));
		if (scores) {
			model_reply_push(reply, score_reply(zset->members[i].score));
		}
	}
	return reply;
}

static struct model_reply *cmd_zrangebyscore(struct model *model, const struct str *args,
                                             size_t count)
{
	bool wrong = false;
	struct value *zset = value_find(model, args[1], VALUE_ZSET, &wrong);
	struct model_reply *reply;
	uint64_t limit = UINT64_MAX;
	double low, high;

	if (wrong) {
		return wrong_type();
	}
	if (!number_parse(args[2], &low) || !number_parse(args[3], &high)) {
		return fail("ERR min or max is not a float");
	}
	if (count == 7 && (!is(args[4], "LIMIT") || !is(args[5], "0") ||
	                   !parse_u64(args[6], UINT64_MAX, &limit))) {
		return fail("ERR syntax error");
	}
	reply = model_reply_new(MODEL_ARRAY);
	for (size_t i = 0; zset != NULL && i < zset->count && reply->count < limit; i++) {
		if (zset->members[i].score >= low && zset->members[i].score <= high) {
			model_reply_push(reply, bulk(zset->members[i].name));
		}
	}
	return reply;
}

/* ---- streams ---- */

struct stream_id {
	uint64_t epoch, n;
};

static int compare_ids(struct stream_id a, struct stream_id b)
{
	if (a.epoch != b.epoch) {
		return a.epoch < b.epoch ? -1 : 1;
	}
	return (a.n > b.n) - (a.n < b.n);
}

/* missing: what n is when only the first part is given. */
static bool parse_id(struct str s, uint64_t missing, struct stream_id *ret)
{
	struct str rest = s, epoch = str_split(&rest, '-');

	ret->n = missing;
	return parse_u64(epoch, UINT64_MAX, &ret->epoch) &&
	       (rest.p == NULL || parse_u64(rest, UINT64_MAX, &ret->n));
}

static struct model_reply *id_reply(struct stream_id id)
{
	char text[48];

	(void)snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, id.epoch, id.n);
	return bulk(str_of(text));
}

static bool next_id(const struct model *model, const struct value *stream, struct str text,
                    struct stream_id *ret)
{
	struct stream_id top = { stream != NULL ? stream->last_epoch : 0,
		                 stream != NULL ? stream->last_n : 0 };

	if (is(text, "*")) {
		*ret = (struct stream_id){ (uint64_t)model->now_ms, 0 };
		if (compare_ids(*ret, top) <= 0) {
			*ret = (struct stream_id){ top.epoch, top.n + 1 };
		}
		return true;
	}
	return parse_id(text, 0, ret) && compare_ids(*ret, top) > 0;
}

static struct model_reply *cmd_xadd(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false, no_create = is(args[2], "NOMKSTREAM");
	struct value *stream = value_find(model, args[1], VALUE_STREAM, &wrong);
	uint64_t keep = UINT64_MAX;
	struct stream_id id;
	size_t at = 2;

	if (wrong) {
		return wrong_type();
	}
	at += no_create;
	if (is(args[at], "MAXLEN")) {
		if (!is(args[at + 1], "=") || !parse_u64(args[at + 2], UINT64_MAX, &keep)) {
			return fail("ERR syntax error");
		}
		at += 3;
	}
	if (stream == NULL && no_create) {
		return model_reply_new(MODEL_NIL);
	}
	if (count < at + 3 || (count - at) % 2 == 0) {
		return fail("ERR wrong number of arguments for 'xadd' command");
	}
	if (!next_id(model, stream, args[at], &id)) {
		return fail("ERR The ID specified in XADD is equal or smaller than the target "
		            "stream top item");
	}
	if (stream == NULL) {
		stream = value_make(model, args[1], VALUE_STREAM);
	}
	stream_append(stream, id.epoch, id.n, &args[at + 1], count - at - 1);
	if (stream->count > keep) {
		stream_drop_front(stream, stream->count - keep);
	}
	return id_reply(id);
}

static struct model_reply *cmd_xtrim(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false;
	struct value *stream = value_find(model, args[1], VALUE_STREAM, &wrong);
	struct stream_id min;
	size_t dropped = 0;

	if (wrong) {
		return wrong_type();
	}
	if (count != 5 || !is(args[2], "MINID") || !is(args[3], "=") ||
	    !parse_id(args[4], 0, &min)) {
		return fail("ERR syntax error");
	}
	while (stream != NULL && dropped < stream->count &&
	       compare_ids((struct stream_id){ stream->entries[dropped].epoch,
	                                       stream->entries[dropped].n },
	                   min) < 0) {
		dropped++;
	}
	if (dropped > 0) {
		stream_drop_front(stream, dropped);
	}
	return model_reply_int((int64_t)dropped);
}

static struct model_reply *entry_reply(const struct entry *entry)
{
	struct model_reply *reply = model_reply_new(MODEL_ARRAY);
	struct model_reply *fields = model_reply_new(MODEL_ARRAY);

	for (size_t i = 0; i < entry->count; i++) {
		model_reply_push(fields, bulk(entry->fields[i].name));
		model_reply_push(fields, bulk(entry->fields[i].value));
	}
	model_reply_push(reply, id_reply((struct stream_id){ entry->epoch, entry->n }));
	model_reply_push(reply, fields);
	return reply;
}

static bool parse_bound(struct str s, uint64_t missing, struct stream_id *ret, bool *ret_open)
{
	*ret_open = s.n > 0 && s.p[0] == '(';
	if (is(s, "-") || is(s, "+")) {
		ret->epoch = ret->n = is(s, "-") ? 0 : UINT64_MAX;
		return true;
	}
	return parse_id(*ret_open ? str_make(s.p + 1, s.n - 1) : s, missing, ret);
}

static struct model_reply *cmd_xrange(struct model *model, const struct str *args, size_t count)
{
	bool wrong = false, open_low, open_high;
	struct value *stream = value_find(model, args[1], VALUE_STREAM, &wrong);
	struct stream_id low, high;
	uint64_t limit = UINT64_MAX;
	struct model_reply *reply;

	if (wrong) {
		return wrong_type();
	}
	if (!parse_bound(args[2], 0, &low, &open_low) ||
	    !parse_bound(args[3], UINT64_MAX, &high, &open_high) ||
	    (count == 6 && (!is(args[4], "COUNT") || !parse_u64(args[5], UINT64_MAX, &limit)))) {
		return fail("ERR Invalid stream ID specified as stream command argument");
	}
	reply = model_reply_new(MODEL_ARRAY);
	for (size_t i = 0; stream != NULL && i < stream->count && reply->count < limit; i++) {
		const struct entry *entry = &stream->entries[i];
		struct stream_id id = { entry->epoch, entry->n };

		if (compare_ids(id, low) >= (open_low ? 1 : 0) &&
		    compare_ids(id, high) <= (open_high ? -1 : 0)) {
			model_reply_push(reply, entry_reply(entry));
		}
	}
	return reply;
}

static const struct command {
	const char *name;
	size_t least; /* words, with the name */
	command_fn *run;
	bool writes;
} commands[] = {
	{ "HGET", 3, cmd_hget, false },
	{ "HMGET", 3, cmd_hmget, false },
	{ "HSET", 4, cmd_hset, true },
	{ "ZADD", 4, cmd_zadd, true },
	{ "ZREM", 3, cmd_zrem, true },
	{ "ZCARD", 2, cmd_zcard, false },
	{ "ZSCORE", 3, cmd_zscore, false },
	{ "ZRANGE", 4, cmd_zrange, false },
	{ "EXISTS", 2, cmd_exists, false },
	{ "TIME", 1, cmd_time, false },
	{ "PUBLISH", 3, cmd_publish, false },
	{ "ZRANGEBYSCORE", 4, cmd_zrangebyscore, false },
	{ "HGETALL", 2, cmd_hgetall, false },
	{ "HLEN", 2, cmd_hlen, false },
	{ "HDEL", 3, cmd_hdel, true },
	{ "HINCRBY", 4, cmd_hincrby, true },
	{ "ZRANK", 3, cmd_zrank, false },
	{ "ZINCRBY", 4, cmd_zincrby, true },
	{ "XADD", 5, cmd_xadd, true },
	{ "XRANGE", 4, cmd_xrange, false },
	{ "XTRIM", 5, cmd_xtrim, true },
	{ "GET", 2, cmd_get, false },
	{ "SET", 3, cmd_set, true },
	{ "DEL", 2, cmd_del, true },
	{ "PEXPIRE", 3, cmd_pexpire, true },
	{ "FLUSHALL", 1, cmd_flushall, true },
	{ "SADD", 3, cmd_sadd, true },
	{ "SREM", 3, cmd_srem, true },
	{ "SCARD", 2, cmd_scard, false },
	{ "SISMEMBER", 3, cmd_sismember, false },
	{ "SRANDMEMBER", 3, cmd_srandmember, false },
};

struct model_reply *model_call(struct model *model, const struct str *args, size_t count)
{
	for (size_t i = 0; count > 0 && i < ARRAY_LEN(commands); i++) {
		if (is(args[0], commands[i].name)) {
			model->changed |= commands[i].writes;
			model->calls++;
			return count >= commands[i].least ? commands[i].run(model, args, count)
			                                  : fail("ERR wrong number of arguments");
		}
	}
	return fail("ERR unknown command of the model");
}
