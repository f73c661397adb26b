/*
 * The answer to a request for a stream of events, bytes to bytes of the stream: the head and the
 * chunks of HTTP/1.1 (RFC 9112) as far as an agent's own server uses them.  Pure: whatever the
 * bytes were split into, what comes out is the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum { AGENT_WIRE_HEAD_MAX = 16 * 1024, AGENT_WIRE_LINE_MAX = 256 };

struct agent_wire {
	struct buf line; /* of the head or of a chunk's size, so far */
	int step;
	unsigned status; /* 0: not known yet */
	bool is_events;  /* its content type says so */
	bool chunked;
	size_t head_bytes;
	uint64_t left; /* of the chunk */
};

enum agent_wired {
	AGENT_WIRED_MORE,   /* all input is used up */
	AGENT_WIRED_HEAD,   /* the head is complete: status, is_events */
	AGENT_WIRED_BYTES,  /* *ret is the next part of the stream */
	AGENT_WIRED_END,    /* of the stream */
	AGENT_WIRED_BROKEN, /* it is no HTTP; it stays so */
};

void agent_wire_init(struct agent_wire *wire);
void agent_wire_fini(struct agent_wire *wire);

/* Take from the front of *in up to the next thing to report. */
enum agent_wired agent_wire_take(struct agent_wire *wire, struct str *in,
                                 struct str *ret) MUST_CHECK;

/* The port of a line like "... listening on http://127.0.0.1:4096"; false: it says none. */
bool agent_wire_port(struct str line, unsigned *ret) MUST_CHECK;

/* Whether the table (as /proc/net/tcp has it) has a socket of that user that listens on 127.0.0.1
 * or on all addresses at that port. */
bool agent_wire_listens(struct str table, unsigned port, uint64_t uid) MUST_CHECK;
