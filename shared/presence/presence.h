/*
 * Who looks at a session.
 *
 * A node (one process that serves streams) tells Redis of a user in a role when the first of that
 * user's streams begins there and when the last one ends, and says every PRESENCE_RENEW_MS that it
 * lives.  A user is shown from the first node that has it to the last.  What changes for those who
 * look is published as a delta; nothing else is: a thousand viewers cost a thousand joins, and no
 * join costs more than one delta a node.
 *
 * Deltas may be lost, as doorbells may: each carries the version of the set that it makes.  Who has
 * another one than the one before reads the whole set; so does who learns a newer version from a
 * renewal.
 *
 * A node that is silent for PRESENCE_SILENT_MS has its viewers taken away by whichever node renews
 * next, which publishes it: within 30 s.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

struct redis;

enum presence_role { PRESENCE_PARTICIPANT, PRESENCE_OBSERVER, PRESENCE_ROLE_COUNT };

const char *presence_role_name(enum presence_role role); /* "participant" */

enum {
	PRESENCE_USER_MAX = 64,
	PRESENCE_NAME_MAX = 128,
	PRESENCE_BATCH_MAX = 64,  /* joins or leaves in one call */
	PRESENCE_SHOWN_MAX = 512, /* users shown of one session; who comes later is not */
	PRESENCE_SILENT_MS = 20000,
	PRESENCE_RENEW_MS = 8000,
	PRESENCE_CHANNEL_SIZE = 64,
};

struct presence {
	enum presence_role role;
	char user[PRESENCE_USER_MAX + 1]; /* who it is: never a credential */
	char name[PRESENCE_NAME_MAX + 1]; /* how it is shown */
	int64_t since_ms;                 /* Redis's clock; not of a join */
};

/* ---- telling Redis; on a fiber ---- */

/* One node's share in one session. */
struct presence_place {
	struct redis *redis;
	struct id sid;
	struct id node; /* new at every start of the process */
};

/* At most PRESENCE_BATCH_MAX. Repeating any of them changes nothing. ERR_INVALID: an empty user, or
 * bytes that are no text. *ret_version is the set's afterwards. */
enum err_code presence_join(const struct presence_place *place, const struct presence *who,
                            size_t count, uint64_t *ret_version, struct err *err) MUST_CHECK;
enum err_code presence_leave(const struct presence_place *place, const struct presence *who,
                             size_t count, uint64_t *ret_version, struct err *err) MUST_CHECK;
/* For all that the node has joined. ERR_FENCED: its viewers were taken away: join them again. */
enum err_code presence_renew(const struct presence_place *place, uint64_t *ret_version,
                             struct err *err) MUST_CHECK;

/* ---- the set ---- */

struct presence_set {
	uint64_t version;     /* 0: nobody was ever there, as far as anybody remembers */
	struct presence *all; /* ordered by user, then role */
	size_t count;
};

void presence_set_fini(struct presence_set *set);

/* Who is there, without whom silent nodes left; *ret is the caller's. On a fiber. */
enum err_code presence_list(struct redis *redis, const struct id *sid, struct presence_set *ret,
                            struct err *err) MUST_CHECK;

/* ---- deltas; pure ---- */

struct presence_delta {
	uint64_t version;
	struct presence *came, *gone;
	size_t came_count, gone_count;
};

void presence_delta_fini(struct presence_delta *delta);

/* The channel that deltas of a session come on. */
void presence_channel(const struct id *sid, char out[PRESENCE_CHANNEL_SIZE]);
bool presence_channel_parse(struct str channel, struct id *ret_sid) MUST_CHECK;

/* False when it is none of ours. *ret is the caller's. */
bool presence_delta_decode(struct str payload, struct presence_delta *ret) MUST_CHECK;

enum presence_step {
	PRESENCE_APPLIED,
	PRESENCE_OLD, /* the set has it already */
	PRESENCE_GAP, /* one before it was missed: read the set */
};
enum presence_step presence_apply(struct presence_set *set, const struct presence_delta *delta);

/* What makes one set of the other; *ret is the caller's. */
void presence_diff(const struct presence_set *from, const struct presence_set *to,
                   struct presence_delta *ret);
