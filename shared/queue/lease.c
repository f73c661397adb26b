#include "queue/lease.h"

#include "queue/keys.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

static struct redis_cmd *begin(const struct text *script)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	lease_key_tag(tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	return cmd;
}

static enum err_code run_renew(struct redis *redis, struct redis_cmd *cmd, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_cmd_same_server(cmd); /* another one may know less, and would believe us */
	code = redis_script(redis, &queue_lua_texts[QUEUE_LUA_LEASE_RENEW], cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "lease");
	}
	if (!str_eq(redis_reply_str(redis_reply_at(reply, 0)), STR_LIT("ok"))) {
		return err_set(err, ERR_FENCED, "this incarnation is lost");
	}
	return ERR_OK;
}

static enum err_code run_describe(struct redis *redis, const struct lease_worker *worker,
                                  bool begins, struct err *err)
{
	CLEANUP(redis_cmd_cleanup)
	struct redis_cmd *cmd = begin(&queue_lua_texts[QUEUE_LUA_LEASE_RENEW]);

	if (!queue_name_ok(worker->incarnation) || !queue_name_ok(worker->worker) ||
	    (worker->former[0] != '\0' && !queue_name_ok(worker->former)) ||
	    !queue_words_ok(worker->has) || !queue_words_fit(worker->holds, LEASE_HOLDS_MAX)) {
		return err_set(err, ERR_INVALID, "a worker's names or words");
	}
	redis_arg_cstr(cmd, worker->incarnation);
	redis_arg_u64(cmd, LEASE_TTL_MS);
	redis_arg_cstr(cmd, worker->worker);
	redis_arg_cstr(cmd, worker->name);
	redis_arg_u64(cmd, worker->slots);
	redis_arg_u64(cmd, worker->draining ? 1 : 0);
	redis_arg_cstr(cmd, worker->has);
	redis_arg_cstr(cmd, worker->version);
	redis_arg_u64(cmd, worker->resident > 0 ? worker->resident : worker->slots);
	redis_arg_cstr(cmd, worker->holds);
	redis_arg_u64(cmd, worker->generation);
	redis_arg_u64(cmd, begins ? 1 : 0);
	redis_arg_cstr(cmd, worker->key);
	redis_arg_cstr(cmd, worker->former);
	return run_renew(redis, cmd, err);
}

enum err_code lease_register(struct redis *redis, const struct lease_worker *worker,
                             struct err *err)
{
	return run_describe(redis, worker, true, err);
}

enum err_code lease_describe(struct redis *redis, const struct lease_worker *worker,
                             struct err *err)
{
	return run_describe(redis, worker, false, err);
}

enum err_code lease_renew(struct redis *redis, const char *incarnation, struct err *err)
{
	CLEANUP(redis_cmd_cleanup)
	struct redis_cmd *cmd = begin(&queue_lua_texts[QUEUE_LUA_LEASE_RENEW]);

	redis_arg_cstr(cmd, incarnation);
	redis_arg_u64(cmd, LEASE_TTL_MS);
	return run_renew(redis, cmd, err);
}

static enum err_code run_end(struct redis *redis, const char *incarnation, const char *how,
                             struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_LEASE_END];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_cstr(cmd, incarnation);
	redis_arg_cstr(cmd, how);
	code = redis_script(redis, script, cmd, &reply, err);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "%s of a lease", how);
}

enum err_code lease_end(struct redis *redis, const char *incarnation, struct err *err)
{
	return run_end(redis, incarnation, "end", err);
}

enum err_code lease_forget(struct redis *redis, const char *incarnation, struct err *err)
{
	return run_end(redis, incarnation, "forget", err);
}

static bool decode_lost(const struct redis_reply *row, struct lease_lost *ret)
{
	uint64_t since;

	if (!str_copy(ret->incarnation, sizeof(ret->incarnation),
	              redis_reply_str(redis_reply_at(row, 0))) ||
	    !str_copy(ret->worker, sizeof(ret->worker), redis_reply_str(redis_reply_at(row, 1))) ||
	    !redis_reply_u64(redis_reply_at(row, 2), &since)) {
		return false;
	}
	ret->since_ms = (int64_t)since;
	return true;
}

enum err_code lease_sweep(struct redis *redis, struct lease_lost *lost, size_t max,
                          size_t *ret_count, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_LEASE_SWEEP];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	max = max < LEASE_SWEEP_MAX ? max : LEASE_SWEEP_MAX;
	redis_arg_u64(cmd, max);
	code = redis_script(redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "sweep of leases");
	}
	if (redis_reply_type(reply) != REDIS_ARRAY || redis_reply_len(reply) > max) {
		return err_set(err, ERR_BACKEND, "lease_sweep: an answer that it does not give");
	}
	for (size_t i = 0; i < redis_reply_len(reply); i++) {
		if (!decode_lost(redis_reply_at(reply, i), &lost[i])) {
			return err_set(err, ERR_BACKEND, "lease_sweep: a damaged item");
		}
	}
	*ret_count = redis_reply_len(reply);
	return ERR_OK;
}

