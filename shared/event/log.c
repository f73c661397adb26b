#include "event/log.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "event/keys.h"
#include "event/reply.h"
#include "event_lua_gen.h"
#include "metric/metric.h"
#include "redis/redis.h"

static const char *const outcome_names[LOG_OUTCOME_COUNT] = {
	[LOG_OK] = "ok",
	[LOG_MISSING] = "missing",
	[LOG_REBUILD] = "rebuild",
	[LOG_STALE] = "stale",
	[LOG_FENCED] = "fenced",
	[LOG_MOVED] = "moved",
	[LOG_ENDED] = "ended",
	[LOG_SEQUENCE] = "sequence",
	[LOG_DUPLICATE] = "duplicate",
	[LOG_PRODUCERS] = "producers",
	[LOG_LIMIT] = "limit",
};

const char *log_outcome_name(enum log_outcome outcome)
{
	return outcome_names[outcome];
}

enum err_code log_result_err(const struct log_result *result, struct err *err)
{
	switch (result->outcome) {
	case LOG_OK: return ERR_OK;
	case LOG_MISSING: return err_set(err, ERR_NOT_FOUND, "no such session");
	case LOG_REBUILD: return err_set(err, ERR_REBUILD, "the log is not open in this Redis");
	case LOG_STALE: return err_set(err, ERR_STALE, "a newer generation of Redis is known");
	case LOG_FENCED:
		return err_set(err, ERR_FENCED, "the log is in epoch %" PRIu64, result->epoch);
	case LOG_MOVED:
		return err_set(err, ERR_ILLEGAL_MOVE, "the session is %s",
		               session_state_name(result->state));
	case LOG_ENDED:
		return err_set(err, ERR_GONE, "the session is %s",
		               session_state_name(result->state));
	case LOG_SEQUENCE:
		return err_set(err, ERR_SEQUENCE, "the next sequence is %" PRIu64,
		               result->expected);
	case LOG_DUPLICATE: return err_set(err, ERR_DUPLICATE, "the batch is too old to know");
	case LOG_PRODUCERS: return err_set(err, ERR_LIMIT, "the session has too many producers");
	case LOG_LIMIT: return err_set(err, ERR_LIMIT, "too much of the log is not archived yet");
	case LOG_OUTCOME_COUNT: break;
	}
	return err_set(err, ERR_INTERNAL, "no such outcome");
}

/* As in log_open.lua. */
uint64_t log_epoch_floor(const struct log_store *store)
{
	return store->generation > 0 ? (store->generation - 1) * 1000000 : 0;
}

void log_states_format(unsigned set, char out[LOG_STATES_SIZE])
{
	size_t at = 1;

	out[0] = ',';
	out[1] = '\0';
	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		if ((set & (1U << i)) != 0) {
			int n = snprintf(out + at, LOG_STATES_SIZE - at, "%s,",
			                 session_state_name((enum session_state)i));
			at += (size_t)n;
		}
	}
}

unsigned log_states_living(void)
{
	unsigned set = 0;

	for (unsigned i = 0; i < SESSION_STATE_COUNT; i++) {
		set |= session_is_terminal((enum session_state)i) ? 0 : 1U << i;
	}
	return set;
}

/* What the caller expects, narrowed to what the table of moves allows. */
static unsigned expected_states(unsigned from, bool moves, enum session_state to)
{
	unsigned set = from == SESSION_ANY ? log_states_living() : from & log_states_living();

	return moves ? set & session_moves_to(to) : set;
}

static bool decode_ok(const struct redis_reply *reply, struct log_result *ret)
{
	uint64_t first, last;

	if (!redis_reply_u64(redis_reply_at(reply, 1), &ret->epoch) ||
	    !redis_reply_u64(redis_reply_at(reply, 2), &first) ||
	    !redis_reply_u64(redis_reply_at(reply, 3), &last) ||
	    !session_state_parse(redis_reply_str(redis_reply_at(reply, 4)), &ret->state) ||
	    !redis_reply_u64(redis_reply_at(reply, 5), &ret->unarchived)) {
		return false;
	}
	/* Only an opening of just now has it. */
	if (redis_reply_len(reply) > 6 && !redis_reply_u64(redis_reply_at(reply, 6), &ret->told)) {
		return false;
	}
	ret->first = (struct cursor){ ret->epoch, first };
	ret->last = (struct cursor){ ret->epoch, last };
	return true;
}

