/*
 * The WebSocket reader says the same however its input is cut; what it reports may be sent back,
 * and what it reports compressed inflates within the limit or is refused.  The first byte says
 * whether compression was negotiated, and in how small pieces the second reading is.
 */
#include <stdlib.h>

#include "tests/support/ws_transcript.h"
#include "ws/deflate.h"

enum { LIMIT = 3000, INFLATED_MAX = 20000, BITS = 15 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok) {
		abort();
	}
}

/* Squeezed again, the message inflates to itself. */
static void check_deflate(struct str message)
{
	struct ws_deflater *deflater = ws_deflater_new(WS_BITS_MIN, true, 1);
	struct ws_inflater *inflater = ws_inflater_new(WS_BITS_MIN, true);
	struct buf squeezed, out;

	buf_init(&squeezed, SIZE_MAX / 2);
	buf_init(&out, message.n);
	check(ws_deflate(deflater, message, &squeezed));
	check(ws_inflate(inflater, buf_str(&squeezed), false, message.n, &out) == 0);
	check(str_eq(buf_str(&out), message));
	buf_fini(&squeezed);
	buf_fini(&out);
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

/* False: the connection would be closed. */
static bool check_message(const struct ws_reader *reader, struct ws_inflater *inflater)
{
	struct buf out;
	unsigned code;

	check(reader->payload.n <= LIMIT);
	if (!reader->compressed) {
		check(!reader->text || reader->payload.n == 0 || str_is_utf8(reader->payload));
		check_deflate(reader->payload);
		return true;
	}
	buf_init(&out, INFLATED_MAX);
	code = ws_inflate(inflater, reader->payload, reader->text, INFLATED_MAX, &out);
	check(code == 0 || code == WS_CODE_INVALID || code == WS_CODE_TOO_BIG);
	check(out.len <= INFLATED_MAX);
	check(code != 0 || !reader->text || out.len == 0 || str_is_utf8(buf_str(&out)));
	buf_fini(&out);
	return code == 0;
}

static void check_close(const struct ws_reader *reader)
{
	char out[WS_CONTROL_SIZE];
	size_t n = ws_format_close(out, reader->code, reader->payload);

	check(n <= sizeof(out));
	check(reader->code == WS_CODE_NONE ? n == 2 : n == 4 + reader->payload.n);
}

static void check_events(struct str in, bool deflate)
{
	struct ws_inflater *inflater = ws_inflater_new(BITS, false);
	struct ws_reader reader;
	enum ws_read event;
	bool open = true;

	ws_reader_init(&reader, LIMIT, deflate);
	while (open && (event = ws_read(&reader, &in)) != WS_READ_MORE) {
		switch (event) {
		case WS_READ_MESSAGE: open = check_message(&reader, inflater); break;
		case WS_READ_PING:
		case WS_READ_PONG: check(reader.payload.n <= WS_CONTROL_MAX); break;
		case WS_READ_CLOSE: check_close(&reader); break;
		case WS_READ_ERROR: check(ws_code_is_valid(reader.code)); break;
		case WS_READ_MORE: break;
		}
	}
	ws_reader_fini(&reader);
	ws_inflater_free(inflater);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ws_transcript whole, cut;
	struct str in;
	bool deflate;

	if (size == 0) {
		return 0;
	}
	deflate = (data[0] & 1) != 0;
	in = str_make((const char *)data + 1, size - 1);
	check_events(in, deflate);
	ws_transcript_init(&whole, LIMIT, deflate);
	ws_transcript_init(&cut, LIMIT, deflate);
	ws_transcript_feed(&whole, in);
	ws_transcript_feed_cut(&cut, in, 1 + (data[0] >> 1) % 32, data[0]);
	check(str_eq(buf_str(&whole.text), buf_str(&cut.text)));
	ws_transcript_fini(&whole);
	ws_transcript_fini(&cut);
	return 0;
}