static bool decode_worker(const struct redis_reply *row, struct lease_worker *ret)
{
	uint64_t slots, draining, since, resident;

	*ret = (struct lease_worker){ .slots = 0 };
	if (!str_copy(ret->incarnation, sizeof(ret->incarnation),
	              redis_reply_str(redis_reply_at(row, 0))) ||
	    !str_copy(ret->worker, sizeof(ret->worker), redis_reply_str(redis_reply_at(row, 1))) ||
	    !str_copy(ret->name, sizeof(ret->name), redis_reply_str(redis_reply_at(row, 2))) ||
	    !redis_reply_u64(redis_reply_at(row, 3), &slots) ||
	    !redis_reply_u64(redis_reply_at(row, 4), &draining) ||
	    !str_copy(ret->has, sizeof(ret->has), redis_reply_str(redis_reply_at(row, 5))) ||
	    !str_copy(ret->version, sizeof(ret->version),
	              redis_reply_str(redis_reply_at(row, 6))) ||
	    !redis_reply_u64(redis_reply_at(row, 7), &since) ||
	    !redis_reply_u64(redis_reply_at(row, 8), &resident) ||
	    !str_copy(ret->holds, sizeof(ret->holds), redis_reply_str(redis_reply_at(row, 9))) ||
	    !redis_reply_u64(redis_reply_at(row, 10), &ret->generation) ||
	    !str_copy(ret->key, sizeof(ret->key), redis_reply_str(redis_reply_at(row, 11)))) {
		return false;
	}
	ret->slots = slots < UINT32_MAX ? (unsigned)slots : UINT32_MAX;
	ret->resident = resident < UINT32_MAX ? (unsigned)resident : UINT32_MAX;
	ret->draining = draining != 0;
	ret->leaving = draining == 1 || draining == 3;
	ret->cordoned = draining >= 2;
	ret->since_ms = (int64_t)since;
	return true;
}

/* One script's worth, from place `at`. */
static enum err_code list_some(struct redis *redis, size_t at, struct lease_worker *workers,
                               size_t max, size_t *ret_count, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_LEASE_LIST];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_u64(cmd, at);
	redis_arg_u64(cmd, at + max - 1);
	code = redis_script(redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "list of workers");
	}
	if (redis_reply_type(reply) != REDIS_ARRAY || redis_reply_len(reply) > max) {
		return err_set(err, ERR_BACKEND, "lease_list: an answer that it does not give");
	}
	for (size_t i = 0; i < redis_reply_len(reply); i++) {
		if (!decode_worker(redis_reply_at(reply, i), &workers[i])) {
			return err_set(err, ERR_BACKEND, "lease_list: a damaged item");
		}
	}
	*ret_count = redis_reply_len(reply);
	return ERR_OK;
}

enum err_code lease_list(struct redis *redis, struct lease_worker *workers, size_t max,
                         size_t *ret_count, struct err *err)
{
	size_t at = 0, got = 0;

	do {
		size_t want = max - at < LEASE_SWEEP_MAX ? max - at : LEASE_SWEEP_MAX;
		enum err_code code =
			want == 0 ? ERR_OK : list_some(redis, at, &workers[at], want, &got, err);

		if (code != ERR_OK) {
			return code;
		}
		if (want == 0) {
			break;
		}
		at += got;
	} while (got == LEASE_SWEEP_MAX);
	*ret_count = at;
	return ERR_OK;
}

enum err_code lease_lives(struct redis *redis, const char *incarnation, bool *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	lease_key_tag(tag);
	redis_arg_cstr(cmd, "ZSCORE");
	redis_argf(cmd, "%s:leases", tag);
	redis_arg_cstr(cmd, incarnation);
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "lease of %s", incarnation);
	}
	*ret = redis_reply_type(reply) != REDIS_NIL;
	return ERR_OK;
}

enum err_code lease_late(struct redis *redis, struct str incarnations, unsigned *ret,
                         struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_LEASE_LATE];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(script);
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;
	uint64_t late;

	for (size_t i = 0; incarnations.n > 0 && i < QUEUE_LOST_MAX; i++) {
		redis_arg(cmd, str_split(&incarnations, ','));
	}
	code = redis_script(redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "late workers");
	}
	if (!redis_reply_u64(reply, &late) || late > QUEUE_LOST_MAX) {
		return err_set(err, ERR_BACKEND, "lease_late: an answer that it does not give");
	}
	*ret = (unsigned)late;
	return ERR_OK;
}

void lease_bell_channel(char out[QUEUE_KEY_SIZE])
{
	lease_key_bell(out);
}

enum err_code lease_worker_of(struct redis *redis, const char *incarnation,
                              char out[QUEUE_WORKER_MAX + 1], struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	lease_key_tag(tag);
	redis_arg_cstr(cmd, "HGET");
	redis_argf(cmd, "%s:i:%s", tag, incarnation);
	redis_arg_cstr(cmd, "w");
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "worker of %s", incarnation);
	}
	if (redis_reply_type(reply) == REDIS_NIL ||
	    !str_copy(out, QUEUE_WORKER_MAX + 1, redis_reply_str(reply))) {
		return err_set(err, ERR_NOT_FOUND, "incarnation %s", incarnation);
	}
	return ERR_OK;
}
