/* Scripts as Redis runs them: KEYS, ARGV, redis.call, and the conversions between Lua and replies.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/model_data.h"

enum {
	ARGS_MAX = 1024,
	GC_PAUSE = 300, /* per cent: what is collected is still in the cache */
};

static void push_reply(lua_State *lua, const struct model_reply *reply)
{
	switch (reply->type) {
	case MODEL_NIL: lua_pushboolean(lua, 0); break;
	case MODEL_INTEGER: lua_pushnumber(lua, (lua_Number)reply->integer); break;
	case MODEL_STRING: lua_pushlstring(lua, reply->p, reply->n); break;
	case MODEL_STATUS:
	case MODEL_ERROR:
		lua_newtable(lua);
		lua_pushlstring(lua, reply->p, reply->n);
		lua_setfield(lua, -2, reply->type == MODEL_STATUS ? "ok" : "err");
		break;
	case MODEL_ARRAY:
		lua_newtable(lua);
		for (size_t i = 0; i < reply->count; i++) {
			push_reply(lua, reply->items[i]);
			lua_rawseti(lua, -2, (int)i + 1);
		}
		break;
	}
}

static struct model *model_of(lua_State *lua)
{
	struct model *model;

	lua_getfield(lua, LUA_REGISTRYINDEX, "model");
	model = lua_touserdata(lua, -1);
	lua_pop(lua, 1);
	return model;
}

/* What Redis Cluster hashes of a key (https://redis.io/docs/latest/operate/oss_and_stack/reference/
 * cluster-spec/, hash tags). */
static struct str tag_of(struct str key)
{
	struct str rest = key, tag;

	(void)str_split(&rest, '{');
	if (rest.p == NULL) {
		return key;
	}
	tag = str_split(&rest, '}');
	return rest.p == NULL || tag.n == 0 ? key : tag;
}

/* How many of a command's words are keys, from the second on. */
static size_t keys_of(const struct str *words, size_t count)
{
	if (count < 2 || str_eq(words[0], STR_LIT("PUBLISH"))) {
		return 0;
	}
	if (str_eq(words[0], STR_LIT("MGET")) || str_eq(words[0], STR_LIT("DEL")) ||
	    str_eq(words[0], STR_LIT("EXISTS"))) {
		return count - 1;
	}
	return 1;
}

/* A script whose keys are of several slots would be refused by a cluster. {t} is the clock that
 * test_differential.c gives to scripts. */
static bool one_slot(const struct model *model, const struct str *words, size_t count)
{
	for (size_t i = 1; i <= keys_of(words, count); i++) {
		const struct str tag = tag_of(words[i]);

		if (!str_eq(tag, model->tag) && !str_eq(tag, STR_LIT("t"))) {
			return false;
		}
	}
	return true;
}

/* Numbers are written as Redis 7 writes them. */
static int lua_call_redis(lua_State *lua)
{
	struct model *model = model_of(lua);
	static struct str args[ARGS_MAX];
	int count = lua_gettop(lua);
	static char numbers[ARGS_MAX][NUMBER_SIZE];
	struct model_reply *reply;

	if (count < 1 || count > ARGS_MAX) {
		return luaL_error(lua, "redis.call with %d words", count);
	}
	for (int i = 0; i < count; i++) {
		if (lua_type(lua, i + 1) == LUA_TNUMBER) {
			args[i] = number_format(lua_tonumber(lua, i + 1), numbers[i]);
		} else if (lua_type(lua, i + 1) == LUA_TSTRING) {
			args[i].p = lua_tolstring(lua, i + 1, &args[i].n);
		} else {
			return luaL_error(lua, "redis.call with neither text nor number");
		}
	}
	if (!one_slot(model, args, (size_t)count)) {
		return luaL_error(lua, "%s of a key of another slot", args[0].p);
	}
	reply = model_call(model, args, (size_t)count);
	if (reply->type == MODEL_ERROR) {
		lua_pushlstring(lua, reply->p, reply->n);
		model_reply_free(reply);
		return lua_error(lua);
	}
	push_reply(lua, reply);
	model_reply_free(reply);
	return 1;
}

/* What a script returned, at the top of the stack. */
static struct model_reply *take_reply(lua_State *lua)
{
	struct model_reply *reply;
	struct str s;

