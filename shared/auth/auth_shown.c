#include "auth/auth_shown.h"

#include "cred/apikey.h"
#include "http/parse.h"
#include "login/login_http.h"

#define PROTOCOL_PREFIX "fairlead.key."

/* What is given on purpose: a key may come by three ways. */
enum { GIVEN_MAX = 4 };

struct given_list {
	struct auth_shown items[GIVEN_MAX];
	size_t count;
};

/* The only header of that name. False: there are two, and which one counts is anybody's guess. */
static bool sole_header(const struct http_request *req, const char *name, struct str *ret)
{
	struct str value = { NULL, 0 };

	for (size_t i = 0; i < req->header_count; i++) {
		const struct http_header *header = &req->headers[i];

		if (!str_eq_nocase(header->name, str_of(name))) {
			continue;
		}
		if (value.p != NULL) {
			return false;
		}
		value = header->value.p != NULL ? header->value : STR_LIT("");
	}
	*ret = value;
	return true;
}

/* ---- the address ---- */

/* What others call the parameter that has their token. */
static bool is_secret_name(struct str name)
{
	static const char *const names[] = { "token",      "access_token",  "accesstoken", "auth",
		                             "auth_token", "authorization", "bearer",      "jwt",
		                             "key",        "api_key",       "api-key",     "apikey",
		                             "x-api-key",  "secret",        "password" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq_nocase(name, str_of(names[i]))) {
			return true;
		}
	}
	return false;
}

/* Addresses are logged and handed on (Referer): a key in one is refused, good or not, so that
 * nobody comes to rely on it. */
static enum err_code check_address(const struct http_request *req, struct err *err)
{
	struct str name, value;
	struct cred_key key;

	for (size_t i = 0; http_query_at(req, i, &name, &value); i++) {
		bool is_key = cred_key_parse(value, &key) != CRED_KEY_FOREIGN;

		cred_wipe(&key, sizeof(key));
		if (is_key || is_secret_name(name)) {
			return err_set(
				err, ERR_INVALID,
				"a key or token does not belong into the address: send it in "
				"a header, or follow a stream with ?ticket= of POST "
				"/api/v1/stream-tickets");
		}
	}
	return ERR_OK;
}

/* ---- headers ---- */

bool auth_has_ticket(const struct http_request *req)
{
	struct str ticket;

	return http_query(req, "ticket", &ticket);
}

bool auth_is_websocket(const struct http_request *req)
{
	struct str rest = http_header(req, "Upgrade"), one;

	while (http_list_next(&rest, &one)) {
		if (str_eq_nocase(one, STR_LIT("websocket"))) {
			return true;
		}
	}
	return false;
}

/* The key in Sec-WebSocket-Protocol, { NULL, 0 } without one; false: there are two. */
static bool protocol_key(const struct http_request *req, struct str *ret)
{
	struct str prefix = STR_LIT(PROTOCOL_PREFIX), found = { NULL, 0 };

	for (size_t i = 0; i < req->header_count; i++) {
		struct str rest = req->headers[i].value, one;

		if (!str_eq_nocase(req->headers[i].name, STR_LIT("Sec-WebSocket-Protocol"))) {
			continue;
		}
		while (http_list_next(&rest, &one)) {
			if (!str_starts(one, prefix)) {
				continue;
			}
			if (found.p != NULL) {
				return false;
			}
			found = str_make(one.p + prefix.n, one.n - prefix.n);
		}
	}
	*ret = found;
	return true;
}

struct str auth_cookie_of(const struct http_request *req, const char *name)
{
	for (size_t i = 0; i < req->header_count; i++) {
		struct str rest = req->headers[i].value;

		if (!str_eq_nocase(req->headers[i].name, STR_LIT("Cookie"))) {
			continue;
		}
		while (rest.p != NULL) {
			struct str value = str_trim(str_split(&rest, ';'));
			struct str found = str_split(&value, '=');

			if (str_eq(found, str_of(name)) && value.n > 0) {
				return value;
			}
		}
	}
	return (struct str){ NULL, 0 };
}

/* ---- what there is ---- */

static void show(struct given_list *list, const struct http_request *req, enum auth_shown_kind kind,
                 struct str text)
{
	list->items[list->count++] = (struct auth_shown){ kind, text, req->path };
}

/* RFC 9110 section 11.1: the scheme is case-insensitive. */
static enum err_code show_authorization(struct given_list *list, const struct http_request *req,
                                        struct str value, struct err *err)
{
	struct str rest = str_trim(value), scheme = str_split(&rest, ' ');

