#include "event/backlog.h"

#include "base/map.h"
#include "event_lua_gen.h"
#include "redis/redis.h"

#define BACKLOG_KEY "{w}:backlog"

enum err_code backlog_mark(struct redis *redis, const struct backlog_marks *marks, struct err *err)
{
	const struct text *script = &event_lua_texts[EVENT_LUA_BACKLOG_MARK];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_script_begin(cmd, script, 1);
	redis_arg_cstr(cmd, BACKLOG_KEY);
	redis_arg_u64(cmd, BACKLOG_TTL_MS);
	redis_arg_u64(cmd, marks->whole ? 1 : 0);
	redis_arg_u64(cmd, marks->over_count);
	for (size_t i = 0; i < marks->over_count; i++) {
		redis_arg(cmd, marks->over[i]);
	}
	for (size_t i = 0; i < marks->near_count; i++) {
		redis_arg(cmd, marks->near[i]);
	}
	code = redis_script(redis, script, cmd, &reply, err);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "backlog");
}

enum err_code backlog_read(struct redis *redis, struct map **tenants, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct map *map;
	enum err_code code;

	redis_arg_cstr(cmd, "SMEMBERS");
	redis_arg_cstr(cmd, BACKLOG_KEY);
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "backlog");
	}
	map = map_new();
	for (size_t i = 0; i < redis_reply_len(reply); i++) {
		(void)map_put(map, redis_reply_str(redis_reply_at(reply, i)), map);
	}
	map_free(*tenants);
	*tenants = map;
	return ERR_OK;
}
