/* A session as the API shows it. */
#pragma once

#include "base/arena.h"
#include "json/write.h"
#include "session/session_store.h"

/* What only the log knows; {NULL, 0}: not asked, the member is left out. */
struct session_live_view {
	struct str recent_events; /* JSON array */
	struct str snapshot;      /* JSON object: what the log amounts to */
	struct str delivered;     /* JSON object: what became of its branch */
	struct str resume_from;   /* beside it: the cursor that it is of */
};

/*
 * One object. name as for jsonw_object(). The row's state and epoch are written as they are:
 * overwrite them with the head's before, where the head was read.
 */
void session_write(struct jsonw *w, const char *name, const struct session *session,
                   const struct session_live_view *live, struct arena *arena);

/* links {self, events, logs} of a session. */
void session_write_links(struct jsonw *w, const char *name, const struct id *id);

/* What the order of a session has that its row has not. */
struct session_orders {
	struct str approvals;   /* what its worker answers by itself, an object of JSON; "" */
	struct str secrets;     /* sealed to the worker; "" */
	struct str traceparent; /* what its run is a part of; "": it is not traced */
	uint64_t spent;         /* nano USD, as far as that is known */
};
/* The order that its worker gets (task_json.h). */
void session_write_run(const struct session *session, const struct session_orders *more,
                       struct buf *out);

/* What it needs of a worker, as words of the queue: "runtime=local,agent=command,gpu"; what it
 * would like of one, "" when nothing; and the type of its agent. */
struct session_words {
	char *needs, *prefers, *agent;
};
struct session_words session_words(const struct session *session, struct arena *arena);
