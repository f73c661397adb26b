#include "event/prompt_claim.h"

#include <stdio.h>

#include "event_lua_gen.h"
#include "redis/redis.h"

enum { KEY_SIZE = 96, KEEP_MS = 24 * 3600 * 1000 };

static enum err_code run(struct redis *redis, const char *key, const char *what, uint64_t version,
                         int64_t *ret, struct err *err)
{
	const struct text *script = &event_lua_texts[EVENT_LUA_PROMPT_CLAIM];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_script_begin(cmd, script, 1);
	redis_arg_cstr(cmd, key);
	redis_arg_cstr(cmd, what);
	redis_arg_u64(cmd, version);
	redis_arg_u64(cmd, KEEP_MS);
	code = redis_script(redis, script, cmd, &reply, err);
	*ret = code == ERR_OK ? redis_reply_int(reply) : 0;
	return code == ERR_OK ? ERR_OK : err_wrap(err, "claim %s", key);
}

static void key_of(char out[KEY_SIZE], const struct id *session, const char *prompt)
{
	(void)snprintf(out, KEY_SIZE, "{s:%s}:prompt:%s", session->s, prompt);
}

enum err_code prompt_claim_take(struct redis *redis, const struct id *session, const char *prompt,
                                uint64_t version, enum prompt_claim *ret, struct err *err)
{
	char key[KEY_SIZE];
	enum err_code code;
	int64_t said;

	key_of(key, session, prompt);
	code = run(redis, key, "take", version, &said, err);
	*ret = said == 1 ? PROMPT_MINE : PROMPT_GONE;
	if (said < 0) {
		*ret = PROMPT_NEWER;
	}
	return code;
}

enum err_code prompt_claim_change(struct redis *redis, const struct id *session,
                                  const struct id *prompt, uint64_t version, bool *ret,
                                  struct err *err)
{
	char key[KEY_SIZE];
	enum err_code code;
	int64_t said;

	key_of(key, session, prompt->s);
	code = run(redis, key, "change", version, &said, err);
	*ret = said == 1;
	return code;
}
