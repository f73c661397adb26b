#include "worker/turns.h"

#include <assert.h>
#include <stdbool.h>

struct turns_wait {
	TAILQ_ENTRY(turns_wait) link;
	bool given;
	struct fiber_signal changed;
};

void turns_init(struct turns *turns, unsigned max)
{
	turns->max = max;
	turns->held = 0;
	TAILQ_INIT(&turns->waits);
}

enum err_code turns_take(struct turns *turns)
{
	struct turns_wait wait = { .given = false };
	enum err_code code = ERR_OK;

	if (turns->held < turns->max) {
		turns->held++;
		return ERR_OK;
	}
	fiber_signal_init(&wait.changed);
	TAILQ_INSERT_TAIL(&turns->waits, &wait, link);
	while (code == ERR_OK && !wait.given) {
		code = fiber_signal_wait(&wait.changed, FIBER_NO_TIMEOUT);
	}
	if (code != ERR_OK && wait.given) {
		turns_give(turns); /* it came too late */
	} else if (code != ERR_OK) {
		TAILQ_REMOVE(&turns->waits, &wait, link);
	}
	return code;
}

/* To who waits longest; it is counted as held on the way to him. */
void turns_give(struct turns *turns)
{
	struct turns_wait *first = TAILQ_FIRST(&turns->waits);

	assert(turns->held > 0);
	if (first == NULL) {
		turns->held--;
		return;
	}
	TAILQ_REMOVE(&turns->waits, first, link);
	first->given = true;
	fiber_signal_raise(&first->changed);
}
