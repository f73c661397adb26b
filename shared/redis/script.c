/* Scripts by digest; the text travels only when the server does not know it. */
#include "redis/cmd.h"
#include "redis/redis.h"

enum { WORD_VERB, WORD_SCRIPT };

void redis_script_begin(struct redis_cmd *cmd, const struct text *script, unsigned key_count)
{
	redis_arg(cmd, STR_LIT("EVALSHA"));
	redis_arg_cstr(cmd, script->sha1);
	redis_arg_u64(cmd, key_count);
}

enum err_code redis_script(struct redis *redis, const struct text *script, struct redis_cmd *cmd,
                           struct redis_reply **ret, struct err *err)
{
	const uint64_t server = redis_server(redis);
	enum err_code code = redis_cmd_check(cmd, err);

	if (code != ERR_OK) {
		return code;
	}
	redis_cmd_set(cmd, WORD_VERB, STR_LIT("EVALSHA"));
	redis_cmd_set(cmd, WORD_SCRIPT, str_of(script->sha1));
	code = redis_call(redis, cmd, ret, err);
	if (code != ERR_BACKEND || !str_starts(str_of(err->msg), STR_LIT("NOSCRIPT"))) {
		return code;
	}
	if (redis_server(redis) != server) {
		return err_set(err, ERR_UNAVAILABLE, "redis: it is another server than before");
	}
	redis_cmd_set(cmd, WORD_VERB, STR_LIT("EVAL"));
	redis_cmd_set(cmd, WORD_SCRIPT, str_make(script->text, script->len));
	return redis_call(redis, cmd, ret, err);
}
