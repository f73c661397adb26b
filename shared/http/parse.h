/*
 * HTTP/1.1 requests from bytes (RFC 9112), without I/O: bytes in, head, body pieces and end out.
 *
 * The grammar is an accept list, stricter than the RFC where leniency has let requests be smuggled
 * past proxies: no bare CR or LF, no obs-fold, no control byte anywhere, one Host, one framing.
 * Whatever way the bytes are cut into pieces, the results are the same.
 *
 * After an error the framing is unknown: the parser stays in that error and the connection must
 * close once it has answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "http/http.h"

enum {
	HTTP_LINE_MAX = 8 * 1024,       /* request line: 414 beyond */
	HTTP_EXTENSIONS_MAX = 4 * 1024, /* chunk extensions of one body */
	HTTP_TRAILERS_MAX = 8 * 1024,   /* trailer section: 431 beyond */
	HTTP_CHUNK_DIGITS_MAX = 8,
};

enum http_parsed {
	HTTP_PARSED_MORE,  /* all input is used up */
	HTTP_PARSED_HEAD,  /* parser->head is complete */
	HTTP_PARSED_BODY,  /* parser->piece is the next part of the body */
	HTTP_PARSED_END,   /* the request is over; what is left of the input belongs to the next */
	HTTP_PARSED_ERROR, /* parser->error and parser->reason say why */
};

struct http_head {
	enum http_method method; /* HTTP_METHOD_COUNT never gets here: 501 */
	unsigned minor;          /* HTTP/1.minor: 0 or 1 */
	struct str path;         /* "/..." or "*"; escapes are well-formed and never %00 */
	struct str query;        /* without "?" */
	struct str host;         /* "" only with HTTP/1.0 */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	uint64_t content_length; /* 0 unless given */
	bool chunked;
	bool has_length;
	bool keep_alive;      /* what the client wants after this request */
	bool expect_continue; /* it waits for 100 (Continue) before it sends the body */
	bool expect_other;    /* an expectation nobody can meet: 417 */
};

struct http_span {
	uint16_t at, n; /* in the head's bytes, which move while they grow */
};

struct http_parser {
	struct http_head head; /* valid from HTTP_PARSED_HEAD until http_parser_reset() */
	struct str piece;
	enum err_code error;
	const char *reason; /* public: names the rule that was broken */

	int step;
	struct buf bytes;  /* of the head */
	size_t line_start; /* of the line that is being read */
	bool cr;           /* the last byte was a CR */
	struct http_span path, query, authority;
	bool absolute;
	struct http_span names[HTTP_HEADERS_MAX], values[HTTP_HEADERS_MAX];
	size_t field_count;
	uint64_t left;     /* of a body with a length, or of the chunk */
	unsigned digits;   /* of the chunk size */
	size_t extensions; /* bytes so far */
	size_t trailers;   /* bytes so far */
	size_t trailer_count;
};

void http_parser_init(struct http_parser *parser);
void http_parser_fini(struct http_parser *parser);
void http_parser_reset(struct http_parser *parser); /* for the next request */

/* Has a byte of a request arrived? One empty line before it does not count. */
bool http_parser_begun(const struct http_parser *parser);

/* Take from the front of *in up to the next thing to report. */
enum http_parsed http_parse(struct http_parser *parser, struct str *in) MUST_CHECK;

bool http_is_token(struct str s); /* RFC 9110 section 5.6.2 */

/* Walk a comma list (RFC 9110 section 5.6.1): trimmed, empty elements skipped; false at the end. */
bool http_list_next(struct str *rest, struct str *ret_element);
