#include "queue/queue_gate.h"

#include <assert.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/clock.h"
#include "queue/keys.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

/* ---- what it says ---- */

static const char *const kinds[QUEUE_GATE_KIND_COUNT] = { [QUEUE_GATE_NONE] = "",
	                                                  [QUEUE_GATE_BREAKER] = "breaker",
	                                                  [QUEUE_GATE_BUDGET] = "budget",
	                                                  [QUEUE_GATE_SOFT] = "soft" };

static bool parse_kind(struct str word, enum queue_gate_kind *ret)
{
	for (unsigned i = QUEUE_GATE_BREAKER; i < QUEUE_GATE_KIND_COUNT; i++) {
		if (str_eq(word, str_of(kinds[i]))) {
			*ret = (enum queue_gate_kind)i;
			return true;
		}
	}
	return false;
}

static bool parse_id(struct str text, struct id *ret)
{
	*ret = (struct id){ "" };
	return text.n == 0 || id_parse(text, ret);
}

/* "kind|until|sid|until|well|more" */
bool queue_gate_parse(struct str name, struct str text, struct queue_gate *ret)
{
	uint64_t until, trial_until;

	*ret = (struct queue_gate){ .kind = QUEUE_GATE_NONE };
	if (text.n == 0) {
		return true;
	}
	if (!parse_kind(str_split(&text, '|'), &ret->kind) ||
	    !parse_u64(str_split(&text, '|'), INT64_MAX, &until) ||
	    !parse_id(str_split(&text, '|'), &ret->trial) ||
	    !parse_u64(str_split(&text, '|'), INT64_MAX, &trial_until) ||
	    !parse_u64(str_split(&text, '|'), UINT32_MAX, &ret->well) ||
	    !str_copy(ret->more, sizeof(ret->more), text) ||
	    !str_copy(ret->name, sizeof(ret->name), name)) {
		return false;
	}
	ret->until_ms = (int64_t)until;
	ret->trial_until_ms = (int64_t)trial_until;
	return true;
}

/* ---- asking ---- */

bool queue_agents_ok(const struct queue_agents *of)
{
	return queue_name_ok(of->tenant) && queue_name_ok(of->agent);
}

static struct redis_cmd *begin(const struct queue *queue, const char *verb)
{
	struct redis_cmd *cmd = redis_cmd_new();
	char key[QUEUE_KEY_SIZE];

	queue_key_tag(queue, key);
	redis_script_begin(cmd, &queue_lua_texts[QUEUE_LUA_QUEUE_GATE], 1);
	redis_argf(cmd, "%s", key);
	queue_key_bell(queue, key);
	redis_argf(cmd, "%s", key);
	redis_arg_cstr(cmd, verb);
	return cmd;
}

static enum err_code run(const struct queue *queue, struct redis_cmd *cmd, bool *ret_changed,
                         struct queue_gate *ret, struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_QUEUE_GATE];
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = redis_script(queue->redis, script, cmd, &reply, err);

	if (code != ERR_OK) {
		return err_wrap(err, "gate");
	}
	*ret_changed = redis_reply_int(redis_reply_at(reply, 0)) == 1;
	return queue_gate_parse(STR_LIT(""), redis_reply_str(redis_reply_at(reply, 1)), ret)
	               ? ERR_OK
	               : err_set(err, ERR_BACKEND, "gate: damaged");
}

enum err_code queue_gate_fail(const struct queue *queue, const struct queue_agents *of,
                              const char *token, const struct queue_breaker_rule *rule, bool *ret,
                              struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, "fail");
	struct queue_gate gate;

	if (!queue_agents_ok(of) || !queue_name_ok(token)) {
		return err_set(err, ERR_INVALID, "a start that failed has no name");
	}
	redis_argf(cmd, "a:%s:%s", of->tenant, of->agent);
	redis_arg_cstr(cmd, token);
	redis_arg_u64(cmd, rule->failures);
	redis_arg_u64(cmd, rule->window_ms);
	redis_arg_u64(cmd, rule->open_ms);
	return run(queue, cmd, ret, &gate, err);
}

enum err_code queue_gate_pass(const struct queue *queue, const struct queue_agents *of,
                              const struct id *sid, const struct queue_breaker_rule *rule,
                              bool *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, "pass");
	struct queue_gate gate;
	bool changed = false;
	enum err_code code;

	if (!queue_agents_ok(of)) {
		return err_set(err, ERR_INVALID, "no agents have that name");
	}
	redis_argf(cmd, "a:%s:%s", of->tenant, of->agent);
	redis_arg_cstr(cmd, sid->s);
	redis_arg_u64(cmd, rule->successes);
	code = run(queue, cmd, &changed, &gate, err);
	*ret = code == ERR_OK && changed && gate.kind == QUEUE_GATE_NONE;
	return code;
}

enum err_code queue_gate_reset(const struct queue *queue, const struct queue_agents *of, bool *ret,
                               struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, "open");
	struct queue_gate gate;

	if (!queue_agents_ok(of)) {
		return err_set(err, ERR_INVALID, "no agents have that name");
	}
	redis_argf(cmd, "a:%s:%s", of->tenant, of->agent);
	redis_arg_cstr(cmd, "breaker");
	return run(queue, cmd, ret, &gate, err);
}

