#include "queue/queue_limit.h"

#include <inttypes.h>
#include <stdio.h>

#include "queue/keys.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

static const char kinds[QUEUE_LIMIT_KIND_COUNT] = {
	[QUEUE_LIMIT_TENANT] = 't', [QUEUE_LIMIT_USER] = 'u', [QUEUE_LIMIT_PROJECT] = 'p',
	[QUEUE_LIMIT_AGENT] = 'a',  [QUEUE_LIMIT_KEY] = 'c',
};

static bool name_fits(const char *name)
{
	return name != NULL && queue_name_ok(name);
}

static bool is_limit(const struct queue_limit *limit)
{
	if (limit->kind == QUEUE_WEIGHT) {
		return name_fits(limit->tenant) && !limit->unset && limit->value > 0;
	}
	if (limit->tenant == NULL) {
		return limit->name == NULL;
	}
	return name_fits(limit->tenant) &&
	       (limit->kind == QUEUE_LIMIT_TENANT ? limit->name == NULL : name_fits(limit->name));
}

static void add_limit(struct redis_cmd *cmd, const struct queue_limit *limit)
{
	if (limit->kind == QUEUE_WEIGHT) {
		redis_arg_cstr(cmd, "weight");
		redis_argf(cmd, "%s %" PRIu64, limit->tenant, limit->value);
		return;
	}
	if (limit->tenant == NULL) {
		redis_argf(cmd, "%c:*", kinds[limit->kind]);
	} else if (limit->name == NULL) {
		redis_argf(cmd, "%c:%s", kinds[limit->kind], limit->tenant);
	} else {
		redis_argf(cmd, "%c:%s:%s", kinds[limit->kind], limit->tenant, limit->name);
	}
	if (limit->unset) {
		redis_arg_cstr(cmd, "");
	} else {
		redis_arg_u64(cmd, limit->value);
	}
}

enum err_code queue_limit_set(const struct queue *queue, const struct queue_limit *limits,
                              size_t count, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_LIMIT];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char name[QUEUE_KEY_SIZE];
	enum err_code code;

	if (count > QUEUE_LIMITS_MAX) {
		return err_set(err, ERR_INVALID, "more than %d limits", QUEUE_LIMITS_MAX);
	}
	queue_key_tag(queue, name);
	redis_script_begin(cmd, script, 1);
	redis_argf(cmd, "%s", name);
	queue_key_bell(queue, name);
	redis_argf(cmd, "%s", name);
	for (size_t i = 0; i < count; i++) {
		if (!is_limit(&limits[i])) {
			return err_set(err, ERR_INVALID, "limit %zu is none", i);
		}
		add_limit(cmd, &limits[i]);
	}
	code = redis_script(queue->redis, script, cmd, &reply, err);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "limits");
}

void queue_name_of(struct str text, char out[QUEUE_NAME_MAX + 1])
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (size_t i = 0; i < text.n; i++) {
		h = (h ^ (unsigned char)text.p[i]) * UINT64_C(1099511628211);
	}
	(void)snprintf(out, QUEUE_NAME_MAX + 1, "%016" PRIx64, h);
}
