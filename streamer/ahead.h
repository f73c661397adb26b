/*
 * The newest events of a session that are kept whole for everybody: approvals, errors, moves of the
 * state.  A reader with a backlog is shown a copy of them before their turn comes.
 */
#pragma once

#include <stdint.h>

#include "event/log.h"

enum {
	AHEAD_KEPT = 8,
	AHEAD_DATA_MAX = 4096, /* what has more comes only in its turn */
};

struct ahead;

/* One more event of the log; *ahead is NULL before the first that is kept. */
void ahead_push(struct ahead **ahead, const struct log_event *event);
/* The first after n whose class is in the set, with the member "ahead": true; its memory is
 * ahead's. NULL: none. */
const struct log_event *ahead_after(const struct ahead *ahead, uint64_t n, uint64_t classes);
size_t ahead_memory(const struct ahead *ahead); /* what it takes, in bytes */
void ahead_free(struct ahead *ahead);
