/*
 * The spans of a session's run here (trace/trace.h): the attempt, from its order to its end, and
 * in it the start of its agent, its turns and their tools.  Of one that is not traced there is
 * nothing: session_run.trace is NULL.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "base/traceparent.h"
#include "event/event.h"

struct session_run;
struct session_trace;

/* On the session's fiber: what it logs names the trace, and its events have it. */
void session_trace_ordered(struct session_run *s);
void session_trace_started(struct session_run *s, enum err_code code);
void session_trace_turn_began(struct session_run *s);
void session_trace_turn_ended(struct session_run *s);
/* An event of its agent: some begin tools, and some end them. */
void session_trace_hear(struct session_run *s, enum event_type type, struct str data);
/* The state that it was left in, or why it was left. */
void session_trace_ended(struct session_run *s, const char *state);
void session_trace_free(struct session_run *s);

/* For other spans of it; NULL: it is not traced. */
const struct traceparent *session_trace_at(const struct session_run *s);
