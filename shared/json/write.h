/*
 * Streaming JSON output into a struct buf: no tree is built.  Commas are the writer's
 * business; nesting is at most JSON_DEPTH.  Strings must be UTF-8: bytes that are not are
 * replaced by U+FFFD, so the output is always valid JSON (RFC 8259).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum { JSONW_DEPTH = 32 };

struct jsonw {
	struct buf *out;
	unsigned depth;
	bool first[JSONW_DEPTH];
};

void jsonw_init(struct jsonw *w, struct buf *out);

/* name is NULL inside arrays and at the top. */
void jsonw_object(struct jsonw *w, const char *name);
void jsonw_array(struct jsonw *w, const char *name);
void jsonw_end_object(struct jsonw *w);
void jsonw_end_array(struct jsonw *w);
void jsonw_str(struct jsonw *w, const char *name, struct str v);
void jsonw_cstr(struct jsonw *w, const char *name, const char *v);
void jsonw_u64(struct jsonw *w, const char *name, uint64_t v);
void jsonw_i64(struct jsonw *w, const char *name, int64_t v);
void jsonw_bool(struct jsonw *w, const char *name, bool v);
void jsonw_null(struct jsonw *w, const char *name);
void jsonw_time(struct jsonw *w, const char *name, int64_t wall_us); /* RFC 3339 */
void jsonw_raw(struct jsonw *w, const char *name, struct str json);  /* already valid JSON */
/* A member whose name is data (labels). */
void jsonw_member(struct jsonw *w, struct str name, struct str v);
