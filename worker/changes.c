#include "worker/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { HEADER_MAX = 160, MODE_SUBMODULE = 0160000 };

enum blob_part { BLOB_HEADER, BLOB_BODY, BLOB_END };

/* The blob that is being read: its first and its last bytes. */
struct excerpt {
	char first[CHANGE_LARGE_BYTES];
	char last[CHANGE_LARGE_BYTES]; /* a ring, written at bytes % size */
	uint64_t bytes, feeds;
	char end; /* the last byte */
};

struct changes_private {
	struct arena *arena;
	size_t size;
	struct change_side **wanted; /* in the order of the request */
	size_t wanted_count, at;
	enum blob_part part;
	char header[HEADER_MAX];
	size_t header_len;
	uint64_t left; /* of the body */
	struct excerpt excerpt;
};

struct changes *changes_new(void)
{
	struct changes *changes = mem_calloc(1, sizeof(*changes));

	changes->private = mem_calloc(1, sizeof(*changes->private));
	changes->private->arena = arena_new();
	return changes;
}

void changes_free(struct changes *changes)
{
	if (changes != NULL) {
		arena_free(changes->private->arena);
		free(changes->private->wanted);
		free(changes->private);
		free(changes->list);
		free(changes);
	}
}

static struct str keep_text(struct changes *changes, struct str s)
{
	struct buf clean;
	struct str kept;

	buf_init(&clean, s.n * 3 + 1);
	utf8_clean(s, &clean);
	kept = arena_str(changes->private->arena, buf_str(&clean));
	buf_fini(&clean);
	return kept;
}

/* ---- the list ---- */

static bool parse_mode(struct str s, unsigned *ret)
{
	unsigned mode = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '7') {
			return false;
		}
		mode = mode << 3 | (unsigned)(s.p[i] - '0');
	}
	*ret = mode;
	return s.n == 6;
}

static bool parse_oid(struct str s, char out[CHANGE_OID_MAX + 1])
{
	bool zero = true;

	for (size_t i = 0; i < s.n; i++) {
		if (strchr("0123456789abcdef", s.p[i]) == NULL || s.p[i] == '\0') {
			return false;
		}
		zero = zero && s.p[i] == '0';
	}
	return (s.n == 40 || s.n == 64) &&
	       str_copy(out, CHANGE_OID_MAX + 1, zero ? STR_LIT("") : s);
}

static bool parse_status(struct str s, enum change_status *ret)
{
	static const char letters[] = { [CHANGE_ADDED] = 'A',
		                        [CHANGE_MODIFIED] = 'M',
		                        [CHANGE_DELETED] = 'D',
		                        [CHANGE_TYPE_CHANGED] = 'T' };
	const char *at = s.n == 1 ? memchr(letters, s.p[0], sizeof(letters)) : NULL;

	if (at == NULL) {
		return false;
	}
	*ret = (enum change_status)(at - letters);
	return true;
}

/* ":100644 100644 <oid> <oid> M" */
static bool parse_raw(struct str record, struct change *ret)
{
	record.p++;
	record.n--;
	return parse_mode(str_split(&record, ' '), &ret->before.mode) &&
	       parse_mode(str_split(&record, ' '), &ret->after.mode) &&
	       parse_oid(str_split(&record, ' '), ret->before.oid) &&
	       parse_oid(str_split(&record, ' '), ret->after.oid) &&
	       parse_status(record, &ret->status);
}

static void add(struct changes *changes, const struct change *change)
{
	struct changes_private *p = changes->private;

	changes->total++;
	if (changes->count == CHANGES_FILES_MAX) {
		return;
	}
	if (changes->count == p->size) {
		p->size = p->size == 0 ? 16 : p->size * 2;
		changes->list = mem_realloc(changes->list, p->size * sizeof(*changes->list));
	}
	changes->list[changes->count++] = *change;
}

/* "12\t3\tpath", or "-\t-\tpath" for a binary file. The lists have one order; *at walks along the
 * first. */
