/*
 * Who streams act for: the streams of one key that may do the same share one viewer, which lives
 * as long as they do.
 *
 * What a key may do can change while they live.  Whoever learns that says so here (access.h), and
 * every stream is told, gets less, or ends; a stream whose key ends by itself is told a minute
 * before, and may go on with another key of the same user.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "auth/auth.h"
#include "auth/auth_key_store.h"
#include "base/arena.h"
#include "pg/pg.h"

struct outlet;
struct viewers;
struct watched;

LIST_HEAD(viewer_outlets, outlet);

enum { VIEWER_WARN_S = 60 };

struct viewer {
	struct viewers *viewers;
	struct watched *watched; /* its key */
	size_t streams;          /* that hold it */
	struct principal principal;
	struct viewer_outlets outlets;
	const char *over; /* why its streams end; NULL: they do not */
	bool warned;      /* that its key ends */
	LIST_ENTRY(viewer) of_key;
};

/* Streams that may be open here at once; 0: any number. */
struct viewer_limits {
	size_t tenant, user, key;
};

struct viewers *viewers_new(const struct viewer_limits *limits) MUST_CHECK;
void viewers_free(struct viewers *viewers); /* nobody holds one any more */

/* On a fiber: a key may be limited to namespaces; whether the session is the tenant's is compared
 * wherever its log is read. ERR_NOT_FOUND: not for this principal. */
enum err_code viewer_may_see(const struct principal *principal, struct pg *pg, const struct id *sid,
                             struct arena *arena, struct err *err) MUST_CHECK;

/* One more stream for this principal. ERR_LIMIT, and NULL: there are too many. */
struct viewer *viewer_enter(struct viewers *viewers, const struct principal *principal,
                            struct err *err) MUST_CHECK;
/* The same for a stream that was let in before. */
struct viewer *viewer_hold(struct viewers *viewers, const struct principal *principal) MUST_CHECK;
void viewer_release(struct viewer *viewer);

/* What its streams see: a set of log_event_class(). */
uint64_t viewer_sees(const struct viewer *viewer);

/* ---- of outlets ---- */

uint64_t viewer_stream_name(void); /* a new one, that nobody can guess */
void viewer_join(struct viewer *viewer, struct outlet *outlet); /* which holds it */
void viewer_part(struct outlet *outlet);                        /* and releases it */
void viewer_opened(struct outlet *outlet); /* tell it what others were told before */

/* The stream goes on for another key of the same user. ERR_FORBIDDEN: of another user, or it may
 * not follow sessions. What it sees does not grow. */
enum err_code viewer_exchange(struct outlet *outlet, const struct principal *principal,
                              struct err *err) MUST_CHECK;
/* The open stream of that name; NULL: it is not here. */
struct outlet *viewers_find(const struct viewers *viewers, uint64_t stream);

/* ---- of whoever watches keys ---- */

/* Those of the open streams; *ret is the caller's to free. */
size_t viewers_keys(const struct viewers *viewers, struct id **ret);
/* What the row of a key says now; found NULL: there is none. */
void viewers_renew(struct viewers *viewers, const struct id *key,
                   const struct auth_key_found *found);
/* Time has passed: tell those whose key ends soon, end those whose key has ended. */
void viewers_tick(struct viewers *viewers, int64_t now_us);
