/* What the files of audiences share; not for others. */
#pragma once

#include <sys/queue.h>

#include "loop/fiber.h"
#include "presence/presence.h"
#include "streamer/audience.h"

/* One user in one role. */
struct seat {
	struct audience *audience;
	size_t streams;   /* that share it */
	bool is_told;     /* as far as Redis has answered */
	bool is_parting;  /* empty, but not for long */
	uint64_t left_ms; /* since when */
	LIST_ENTRY(seat) link;
	TAILQ_ENTRY(seat) parting;
	enum presence_role role;
	const char *name; /* in text */
	char text[];      /* user, NUL, name, NUL */
};

/* A client that wants to know. */
struct watch {
	struct subscriber *subscriber;
	bool is_told;     /* of all that the set has */
	uint64_t version; /* of the set that it knows otherwise; 0: of none */
	LIST_ENTRY(watch) link;
};

LIST_HEAD(seats, seat);
LIST_HEAD(watches, watch);
TAILQ_HEAD(parting_seats, seat);
TAILQ_HEAD(audience_queue, audience);

/* Of one session. */
struct audience {
	struct audiences *all;
	struct id sid;
	struct seats seats;
	size_t seat_count;
	struct watches watches;
	struct presence_set set; /* while somebody watches */
	bool is_known;           /* the set is */
	bool wants_set;          /* it has to be read */
	bool is_queued, is_again;
	bool is_busy;      /* a fiber is at it */
	bool is_renewing;  /* is on the list of those */
	uint64_t renew_ms; /* when it is due */
	TAILQ_ENTRY(audience) queue_link, renew_link;
};

struct audiences {
	struct feed *feed;
	struct id node;
	struct map *by_sid;
	struct audience_queue queue;    /* with something to tell or to ask */
	struct audience_queue renewals; /* with seats that were told, the soonest first */
	struct parting_seats parting;   /* the longest empty first */
	struct fiber_group fibers;
	uint64_t rest_ms; /* Redis did not answer: not before then */
};

struct audience *audience_find(const struct audiences *all, const struct id *sid);
struct audience *audience_get(struct audiences *all, const struct id *sid);
void audience_enqueue(struct audience *audience); /* there is something to tell or to ask */

/* ---- audience_watch.c ---- */

void audience_unwatch(struct audience *audience, struct subscriber *subscriber);
void audience_take_set(struct audience *audience, struct presence_set *set); /* which is its own */
