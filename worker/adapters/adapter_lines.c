#include "worker/adapters/adapter_lines.h"

#include <string.h>

#include "worker/adapters/adapter.h"

enum { KEPT = 1024 }; /* memory that is kept between lines */

void adapter_lines_init(struct adapter_lines *lines)
{
	*lines = (struct adapter_lines){ .taken = false };
	buf_init(&lines->rest, ADAPTER_LINE_MAX);
}

void adapter_lines_fini(struct adapter_lines *lines)
{
	buf_fini(&lines->rest);
}

static void forget(struct adapter_lines *lines)
{
	lines->taken = false;
	if (lines->rest.size > KEPT) {
		buf_fini(&lines->rest);
		buf_init(&lines->rest, ADAPTER_LINE_MAX);
	} else {
		buf_reset(&lines->rest);
	}
}

static struct str without_return(struct str line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\r') {
		line.n--;
	}
	return line;
}

/* A line that ends with this piece: one that came at once is not copied. */
static enum adapter_line end_line(struct adapter_lines *lines, struct str piece, struct str *ret)
{
	if (lines->dropping) {
		lines->dropping = false;
		return ADAPTER_LINE_TOO_LONG;
	}
	if (lines->rest.len == 0) {
		*ret = without_return(piece);
		return piece.n <= ADAPTER_LINE_MAX ? ADAPTER_LINE_WHOLE : ADAPTER_LINE_TOO_LONG;
	}
	buf_add_str(&lines->rest, piece);
	lines->taken = true;
	*ret = without_return(buf_str(&lines->rest));
	return buf_failed(&lines->rest) ? ADAPTER_LINE_TOO_LONG : ADAPTER_LINE_WHOLE;
}

enum adapter_line adapter_lines_take(struct adapter_lines *lines, struct str *in, struct str *ret)
{
	enum adapter_line kind = ADAPTER_LINE_NONE;
	const char *end;

	if (lines->taken) {
		forget(lines);
	}
	while (in->n > 0 && (end = memchr(in->p, '\n', in->n)) != NULL) {
		struct str piece = str_make(in->p, (size_t)(end - in->p));

		*in = str_make(end + 1, in->n - piece.n - 1);
		kind = end_line(lines, piece, ret);
		if (kind == ADAPTER_LINE_TOO_LONG || ret->n > 0) {
			return kind;
		}
		forget(lines);
	}
	if (in->n > 0 && !lines->dropping) {
		buf_add_str(&lines->rest, *in);
		if (buf_failed(&lines->rest)) {
			forget(lines);
			lines->dropping = true;
		}
	}
	*in = str_make(NULL, 0);
	return ADAPTER_LINE_NONE;
}

bool adapter_lines_finish(struct adapter_lines *lines, struct str *ret)
{
	if (lines->taken) {
		forget(lines);
	}
	*ret = without_return(buf_str(&lines->rest));
	lines->taken = true;
	return ret->n > 0;
}
