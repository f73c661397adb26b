/* Workers that get no new sessions: {w}:cordon, a hash of names; see lease.h. */
#include "queue/keys.h"
#include "queue/lease.h"
#include "redis/redis.h"

static struct redis_cmd *begin(const char *verb)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char tag[QUEUE_KEY_SIZE];

	lease_key_tag(tag);
	redis_arg_cstr(cmd, verb);
	redis_argf(cmd, "%s:cordon", tag);
	return cmd;
}

static enum err_code run(struct redis *redis, struct redis_cmd *cmd, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = redis_call(redis, cmd, &reply, err);

	return code == ERR_OK ? ERR_OK : err_wrap(err, "cordon");
}

static enum err_code ring(struct redis *redis, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	char channel[QUEUE_KEY_SIZE];

	lease_key_bell(channel);
	redis_arg_cstr(cmd, "PUBLISH");
	redis_arg_cstr(cmd, channel);
	redis_arg_cstr(cmd, "cordon");
	return run(redis, cmd, err);
}

enum err_code lease_cordon_set(struct redis *redis, const struct lease_cordon *cordon,
                               struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin("HSET");
	enum err_code code;

	redis_arg_cstr(cmd, cordon->name);
	redis_arg_cstr(cmd, cordon->drain ? "drain" : "cordon");
	code = run(redis, cmd, err);
	return code == ERR_OK ? ring(redis, err) : code;
}

enum err_code lease_cordon_clear(struct redis *redis, const char *name, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin("HDEL");
	enum err_code code;

	redis_arg_cstr(cmd, name);
	code = run(redis, cmd, err);
	return code == ERR_OK ? ring(redis, err) : code;
}

enum err_code lease_cordons(struct redis *redis, struct lease_cordon *cordons, size_t *ret_count,
                            struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin("HGETALL");
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = redis_call(redis, cmd, &reply, err);
	size_t count = 0;

	if (code != ERR_OK) {
		return err_wrap(err, "cordons");
	}
	for (size_t i = 0; i + 1 < redis_reply_len(reply) && count < LEASE_CORDONS_MAX; i += 2) {
		struct str how = redis_reply_str(redis_reply_at(reply, i + 1));

		if (str_copy(cordons[count].name, sizeof(cordons[count].name),
		             redis_reply_str(redis_reply_at(reply, i)))) {
			cordons[count++].drain = str_eq(how, STR_LIT("drain"));
		}
	}
	*ret_count = count;
	return ERR_OK;
}
