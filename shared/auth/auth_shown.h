/*
 * Which credentials a request shows.  Pure; auth_http.c says which are good.
 *
 * Some are given on purpose: headers, a ticket in the address, a subprotocol. They have to agree.
 * Others a browser sends by itself: those count only where nothing was given, and only from pages
 * of ours.
 */
#pragma once

#include "auth/auth.h"
#include "http/http.h"

#define AUTH_STREAM_COOKIE "fairlead_stream"

enum auth_shown_kind {
	AUTH_SHOWN_KEY,           /* ApiKey, X-API-Key, a subprotocol */
	AUTH_SHOWN_TOKEN,         /* Bearer */
	AUTH_SHOWN_TICKET,        /* ?ticket= of a route that streams */
	AUTH_SHOWN_STREAM_COOKIE, /* what became of a ticket, for one path */
	AUTH_SHOWN_LOGIN,         /* the cookie of a browser's login */
	AUTH_SHOWN_COUNT
};

struct auth_shown {
	enum auth_shown_kind kind;
	struct str text; /* borrowed of the request, as is the path */
	struct str path; /* that is asked for */
};

struct auth_shown_set {
	struct auth_shown given; /* on purpose */
	bool is_given;
	struct auth_shown sent[AUTH_SHOWN_COUNT]; /* by itself, in the order in which they count */
	size_t sent_count;
};

/* streams: of a route that streams, where tickets, their cookies and subprotocols count.
 * ERR_UNAUTHORIZED: what is given makes no sense or does not agree. ERR_INVALID: a key, or what is
 * called like one, stands in the address. */
enum err_code auth_shown_find(const struct http_request *req, bool streams,
                              struct auth_shown_set *ret, struct err *err) MUST_CHECK;

/* The value of a cookie (RFC 6265 section 5.4), { NULL, 0 } without one. Of two of one name the
 * browser puts that of the longer path first. */
struct str auth_cookie_of(const struct http_request *req, const char *name);

/* Does it ask for a WebSocket? */
bool auth_is_websocket(const struct http_request *req);
/* Is there a ticket in the address, of whatever worth? */
bool auth_has_ticket(const struct http_request *req);
