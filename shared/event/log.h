/*
 * The log of a session in Redis: the one order of what happened in it.
 *
 * {s:<sid>}:log is the stream, its ids are cursors; {s:<sid>}:head is tenant, state, epoch, n,
 * watermark, producers.  log_open() alone creates a log or raises its epoch.  log_append() appends
 * a batch, moves the state with its last event, and rings the doorbell, all in one step. Both are
 * scripts (lua/), compare the tenant, carry the generation of the Redis that the caller believes
 * in. An outcome is what the script decided; an error code is that it could not be asked. After
 * ERR_UNKNOWN, ERR_TIMEOUT or ERR_UNAVAILABLE repeat the same call: with the same producer and
 * sequence an append is done once, with the same token an opening is done once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "event/cursor.h"
#include "event/event.h"
#include "session/session.h"

struct map;
struct redis;
struct redis_reply;

/* What every call needs; one per process, filled by its composition root. */
struct log_store {
	struct redis *redis;
	uint64_t generation; /* of this Redis server, from PostgreSQL; at least 1 */
	/* Of redis_server() that the generation is of; 0: not looked at. Nothing is written to
	 * another one before its generation is known. */
	uint64_t server;
	/* The first generation since Redis was empty: what is of an earlier one was written there
	 * after that by who did not know it. */
	uint64_t since;
	/* What LOG_MARK_KEY says while Redis is of that generation; NULL: not looked at. */
	const char *mark;
	uint64_t unarchived_max; /* bytes a session may have beyond the watermark; 16 MiB mostly */
	struct map *backlogged;  /* tenants that may not append now (backlog.h); NULL: none */
};

enum log_outcome {
	LOG_OK,
	LOG_MISSING,   /* no such session for this tenant (the head belongs to another) */
	LOG_REBUILD,   /* the log is not (or not yet again) in this Redis: log_rebuild() it */
	LOG_STALE,     /* the caller's generation is behind: read it again from PostgreSQL */
	LOG_FENCED,    /* a newer epoch exists: stop */
	LOG_MOVED,     /* the state is not one of those expected: .state says which it is */
	LOG_ENDED,     /* the session is in a terminal state */
	LOG_SEQUENCE,  /* a hole: .expected is the sequence that must come next */
	LOG_DUPLICATE, /* an old batch, of which nothing is remembered */
	LOG_PRODUCERS, /* too many producers */
	LOG_LIMIT,     /* too much is not archived yet: come back later */
	LOG_OUTCOME_COUNT
};

struct log_result {
	enum log_outcome outcome;
	bool repeated; /* OK, but this very call was answered before */
	struct cursor first,
		last; /* OK: what was appended (last: the head's position when nothing was) */
	enum session_state state; /* OK, MOVED, ENDED */
	uint64_t epoch;           /* OK, FENCED: the head's */
	uint64_t expected;        /* SEQUENCE */
	uint64_t unarchived;      /* OK: bytes beyond the watermark now; for budgets per tenant */
	uint64_t told;            /* OK, of an opening: how many heard it on its channel now */
};

/* The mark of a history of Redis goes when Redis is emptied. ERR_STALE: it is not that of the
 * store, asked anew: what was written on the same connection before counts only if this is ERR_OK
 * afterwards. */
#define LOG_MARK_KEY "{w}:generation"
enum err_code log_is_current(const struct log_store *store, struct err *err) MUST_CHECK;

/* False: Redis is another server than the one that the generation is of; what it has of a log may
 * be less than there was, and not yet what there will be. */
bool log_generation_known(const struct log_store *store);

/* All epochs and attempts that were handed out in an older generation are smaller. */
uint64_t log_epoch_floor(const struct log_store *store);

const char *log_outcome_name(enum log_outcome outcome);
/* ERR_OK or the error that an API answers with; the message says what is wrong. */
enum err_code log_result_err(const struct log_result *result, struct err *err);

/* ---- opening ---- */

enum log_opening {
	LOG_CREATE, /* a new session: there must be no head */
	LOG_RAISE,  /* a lease, a cancel: there must be a head, and it must not be terminal */
	LOG_RECOVER /* after a break in Redis's history: head or none; used by log_rebuild() */
};