	switch (lua_type(lua, -1)) {
	case LUA_TSTRING:
		s.p = lua_tolstring(lua, -1, &s.n);
		return model_reply_text(MODEL_STRING, s);
	case LUA_TNUMBER: return model_reply_int((int64_t)lua_tonumber(lua, -1));
	case LUA_TBOOLEAN:
		return lua_toboolean(lua, -1) ? model_reply_int(1) : model_reply_new(MODEL_NIL);
	case LUA_TTABLE: break;
	default: return model_reply_new(MODEL_NIL);
	}
	reply = model_reply_new(MODEL_ARRAY);
	for (int i = 1;; i++) {
		lua_rawgeti(lua, -1, i);
		if (lua_isnil(lua, -1)) {
			lua_pop(lua, 1);
			return reply;
		}
		model_reply_push(reply, take_reply(lua));
		lua_pop(lua, 1);
	}
}

static void set_list(lua_State *lua, const char *name, const struct str *items, size_t count)
{
	lua_newtable(lua);
	for (size_t i = 0; i < count; i++) {
		lua_pushlstring(lua, items[i].p != NULL ? items[i].p : "", items[i].n);
		lua_rawseti(lua, -2, (int)i + 1);
	}
	lua_setglobal(lua, name);
}

/* The line that tells Redis what a script may do is no Lua. */
static struct str without_flags(struct str script)
{
	if (str_starts(script, STR_LIT("#!"))) {
		(void)str_split(&script, '\n');
	}
	return script;
}

/* Compiled once; kept in the registry under its text. */
static bool push_script(lua_State *lua, struct str script)
{
	struct str code;

	lua_pushlstring(lua, script.p, script.n);
	lua_rawget(lua, LUA_REGISTRYINDEX);
	if (!lua_isnil(lua, -1)) {
		return true;
	}
	lua_pop(lua, 1);
	code = without_flags(script);
	if (luaL_loadbuffer(lua, code.p, code.n, "@script") != 0) {
		return false;
	}
	lua_pushlstring(lua, script.p, script.n);
	lua_pushvalue(lua, -2);
	lua_rawset(lua, LUA_REGISTRYINDEX);
	return true;
}

struct model_reply *model_eval(struct model *model, struct str script, const struct str *keys,
                               size_t key_count, const struct str *args, size_t count)
{
	lua_State *lua = model->lua;
	struct model_reply *reply;
	struct str s;

	model->calls = 0;
	model->changed = false;
	model->tag = key_count > 0 ? tag_of(keys[0]) : STR_LIT("");
	set_list(lua, "KEYS", keys, key_count);
	set_list(lua, "ARGV", args, count);
	if (push_script(lua, script) && lua_pcall(lua, 0, 1, 0) == 0) {
		reply = take_reply(lua);
	} else {
		s.p = lua_tolstring(lua, -1, &s.n);
		reply = model_reply_text(MODEL_ERROR, s.p != NULL ? s : STR_LIT("ERR script"));
	}
	lua_settop(lua, 0);
	return reply;
}

/* Lua says how large what it gives back is. */
static void *give_lua(void *arg, void *old, size_t old_size, size_t size)
{
	void *fresh = NULL;

	(void)arg;
	if (size > 0 && old != NULL && pool_class(size) == pool_class(old_size)) {
		return pool_class(size) == 0 ? mem_realloc(old, size) : old;
	}
	if (size > 0) {
		fresh = pool_take(size);
		if (old != NULL) {
			memcpy(fresh, old, size < old_size ? size : old_size);
		}
	}
	if (old != NULL) {
		pool_give(old, old_size);
	}
	return fresh;
}

struct model *model_new(int64_t now_ms)
{
	struct model *model = mem_calloc(1, sizeof(*model));
	lua_State *lua = lua_newstate(give_lua, NULL);

	model->now_ms = now_ms;
	model->lua = lua;
	luaL_openlibs(lua);
	(void)lua_gc(lua, LUA_GCSETPAUSE, GC_PAUSE);
	lua_pushlightuserdata(lua, model);
	lua_setfield(lua, LUA_REGISTRYINDEX, "model");
	lua_newtable(lua);
	lua_pushcfunction(lua, lua_call_redis);
	lua_setfield(lua, -2, "call");
	lua_setglobal(lua, "redis");
	return model;
}

void model_free(struct model *model)
{
	model_flush(model);
	free(model->values);
	free(model->places);
	lua_close(model->lua);
	free(model);
}
