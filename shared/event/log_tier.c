/* The log's edges to the other tiers: the archive's watermark, and a worker's journal. */
#include <inttypes.h>

#include "event/keys.h"
#include "event/log.h"
#include "event/reply.h"
#include "event_lua_gen.h"
#include "redis/redis.h"

static void begin(struct redis_cmd *cmd, const struct log_store *store, const struct text *script,
                  const struct log_keys *keys, const char *tenant)
{
	redis_script_begin(cmd, script, 2);
	redis_arg_cstr(cmd, keys->head);
	redis_arg_cstr(cmd, keys->log);
	redis_arg_cstr(cmd, tenant);
	redis_arg_u64(cmd, store->generation);
}

static bool decode_trim(const struct redis_reply *reply, struct log_result *ret)
{
	if (!log_reply_outcome(reply, ret)) {
		return false;
	}
	switch (ret->outcome) {
	case LOG_OK:
	case LOG_MOVED: return redis_reply_u64(redis_reply_at(reply, 1), &ret->last.n);
	case LOG_SEQUENCE: return redis_reply_u64(redis_reply_at(reply, 1), &ret->expected);
	case LOG_MISSING:
	case LOG_REBUILD:
	case LOG_STALE: return true;
	case LOG_FENCED:
	case LOG_ENDED:
	case LOG_DUPLICATE:
	case LOG_PRODUCERS:
	case LOG_LIMIT:
	case LOG_OUTCOME_COUNT: break;
	}
	return false;
}

enum err_code log_trim(const struct log_store *store, const struct log_trim *trim,
                       struct log_result *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct text *script = &event_lua_texts[EVENT_LUA_LOG_TRIM];
	char states[LOG_STATES_SIZE];
	struct log_result result;
	struct log_keys keys;
	enum err_code code;

	log_keys_of(&trim->sid, &keys);
	log_states_format(((1U << SESSION_STATE_COUNT) - 1) & ~log_states_living(), states);
	begin(cmd, store, script, &keys, trim->tenant);
	redis_arg_u64(cmd, trim->from);
	redis_arg_u64(cmd, trim->to);
	redis_arg_u64(cmd, trim->bytes);
	redis_arg_u64(cmd, trim->trim.epoch);
	redis_arg_u64(cmd, trim->trim.n);
	if (trim->retire_ms > 0) {
		redis_arg_u64(cmd, trim->retire_ms);
	} else {
		redis_arg_cstr(cmd, "");
	}
	redis_arg_cstr(cmd, states);
	code = log_server_known(store, cmd, err);
	if (code == ERR_OK) {
		code = redis_script(store->redis, script, cmd, &reply, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "log_trim");
	}
	if (!decode_trim(reply, &result)) {
		return err_set(err, ERR_BACKEND, "log_trim: an answer that it does not give");
	}
	*ret = result;
	return ERR_OK;
}

static void add_event(struct redis_cmd *cmd, const struct log_event *event)
{
	redis_arg_u64(cmd, event->at.epoch);
	redis_arg_u64(cmd, event->at.n);
	redis_arg(cmd, event->type);
	redis_arg(cmd, event->level);
	redis_arg(cmd, event->data);
	redis_arg_i64(cmd, event->ts_ms);
	redis_arg(cmd, event->producer);
	if (event->producer.n > 0) {
		redis_arg_u64(cmd, event->seq);
	} else {
		redis_arg_cstr(cmd, "");
	}
	redis_arg(cmd, event->state);
}

static bool decode_restore(const struct redis_reply *reply, struct log_result *ret)
{
	const struct redis_reply *detail = redis_reply_at(reply, 1);

	if (!log_reply_outcome(reply, ret)) {
		return false;
	}
	switch (ret->outcome) {
	case LOG_OK:
		ret->first = (struct cursor){ 0, 0 };
		return redis_reply_u64(detail, &ret->last.epoch) &&
		       redis_reply_u64(redis_reply_at(reply, 2), &ret->last.n) &&
		       session_state_parse(redis_reply_str(redis_reply_at(reply, 3)), &ret->state);
	case LOG_SEQUENCE: return redis_reply_u64(detail, &ret->expected);
	case LOG_FENCED: return redis_reply_u64(detail, &ret->epoch);
	case LOG_MISSING:
	case LOG_STALE: return true;
	case LOG_REBUILD:
	case LOG_MOVED:
	case LOG_ENDED:
	case LOG_DUPLICATE:
	case LOG_PRODUCERS:
	case LOG_LIMIT:
	case LOG_OUTCOME_COUNT: break;
	}
	return false;
}

enum err_code log_restore(const struct log_store *store, const struct log_restore *restore,
                          struct log_result *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct text *script = &event_lua_texts[EVENT_LUA_LOG_RESTORE];
	struct log_result result;
	struct log_keys keys;
	enum err_code code;

	if (restore->count == 0 || restore->count > LOG_RESTORE_MAX) {
		return err_set(err, ERR_INVALID, "1 to %d events are restored at once",
		               LOG_RESTORE_MAX);
	}
	log_keys_of(&restore->sid, &keys);
	begin(cmd, store, script, &keys, restore->tenant);
	redis_arg_u64(cmd, restore->base);
	redis_arg_cstr(cmd, session_state_name(restore->state));
	redis_arg_u64(cmd, restore->count);
	redis_arg_u64(cmd, store->since);
	for (size_t i = 0; i < restore->count; i++) {
		add_event(cmd, &restore->events[i]);
	}
	code = log_server_known(store, cmd, err);
	if (code == ERR_OK) {
		code = redis_script(store->redis, script, cmd, &reply, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "log_restore");
	}
	if (!decode_restore(reply, &result)) {
		return err_set(err, ERR_BACKEND, "log_restore: an answer that it does not give");
	}
	*ret = result;
	return ERR_OK;
}
