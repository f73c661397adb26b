/*
 * Inside the driver: what a server said, one allocation per string and per array.
 *
 * hiredis's reader does the parsing; the tree is ours, so that an array is one block and its
 * size is capped before it is allocated.  RESP3 types are refused: we never ask for RESP3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "redis/redis.h"

enum {
	REDIS_ELEMENTS_MAX = 1024 * 1024,
	REDIS_DEPTH_MAX = 7,                /* the limit of hiredis 0.14; 1.0 has none of its own */
	REDIS_REPLY_MAX = 64 * 1024 * 1024, /* bytes of one reply */
	REDIS_FEED = 16 * 1024,             /* the reader moves what is left after each reply */
};

struct redis_reply {
	enum redis_type type;
	int64_t integer;
	size_t n;
	union {
		char *text;                   /* NUL-terminated for convenience */
		struct redis_reply *elements; /* NULL when n is 0 */
	};
};

struct redis_parser;

struct redis_parser *redis_parser_new(void) MUST_CHECK;
void redis_parser_free(struct redis_parser *parser);
/* Take n bytes in. False: there is no use in going on. */
bool redis_parser_feed(struct redis_parser *parser, const char *bytes, size_t n) MUST_CHECK;
/* The next whole reply, the caller's, or *ret NULL when more bytes are needed. ERR_BACKEND: not
 * RESP2, or larger than the bounds. */
enum err_code redis_parser_next(struct redis_parser *parser, struct redis_reply **ret,
                                struct err *err) MUST_CHECK;

/* The error that a reply of type REDIS_ERROR stands for, its text in err->msg. */
enum err_code redis_reply_error(const struct redis_reply *reply, struct err *err) MUST_CHECK;
