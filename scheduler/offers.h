/*
 * Duties: workers with room are offered to what comes while nobody waits (queue/offer.h), and what was
 * taken from our offer is handed over as what was claimed.  What a scheduler that died had offered is over
 * in a second; what was taken meanwhile is completed as anything half done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "queue/queue.h"

struct app;

enum { OFFERS_TAKEN_MAX = 256 };

struct offers {
	struct queue_item taken[OFFERS_TAKEN_MAX]; /* not handed over yet, in a ring */
	size_t first, count;
	size_t from; /* where the next offer begins in the list of workers, when there are too many */
};

enum err_code offers_turn(struct app *app, struct err *err) MUST_CHECK;
enum err_code offers_taken_turn(struct app *app, struct err *err) MUST_CHECK;

/* What the bell of a shard said. False: it is about something else. */
bool offers_hear(struct app *app, struct str payload) MUST_CHECK;

/* Nothing is offered any more: we leave. */
void offers_withdraw(struct app *app);
