/*
 * POST /api/chat.  The first message of a chat makes a task with one session, whose agent is that
 * of the namespace; what follows is given to it as prompts, for as long as it lives.  After that,
 * or in another namespace, the next message begins another session, and the chat goes on with it.
 */
#include "api/answer.h"
#include "api/aomi.h"
#include "api/app.h"
#include "api/handlers.h"
#include "json/write.h"
#include "log/log.h"
#include "metric/metric.h"
#include "node/request_trace.h"
#include "redis/redis.h"
#include "steer/publish.h"
#include "task/task_json.h"
#include "task/task_store.h"
#include "trace/trace.h"

/* Others may begin a session for the same chat at the same time. */
enum { TRIES = 3, BODY_MAX = 256 * 1024 };

struct said {
	struct aomi_request *r;
	const struct namespace *namespace;
	struct str message;
	struct str state; /* of the client, JSON; "": it said nothing of it */
};

/* ---- the agent that is there ---- */

/* ERR_GONE: there is none any more. */
static enum err_code say_to(const struct said *said, struct steer_session *ret_session,
                            struct err *err)
{
	const struct steer steer = aomi_steer(said->r);
	struct str message = said->message;
	struct json_list texts = { .items = &message, .count = 1 };
	struct steer_ask ask = { .verb = STEER_PROMPT };
	struct steer_done done;
	enum err_code code = steer_find(&steer, &said->r->chat.session, ret_session, err);

	if (code == ERR_NOT_FOUND || (code == ERR_OK && session_is_terminal(ret_session->state))) {
		return err_set(err, ERR_GONE, "it has ended");
	}
	if (code == ERR_OK) {
		code = steer_prompt(&texts, said->r->req->arena, &ask.payload, err);
	}
	return code == ERR_OK ? steer_send(&steer, ret_session, &ask, &done, err) : code;
}

/* ---- another session ---- */

static void add_env(struct task_command *command, const char *name, struct str value,
                    struct arena *arena)
{
	struct json_pair *pairs;

	if (value.n == 0) {
		return;
	}
	pairs = arena_take(arena, (command->env.count + 1) * sizeof(*pairs));
	for (size_t i = 0; i < command->env.count; i++) {
		pairs[i] = ((const struct json_pair *)command->env.items)[i];
	}
	pairs[command->env.count++] = (struct json_pair){ str_of(name), value };
	command->env.items = pairs;
}

/* What its client chose and is, for an agent that asks; a prompt later does not change it. */
static void tell_agent(const struct said *said, struct task_spec *spec)
{
	struct arena *arena = said->r->req->arena;
	struct task_agent *agent = spec->agents.items;
	const struct chat *chat = &said->r->chat;

	add_env(&agent->command, "AOMI_MODEL", chat->rig, arena);
	add_env(&agent->command, "AOMI_USER_STATE",
	        said->state.n > 0 ? said->state : chat->client_state, arena);
}

/* As somebody would submit it. */
static enum err_code make_spec(const struct said *said, struct task_spec *ret, struct err *err)
{
	struct arena *arena = said->r->req->arena;
	struct json_problems *problems = arena_take(arena, sizeof(*problems));
	struct jsonw w;
	struct buf body;
	enum err_code code;

	buf_init(&body, BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "prompt", said->message);
	jsonw_str(&w, "namespace", said->namespace->name);
	jsonw_raw(&w, "repo", STR_LIT("{\"mode\":\"none\"}"));
	jsonw_raw(&w, "runtime", STR_LIT("{\"type\":\"local\"}"));
	jsonw_raw(&w, "agent", said->namespace->agent);
	jsonw_end_object(&w);
	code = buf_failed(&body) ? ERR_TOO_LARGE
	                         : task_decode(buf_str(&body), ret, arena, problems);
	buf_fini(&body);
	if (code == ERR_INVALID && problems->count > 0 &&
	    str_starts(str_of(problems->items[0].field), STR_LIT("prompt"))) {
		return err_set(err, ERR_INVALID, "%s", problems->items[0].rule);
	}
	return code == ERR_OK ? ERR_OK
	                      : err_set(err, ERR_UNSUPPORTED,
	                                "the agent of this namespace cannot be had any more");
}

