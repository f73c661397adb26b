/* One request to a node of the world over a socket of its own: an answer, or the beginning of a
 * stream. */
#pragma once

#include "base/attr.h"
#include "tests/integration/streamer_world.h"

enum { TAP_HEAD_MAX = 8192 };

struct tap {
	int fd, status;
	char head[TAP_HEAD_MAX];
	struct buf in;
	struct str rest;
	struct sse_parser parser;
	bool ended;
};

/* The request: its head, and its body. */
struct tap *tap_open(struct world *world, size_t node, const char *fmt, ...) PRINTF_LIKE(3, 4);
void tap_close(struct tap *tap);

bool tap_next(struct tap *tap, unsigned ms); /* the next event; false: the end, or none came */
bool tap_is(const struct tap *tap, const char *name);
bool tap_says(const struct tap *tap, const char *text);
void tap_until(struct tap *tap, const char *name); /* events up to the next of that name */

struct str tap_field(const struct tap *tap, const char *name); /* of "Name: ", in place */
