/*
 * One stream.  Every byte goes through the automaton of literals and values, and through the
 * attempts to complete a shape whose literal was found.  Bytes are kept, each with its owner if it
 * is part of a secret, from the earliest that may still become part of one; what is before goes
 * out.
 */
#include "worker/redact.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/redact_pattern.h"
#include "worker/redact_words.h"

enum {
	TRIES_MAX = 16,
	HELD_ROOM = 64,
	OWNER_NONE = 0,
	OWNER_PATTERN = 1,
	OWNER_VALUE = 2, /* and those above: which */
	NOWHERE = -1,
};

struct
try {
	const struct redact_pattern *pattern;
	uint32_t piece, count, dashes;
	uint64_t begin, body; /* where its literal is, and ends */
	int64_t secret;       /* where the secret begins, or NOWHERE yet */
	uint64_t owned;       /* up to here it is known to be one */
	bool sure;
};

struct redact_stream {
	const struct redact *redact;
	uint32_t node;
	uint64_t base, at; /* of the first byte that is held, and of the next that comes */
	char *bytes;
	uint16_t *owners;
	size_t start, room;              /* of both */
	uint64_t value_begin, value_end; /* of the last value that was found */
	struct try tries[TRIES_MAX];
	unsigned try_count;
	unsigned char before[2]; /* the last bytes */
	bool marked;             /* what went out last was a mark */
	bool brief;
};

/* ---- what is held ---- */

static size_t index_of(const struct redact_stream *s, uint64_t at)
{
	return s->start + (size_t)(at - s->base);
}

static void make_room(struct redact_stream *s)
{
	size_t n = (size_t)(s->at - s->base);
	char *bytes = s->bytes;
	uint16_t *owners = s->owners;

	if (s->start < n || s->room == 0) {
		s->room = s->room == 0 ? HELD_ROOM : s->room * 2;
		bytes = mem_calloc(s->room, 1);
		owners = mem_calloc(s->room, sizeof(*owners));
	}
	if (n > 0) {
		memmove(bytes, s->bytes + s->start, n);
		memmove(owners, s->owners + s->start, n * sizeof(*owners));
	}
	if (bytes != s->bytes) {
		if (s->bytes != NULL) {
			explicit_bzero(s->bytes, s->start + n);
		}
		free(s->bytes);
		free(s->owners);
		s->bytes = bytes;
		s->owners = owners;
	}
	s->start = 0;
}

static void hold(struct redact_stream *s, char byte)
{
	size_t i;

	if (s->at == s->base) {
		s->start = 0;
	}
	if (index_of(s, s->at) == s->room) {
		make_room(s);
	}
	i = index_of(s, s->at);
	s->bytes[i] = byte;
	s->owners[i] = OWNER_NONE;
	s->at++;
}

/* What has gone out already cannot be called back. A value's name is worth more than a shape. */
static void own(struct redact_stream *s, uint64_t from, uint64_t to, uint16_t owner)
{
	for (uint64_t at = from > s->base ? from : s->base; at < to; at++) {
		uint16_t *of = &s->owners[index_of(s, at)];

		*of = owner > OWNER_PATTERN || *of == OWNER_NONE ? owner : *of;
	}
}

/* As above; what is known to be part of a value is not told again. */
static void own_value(struct redact_stream *s, uint64_t from, uint16_t value)
{
	uint64_t begin = from;

	if (from >= s->value_begin && from < s->value_end) {
		from = s->value_end;
	} else {
		s->value_begin = begin;
	}
	own(s, from, s->at, (uint16_t)(OWNER_VALUE + value));
	s->value_end = s->at;
}

static void add_mark(struct redact_stream *s, uint64_t at, struct buf *out)
{
	uint16_t owner = s->owners[index_of(s, at)];

	while (owner == OWNER_PATTERN && at + 1 < s->at &&
	       s->owners[index_of(s, at + 1)] != OWNER_NONE) {
		owner = s->owners[index_of(s, ++at)];
	}
	if (s->brief) {
		buf_add_char(out, '*');
	} else if (owner >= OWNER_VALUE) {
		buf_addf(out, "[REDACTED:%s]", s->redact->names[owner - OWNER_VALUE]);
	} else {
		buf_add_cstr(out, "[REDACTED]");
	}
}

/* Everything before `to` is decided. */
static void give(struct redact_stream *s, uint64_t to, struct buf *out)
{
	for (uint64_t at = s->base; at < to; at++) {
		size_t i = index_of(s, at);

		s->before[0] = s->before[1];
		s->before[1] = (unsigned char)s->bytes[i];
		if (s->owners[i] == OWNER_NONE) {
			buf_add_char(out, s->bytes[i]);
			s->marked = false;
		} else if (!s->marked) {
			add_mark(s, at, out);
			s->marked = true;
		}
	}
	s->start = index_of(s, to);
	s->base = to;
}

