/* Sessions of which a doorbell said that something moved, each once, in order. Bounded: what does
 * not fit is found by the slow sweep. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/id.h"
#include "base/str.h"
#include "event/log.h"

enum { MOVES_MAX = 4096 };

struct move {
	struct id sid;
	uint64_t due_ms; /* clock_mono_ms; 0: it is waiting */
	TAILQ_ENTRY(move) link;
};

struct map;

struct moves {
	struct map *known;
	TAILQ_HEAD(move_list, move) waiting, late; /* late: the first to be due first */
};

void moves_init(struct moves *moves);
void moves_fini(struct moves *moves);
/* False: it is there already, or there is no room. */
bool moves_add(struct moves *moves, const struct id *sid);
/* The same in a moment, unless it rings again: whoever leased it is about to store that itself. */
void moves_add_late(struct moves *moves, const struct id *sid);
/* Those that are due are waiting now. True: there were some. */
bool moves_ripen(struct moves *moves);
/* False: none is waiting. */
bool moves_take(struct moves *moves, struct move *ret) MUST_CHECK;
