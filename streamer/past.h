/*
 * Looking back from a position of a session's log, for a client that is new to it: the newest
 * messages, in the shapes of the consumer's face.
 *
 * The log is read block by block, the newest first, until there is enough or the reads are spent:
 * how much is read does not depend on how long the log is.  On a fiber.
 */
#pragma once

#include <sys/queue.h>

#include "base/attr.h"
#include "event/log.h"

struct pg;

enum {
	PAST_MESSAGES_MAX = 100,
	PAST_BYTES_MAX = 64 * 1024, /* of their texts; one message is given whatever its size */
	PAST_READS_MAX = 32,
};

/* A frame's JSON. */
struct past_text {
	TAILQ_ENTRY(past_text) link;
	uint64_t n; /* of its event */
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
	size_t messages_max; /* 1 to PAST_MESSAGES_MAX */

	/* Found: */
	struct past_texts messages; /* oldest first */
	size_t message_count, message_bytes;
	bool has_more;   /* messages before these, as far as it is known */
	uint64_t before; /* they have a smaller n */

	/* Private: */
	bool is_full; /* no older message fits */
};

/* past_fini() afterwards, whatever it returned. */
enum err_code past_look(struct past *past, struct err *err) MUST_CHECK;
void past_fini(struct past *past);