bool log_reply_outcome(const struct redis_reply *reply, struct log_result *ret)
{
	struct str word = redis_reply_str(redis_reply_at(reply, 0));

	*ret = (struct log_result){ .outcome = LOG_OUTCOME_COUNT };
	if (str_eq(word, STR_LIT("again"))) {
		ret->outcome = LOG_OK;
		ret->repeated = true;
		return true;
	}
	for (unsigned i = 0; i < LOG_OUTCOME_COUNT; i++) {
		if (str_eq(word, str_of(outcome_names[i]))) {
			ret->outcome = (enum log_outcome)i;
		}
	}
	return ret->outcome != LOG_OUTCOME_COUNT;
}

/* The part of a script's answer that all share. */
static bool decode_refusal(const struct redis_reply *reply, struct log_result *ret)
{
	const struct redis_reply *detail = redis_reply_at(reply, 1);

	if (ret->outcome == LOG_FENCED) {
		return redis_reply_u64(detail, &ret->epoch);
	}
	if (ret->outcome == LOG_SEQUENCE) {
		return redis_reply_u64(detail, &ret->expected);
	}
	if (ret->outcome == LOG_MOVED) {
		if (!session_state_parse(redis_reply_str(detail), &ret->state)) {
			return false;
		}
		if (session_is_terminal(ret->state)) {
			ret->outcome = LOG_ENDED;
		}
	}
	return true;
}

bool log_generation_known(const struct log_store *store)
{
	return store->server == 0 || redis_server(store->redis) == store->server;
}

enum err_code log_server_known(const struct log_store *store, struct redis_cmd *cmd,
                               struct err *err)
{
	if (!log_generation_known(store)) {
		return err_set(err, ERR_UNAVAILABLE,
		               "the generation of this Redis is not known yet");
	}
	if (store->server != 0) {
		redis_cmd_same_server(cmd);
	}
	return ERR_OK;
}

enum err_code log_is_current(const struct log_store *store, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = log_server_known(store, cmd, err);

	if (code != ERR_OK || store->mark == NULL) {
		return code;
	}
	redis_arg_cstr(cmd, "GET");
	redis_arg_cstr(cmd, LOG_MARK_KEY);
	code = redis_call(store->redis, cmd, &reply, err);
	if (code == ERR_OK &&
	    (store->generation == 0 || !str_eq(redis_reply_str(reply), str_of(store->mark)))) {
		return err_set(err, ERR_STALE, "the generation of this Redis is not known yet");
	}
	return code;
}

static enum err_code run(const struct log_store *store, const struct text *script,
                         struct redis_cmd *cmd, struct log_result *ret, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct log_result result;
	enum err_code code = log_server_known(store, cmd, err);

	if (code == ERR_OK) {
		code = redis_script(store->redis, script, cmd, &reply, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "%s", script->name);
	}
	if (!log_reply_outcome(reply, &result) ||
	    !(result.outcome == LOG_OK ? decode_ok(reply, &result)
	                               : decode_refusal(reply, &result))) {
		return err_set(err, ERR_BACKEND, "%s: an answer that it does not give",
		               script->name);
	}
	*ret = result;
	return ERR_OK;
}

/* ---- opening ---- */

static bool token_ok(const char *token)
{
	size_t n =
		strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

	return n > 0 && n <= LOG_TOKEN_MAX && token[n] == '\0';
}

static bool cause_ok(const char *cause)
{
	size_t n = strspn(cause, "abcdefghijklmnopqrstuvwxyz_");

	return n > 0 && n <= LOG_CAUSE_MAX && cause[n] == '\0';
}

