#include "press/press.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* it does not write to what it reads */
#include <zlib.h>

#include "base/mem.h"

enum {
	LEVEL = 5,  /* paid once for all who read */
	MEMORY = 6, /* zlib's: 32 KiB of tables */
};

struct press {
	z_stream z;
	bool begun;
	bool fresh;
};

struct press *press_new(void)
{
	struct press *press = mem_calloc(1, sizeof(*press));

	press->fresh = true;
	return press;
}

void press_rest(struct press *press)
{
	if (press->begun) {
		(void)deflateEnd(&press->z);
		press->begun = false;
	}
	press->fresh = true;
}

void press_free(struct press *press)
{
	if (press != NULL) {
		press_rest(press);
		free(press);
	}
}

void press_refresh(struct press *press)
{
	if (press->begun && !press->fresh) {
		(void)deflateReset(&press->z);
	}
	press->fresh = true;
}

bool press_is_fresh(const struct press *press)
{
	return press->fresh;
}

static void begin(struct press *press)
{
	if (press->begun) {
		return;
	}
	press->z = (z_stream){ .zalloc = Z_NULL };
	if (deflateInit2(&press->z, LEVEL, Z_DEFLATED, -PRESS_BITS, MEMORY, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		abort(); /* out of memory, as in base/mem.h */
	}
	press->begun = true;
}

bool press_piece(struct press *press, struct str plain, size_t max, struct buf *out)
{
	z_stream *z = &press->z;
	char *room = buf_reserve(out, max);

	assert(plain.n > 0 && plain.n <= UINT32_MAX && max <= UINT32_MAX && room != NULL);
	begin(press);
	press->fresh = false;
	z->next_in = (const Bytef *)plain.p;
	z->avail_in = (uInt)plain.n;
	z->next_out = (Bytef *)room;
	z->avail_out = (uInt)max;
	(void)deflate(z, Z_SYNC_FLUSH);
	if (z->avail_out == 0) { /* perhaps it has just fitted: zlib does not tell */
		press_refresh(press);
		return false;
	}
	assert(z->avail_in == 0);
	buf_commit(out, max - z->avail_out);
	return true;
}

uint32_t press_crc(uint32_t crc, struct str plain)
{
	return (uint32_t)crc32_z(crc, (const Bytef *)plain.p, plain.n);
}

uint32_t press_crc_join(uint32_t a, uint32_t b, uint64_t b_len)
{
	return (uint32_t)crc32_combine(a, b, (z_off_t)b_len);
}

uint32_t press_crc_rest(uint32_t a, uint32_t whole, uint64_t rest_len)
{
	/* Joining shifts a and adds b, in a field where adding is its own inverse. */
	return whole ^ press_crc_join(a, 0, rest_len);
}
