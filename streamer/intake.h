/*
 * How one client takes compressed bytes in: shared pieces, and what is only its own in between.
 *
 * Server-sent events are one gzip stream: bytes of its own go into stored blocks, and change the
 * window that pieces refer to, so that after them it begins anew at a fresh piece.  Over a
 * WebSocket bytes of its own are messages that are not compressed, which no window sees (RFC 7692
 * section 7.2.3.2).  Either way a client of which nothing can be shared is a plain one.
 *
 * Wire bytes that a full socket did not take of a piece, or of what a stream begins and ends with,
 * are kept here: they are no plain bytes, and go out before anything else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "press/gzip.h"
#include "streamer/position.h"
#include "streamer/record.h"

struct squeeze;

enum intake_kind { INTAKE_GZIP, INTAKE_MESSAGES };

/* Write to the client's connection: as http_conn_writev(). */
typedef ssize_t(intake_write_fn)(void *conn, const struct iovec *iov, int count);

struct intake {
	enum intake_kind kind;
	intake_write_fn *write;
	void *conn;
	const void *reader;      /* whose position it is; NULL: nobody's so far */
	struct squeeze *squeeze; /* the reader's; NULL: there is none */
	uint64_t last;           /* the piece that its window ends with; 0: another end */
	struct buf raw;
	bool is_over;       /* the end of the stream is in raw, or out */
	struct gzip gzip[]; /* INTAKE_GZIP: one; INTAKE_MESSAGES: none */
};

/* write and conn are set by who owns it, before anything is written. */
struct intake *intake_new(enum intake_kind kind) MUST_CHECK;
/* A gzip stream that another streamer began, as it told of it, and back. Bytes are borrowed. */
struct intake *intake_of(const struct record_gzip *record) MUST_CHECK;
struct record_gzip intake_record(const struct intake *intake);
void intake_free(struct intake *intake); /* NULL: nothing */

/* What is kept. False: the socket is full. *ret_dead: it is dead. */
bool intake_flush(struct intake *intake, bool *ret_dead);

/* Bytes of its own; how many were taken, fewer when the socket is full. -1: dead. */
ssize_t intake_writev(struct intake *intake, const struct iovec *iov, int count);

enum intake_share {
	INTAKE_NONE, /* there is no piece that it could take next: nothing was written */
	INTAKE_SENT, /* the position has moved */
	INTAKE_FULL, /* the same, and no more fits into the socket */
	INTAKE_DEAD,
};
/* Pieces after the position, from its squeeze, if any; no frame is half out. */
enum intake_share intake_share(struct intake *intake, struct position *position,
                               uint64_t *ret_events);
/* It stands at the tip: will it be able to take what comes next? If not, a fresh one is due. */
void intake_await(const struct intake *intake);

/* The end of the stream, behind all that was written; it is flushed as what is kept. */
void intake_finish(struct intake *intake);