static bool parse_counts(struct changes *changes, struct str record, size_t *at)
{
	struct str added = str_split(&record, '\t'), removed = str_split(&record, '\t');
	bool binary = str_eq(added, STR_LIT("-")) && str_eq(removed, STR_LIT("-"));
	uint64_t plus = 0, minus = 0;
	struct str path;

	if (record.n == 0) {
		return false;
	}
	if (!binary &&
	    (!parse_u64(added, UINT64_MAX, &plus) || !parse_u64(removed, UINT64_MAX, &minus))) {
		return false;
	}
	path = keep_text(changes, record);
	for (size_t i = *at; i < changes->count; i++) {
		struct change *change = &changes->list[i];

		if (str_eq(change->path, path)) {
			change->binary = binary;
			change->lines_added = plus;
			change->lines_removed = minus;
			*at = i + 1;
			break;
		}
	}
	return true;
}

static bool parse_record(struct changes *changes, struct str record, struct str *rest, size_t *at)
{
	struct change change = { .status = CHANGE_MODIFIED };
	struct str path;

	if (record.n == 0 || record.p[0] != ':') {
		return parse_counts(changes, record, at);
	}
	if (!parse_raw(record, &change)) {
		return false;
	}
	path = str_split(rest, '\0');
	if (path.n == 0 || rest->p == NULL) {
		return changes->cut; /* the end of what was read */
	}
	change.path = keep_text(changes, path);
	add(changes, &change);
	return true;
}

enum err_code changes_parse(struct changes *changes, struct str diff, bool cut, struct err *err)
{
	size_t at = 0;

	changes->cut = cut;
	while (diff.n > 0) {
		struct str record = str_split(&diff, '\0');

		if (diff.p == NULL && cut) {
			break; /* half a record */
		}
		if (diff.p == NULL || !parse_record(changes, record, &diff, &at)) {
			return err_set(err, ERR_BACKEND, "git's list of changes cannot be read");
		}
	}
	return ERR_OK;
}

/* ---- the text ---- */

static bool has_blob(const struct change_side *side)
{
	return side->oid[0] != '\0' && side->mode != MODE_SUBMODULE;
}

static void want(struct changes *changes, struct change_side *side, struct buf *out)
{
	struct changes_private *p = changes->private;

	if (!has_blob(side)) {
		side->known = side->oid[0] == '\0'; /* nothing: known to be empty */
		return;
	}
	p->wanted[p->wanted_count++] = side;
	buf_add_cstr(out, side->oid);
	buf_add_char(out, '\n');
}

void changes_wanted(struct changes *changes, struct buf *out)
{
	struct changes_private *p = changes->private;

	p->wanted = mem_calloc(changes->count * 2 + 1, sizeof(struct change_side *));
	for (size_t i = 0; i < changes->count; i++) {
		struct change *change = &changes->list[i];

		if (!change->binary) {
			want(changes, &change->before, out);
			want(changes, &change->after, out);
		}
	}
}

static struct str first_lines(struct str s, size_t lines)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && --lines == 0) {
			return str_make(s.p, i + 1);
		}
	}
	return s;
}

static struct str last_lines(struct str s, size_t lines)
{
	size_t i = s.n > 0 ? s.n - 1 : 0; /* the feed that ends the last line begins none */

	while (i > 0) {
		if (s.p[i - 1] == '\n' && --lines == 0) {
			break;
		}
		i--;
	}
	return str_make(s.p + i, s.n - i);
}

static void excerpt_add(struct excerpt *e, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];

		if (e->bytes < CHANGE_LARGE_BYTES) {
			e->first[e->bytes] = c;
		}
		e->last[e->bytes % CHANGE_LARGE_BYTES] = c;
		e->bytes++;
		e->feeds += c == '\n';
		e->end = c;
	}
}

/* What the ring holds, in order: the blob is longer than it. */
static struct str unroll(struct excerpt *e, char out[CHANGE_LARGE_BYTES])
{
	size_t at = (size_t)(e->bytes % CHANGE_LARGE_BYTES);

	memcpy(out, e->last + at, CHANGE_LARGE_BYTES - at);
	memcpy(out + (CHANGE_LARGE_BYTES - at), e->last, at);
	return str_make(out, CHANGE_LARGE_BYTES);
}

