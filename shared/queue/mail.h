/*
 * One mailbox per worker: a short ring of notes with a doorbell.  What a note is about is durable
 * elsewhere (the queue for sessions to run, PostgreSQL for commands), so a lost note only costs a
 * sweep.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "queue/queue.h"

struct buf;
struct redis;
struct redis_reply;

enum {
	MAIL_KEPT = 1024,
	MAIL_READ_MAX = 64,
	MAIL_ID_SIZE = 48,
	MAIL_BODY_MAX = 256 * 1024,
	MAIL_ALOUD_MAX = 8 * 1024, /* body of a note that is said aloud */
};

struct mail {
	char id[MAIL_ID_SIZE]; /* read: where to go on from; "": it was said aloud */
	struct str kind; /* "run", "command", "fence", "drain", "deliver"...; known to its sender
	                    and reader */
	struct str incarnation; /* for whom; "": any */
	struct id sid;          /* nil: none */
	uint64_t epoch;         /* 0: none */
	uint64_t attempt;       /* 0: none */
	struct str body;        /* JSON or "" */
};

enum err_code mail_send(struct redis *redis, const char *worker, const struct mail *mail,
                        struct err *err) MUST_CHECK;

struct mail_page {
	struct mail *mails; /* oldest first; strings point into the page's own memory */
	size_t count;
	struct redis_reply *reply; /* private */
};

/* Notes after an id ("0": from the oldest kept). */
enum err_code mail_read(struct redis *redis, const char *worker, const char *after,
                        struct mail_page *ret, struct err *err) MUST_CHECK;
void mail_page_fini(struct mail_page *page);

/*
 * What a worker answers to a note, for whoever looks: kept for an hour, the last one counts. name
 * says to what: letters, digits and dashes.
 */
enum { MAIL_ANSWER_MAX = 512 };
enum err_code mail_answer(struct redis *redis, const char *name, const char *text,
                          struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: nobody has answered. */
enum err_code mail_answered(struct redis *redis, const char *name, char out[MAIL_ANSWER_MAX + 1],
                            struct err *err) MUST_CHECK;

void mail_bell_channel(const char *worker, char out[QUEUE_KEY_SIZE]);

/* What the bell brings to whoever has read through `after`. Pure. */
enum mail_rung {
	MAIL_RUNG_READ, /* there may be notes to read */
	MAIL_RUNG_OLD,  /* it is of the last one that was read */
	MAIL_RUNG_NOTE, /* the next note, small enough to come with it: it need not be read */
};
/* *ret: as of mail_read(); its strings point into the payload. */
enum mail_rung mail_bell_read(struct str payload, const char *after, struct mail *ret);

/*
 * A note that is in no mailbox: whoever does what it is about says it aloud in the same step, on a
 * channel of the worker's own.  Who does not listen there has it sent; who did not hear it is told
 * again as of a lost note.
 */
void mail_aloud_channel(const char *worker, char out[QUEUE_KEY_SIZE]);
/* False: its body is beyond MAIL_ALOUD_MAX. Pure. */
bool mail_aloud_write(const struct mail *mail, struct buf *out) MUST_CHECK;
/* False: it is none. *ret: its strings point into the payload. Pure. */
bool mail_aloud_read(struct str payload, struct mail *ret) MUST_CHECK;
