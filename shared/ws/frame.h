/*
 * WebSocket frames (RFC 6455 sections 5 to 8) on the server's side, without I/O: bytes of a client
 * to messages and control frames, and headers for frames of ours.
 *
 * Whatever way the bytes are cut into pieces, the events are the same, and what is wrong is
 * reported at the first byte that shows it.  A message is assembled here, at most limit bytes of
 * it; nothing is held between messages.  A compressed message is handed out as it came, for
 * ws/deflate.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"

/* RFC 6455 section 11.8 */
enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

/* RFC 6455 section 7.4.1 and the registry it founded. Applications have 4000 to 4999. */
enum ws_code {
	WS_CODE_NORMAL = 1000,
	WS_CODE_GOING_AWAY = 1001,
	WS_CODE_PROTOCOL = 1002,
	WS_CODE_UNSUPPORTED = 1003,
	WS_CODE_NONE = 1005, /* never sent: the peer's Close frame had none */
	WS_CODE_INVALID = 1007,
	WS_CODE_POLICY = 1008,
	WS_CODE_TOO_BIG = 1009,
	WS_CODE_EXTENSION = 1010,
	WS_CODE_INTERNAL = 1011,
	WS_CODE_RESTART = 1012,
	WS_CODE_TRY_LATER = 1013,
	WS_CODE_BAD_GATEWAY = 1014,
};

/* May a Close frame carry it: 1000-1003, 1007-1014, 3000-4999. */
bool ws_code_is_valid(unsigned code);

/* ---- reading ---- */

enum { WS_HEAD_MAX = 14, WS_CONTROL_MAX = 125 };

enum ws_read {
	WS_READ_MORE,    /* all input is used up */
	WS_READ_MESSAGE, /* payload is a message; text and compressed say what it is */
	WS_READ_PING,    /* answer with a Pong of the same payload */
	WS_READ_PONG,
	WS_READ_CLOSE, /* code, and payload is the reason. Answer with the code, unless the close is
	                  ours; then end the connection. */
	WS_READ_ERROR, /* send Close with this code, then end the connection; reason says why */
};

enum ws_reader_state {
	WS_READER_OPEN,
	WS_READER_CLOSING, /* our Close is sent: only the peer's matters now */
	WS_READER_CLOSED,  /* a close or an error was reported: input is dropped */
};

struct ws_reader {
	struct str payload; /* valid until the next call; text is UTF-8, unless compressed */
	const char *reason; /* public, constant */
	uint16_t code;      /* enum ws_code, or the peer's */
	bool text, compressed;

	uint8_t state; /* enum ws_reader_state */
	bool deflate;
	bool in_message;  /* fragments are missing */
	bool in_payload;  /* the head is complete */
	bool reported;    /* the payload can go */
	uint8_t head_len; /* so far */
	unsigned char head[WS_HEAD_MAX];
	unsigned char mask[4];
	uint8_t phase;    /* of the mask */
	struct utf8 utf8; /* of text so far; whole between messages */
	uint64_t left;    /* of the frame's payload */
	size_t limit;     /* of a message, in bytes as they come */
	size_t kept;      /* bytes of the message; what a control frame says comes behind them */
	struct buf bytes;
};

/* deflate: permessage-deflate was negotiated, so RSV1 may be set (RFC 7692 section 6). */
void ws_reader_init(struct ws_reader *reader, size_t limit, bool deflate);
void ws_reader_fini(struct ws_reader *reader);

/* A Close frame is sent: messages and pings are no longer stored or reported (RFC 6455 section
 * 5.5.1), only their framing is checked. */
void ws_reader_closing(struct ws_reader *reader);

/* Open, and between two messages: a new reader with the same limit and deflate can go on. */
bool ws_reader_is_idle(const struct ws_reader *reader);

/* Take from the front of *in up to the next event. */
enum ws_read ws_read(struct ws_reader *reader, struct str *in) MUST_CHECK;

/* Bytes that bring a new reader, with the same limit and deflate, to where this open one is:
 * appended. */
void ws_reader_pending(const struct ws_reader *reader, struct buf *out);

/* ---- writing ---- */

enum { WS_HEADER_SIZE = 10, WS_CONTROL_SIZE = 2 + WS_CONTROL_MAX };

enum ws_frame_flags {
	WS_FINAL = 0x80,      /* the last frame of its message */
	WS_COMPRESSED = 0x40, /* of a message's first frame */
};

/* The header of a frame whose payload, of size bytes, the caller writes behind it. Returns the
 * header's length. Flags: enum ws_frame_flags. */
size_t ws_format_header(char out[WS_HEADER_SIZE], enum ws_opcode opcode, unsigned flags,
                        uint64_t size) MUST_CHECK;

/* A whole Ping or Pong; the payload is at most WS_CONTROL_MAX bytes. Returns its length. */
size_t ws_format_control(char out[WS_CONTROL_SIZE], enum ws_opcode opcode,
                         struct str payload) MUST_CHECK;

/* A whole Close; code is valid, or WS_CODE_NONE for an empty one. The reason, which is UTF-8, is
 * cut between characters where it is too long. Returns its length. */
size_t ws_format_close(char out[WS_CONTROL_SIZE], unsigned code, struct str reason) MUST_CHECK;