/* ---- shapes ---- */

static void next_piece(struct try *t, uint64_t begins)
{
	t->piece++;
	t->count = 0;
	if (t->pattern->from == t->piece) {
		t->secret = (int64_t)begins;
	}
}

enum taken { TAKEN, NOT_TAKEN, NEVER };

static enum taken take_set(struct try *t, const struct redact_piece *piece, unsigned char c)
{
	if (t->count < piece->max && redact_in(piece->set, c)) {
		t->count++;
		t->sure = t->sure || (piece->sure && t->count >= piece->min);
		return TAKEN;
	}
	return t->count >= piece->min ? NOT_TAKEN : NEVER;
}

static enum taken take_text(struct try *t, const struct redact_piece *piece, unsigned char c,
                            uint64_t at)
{
	if ((unsigned char)piece->text[t->count] != c) {
		return NEVER;
	}
	if (piece->text[++t->count] == '\0') {
		t->sure = t->sure || piece->sure;
		next_piece(t, at + 1);
	}
	return TAKEN;
}

static enum taken take_dashes(struct try *t, const struct redact_piece *piece, unsigned char c,
                              uint64_t at)
{
	enum { DASHES = 5 };

	if (t->count == piece->max || !redact_in(piece->set, c)) {
		return NEVER;
	}
	t->count++;
	t->dashes = c == '-' ? t->dashes + 1 : 0;
	if (t->dashes == DASHES) {
		next_piece(t, at + 1);
	}
	return TAKEN;
}

/* A byte at `at`. False: this attempt is over. */
static bool try_byte(struct try *t, unsigned char c, uint64_t at)
{
	for (;;) {
		const struct redact_piece *piece = &t->pattern->pieces[t->piece];
		enum taken taken = NEVER;

		switch (piece->kind) {
		case REDACT_END: return false;
		case REDACT_SET: taken = take_set(t, piece, c); break;
		case REDACT_TEXT: taken = take_text(t, piece, c, at); break;
		case REDACT_DASHES: taken = take_dashes(t, piece, c, at); break;
		}
		if (taken != NOT_TAKEN) {
			return taken == TAKEN;
		}
		next_piece(t, at);
	}
}

static void drop_try(struct redact_stream *s, unsigned i)
{
	s->try_count--;
	memmove(&s->tries[i], &s->tries[i + 1], (s->try_count - i) * sizeof(s->tries[0]));
}

static void go_on(struct redact_stream *s, unsigned char c)
{
	uint64_t at = s->at - 1;

	for (unsigned i = 0; i < s->try_count;) {
		struct try *t = &s->tries[i];
		bool going = try_byte(t, c, at);

		if (going && t->sure) {
			uint64_t from =
				(uint64_t)t->secret > t->owned ? (uint64_t)t->secret : t->owned;

			t->owned = t->pattern->up_to ? at : at + 1;
			own(s, from, t->owned, OWNER_PATTERN);
		}
		if (going && t->pattern->pieces[t->piece].kind != REDACT_END) {
			i++;
		} else {
			drop_try(s, i);
		}
	}
}

/* Whether a word goes on into the literal: "task-" is no "sk-", but "\nsk-" of a text in a text is.
 */
static bool goes_on(const struct redact_stream *s, uint64_t begin)
{
	unsigned char last = s->before[1], other = s->before[0];

	if (begin > s->base) {
		last = (unsigned char)s->bytes[index_of(s, begin - 1)];
		other = begin - 1 > s->base ? (unsigned char)s->bytes[index_of(s, begin - 2)]
		                            : s->before[1];
	}
	return last >= 'a' && last <= 'z' && other != '\\';
}

static void begin_try(struct redact_stream *s, const struct redact_pattern *pattern)
{
	uint64_t begin = s->at - strlen(pattern->literal);
	struct try *t;

	if (pattern->alone && begin >= s->base && goes_on(s, begin)) {
		return;
	}
	if (s->try_count == TRIES_MAX) {
		drop_try(s, s->tries[0].sure ? 1 : 0);
	}
	t = &s->tries[s->try_count++];
	*t = (struct try){ .pattern = pattern,
		           .begin = begin,
		           .body = s->at,
		           .secret =
		                   pattern->from == REDACT_FROM_BEGIN ? (int64_t)begin : NOWHERE };
	t->sure = pattern->pieces[0].sure && pattern->pieces[0].min == 0;
	if (t->sure) {
		own(s, begin, s->at, OWNER_PATTERN);
	}
}

/* ---- all of it ---- */

