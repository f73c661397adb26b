#include "ws/frame.h"

#include <assert.h>
#include <string.h>

enum {
	RSV = 0x70,
	OPCODE = 0x0f,
	CONTROL = 0x08, /* bit of such an opcode */
	MASKED = 0x80,
	LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	MASK_SIZE = 4,
};

bool ws_code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

/* ---- reading ---- */

static unsigned opcode_of(const struct ws_reader *reader)
{
	return reader->head[0] & OPCODE;
}

static bool is_control(const struct ws_reader *reader)
{
	return (reader->head[0] & CONTROL) != 0;
}

/* Is this frame's payload for us? */
static bool is_wanted(const struct ws_reader *reader)
{
	return reader->state == WS_READER_OPEN || opcode_of(reader) == WS_CLOSE;
}

static bool fail(struct ws_reader *reader, enum ws_code code, const char *reason)
{
	reader->state = WS_READER_CLOSED;
	reader->code = (uint16_t)code;
	reader->reason = reason;
	reader->payload = str_make(NULL, 0);
	return false;
}

static bool protocol_error(struct ws_reader *reader, const char *reason)
{
	return fail(reader, WS_CODE_PROTOCOL, reason);
}

/* FIN, RSV and opcode: RFC 6455 sections 5.2, 5.4 and 5.5; RSV1: RFC 7692 section 6. */
static bool check_first(struct ws_reader *reader)
{
	unsigned opcode = opcode_of(reader), rsv = reader->head[0] & RSV;
	bool final = (reader->head[0] & WS_FINAL) != 0;

	switch (opcode) {
	case WS_CONTINUATION:
		if (!reader->in_message) {
			return protocol_error(reader, "a continuation of nothing");
		}
		break;
	case WS_TEXT:
	case WS_BINARY:
		if (reader->in_message) {
			return protocol_error(reader, "a message inside a message");
		}
		break;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		if (!final) {
			return protocol_error(reader, "a fragmented control frame");
		}
		break;
	default: return protocol_error(reader, "a reserved opcode");
	}
	if (rsv != 0 && (rsv != WS_COMPRESSED || !reader->deflate ||
	                 (opcode != WS_TEXT && opcode != WS_BINARY))) {
		return protocol_error(reader, "a reserved bit that was not negotiated");
	}
	return true;
}

static unsigned length_size(const struct ws_reader *reader)
{
	unsigned length = reader->head[1] & LENGTH;

	return length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;
}

static bool check_second(struct ws_reader *reader)
{
	unsigned length = reader->head[1] & LENGTH;

	if ((reader->head[1] & MASKED) == 0) {
		return protocol_error(reader, "a frame of a client without a mask");
	}
	if (is_control(reader) && length > WS_CONTROL_MAX) {
		return protocol_error(reader, "a control frame of more than 125 bytes");
	}
	if (opcode_of(reader) == WS_CLOSE && length == 1) {
		return protocol_error(reader, "half a close code");
	}
	return true;
}

/* All bytes of the length are there: RFC 6455 section 5.2, "Payload length". */
static bool take_length(struct ws_reader *reader)
{
	unsigned size = length_size(reader);
	uint64_t length = size == 0 ? reader->head[1] & LENGTH : 0;

	for (unsigned i = 0; i < size; i++) {
		length = length << 8 | reader->head[2 + i];
	}
	if ((size == 2 && length < LENGTH_16) || (size == 8 && length <= UINT16_MAX)) {
		return protocol_error(reader, "a length in more bytes than it needs");
	}
	if (length > INT64_MAX) {
		return protocol_error(reader, "a length of 64 bits");
	}
	if (!is_control(reader) && is_wanted(reader) && length > reader->limit - reader->kept) {
		return fail(reader, WS_CODE_TOO_BIG, "the message is too big");
	}
	reader->left = length;
	return true;
}

static void begin_payload(struct ws_reader *reader)
{
	memcpy(reader->mask, reader->head + reader->head_len - MASK_SIZE, MASK_SIZE);
	reader->phase = 0;
	reader->head_len = 0;
	reader->in_payload = true;
	if (opcode_of(reader) == WS_TEXT || opcode_of(reader) == WS_BINARY) {
		reader->text = opcode_of(reader) == WS_TEXT;
		reader->compressed = (reader->head[0] & WS_COMPRESSED) != 0;
	}
}

static bool take_head_byte(struct ws_reader *reader, unsigned char byte)
{
	unsigned length_end;

	reader->head[reader->head_len++] = byte;
	if (reader->head_len == 1) {
		return check_first(reader);
	}
	length_end = 2 + length_size(reader);
	if (reader->head_len == 2 && !check_second(reader)) {
		return false;
	}
	if (reader->head_len == length_end && !take_length(reader)) {
		return false;
	}
	if (reader->head_len == length_end + MASK_SIZE) {
		begin_payload(reader);
	}
	return true;
}

