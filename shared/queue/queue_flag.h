/*
 * Sessions that no living worker can run are told so in their logs, and told when that is over.
 * Which of them were told is remembered for each class of words, by age, so this is one call for
 * many and nobody is told twice.
 */
#pragma once

#include "queue/queue.h"

enum { QUEUE_FLAGS_MAX = 256 };

struct queue_flag {
	struct id sid;
	char tenant[QUEUE_TENANT_MAX + 1];
};

/* Whom to tell next: the call with the former answer says that those were told. */
struct queue_flags {
	uint64_t class, episode;  /* name what is told; 0: nobody was told by this answer */
	uint64_t through;         /* private */
	struct queue_flag *items; /* room for QUEUE_FLAGS_MAX */
	size_t count;
};

/* unfit: no worker fits these words; else one does. */
enum err_code queue_flag_next(const struct queue *queue, const char *needs, bool unfit,
                              struct queue_flags *flags, struct err *err) MUST_CHECK;
