/*
 * The request parser says the same whether bytes come whole, one at a time or in pieces whose
 * lengths the input chooses; and what it lets through keeps its promises.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok) {
		abort();
	}
}

static void check_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		check(c == '\t' || (c >= ' ' && c != 0x7f));
	}
}

static void check_head(const struct http_head *head)
{
	check(head->method < HTTP_METHOD_COUNT);
	check(head->path.n > 0 && (head->path.p[0] == '/' || head->path.p[0] == '*'));
	check(!head->chunked || (!head->has_length && head->minor == 1));
	check(head->minor == 0 || head->host.n > 0);
	for (size_t i = 0; i < head->header_count; i++) {
		check(http_is_token(head->headers[i].name));
		check_text(head->headers[i].value);
	}
}

static void run_whole(struct http_transcript *t, struct str in)
{
	http_transcript_init(t);
	http_transcript_feed(t, in);
	http_transcript_close(t);
}

static void run_pieces(struct http_transcript *t, struct str in, unsigned seed)
{
	http_transcript_init(t);
	while (in.n > 0) {
		size_t n = 1;

		if (seed != 0) {
			seed = seed * 1103515245 + 12345;
			n = 1 + (seed >> 16) % 37;
		}
		if (n > in.n) {
			n = in.n;
		}
		/* A copy of its own, so that nothing can look beyond the piece. */
		char *piece = malloc(n);

		check(piece != NULL);
		memcpy(piece, in.p, n);
		http_transcript_feed(t, str_make(piece, n));
		free(piece);
		in = str_make(in.p + n, in.n - n);
	}
	http_transcript_close(t);
}

static void check_heads(struct str in)
{
	struct http_parser parser;
	enum http_parsed parsed = HTTP_PARSED_END;

	http_parser_init(&parser);
	while (parsed != HTTP_PARSED_MORE && parsed != HTTP_PARSED_ERROR) {
		parsed = http_parse(&parser, &in);
		if (parsed == HTTP_PARSED_HEAD) {
			check_head(&parser.head);
		} else if (parsed == HTTP_PARSED_END) {
			http_parser_reset(&parser);
		}
	}
	http_parser_fini(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	struct http_transcript whole, bytes, pieces;

	check_heads(in);
	run_whole(&whole, in);
	run_pieces(&bytes, in, 0);
	run_pieces(&pieces, in, size > 0 ? data[0] + (unsigned)size : 1);
	check(str_eq(buf_str(&whole.text), buf_str(&bytes.text)));
	check(str_eq(buf_str(&whole.text), buf_str(&pieces.text)));
	check(str_eq(buf_str(&whole.verdict), buf_str(&bytes.verdict)));
	http_transcript_fini(&whole);
	http_transcript_fini(&bytes);
	http_transcript_fini(&pieces);
	return 0;
}
