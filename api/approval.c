/* Questions of agents to people: /api/v1/approvals. */
#include "rest/approval.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/filter.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/seen.h"
#include "base/clock.h"
#include "cred/subkey.h"
#include "json/write.h"

/* ---- as JSON ---- */

static void write_given(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, text);
	}
}

/* Members of the question that have the same meaning here. */
static void write_question(struct jsonw *w, const struct approval *approval)
{
	static const struct {
		const char *name, *member;
	} members[] = {
		{ "title", "title" },         { "description", "description" },
		{ "input", "input" },         { "options", "options" },
		{ "questions", "questions" }, { "toolUseId", "tool_use_id" },
		{ "agentId", "agent_id" },
	};
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(approval->question, &err);
	struct buf text;

	buf_init(&text, 2 * (size_t)EVENT_DATA_MAX);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct json_value *value = json_get(json, members[i].member);

		if (value != NULL) {
			buf_reset(&text);
			json_format(value, &text);
			jsonw_raw(w, members[i].name, buf_str(&text));
		}
	}
	buf_fini(&text);
}

/* By itself where it cannot be another's. */
static const char *id_of(const struct approval *approval, struct arena *arena)
{
	struct id id;

	return id_parse(approval->request, &id)
	               ? approval->request.p
	               : arena_printf(arena, "%s:%" STR_FMT, approval->session.s,
	                              STR_ARG(approval->request));
}

static void write_approval(struct jsonw *w, const struct approval *approval, struct arena *arena)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", id_of(approval, arena));
	jsonw_cstr(w, "sessionId", approval->session.s);
	jsonw_str(w, "requestId", approval->request);
	write_given(w, "projectId", approval->project);
	jsonw_cstr(w, "state", approval_state_name(approval->state));
	write_given(w, "tool", approval->tool);
	write_question(w, approval);
	if (approval->asked_us != 0) {
		jsonw_time(w, "askedAt", approval->asked_us);
	}
	if (approval->expires_us != 0) {
		jsonw_time(w, "expiresAt", approval->expires_us);
	}
	write_given(w, "answeredBy", approval->by);
	if (approval->answered_us != 0) {
		jsonw_time(w, "answeredAt", approval->answered_us);
	}
	write_given(w, "scope", approval->scope);
	write_given(w, "ruleId", approval->rule);
	write_given(w, "commandId", approval->command);
	jsonw_end_object(w);
}

/* ---- lists ---- */

static const char *states_of(uint64_t set, struct arena *arena)
{
	const char *list = "";

	for (unsigned i = 0; i < APPROVAL_STATE_COUNT; i++) {
		if ((set >> i & 1) != 0) {
			list = arena_printf(arena, "%s%s%s", list, list[0] != '\0' ? "," : "",
			                    approval_state_name((enum approval_state)i));
		}
	}
	return list[0] != '\0' ? list : NULL;
}

/* "asked.session.request": where the page before ended. */
static bool take_page(struct http_request *req, struct str page, struct approval_filter *filter)
{
	struct str rest = page;
	struct str asked = str_split(&rest, '.'), session = str_split(&rest, '.');
	struct id id;

	if (page.n == 0) {
		return true;
	}
	if (!parse_i64(asked, &filter->before_us) || filter->before_us <= 0 ||
	    !id_parse(session, &id) || rest.n == 0) {
		return false;
	}
	filter->before_session = arena_strdup(req->arena, session);
	filter->before_request = arena_strdup(req->arena, rest);
	return true;
}

