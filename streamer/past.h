/*
 * Looking back from a position of a session's log, for a client that is new to it: the newest
 * messages in the shapes of the consumer's face, the permission requests that wait for their
 * answer, and what it has cost.
 *
 * The log is read block by block, the newest first, until there is enough or the reads are spent:
 * how much is read does not depend on how long the log is.  On a fiber.
 */
#pragma once

#include <sys/queue.h>

#include "base/attr.h"
#include "base/str.h"
#include "event/log.h"

struct map;
struct pg;

enum {
	PAST_MESSAGES_MAX = 100,
	PAST_BYTES_MAX = 64 * 1024,    /* of their texts; one message is given whatever its size */
	PAST_PENDING_MAX = 256 * 1024, /* of the texts of requests, likewise */
	PAST_READS_MAX = 32,
	PAST_NUMBER_MAX = 32,
};

/* A frame's JSON. */
struct past_text {
	TAILQ_ENTRY(past_text) link;
	uint64_t n;    /* of its event */
	char *request; /* of a permission request: its request_id */
	size_t len;
	char bytes[];
};

TAILQ_HEAD(past_texts, past_text);

struct past {
	/* To be set: */
	const struct log_store *store;
	struct pg *pg;
	struct id sid;
	const char *tenant;
	uint64_t through;    /* n of the newest event that is looked at */
	size_t messages_max; /* at most PAST_MESSAGES_MAX; 0: none are wanted */
	bool wants_pending;

	/* Found: */
	struct past_texts messages; /* oldest first */
	size_t message_count, message_bytes;
	bool has_more;             /* messages before these, as far as it is known */
	uint64_t before;           /* they have a smaller n */
	struct past_texts pending; /* oldest first */
	size_t pending_bytes;
	char cost[PAST_NUMBER_MAX];  /* JSON number: the newest that was seen; "" none */
	char turns[PAST_NUMBER_MAX]; /* likewise */

	/* Private: */
	struct map *resolved; /* requests that newer events answer */
	bool is_full;         /* no older message fits */
	bool is_settled;      /* no older request can be pending */
};

/* past_fini() afterwards, whatever it returned. */
enum err_code past_look(struct past *past, struct err *err) MUST_CHECK;
void past_fini(struct past *past);