struct log_open {
	struct id sid;
	const char *tenant;
	enum log_opening how;
	const char *cause; /* "create", "lease", "cancel", "rebuild", "requeue": [a-z_]{1,32} */
	/* Identifies this opening: its repetition answers the same. [A-Za-z0-9._:-]{1,96} */
	const char *token;
	/* RAISE: 0, or the epoch that must be the head's (else LOG_FENCED);
	 * CREATE, RECOVER: the highest epoch that PostgreSQL knows (0: none). */
	uint64_t epoch;
	struct cursor archived; /* CREATE, RECOVER: the last archived entry (0-0: none) */
	unsigned from;          /* RAISE: set of states; SESSION_ANY: any that is not terminal */
	bool moves;             /* RAISE, RECOVER: move to `to` in the same step */
	enum session_state to;  /* CREATE, and RECOVER without a head: the state to begin with */
	/* Of the status event (CREATE, moves): JSON object text; {NULL, 0}: {"status": to}. */
	struct str data;
	const char *channel; /* that is told in the same step, when it is done now; NULL: none */
	struct str tell;
};

/* OK: .first is the epoch's first entry: log_epoch_store(). MOVED: CREATE: it exists already;
 * RECOVER: it is open already. */
enum err_code log_open(const struct log_store *store, const struct log_open *opening,
                       struct log_result *ret, struct err *err) MUST_CHECK;

/* ---- appending ---- */

struct log_new {
	enum event_type type;
	struct str data; /* JSON text of an object: event_data_ok() */
};

struct log_batch {
	struct id sid;
	const char *tenant;
	uint64_t epoch;       /* a worker's; 0: stamp with the head's */
	const char *producer; /* NULL: none, and so no protection against repetition */
	uint64_t seq;         /* the producer's, 1, 2, 3... */
	unsigned from; /* set of states it must be in; SESSION_ANY: any that is not terminal */
	bool moves; /* the last event, and only it, is a status event: the session moves to `to` */
	enum session_state to;
	const struct log_new *events;
	size_t count; /* 1 to EVENT_BATCH_MAX */
	/* A trace id (32 hexadecimal digits) that the doorbell carries to whoever delivers; NULL:
	 * none. */
	const char *trace;
};

/* ERR_INVALID or ERR_TOO_LARGE when the batch itself breaks a bound (nothing was sent). LOG_LIMIT
 * never stops what moves the state or is of kind KEEP. */
enum err_code log_append(const struct log_store *store, const struct log_batch *batch,
                         struct log_result *ret, struct err *err) MUST_CHECK;

/* ---- reading ---- */

struct log_head {
	bool found; /* false: not in Redis, or another tenant's */
	enum session_state state;
	struct cursor at;    /* the last entry */
	uint64_t opened;     /* n of the first entry of its epoch, 0: not known */
	uint64_t watermark;  /* archived through this n */
	uint64_t generation; /* when it differs from the store's the log waits for its rebuild */
	uint64_t unarchived; /* bytes beyond the watermark */
};

enum {
	LOG_READ_MAX = 128,   /* events that one read brings, as a rule */
	LOG_REPLAY_MAX = 256, /* and at most, for many who wait for them */
};

enum err_code log_head_get(const struct log_store *store, const struct id *sid, const char *tenant,
                           struct log_head *ret, struct err *err) MUST_CHECK;

/* Many heads in one go. */
enum { LOG_HEADS_MAX = 128 };

struct log_look {
	struct id sid;
	const char *tenant;
	struct log_head head;
	struct err err; /* ERR_OK, or what is wrong with this one */
};

enum err_code log_heads_get(const struct log_store *store, struct log_look *looks, size_t count,
                            struct err *err) MUST_CHECK;

enum log_gap_reason {
	LOG_GAP_NONE,
	LOG_GAP_TRIMMED,   /* from..to are not in Redis any more: look in the archive */
	LOG_GAP_LOST,      /* from..to are in no tier */
	LOG_GAP_RETRACTED, /* the client saw from..to, but Redis lost them: they never happened */
	LOG_GAP_NEVER,     /* the cursor is beyond anything this session issued */
	LOG_GAP_RETENTION  /* from..to were older than the tenant keeps its logs */
};

struct log_gap {
	enum log_gap_reason reason;
	uint64_t from, to; /* n, inclusive */
};

const char *log_gap_name(enum log_gap_reason reason); /* "trimmed", ... */

