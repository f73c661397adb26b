/*
 * What this host remembers of one session's log: the entries after the archive's watermark,
 * with the ids they got, so that a Redis that lost its tail can get it back (log_restore).
 *
 * One append-only file a session, `<dir>/<sid>`, written after each acknowledgement: own
 * entries as they were sent, other producers' as they were read.  The times of own entries are
 * this host's, which may differ from Redis's by what the clocks do.  It is not synced: it
 * outlives this process and Redis, not a power cut of this host.
 *
 * A file begins with its version and its tenant.  Records carry their length and a checksum:
 * reading ends at the first that is torn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "event/log.h"

struct journal;

enum { JOURNAL_TENANT_MAX = 64, JOURNAL_PATH_MAX = 512 };

/* A new, empty one; what an earlier attempt left is replaced. */
enum err_code journal_create(const char *dir, const struct id *sid, const char *tenant,
                             struct journal **ret, struct err *err) MUST_CHECK;
/* One that an earlier process left; a torn tail is cut off. ERR_INVALID: not a journal of this
 * version. */
enum err_code journal_open(const char *dir, const struct id *sid, struct journal **ret,
                           struct err *err) MUST_CHECK;
void journal_close(struct journal *journal);   /* the file stays */
void journal_discard(struct journal *journal); /* and is removed */

/* The file of one that nobody has open. */
void journal_remove(const char *dir, const struct id *sid);

const char *journal_tenant(const struct journal *journal);
struct cursor journal_last(const struct journal *journal); /* 0-0: empty */
uint64_t journal_base(const struct journal *journal);      /* n before its first entry */
uint64_t journal_size(const struct journal *journal);      /* bytes */

/* The next entry: n must follow the last one's. In an empty journal any n may begin. ERR_SEQUENCE:
 * it does not; ERR_UNAVAILABLE: the disk (nothing was added). */
enum err_code journal_add(struct journal *journal, const struct log_event *event,
                          struct err *err) MUST_CHECK;

/* Forget everything through this n. */
enum err_code journal_trim(struct journal *journal, uint64_t through, struct err *err) MUST_CHECK;

/* What follows an n, oldest first, at most LOG_RESTORE_MAX and about JOURNAL_PAGE_BYTES. Read again
 * with the same page it goes on where it was, if the journal was not trimmed in between. */
enum { JOURNAL_PAGE_BYTES = 1024 * 1024 };
struct journal_page {
	struct log_event events[LOG_RESTORE_MAX]; /* point into bytes */
	size_t count;
	struct buf bytes;
	uint64_t at; /* private: where in the file to go on; 0: from its beginning */
};
void journal_page_init(struct journal_page *page);
void journal_page_fini(struct journal_page *page);
enum err_code journal_read(const struct journal *journal, uint64_t after, struct journal_page *page,
                           struct err *err) MUST_CHECK;

/* ---- pure ---- */

/* One record of the file's bytes from *at on, which it moves past it. False: the end, or torn. */
bool journal_decode(struct str bytes, size_t *at, struct log_event *ret) MUST_CHECK;
void journal_encode(const struct log_event *event, struct buf *out);
