/* What a client of the consumer's face is told when it comes, as frames. */
#pragma once

#include "auth/auth.h"
#include "event/snapshot.h"
#include "session/session_store.h"
#include "streamer/past.h"

enum { CONSUMER_PROTOCOL = 1 };

/* Each appends one text frame. */
void consumer_greet_identity(const struct principal *who, struct buf *out);
void consumer_greet_session(const struct session *row, const struct snapshot *snapshot,
                            struct buf *out);
/* ref: "" none. */
void consumer_greet_history(const struct past *past, struct str ref, struct buf *out);
void consumer_greet_agent(enum session_state state, struct buf *out);
