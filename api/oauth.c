/* Fairlead as an authorization server for devices: RFC 8628, with RFC 6749's errors and RFC 8414's
 * document.  Its clients are public, so a client id proves nothing: whom it lets in says a person.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/door.h"
#include "api/handlers.h"
#include "http/uri.h"
#include "json/write.h"
#include "oidc/device_code.h"

#define CLIENT       "fairlead-cli"
#define DEVICE_GRANT "urn:ietf:params:oauth:grant-type:device_code"

enum { SCOPES_MAX = 256 };

/* ---- forms ---- */

/* A parameter of the body; { NULL, 0 } without it, and when it is empty (RFC 6749 section 3.1).
 * False: it is there twice. */
static bool take(const struct http_request *req, const char *name, struct str *ret)
{
	struct http_request form = *req;
	struct str found, value;
	size_t count = 0;

	form.query = req->body;
	*ret = (struct str){ NULL, 0 };
	for (size_t i = 0; http_query_at(&form, i, &found, &value); i++) {
		if (str_eq(found, str_of(name))) {
			*ret = value.n > 0 ? value : *ret;
			count++;
		}
	}
	return count <= 1;
}

struct wanted {
	const char *name;
	struct str *to;
};

/* False: the reply is filled. */
static bool take_form(struct http_request *req, struct http_reply *reply,
                      const struct wanted *wanted, size_t count)
{
	struct str ignored;
	bool ok = http_uri_decode(req->arena, req->body, HTTP_URI_QUERY, &ignored);

	for (size_t i = 0; ok && i < count; i++) {
		ok = take(req, wanted[i].name, wanted[i].to);
	}
	if (!ok) {
		door_error(reply, 400, "invalid_request",
		           "the form is malformed, or has something twice");
	}
	return ok;
}

/* Public clients have an id and nothing else. */
static bool check_client(struct http_reply *reply, struct str client)
{
	bool ok = str_eq(client, STR_LIT(CLIENT));

	if (!ok) {
		door_error(reply, 401, "invalid_client", "client_id must be " CLIENT);
	}
	return ok;
}

/* ---- codes ---- */

/* "" to NULL: all. False: the reply is filled. */
static bool take_scopes(struct http_request *req, struct http_reply *reply, struct str text,
                        const char **ret)
{
	CLEANUP(buf_fini) struct buf list = { 0 };
	unsigned set = 0;

	while (text.n > 0) {
		struct str one = str_split(&text, ' ');
		enum auth_scope scope;

		if (one.n > 0 && !auth_scope_parse(one, &scope)) {
			door_error(reply, 400, "invalid_scope", NULL);
			return false;
		}
		set |= one.n > 0 ? auth_bit(scope) : 0;
	}
	buf_init(&list, SCOPES_MAX);
	auth_scopes_format(set, &list);
	*ret = set != 0 ? arena_strdup(req->arena, buf_str(&list)) : NULL;
	return true;
}

static void write_codes(struct http_reply *reply, const struct device_code_made *made,
                        const char *base)
{
	struct jsonw w;
	struct buf complete;

	buf_init(&complete, (size_t)2 * DOOR_BASE_MAX);
	buf_addf(&complete, "%s/device?user_code=%s", base, made->user);
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "device_code", made->device);
	jsonw_cstr(&w, "user_code", made->user);
	jsonw_str(&w, "verification_uri",
	          str_make(buf_cstr(&complete), strlen(base) + sizeof("/device") - 1));
	jsonw_str(&w, "verification_uri_complete", buf_str(&complete));
	jsonw_u64(&w, "expires_in", DEVICE_CODE_LIFE_S);
	jsonw_u64(&w, "interval", DEVICE_CODE_INTERVAL_S);
	jsonw_end_object(&w);
	buf_fini(&complete);
}

void serve_oauth_device(struct http_request *req, struct http_reply *reply)
{
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	struct device_code_new what = { .client = CLIENT };
	struct device_code_made made;
	char base[DOOR_BASE_MAX + 1];
	struct str client, scope;
	struct err err;
	const struct wanted wanted[] = { { "client_id", &client }, { "scope", &scope } };

	if (!take_form(req, reply, wanted, ARRAY_LEN(wanted)) || !check_client(reply, client) ||
	    !take_scopes(req, reply, scope, &what.scopes)) {
		return;
	}
	if (!door_base(req, base)) {
		door_error(reply, 400, "invalid_request", "the request names no host");
		return;
	}
	what.address = arena_strdup(req->arena, req->peer);
	if (device_code_create(node_of(req)->pg, &secret, &what, &made, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	write_codes(reply, &made, base);
	cred_wipe(&made, sizeof(made));
}

/* ---- tokens ---- */

/* RFC 6749 section 5.1. */
static void write_tokens(struct http_request *req, struct http_reply *reply,
                         const struct refreshed *made, struct str access)
{
	const struct app *app = node_of(req)->app;
	char *scope = arena_strdup(req->arena, str_of(made->bearer.scopes));
	struct jsonw w;

	for (char *at = scope; *at != '\0'; at++) {
		*at = *at == ',' ? ' ' : *at;
	}
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "access_token", access);
	jsonw_cstr(&w, "token_type", "Bearer");
	jsonw_u64(&w, "expires_in", bearer_options_of(app->bearers)->signing.access_s);
	jsonw_cstr(&w, "refresh_token", made->text);
	if (scope[0] != '\0') {
		jsonw_cstr(&w, "scope", scope);
	}
	jsonw_end_object(&w);
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_UNAUTHORIZED || err->code == ERR_FORBIDDEN) {
		door_error(reply, 400, "invalid_grant", err->msg);
	} else {
		answer_error(req, reply, err);
	}
}

