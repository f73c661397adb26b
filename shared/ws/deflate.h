/*
 * Messages under permessage-deflate (RFC 7692 section 7.2), one context for each direction.
 *
 * A context lives as long as its connection, or, with no context takeover, only during a call: then
 * an idle connection pays nothing.  Memory while it lives: to inflate 8 KiB and the window; to
 * deflate four windows and 2 to 128 KiB more (zlib, zconf.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "ws/extension.h"
#include "ws/frame.h"

struct ws_deflater;
struct ws_inflater;

/* bits: WS_BITS_MIN to WS_BITS_MAX, as negotiated; level: 1 (fast) to 9. */
struct ws_deflater *ws_deflater_new(unsigned bits, bool no_takeover, int level) MUST_CHECK;
void ws_deflater_free(struct ws_deflater *deflater); /* NULL: nothing */

/* Append the message, compressed. False when out's cap does not hold it: send something else, the
 * context is a new one, which the client can follow. */
bool ws_deflate(struct ws_deflater *deflater, struct str message, struct buf *out) MUST_CHECK;

struct ws_inflater *ws_inflater_new(unsigned bits, bool no_takeover) MUST_CHECK;
void ws_inflater_free(struct ws_inflater *inflater); /* NULL: nothing */

/*
 * Append the message, at most limit bytes of it whatever was squeezed into payload; out's cap has
 * room for them.  0 when all is well, else what to close the connection with, and the context is of
 * no more use: WS_CODE_TOO_BIG, or WS_CODE_INVALID for data that deflate does not know or text
 * that is not UTF-8.
 */
unsigned ws_inflate(struct ws_inflater *inflater, struct str payload, bool text, size_t limit,
                    struct buf *out) MUST_CHECK;
