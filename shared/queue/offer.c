#include "queue/offer.h"

#include <stdio.h>

#include "queue/keys.h"
#include "queue/lease.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

static bool offers_ok(const struct queue_offers *offers)
{
	bool ok = queue_name_ok(offers->holder) && offers->count <= QUEUE_OFFERS_MAX;

	for (size_t i = 0; i < offers->count && ok; i++) {
		ok = queue_name_ok(offers->items[i].incarnation) &&
		     queue_words_ok(offers->items[i].has) &&
		     (offers->items[i].holds == NULL ||
		      queue_words_fit(offers->items[i].holds, LEASE_HOLDS_MAX));
	}
	return ok;
}

void queue_taken_channel(const struct queue *queue, const char *holder, char out[QUEUE_KEY_SIZE])
{
	char bell[QUEUE_KEY_SIZE];

	queue_key_bell(queue, bell);
	(void)snprintf(out, QUEUE_KEY_SIZE, "%.48s:%.*s", bell, QUEUE_WORKER_MAX, holder);
}

enum err_code queue_offer(const struct queue *queue, const struct queue_offers *offers,
                          bool *ret_stands, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_OFFER];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	if (!offers_ok(offers)) {
		return err_set(err, ERR_INVALID, "offers of %s", offers->holder);
	}
	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_arg_cstr(cmd, tag);
	redis_arg_cstr(cmd, offers->holder);
	redis_arg_u64(cmd, offers->for_ms);
	for (size_t i = 0; i < offers->count; i++) {
		const struct queue_offer *item = &offers->items[i];

		redis_arg_cstr(cmd, item->incarnation);
		redis_arg_u64(cmd, item->capacity);
		redis_arg_u64(cmd, item->resident > 0 ? item->resident : item->capacity);
		redis_argf(cmd, ",%s,", item->has);
		redis_argf(cmd, ",%s,", item->holds != NULL ? item->holds : "");
		if (item->more > 0) {
			redis_arg_u64(cmd, item->more);
		} else {
			redis_arg_cstr(cmd, "");
		}
	}
	code = redis_script(queue->redis, script, cmd, &reply, err);
	*ret_stands = code == ERR_OK && redis_reply_int(reply) == 1;
	return code == ERR_OK ? ERR_OK : err_wrap(err, "offers");
}

static struct str word(struct str *rest)
{
	return str_split(rest, ' ');
}

bool queue_taken_read(struct str payload, struct queue_taken *ret)
{
	struct queue_item *item = &ret->item;
	uint64_t priority, at_ms;

	*item = (struct queue_item){ .claimed = QUEUE_CLAIMED_NEW, .set = QUEUE_LEASING };
	ret->copy = payload;
	if (!str_eq(word(&ret->copy), STR_LIT("taken"))) {
		return false;
	}
	ret->holder = word(&ret->copy);
	if (!id_parse(word(&ret->copy), &item->sid) ||
	    !str_copy(item->tenant, sizeof(item->tenant), word(&ret->copy)) ||
	    !str_copy(item->user, sizeof(item->user), word(&ret->copy)) ||
	    !parse_u64(word(&ret->copy), QUEUE_PRIORITY_MAX, &priority) ||
	    !parse_u64(word(&ret->copy), UINT64_MAX, &item->attempt) ||
	    !parse_u64(word(&ret->copy), INT64_MAX, &at_ms) ||
	    !parse_u64(word(&ret->copy), UINT64_MAX, &item->epoch) ||
	    !str_copy(item->incarnation, sizeof(item->incarnation), word(&ret->copy)) ||
	    item->incarnation[0] == '\0' || ret->copy.p == NULL) {
		return false;
	}
	item->priority = (unsigned)priority;
	item->queued_ms = item->since_ms = (int64_t)at_ms;
	return true;
}