static void add_epoch(struct redis_cmd *cmd, const struct log_open *opening)
{
	if (opening->how == LOG_RAISE && opening->epoch == 0) {
		redis_arg_cstr(cmd, "");
	} else {
		redis_arg_u64(cmd, opening->epoch);
	}
}

static void add_status(struct redis_cmd *cmd, const struct log_open *opening)
{
	bool tells = opening->moves || opening->how == LOG_CREATE;
	const char *name = session_state_name(opening->to);

	redis_arg_cstr(cmd, tells || opening->how == LOG_RECOVER ? name : "");
	if (!tells) {
		redis_arg_cstr(cmd, "");
	} else if (opening->data.n > 0) {
		redis_arg(cmd, opening->data);
	} else {
		redis_argf(cmd, "{\"status\":\"%s\"}", name);
	}
}

enum err_code log_open(const struct log_store *store, const struct log_open *opening,
                       struct log_result *ret, struct err *err)
{
	static const char *const hows[] = { "create", "raise", "recover" };
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	const struct text *script = &event_lua_texts[EVENT_LUA_LOG_OPEN];
	bool raises = opening->how == LOG_RAISE;
	char states[LOG_STATES_SIZE], archived[CURSOR_SIZE];
	struct log_keys keys;
	struct str level;

	if (!token_ok(opening->token) || !cause_ok(opening->cause)) {
		return err_set(err, ERR_INVALID, "token or cause of an opening");
	}
	if (opening->data.n > 0 && !event_data_ok(opening->data, &level)) {
		return err_set(err, ERR_INVALID, "data of a status event");
	}
	log_keys_of(&opening->sid, &keys);
	log_states_format(expected_states(raises ? opening->from : SESSION_ANY,
	                                  raises && opening->moves, opening->to),
	                  states);
	cursor_format(&opening->archived, archived);
	redis_script_begin(cmd, script, 2);
	redis_arg_cstr(cmd, keys.head);
	redis_arg_cstr(cmd, keys.log);
	redis_arg_cstr(cmd, opening->tenant);
	redis_arg_u64(cmd, store->generation);
	redis_arg_cstr(cmd, hows[opening->how]);
	redis_arg_cstr(cmd, opening->token);
	redis_arg_cstr(cmd, opening->cause);
	add_epoch(cmd, opening);
	redis_arg_cstr(cmd, archived);
	redis_arg_cstr(cmd, states);
	add_status(cmd, opening);
	redis_arg_cstr(cmd, keys.bell);
	redis_arg_u64(cmd, store->since);
	redis_arg_cstr(cmd, opening->channel != NULL ? opening->channel : "");
	redis_arg(cmd, opening->tell);
	return run(store, script, cmd, ret, err);
}

/* ---- appending ---- */

/* Whether the batch goes on where others wait: every event is one that is never dropped. */
static bool batch_is_exempt(const struct log_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		if (event_type_info(batch->events[i].type)->kind != EVENT_KIND_KEEP) {
			return batch->moves;
		}
	}
	return true;
}

static enum err_code check_batch(const struct log_batch *batch, struct str *levels, struct err *err)
{
	size_t bytes = 0;

	if (batch->count == 0 || batch->count > EVENT_BATCH_MAX) {
		return err_set(err, batch->count == 0 ? ERR_INVALID : ERR_TOO_LARGE,
		               "a batch has 1 to %d events", EVENT_BATCH_MAX);
	}
	if (batch->producer != NULL && (!event_producer_ok(str_of(batch->producer)) ||
	                                batch->seq == 0 || batch->seq > CURSOR_N_MAX)) {
		return err_set(err, ERR_INVALID, "producer or sequence");
	}
	for (size_t i = 0; i < batch->count; i++) {
		const struct log_new *event = &batch->events[i];
		bool last = i + 1 == batch->count;

		if (event->data.n > EVENT_DATA_MAX) {
			return err_set(err, ERR_TOO_LARGE, "event %zu: data beyond %d bytes", i,
			               EVENT_DATA_MAX);
		}
		if (!event_data_ok(event->data, &levels[i])) {
			return err_set(err, ERR_INVALID, "event %zu: data is not acceptable", i);
		}
		if ((event->type == EVENT_TYPE_STATUS) != (last && batch->moves) ||
		    event->type == EVENT_TYPE_EPOCH) {
			return err_set(err, ERR_INVALID, "event %zu: %s here", i,
			               event_type_info(event->type)->name);
		}
		bytes += event->data.n;
	}
	if (bytes > EVENT_BATCH_BYTES) {
		return err_set(err, ERR_TOO_LARGE, "a batch beyond %d bytes", EVENT_BATCH_BYTES);
	}
	return ERR_OK;
}