static void end_blob(struct changes *changes)
{
	struct changes_private *p = changes->private;
	struct change_side *side = p->wanted[p->at++];
	struct excerpt *e = &p->excerpt;

	side->known = true;
	side->bytes = e->bytes;
	side->lines = e->feeds + (e->bytes > 0 && e->end != '\n');
	if (e->bytes <= CHANGE_LARGE_BYTES) {
		side->text = keep_text(changes, str_make(e->first, (size_t)e->bytes));
	} else {
		char *ring = mem_calloc(1, CHANGE_LARGE_BYTES);
		struct str first = str_make(e->first, CHANGE_LARGE_BYTES);

		side->head = keep_text(changes, first_lines(first, CHANGE_HEAD_LINES));
		side->tail = keep_text(changes, last_lines(unroll(e, ring), CHANGE_TAIL_LINES));
		free(ring);
	}
	e->bytes = e->feeds = 0;
}

static bool side_is_large(const struct change_side *side)
{
	return side->bytes > CHANGE_LARGE_BYTES || side->lines > CHANGE_LARGE_LINES;
}

static void shorten(struct change_side *side)
{
	if (side->bytes <= CHANGE_LARGE_BYTES) {
		side->head = first_lines(side->text, CHANGE_HEAD_LINES);
		side->tail = last_lines(side->text, CHANGE_TAIL_LINES);
		side->text = (struct str){ NULL, 0 };
	}
}

/* A change is complete with its second side. */
static void complete(struct change *change)
{
	if (change->has_text || change->binary || !change->before.known || !change->after.known) {
		return;
	}
	change->has_text = true;
	change->large = side_is_large(&change->before) || side_is_large(&change->after);
	if (change->large) {
		shorten(&change->before);
		shorten(&change->after);
	}
}

static void complete_all(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		complete(&changes->list[i]);
	}
}

/* "<oid> blob <size>", or "<oid> missing": that side stays unknown. */
static bool begin_blob(struct changes_private *p)
{
	struct str rest = str_make(p->header, p->header_len);
	struct str oid = str_split(&rest, ' '), type = str_split(&rest, ' ');

	p->header_len = 0;
	if (!str_eq(oid, str_of(p->wanted[p->at]->oid))) {
		return false;
	}
	if (str_eq(type, STR_LIT("missing"))) {
		p->at++;
		return true;
	}
	p->part = BLOB_BODY;
	return str_eq(type, STR_LIT("blob")) && parse_u64(rest, UINT64_MAX, &p->left);
}

static bool feed_header(struct changes_private *p, struct str *in)
{
	char c = in->p[0];

	in->p++;
	in->n--;
	if (c == '\n') {
		return begin_blob(p);
	}
	if (p->header_len == sizeof(p->header)) {
		return false;
	}
	p->header[p->header_len++] = c;
	return true;
}

static void feed_body(struct changes_private *p, struct str *in)
{
	size_t n = p->left < in->n ? (size_t)p->left : in->n;

	excerpt_add(&p->excerpt, str_make(in->p, n));
	p->left -= n;
	in->p += n;
	in->n -= n;
	if (p->left == 0) {
		p->part = BLOB_END;
	}
}

static bool feed_end(struct changes *changes, struct str *in)
{
	bool right = in->p[0] == '\n';

	in->p++;
	in->n--;
	changes->private->part = BLOB_HEADER;
	end_blob(changes);
	return right;
}

bool changes_feed(void *arg, struct str in)
{
	struct changes *changes = arg;
	struct changes_private *p = changes->private;
	bool more = true;

	while (more && in.n > 0 && p->at < p->wanted_count) {
		switch (p->part) {
		case BLOB_HEADER: more = feed_header(p, &in); break;
		case BLOB_BODY: feed_body(p, &in); break;
		case BLOB_END:
			more = feed_end(changes, &in) && arena_used(p->arena) < CHANGES_TEXT_MAX;
			break;
		}
		if (p->part == BLOB_BODY && p->left == 0) {
			p->part = BLOB_END; /* an empty blob */
		}
	}
	complete_all(changes);
	return more && p->at < p->wanted_count;
}
