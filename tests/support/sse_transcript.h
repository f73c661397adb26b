/* What the event stream parser says of bytes cut into pieces, written down. */
#pragma once

#include "sse/sse.h"

enum { SSE_TRANSCRIPT_CAP = 1000 };

struct sse_transcript {
	struct sse_parser parser;
	struct buf text;
	bool failed;
};

static inline void sse_transcript_init(struct sse_transcript *t)
{
	sse_parser_init(&t->parser, SSE_TRANSCRIPT_CAP);
	buf_init(&t->text, SIZE_MAX / 2);
	t->failed = false;
}

static inline void sse_transcript_fini(struct sse_transcript *t)
{
	sse_parser_fini(&t->parser);
	buf_fini(&t->text);
}

static inline void sse_transcript_feed(struct sse_transcript *t, struct str in)
{
	enum sse_parsed parsed;

	while (!t->failed && (parsed = sse_parse(&t->parser, &in)) != SSE_PARSED_MORE) {
		if (parsed == SSE_PARSED_ERROR) {
			t->failed = true;
			buf_add_cstr(&t->text, "error");
			return;
		}
		buf_addf(&t->text, "%" STR_FMT "/%" STR_FMT "/", STR_ARG(t->parser.id),
		         STR_ARG(t->parser.name));
		buf_add_str(&t->text, t->parser.data);
		buf_add_char(&t->text, '|');
	}
}
