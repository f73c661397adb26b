/* POST /api/v1/stream-tickets: what a client that cannot send headers opens a stream with. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "auth/auth_grant.h"
#include "base/clock.h"
#include "json/write.h"
#include "rest/body.h"
#include "rest/rest.h"

/* False: the reply is filled. */
static bool understand(struct http_request *req, struct http_reply *reply, struct auth_grant *grant)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct principal *who = app_who(req);
	struct rest_ticket body = { .has_role = false };

	problems->count = 0;
	if (req->body.n > 0 &&
	    json_decode(req->body, &rest_ticket_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (body.session.n > 0 && !id_parse(body.session, &grant->session)) {
		json_problem_add(problems, req->arena, "sessionId", "must be the id of a session");
	}
	if (body.path.n > 0 &&
	    (!rest_streams_at(body.path) ||
	     !str_copy(grant->path, sizeof(grant->path), auth_grant_path(body.path)))) {
		json_problem_add(problems, req->arena, "path",
		                 "must be the path of a stream, from / on and without a query");
	}
	grant->observes = auth_part_of(who) == AUTH_OBSERVER;
	if (body.has_role && (enum auth_part)body.role == AUTH_PARTICIPANT && grant->observes) {
		json_problem_add(problems, req->arena, "role",
		                 "participant needs a key with the scope %s",
		                 auth_scope_name(AUTH_SESSION_WRITE));
	}
	grant->observes = grant->observes || (body.has_role && body.role == AUTH_OBSERVER);
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
	}
	return problems->count == 0;
}

static void write_ticket(const struct auth_grant *grant, const char *ticket,
                         struct http_reply *reply)
{
	struct jsonw w;

	reply->status = 201;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "ticket", ticket);
	jsonw_u64(&w, "expiresIn", AUTH_TICKET_S);
	jsonw_time(&w, "expiresAt", clock_wall_us() + AUTH_TICKET_S * INT64_C(1000000));
	jsonw_cstr(&w, "role", auth_part_name(grant->observes ? AUTH_OBSERVER : AUTH_PARTICIPANT));
	if (!id_is_nil(&grant->session)) {
		jsonw_cstr(&w, "sessionId", grant->session.s);
	}
	if (grant->path[0] != '\0') {
		jsonw_cstr(&w, "path", grant->path);
	}
	jsonw_end_object(&w);
}

void serve_stream_ticket(struct http_request *req, struct http_reply *reply)
{
	const struct principal *who = app_who(req);
	const struct app *app = node_of(req)->app;
	struct auth_grant grant = { .scopes = who->scopes };
	char ticket[AUTH_LENT_LEN + 1];
	struct err err;

	(void)str_copy(grant.tenant, sizeof(grant.tenant), str_of(who->tenant));
	if (!understand(req, reply, &grant)) {
		return;
	}
	if (auth_ticket_issue(app->auth, who, &grant, ticket, &err) == ERR_OK) {
		write_ticket(&grant, ticket, reply);
	} else {
		answer_error(req, reply, &err);
	}
}
