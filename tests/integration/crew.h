/* What a scheduler and a worker do to a session, as far as those who steer it can tell. */
#pragma once

#include "event/log.h"
#include "json/value.h"
#include "queue/mail.h"

#define CREW_WORKER "w1"

struct crew {
	const struct log_store *store;
	const char *tenant;
	char mail_at[MAIL_ID_SIZE]; /* "0": all are still to be read */
};

void crew_move(struct crew *crew, const struct id *sid, enum session_state to);
/* It is in the queue; afterwards it runs on CREW_WORKER. */
void crew_lease(struct crew *crew, const struct id *sid);
/* The same for one that is in no queue. */
void crew_run(struct crew *crew, const struct id *sid);

/* The next note for the worker is of that kind and about that session; its body, NULL when it has
 * none, is the caller's. */
struct json_value *crew_mail(struct crew *crew, const char *kind, const struct id *sid);
void crew_no_mail(struct crew *crew);
