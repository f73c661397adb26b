/*
 * Owned, growing bytes with a cap and a sticky error.
 *
 * Append, append, append, check once: after the cap is hit every append is a no-op
 * and buf_failed() is true.  The cap is set before anything a peer sends is stored.
 * Out of memory below the cap aborts (style A.7).
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct buf {
	char *data; /* always has room for a NUL after len, once anything was appended */
	size_t len;
	size_t size;
	size_t cap; /* len never exceeds it */
	bool failed;
};

void buf_init(struct buf *buf, size_t cap);
void buf_fini(struct buf *buf);  /* frees; buf is empty and usable again */
void buf_reset(struct buf *buf); /* length 0, error cleared, memory kept */

void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_add_str(struct buf *buf, struct str s);
void buf_add_cstr(struct buf *buf, const char *s);
void buf_add_char(struct buf *buf, char c);
void buf_add_u64(struct buf *buf, uint64_t v);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *buf, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Room for n more bytes, to be filled by the caller and claimed by buf_commit(). NULL past the cap.
 */
char *buf_reserve(struct buf *buf, size_t n);
void buf_commit(struct buf *buf, size_t n);

/* Drop n bytes from the front. */
void buf_drop(struct buf *buf, size_t n);

/* Give the memory away (the caller frees it); buf is empty. NUL-terminated, never NULL. */
char *buf_take(struct buf *buf);

static inline bool buf_failed(const struct buf *buf)
{
	return buf->failed;
}

static inline struct str buf_str(const struct buf *buf)
{
	return (struct str){ buf->data, buf->len };
}

/* NUL-terminated view, "" when nothing was appended. */
static inline const char *buf_cstr(const struct buf *buf)
{
	return buf->data != NULL ? buf->data : "";
}
