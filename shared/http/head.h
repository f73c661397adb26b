/* The lines of a request's head: pure checks of complete lines, for parse.c alone. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"
#include "http/parse.h"

/* RFC 9110 section 5.6.2 tchar, section 5.5 field-vchar with SP and HTAB. */
bool http_is_tchar(unsigned char c);
bool http_is_field_char(unsigned char c);

/* Fail the parser; returns false so that a check is one line. */
bool http_parse_fail(struct http_parser *parser, enum err_code code, const char *reason);

/* The line without its CRLF, inside parser->bytes. */
bool http_head_request_line(struct http_parser *parser, struct str line) MUST_CHECK;
bool http_head_field_line(struct http_parser *parser, struct str line) MUST_CHECK;

/* All lines are in: resolve the views, and what the fields mean for framing. */
bool http_head_finish(struct http_parser *parser) MUST_CHECK;
