/*
 * Which versions run side by side: who is there, what protocol each speaks, and what the schema
 * asks for (docs/upgrade.md).
 */
#pragma once

#include <stdbool.h>

#include "pg/pg.h"

struct pg_node {
	const char *id; /* new at every start */
	const char *program;
	const char *version;
};

struct pg_standing {
	unsigned asked;    /* the protocol that is asked for; one that speaks an older one is not
	                      wanted */
	bool schema_ready; /* all that it needs was applied */
};

/* Say that a process of these migrations lives: again every few seconds, or it counts as dead after
 * half a minute. */
enum err_code pg_node_join(struct pg *pg, const struct pg_node *node,
                           const struct pg_migrations *migrations, struct pg_standing *ret,
                           struct err *err) MUST_CHECK;
/* It ends in order, for_ms from now at the latest. */
enum err_code pg_node_leave(struct pg *pg, const char *id, uint64_t for_ms,
                            struct err *err) MUST_CHECK;
