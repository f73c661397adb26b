/* Access tokens, refresh tokens and the keys that sign them. What is secret is shown once, in the
 * answer that makes it; that is why these routes keep no answers for an Idempotency-Key. */
#include "rest/token.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/give.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/login_trail.h"
#include "api/once.h"
#include "audit/audit_http.h"
#include "audit/denials.h"
#include "auth/auth_bell.h"
#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "json/write.h"
#include "log/log.h"
#include "rate/rate_http.h"
#include "token/open.h"

enum { TOKEN_MAX = 8192, SCOPES_MAX = 256, MICRO = 1000000 };

/* Somebody has to learn of it at once; who does not hear it looks again within a second. */
static void ring(struct http_request *req, const struct id *login)
{
	struct err err;

	if (auth_bell_ring(node_of(req)->redis, AUTH_BELL_LOGIN, login, &err) != ERR_OK) {
		log_warn("token.bell", "login=%s code=%s %s", login->s, err_name(err.code),
		         err.msg);
	}
}

/* ---- making ---- */

/* RFC 6749 section 5.1: nobody keeps such an answer. */
static void answer_pair(struct http_request *req, struct http_reply *reply, int status,
                        struct refreshed *made)
{
	const struct app *app = node_of(req)->app;
	struct buf token;
	struct jsonw w;
	struct err err;

	buf_init(&token, TOKEN_MAX);
	if (bearer_issue(app->bearers, &made->bearer, &token, &err) != ERR_OK) {
		buf_fini(&token);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = status;
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "accessToken", buf_str(&token));
	jsonw_cstr(&w, "tokenType", "Bearer");
	jsonw_u64(&w, "expiresIn", bearer_options_of(app->bearers)->signing.access_s);
	jsonw_time(&w, "expiresAt", made->bearer.expires_us);
	jsonw_cstr(&w, "refreshToken", made->text);
	jsonw_time(&w, "refreshExpiresAt", made->expires_us);
	jsonw_cstr(&w, "login", made->bearer.login.s);
	jsonw_end_object(&w);
	cred_wipe(token.data, token.size);
	buf_fini(&token);
}

/* The scopes that were asked for, as a comma list. False: the reply is filled. */
static bool take_scopes(struct http_request *req, struct http_reply *reply,
                        const struct rest_token *body, struct buf *out)
{
	const struct principal *who = app_who(req);
	const struct str *names = body->scopes.items;
	unsigned set = 0;

	for (size_t i = 0; i < body->scopes.count; i++) {
		enum auth_scope scope;

		if (!auth_scope_parse(names[i], &scope)) {
			answer_problem(req, reply, "scopes", "must be known scopes");
			return false;
		}
		set |= auth_bit(scope);
	}
	if (!body->has_scopes) {
		set = who->scopes;
	}
	if (!auth_may_give(who, set, who->any_namespace ? NULL : who->namespaces)) {
		answer_problem(req, reply, "scopes", "must be no more than who asks has");
		return false;
	}
	auth_scopes_format(set, out);
	return true;
}

