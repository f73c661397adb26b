/* Frames as a client writes them, and what the WebSocket reader says of them, written down. */
#pragma once

#include "ws/frame.h"

enum { WS_TRANSCRIPT_LIMIT = 70000, WS_SPLITS = 8 };

struct ws_transcript {
	struct ws_reader reader;
	struct buf text;
};

/* Append a masked frame; first: FIN, RSV and opcode. */
static inline void ws_client_frame(struct buf *out, unsigned first, struct str payload,
                                   uint32_t mask)
{
	char header[WS_HEADER_SIZE];
	unsigned char key[4];
	size_t n = ws_format_header(header, WS_TEXT, 0, payload.n);

	memcpy(key, &mask, sizeof(key));
	header[0] = (char)first;
	header[1] = (char)((unsigned char)header[1] | 0x80);
	buf_add(out, header, n);
	buf_add(out, key, sizeof(key));
	for (size_t i = 0; i < payload.n; i++) {
		buf_add_char(out, (char)((unsigned char)payload.p[i] ^ key[i % sizeof(key)]));
	}
}

static inline void ws_transcript_init(struct ws_transcript *t, size_t limit, bool deflate)
{
	ws_reader_init(&t->reader, limit, deflate);
	buf_init(&t->text, SIZE_MAX / 2);
}

static inline void ws_transcript_fini(struct ws_transcript *t)
{
	ws_reader_fini(&t->reader);
	buf_fini(&t->text);
}

static inline void ws_transcript_event(struct ws_transcript *t, enum ws_read event)
{
	const struct ws_reader *reader = &t->reader;

	switch (event) {
	case WS_READ_MORE: return;
	case WS_READ_MESSAGE:
		buf_addf(&t->text, "%s%s:", reader->compressed ? "compressed " : "",
		         reader->text ? "text" : "binary");
		break;
	case WS_READ_PING: buf_add_cstr(&t->text, "ping:"); break;
	case WS_READ_PONG: buf_add_cstr(&t->text, "pong:"); break;
	case WS_READ_CLOSE: buf_addf(&t->text, "close %u:", reader->code); break;
	case WS_READ_ERROR: buf_addf(&t->text, "error %u", reader->code); break;
	}
	buf_add_str(&t->text, reader->payload);
	buf_add_char(&t->text, '|');
}

static inline void ws_transcript_feed(struct ws_transcript *t, struct str in)
{
	enum ws_read event;

	while ((event = ws_read(&t->reader, &in)) != WS_READ_MORE) {
		ws_transcript_event(t, event);
	}
}

/* Cut into pieces of 1 to piece_max bytes, as a generator that begins with seed says. */
static inline void ws_transcript_feed_cut(struct ws_transcript *t, struct str in, size_t piece_max,
                                          uint32_t seed)
{
	while (in.n > 0) {
		size_t n;

		seed = seed * 1664525 + 1013904223;
		n = 1 + (seed >> 8) % piece_max;
		n = n < in.n ? n : in.n;
		ws_transcript_feed(t, str_make(in.p, n));
		in = str_make(in.p + n, in.n - n);
	}
}

/* Go on with another reader, which is told what this one knows. */
static inline void ws_transcript_move(struct ws_transcript *t)
{
	struct ws_reader before = t->reader;
	struct buf pending;
	struct str in;

	if (before.state != WS_READER_OPEN) {
		return;
	}
	buf_init(&pending, SIZE_MAX / 2);
	ws_reader_pending(&before, &pending);
	if (ws_reader_is_idle(&before) != (pending.len == 0)) {
		buf_add_cstr(&t->text, "idle or not|");
	}
	ws_reader_init(&t->reader, before.limit, before.deflate);
	in = buf_str(&pending);
	if (ws_read(&t->reader, &in) != WS_READ_MORE) {
		buf_add_cstr(&t->text, "not where it was|");
	}
	ws_reader_fini(&before);
	buf_fini(&pending);
}
