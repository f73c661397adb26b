#include "api/door.h"

#include <stdio.h>

#include "api/app.h"
#include "api/give.h"
#include "api/login_trail.h"
#include "api/once.h"
#include "json/write.h"
#include "log/log.h"
#include "token/open.h"

enum { TOKEN_MAX = 8192, CLIENT_MAX = 256 };

/* A name or address with a port, and nothing that ends it. */
static bool host_ok(struct str host)
{
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-' || c == ':' || c == '[' || c == ']')) {
			return false;
		}
	}
	return host.n > 0 && host.n <= 255;
}

bool door_base(const struct http_request *req, char out[DOOR_BASE_MAX + 1])
{
	struct str base = str_of(node_of(req)->conf.http_public_url);
	struct str host = http_header(req, "Host");

	while (str_ends(base, STR_LIT("/"))) {
		base.n--;
	}
	if (base.n > 0) {
		return str_copy(out, DOOR_BASE_MAX + 1, base);
	}
	(void)snprintf(out, DOOR_BASE_MAX + 1, "%s://%" STR_FMT, req->https ? "https" : "http",
	               STR_ARG(host));
	return host_ok(host);
}

static enum err_code issue(struct http_request *req, struct refreshed *made, struct str *ret_access,
                           struct err *err)
{
	const struct app *app = node_of(req)->app;
	CLEANUP(buf_fini) struct buf token = { 0 };
	enum err_code code;

	buf_init(&token, TOKEN_MAX);
	code = bearer_issue(app->bearers, &made->bearer, &token, err);
	if (code == ERR_OK) {
		*ret_access = arena_str(req->arena, buf_str(&token));
		cred_wipe(token.data, token.size);
	}
	return code;
}

enum err_code door_begin(struct http_request *req, const struct door_new *what,
                         struct refreshed *ret, struct str *ret_access, struct err *err)
{
	const struct refresh_options options = refresh_open(&node_of(req)->conf, node_of(req)->pg);
	const struct refresh_new begin = {
		.tenant = what->tenant,
		.user = what->user,
		.scopes = what->scopes,
		.namespaces = what->namespaces,
		.client = what->client,
		.address = arena_strdup(req->arena, req->peer),
	};
	const struct principal who = once_person(what->user, what->tenant);
	const struct once facts = { .object = ret->bearer.login.s, .who = &who };
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	enum err_code code = once_open(req, &tx, err);

	if (code == ERR_OK) {
		code = refresh_begin(&options, &begin, ret, err);
	}
	if (code == ERR_OK) {
		code = once_note(req, tx, &facts, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	return code == ERR_OK ? issue(req, ret, ret_access, err) : code;
}

enum err_code door_refresh(struct http_request *req, struct str token, struct refreshed *ret,
                           struct str *ret_access, struct err *err)
{
	const struct refresh_options options = refresh_open(&node_of(req)->conf, node_of(req)->pg);
	struct id ended;
	enum err_code code = refresh_use(&options, token, ret, &ended, err);

	if (code == ERR_OK) {
		return issue(req, ret, ret_access, err);
	}
	if (!id_is_nil(&ended)) {
		log_warn("token.reused", "login=%s address=%" STR_FMT, ended.s, STR_ARG(req->peer));
		token_note_reuse(req, &ended);
		give_ring(req, AUTH_BELL_LOGIN, &ended);
	}
	return code;
}

enum err_code door_revoke(struct http_request *req, struct str token, struct err *err)
{
	const struct refresh_options options = refresh_open(&node_of(req)->conf, node_of(req)->pg);
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	struct principal who;
	struct once facts = { .who = &who };
	struct id ended = { "" };
	enum err_code code = once_open(req, &tx, err);

	if (code == ERR_OK) {
		code = refresh_return(&options, token, &ended, err);
	}
	if (code == ERR_OK && !id_is_nil(&ended) && token_find_login(req, &ended, &who)) {
		facts.object = ended.s;
		code = once_note(req, tx, &facts, err);
	}
	if (code == ERR_OK) {
		code = pg_commit(tx, err);
		tx = NULL;
	}
	if (code == ERR_OK && !id_is_nil(&ended)) {
		give_ring(req, AUTH_BELL_LOGIN, &ended);
	}
	return code;
}

void door_error(struct http_reply *reply, int status, const char *error, const char *description)
{
	struct jsonw w;

	buf_reset(&reply->body);
	reply->status = status;
	reply->content_type = "application/json";
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "error", error);
	if (description != NULL) {
		jsonw_cstr(&w, "error_description", description);
	}
	jsonw_end_object(&w);
}