static void begin(struct http_request *req, struct http_reply *reply, const struct rest_token *body,
                  const char *scopes)
{
	const struct principal *who = app_who(req);
	const struct refresh_options options = refresh_open(&node_of(req)->conf, node_of(req)->pg);
	struct str client = body->client.n > 0 ? body->client : http_header(req, "User-Agent");
	struct refreshed made;
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (refresh_begin(&options,
	                  &(struct refresh_new){
				  .tenant = who->tenant,
				  .user = &who->user,
				  .key = id_is_nil(&who->key) ? NULL : &who->key,
				  .scopes = scopes,
				  .namespaces = who->any_namespace ? NULL : who->namespaces,
				  .client = arena_strdup(req->arena, client),
				  .address = arena_strdup(req->arena, req->peer),
			  },
	                  &made, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	answer_pair(req, reply, 201, &made);
	once.object = made.bearer.login.s;
	if (reply->status == 201) {
		(void)once_commit(req, reply, &once);
	} else {
		once_abandon(&once);
	}
	cred_wipe(&made, sizeof(made));
}

/* A login begun by a token would outlive the one that the token is of. */
void serve_token_create(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct principal *who = app_who(req);
	struct rest_token body = { .has_scopes = false };
	struct buf scopes;

	problems->count = 0;
	if (req->body.n > 0 &&
	    json_decode(req->body, &rest_token_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (id_is_nil(&who->user) || id_is_nil(&who->key)) {
		answer_code(req, reply, ERR_FORBIDDEN,
		            "tokens are begun with the API key of a user (ownerId)");
		return;
	}
	buf_init(&scopes, SCOPES_MAX);
	if (take_scopes(req, reply, &body, &scopes)) {
		begin(req, reply, &body, buf_cstr(&scopes));
	}
	buf_fini(&scopes);
}

/* False: the reply is filled. */
static bool take_refresh(struct http_request *req, struct http_reply *reply, struct str *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct app *app = node_of(req)->app;
	struct rest_refresh body;

	if (app == NULL) {
		answer_code(req, reply, ERR_UNAVAILABLE, NULL);
		return false;
	}
	/* Nobody is known yet: what is counted is the address. */
	if (!rate_admit(app->rate, req, NULL, RATE_AUTH, reply)) {
		return false;
	}
	if (json_decode(req->body, &rest_refresh_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = body.token;
	return true;
}

bool token_find_login(struct http_request *req, const struct id *login, struct principal *ret)
{
	struct auth_key_found found;
	struct err err;

	if (auth_key_find(node_of(req)->pg, login, &found, &err) != ERR_OK) {
		return false;
	}
	*ret = found.principal;
	return true;
}

void token_note_reuse(struct http_request *req, const struct id *login)
{
	const struct app *app = node_of(req)->app;
	struct principal who;
	struct audit_entry entry = { .action = STR_LIT("login.reuse"), .outcome = AUDIT_DENIED };

	if (token_find_login(req, login, &who)) {
		entry.chain = who.tenant;
		entry.who = audit_who_of(req, &who);
		entry.object = str_of(arena_printf(req->arena, "login:%s", login->s));
		denials_add(app->denials, &entry);
	}
}

void serve_token_refresh(struct http_request *req, struct http_reply *reply)
{
	const struct refresh_options options = refresh_open(&node_of(req)->conf, node_of(req)->pg);
	struct refreshed made;
	struct id ended;
	struct str text;
	struct err err;

	if (!take_refresh(req, reply, &text)) {
		return;
	}
	if (refresh_use(&options, text, &made, &ended, &err) == ERR_OK) {
		answer_pair(req, reply, 200, &made);
		cred_wipe(&made, sizeof(made));
		return;
	}
	if (!id_is_nil(&ended)) {
		log_warn("token.reused", "login=%s address=%" STR_FMT, ended.s, STR_ARG(req->peer));
		token_note_reuse(req, &ended);
		ring(req, &ended);
	}
	if (err.code == ERR_UNAUTHORIZED) {
		answer_code(req, reply, err.code, err.msg);
		http_reply_header(reply, "WWW-Authenticate", "Bearer realm=\"fairlead\"");
	} else {
		answer_error(req, reply, &err);
	}
}

/* RFC 7009 section 2.2: one that does not count is as good as revoked. */
void serve_token_revoke(struct http_request *req, struct http_reply *reply)
{
	const struct refresh_options options = refresh_open(&node_of(req)->conf, node_of(req)->pg);
	struct principal who;
	struct once once;
	struct id ended;
	struct str text;
	struct err err;

	if (!take_refresh(req, reply, &text) || !once_begin(req, reply, &once)) {
		return;
	}
	if (refresh_return(&options, text, &ended, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	if (id_is_nil(&ended) || !token_find_login(req, &ended, &who)) {
		once_abandon(&once);
		return;
	}
	once.object = ended.s;
	once.who = &who;
	if (once_commit(req, reply, &once)) {
		ring(req, &ended);
	}
}

/* ---- logins ---- */

static void write_login(struct jsonw *w, const struct refresh_row *row)
{
	struct str scopes = row->scopes;

	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", row->login.s);
	jsonw_str(w, "client", row->client);
	jsonw_str(w, "address", row->address);
	jsonw_array(w, "scopes");
	while (scopes.n > 0) {
		jsonw_str(w, NULL, str_split(&scopes, ','));
	}
	jsonw_end_array(w);
	jsonw_time(w, "createdAt", row->created_us);
	jsonw_time(w, "usedAt", row->used_us);
	jsonw_time(w, "expiresAt", row->expires_us);
	jsonw_end_object(w);
}

void serve_token_list(struct http_request *req, struct http_reply *reply)
{
	struct refresh_list list;
	struct jsonw w;
	struct id user;
	struct err err;

	if (!give_user_asked(req, reply, &user)) {
		return;
	}
	if (refresh_list(node_of(req)->pg, app_tenant(req), &user, req->arena, &list, &err) !=
	    ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_login(&w, &list.items[i]);
	}
	items_end(&w, STR_LIT(""));
}

/* False: the reply is filled. */
static bool end(struct http_request *req, struct http_reply *reply, const struct id *user,
                const struct id *login, struct refresh_ended *ret)
{
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return false;
	}
	if (refresh_end(node_of(req)->pg, app_tenant(req), user, login, req->arena, ret, &err) !=
	    ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return false;
	}
	if (ret->count == 0) {
		once_abandon(&once);
		return true;
	}
	once.object = login != NULL ? login->s : user->s;
	once.detail = str_of(arena_printf(req->arena, "{\"ended\":%zu}", ret->count));
	if (!once_commit(req, reply, &once)) {
		return false;
	}
	for (size_t i = 0; i < ret->count; i++) {
		ring(req, &ret->items[i]);
	}
	return true;
}

void serve_token_end(struct http_request *req, struct http_reply *reply)
{
	const struct principal *who = app_who(req);
	const struct id *user = auth_allows(who, AUTH_ADMIN) ? NULL : &who->user;
	struct refresh_ended ended = { .count = 0 };
	struct id login;

	if (id_parse(req->params[0], &login) && !end(req, reply, user, &login, &ended)) {
		return;
	}
	if (ended.count == 0) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such login");
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
}

void serve_token_end_all(struct http_request *req, struct http_reply *reply)
{
	struct refresh_ended ended;
	struct jsonw w;
	struct id user;

	if (!give_user_asked(req, reply, &user) || !end(req, reply, &user, NULL, &ended)) {
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "ended", ended.count);
	jsonw_end_object(&w);
}

/* ---- keys ---- */

static void publish(struct http_request *req, struct http_reply *reply)
{
	const struct app *app = node_of(req)->app;
	struct signing *signing = bearer_signing(app->bearers);
	struct err err;

	if (signing_look(signing, false, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	signing_publish(signing, clock_wall_us(), &reply->body);
}

/* RFC 7517 section 5. */
void serve_jwks(struct http_request *req, struct http_reply *reply)
{
	const struct app *app = node_of(req)->app;

	if (app == NULL) {
		answer_code(req, reply, ERR_UNAVAILABLE, NULL);
		return;
	}
	publish(req, reply);
	if (reply->status == 200) {
		http_reply_header(reply, "Cache-Control", "public, max-age=%d", SIGNING_CACHE_S);
	}
}

void serve_signing_rotate(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const struct app *app = node_of(req)->app;
	struct rest_signing query;
	struct once once;
	struct err err;

	if (rest_query(req, &rest_signing_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (signing_rotate(bearer_signing(app->bearers), query.when == 2, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	once.detail =
		query.when == 2 ? STR_LIT("{\"when\":\"now\"}") : STR_LIT("{\"when\":\"later\"}");
	if (once_commit(req, reply, &once)) {
		log_info("token.rotated", "by=%s when=%s", auth_actor(app_who(req)),
		         query.when == 2 ? "now" : "later");
		publish(req, reply);
	}
}