/* In the transaction. ERR_CONFLICT: somebody else was faster, said->r->chat is as it is now. */
static enum err_code attach(const struct said *said, struct pg_tx *tx,
                            const struct traceparent *trace, struct id *ret, struct err *err)
{
	struct aomi_request *r = said->r;
	struct arena *arena = r->req->arena;
	struct task_spec *spec = arena_take(arena, sizeof(*spec));
	struct task_acceptance acceptance = { .tenant = r->key.tenant,
		                              .created_by = auth_actor(&r->acting),
		                              .owner = r->acting.owner,
		                              .spec = spec,
		                              .trace = *trace,
		                              .generation = node_of(r->req)->store.generation };
	struct task_accepted accepted;
	const char *title = NULL;
	struct chat now;
	enum err_code code = chat_lock(tx, &r->key, arena, &now, err);

	if (code == ERR_OK && !id_eq(&now.session, &r->chat.session)) {
		r->chat = now;
		return err_set(err, ERR_CONFLICT, "another message came first");
	}
	if (code == ERR_OK) {
		code = make_spec(said, spec, err);
	}
	if (code == ERR_OK) {
		tell_agent(said, spec);
	}
	if (code == ERR_OK) {
		code = task_accept(tx, &acceptance, arena, &accepted, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (now.part == 0) {
		title = arena_strdup(arena, aomi_title_of(said->message, arena));
	}
	*ret = accepted.sessions[0];
	return chat_attach(tx, &r->key, ret, said->namespace->name.p, title, err);
}

static enum err_code begin_session(const struct said *said, struct id *ret, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	const struct traceparent request = request_trace(said->r->req);
	struct trace_span span;
	enum err_code code = pg_begin(node_of(said->r->req)->pg, said->r->key.tenant, &tx, err);

	if (code != ERR_OK) {
		return code == ERR_CANCELLED ? code : err_set(err, ERR_UNAVAILABLE, "PostgreSQL");
	}
	trace_begin(&span, &request, "task.accept", TRACE_PRODUCER);
	code = attach(said, tx, &span.at, ret, err);
	if (code == ERR_OK) {
		struct pg_tx *ready = tx;

		tx = NULL;
		code = pg_commit(ready, err);
	}
	if (code == ERR_OK) {
		trace_end(&span,
		          &(struct trace_end){ .attrs = { { "fairlead.session", ret->s, 0 } } });
	}
	return code;
}

/* It is accepted: what fails here is done by the scheduler. */
static void publish(const struct said *said, const struct id *sid)
{
	const struct node *node = node_of(said->r->req);
	const struct steer_rows rows = { .ids = sid,
		                         .count = 1,
		                         .stored = node->store.generation != 0 };
	struct err err;

	metric_inc(METRIC_TASKS_ACCEPTED, NULL);
	log_info("chat.begun", "session=%s namespace=%s", sid->s, said->namespace->name.p);
	if (redis_connected(node->redis) &&
	    steer_publish_rows(&node->store, node->pg, said->r->key.tenant, &rows,
	                       said->r->req->arena, &err) != ERR_OK) {
		log_warn("chat.unpublished", "session=%s code=%s %s", sid->s, err_name(err.code),
		         err.msg);
	}
}

/* The chat is in another namespace now: who answered before has nothing more to do. */
static void dismiss(struct aomi_request *r, const struct id *before)
{
	const struct steer steer = aomi_steer(r);
	struct steer_session session;
	struct err err;

	if (!id_is_nil(before) && steer_find(&steer, before, &session, &err) == ERR_OK &&
	    !session_is_terminal(session.state) &&
	    aomi_stop(r, &session, STR_LIT("the chat went on in another namespace"), &err) !=
	            ERR_OK) {
		log_warn("chat.undismissed", "session=%s code=%s %s", before->s, err_name(err.code),
		         err.msg);
	}
}

static enum err_code begin_another(const struct said *said, struct err *err)
{
	struct aomi_request *r = said->r;
	const struct id before = r->chat.session;
	bool moves = !str_eq(r->chat.namespace, said->namespace->name);
	struct id sid = { "" };
	enum err_code code = begin_session(said, &sid, err);

	if (code != ERR_OK) {
		return code;
	}
	fiber_shield(); /* also for a client that has left */
	publish(said, &sid);
	if (moves) {
		dismiss(r, &before);
	}
	fiber_unshield();
	return ERR_OK;
}

static enum err_code say(const struct said *said, struct err *err)
{
	struct aomi_request *r = said->r;
	enum err_code code = ERR_CONFLICT;

	for (unsigned tries = 0; tries < TRIES && code == ERR_CONFLICT; tries++) {
		bool stays = str_eq(r->chat.namespace, said->namespace->name);
		struct steer_session session;

		if (!id_is_nil(&r->chat.session) && stays) {
			code = say_to(said, &session, err);
			if (code != ERR_GONE) {
				return code;
			}
		}
		code = begin_another(said, err);
	}
	return code;
}

void serve_aomi_chat(struct http_request *req, struct http_reply *reply)
{
	struct namespace namespace;
	struct rest_aomi_chat asked;
	struct aomi_request r;
	struct err err;
	struct said said = { .r = &r, .namespace = &namespace };

	if (!aomi_begin(req, reply, &r) || !aomi_take(req, reply, &asked)) {
		return;
	}
	said.message = asked.message;
	if (!asked.has_message || str_trim(asked.message).n == 0) {
		answer_problem(req, reply, "message", "is required");
		return;
	}
	if (!aomi_choose(&r, asked.namespace, asked.chatbot, &namespace) ||
	    !aomi_make(&r, &namespace)) {
		return;
	}
	if (aomi_state_ok(asked.user_state)) {
		said.state = asked.user_state;
	}
	if (say(&said, &err) != ERR_OK ||
	    chat_touch(node_of(req)->pg, &r.key, said.state, &err) != ERR_OK ||
	    chat_get(node_of(req)->pg, &r.key, req->arena, &r.chat, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	aomi_answer(&r, NULL);
}
