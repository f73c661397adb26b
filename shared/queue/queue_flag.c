#include "queue/queue_flag.h"

#include "queue/keys.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

static bool decode(const struct redis_reply *reply, struct queue_flags *ret)
{
	size_t len = redis_reply_len(reply);

	ret->class = ret->episode = ret->through = 0;
	ret->count = 0;
	if (len == 0) {
		return true;
	}
	if (len < 3 || (len - 3) / 2 > QUEUE_FLAGS_MAX ||
	    !redis_reply_u64(redis_reply_at(reply, 0), &ret->class) ||
	    !redis_reply_u64(redis_reply_at(reply, 1), &ret->episode) ||
	    !redis_reply_u64(redis_reply_at(reply, 2), &ret->through)) {
		return false;
	}
	for (size_t i = 3; i + 1 < len; i += 2) {
		struct queue_flag *item = &ret->items[ret->count];

		if (!id_parse(redis_reply_str(redis_reply_at(reply, i)), &item->sid) ||
		    !str_copy(item->tenant, sizeof(item->tenant),
		              redis_reply_str(redis_reply_at(reply, i + 1)))) {
			return false;
		}
		ret->count++;
	}
	return true;
}

enum err_code queue_flag_next(const struct queue *queue, const char *needs, bool unfit,
                              struct queue_flags *flags, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_FLAG];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	queue_key_tag(queue, tag);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", tag);
	redis_arg_cstr(cmd, needs);
	redis_arg_cstr(cmd, unfit ? "1" : "0");
	if (flags->episode > 0) {
		redis_arg_u64(cmd, flags->episode);
		redis_arg_u64(cmd, flags->through);
	}
	code = redis_script(queue->redis, script, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "flags");
	}
	return decode(reply, flags) ? ERR_OK : err_set(err, ERR_BACKEND, "flags: damaged");
}
