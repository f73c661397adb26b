/*
 * Duty: what follows a lease, for many at a time, while their workers begin already: PostgreSQL is
 * told of the epoch and of the session's state, and the worker of commands that waited for it.  A
 * row that was behind its log, or a state that is not stored here, is followed up (archive.h); a
 * command is delivered again (deliver.h).  An epoch that is lost here with the process is never
 * given out again: log_rebuild() begins beyond all that a generation of Redis can have given
 * (docs/decisions.md).
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "event/log.h"
#include "event/segment.h"
#include "queue/queue.h"

struct app;

enum { EPOCHS_MAX = 1024 };

struct epochs {
	struct epoch_lease {
		struct id sid;
		char tenant[QUEUE_TENANT_MAX + 1], worker[QUEUE_WORKER_MAX + 1];
		char incarnation[QUEUE_WORKER_MAX + 1];
		struct cursor first;
		uint64_t last_n, attempt, generation; /* last_n 0: what else it has is not known */
	} * items;                                    /* EPOCHS_MAX */
	size_t count;
};

void epochs_init(struct epochs *epochs);
void epochs_fini(struct epochs *epochs);

/* False: too many wait. */
bool epochs_add(struct app *app, const struct queue_item *item, const char *worker,
                const struct log_result *opened);

/* All that wait, now. */
enum err_code epochs_store(struct app *app, struct err *err) MUST_CHECK;
enum err_code epochs_turn(struct app *app, struct err *err) MUST_CHECK;
