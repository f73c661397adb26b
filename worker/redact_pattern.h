/*
 * Secrets known by their shape.  A shape is a literal and then pieces; each byte decides alone
 * whether it belongs to the piece, begins the next or ends the attempt, so that nothing is ever
 * looked at twice.  Private to worker/redact*.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum redact_piece_kind {
	REDACT_END,    /* after the last piece */
	REDACT_SET,    /* min to max bytes of a set */
	REDACT_TEXT,   /* these bytes */
	REDACT_DASHES, /* bytes of a set, up to and with five dashes in a row */
};

enum redact_set {
	REDACT_TOKEN,  /* A-Z a-z 0-9 _ - */
	REDACT_CAPS,   /* A-Z 0-9 */
	REDACT_BEARER, /* RFC 6750 section 2.1, and _ */
	REDACT_BLANK,
	REDACT_QUOTE,
	REDACT_WORD,     /* anything but blanks, quotes and backslashes */
	REDACT_USER,     /* of a URL: up to the colon */
	REDACT_PASSWORD, /* of a URL: up to the at sign */
	REDACT_ARMOR,    /* of PEM, also with its line breaks escaped */
	REDACT_LABEL,    /* A-Z and space */
	REDACT_SET_COUNT
};

bool redact_in(enum redact_set set, unsigned char c);

struct redact_piece {
	enum redact_piece_kind kind;
	enum redact_set set;
	uint32_t min, max;
	const char *text;
	bool sure; /* once it has min bytes, or its text, this is a secret */
};

enum { REDACT_PIECES_MAX = 6, REDACT_FROM_BEGIN = 255 };

struct redact_pattern {
	const char *literal;
	uint8_t from; /* the piece with which the secret begins, or REDACT_FROM_BEGIN */
	bool alone;   /* no lower-case letter stands before it */
	bool up_to;   /* the last byte is none of the secret */
	struct redact_piece pieces[REDACT_PIECES_MAX];
};

extern const struct redact_pattern redact_patterns[];
extern const size_t redact_pattern_count;
