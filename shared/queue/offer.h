/*
 * Offers: workers with room, for what comes while nobody waits. queue_submit() then leases it to
 * one of them in the same step, as a claim at once would have, and tells whoever offered, who takes
 * it further (log_open(), queue_opened()). Who dies before that leaves it half done, as after a
 * claim.
 *
 * What likes words that a worker neither has nor holds, has a key of concurrency, is shut out by a
 * breaker or a budget, or comes while anybody waits who could run there, is left to claims.  One
 * scheduler offers at a time, until its offer is over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "queue/queue.h"

enum { QUEUE_OFFERS_MAX = 64 };

struct queue_offer {
	const char *incarnation;
	const char *has;   /* words */
	const char *holds; /* words; NULL: none */
	unsigned capacity; /* slots the worker has in all */
	unsigned resident; /* sessions that may be on it, parked ones included; 0: as capacity */
	unsigned more;     /* it may be given in this shard: others give too; 0: as capacity */
};

struct queue_offers {
	const char *holder; /* a name: who is told of what is taken */
	uint64_t for_ms;
	const struct queue_offer *items;
	size_t count; /* at most QUEUE_OFFERS_MAX; 0: nothing is offered any more */
};

/* In place of what this holder offered before. *ret_stands: false: another's offer does. */
enum err_code queue_offer(const struct queue *queue, const struct queue_offers *offers,
                          bool *ret_stands, struct err *err) MUST_CHECK;

/* On which who offers is told of what is taken; while nobody listens there nothing is. */
void queue_taken_channel(const struct queue *queue, const char *holder, char out[QUEUE_KEY_SIZE]);

/*
 * "taken ...", what is said there of one that was leased like this. False: it says something else,
 * or is damaged. Strings point into the payload. Pure.
 */
struct queue_taken {
	struct queue_item item; /* as of queue_claim(), QUEUE_CLAIMED_NEW */
	struct str holder;      /* whose offer it was */
	struct str copy;        /* of its row, as who submitted it gave it */
};
bool queue_taken_read(struct str payload, struct queue_taken *ret) MUST_CHECK;