void queue_gate_name(const struct queue_limit *of, enum queue_gate_kind kind,
                     char out[QUEUE_GATE_NAME_MAX + 1])
{
	static const char letters[QUEUE_LIMIT_KIND_COUNT] = {
		[QUEUE_LIMIT_TENANT] = 't', [QUEUE_LIMIT_USER] = 'u', [QUEUE_LIMIT_PROJECT] = 'p'
	};

	assert(letters[of->kind] != '\0' && of->tenant != NULL);
	(void)snprintf(out, QUEUE_GATE_NAME_MAX + 1, "%s%c:%s%s%s",
	               kind == QUEUE_GATE_SOFT ? "s:" : "", letters[of->kind], of->tenant,
	               of->name != NULL ? ":" : "", of->name != NULL ? of->name : "");
}

enum err_code queue_gate_shut(const struct queue *queue, const struct queue_gate *gate,
                              struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, "shut");
	struct queue_gate now;
	bool changed;

	redis_arg_cstr(cmd, gate->name);
	redis_arg_cstr(cmd, kinds[gate->kind]);
	redis_arg_u64(cmd, (uint64_t)gate->until_ms);
	redis_arg_cstr(cmd, gate->more);
	return run(queue, cmd, &changed, &now, err);
}

enum err_code queue_gate_open(const struct queue *queue, const struct queue_gate *gate,
                              struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = begin(queue, "open");
	struct queue_gate now;
	bool changed;

	redis_arg_cstr(cmd, gate->name);
	redis_arg_cstr(cmd, kinds[gate->kind]);
	return run(queue, cmd, &changed, &now, err);
}

/* ---- looking ---- */

enum err_code queue_gates(const struct queue *queue, enum queue_gate_kind kind,
                          struct queue_gate *items, size_t max, size_t *ret_count, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char tag[QUEUE_KEY_SIZE];
	enum err_code code;

	*ret_count = 0;
	queue_key_tag(queue, tag);
	redis_arg_cstr(cmd, "HGETALL");
	redis_argf(cmd, "%s:gate", tag);
	code = redis_call(queue->redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "gates");
	}
	for (size_t i = 0; i + 1 < redis_reply_len(reply) && *ret_count < max; i += 2) {
		struct queue_gate *gate = &items[*ret_count];

		if (!queue_gate_parse(redis_reply_str(redis_reply_at(reply, i)),
		                      redis_reply_str(redis_reply_at(reply, i + 1)), gate)) {
			return err_set(err, ERR_BACKEND, "gates: damaged");
		}
		*ret_count += gate->kind == kind;
	}
	return ERR_OK;
}

enum { SCOPES = 3 };

/* A budget that has ended is none. */
static bool take_first(const struct redis_reply *reply, size_t from,
                       const char names[][QUEUE_GATE_NAME_MAX + 1], struct queue_gate *ret)
{
	const int64_t now_ms = clock_wall_us() / 1000;

	*ret = (struct queue_gate){ .kind = QUEUE_GATE_NONE };
	for (size_t i = from; i < from + SCOPES && ret->kind == QUEUE_GATE_NONE; i++) {
		if (!queue_gate_parse(str_of(names[i]), redis_reply_str(redis_reply_at(reply, i)),
		                      ret)) {
			return false;
		}
		if (ret->until_ms > 0 && ret->until_ms <= now_ms) {
			ret->kind = QUEUE_GATE_NONE;
		}
	}
	return true;
}

enum err_code queue_gates_of(const struct queue *queue, struct str about, struct queue_gate *hard,
                             struct queue_gate *soft, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct str tenant = str_split(&about, '|'), user = str_split(&about, '|');
	const struct str project = str_split(&about, '|');
	char names[2 * SCOPES][QUEUE_GATE_NAME_MAX + 1], tag[QUEUE_KEY_SIZE];
	enum err_code code;

	queue_key_tag(queue, tag);
	redis_arg_cstr(cmd, "HMGET");
	redis_argf(cmd, "%s:gate", tag);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *prefix = i < SCOPES ? "" : "s:";
		const struct str of = i % SCOPES == 1 ? user : project;

		if (i % SCOPES == 0) {
			(void)snprintf(names[i], sizeof(names[i]), "%st:%" STR_FMT, prefix,
			               STR_ARG(tenant));
		} else {
			(void)snprintf(names[i], sizeof(names[i]), "%s%c:%" STR_FMT ":%" STR_FMT,
			               prefix, i % SCOPES == 1 ? 'u' : 'p', STR_ARG(tenant),
			               STR_ARG(of));
		}
		redis_arg_cstr(cmd, names[i]);
	}
	code = redis_call(queue->redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "gates");
	}
	return take_first(reply, 0, names, hard) && take_first(reply, SCOPES, names, soft)
	               ? ERR_OK
	               : err_set(err, ERR_BACKEND, "gates: damaged");
}