/* RFC 6455 section 5.3, eight bytes at a time. */
static void unmask(struct ws_reader *reader, char *out, struct str in)
{
	unsigned char key[8];
	uint64_t key_word, word;
	size_t i = 0;

	for (unsigned k = 0; k < sizeof(key); k++) {
		key[k] = reader->mask[(reader->phase + k) % MASK_SIZE];
	}
	memcpy(&key_word, key, sizeof(key));
	for (; in.n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, in.p + i, sizeof(word));
		word ^= key_word;
		memcpy(out + i, &word, sizeof(word));
	}
	for (; i < in.n; i++) {
		out[i] = (char)((unsigned char)in.p[i] ^ key[i % sizeof(key)]);
	}
	reader->phase = (uint8_t)((reader->phase + in.n) % MASK_SIZE);
}

static bool take_payload(struct ws_reader *reader, struct str *in)
{
	size_t n = reader->left < in->n ? (size_t)reader->left : in->n;
	struct str piece = str_make(in->p, n);

	in->p += n;
	in->n -= n;
	reader->left -= n;
	if (is_wanted(reader)) {
		/* Never NULL: limit was checked, and the cap leaves room for a control frame. */
		char *out = buf_reserve(&reader->bytes, n);

		unmask(reader, out, piece);
		buf_commit(&reader->bytes, n);
		if (!is_control(reader) && reader->text && !reader->compressed &&
		    !utf8_check(&reader->utf8, str_make(out, n))) {
			return fail(reader, WS_CODE_INVALID, "text that is not UTF-8");
		}
	}
	return true;
}

/* RFC 6455 section 5.5.1 */
static enum ws_read finish_close(struct ws_reader *reader)
{
	struct str payload = reader->payload;
	unsigned code = WS_CODE_NONE;

	if (payload.n > 0) {
		code = (unsigned)(unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1];
		payload = str_make(payload.p + 2, payload.n - 2);
		if (!ws_code_is_valid(code)) {
			protocol_error(reader, "a close code that may not be sent");
			return WS_READ_ERROR;
		}
		if (!str_is_utf8(payload)) {
			fail(reader, WS_CODE_INVALID, "a close reason that is not UTF-8");
			return WS_READ_ERROR;
		}
	}
	reader->state = WS_READER_CLOSED;
	reader->code = (uint16_t)code;
	reader->payload = payload;
	return WS_READ_CLOSE;
}

static enum ws_read finish_control(struct ws_reader *reader)
{
	struct str all = buf_str(&reader->bytes);

	if (!is_wanted(reader)) {
		return WS_READ_MORE;
	}
	reader->reported = true;
	reader->payload = all.n > reader->kept
	                          ? str_make(all.p + reader->kept, all.n - reader->kept)
	                          : str_make(NULL, 0);
	if (opcode_of(reader) == WS_CLOSE) {
		return finish_close(reader);
	}
	return opcode_of(reader) == WS_PING ? WS_READ_PING : WS_READ_PONG;
}

static enum ws_read finish_data(struct ws_reader *reader)
{
	bool final = (reader->head[0] & WS_FINAL) != 0;

	reader->in_message = !final;
	reader->kept = reader->bytes.len;
	if (!final) {
		return WS_READ_MORE;
	}
	reader->kept = 0;
	reader->reported = true;
	if (!is_wanted(reader)) {
		return WS_READ_MORE;
	}
	if (reader->text && !reader->compressed && !utf8_is_whole(&reader->utf8)) {
		fail(reader, WS_CODE_INVALID, "text that ends inside a character");
		return WS_READ_ERROR;
	}
	reader->payload = buf_str(&reader->bytes);
	return WS_READ_MESSAGE;
}

/* What was reported can go; an idle connection holds no memory. */
static void release(struct ws_reader *reader)
{
	if (reader->reported) {
		reader->reported = false;
		reader->payload = str_make(NULL, 0);
		reader->bytes.len = reader->kept;
		if (reader->kept == 0) {
			buf_fini(&reader->bytes);
		}
	}
}

void ws_reader_init(struct ws_reader *reader, size_t limit, bool deflate)
{
	assert(limit <= SIZE_MAX / 4);
	*reader = (struct ws_reader){ .limit = limit, .deflate = deflate };
	buf_init(&reader->bytes, limit + WS_CONTROL_MAX);
}

void ws_reader_fini(struct ws_reader *reader)
{
	buf_fini(&reader->bytes);
}

