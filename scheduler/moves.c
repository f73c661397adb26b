#include "scheduler/moves.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

void moves_init(struct moves *moves)
{
	moves->known = map_new();
	TAILQ_INIT(&moves->waiting);
}

void moves_fini(struct moves *moves)
{
	struct move move;

	while (moves_take(moves, &move)) {
	}
	map_free(moves->known);
}

bool moves_add(struct moves *moves, const struct id *sid)
{
	struct move *move;

	if (map_count(moves->known) >= MOVES_MAX || map_get(moves->known, str_of(sid->s)) != NULL) {
		return false;
	}
	move = mem_calloc(1, sizeof(*move));
	move->sid = *sid;
	(void)map_put(moves->known, str_of(sid->s), move);
	TAILQ_INSERT_TAIL(&moves->waiting, move, link);
	return true;
}

bool moves_take(struct moves *moves, struct move *ret)
{
	struct move *move = TAILQ_FIRST(&moves->waiting);

	if (move == NULL) {
		return false;
	}
	TAILQ_REMOVE(&moves->waiting, move, link);
	(void)map_remove(moves->known, str_of(move->sid.s));
	*ret = *move;
	free(move);
	return true;
}
