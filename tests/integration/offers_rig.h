/* What comes while nobody waits, as who accepts it and as who hears of it; beside schedulers and
 * workers of scheduler_world.h. */
#pragma once

#include "queue/mail.h"
#include "redis/sub.h"
#include "scheduler_world.h"
#include "session/session_store.h"
#include "steer/publish.h"

enum { SOON_MS = 8000 };

/* What was said aloud to a worker last, and to who offers. */
struct listener {
	struct fiber_signal heard;
	size_t channels; /* that it listens to */
	struct id sid;
	uint64_t epoch, attempt;
	size_t notes;
	char body[MAIL_ALOUD_MAX + 1];
	size_t taken; /* that the queue leased at once */
	char holder[QUEUE_NAME_MAX + 1];
	size_t copied; /* bytes of the row that came with the last of them */
};

/* worker NULL: to none. Free it with redis_sub_free(). */
struct redis_sub *listen_to(struct stage *stage, const char *worker, struct listener *listener);
/* Also to who offers now. */
void listen_to_holder(struct stage *stage, struct redis_sub *sub, struct listener *listener);
/* Until so many were taken and told, and no more. */
void await_heard(struct listener *listener, size_t taken, size_t notes);

struct offered {
	const char *field, *begins; /* begins "": there is none */
	bool other;                 /* it is another */
};

bool is_offered(struct stage *stage, void *arg); /* struct offered */
void read_offer(struct stage *stage, const char *field, char out[QUEUE_NAME_MAX + 1]);
/* The field of the offer that stands begins so; "": there is none. */
void await_offer(struct stage *stage, const char *field, const char *begins);

struct draft {
	struct task_accepted accepted;
	struct session row;
	struct steer_publication publication;
};

/* Accepted, but nobody was told. Everything is test_arena()'s. */
struct draft draft_of(struct stage *stage, const char *body);
/* However slow the machine is: the offer stands a while longer. */
void publish(struct stage *stage, const struct draft *draft);
