/* Whose tokens are taken beside our own: rows that operators of the system make. */
#include "token/issuer.h"

#include <stdlib.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/token.h"

/* ---- looking ---- */

static void write_some(struct jsonw *w, const char *name, const char *text)
{
	if (text[0] != '\0') {
		jsonw_cstr(w, name, text);
	} else {
		jsonw_null(w, name);
	}
}

static void write_issuer(struct jsonw *w, const struct issuer *issuer)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", issuer->id.s);
	jsonw_cstr(w, "tenant", issuer->tenant);
	jsonw_cstr(w, "issuer", issuer->issuer);
	jsonw_cstr(w, "audience", issuer->audience);
	write_some(w, "jwksUri", issuer->jwks_uri);
	jsonw_cstr(w, "algorithm", cred_alg_name(issuer->rsa_alg));
	write_some(w, "userClaim", issuer->user_claim);
	write_some(w, "roleClaim", issuer->role_claim);
	jsonw_raw(w, "roles", str_of(issuer->roles[0] != '\0' ? issuer->roles : "{}"));
	write_some(w, "role", issuer->role);
	jsonw_time(w, "createdAt", issuer->created_us);
	jsonw_end_object(w);
}

void serve_issuer_list(struct http_request *req, struct http_reply *reply)
{
	struct issuer_list list;
	struct jsonw w;
	struct err err;

	if (issuer_list(node_of(req)->pg, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_issuer(&w, &list.items[i]);
	}
	items_end(&w, STR_LIT(""));
	free(list.items);
}

/* ---- making ---- */

static bool is_address(const struct node *node, struct str text)
{
	return str_starts(text, STR_LIT("https://")) ||
	       (node->conf.auth_plain_issuers && str_starts(text, STR_LIT("http://")));
}

static bool is_role(struct str text)
{
	enum auth_role role;

	return auth_role_parse(text, &role);
}

static bool read_roles(const struct rest_issuer *body, struct issuer *ret)
{
	const struct json_pair *pairs = body->roles.items;
	struct buf json;
	struct jsonw w;
	bool good = true;

	buf_init(&json, ISSUER_ROLES_MAX);
	jsonw_init(&w, &json);
	jsonw_object(&w, NULL);
	for (size_t i = 0; i < body->roles.count; i++) {
		good = good && is_role(pairs[i].value);
		jsonw_member(&w, pairs[i].name, pairs[i].value);
	}
	jsonw_end_object(&w);
	good = good && !buf_failed(&json) &&
	       str_copy(ret->roles, sizeof(ret->roles), buf_str(&json));
	buf_fini(&json);
	return good;
}

/* What the table cannot say. */
static void check(const struct http_request *req, const struct rest_issuer *body,
                  struct issuer *ret, struct json_problems *problems)
{
	const struct node *node = node_of(req);

	ret->rsa_alg = CRED_RS256;
	if (!is_address(node, body->issuer)) {
		json_problem_add(problems, req->arena, "issuer", "must be an https address");
	}
	if (body->jwks_uri.n > 0 && !is_address(node, body->jwks_uri)) {
		json_problem_add(problems, req->arena, "jwksUri", "must be an https address");
	}
	if (body->algorithm.n > 0 &&
	    (!cred_alg_parse(body->algorithm, &ret->rsa_alg) || ret->rsa_alg > CRED_PS512)) {
		json_problem_add(problems, req->arena, "algorithm",
		                 "must be RS256, RS384, RS512, PS256, PS384 or PS512");
	}
	if (body->role.n > 0 && !is_role(body->role)) {
		json_problem_add(problems, req->arena, "role", "must be a role");
	}
	if (!read_roles(body, ret)) {
		json_problem_add(problems, req->arena, "roles",
		                 "must be roles, of at most %d bytes in all", ISSUER_ROLES_MAX);
	}
	if (body->user_claim.n == 0 && body->role.n == 0 &&
	    (body->role_claim.n == 0 || body->roles.count == 0)) {
		json_problem_add(problems, req->arena, "userClaim",
		                 "is required, or role, or roleClaim with roles");
	}
	if (body->user_claim.n > 0 && (body->role_claim.n > 0 || body->role.n > 0)) {
		json_problem_add(problems, req->arena, "role",
		                 "and roleClaim have no place beside userClaim: the member's role "
		                 "counts");
	}
}

/* False: the reply is filled. */
static bool understand(struct http_request *req, struct http_reply *reply, struct issuer *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_issuer body;

	*ret = (struct issuer){ .id = id_new() };
	if (json_decode(req->body, &rest_issuer_table, &body, req->arena, problems) == ERR_OK) {
		check(req, &body, ret, problems);
		(void)str_copy(ret->tenant, sizeof(ret->tenant), body.tenant);
		(void)str_copy(ret->issuer, sizeof(ret->issuer), body.issuer);
		(void)str_copy(ret->audience, sizeof(ret->audience), body.audience);
		(void)str_copy(ret->jwks_uri, sizeof(ret->jwks_uri), body.jwks_uri);
		(void)str_copy(ret->user_claim, sizeof(ret->user_claim), body.user_claim);
		(void)str_copy(ret->role_claim, sizeof(ret->role_claim), body.role_claim);
		(void)str_copy(ret->role, sizeof(ret->role), body.role);
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
	}
	return problems->count == 0;
}

static void refuse_new(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_CONFLICT) {
		answer_code(req, reply, ERR_CONFLICT, "there is one for this issuer and audience");
	} else if (err->code == ERR_LIMIT) {
		answer_code(req, reply, ERR_CONFLICT,
		            "there are as many issuers as there may be: delete one first");
	} else if (err->code == ERR_NOT_FOUND) {
		answer_problem(req, reply, "tenant", "must be a tenant");
	} else {
		answer_error(req, reply, err);
	}
}

void serve_issuer_create(struct http_request *req, struct http_reply *reply)
{
	struct issuer *issuer = arena_take(req->arena, sizeof(*issuer));
	const char *by = auth_actor(app_who(req));
	struct once once;
	struct jsonw w;
	struct err err;

	if (!understand(req, reply, issuer)) {
		return;
	}
	issuer->created_us = (int64_t)id_time_ms(&issuer->id) * 1000;
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (issuer_create(node_of(req)->pg, issuer, by, &err) != ERR_OK) {
		once_abandon(&once);
		refuse_new(req, reply, &err);
		return;
	}
	reply->status = 201;
	jsonw_init(&w, &reply->body);
	write_issuer(&w, issuer);
	once.object = issuer->id.s;
	if (once_commit(req, reply, &once)) {
		log_info("issuer.created", "id=%s tenant=%s by=%s", issuer->id.s, issuer->tenant,
		         by);
	}
}

void serve_issuer_delete(struct http_request *req, struct http_reply *reply)
{
	bool deleted = false;
	struct once once;
	struct id id;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (id_parse(req->params[0], &id) &&
	    issuer_delete(node_of(req)->pg, &id, &deleted, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	if (!deleted) {
		once_abandon(&once);
		answer_code(req, reply, ERR_NOT_FOUND, "no such issuer");
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	if (once_commit(req, reply, &once)) {
		log_info("issuer.deleted", "id=%s by=%s", id.s, auth_actor(app_who(req)));
	}
}