static void by_code(struct http_request *req, struct http_reply *reply, struct str code)
{
	static const char *const errors[] = {
		[DEVICE_UNKNOWN] = "invalid_grant", [DEVICE_PENDING] = "authorization_pending",
		[DEVICE_TOO_OFTEN] = "slow_down",   [DEVICE_EXPIRED] = "expired_token",
		[DEVICE_DENIED] = "access_denied",
	};
	const struct cred_pepper secret = cred_pepper_from(str_of(node_of(req)->conf.pepper));
	struct str agent = http_header(req, "User-Agent");
	enum device_code_state state;
	struct device_code_won won;
	struct refreshed made;
	struct str access;
	struct err err;

	if (device_code_poll(node_of(req)->pg, &secret, code, req->arena, &state, &won, &err) !=
	    ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	if (state != DEVICE_ALLOWED) {
		door_error(reply, 400, errors[state], NULL);
		return;
	}
	if (door_begin(req,
	               &(struct door_new){
			       .tenant = won.tenant,
			       .user = &won.user,
			       .scopes = won.scopes,
			       .namespaces = won.namespaces,
			       .client = arena_printf(req->arena, "%s %" STR_FMT, won.client,
	                                              STR_ARG(agent)),
		       },
	               &made, &access, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return;
	}
	write_tokens(req, reply, &made, access);
	cred_wipe(&made, sizeof(made));
}

static void by_refresh(struct http_request *req, struct http_reply *reply, struct str token)
{
	struct refreshed made;
	struct str access;
	struct err err;

	if (door_refresh(req, token, &made, &access, &err) != ERR_OK) {
		refuse(req, reply, &err);
		return;
	}
	write_tokens(req, reply, &made, access);
	cred_wipe(&made, sizeof(made));
}

void serve_oauth_token(struct http_request *req, struct http_reply *reply)
{
	struct str grant, code, token, client;
	const struct wanted wanted[] = { { "grant_type", &grant },
		                         { "device_code", &code },
		                         { "refresh_token", &token },
		                         { "client_id", &client } };
	bool by_device;

	if (!take_form(req, reply, wanted, ARRAY_LEN(wanted))) {
		return;
	}
	by_device = str_eq(grant, STR_LIT(DEVICE_GRANT));
	if (!by_device && !str_eq(grant, STR_LIT("refresh_token"))) {
		door_error(reply, 400, grant.n == 0 ? "invalid_request" : "unsupported_grant_type",
		           NULL);
		return;
	}
	if ((by_device || client.n > 0) && !check_client(reply, client)) {
		return;
	}
	if ((by_device ? code : token).n == 0) {
		door_error(reply, 400, "invalid_request",
		           by_device ? "device_code is missing" : "refresh_token is missing");
		return;
	}
	if (by_device) {
		by_code(req, reply, code);
	} else {
		by_refresh(req, reply, token);
	}
}

/* ---- the document ---- */

static void write_words(struct jsonw *w, const char *name, const char *const *words, size_t count)
{
	jsonw_array(w, name);
	for (size_t i = 0; i < count; i++) {
		jsonw_cstr(w, NULL, words[i]);
	}
	jsonw_end_array(w);
}

void serve_oauth_server(struct http_request *req, struct http_reply *reply)
{
	static const char *const grants[] = { DEVICE_GRANT, "refresh_token" };
	static const char *const none[] = { "none" };
	char base[DOOR_BASE_MAX + 1];
	struct jsonw w;

	if (!door_base(req, base)) {
		answer_code(req, reply, ERR_INVALID, "the request names no host");
		return;
	}
	http_reply_header(reply, "Cache-Control", "no-cache");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "issuer", base);
	jsonw_cstr(&w, "token_endpoint", arena_printf(req->arena, "%s/oauth/token", base));
	jsonw_cstr(&w, "device_authorization_endpoint",
	           arena_printf(req->arena, "%s/oauth/device_authorization", base));
	jsonw_cstr(&w, "jwks_uri", arena_printf(req->arena, "%s/.well-known/jwks.json", base));
	write_words(&w, "grant_types_supported", grants, ARRAY_LEN(grants));
	write_words(&w, "token_endpoint_auth_methods_supported", none, ARRAY_LEN(none));
	write_words(&w, "response_types_supported", NULL, 0);
	jsonw_array(&w, "scopes_supported");
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		jsonw_cstr(&w, NULL, auth_scope_name((enum auth_scope)i));
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
}
