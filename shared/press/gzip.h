/*
 * One connection's gzip stream (RFC 1952), made of pieces that others get too and of bytes that are
 * only its own.  Pure: bytes in, pieces to write out, and then how much of them was taken.
 *
 * Its own bytes go into stored blocks (RFC 1951 section 3.2.4), which need no memory: five bytes
 * say how many follow, and until those are there a block is open.  Whatever comes next fills it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum {
	GZIP_HEAD = 10,
	GZIP_BLOCK_HEAD = 5,
	GZIP_BLOCK_MAX = 16 * 1024, /* less than could be said: it has to be filled */
	GZIP_TAIL = 13,
};

/* The sum of all that a press was given so far. */
struct gzip_sum {
	uint64_t len;
	uint32_t crc;
};

/* Zero it to begin; or set own, open and head to what another had, to go on. */
struct gzip {
	struct gzip_sum own;      /* of what the client has, but for the run */
	struct gzip_sum from, to; /* of a press, before and after a run of its pieces */
	uint32_t open;            /* bytes that the open block still needs */
	uint8_t head;             /* of them: of its head that are not out yet */
};

/* The ten bytes that a stream begins with. */
struct str gzip_head(void);

/* Pieces for the first of in's bytes: at most one block's. head is room for its head, iov for
 * count + 1; their number. */
int gzip_plan(struct gzip *gzip, const struct iovec *in, int count, char head[GZIP_BLOCK_HEAD],
              struct iovec *iov);
/* bytes of those pieces were taken; how many of in's. */
size_t gzip_advance(struct gzip *gzip, const struct iovec *in, int count, size_t bytes);

/* A piece of a press was sent, or is about to be: its sums before and after. No block is open. */
void gzip_share(struct gzip *gzip, const struct gzip_sum *before, const struct gzip_sum *after);

/* The client's own sum, a run of pieces included. */
struct gzip_sum gzip_sum(const struct gzip *gzip);

/* How many bytes of anything the open block needs before a piece, or the end; 0: none is open. */
size_t gzip_open(const struct gzip *gzip);

/* What the stream ends with. No block is open. */
void gzip_tail(struct gzip *gzip, char out[GZIP_TAIL]);
