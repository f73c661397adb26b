#include "event/fold.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	MEMBERS_MAX = 12, /* an event with more is kept whole */
	COVERS_SIZE = 2 * CURSOR_SIZE + 32,
};

/* What pieces of a text are called in the types that have them. */
static const char *const text_names[EVENT_TYPE_COUNT] = {
	[EVENT_TYPE_MESSAGE_DELTA] = "delta",
	[EVENT_TYPE_THOUGHT] = "thought",
	[EVENT_TYPE_LOG] = "message",
	[EVENT_TYPE_HOST_LOG] = "message",
};

struct member {
	struct str name, value; /* as written; the name without its quotes */
};

/* One event as it is looked at here. */
struct piece {
	bool folds;
	bool superseded; /* of kind LAST, and a later one comes before anything that is kept */
	bool partial;
	enum event_type type;
	enum event_kind kind;
	size_t text;     /* index of the member that holds it */
	struct str tool; /* of kind LAST */
	struct member members[MEMBERS_MAX];
	size_t count;
};

struct folding {
	const struct log_event *events;
	struct piece *pieces;
	size_t *offsets; /* into fold->bytes, + 1; 0: the event's own data */
	struct fold *fold;
};

/* ---- looking at data, which was checked when it was appended ---- */

static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\') {
			p++;
		}
	}
	return p < end ? p + 1 : NULL;
}

/* Through the comma or brace that ends the value on its own level, exclusive. */
static const char *skip_value(const char *p, const char *end)
{
	unsigned depth = 0;

	while (p != NULL && p < end) {
		char c = *p;

		if (depth == 0 && (c == ',' || c == '}')) {
			return p;
		}
		if (c == '"') {
			p = skip_string(p, end);
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= depth > 0 && (c == '}' || c == ']');
		p++;
	}
	return NULL;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && *p == ' ') {
		p++;
	}
	return p;
}

/* The member at p; returns what follows it, NULL when there is none. */
static const char *read_member(const char *p, const char *end, struct member *ret)
{
	const char *start = skip_space(p, end);

	if (start >= end || *start != '"' || (p = skip_string(start, end)) == NULL) {
		return NULL;
	}
	ret->name = str_make(start + 1, (size_t)(p - start) - 2);
	p = skip_space(p, end);
	if (p >= end || *p != ':') {
		return NULL;
	}
	start = skip_space(p + 1, end);
	p = skip_value(start, end);
	if (p != NULL) {
		ret->value = str_trim(str_make(start, (size_t)(p - start)));
	}
	return p;
}

static bool read_members(struct str data, struct piece *piece)
{
	const char *p = data.p, *end = data.p + data.n;

	if (data.n < 2 || *p != '{') {
		return false;
	}
	do {
		if (piece->count == MEMBERS_MAX) {
			return false;
		}
		p = read_member(p + 1, end, &piece->members[piece->count]);
		piece->count++;
	} while (p != NULL && *p == ',');
	return p != NULL;
}

static bool has_name(const struct member *member, const char *name)
{
	return str_eq(member->name, str_of(name));
}

/* The index of the only member of that name; the count when there is none, or more. */
static size_t find(const struct piece *piece, const char *name)
{
	size_t found = piece->count;

	for (size_t i = 0; i < piece->count; i++) {
		if (has_name(&piece->members[i], name)) {
			if (found < piece->count) {
				return piece->count;
			}
			found = i;
		}
	}
	return found;
}

static bool has_text(struct piece *piece, const struct log_event *event)
{
	const struct str *text;

	if (text_names[piece->type] == NULL || event->data.n > FOLD_JOINED_MAX) {
		return false;
	}
	piece->text = find(piece, text_names[piece->type]);
	if (piece->text == piece->count) {
		return false;
	}
	text = &piece->members[piece->text].value;
	return text->n >= 2 && text->p[0] == '"';
}

static void look(const struct log_event *event, struct piece *piece)
{
	size_t at;

	if (!event_type_parse(event->type, &piece->type)) {
		return;
	}
	piece->kind = event_type_info(piece->type)->kind;
	if (piece->kind == EVENT_KIND_KEEP || piece->kind == EVENT_KIND_PLAIN ||
	    !read_members(event->data, piece) || find(piece, "covers") < piece->count) {
		return;
	}
	if (piece->kind == EVENT_KIND_LAST) {
		at = find(piece, "tool_execution_id");
		piece->tool = at < piece->count ? piece->members[at].value : STR_LIT("");
		piece->folds = true;
		return;
	}
	at = find(piece, "partial");
	piece->partial = at < piece->count && str_eq(piece->members[at].value, STR_LIT("true"));
	piece->folds = has_text(piece, event);
}

/* ---- what can be joined ---- */

static bool is_key(const struct piece *piece, size_t i)
{
	return i != piece->text && !has_name(&piece->members[i], "partial");
}

