#include "worker/lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void lines_init(struct lines *lines, uint64_t flush_ms)
{
	memset(lines, 0, sizeof(*lines));
	lines->flush_ms = flush_ms;
}

void lines_fini(struct lines *lines)
{
	free(lines->text);
	lines->text = NULL;
}

static void drop_taken(struct lines *lines)
{
	if (lines->taken) {
		lines->taken = false;
		lines->len = 0;
	}
}

static void give(struct lines *lines, enum lines_kind kind, struct lines_record *ret)
{
	*ret = (struct lines_record){ .text = { lines->text, lines->len },
		                      .kind = kind,
		                      .continues = lines->continues };
	lines->continues = kind == LINES_PART;
	lines->taken = true;
}

static void decode(struct lines *lines, unsigned char c)
{
	/* PostgreSQL and JSON readers refuse NUL: it goes the way of bytes that are no text. */
	lines->queued = utf8_push(&lines->utf8, c != '\0' ? c : 0xff, lines->queue);
}

static size_t queued_character(const struct lines *lines)
{
	size_t n = 1;

	while (n < lines->queued && ((unsigned char)lines->queue[n] & 0xc0) == 0x80) {
		n++;
	}
	return n;
}

static void unqueue(struct lines *lines, size_t n)
{
	lines->queued -= n;
	memmove(lines->queue, lines->queue + n, lines->queued);
}

/* The next character begins a new state of the line: true if the old one is to be seen. */
static bool rewrite(struct lines *lines, uint64_t now_ms, struct lines_record *ret)
{
	bool see = lines->len > 0 && !lines->shown && now_ms - lines->shown_ms >= lines->flush_ms;

	if (!lines->rewritten && lines->len == 0) {
		lines->shown_ms = now_ms; /* a line that begins with a carriage return */
	}
	lines->returned = false;
	lines->rewritten = true;
	if (see) {
		give(lines, LINES_PROGRESS, ret);
		lines->shown_ms = now_ms;
	} else {
		lines->len = 0;
	}
	lines->shown = false;
	lines->continues = false;
	return see;
}

static void end_line(struct lines *lines, struct lines_record *ret)
{
	give(lines, LINES_WHOLE, ret);
	lines->shown = lines->returned = lines->rewritten = false;
}

static void add(struct lines *lines, size_t n, uint64_t now_ms)
{
	if (lines->len == 0 && !lines->rewritten) {
		lines->shown_ms = now_ms;
	}
	if (lines->text == NULL) {
		lines->text = mem_calloc(1, LINES_TEXT_MAX);
	}
	memcpy(lines->text + lines->len, lines->queue, n);
	lines->len += n;
	lines->shown = false;
}

/* Look at one queued character; true: a record is out. It may be out before the character was used.
 */
static bool step(struct lines *lines, uint64_t now_ms, struct lines_record *ret)
{
	size_t n = queued_character(lines);
	char c = lines->queue[0];

	if (c == '\n') {
		unqueue(lines, n);
		end_line(lines, ret);
		return true;
	}
	if (c == '\r') {
		unqueue(lines, n);
		lines->returned = true;
		return false;
	}
	if (lines->returned) {
		return rewrite(lines, now_ms, ret);
	}
	if (lines->len + n > LINES_TEXT_MAX) {
		give(lines, LINES_PART, ret);
		return true;
	}
	add(lines, n, now_ms);
	unqueue(lines, n);
	return false;
}

bool lines_take(struct lines *lines, struct str *in, uint64_t now_ms, struct lines_record *ret)
{
	drop_taken(lines);
	for (;;) {
		if (lines->queued > 0) {
			if (step(lines, now_ms, ret)) {
				return true;
			}
		} else if (in->n > 0) {
			decode(lines, (unsigned char)in->p[0]);
			in->p++;
			in->n--;
		} else {
			if (lines->len == 0) { /* a command may say nothing more for hours */
				lines_fini(lines);
			}
			return false;
		}
	}
}

uint64_t lines_due(const struct lines *lines)
{
	return lines->len > 0 && !lines->taken && !lines->shown ? lines->shown_ms + lines->flush_ms
	                                                        : 0;
}

bool lines_flush(struct lines *lines, uint64_t now_ms, struct lines_record *ret)
{
	uint64_t due = lines_due(lines);

	drop_taken(lines);
	if (lines->len == 0 || lines->shown || now_ms < due) {
		return false;
	}
	if (lines->rewritten || lines->returned) {
		give(lines, LINES_PROGRESS, ret);
		lines->taken = false; /* it is still what the line says, and may be its end */
		lines->shown = true;
		lines->continues = false;
	} else {
		give(lines, LINES_PART, ret);
	}
	lines->shown_ms = now_ms;
	return true;
}

bool lines_finish(struct lines *lines, struct lines_record *ret)
{
	struct str nothing = { NULL, 0 };

	drop_taken(lines);
	if (lines->queued == 0) {
		lines->queued = utf8_finish(&lines->utf8, lines->queue);
	}
	if (lines_take(lines, &nothing, lines->shown_ms, ret)) {
		return true;
	}
	if (lines->len == 0) {
		return false;
	}
	end_line(lines, ret);
	return true;
}
