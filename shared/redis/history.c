#include "base/str.h"
#include "redis/info.h"
#include "redis/redis.h"

enum err_code redis_history(struct redis *redis, char out[REDIS_HISTORY_SIZE], struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_cstr(cmd, "INFO");
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return code;
	}
	return redis_info_history(redis_reply_str(reply), out, err);
}
