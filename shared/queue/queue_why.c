#include "queue/queue_why.h"

#include "base/attr.h"
#include "queue/keys.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

enum { FIRST_PACE = 21, FIRST_SPENT = 24, GATE = 26, MILLI = 1000 };

/* Thousandths at most, as the scripts write it: "12", "12.250". */
static bool parse_decimal(struct str text, double *ret)
{
	struct str whole = str_split(&text, '.');
	uint64_t integer, milli = 0;

	if (!parse_u64(whole, INT64_MAX, &integer) ||
	    (text.p != NULL && (text.n != 3 || !parse_u64(text, MILLI - 1, &milli)))) {
		return false;
	}
	*ret = (double)integer + (double)milli / MILLI;
	return true;
}

/* "last|goes on|starts|mean|variance|frequent until" */
static bool parse_pace(struct str text, struct queue_pace *ret)
{
	uint64_t last, goes_on, until;

	*ret = (struct queue_pace){ .starts = 0 };
	if (text.n == 0) {
		return true;
	}
	if (!parse_u64(str_split(&text, '|'), INT64_MAX, &last) ||
	    !parse_u64(str_split(&text, '|'), 1, &goes_on) ||
	    !parse_u64(str_split(&text, '|'), INT32_MAX, &ret->starts) ||
	    !parse_decimal(str_split(&text, '|'), &ret->mean_ms) ||
	    !parse_decimal(str_split(&text, '|'), &ret->var) ||
	    !parse_u64(text, INT64_MAX, &until)) {
		return false;
	}
	ret->often_ms = (int64_t)until;
	ret->last_ms = (int64_t)last;
	ret->goes_on = goes_on != 0;
	return true;
}

/* What a line did while starts were so frequent that its own were not written down. */
static void forget_missed(struct queue_pace *line, const struct queue_pace *all)
{
	line->goes_on = line->goes_on && line->last_ms > all->often_ms;
}

bool queue_spent_parse(struct str text, struct queue_spent *ret)
{
	*ret = (struct queue_spent){ 0 };
	return text.n == 0 ||
	       (parse_decimal(str_split(&text, '|'), &ret->ms) && parse_decimal(text, &ret->ended));
}

static bool take_texts(const struct redis_reply *row, struct queue_why *ret)
{
	return queue_set_parse(redis_reply_str(redis_reply_at(row, 0)), &ret->set) &&
	       str_copy(ret->reason, sizeof(ret->reason),
	                redis_reply_str(redis_reply_at(row, 1))) &&
	       str_copy(ret->needs, sizeof(ret->needs), redis_reply_str(redis_reply_at(row, 2))) &&
	       str_copy(ret->incarnation, sizeof(ret->incarnation),
	                redis_reply_str(redis_reply_at(row, 3))) &&
	       parse_i64(redis_reply_str(redis_reply_at(row, 14)), &ret->turns) &&
	       str_copy(ret->limit, sizeof(ret->limit), redis_reply_str(redis_reply_at(row, 17)));
}

static bool take_numbers(const struct redis_reply *row, struct queue_why *ret)
{
	struct queue_rank *rank = &ret->rank;
	uint64_t now, since, due;
	const struct {
		size_t at;
		uint64_t *to;
	} all[] = { { 4, &now },
		    { 5, &since },
		    { 6, &due },
		    { 7, &rank->ahead },
		    { 8, &rank->of_user },
		    { 9, &rank->users_ahead },
		    { 10, &rank->users },
		    { 11, &rank->tenants_ahead },
		    { 12, &rank->tenants },
		    { 13, &rank->ready },
		    { 15, &ret->weight },
		    { 16, &ret->leases },
		    { 18, &ret->used },
		    { 19, &ret->most },
		    { 20, &ret->waiting } };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!redis_reply_u64(redis_reply_at(row, all[i].at), all[i].to)) {
			return false;
		}
	}
	/* A tenant at its limit is not in the turn of the others, but still one of them. */
	if (rank->tenants <= rank->tenants_ahead) {
		rank->tenants = rank->tenants_ahead + 1;
	}
	ret->now_ms = (int64_t)now;
	ret->since_ms = (int64_t)since;
	ret->due_ms = (int64_t)due;
	return true;
}

static struct str text_at(const struct redis_reply *row, size_t at)
{
	return redis_reply_str(redis_reply_at(row, at));
}

static bool decode(const struct redis_reply *row, struct queue_why *ret)
{
	bool ok;

	*ret = (struct queue_why){ .set = QUEUE_NONE };
	ok = take_texts(row, ret) && take_numbers(row, ret) &&
	     parse_pace(text_at(row, FIRST_PACE), &ret->of_user) &&
	     parse_pace(text_at(row, FIRST_PACE + 1), &ret->of_tenant) &&
	     parse_pace(text_at(row, FIRST_PACE + 2), &ret->of_all) &&
	     queue_spent_parse(text_at(row, FIRST_SPENT), &ret->spent_tenant) &&
	     queue_spent_parse(text_at(row, FIRST_SPENT + 1), &ret->spent_all) &&
	     queue_gate_parse(text_at(row, GATE), text_at(row, GATE + 1), &ret->gate);
	forget_missed(&ret->of_user, &ret->of_all);
	forget_missed(&ret->of_tenant, &ret->of_all);
	return ok;
}

enum err_code queue_explain(const struct queue *queue, const struct id *sid, struct queue_why *ret,
                            struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_WHY];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	redis_arg_cstr(cmd, sid->s);
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "why %s", sid->s);
	}
	if (str_eq(redis_reply_str(redis_reply_at(reply, 0)), STR_LIT("missing"))) {
		return err_set(err, ERR_NOT_FOUND, "%s is not in this shard", sid->s);
	}
	return decode(reply, ret) ? ERR_OK : err_set(err, ERR_BACKEND, "why %s: damaged", sid->s);
}