static void add_guards(struct redis_cmd *cmd, const struct log_store *store,
                       const struct log_batch *batch, const char *bell)
{
	char states[LOG_STATES_SIZE];

	log_states_format(expected_states(batch->from, batch->moves, batch->to), states);
	redis_arg_cstr(cmd, batch->tenant);
	redis_arg_u64(cmd, store->generation);
	if (batch->epoch == 0) {
		redis_arg_cstr(cmd, "");
	} else {
		redis_arg_u64(cmd, batch->epoch);
	}
	redis_arg_cstr(cmd, batch->producer != NULL ? batch->producer : "");
	if (batch->producer != NULL) {
		redis_arg_u64(cmd, batch->seq);
	} else {
		redis_arg_cstr(cmd, "");
	}
	redis_argf(cmd, "%s", states);
	redis_arg_cstr(cmd, batch->moves ? session_state_name(batch->to) : "");
	if (batch->moves) {
		redis_arg_cstr(cmd, "");
	} else {
		/* Room for what must not be refused, but not for as much as somebody likes. */
		redis_arg_u64(cmd, store->unarchived_max * (batch_is_exempt(batch) ? 2 : 1));
	}
	redis_arg_cstr(cmd, bell);
	redis_arg_cstr(cmd, batch->trace != NULL ? batch->trace : "-");
}

static enum err_code append(const struct log_store *store, const struct log_batch *batch,
                            struct log_result *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	const struct text *script = &event_lua_texts[EVENT_LUA_LOG_APPEND];
	struct str levels[EVENT_BATCH_MAX];
	struct log_keys keys;
	enum err_code code = check_batch(batch, levels, err);
	uint64_t began_us;

	if (code != ERR_OK) {
		return code;
	}
	if (store->backlogged != NULL && !batch_is_exempt(batch) &&
	    map_get(store->backlogged, str_of(batch->tenant)) != NULL) {
		*ret = (struct log_result){ .outcome = LOG_LIMIT };
		return ERR_OK;
	}
	log_keys_of(&batch->sid, &keys);
	redis_script_begin(cmd, script, 2);
	redis_arg_cstr(cmd, keys.head);
	redis_arg_cstr(cmd, keys.log);
	add_guards(cmd, store, batch, keys.bell);
	redis_arg_u64(cmd, batch->count);
	for (size_t i = 0; i < batch->count; i++) {
		redis_arg_cstr(cmd, event_type_info(batch->events[i].type)->name);
		redis_arg(cmd, levels[i]);
		redis_arg(cmd, batch->events[i].data);
	}
	began_us = clock_mono_us();
	code = run(store, script, cmd, ret, err);
	metric_observe_us(METRIC_STREAM_LAG, "append", clock_mono_us() - began_us);
	return code;
}

static void count_append(const struct log_batch *batch, enum err_code code,
                         const struct log_result *result)
{
	if (code != ERR_OK) {
		metric_inc(METRIC_APPENDS_REFUSED, err_name(code));
	} else if (result->outcome != LOG_OK) {
		metric_inc(METRIC_APPENDS_REFUSED, log_outcome_name(result->outcome));
	} else {
		metric_add(METRIC_EVENTS_APPENDED, NULL, (double)batch->count);
	}
}

enum err_code log_append(const struct log_store *store, const struct log_batch *batch,
                         struct log_result *ret, struct err *err)
{
	enum err_code code = append(store, batch, ret, err);

	count_append(batch, code, ret);
	return code;
}
