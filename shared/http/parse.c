#include "http/parse.h"

#include <string.h>

#include "http/head.h"

enum step {
	STEP_START, /* nothing yet; one empty line may come (RFC 9112 section 2.2) */
	STEP_BLANK, /* that line has been taken */
	STEP_LINE,
	STEP_FIELDS,
	STEP_BODY,
	STEP_SIZE,
	STEP_EXTENSION,
	STEP_SIZE_LF,
	STEP_DATA,
	STEP_DATA_CR,
	STEP_DATA_LF,
	STEP_TRAILER, /* the first byte of a trailer line */
	STEP_TRAILER_NAME,
	STEP_TRAILER_VALUE,
	STEP_TRAILER_LF,
	STEP_LAST_LF,
	STEP_END,
	STEP_ERROR,
};

void http_parser_init(struct http_parser *parser)
{
	*parser = (struct http_parser){ .step = STEP_START };
	buf_init(&parser->bytes, HTTP_HEAD_MAX);
}

void http_parser_fini(struct http_parser *parser)
{
	buf_fini(&parser->bytes);
}

void http_parser_reset(struct http_parser *parser)
{
	struct buf bytes = parser->bytes;

	buf_reset(&bytes);
	*parser = (struct http_parser){ .step = STEP_START, .bytes = bytes };
}

bool http_parser_begun(const struct http_parser *parser)
{
	return parser->step != STEP_START && (parser->step != STEP_BLANK || parser->cr);
}

static enum http_parsed fail(struct http_parser *parser, enum err_code code, const char *reason)
{
	(void)http_parse_fail(parser, code, reason);
	parser->step = STEP_ERROR;
	return HTTP_PARSED_ERROR;
}

static enum http_parsed broken(struct http_parser *parser)
{
	parser->step = STEP_ERROR;
	return HTTP_PARSED_ERROR;
}

static enum http_parsed on_head(struct http_parser *parser)
{
	if (!http_head_finish(parser)) {
		return broken(parser);
	}
	parser->left = parser->head.content_length;
	if (parser->head.chunked) {
		parser->step = STEP_SIZE;
	} else {
		parser->step = parser->left > 0 ? STEP_BODY : STEP_END;
	}
	return HTTP_PARSED_HEAD;
}

/* A whole line, CRLF included, is at the end of parser->bytes. */
static enum http_parsed on_line(struct http_parser *parser)
{
	struct str line = str_make(parser->bytes.data + parser->line_start,
	                           parser->bytes.len - parser->line_start - 2);

	if (parser->step == STEP_FIELDS && line.n == 0) {
		return on_head(parser);
	}
	if (parser->step == STEP_FIELDS) {
		if (!http_head_field_line(parser, line)) {
			return broken(parser);
		}
	} else if (parser->step == STEP_LINE) {
		if (!http_head_request_line(parser, line)) {
			return broken(parser);
		}
		parser->step = STEP_FIELDS;
	} else {
		/* An empty line before the request: dropped, once. */
		parser->step = STEP_BLANK;
		buf_reset(&parser->bytes);
	}
	parser->line_start = parser->bytes.len;
	return HTTP_PARSED_MORE;
}

/* The bytes in front that need no decision: neither the end of a line nor beyond a limit. */
static size_t plain_run(const struct http_parser *parser, struct str in)
{
	size_t limit = parser->step == STEP_FIELDS ? HTTP_HEAD_MAX : HTTP_LINE_MAX;
	size_t room = limit - parser->bytes.len, n = 0;

	if (parser->cr) {
		return 0;
	}
	while (n < in.n && n < room && http_is_field_char((unsigned char)in.p[n])) {
		n++;
	}
	return n;
}

static enum http_parsed head_byte(struct http_parser *parser, char c)
{
	bool first = parser->step != STEP_FIELDS;

	if (parser->bytes.len == (first ? HTTP_LINE_MAX : HTTP_HEAD_MAX)) {
		return first ? fail(parser, ERR_URI_LENGTH, "the request line is too long")
		             : fail(parser, ERR_HEAD_LENGTH, "the header fields are too long");
	}
	if (parser->cr != (c == '\n')) {
		return fail(parser, ERR_INVALID, "CR and LF come only together");
	}
	if (c != '\r' && c != '\n') {
		return fail(parser, ERR_INVALID, "the head has a control byte");
	}
	if (parser->step == STEP_BLANK && parser->bytes.len == 0) {
		return fail(parser, ERR_INVALID, "the request line is missing");
	}
	parser->cr = c == '\r';
	buf_add_char(&parser->bytes, c);
	return c == '\n' ? on_line(parser) : HTTP_PARSED_MORE;
}

static enum http_parsed parse_head(struct http_parser *parser, struct str *in)
{
	while (in->n > 0) {
		size_t n = plain_run(parser, *in);
		enum http_parsed parsed;

		if (n > 0) {
			if (parser->step == STEP_START || parser->step == STEP_BLANK) {
				parser->step = STEP_LINE;
			}
			buf_add(&parser->bytes, in->p, n);
			*in = str_make(in->p + n, in->n - n);
			continue;
		}
		parsed = head_byte(parser, in->p[0]);
		*in = str_make(in->p + 1, in->n - 1);
		if (parsed != HTTP_PARSED_MORE) {
			return parsed;
		}
	}
	return HTTP_PARSED_MORE;
}

