#include "ws/deflate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"

enum {
	CHUNK = 4096,
	WINDOW_MAX = 1 << WS_BITS_MAX,
	/* Blocks with BFINAL set in one message. Each costs a copy of the window, which two bytes
	 * of input must not buy without end; writers use one, if any. */
	FINALS_MAX = 16,
};

/* What a sync flush ends with, and a message does not carry (RFC 7692 section 7.2.1). */
static const char tail[4] = { 0x00, 0x00, (char)0xff, (char)0xff };

struct ws_deflater {
	z_stream z;
	unsigned bits;
	int level;
	bool no_takeover;
	bool begun;
};

struct ws_inflater {
	z_stream z;
	unsigned bits;
	bool no_takeover;
	bool begun;
};

static void set_input(z_stream *z, struct str s)
{
	/* zlib does not write there; its type says so only with ZLIB_CONST. */
	z->next_in = (Bytef *)(uintptr_t)s.p;
	z->avail_in = (uInt)s.n;
}

/* ---- deflate ---- */

struct ws_deflater *ws_deflater_new(unsigned bits, bool no_takeover, int level)
{
	struct ws_deflater *deflater = mem_calloc(1, sizeof(*deflater));

	assert(bits >= WS_BITS_MIN && bits <= WS_BITS_MAX && level >= 1 && level <= 9);
	deflater->bits = bits;
	deflater->level = level;
	deflater->no_takeover = no_takeover;
	return deflater;
}

static void end_deflate(struct ws_deflater *deflater)
{
	if (deflater->begun) {
		(void)deflateEnd(&deflater->z);
		deflater->begun = false;
	}
}

void ws_deflater_free(struct ws_deflater *deflater)
{
	if (deflater != NULL) {
		end_deflate(deflater);
		free(deflater);
	}
}

static void begin_deflate(struct ws_deflater *deflater)
{
	/* zlib's own ratio: level 8 of memory goes with a window of 15 bits. */
	int memory = (int)deflater->bits - 7, rc;

	if (deflater->begun) {
		return;
	}
	deflater->z = (z_stream){ .zalloc = Z_NULL };
	rc = deflateInit2(&deflater->z, deflater->level, Z_DEFLATED, -(int)deflater->bits, memory,
	                  Z_DEFAULT_STRATEGY);
	if (rc != Z_OK) {
		abort(); /* out of memory, as in base/mem.h */
	}
	deflater->begun = true;
}

static void deflate_all(z_stream *z, struct str message, struct buf *out)
{
	set_input(z, message);
	do {
		char chunk[CHUNK];

		z->next_out = (Bytef *)chunk;
		z->avail_out = CHUNK;
		(void)deflate(z, Z_SYNC_FLUSH);
		buf_add(out, chunk, CHUNK - z->avail_out);
	} while (z->avail_out == 0 && !buf_failed(out));
}

bool ws_deflate(struct ws_deflater *deflater, struct str message, struct buf *out)
{
	size_t before = out->len;

	assert(message.n <= UINT32_MAX && !buf_failed(out));
	if (message.n == 0) {
		buf_add(out, tail, 1); /* RFC 7692 section 7.2.3.6: zlib flushes nothing twice */
		return !buf_failed(out);
	}
	begin_deflate(deflater);
	deflate_all(&deflater->z, message, out);
	if (deflater->no_takeover || buf_failed(out)) {
		end_deflate(deflater);
	}
	if (buf_failed(out)) {
		return false;
	}
	assert(out->len - before > sizeof(tail) &&
	       memcmp(out->data + out->len - sizeof(tail), tail, sizeof(tail)) == 0);
	out->len -= sizeof(tail);
	return true;
}

/* ---- inflate ---- */

struct ws_inflater *ws_inflater_new(unsigned bits, bool no_takeover)
{
	struct ws_inflater *inflater = mem_calloc(1, sizeof(*inflater));

	assert(bits >= WS_BITS_MIN && bits <= WS_BITS_MAX);
	inflater->bits = bits;
	inflater->no_takeover = no_takeover;
	return inflater;
}

static void end_inflate(struct ws_inflater *inflater)
{
	if (inflater->begun) {
		(void)inflateEnd(&inflater->z);
		inflater->begun = false;
	}
}

void ws_inflater_free(struct ws_inflater *inflater)
{
	if (inflater != NULL) {
		end_inflate(inflater);
		free(inflater);
	}
}

static void begin_inflate(struct ws_inflater *inflater)
{
	if (inflater->begun) {
		return;
	}
	inflater->z = (z_stream){ .zalloc = Z_NULL };
	if (inflateInit2(&inflater->z, -(int)inflater->bits) != Z_OK) {
		abort(); /* out of memory, as in base/mem.h */
	}
	inflater->begun = true;
}

/* A block with BFINAL set ends a stream for zlib, but not for the RFC (section 7.2.3.4): what
 * follows may refer to what came before. */
static bool go_on_after_final(z_stream *z)
{
	unsigned char *window = mem_calloc(1, WINDOW_MAX);
	uInt n = 0;
	bool ok = inflateGetDictionary(z, window, &n) == Z_OK && inflateReset(z) == Z_OK &&
	          inflateSetDictionary(z, window, n) == Z_OK;

	free(window);
	return ok;
}

static unsigned inflate_all(z_stream *z, struct str in, size_t *limit, unsigned *finals,
                            struct buf *out)
{
	set_input(z, in);
	for (;;) {
		char chunk[CHUNK];
		size_t n;
		int rc;

		z->next_out = (Bytef *)chunk;
		z->avail_out = CHUNK;
		rc = inflate(z, Z_SYNC_FLUSH);
		n = CHUNK - z->avail_out;
		if (n > *limit) {
			return WS_CODE_TOO_BIG;
		}
		*limit -= n;
		buf_add(out, chunk, n);
		if (rc == Z_STREAM_END) {
			if (++*finals > FINALS_MAX || !go_on_after_final(z)) {
				return WS_CODE_INVALID;
			}
		} else if (rc != Z_OK && rc != Z_BUF_ERROR) {
			return WS_CODE_INVALID;
		} else if (z->avail_out > 0) {
			return z->avail_in == 0 ? 0 : WS_CODE_INVALID;
		}
	}
}

unsigned ws_inflate(struct ws_inflater *inflater, struct str payload, bool text, size_t limit,
                    struct buf *out)
{
	size_t before = out->len;
	unsigned code, finals = 0;

	assert(payload.n <= UINT32_MAX && limit <= out->cap - out->len && !buf_failed(out));
	begin_inflate(inflater);
	code = inflate_all(&inflater->z, payload, &limit, &finals, out);
	/* A message ends where a stored block's length would begin: zlib's PPP calls that a sync
	 * point. Anywhere else it was cut, and would take the tail for its own. */
	if (code == 0 && inflateSyncPoint(&inflater->z) != 1) {
		code = WS_CODE_INVALID;
	}
	if (code == 0) {
		code = inflate_all(&inflater->z, str_make(tail, sizeof(tail)), &limit, &finals,
		                   out);
	}
	if (code == 0 && text && out->len > before &&
	    !str_is_utf8(str_make(out->data + before, out->len - before))) {
		code = WS_CODE_INVALID;
	}
	if (inflater->no_takeover || code != 0) {
		end_inflate(inflater);
	}
	return code;
}
