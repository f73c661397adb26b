/*
 * The data of the events that a worker appends, as JSON.  Pure.  Each writes into an empty
 * buffer; what would not fit an event is left out, in the order of its use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "session/session.h"
#include "worker/changes.h"
#include "worker/egress.h"
#include "worker/lines.h"
#include "worker/runner.h"
#include "worker/sandbox.h"
#include "worker/workspace.h"

/* Big enough for any event's data. */
void event_text_init(struct buf *out);

void event_text_log(struct buf *out, const struct lines_record *record, enum runner_stream stream);
/* A connection of its agent through the egress proxy. */
void event_text_egress(struct buf *out, const struct egress_ended *ended);
/* The latest state of a line that is rewritten. */
void event_text_progress(struct buf *out, struct str stage);

struct event_text_totals {
	uint64_t files, added, removed;
};

/* What limits a session: memory and disk in bytes, processes, cpu in hundredths of one processor.
 */
struct event_text_limit {
	const char *resource;
	uint64_t max;
	const char *by; /* what makes it hold: cgroup, looks, nothing */
};

/* Of a status event; "" and NULL leave a member out. */
struct event_text_status {
	enum session_state state;
	const char *reason;
	bool has_exit_code;
	int exit_code;
	const char *signal;                     /* the name of the signal that ended the command */
	const struct event_text_totals *totals; /* `changes` */
	const char *worker;
	const struct workspace *workspace;
	const char *sandbox;                         /* its profile; NULL: none is told */
	const struct sandbox_limits *sandbox_limits; /* with it: those that hold */
	const struct event_text_limit *limits;       /* of all of the session */
	size_t limit_count;
	bool evicted;            /* it makes room: its questions stay open */
	bool restored;           /* it goes on with the files it had */
	uint64_t attempt;        /* 0: none is told */
	const char *repo;        /* its word, */
	uint64_t materialise_ms; /* and what it took to have it; 0: nothing to tell */
};
void event_text_status(struct buf *out, const struct event_text_status *status);

/* It was come to. */
struct event_text_limit_reached {
	struct event_text_limit limit;
	const char *message;
	const char *unit; /* of count: the member's name */
	uint64_t count;   /* since the last such event */
};
void event_text_limit_reached(struct buf *out, const struct event_text_limit_reached *reached);

/* Of attempt_failed; why: what would have been its status. */
struct event_text_failure {
	const struct event_text_status *why;
	uint64_t attempt, max_attempts, delay_ms;
};
void event_text_failure(struct buf *out, const struct event_text_failure *failure);

/* Why it is parked. */
struct event_text_wait {
	const char *what;
	const char *request, *session; /* NULL: none */
	int64_t until_us;              /* 0: no end */
};
void event_text_parked(struct buf *out, const struct event_text_wait *wait);

void event_text_file_edit(struct buf *out, const struct change *change);

enum { EVENT_TEXT_PATCH_MAX = 64 * 1024 };
/* patch: the unified diff of this file, empty when there is none to show. */
void event_text_diff(struct buf *out, const struct change *change, struct str patch);

void event_text_branch(struct buf *out, const struct workspace_delivery *delivery,
                       struct str target_branch);
void event_text_patch(struct buf *out, struct str patch, bool truncated);

void event_text_command(struct buf *out, struct str command_id, struct str kind);
/* "" and NULL leave a member out. */
struct event_text_command_end {
	struct str id;
	const char *outcome, *message;
	struct str result; /* a JSON object */
};
void event_text_command_end(struct buf *out, const struct event_text_command_end *end);
void event_text_message(struct buf *out, const char *role, struct str content);
/* Of a person; attachments: JSON array, "" for none. */
void event_text_prompt(struct buf *out, struct str content, struct str attachments);
void event_text_turn(struct buf *out, uint64_t turn, const char *stop_reason); /* NULL: begins */

/* The part of a unified diff (of git) that is about the next file; empty at its end. */
struct str event_text_next_patch(struct str *rest);
/* Whether it is about that path. */
bool event_text_patch_is_of(struct str patch, struct str path);
