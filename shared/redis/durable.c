#include "redis/durable.h"

#include "redis/info.h"

/* INFO and not CONFIG GET: managed servers refuse the latter. */
enum err_code redis_check_durable(struct redis *redis, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str limit, policy;
	enum err_code code;

	redis_arg_cstr(cmd, "INFO");
	redis_arg_cstr(cmd, "memory");
	if ((code = redis_call(redis, cmd, &reply, err)) != ERR_OK) {
		return code;
	}
	limit = redis_info_value(redis_reply_str(reply), STR_LIT("maxmemory"));
	policy = redis_info_value(redis_reply_str(reply), STR_LIT("maxmemory_policy"));
	if (limit.n == 0 || policy.n == 0) {
		return err_set(err, ERR_BACKEND, "redis: INFO memory tells no maxmemory_policy");
	}
	if (str_eq(limit, STR_LIT("0")) || str_eq(policy, STR_LIT("noeviction"))) {
		return ERR_OK;
	}
	return err_set(err, ERR_UNSUPPORTED,
	               "redis: maxmemory-policy is %" STR_FMT " with maxmemory %" STR_FMT
	               ": it would evict what was acknowledged; set noeviction",
	               STR_ARG(policy), STR_ARG(limit));
}
