/*
 * permessage-deflate, negotiated (RFC 6455 section 9.1, RFC 7692 section 7.1): the client's offers
 * and our policy in, the terms both will keep out.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

/* zlib inflates any window, but cannot deflate a raw stream with one of 2^8. */
enum { WS_BITS_MIN = 9, WS_BITS_MAX = 15, WS_EXTENSION_SIZE = 160 };

/* "server" is what we send, "client" what we receive. */
struct ws_deflate_policy {
	bool enabled;
	unsigned server_bits, client_bits; /* at most; a client may be unable to keep the second */
	bool server_no_takeover, client_no_takeover; /* every message begins a new context */
};

struct ws_deflate_terms {
	bool enabled;
	unsigned server_bits, client_bits; /* WS_BITS_MIN to WS_BITS_MAX */
	bool server_no_takeover, client_no_takeover;
	/* The value of Sec-WebSocket-Extensions; "" when not enabled. */
	char reply[WS_EXTENSION_SIZE];
};

/*
 * One field value. The first offer that can be honoured is accepted, unless *terms (zeroed to
 * begin) has accepted one before. An offer we do not know, or cannot keep, is passed over; false
 * when the value breaks the grammar, and the handshake fails (RFC 6455 section 9.1).
 */
bool ws_extension_offer(struct str value, const struct ws_deflate_policy *policy,
                        struct ws_deflate_terms *terms) MUST_CHECK;
