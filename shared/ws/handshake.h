/*
 * The server's side of the opening handshake (RFC 6455 section 4.2), pure: a request's fields in,
 * what to answer out.  Whether the path, the origin and the credentials are right is asked by
 * whoever has the request, before or after.
 *
 * The request came through http/parse.h, so its framing, its one Host and its field names are
 * sound.  Nothing is allocated; the answer points only to the caller's list of subprotocols and to
 * constant text.
 */
#pragma once

#include "base/attr.h"
#include "http/http.h"
#include "ws/accept.h"
#include "ws/extension.h"

enum { WS_PROTOCOLS_MAX = 32 }; /* subprotocols in one request: 400 beyond */

struct ws_policy {
	const char *const *protocols; /* NULL-terminated; NULL: none */
	struct ws_deflate_policy deflate;
};

struct ws_handshake {
	/*
	 * 101: answer with Upgrade, Connection and what is below.  Else a refusal: 405 (Allow:
	 * GET), 426 (Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Version: 13), 400.
	 */
	int status;
	const char *reason;              /* of a refusal, public */
	char accept[WS_ACCEPT_SIZE];     /* Sec-WebSocket-Accept */
	const char *protocol;            /* Sec-WebSocket-Protocol: the first the client named that
	                                    we have too; NULL: leave the field out */
	struct ws_deflate_terms deflate; /* Sec-WebSocket-Extensions, when enabled */
};

/* *ret is filled in any case. */
void ws_handshake(const struct http_request *req, const struct ws_policy *policy,
                  struct ws_handshake *ret);