struct log_page {
	struct log_event *events; /* contiguous; point into the page's own memory */
	size_t count;
	struct log_gap gap;        /* between what was asked and the first event */
	struct cursor next;        /* ask for this next; never before what was asked, but for a gap
	                              RETRACTED or NEVER */
	struct log_head head;      /* as of this read */
	bool caught_up;            /* next is the head's position */
	struct redis_reply *reply; /* private */
	char *bytes;               /* private */
};

void log_page_fini(struct log_page *page); /* harmless on a zeroed one */

struct log_range {
	struct id sid;
	const char *tenant;
	struct cursor after; /* exclusive */
	unsigned max_count;  /* 1 to LOG_REPLAY_MAX */
	size_t max_bytes;    /* of data; at least one event is returned all the same */
};

/* From Redis only. ERR_NOT_FOUND: no head for this tenant. */
enum err_code log_read(const struct log_store *store, const struct log_range *range,
                       struct log_page *ret, struct err *err) MUST_CHECK;

/* The newest events, the oldest of them first, with the head of just before, in one round trip.
 * max_count and max_bytes as above; after and gap are not used. ERR_NOT_FOUND: as above. */
enum err_code log_recent(const struct log_store *store, const struct log_range *range,
                         struct log_page *ret, struct err *err) MUST_CHECK;

/* ---- doorbells ---- */

/* The channel of a session's doorbell, for redis_subscribe(). */
enum { LOG_KEY_SIZE = 48 };
void log_bell_channel(const struct id *sid, char out[LOG_KEY_SIZE]);
bool log_bell_parse_channel(struct str channel, struct id *ret) MUST_CHECK;

/* The one channel on which every session's moves are told, "<sid> <tenant>", with the cause of an
 * opening behind it, but not its creation: also commands that went on, and every 64 KiB that wait
 * for the archive. */
#define LOG_MOVES_CHANNEL "moves"
enum { LOG_MOVES_TENANT_MAX = 64 };
/* tenant: a view into the payload, at most LOG_MOVES_TENANT_MAX; *ret_leased: a lease moved it. */
bool log_moves_parse(struct str payload, struct id *ret_sid, struct str *ret_tenant,
                     bool *ret_leased) MUST_CHECK;

enum { LOG_TRACE_SIZE = 32 + 1 };

/* What a doorbell said: the new end, and the events when they were small. */
struct log_bell {
	struct cursor first, last;
	enum session_state state;   /* after it */
	int64_t appended_us;        /* when, by Redis's clock */
	char trace[LOG_TRACE_SIZE]; /* of the batch, or "" */
	struct log_page page;       /* count 0: not inlined, read them */
};

/* The payload is copied. False: not one of ours. log_page_fini(&ret->page) after true. */
bool log_bell_decode(struct str payload, struct log_bell *ret) MUST_CHECK;

/* ---- the watermark (archiver) ---- */

struct log_trim {
	struct id sid;
	const char *tenant;
	uint64_t from, to;  /* archived now: n from+1..to; from must be the watermark */
	uint64_t bytes;     /* what these cost (log_event_cost) */
	struct cursor trim; /* drop entries up to here, never beyond `to`; 0-0: none */
	uint64_t retire_ms; /* a terminal session archived to its end leaves Redis after this; 0:
	                       stays */
};

/* Advance the watermark, then trim. OK also when another archiver was there first: .last.n is the
 * watermark. */
enum err_code log_trim(const struct log_store *store, const struct log_trim *trim,
                       struct log_result *ret, struct err *err) MUST_CHECK;

/* ---- after a loss of Redis ---- */

enum { LOG_RESTORE_MAX = 60 };

struct log_restore {
	struct id sid;
	const char *tenant;
	uint64_t base;            /* the end of the archive: used when there is no head yet */
	enum session_state state; /* the row's: used when there is no head yet */
	const struct log_event
		*events; /* ids as they were; in order, n dense; state set on moves */
	size_t count;    /* 1 to LOG_RESTORE_MAX */
};

/*
 * Put back what a worker's journal has beyond the tail. Events the tail has are skipped. SEQUENCE:
 * there is a hole, .expected is the n that must come first. FENCED: the log is open again in this
 * generation, too late. OK: .last is the tail now.
 */
enum err_code log_restore(const struct log_store *store, const struct log_restore *restore,
                          struct log_result *ret, struct err *err) MUST_CHECK;