static enum http_parsed take_piece(struct http_parser *parser, struct str *in)
{
	size_t n = in->n < parser->left ? in->n : (size_t)parser->left;

	parser->piece = str_make(in->p, n);
	*in = str_make(in->p + n, in->n - n);
	parser->left -= n;
	if (parser->left == 0) {
		parser->step = parser->step == STEP_BODY ? STEP_END : STEP_DATA_CR;
	}
	return HTTP_PARSED_BODY;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum http_parsed size_byte(struct http_parser *parser, char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (parser->digits++ == HTTP_CHUNK_DIGITS_MAX) {
			return fail(parser, ERR_INVALID, "the chunk size is too large");
		}
		parser->left = parser->left << 4 | (unsigned)digit;
	} else if (parser->digits > 0 && c == ';') {
		parser->step = STEP_EXTENSION;
	} else if (parser->digits > 0 && c == '\r') {
		parser->step = STEP_SIZE_LF;
	} else {
		return fail(parser, ERR_INVALID, "the chunk size is not a hexadecimal number");
	}
	return HTTP_PARSED_MORE;
}

static enum http_parsed extension_byte(struct http_parser *parser, char c)
{
	if (c == '\r') {
		parser->step = STEP_SIZE_LF;
	} else if (!http_is_field_char((unsigned char)c)) {
		return fail(parser, ERR_INVALID, "a chunk extension has a control byte");
	} else if (++parser->extensions > HTTP_EXTENSIONS_MAX) {
		return fail(parser, ERR_INVALID, "the chunk extensions are too long");
	}
	return HTTP_PARSED_MORE;
}

static enum http_parsed expect_byte(struct http_parser *parser, char c, char wanted, enum step next)
{
	if (c != wanted) {
		return fail(parser, ERR_INVALID, "a chunk does not end in CRLF");
	}
	parser->step = next;
	return HTTP_PARSED_MORE;
}

/* Trailer lines are checked like header lines and dropped. */
static enum http_parsed trailer_byte(struct http_parser *parser, char c)
{
	bool name = parser->step == STEP_TRAILER || parser->step == STEP_TRAILER_NAME;

	if (++parser->trailers > HTTP_TRAILERS_MAX) {
		return fail(parser, ERR_HEAD_LENGTH, "the trailer fields are too long");
	}
	if (parser->step == STEP_TRAILER && c == '\r') {
		parser->step = STEP_LAST_LF;
	} else if (parser->step == STEP_TRAILER && ++parser->trailer_count > HTTP_HEADERS_MAX) {
		return fail(parser, ERR_HEAD_LENGTH, "too many trailer fields");
	} else if (name && http_is_tchar((unsigned char)c)) {
		parser->step = STEP_TRAILER_NAME;
	} else if (parser->step == STEP_TRAILER_NAME && c == ':') {
		parser->step = STEP_TRAILER_VALUE;
	} else if (!name && c == '\r') {
		parser->step = STEP_TRAILER_LF;
	} else if (name || !http_is_field_char((unsigned char)c)) {
		return fail(parser, ERR_INVALID, "a trailer line is not name, colon, value");
	}
	return HTTP_PARSED_MORE;
}

static enum http_parsed on_size(struct http_parser *parser, char c)
{
	enum step next = parser->left > 0 ? STEP_DATA : STEP_TRAILER;

	parser->digits = 0;
	return expect_byte(parser, c, '\n', next);
}

static enum http_parsed framing_byte(struct http_parser *parser, char c)
{
	switch ((enum step)parser->step) {
	case STEP_SIZE: return size_byte(parser, c);
	case STEP_EXTENSION: return extension_byte(parser, c);
	case STEP_SIZE_LF: return on_size(parser, c);
	case STEP_DATA_CR: return expect_byte(parser, c, '\r', STEP_DATA_LF);
	case STEP_DATA_LF: return expect_byte(parser, c, '\n', STEP_SIZE);
	case STEP_TRAILER:
	case STEP_TRAILER_NAME:
	case STEP_TRAILER_VALUE: return trailer_byte(parser, c);
	case STEP_TRAILER_LF: return expect_byte(parser, c, '\n', STEP_TRAILER);
	case STEP_LAST_LF: return expect_byte(parser, c, '\n', STEP_END);
	case STEP_START:
	case STEP_BLANK:
	case STEP_LINE:
	case STEP_FIELDS:
	case STEP_BODY:
	case STEP_DATA:
	case STEP_END:
	case STEP_ERROR: break;
	}
	return broken(parser);
}

static enum http_parsed parse_body(struct http_parser *parser, struct str *in)
{
	while (in->n > 0) {
		enum http_parsed parsed;

		if (parser->step == STEP_BODY || parser->step == STEP_DATA) {
			return take_piece(parser, in);
		}
		parsed = framing_byte(parser, in->p[0]);
		*in = str_make(in->p + 1, in->n - 1);
		if (parsed != HTTP_PARSED_MORE) {
			return parsed;
		}
		if (parser->step == STEP_END) {
			return HTTP_PARSED_END;
		}
	}
	return HTTP_PARSED_MORE;
}

enum http_parsed http_parse(struct http_parser *parser, struct str *in)
{
	if (parser->step == STEP_ERROR) {
		return HTTP_PARSED_ERROR;
	}
	if (parser->step == STEP_END) {
		return HTTP_PARSED_END;
	}
	if (parser->step < STEP_BODY) {
		return parse_head(parser, in);
	}
	return parse_body(parser, in);
}
