/*
 * What webhooks are to be told, as rows: filled by whoever makes or follows a change, emptied by
 * whoever delivers.  Any number may do either at once.
 *
 * Order: what concerns one task is told to one endpoint in the order in which it happened, one
 * after the other.  A message that failed WEBHOOK_HOLD times no longer holds up what is behind it.
 */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "pg/pg.h"
#include "webhook/webhook.h"

enum { WEBHOOK_HOLD = 6, WEBHOOK_REST_AFTER = 5, WEBHOOK_OF_ENDPOINT = 4 };

struct webhook_happened {
	const char *tenant, *type;
	struct id session;
	const char *cursor; /* what tells this from everything else of its kind */
	int64_t at_us;
	struct str data; /* JSON object; { NULL, 0 }: none */
};
/* For all who asked; done twice it changes nothing. *ret: how many there are to tell now. */
enum err_code webhook_emit(struct pg *pg, const struct webhook_happened *what, size_t *ret,
                           struct err *err) MUST_CHECK;

/* A message that is to be sent now, by nobody else for a while. */
struct webhook_due {
	struct webhook_message message;
	struct str url, webhook; /* webhook "": a task's own */
	uint64_t attempt;        /* from 1 */
	uint64_t secret_n;
	bool former_too;   /* the secret before this one signs too */
	uint64_t failures; /* of its endpoint, in a row */
};
struct webhook_due_list {
	struct webhook_due *items; /* of the arena */
	size_t count;
};
enum err_code webhook_claim(struct pg *pg, unsigned max, uint64_t lease_ms, struct arena *arena,
                            struct webhook_due_list *ret, struct err *err) MUST_CHECK;

/* How it went. */
struct webhook_outcome {
	int status;        /* 0: no answer */
	const char *error; /* "": it was taken */
	uint64_t took_ms;
	int64_t at_us;
	uint64_t again_ms;   /* until the next attempt */
	uint64_t give_up_ms; /* since it happened, or was asked for again */
	uint64_t rest_ms;    /* of the endpoint, once it has failed often */
};
enum err_code webhook_delivered(struct pg *pg, const struct webhook_due *due,
                                const struct webhook_outcome *outcome, struct err *err) MUST_CHECK;
/* *ret_dead: it was the last attempt. */
enum err_code webhook_failed(struct pg *pg, const struct webhook_due *due,
                             const struct webhook_outcome *outcome, bool *ret_dead,
                             struct err *err) MUST_CHECK;

/* A subscription that took nothing for that long is disabled: others are told, what waits for it is
 * dead. *ret: it is now. */
enum err_code webhook_disable(struct pg *pg, const struct webhook_due *due, uint64_t after_ms,
                              bool *ret, struct err *err) MUST_CHECK;
/* What waited that long at an address that fails and rests is dead, some of it at a time: an
 * address that a task names is never disabled. *ret: how much. */
enum err_code webhook_give_up(struct pg *pg, uint64_t give_up_ms, uint64_t *ret,
                              struct err *err) MUST_CHECK;
/* What ended that long ago goes, some of it at a time. *ret: how much. */
enum err_code webhook_prune(struct pg *pg, uint64_t keep_ms, uint64_t *ret,
                            struct err *err) MUST_CHECK;
