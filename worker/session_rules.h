/*
 * What a session answers without asking a person: rules (approval/rule.h), which came with its
 * order and change by notes of kind "rule", and what was said for the session's whole life.
 *
 * Both faces of asking (the agent's socket, adapters) come by here: session_rules_answer() before
 * somebody is asked, session_rules_heard() when somebody has answered.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "queue/mail.h"

struct json_value;
struct session_host;
struct session_run;

struct session_rules; /* of a session, NULL: none */
struct session_rule_notes;

/* What answered, and how. */
struct session_verdict {
	bool allow;
	struct id rule; /* nil: it was said for the session's life */
};

/* question: the data of permission_request. False: ask a person. */
bool session_rules_answer(struct session_run *s, const struct json_value *question,
                          struct session_verdict *ret);

/* A person's answer (the payload of the command): remembered if it is for the session's life. */
void session_rules_heard(struct session_run *s, const struct json_value *question,
                         struct str answer);

/* As an answer's payload, for the agent; and as the data of permission_resolved. */
void session_verdict_payload(const struct session_verdict *verdict, const struct id *request,
                             struct buf *out);
void session_verdict_event(const struct session_verdict *verdict, const struct id *request,
                           struct buf *out);

/* Why it was denied. */
struct str session_verdict_reason(const struct session_verdict *verdict);

/* Nobody answered: why is "withdrawn" (the agent does not wait any more) or "expired". */
void session_unanswered_event(const struct id *request, const char *why, struct buf *out);
void session_expired_payload(const struct id *request, struct buf *out);

/* ---- for session_host.c ---- */

/* What its order says (scheduler/rules.h), and the notes that are newer. */
void session_rules_load(struct session_run *s, struct str approvals);
/* Once its workspace is there: what was said for its life before, by the order. */
void session_rules_recall(struct session_run *s);
/* What its agent of before asked, and this one does not know of: said to be withdrawn. */
void session_rules_left(struct session_run *s);
void session_rules_free(struct session_run *s);

void session_rule_notes_free(struct session_host *host);
