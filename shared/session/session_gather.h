/*
 * Reading rows that are asked for at the same time together: who comes while reads of its tenant
 * are under way shares the next one with all who come meanwhile, so a crowd costs few queries, and
 * who comes alone waits for nobody.  A row is never older than the question: a read that has begun
 * takes nobody else along.  Each is answered by its own row; an error of the read is everybody's.
 * Reads that take long (100 ms) keep nobody else from reading.
 */
#pragma once

#include <sys/queue.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "session/session_store.h"

struct pg;
struct session_read;

struct session_gather {
	struct pg *pg;
	TAILQ_HEAD(session_reads, session_read) reads; /* under way or waiting, oldest first */
};

void session_gather_init(struct session_gather *gather, struct pg *pg);

/* As session_get(); on a fiber that has no transaction joined. */
enum err_code session_gather_get(struct session_gather *gather, const char *tenant,
                                 const struct id *id, struct arena *arena, struct session *ret,
                                 struct err *err) MUST_CHECK;
