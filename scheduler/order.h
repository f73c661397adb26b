/* What a worker is told: to run a session, and what clients ask of it. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "command/command_store.h"
#include "queue/queue.h"
#include "session/session_store.h"

struct app;
struct buf;

/* For whom: a session's place at a worker. */
struct order_to {
	const char *worker, *incarnation;
	uint64_t epoch, attempt;
	const struct traceparent *trace; /* of giving it; NULL, or not sampled: the task's */
};

/*
 * The order to run it, and after it the commands that wait. May be repeated: a worker ignores what
 * it knows. ERR_NOT_FOUND: PostgreSQL does not have the session. Notes may be lost.
 */
enum err_code order_run(struct app *app, const struct queue_item *item, const struct order_to *to,
                        struct err *err) MUST_CHECK;

/* The same from its row, without the commands. */
enum err_code order_run_row(struct app *app, const struct session *row, const struct order_to *to,
                            struct err *err) MUST_CHECK;

/*
 * The same before its epoch is raised to that: what is said aloud to its worker with it (mail.h).
 * False: it has to be sent when the epoch is raised, since it is large, or since what happened
 * until then belongs to it, as it does to every lease but the first.
 */
bool order_aloud(struct app *app, const struct session *row, const struct order_to *to,
                 struct buf *out) MUST_CHECK;

/* The commands that wait for it. */
enum err_code order_waiting(struct app *app, const struct id *sid, const char *tenant,
                            const struct order_to *to, struct err *err) MUST_CHECK;

/* A word about a session that the worker has: "unpark", "evict". */
enum err_code order_word(struct app *app, const struct id *sid, const char *word,
                         const struct order_to *to, struct err *err) MUST_CHECK;

/* One command: {"id", "seq", "kind", "payload"}. */
enum err_code order_command(struct app *app, const struct command *command,
                            const struct order_to *to, struct err *err) MUST_CHECK;
