/*
 * Inside the driver: a command as words, and as the bytes of RESP
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/: an array of bulk strings).
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "redis/redis.h"

enum { REDIS_CMD_TEXT_MAX = 1024 * 1024 };

struct redis_word {
	const char *p; /* NULL: it lies in text */
	size_t at;
	size_t n;
};

struct redis_cmd {
	struct redis_word words[REDIS_ARGS_MAX];
	size_t count;
	bool overflow; /* a word was refused: the command cannot be sent */
	bool same_server;
	struct buf text; /* numbers and formatted words */
};

/* ERR_OK, or why it cannot be sent: no words, or more than fit. */
enum err_code redis_cmd_check(const struct redis_cmd *cmd, struct err *err) MUST_CHECK;
/* Replace a word that is there already; s is borrowed as in redis_arg(). */
void redis_cmd_set(struct redis_cmd *cmd, size_t i, struct str s);

size_t redis_cmd_wire_len(const struct redis_cmd *cmd);
void redis_cmd_wire(const struct redis_cmd *cmd, char *out); /* exactly that many bytes */

/* The same for the few commands of the driver itself. */
void redis_wire_add(struct buf *out, size_t count, const struct str words[]);
