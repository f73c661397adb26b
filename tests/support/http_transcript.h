/*
 * Run the request parser over bytes cut into pieces, and write down what it said.
 *
 * Each request is one line, an error or an unfinished request the last one.  Two ways of
 * cutting the same bytes must give the same text.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "http/parse.h"

struct http_transcript {
	struct http_parser parser;
	struct buf text;
	struct buf body;
	struct buf verdict; /* R a request, a status an error, - unfinished */
	bool failed;
};

static inline void http_transcript_init(struct http_transcript *t)
{
	http_parser_init(&t->parser);
	buf_init(&t->text, SIZE_MAX / 2);
	buf_init(&t->body, SIZE_MAX / 2);
	buf_init(&t->verdict, SIZE_MAX / 2);
	t->failed = false;
}

static inline void http_transcript_fini(struct http_transcript *t)
{
	http_parser_fini(&t->parser);
	buf_fini(&t->text);
	buf_fini(&t->body);
	buf_fini(&t->verdict);
}

static inline void http_transcript_head(struct http_transcript *t)
{
	const struct http_head *head = &t->parser.head;

	buf_addf(&t->text, "%s %" STR_FMT " ?%" STR_FMT " 1.%u host=%" STR_FMT,
	         http_method_name(head->method), STR_ARG(head->path), STR_ARG(head->query),
	         head->minor, STR_ARG(head->host));
	buf_addf(&t->text, " keep=%d expect=%d%d chunked=%d length=%llu", head->keep_alive,
	         head->expect_continue, head->expect_other, head->chunked,
	         (unsigned long long)head->content_length);
	for (size_t i = 0; i < head->header_count; i++) {
		buf_addf(&t->text, " [%" STR_FMT "=%" STR_FMT "]", STR_ARG(head->headers[i].name),
		         STR_ARG(head->headers[i].value));
	}
}

static inline void http_transcript_end(struct http_transcript *t)
{
	buf_add_cstr(&t->text, " body=");
	buf_add_str(&t->text, buf_str(&t->body));
	buf_add_cstr(&t->text, "\n");
	buf_add_cstr(&t->verdict, "R");
	buf_reset(&t->body);
	http_parser_reset(&t->parser);
}

static inline void http_transcript_feed(struct http_transcript *t, struct str in)
{
	while (!t->failed) {
		switch (http_parse(&t->parser, &in)) {
		case HTTP_PARSED_MORE: return;
		case HTTP_PARSED_HEAD: http_transcript_head(t); break;
		case HTTP_PARSED_BODY: buf_add_str(&t->body, t->parser.piece); break;
		case HTTP_PARSED_END: http_transcript_end(t); break;
		case HTTP_PARSED_ERROR:
			t->failed = true;
			buf_addf(&t->text, " error=%s", t->parser.reason);
			buf_addf(&t->verdict, "%d", err_http_status(t->parser.error));
			break;
		}
	}
}

static inline void http_transcript_close(struct http_transcript *t)
{
	if (!t->failed && http_parser_begun(&t->parser)) {
		buf_add_cstr(&t->text, " unfinished, body=");
		buf_add_str(&t->text, buf_str(&t->body));
		buf_add_cstr(&t->verdict, "-");
	}
}
