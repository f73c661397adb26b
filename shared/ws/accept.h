/*
 * Sec-WebSocket-Accept: the proof that a server has read the handshake (RFC 6455 section 4.2.2).
 *
 * SHA-1 is ours, and here: the protocol asks for it by name and no secret depends on it, libsodium
 * has none, and drivers do not know each other, so shared/cred is out of reach.  Nothing else may
 * come to use it; digests that guard something are in cred/digest.h.
 */
#pragma once

#include "base/str.h"

enum { WS_SHA1_SIZE = 20, WS_ACCEPT_SIZE = 28 + 1 };

/* FIPS 180-4 section 6.1, RFC 3174. */
void ws_sha1(struct str message, unsigned char out[WS_SHA1_SIZE]);

/* Of a key that was found valid: base64 and a NUL. */
void ws_accept(struct str key, char out[WS_ACCEPT_SIZE]);
