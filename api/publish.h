/*
 * After a session is accepted: its log and its place in the queue.  Both steps are idempotent and
 * are done by the scheduler's reconciler too, so whatever fails here heals by itself.
 */
#pragma once

#include "base/arena.h"
#include "node/node.h"
#include "session/session_store.h"

struct publication {
	struct id sid;
	const char *tenant;
	unsigned priority;
	const char *needs; /* words of the queue */
	uint64_t epoch;    /* the highest that PostgreSQL knows; 0: none */
};

enum err_code publish_session(const struct node *node, const struct publication *publication,
                              struct err *err) MUST_CHECK;

/* The same from a session's row. */
enum err_code publish_row(const struct node *node, const struct session *row, struct arena *arena,
                          struct err *err) MUST_CHECK;
