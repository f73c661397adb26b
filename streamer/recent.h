/*
 * What clients of the consumer's face are greeted with: a session's row, head and newest past, read
 * once for all who come within a second.  However many come back at the same time, each session is
 * read once.
 *
 * Whoever follows from recent->snapshot.at misses nothing.
 */
#pragma once

#include "event/snapshot.h"
#include "presence/presence.h"
#include "session/session_store.h"
#include "streamer/past.h"

struct feed;
struct recents;

struct recents_options {
	const struct log_store *store;
	struct pg *pg;
	struct feed *const *feed; /* what it points at is NULL once the process stops */
};

struct recent {
	struct session row;
	struct log_head head;     /* for following it */
	struct snapshot snapshot; /* what it amounts to, */
	struct past past;         /* its newest messages, */
	struct buf asks;          /* and frames of the permission requests that wait: all as of
	                             snapshot.at */
	struct presence_set present;
};

struct recents *recents_new(const struct recents_options *options) MUST_CHECK;
void recents_free(struct recents *recents); /* nobody holds one any more */

/* On a fiber. ERR_NOT_FOUND: the tenant has no such session; whether the caller may see it is the
 * caller's to ask. recents_release() it soon. */
enum err_code recents_hold(struct recents *recents, const struct id *sid, const char *tenant,
                           struct recent **ret, struct err *err) MUST_CHECK;
void recents_release(struct recent *recent);