	if (str_eq_nocase(scheme, STR_LIT("ApiKey"))) {
		show(list, req, AUTH_SHOWN_KEY, str_trim(rest));
		return ERR_OK;
	}
	if (str_eq_nocase(scheme, STR_LIT("Bearer"))) {
		if (str_starts(str_trim(rest), STR_LIT("fl_"))) {
			return err_set(err, ERR_UNAUTHORIZED,
			               "Bearer is for access tokens; send a key as "
			               "\"Authorization: ApiKey <key>\"");
		}
		show(list, req, AUTH_SHOWN_TOKEN, str_trim(rest));
		return ERR_OK;
	}
	return err_set(err, ERR_UNAUTHORIZED,
	               "the scheme of Authorization must be ApiKey or Bearer");
}

static enum err_code show_headers(struct given_list *list, const struct http_request *req,
                                  struct err *err)
{
	struct str authorization, x_api_key;

	if (!sole_header(req, "Authorization", &authorization) ||
	    !sole_header(req, "X-API-Key", &x_api_key)) {
		return err_set(err, ERR_UNAUTHORIZED, "a credential header is repeated");
	}
	if (x_api_key.p != NULL) {
		show(list, req, AUTH_SHOWN_KEY, str_trim(x_api_key));
	}
	return authorization.p == NULL ? ERR_OK : show_authorization(list, req, authorization, err);
}

static enum err_code show_of_stream(struct given_list *list, const struct http_request *req,
                                    struct err *err)
{
	struct str by_protocol = { NULL, 0 }, ticket;

	if (auth_is_websocket(req) && !protocol_key(req, &by_protocol)) {
		return err_set(err, ERR_UNAUTHORIZED, "Sec-WebSocket-Protocol has two keys");
	}
	if (by_protocol.p != NULL && list->count > 0) {
		return err_set(err, ERR_UNAUTHORIZED,
		               "send a key as a header or as a subprotocol, not both");
	}
	if (by_protocol.p != NULL) {
		show(list, req, AUTH_SHOWN_KEY, by_protocol);
	}
	if (http_query(req, "ticket", &ticket)) {
		show(list, req, AUTH_SHOWN_TICKET, ticket);
	}
	return ERR_OK;
}

/* Whoever says two different things may have been made to. */
static enum err_code agree(const struct given_list *list, struct err *err)
{
	for (size_t i = 1; i < list->count; i++) {
		const struct auth_shown *first = &list->items[0], *other = &list->items[i];

		if (other->kind == AUTH_SHOWN_TICKET) {
			return err_set(err, ERR_UNAUTHORIZED, "send a key or a ticket, not both");
		}
		if (first->kind != other->kind || !str_eq(first->text, other->text)) {
			return err_set(err, ERR_UNAUTHORIZED,
			               "Authorization and X-API-Key give two different keys");
		}
	}
	return ERR_OK;
}

static enum err_code find_given(const struct http_request *req, bool streams,
                                struct given_list *list, struct err *err)
{
	enum err_code code = check_address(req, err);

	if (code == ERR_OK && !streams && auth_has_ticket(req)) {
		code = err_set(err, ERR_INVALID, "ticket is for routes that stream");
	}
	if (code == ERR_OK) {
		code = show_headers(list, req, err);
	}
	if (code == ERR_OK && streams) {
		code = show_of_stream(list, req, err);
	}
	return code == ERR_OK ? agree(list, err) : code;
}

/* What the browser sent by itself under that name. */
static void send(struct auth_shown_set *set, const struct http_request *req,
                 enum auth_shown_kind kind, const char *name)
{
	struct str cookie = auth_cookie_of(req, name);

	if (cookie.p != NULL) {
		set->sent[set->sent_count++] = (struct auth_shown){ kind, cookie, req->path };
	}
}

enum err_code auth_shown_find(const struct http_request *req, bool streams,
                              struct auth_shown_set *ret, struct err *err)
{
	struct given_list given = { .count = 0 };
	struct auth_shown_set set = { .sent_count = 0 };
	enum err_code code = find_given(req, streams, &given, err);

	if (code != ERR_OK) {
		return code;
	}
	set.is_given = given.count > 0;
	set.given = given.items[0];
	if (streams) {
		send(&set, req, AUTH_SHOWN_STREAM_COOKIE, AUTH_STREAM_COOKIE);
	}
	send(&set, req, AUTH_SHOWN_LOGIN, login_cookie_name(req));
	*ret = set;
	return ERR_OK;
}