static bool take_filter(struct http_request *req, struct http_reply *reply,
                        struct approval_filter *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct principal *who = app_who(req);
	struct rest_approvals query;

	if (rest_query(req, &rest_approvals_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = (struct approval_filter){
		.tenant = who->tenant,
		.states = states_of(query.states, req->arena),
		.session = filter_given(req, query.session),
		.project = filter_given(req, query.project),
		.tool = filter_given(req, query.tool),
		.namespaces = who->any_namespace ? NULL : who->namespaces,
		.max = (unsigned)query.per_page,
	};
	if (!id_is_nil(&who->session)) {
		ret->session = who->session.s;
	}
	if (!take_page(req, query.page, ret)) {
		answer_problem(req, reply, "page", "must be nextPage of the answer before");
		return false;
	}
	return true;
}

void serve_approval_list(struct http_request *req, struct http_reply *reply)
{
	struct approval_filter filter;
	struct approval_page page;
	const char *next = "";
	struct err err;
	struct jsonw w;

	if (!take_filter(req, reply, &filter)) {
		return;
	}
	if (approval_list(node_of(req)->pg, &filter, req->arena, &page, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < page.count; i++) {
		write_approval(&w, &page.items[i], req->arena);
	}
	if (page.more && page.count > 0) {
		const struct approval *last = &page.items[page.count - 1];

		next = arena_printf(req->arena, "%" PRId64 ".%s.%" STR_FMT, last->asked_us,
		                    last->session.s, STR_ARG(last->request));
	}
	items_end(&w, str_of(next));
}

/* ---- one ---- */

static bool may_see(const struct http_request *req, const struct approval *approval)
{
	const struct principal *who = app_who(req);

	return auth_allows_session(who, &approval->session) &&
	       (who->any_namespace || auth_allows_namespace(who, approval->namespace));
}

/* "REQUEST" or "SESSION:REQUEST". *ret_named: the latter. */
static enum err_code look_for(struct http_request *req, struct approval *ret, bool *ret_named,
                              struct err *err)
{
	struct str request = req->params[0];
	struct str first = str_split(&request, ':');
	bool named = request.n > 0 && id_parse(first, &ret->session);
	enum err_code code;

	ret->request = arena_str(req->arena, named ? request : req->params[0]);
	code = approval_get(node_of(req)->pg, app_tenant(req), named ? &ret->session : NULL,
	                    ret->request, req->arena, ret, err);
	if (code == ERR_OK && !may_see(req, ret)) {
		return err_set(err, ERR_NOT_FOUND, "no such approval");
	}
	*ret_named = named;
	return code;
}

static void answer_missing(struct http_request *req, struct http_reply *reply,
                           const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such approval");
	} else if (err->code == ERR_CONFLICT) {
		answer_code(req, reply, ERR_CONFLICT, err->msg);
	} else {
		answer_error(req, reply, err);
	}
}

static void answer_approval(struct http_request *req, struct http_reply *reply,
                            const struct approval *approval)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	write_approval(&w, approval, req->arena);
}

void serve_approval_get(struct http_request *req, struct http_reply *reply)
{
	struct approval approval = { .n = 0 };
	struct err err;
	bool named;

	if (look_for(req, &approval, &named, &err) != ERR_OK) {
		answer_missing(req, reply, &err);
	} else {
		answer_approval(req, reply, &approval);
	}
}

/* ---- answering ---- */

static bool take_answer(struct http_request *req, struct http_reply *reply, bool allow,
                        struct rest_approval *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const char *field, *flaw;

	*ret = (struct rest_approval){ .scope = REST_ONCE };
	if (req->body.n > 0 &&
	    json_decode(req->body, allow ? &rest_approve_table : &rest_deny_table, ret, req->arena,
	                problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	flaw = ret->has_rule ? approval_rule_flaw(&ret->rule, &field) : NULL;
	if (flaw != NULL) {
		answer_problem(req, reply, arena_printf(req->arena, "rule.%s", field), flaw);
	} else if (ret->has_rule && ret->scope != REST_ALWAYS) {
		flaw = "is only for the scope always";
		answer_problem(req, reply, "rule", flaw);
	}
	return flaw == NULL;
}

/* Who was first, and when. */
static void answer_taken(struct http_request *req, struct http_reply *reply,
                         const struct approval *approval, const char *detail)
{
	char at[CLOCK_RFC3339_SIZE];

	if (detail == NULL) {
		clock_format(approval->answered_us, at);
		detail = arena_printf(req->arena, "it is %s since %s%s%" STR_FMT,
		                      approval_state_name(approval->state), at,
		                      approval->by.n > 0 ? ", by " : "", STR_ARG(approval->by));
	}
	answer_code(req, reply, ERR_CONFLICT, detail);
	answer_extend_text(reply, "state", str_of(approval_state_name(approval->state)));
	if (approval->by.n > 0) {
		answer_extend_text(reply, "answeredBy", approval->by);
	}
	if (approval->answered_us != 0) {
		clock_format(approval->answered_us, at);
		answer_extend_text(reply, "answeredAt", str_of(at));
	}
}

/* As it is now; what cannot be read again is as it was. */
static void read_again(struct http_request *req, struct approval *approval)
{
	struct err err;

	(void)!approval_get(node_of(req)->pg, app_tenant(req), &approval->session,
	                    approval->request, req->arena, approval, &err);
}

static void refuse(struct http_request *req, struct http_reply *reply, struct approval *approval,
                   const struct err *err)
{
	read_again(req, approval);
	if (approval->n == 0 && (err->code == ERR_NOT_FOUND || err->code == ERR_GONE)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such approval");
	} else if (err->code == ERR_CONFLICT) {
		answer_taken(req, reply, approval, err->msg);
	} else if (err->code == ERR_INVALID) {
		answer_problem(req, reply, "scope",
		               arena_printf(req->arena,
		                            "cannot be always: %s; give a rule, or say session",
		                            err->msg));
	} else if (err->code == ERR_NOT_FOUND || err->code == ERR_GONE) {
		answer_code(req, reply, ERR_CONFLICT, "nobody waits for the answer any more");
	} else {
		answer_error(req, reply, err);
	}
}

static struct steer_trail trail_of(const struct http_request *req)
{
	const struct app *app = node_of(req)->app;

	return (struct steer_trail){
		.permissions = cred_subkey(&auth_options_of(app->auth)->pepper, "permissions"),
		.audit = app->audit,
		.must_sign = node_of(req)->conf.approvals_signed == 1,
		.denials = app->denials,
	};
}

static void send_answer(struct http_request *req, struct http_reply *reply,
                        struct approval *approval, const struct steer_approval *answer)
{
	const struct steer_ask ask = { .verb = STEER_APPROVAL, .approval = answer };
	struct steer_trail trail = trail_of(req);
	struct steer steer = seen_steer(req);
	struct steer_session session;
	struct steer_done done;
	enum err_code code;
	struct err err;

	steer.trail = &trail;
	steer.address = req->peer;
	code = steer_find(&steer, &approval->session, &session, &err);
	if (code == ERR_OK) {
		code = steer_send(&steer, &session, &ask, &done, &err);
	}
	cred_wipe(&trail, sizeof(trail));
	if (code != ERR_OK) {
		refuse(req, reply, approval, &err);
		return;
	}
	if (approval->n == 0) { /* its row follows */
		approval->state =
			strcmp(answer->behavior, "allow") == 0 ? APPROVAL_ALLOWED : APPROVAL_DENIED;
		approval->scope = str_of(answer->scope);
		approval->command = arena_str(req->arena, str_of(done.command.s));
	}
	read_again(req, approval);
	answer_approval(req, reply, approval);
}

static void answer_question(struct http_request *req, struct http_reply *reply, bool allow)
{
	struct approval approval = { .n = 0 };
	struct rest_approval body;
	struct steer_approval answer;
	struct err err;
	bool named;

	if (!take_answer(req, reply, allow, &body)) {
		return;
	}
	/* The row follows the event: who answers at once, and names the session, need not wait. */
	if (look_for(req, &approval, &named, &err) != ERR_OK &&
	    !(err.code == ERR_NOT_FOUND && named && approval.n == 0)) {
		answer_missing(req, reply, &err);
		return;
	}
	if (approval.state != APPROVAL_OPEN && approval.command.n == 0) {
		answer_taken(req, reply, &approval, NULL); /* not by a person */
		return;
	}
	answer = (struct steer_approval){
		.request = approval.request,
		.behavior = allow ? "allow" : "deny",
		.scope = rest_approval_scopes[body.scope],
		.updated_input = body.input,
		.message = body.message,
		.option = body.option,
		.answers = body.answers,
		.interrupt = body.interrupt,
		.rule = body.has_rule ? &body.rule : NULL,
		.must_rule = true,
		.signature = body.is_signed ? &body.signature : NULL,
	};
	send_answer(req, reply, &approval, &answer);
}

void serve_approval_approve(struct http_request *req, struct http_reply *reply)
{
	answer_question(req, reply, true);
}

void serve_approval_deny(struct http_request *req, struct http_reply *reply)
{
	answer_question(req, reply, false);
}
