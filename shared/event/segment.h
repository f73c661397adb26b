/*
 * The archived tier of a session's log: contiguous runs of events as rows of log_segments.
 *
 * segment_pack() and segment_unpack() are pure: a length-prefixed format, zstd, and a checksum
 * that is verified before anything is believed.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/log.h"

struct pg;

enum {
	SEGMENT_EVENTS_MAX = LOG_READ_MAX,
	SEGMENT_BYTES_MAX = 1024 * 1024, /* before zstd; a read of the archive holds one segment */
	SEGMENT_CHECKSUM_SIZE = 8,
};

struct segment {
	struct cursor first, last;
	int64_t first_ts_ms, last_ts_ms;
	size_t count;
	unsigned counts[EVENT_CLASS_COUNT]; /* events by log_event_class() */
	unsigned log_grades[EVENT_GRADES];  /* of those, log events by log_event_grade() */
	unsigned output_grades[EVENT_GRADES];
	size_t bytes;                                  /* before zstd */
	struct buf data;                               /* zstd */
	unsigned char checksum[SEGMENT_CHECKSUM_SIZE]; /* FNV-1a of the plain bytes */
};

/* events: at least one, n dense. */
enum err_code segment_pack(const struct log_event *events, size_t count, struct segment *ret,
                           struct err *err) MUST_CHECK;
void segment_fini(struct segment *segment);

/* All of a segment's events into ret (events and their bytes are ret's). ERR_BACKEND: damaged. */
enum err_code segment_unpack(struct str data, struct str checksum, size_t plain_bytes,
                             struct log_page *ret, struct err *err) MUST_CHECK;

/* ---- PostgreSQL ---- */

/* By (session, first n): what is there already stays, since another archiver may have cut
 * elsewhere. */
enum err_code segment_store(struct pg *pg, const struct id *sid, const char *tenant,
                            const struct segment *segment, struct err *err) MUST_CHECK;

/* The row that begins where this one does goes: it is damaged, and can be written again. */
enum err_code segment_drop(struct pg *pg, const struct id *sid, const char *tenant,
                           const struct segment *segment, struct err *err) MUST_CHECK;

/* The events after range->after.n of the segment that has the next one; a hole before them is the
 * page's gap. count 0 and no gap: there is none. count 0 and a gap: the range is gone (retention),
 * or its segment is damaged (lost): go on at the page's next. The head is not filled. */
enum err_code segment_read(struct pg *pg, const struct log_range *range, struct log_page *ret,
                           struct err *err) MUST_CHECK;

/* ---- the archiver ---- */

struct archive {
	struct id sid;
	const char *tenant;
	size_t events_min;   /* leave it when fewer are waiting, unless the session has ended */
	uint64_t hot_events; /* keep at least this many of the newest in Redis */
	uint64_t retire_ms;  /* an ended session, archived to its end, leaves Redis after this */
};

enum { ARCHIVE_CLAIM_MS = 3000 }; /* renewed with every segment */

/*
 * Copy one session's log forward from the watermark: pack, store, read back and verify, advance the
 * watermark, trim; until less than events_min is left. One at a time does so, under a claim
 * (claim.h); whoever comes second leaves it. May be stopped anywhere and run again; two at once,
 * after a claim has lapsed, do the work twice and nothing else. A stored segment that is damaged is
 * written again while Redis has its events. *ret_through: the watermark it reached or found.
 */
enum err_code archive_session(const struct log_store *store, struct pg *pg,
                              const struct archive *archive, uint64_t *ret_through,
                              struct err *err) MUST_CHECK;

/* ---- one way to read ---- */

/*
 * The next page after any cursor of the session's life, from whichever tier has it; bounded by the
 * range, so that a reader calls it again when it has room. page->gap is then what no tier has. A
 * session that has left Redis is read from PostgreSQL alone. ERR_NOT_FOUND: unknown to both.
 */
enum err_code log_history(const struct log_store *store, struct pg *pg,
                          const struct log_range *range, struct log_page *ret,
                          struct err *err) MUST_CHECK;

/*
 * The same for who reads on and on: *trimmed is what Redis was seen to begin after (0 at first).
 * Before that the archive is asked at once, instead of Redis for what it does not have.
 */
enum err_code log_history_on(const struct log_store *store, struct pg *pg,
                             const struct log_range *range, uint64_t *trimmed, struct log_page *ret,
                             struct err *err) MUST_CHECK;

/*
 * Bring a session's log back after a loss of Redis: epoch and n from session_epochs, log_segments
 * and the session's row, then log_open() with LOG_RECOVER. Whatever a worker restored with
 * log_restore() before is kept. LOG_ENDED: the session has ended and needs no log in Redis.
 */
enum err_code log_rebuild(const struct log_store *store, struct pg *pg, const struct id *sid,
                          const char *tenant, struct log_result *ret, struct err *err) MUST_CHECK;

/* Tell PostgreSQL of an opening: (epoch, first n). Idempotent. */
struct log_epoch {
	struct id sid;
	const char *tenant;
	struct cursor first; /* of a log_result: OK */
	const char *cause;
	const char *worker_id; /* NULL: none */
	uint64_t generation;
};
enum err_code log_epoch_store(struct pg *pg, const struct log_epoch *epoch,
                              struct err *err) MUST_CHECK;
/* The same for at most 128, of any tenants; those of sessions that are gone are left out. */
enum { LOG_EPOCHS_MAX = 128 };
enum err_code log_epoch_store_all(struct pg *pg, const struct log_epoch *epochs, size_t count,
                                  struct err *err) MUST_CHECK;