static void look_at_words(struct redact_stream *s)
{
	const struct redact *r = s->redact;
	const struct redact_node *node = &r->nodes[s->node];
	uint32_t found =
		node->pattern != REDACT_NONE || node->value != REDACT_NONE ? s->node : node->found;

	for (; found != 0; found = node->found) {
		node = &r->nodes[found];
		if (node->value != REDACT_NONE) {
			own_value(s, s->at - node->depth, node->value);
		}
		if (node->pattern != REDACT_NONE) {
			begin_try(s, &redact_patterns[node->pattern]);
		}
	}
}

/* Before this nothing can become part of a secret any more. */
static uint64_t decided(const struct redact_stream *s)
{
	uint64_t to = s->at - s->redact->nodes[s->node].depth;

	for (unsigned i = 0; i < s->try_count; i++) {
		const struct try *t = &s->tries[i];

		if (!t->sure && t->begin < to) {
			to = t->begin;
		}
	}
	return to > s->base ? to : s->base;
}

/* Nothing is open and nothing is held: as far as no word begins that goes on. */
static size_t skip(struct redact_stream *s, struct str bytes, struct buf *out)
{
	size_t n = 0;

	while (n < bytes.n && !redact_begins(s->redact, bytes.p + n, bytes.n - n)) {
		n++;
	}
	if (n > 0) {
		buf_add(out, bytes.p, n);
		s->before[0] = n > 1 ? (unsigned char)bytes.p[n - 2] : s->before[1];
		s->before[1] = (unsigned char)bytes.p[n - 1];
		s->base += n;
		s->at += n;
		s->marked = false;
	}
	return n;
}

void redact_feed(struct redact_stream *s, struct str bytes, struct buf *out)
{
	size_t i = 0;

	while (i < bytes.n) {
		unsigned char c;
		uint64_t to;

		if (s->node == REDACT_ROOT && s->try_count == 0 && s->at == s->base) {
			i += skip(s, str_make(bytes.p + i, bytes.n - i), out);
			if (i == bytes.n) {
				break;
			}
		}
		c = (unsigned char)bytes.p[i++];
		hold(s, (char)c);
		go_on(s, c);
		s->node = redact_step(s->redact, s->node, c);
		look_at_words(s);
		to = decided(s);
		if (to > s->base) {
			give(s, to, out);
		}
	}
}

/* The text stands still in the middle of a shape. */
static void own_part_of_shape(struct redact_stream *s, const struct try *t)
{
	uint64_t from = t->pattern->from == REDACT_FROM_BEGIN ? t->body : (uint64_t)t->secret;
	bool digits = true;

	if (t->sure || t->secret == NOWHERE || s->at < from + REDACT_PART_MIN) {
		return;
	}
	for (uint64_t i = from > s->base ? from : s->base; i < s->at; i++) {
		digits = digits && s->bytes[index_of(s, i)] >= '0' &&
		         s->bytes[index_of(s, i)] <= '9';
	}
	/* http://host:8080 is no password */
	if (!t->pattern->up_to || !digits) {
		own(s, from, s->at, OWNER_PATTERN);
	}
}

static void own_parts(struct redact_stream *s)
{
	const struct redact_node *nodes = s->redact->nodes;

	for (uint32_t at = s->node; at != REDACT_ROOT; at = nodes[at].fail) {
		if (nodes[at].part_of != REDACT_NONE && nodes[at].depth >= REDACT_PART_MIN) {
			own(s, s->at - nodes[at].depth, s->at,
			    (uint16_t)(OWNER_VALUE + nodes[at].part_of));
			break;
		}
	}
	for (unsigned i = 0; i < s->try_count; i++) {
		own_part_of_shape(s, &s->tries[i]);
	}
}

void redact_flush(struct redact_stream *s, struct buf *out)
{
	if (s->at > s->base) {
		own_parts(s);
		give(s, s->at, out);
	}
}

void redact_end(struct redact_stream *s, struct buf *out)
{
	if (s->at > s->base) {
		give(s, s->at, out);
	}
	s->node = REDACT_ROOT;
	s->try_count = 0;
	s->base = s->at = s->value_begin = s->value_end = 0;
	s->marked = false;
	memset(s->before, 0, sizeof(s->before));
}

size_t redact_held(const struct redact_stream *s)
{
	return (size_t)(s->at - s->base);
}

bool redact_is_open(const struct redact_stream *s)
{
	return s->node != REDACT_ROOT || s->try_count > 0;
}

void redact_be_brief(struct redact_stream *s)
{
	s->brief = true;
}

/* ---- life ---- */

struct redact_stream *redact_stream_new(const struct redact *redact)
{
	struct redact_stream *s = mem_calloc(1, sizeof(*s));

	s->redact = redact;
	return s;
}

void redact_stream_free(struct redact_stream *s)
{
	if (s == NULL) {
		return;
	}
	if (s->bytes != NULL) {
		explicit_bzero(s->bytes, s->room);
	}
	free(s->bytes);
	free(s->owners);
	free(s);
}
