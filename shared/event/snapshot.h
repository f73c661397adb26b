/*
 * What a session's log amounts to at one point: what somebody who comes late has to know before
 * following it from there.
 *
 * The reduction is pure: the same events in the same order give the same snapshot, so that a
 * snapshot and the events after it are as good as the whole log.  snapshot_read() does not read all
 * of a long log: it takes from the archive's index how many events there are of what type and which
 * segments have the newest ones.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "event/log.h"

struct jsonw;
struct pg;

enum {
	SNAPSHOT_TEXT_MAX = 16 * 1024, /* data of an event that is kept whole */
	SNAPSHOT_PENDING_MAX = 64,     /* permission requests; of more the newest */
};

enum snapshot_last {
	SNAPSHOT_TURN, /* turn_started */
	SNAPSHOT_MESSAGE,
	SNAPSHOT_PLAN,
	SNAPSHOT_USAGE,
	SNAPSHOT_COST,
	SNAPSHOT_PROGRESS,
	SNAPSHOT_CAPABILITIES,
	SNAPSHOT_TEAM,
	SNAPSHOT_LASTS
};

/* An event that is kept; its texts are its own. */
struct snapshot_event {
	struct log_event event;
	char *texts;
	char *request; /* of a permission request: its id, "" when it has none; else NULL */
	TAILQ_ENTRY(snapshot_event) link;
};

/* Not to be copied: it has a list. */
struct snapshot {
	struct cursor at;         /* all events through here, and no others */
	enum session_state state; /* after them */
	bool turn_open;
	bool evicted; /* its agent is to be begun again, and then waits for what it waited for */
	uint64_t counts[EVENT_CLASS_COUNT];
	bool counted; /* else part of the archive was never counted: counts says nothing */
	struct snapshot_event lasts[SNAPSHOT_LASTS]; /* texts NULL: none yet */
	TAILQ_HEAD(snapshot_pending, snapshot_event)
	pending; /* permission requests without answer */
	size_t pending_count;
	uint64_t pending_from; /* requests before this n were not looked for; 1: all were */
};

void snapshot_init(struct snapshot *snapshot);
void snapshot_fini(struct snapshot *snapshot);

/* One event more. counted false: it is counted already. */
void snapshot_apply(struct snapshot *snapshot, const struct log_event *event, bool counted);

/* What was asked before this n is not known of. */
void snapshot_forget_asks(struct snapshot *snapshot, uint64_t before_n);

/* One object, of what that set of classes has. */
void snapshot_write(const struct snapshot *snapshot, struct str sid, uint64_t classes,
                    struct jsonw *w);

/* ---- from Redis and PostgreSQL ---- */

/*
 * As of the head at one moment: state, at and everything else belong together. To be freed with
 * snapshot_fini() after ERR_OK. ERR_NOT_FOUND: no such session of this tenant; ERR_REBUILD: the log
 * lost its end meanwhile; ERR_UNAVAILABLE: too much is not archived yet to look through.
 */
enum err_code snapshot_read(const struct log_store *store, struct pg *pg, const struct id *sid,
                            const char *tenant, struct snapshot *ret, struct err *err) MUST_CHECK;
