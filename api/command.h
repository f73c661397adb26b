/* What a client asks of a session: a row in the request's transaction, then a note to the worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/once.h"
#include "base/arena.h"
#include "base/id.h"

struct command_sent {
	const char *kind;
	struct str payload; /* JSON object */
	struct id id;       /* nil until written */
	uint64_t seq;
};

/* False: the reply is filled; the transaction is the caller's to abandon. */
bool command_write(struct http_request *req, struct http_reply *reply, struct once *once,
                   const struct id *session, struct command_sent *sent);

/* After the commit. */
void command_notify(struct http_request *req, const struct id *session,
                    const struct command_sent *sent);

/* {"reason":...} or {}, in the arena. */
struct str command_reason(struct str reason, struct arena *arena);