void ws_reader_closing(struct ws_reader *reader)
{
	if (reader->state == WS_READER_OPEN) {
		reader->state = WS_READER_CLOSING;
	}
}

bool ws_reader_is_idle(const struct ws_reader *reader)
{
	return reader->state == WS_READER_OPEN && !reader->in_message && !reader->in_payload &&
	       reader->head_len == 0;
}

enum ws_read ws_read(struct ws_reader *reader, struct str *in)
{
	for (;;) {
		enum ws_read event;

		release(reader);
		if (reader->state == WS_READER_CLOSED) {
			*in = str_make(NULL, 0);
			return WS_READ_MORE;
		}
		if (reader->in_payload && reader->left == 0) {
			reader->in_payload = false;
			event = is_control(reader) ? finish_control(reader) : finish_data(reader);
			if (event != WS_READ_MORE) {
				return event;
			}
		} else if (in->n == 0) {
			return WS_READ_MORE;
		} else if (reader->in_payload) {
			if (!take_payload(reader, in)) {
				return WS_READ_ERROR;
			}
		} else {
			unsigned char byte = (unsigned char)*in->p++;

			in->n--;
			if (!take_head_byte(reader, byte)) {
				return WS_READ_ERROR;
			}
		}
	}
}

/* ---- going on elsewhere ---- */

/* What is complete of a message, as one fragment, under a mask that changes nothing. */
static void add_kept(const struct ws_reader *reader, struct buf *out)
{
	char header[WS_HEADER_SIZE];
	size_t n = ws_format_header(header, reader->text ? WS_TEXT : WS_BINARY,
	                            reader->compressed ? WS_COMPRESSED : 0, reader->kept);

	header[1] = (char)((unsigned char)header[1] | MASKED);
	buf_add(out, header, n);
	buf_add(out, (const char[MASK_SIZE]){ 0 }, MASK_SIZE);
	if (reader->kept > 0) {
		buf_add(out, reader->bytes.data, reader->kept);
	}
}

/* The frame that is being read: its head, and its payload so far under its mask. */
static void add_begun(const struct ws_reader *reader, struct buf *out)
{
	const struct buf *bytes = &reader->bytes;

	buf_add(out, reader->head, 2 + length_size(reader) + MASK_SIZE);
	for (size_t i = reader->kept; i < bytes->len; i++) {
		unsigned char mask = reader->mask[(i - reader->kept) % MASK_SIZE];

		buf_add_char(out, (char)((unsigned char)bytes->data[i] ^ mask));
	}
}

void ws_reader_pending(const struct ws_reader *reader, struct buf *out)
{
	assert(reader->state == WS_READER_OPEN);
	if (reader->in_message) {
		add_kept(reader, out);
	}
	if (reader->in_payload) {
		add_begun(reader, out);
	} else {
		buf_add(out, reader->head, reader->head_len);
	}
}

/* ---- writing ---- */

size_t ws_format_header(char out[WS_HEADER_SIZE], enum ws_opcode opcode, unsigned flags,
                        uint64_t size)
{
	unsigned length =
		size < LENGTH_16 ? (unsigned)size : (size <= UINT16_MAX ? LENGTH_16 : LENGTH_64);
	unsigned bytes = length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;

	assert((flags & ~(unsigned)(WS_FINAL | WS_COMPRESSED)) == 0 && size <= INT64_MAX);
	out[0] = (char)(flags | (unsigned)opcode);
	out[1] = (char)length;
	for (unsigned i = 0; i < bytes; i++) {
		out[2 + i] = (char)(size >> 8 * (bytes - 1 - i));
	}
	return 2 + bytes;
}

size_t ws_format_control(char out[WS_CONTROL_SIZE], enum ws_opcode opcode, struct str payload)
{
	size_t header = ws_format_header(out, opcode, WS_FINAL, payload.n);

	assert(payload.n <= WS_CONTROL_MAX);
	if (payload.n > 0) {
		memcpy(out + header, payload.p, payload.n);
	}
	return header + payload.n;
}

size_t ws_format_close(char out[WS_CONTROL_SIZE], unsigned code, struct str reason)
{
	char payload[WS_CONTROL_MAX];
	size_t n = 2;

	if (code == WS_CODE_NONE) {
		return ws_format_control(out, WS_CLOSE, str_make(NULL, 0));
	}
	assert(ws_code_is_valid(code));
	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	for (size_t step; (step = str_utf8_step(reason)) > 0 && n + step <= sizeof(payload);
	     n += step) {
		memcpy(payload + n, reason.p, step);
		reason = str_make(reason.p + step, reason.n - step);
	}
	return ws_format_control(out, WS_CLOSE, str_make(payload, n));
}
