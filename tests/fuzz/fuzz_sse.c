/*
 * The event stream parser says the same however its input is cut, and reads back what is written:
 * each event it reports, formatted and parsed again, is that event.
 */
#include <stdlib.h>

#include "tests/support/sse_transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok) {
		abort();
	}
}

static void check_round_trip(struct str in)
{
	struct sse_parser first;

	sse_parser_init(&first, SSE_TRANSCRIPT_CAP);
	while (sse_parse(&first, &in) == SSE_PARSED_EVENT) {
		struct sse_parser again;
		struct buf out;
		struct str text;

		buf_init(&out, SIZE_MAX / 2);
		sse_format(&out, first.id, first.name, first.data);
		text = buf_str(&out);
		sse_parser_init(&again, SIZE_MAX / 2);
		check(sse_parse(&again, &text) == SSE_PARSED_EVENT && text.n == 0);
		check(str_eq(first.data, again.data) && str_eq(first.id, again.id));
		check(memchr(first.name.p, '\0', first.name.n) != NULL ||
		      str_eq(first.name, again.name));
		sse_parser_fini(&again);
		buf_fini(&out);
	}
	sse_parser_fini(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	struct sse_transcript whole, bytes;

	check_round_trip(in);
	sse_transcript_init(&whole);
	sse_transcript_init(&bytes);
	sse_transcript_feed(&whole, in);
	for (size_t i = 0; i < size; i++) {
		sse_transcript_feed(&bytes, str_make(in.p + i, 1));
	}
	check(str_eq(buf_str(&whole.text), buf_str(&bytes.text)));
	sse_transcript_fini(&whole);
	sse_transcript_fini(&bytes);
	return 0;
}
