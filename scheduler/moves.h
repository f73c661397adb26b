/* Sessions of which a doorbell said that something moved, each once, in order. Bounded: what does
 * not fit is found by the slow sweep. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/id.h"
#include "base/str.h"
#include "event/log.h"

enum { MOVES_MAX = 4096 };

struct move {
	struct id sid;
	TAILQ_ENTRY(move) link;
};

struct map;

struct moves {
	struct map *known;
	TAILQ_HEAD(move_list, move) waiting;
};

void moves_init(struct moves *moves);
void moves_fini(struct moves *moves);
/* False: it is there already, or there is no room. */
bool moves_add(struct moves *moves, const struct id *sid);
/* False: none is waiting. */
bool moves_take(struct moves *moves, struct move *ret) MUST_CHECK;
