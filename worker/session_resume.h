/* Private to worker/session_*.c: going on where another worker was, or this one. */
#pragma once

#include "worker/session_private.h"

struct jsonw;

/* What every copy of it that is put aside says of it: members of an object. */
void session_facts_write(const struct session_run *s, struct jsonw *w);
void session_facts_take(struct session_run *s, const struct json_value *facts);
/* Take one and tell of it, if there is anything to come back to. Its agent does nothing now. */
void session_snapshot(struct session_run *s, const char *note);
/* Whether it goes on from where it was: from what was kept here, or from the last snapshot. Then
 * it has a workspace and a home. What cannot be restored is told. */
bool session_resume(struct session_run *s, const struct workspace_request *request);

/* Its agent has a session of that id; if that is not the one it had before, it is told so. */
void session_resumed_as(struct session_run *s, struct str id);

/* session_keep.c */
void session_make_room(struct session_run *s); /* if it may */
void session_keep_asks(struct session_run *s);
void session_keep(struct session_run *s, const char *home); /* its agent has ended */
/* Whether it was kept here: its files are in their places again. ran: the epoch in which it ran
 * last; what is older is not wanted. */
bool session_restore(struct session_run *s, const char *home, uint64_t ran);

/* session_agent.c */
enum err_code session_home_make(struct session_run *s, struct err *err) MUST_CHECK; /* anew */
