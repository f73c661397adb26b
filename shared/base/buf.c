#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BUF_FIRST = 256 };

void buf_init(struct buf *buf, size_t cap)
{
	*buf = (struct buf){ .cap = cap };
}

void buf_fini(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ .cap = buf->cap };
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->data != NULL) {
		buf->data[0] = '\0';
	}
}

char *buf_reserve(struct buf *buf, size_t n)
{
	size_t want;

	if (buf->failed || n > buf->cap - buf->len) {
		buf->failed = true;
		return NULL;
	}
	want = buf->len + n + 1;
	if (want > buf->size) {
		size_t grown = buf->size < BUF_FIRST ? BUF_FIRST : buf->size * 2;

		if (grown > buf->cap + 1) {
			grown = buf->cap + 1;
		}
		buf->size = grown < want ? want : grown;
		buf->data = mem_realloc(buf->data, buf->size);
		buf->data[buf->len] = '\0'; /* also when nothing is committed */
	}
	return buf->data + buf->len;
}

void buf_commit(struct buf *buf, size_t n)
{
	assert(buf->len + n < buf->size);
	buf->len += n;
	buf->data[buf->len] = '\0';
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
	char *room = buf_reserve(buf, n);

	if (room != NULL) {
		if (n > 0) {
			memcpy(room, bytes, n);
		}
		buf_commit(buf, n);
	}
}

void buf_add_str(struct buf *buf, struct str s)
{
	buf_add(buf, s.p, s.n);
}

void buf_add_cstr(struct buf *buf, const char *s)
{
	buf_add(buf, s, strlen(s));
}

void buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_add_u64(struct buf *buf, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_vaddf(struct buf *buf, const char *fmt, va_list ap)
{
	va_list again;
	char *room;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	room = buf_reserve(buf, (size_t)n);
	if (room != NULL) {
		(void)vsnprintf(room, (size_t)n + 1, fmt, ap);
		buf_commit(buf, (size_t)n);
	}
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(buf, fmt, ap);
	va_end(ap);
}

void buf_drop(struct buf *buf, size_t n)
{
	assert(n <= buf->len);
	if (n > 0) {
		memmove(buf->data, buf->data + n, buf->len - n + 1);
		buf->len -= n;
	}
}

char *buf_take(struct buf *buf)
{
	char *data = buf->data != NULL ? buf->data : mem_calloc(1, 1);

	*buf = (struct buf){ .cap = buf->cap };
	return data;
}
