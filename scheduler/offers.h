/*
 * Duties: workers with room are offered to what comes while nobody waits (queue/offer.h), and what
 * was taken from our offer is handed over as what was claimed.  Of a scheduler that died nothing is
 * taken any more, and its offer is over in a second; what one that hangs was told is completed as
 * anything half done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "queue/queue.h"

struct app;

enum { OFFERS_TAKEN_MAX = 256 }; /* what is beyond is completed as half done */

struct taken {
	TAILQ_ENTRY(taken) link;
	struct queue_item item;
	size_t len;
	char copy[]; /* of its row (session_copy.h) */
};

struct offers {
	TAILQ_HEAD(taken_list, taken) taken; /* not handed over yet, the oldest first */
	size_t count;
	unsigned turn;
	bool withdrawn; /* for good */
};

void offers_init(struct offers *offers);
void offers_fini(struct offers *offers);

enum err_code offers_turn(struct app *app, struct err *err) MUST_CHECK;
enum err_code offers_taken_turn(struct app *app, struct err *err) MUST_CHECK;

/* What was said on a channel of a shard. False: it is about something else. */
bool offers_hear(struct app *app, struct str payload) MUST_CHECK;

/* Nothing is offered any more: we leave. */
void offers_withdraw(struct app *app);
