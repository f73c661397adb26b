#include "press/gzip.h"

#include <assert.h>
#include <string.h>

#include "press/press.h"

/* RFC 1952 section 2.3: deflate, no flags, no time, fastest, an unknown system. */
static const char stream_head[GZIP_HEAD] = { 0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 4, (char)0xff };

struct str gzip_head(void)
{
	return str_make(stream_head, sizeof(stream_head));
}

static void put_le(char *out, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++) {
		out[i] = (char)(value >> (8 * i) & 0xff);
	}
}

/* A run is over: what it was belongs to the client's own sum. */
static void close_run(struct gzip *gzip)
{
	uint64_t len = gzip->to.len - gzip->from.len;

	if (len > 0) {
		uint32_t run = press_crc_rest(gzip->from.crc, gzip->to.crc, len);

		gzip->own.crc = press_crc_join(gzip->own.crc, run, len);
		gzip->own.len += len;
	}
	gzip->from = gzip->to = (struct gzip_sum){ 0 };
}

static size_t total(const struct iovec *in, int count)
{
	size_t n = 0;

	for (int i = 0; i < count; i++) {
		n += in[i].iov_len;
	}
	return n;
}

int gzip_plan(struct gzip *gzip, const struct iovec *in, int count, char head[GZIP_BLOCK_HEAD],
              struct iovec *iov)
{
	size_t left;
	int pieces = 0;

	if (gzip->open == 0) {
		size_t all = total(in, count);

		gzip->open = (uint32_t)(all < GZIP_BLOCK_MAX ? all : GZIP_BLOCK_MAX);
		gzip->head = gzip->open > 0 ? GZIP_BLOCK_HEAD : 0;
	}
	if (gzip->head > 0) {
		head[0] = 0;
		put_le(&head[1], gzip->open, 2);
		put_le(&head[3], ~gzip->open, 2);
		iov[pieces++] = (struct iovec){ &head[GZIP_BLOCK_HEAD - gzip->head], gzip->head };
	}
	left = gzip->open;
	for (int i = 0; i < count && left > 0; i++) {
		size_t part = in[i].iov_len < left ? in[i].iov_len : left;

		iov[pieces++] = (struct iovec){ in[i].iov_base, part };
		left -= part;
	}
	return pieces;
}

size_t gzip_advance(struct gzip *gzip, const struct iovec *in, int count, size_t bytes)
{
	size_t taken;

	if (bytes == 0 && gzip->head == GZIP_BLOCK_HEAD) {
		gzip->open = gzip->head = 0; /* nothing was promised yet */
		return 0;
	}
	if (bytes <= gzip->head) {
		gzip->head = (uint8_t)(gzip->head - bytes);
		return 0;
	}
	close_run(gzip);
	taken = bytes - gzip->head;
	gzip->head = 0;
	assert(taken <= gzip->open);
	gzip->open -= (uint32_t)taken;
	gzip->own.len += taken;
	for (size_t left = taken; left > 0; in++, count--) {
		size_t part = in->iov_len < left ? in->iov_len : left;

		assert(count > 0);
		gzip->own.crc = press_crc(gzip->own.crc, str_make(in->iov_base, part));
		left -= part;
	}
	return taken;
}

static bool same(const struct gzip_sum *a, const struct gzip_sum *b)
{
	return a->len == b->len && a->crc == b->crc;
}

void gzip_share(struct gzip *gzip, const struct gzip_sum *before, const struct gzip_sum *after)
{
	assert(gzip->open == 0 && after->len > before->len);
	if (gzip->to.len == gzip->from.len || !same(&gzip->to, before)) {
		close_run(gzip);
		gzip->from = *before;
	}
	gzip->to = *after;
}

struct gzip_sum gzip_sum(const struct gzip *gzip)
{
	struct gzip settled = *gzip;

	close_run(&settled);
	return settled.own;
}

size_t gzip_open(const struct gzip *gzip)
{
	return gzip->open;
}

void gzip_tail(struct gzip *gzip, char out[GZIP_TAIL])
{
	assert(gzip->open == 0);
	close_run(gzip);
	/* The last block, empty; then RFC 1952 section 2.3.1: CRC32, and the size modulo 2^32. */
	memcpy(out, "\x01\x00\x00\xff\xff", GZIP_BLOCK_HEAD);
	put_le(&out[GZIP_BLOCK_HEAD], gzip->own.crc, 4);
	put_le(&out[GZIP_BLOCK_HEAD + 4], (uint32_t)gzip->own.len, 4);
}
