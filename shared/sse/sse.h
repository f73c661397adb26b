/*
 * Event streams as text/event-stream (HTML standard, section 9.2 "Server-sent events"): pure
 * framing, for the streamer that writes them and the command line that reads them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- writing ---- */

/* One event. An empty id or name is left out; data is cut into lines at CR, LF and CRLF and always
 * there, so that the client sees the event. A line end or NUL in id or name becomes a space. */
void sse_format(struct buf *out, struct str id, struct str name, struct str data);

/* How long a client waits before it connects again. */
void sse_format_retry(struct buf *out, unsigned retry_ms);

/* A line no client shows: it keeps the connection in use. */
void sse_format_comment(struct buf *out, struct str text);

/* ---- reading ---- */

enum sse_parsed {
	SSE_PARSED_MORE,  /* all input is used up */
	SSE_PARSED_EVENT, /* name and data are an event; id is the last one seen */
	SSE_PARSED_ERROR, /* a line, or an event's data, is longer than the cap: it stays so */
};

struct sse_parser {
	/* What Last-Event-ID should say now: of the last block that was complete, with data or
	 * without. This and what follows are valid until the next call. */
	struct str id;
	/* Of the event just reported. */
	struct str name; /* "message" when none was given */
	struct str data;
	uint64_t retry_ms; /* 0 until the server named one */
	uint64_t comments; /* seen so far */

	struct buf line, given_id, last_id, event_name, event_data;
	unsigned bom; /* bytes of it taken; 4: past the start */
	bool after_cr;
	bool has_data;
	bool dispatched; /* clear the event at the next call */
	bool failed;
};

/* cap: bytes of one line, and of one event's data. */
void sse_parser_init(struct sse_parser *parser, size_t cap);
void sse_parser_fini(struct sse_parser *parser);

/* Take from the front of *in up to the end of the next event. */
enum sse_parsed sse_parse(struct sse_parser *parser, struct str *in) MUST_CHECK;
