#include "event/claim.h"

#include "event_lua_gen.h"
#include "loop/fiber.h"
#include "redis/redis.h"

static enum err_code run(struct redis *redis, const struct claim *claim, uint64_t ms,
                         bool *ret_mine, struct err *err)
{
	const struct text *script = &event_lua_texts[EVENT_LUA_CLAIM];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_script_begin(cmd, script, 1);
	redis_arg_cstr(cmd, claim->key);
	redis_arg_cstr(cmd, claim->holder);
	redis_arg_u64(cmd, ms);
	code = redis_script(redis, script, cmd, &reply, err);
	*ret_mine = code == ERR_OK && redis_reply_int(reply) == 1;
	return code == ERR_OK ? ERR_OK : err_wrap(err, "claim %s", claim->key);
}

enum err_code claim_take(struct redis *redis, const struct claim *claim, uint64_t ms,
                         bool *ret_mine, struct err *err)
{
	return run(redis, claim, ms, ret_mine, err);
}

void claim_drop(struct redis *redis, const struct claim *claim)
{
	bool mine;
	struct err err;

	fiber_shield();
	(void)!run(redis, claim, 0, &mine, &err);
	fiber_unshield();
}
