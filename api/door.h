/* For the routes by which people and programs get in: where this server is for them, and the
 * tokens that they get. */
#pragma once

#include "http/http.h"
#include "token/refresh.h"

enum { DOOR_BASE_MAX = 300 };

/* "https://host" of http.public_url, else as the request has it. False: it names no host. */
bool door_base(const struct http_request *req, char out[DOOR_BASE_MAX + 1]) MUST_CHECK;

struct door_new {
	const char *tenant;
	const struct id *user;
	const char *scopes, *namespaces; /* comma lists; NULL: all of the user's */
	const char *client;
};

/* On a fiber. Tokens of a new login; *ret to be wiped, the access token of the arena. */
enum err_code door_begin(struct http_request *req, const struct door_new *what,
                         struct refreshed *ret, struct str *ret_access, struct err *err) MUST_CHECK;
/* The same with a refresh token; a login that ended by it is rung. */
enum err_code door_refresh(struct http_request *req, struct str token, struct refreshed *ret,
                           struct str *ret_access, struct err *err) MUST_CHECK;
enum err_code door_revoke(struct http_request *req, struct str token, struct err *err) MUST_CHECK;

/* {"error":...} and what it says, as RFC 6749 section 5.2 and SteadyState's clients expect it.
 * description NULL: none. */
void door_error(struct http_reply *reply, int status, const char *error, const char *description);

/* Where the provider at which this login of a browser began ends its own; nothing is added when
 * there is no such place, or it cannot be told. */
void door_end_address(struct http_request *req, struct buf *out);
