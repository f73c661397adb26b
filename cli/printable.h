/*
 * What an agent printed, made harmless for a terminal: it may colour its text and nothing else.
 * A terminal does what it is told by control sequences: set its title, its clipboard, answer as if
 * typed (ECMA-48, and what terminals add to it).
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/*
 * Text, tabs and newlines pass, and so do complete colour sequences: ESC [ digits ; : m. Every
 * other control character (C0, DEL, and C1 as UTF-8 or as a stray byte) becomes U+FFFD, what
 * followed it stays text. text is UTF-8 or nearly. Appends to *out.
 */
void printable_add(struct buf *out, struct str text);
