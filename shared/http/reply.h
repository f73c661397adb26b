/* From a struct http_reply to the bytes of its head. For this folder. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/http.h"

enum {
	HTTP_REPLY_MAX = 64 * 1024 * 1024,
	HTTP_REPLY_HEADERS_MAX = 16 * 1024,
	HTTP_REPLY_HEAD_MAX = 2 * HTTP_REPLY_HEADERS_MAX,
};

struct http_reply_facts {
	enum http_method method;
	unsigned minor; /* of the request: HTTP/1.minor */
	bool close;
	const char *request_id; /* "" when the head was never understood */
	const char *date;
	struct str cors; /* further header lines */
};

void http_reply_init(struct http_reply *reply);
void http_reply_fini(
	struct http_reply *reply); /* the stream, if any, has been taken over or closed */

/* Status line, header fields and the empty line. */
void http_reply_format(const struct http_reply *reply, const struct http_reply_facts *facts,
                       struct buf *out);

/* May this reply carry a body (RFC 9110 section 6.4.1)? */
bool http_reply_has_body(const struct http_reply *reply, enum http_method method);
