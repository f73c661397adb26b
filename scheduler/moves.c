#include "scheduler/moves.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum { LATE_MS = 500 };

void moves_init(struct moves *moves)
{
	moves->known = map_new();
	TAILQ_INIT(&moves->waiting);
	TAILQ_INIT(&moves->late);
}

void moves_fini(struct moves *moves)
{
	struct move move, *late;

	while (moves_take(moves, &move)) {
	}
	while ((late = TAILQ_FIRST(&moves->late)) != NULL) {
		TAILQ_REMOVE(&moves->late, late, link);
		free(late);
	}
	map_free(moves->known);
}

/* NULL: there is no room. */
static struct move *add(struct moves *moves, const struct id *sid)
{
	struct move *move;

	if (map_count(moves->known) >= MOVES_MAX) {
		return NULL;
	}
	move = mem_calloc(1, sizeof(*move));
	move->sid = *sid;
	(void)map_put(moves->known, str_of(sid->s), move);
	return move;
}

bool moves_add(struct moves *moves, const struct id *sid)
{
	struct move *move = map_get(moves->known, str_of(sid->s));

	if (move != NULL && move->due_ms == 0) {
		return false;
	}
	if (move != NULL) {
		TAILQ_REMOVE(&moves->late, move, link);
		move->due_ms = 0;
	} else if ((move = add(moves, sid)) == NULL) {
		return false;
	}
	TAILQ_INSERT_TAIL(&moves->waiting, move, link);
	return true;
}

void moves_add_late(struct moves *moves, const struct id *sid)
{
	struct move *move = map_get(moves->known, str_of(sid->s));

	if (move == NULL && (move = add(moves, sid)) != NULL) {
		move->due_ms = clock_mono_ms() + LATE_MS;
		TAILQ_INSERT_TAIL(&moves->late, move, link);
	}
}

bool moves_ripen(struct moves *moves)
{
	uint64_t now = clock_mono_ms();
	struct move *move;
	bool any = false;

	while ((move = TAILQ_FIRST(&moves->late)) != NULL && move->due_ms <= now) {
		TAILQ_REMOVE(&moves->late, move, link);
		move->due_ms = 0;
		TAILQ_INSERT_TAIL(&moves->waiting, move, link);
		any = true;
	}
	return any;
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
