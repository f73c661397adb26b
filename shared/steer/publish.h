/*
 * After a session is accepted: its log and its place in the queue.  Both steps are idempotent and
 * are done by the scheduler's reconciler too, so whatever fails here heals by itself.
 */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "event/log.h"
#include "queue/queue.h"

struct pg;

/*
 * The log of a session that has none in this Redis and of which nothing was lost with another,
 * unless somebody made it. PostgreSQL is told of its epoch, unless it was when the session was
 * accepted (stored). *ret_epoch: that it begins in; 0: not known, since somebody else made it.
 */
enum err_code steer_make_log(const struct log_store *store, struct pg *pg, const struct id *sid,
                             const char *tenant, bool stored, uint64_t *ret_epoch,
                             struct err *err) MUST_CHECK;
/* Whether PostgreSQL says so: no epoch is known, or only the first, of this generation. *ret_stored
 * as above. */
enum err_code steer_is_unmade(const struct log_store *store, struct pg *pg, const char *tenant,
                              const struct id *sid, bool *ret, bool *ret_stored,
                              struct err *err) MUST_CHECK;

/* How a session goes into the queue. */
struct steer_publication {
	struct id sid;
	const char *tenant;
	const char *user, *project, *agent, *key; /* names of the queue; NULL: none */
	bool first;                               /* it has waited already */
	unsigned priority;
	const char *needs; /* words of the queue */
	const char *likes; /* words; NULL: none */
	uint64_t not_before_ms;
	const char *hold; /* why it may not run yet, NULL: it may */
	struct str copy;  /* of its row (session_copy.h); "": none */
};

struct session;
struct task_acceptance;
/* A row of a task that was accepted just now, as session_get() would read it but for what differs
 * among its sessions: id and agent. */
void steer_accepted(const struct task_acceptance *acceptance, const struct id *task,
                    struct arena *arena, struct session *ret);
/* What its row says; everything is the arena's or the row's. */
void steer_publication_of(const struct session *row, struct arena *arena,
                          struct steer_publication *ret);
/* The copy of its row; "" where nobody would read it, since it may not run at once. */
struct str steer_copy_of(const struct session *row, const struct steer_publication *publication,
                         struct arena *arena);

/* The queue's name of a user: the owner of a key, or the key without one. */
void steer_user_name(struct str owner, struct str key, char out[QUEUE_NAME_MAX + 1]);

/* epoch: that its log is in; 0: any. */
enum err_code steer_enqueue(struct redis *redis, const struct steer_publication *publication,
                            uint64_t epoch, struct err *err) MUST_CHECK;

/*
 * Its log, then its place in the queue. stored: PostgreSQL was told of the log's first epoch when
 * the session was accepted, in the generation of this store.
 */
enum err_code steer_publish(const struct log_store *store, struct pg *pg,
                            const struct steer_publication *publication, bool stored,
                            struct err *err) MUST_CHECK;

struct steer_rows {
	const struct id *ids;
	size_t count; /* at most 128 */
	bool stored;
};
/* The same for sessions of a tenant by their rows, and PostgreSQL is told that they are in the
 * queue. What an error leaves undone the scheduler's reconciler does. */
enum err_code steer_publish_rows(const struct log_store *store, struct pg *pg, const char *tenant,
                                 const struct steer_rows *rows, struct arena *arena,
                                 struct err *err) MUST_CHECK;

/* What a session waits for begins with it: the reason for which the queue holds it. */
#define STEER_HOLD_AFTER "after:"
