/* The set in Redis: lua/presence_tell.lua, and one HGETALL to look. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "presence/decode.h"
#include "presence/presence.h"
#include "presence_lua_gen.h"
#include "redis/redis.h"

enum { KEY_SIZE = PRESENCE_CHANNEL_SIZE };

static const struct text *const tell_script = &presence_lua_texts[PRESENCE_LUA_PRESENCE_TELL];

static void begin(struct redis_cmd *cmd, const struct id *sid, const char *node, const char *verb)
{
	char key[KEY_SIZE];

	presence_channel(sid, key);
	redis_script_begin(cmd, tell_script, 3);
	redis_argf(cmd, "%s", key);
	redis_argf(cmd, "%s:nodes", key);
	redis_argf(cmd, "%s:of", key);
	redis_arg_cstr(cmd, node);
	redis_arg_u64(cmd, PRESENCE_SILENT_MS);
	redis_arg_cstr(cmd, verb);
	redis_arg_u64(cmd, PRESENCE_SHOWN_MAX);
}

static enum err_code run(struct redis *redis, struct redis_cmd *cmd, uint64_t *ret_version,
                         struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = redis_script(redis, tell_script, cmd, &reply, err);
	uint64_t version;

	if (code != ERR_OK) {
		return err_wrap(err, "presence");
	}
	if (str_eq(redis_reply_str(redis_reply_at(reply, 0)), STR_LIT("lost"))) {
		return err_set(err, ERR_FENCED, "the viewers of this node were taken away");
	}
	if (!redis_reply_u64(redis_reply_at(reply, 1), &version)) {
		return err_set(err, ERR_BACKEND, "presence_tell: an answer that it does not give");
	}
	*ret_version = version;
	return ERR_OK;
}

static bool is_sound(const struct presence *who)
{
	return who->user[0] != '\0' && str_is_utf8(str_of(who->user)) &&
	       str_is_utf8(str_of(who->name)) && who->role < PRESENCE_ROLE_COUNT;
}

struct batch {
	const char *verb;
	const struct presence *who;
	size_t count;
};

static enum err_code tell(const struct presence_place *place, const struct batch *batch,
                          uint64_t *ret_version, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();

	assert(batch->count <= PRESENCE_BATCH_MAX);
	begin(cmd, &place->sid, place->node.s, batch->verb);
	for (size_t i = 0; i < batch->count; i++) {
		const struct presence *who = &batch->who[i];

		if (!is_sound(who)) {
			return err_set(err, ERR_INVALID, "presence: a user that cannot be shown");
		}
		redis_arg_cstr(cmd, presence_role_name(who->role));
		redis_arg_cstr(cmd, who->user);
		redis_arg_cstr(cmd, who->name);
	}
	return run(place->redis, cmd, ret_version, err);
}

enum err_code presence_join(const struct presence_place *place, const struct presence *who,
                            size_t count, uint64_t *ret_version, struct err *err)
{
	return tell(place, &(struct batch){ "join", who, count }, ret_version, err);
}

enum err_code presence_leave(const struct presence_place *place, const struct presence *who,
                             size_t count, uint64_t *ret_version, struct err *err)
{
	return tell(place, &(struct batch){ "leave", who, count }, ret_version, err);
}

enum err_code presence_renew(const struct presence_place *place, uint64_t *ret_version,
                             struct err *err)
{
	return tell(place, &(struct batch){ "renew", NULL, 0 }, ret_version, err);
}

/* ---- looking ---- */

static bool decode_row(struct str field, struct str value, struct presence *ret)
{
	struct str role = str_split(&field, ' ');
	uint64_t count, since;

	if (!presence_role_parse(role, &ret->role) || field.n == 0 ||
	    !str_copy(ret->user, sizeof(ret->user), field) ||
	    !parse_u64(str_split(&value, ' '), UINT64_MAX, &count) ||
	    !parse_u64(str_split(&value, ' '), INT64_MAX, &since) ||
	    !str_copy(ret->name, sizeof(ret->name), value)) {
		return false;
	}
	ret->since_ms = (int64_t)since;
	return true;
}

static bool decode_all(const struct redis_reply *reply, struct presence_set *set)
{
	for (size_t i = 0; i + 1 < redis_reply_len(reply); i += 2) {
		struct str field = redis_reply_str(redis_reply_at(reply, i));
		const struct redis_reply *value = redis_reply_at(reply, i + 1);

		if (str_eq(field, STR_LIT("v"))) {
			if (!redis_reply_u64(value, &set->version)) {
				return false;
			}
		} else if (!decode_row(field, redis_reply_str(value), &set->all[set->count++])) {
			return false;
		}
	}
	return true;
}

enum err_code presence_list(struct redis *redis, const struct id *sid, struct presence_set *ret,
                            struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct presence_set set = { 0 };
	char key[KEY_SIZE];
	enum err_code code;

	begin(cmd, sid, "", "renew");
	code = run(redis, cmd, &set.version, err);
	if (code != ERR_OK) {
		return code;
	}
	redis_cmd_reset(cmd);
	presence_channel(sid, key);
	redis_arg_cstr(cmd, "HGETALL");
	redis_arg_cstr(cmd, key);
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "presence");
	}
	set.version = 0;
	set.all = mem_calloc(redis_reply_len(reply) / 2 + 1, sizeof(*set.all));
	if (!decode_all(reply, &set)) {
		presence_set_fini(&set);
		return err_set(err, ERR_BACKEND, "presence: a damaged set");
	}
	qsort(set.all, set.count, sizeof(*set.all), presence_order);
	*ret = set;
	return ERR_OK;
}