/* The members beside the text say which text it is: they are the same in all of its pieces. */
static bool same_text(const struct piece *a, const struct piece *b)
{
	size_t i = 0, j = 0;

	if (a->type != b->type || a->kind == EVENT_KIND_LAST) {
		return false;
	}
	for (;; i++, j++) {
		while (i < a->count && !is_key(a, i)) {
			i++;
		}
		while (j < b->count && !is_key(b, j)) {
			j++;
		}
		if (i == a->count || j == b->count) {
			return i == a->count && j == b->count;
		}
		if (!str_eq(a->members[i].name, b->members[j].name) ||
		    !str_eq(a->members[i].value, b->members[j].value)) {
			return false;
		}
	}
}

static void find_superseded(struct folding *folding, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct piece *piece = &folding->pieces[i];

		for (size_t j = i + 1; j < to && piece->kind == EVENT_KIND_LAST; j++) {
			const struct piece *later = &folding->pieces[j];

			if (later->type == piece->type && str_eq(later->tool, piece->tool)) {
				piece->superseded = true;
				break;
			}
		}
	}
}

/* ---- joining ---- */

static void add_text(const struct folding *folding, size_t from, size_t last, struct buf *out)
{
	buf_add_char(out, '"');
	for (size_t i = from; i <= last; i++) {
		const struct piece *piece = &folding->pieces[i];
		const struct str *text = &piece->members[piece->text].value;

		if (piece->superseded) {
			continue;
		}
		buf_add(out, text->p + 1, text->n - 2);
		if (i < last && piece->kind == EVENT_KIND_LINES && !piece->partial) {
			buf_add_cstr(out, "\\n");
		}
	}
	buf_add_char(out, '"');
}

static void add_covers(const struct cursor *from, const struct cursor *to, struct buf *out)
{
	char first[CURSOR_SIZE], last[CURSOR_SIZE];

	cursor_format(from, first);
	cursor_format(to, last);
	buf_addf(out, "\"covers\":{\"from\":\"%s\",\"to\":\"%s\"}}", first, last);
}

/* Events from..last become the last one. */
static void join(struct folding *folding, size_t from, size_t last)
{
	const struct piece *piece = &folding->pieces[last];
	struct buf *out = &folding->fold->bytes;

	if (from == last) {
		return;
	}
	folding->offsets[last] = out->len + 1;
	buf_add_char(out, '{');
	for (size_t i = 0; i < piece->count; i++) {
		buf_add_char(out, '"');
		buf_add_str(out, piece->members[i].name);
		buf_add_cstr(out, "\":");
		if (i == piece->text && piece->kind != EVENT_KIND_LAST) {
			add_text(folding, from, last, out);
		} else {
			buf_add_str(out, piece->members[i].value);
		}
		buf_add_char(out, ',');
	}
	add_covers(&folding->events[from].at, &folding->events[last].at, out);
	folding->fold->events[last].data.n = out->len - (folding->offsets[last] - 1);
	for (size_t i = from; i < last; i++) {
		folding->fold->events[i].data = str_make(NULL, 0);
	}
}

/* A run of events that fold; the last of them is never superseded. */
static void fold_run(struct folding *folding, size_t from, size_t to)
{
	size_t start = from, last = to, bytes = 0; /* what is being joined: start..last */

	find_superseded(folding, from, to);
	for (size_t i = from; i < to; i++) {
		const struct piece *piece = &folding->pieces[i];

		if (piece->superseded) {
			continue;
		}
		if (last < to && (!same_text(&folding->pieces[last], piece) ||
		                  bytes + folding->events[i].data.n > FOLD_JOINED_MAX)) {
			join(folding, start, last);
			start = last + 1;
			bytes = 0;
		}
		bytes += folding->events[i].data.n;
		last = i;
	}
	join(folding, start, last);
}

void fold_events(const struct log_event *events, size_t count, struct fold *ret)
{
	struct folding folding = { .events = events, .fold = ret };
	size_t from = 0, bytes = 0;

	folding.pieces = mem_calloc(count + 1, sizeof(*folding.pieces));
	folding.offsets = mem_calloc(count + 1, sizeof(*folding.offsets));
	ret->count = count;
	ret->events = mem_calloc(count + 1, sizeof(*ret->events));
	for (size_t i = 0; i < count; i++) {
		ret->events[i] = events[i];
		bytes += events[i].data.n + COVERS_SIZE;
		look(&events[i], &folding.pieces[i]);
	}
	buf_init(&ret->bytes, bytes); /* line breaks take less than what surrounds a text */
	for (size_t i = 0; i <= count; i++) {
		if (i == count || !folding.pieces[i].folds) {
			if (from < i) {
				fold_run(&folding, from, i);
			}
			from = i + 1;
		}
	}
	assert(!buf_failed(&ret->bytes));
	for (size_t i = 0; i < count; i++) {
		if (folding.offsets[i] > 0) {
			ret->events[i].data.p = ret->bytes.data + folding.offsets[i] - 1;
		}
	}
	free(folding.pieces);
	free(folding.offsets);
}

void fold_fini(struct fold *fold)
{
	free(fold->events);
	buf_fini(&fold->bytes);
}
