/*
 * base64url without padding (RFC 7515 section 2), strictly: no other alphabet, no white space, no
 * line breaks, and the bits that a last character has too many are zero, so that two texts never
 * are the same bytes.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

void cred_base64url_encode(struct str bytes, struct buf *out);
/* The usual alphabet, with padding (RFC 4648 section 4): for those who ask for it. */
void cred_base64_encode(struct str bytes, struct buf *out);
/* Appends the bytes. False: it is not base64url, or out has no room; what out has then is void. */
bool cred_base64url_decode(struct str text, struct buf *out) MUST_CHECK;
