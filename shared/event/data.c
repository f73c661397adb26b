/*
 * The gate for an event's data: a JSON validator (RFC 8259) without a tree, bounded in depth,
 * that also looks at the names on the top level.  What passes here is spliced into the JSON
 * of every reader, so it has to be right.
 */
#include <string.h>

#include "event/event.h"

struct scan {
	const char *p, *end;
	unsigned depth;
	struct str level;
};

static bool value(struct scan *s);

/* Bytes below 0x20 are refused everywhere, so a line break can only be an escape. */
static void skip_space(struct scan *s)
{
	while (s->p < s->end && *s->p == ' ') {
		s->p++;
	}
}

static bool take(struct scan *s, char c)
{
	if (s->p < s->end && *s->p == c) {
		s->p++;
		return true;
	}
	return false;
}

static bool hex4(struct scan *s, unsigned *ret)
{
	unsigned v = 0;

	if (s->end - s->p < 4) {
		return false;
	}
	for (int i = 0; i < 4; i++) {
		char c = *s->p++;

		if (c >= '0' && c <= '9') {
			v = v * 16 + (unsigned)(c - '0');
		} else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
			v = v * 16 + (unsigned)((c | 32) - 'a') + 10;
		} else {
			return false;
		}
	}
	*ret = v;
	return true;
}

static bool escape(struct scan *s)
{
	unsigned v, low;

	if (s->p >= s->end) {
		return false;
	}
	if (*s->p != 'u') {
		return strchr("\"\\/bfnrt", *s->p++) != NULL;
	}
	s->p++;
	if (!hex4(s, &v) || v == 0 || (v >= 0xdc00 && v <= 0xdfff)) {
		return false;
	}
	if (v < 0xd800 || v > 0xdbff) {
		return true;
	}
	return take(s, '\\') && take(s, 'u') && hex4(s, &low) && low >= 0xdc00 && low <= 0xdfff;
}

/* *ret: between the quotes, as written. */
static bool string(struct scan *s, struct str *ret)
{
	const char *start;

	if (!take(s, '"')) {
		return false;
	}
	start = s->p;
	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p++;

		if (c == '"') {
			*ret = str_make(start, (size_t)(s->p - 1 - start));
			return true;
		}
		if (c == '\\' && !escape(s)) {
			return false;
		}
	}
	return false;
}

static bool digits(struct scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
		s->p++;
	}
	return s->p > start;
}

static bool number(struct scan *s)
{
	(void)take(s, '-');
	if (!take(s, '0') && !digits(s)) {
		return false;
	}
	if (take(s, '.') && !digits(s)) {
		return false;
	}
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+')) {
			(void)take(s, '-');
		}
		return digits(s);
	}
	return true;
}

static bool word(struct scan *s, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n) != 0) {
		return false;
	}
	s->p += n;
	return true;
}

static bool array(struct scan *s)
{
	skip_space(s);
	if (take(s, ']')) {
		return true;
	}
	do {
		if (!value(s)) {
			return false;
		}
	} while (take(s, ','));
	return take(s, ']');
}

static bool name_ok(struct str name)
{
	static const char *const taken[] = { "type", "ts",     "sessionId", "seq",
		                             "id",   "covers", "ahead" };

	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		if (str_eq(name, str_of(taken[i]))) {
			return false;
		}
	}
	return name.n == 0 || memchr(name.p, '\\', name.n) == NULL;
}

static void see_level(struct scan *s, struct str name)
{
	struct scan look = *s;
	struct str v;

	skip_space(&look);
	if (!str_eq(name, STR_LIT("level")) || !string(&look, &v) || v.n > EVENT_LEVEL_MAX) {
		return;
	}
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < 'a' || v.p[i] > 'z') {
			return;
		}
	}
	s->level = v;
}

static bool member(struct scan *s)
{
	struct str name;

	skip_space(s);
	if (!string(s, &name)) {
		return false;
	}
	skip_space(s);
	if (!take(s, ':') || (s->depth == 1 && !name_ok(name))) {
		return false;
	}
	if (s->depth == 1) {
		see_level(s, name);
	}
	return value(s);
}

static bool object(struct scan *s)
{
	skip_space(s);
	if (take(s, '}')) {
		return true;
	}
	do {
		if (!member(s)) {
			return false;
		}
	} while (take(s, ','));
	return take(s, '}');
}

/* A value and the space around it. */
static bool value(struct scan *s)
{
	struct str ignored;
	bool ok;

	skip_space(s);
	if (s->p >= s->end || s->depth >= EVENT_DEPTH_MAX) {
		return false;
	}
	switch (*s->p) {
	case '{':
	case '[':
		s->depth++;
		ok = *s->p++ == '{' ? object(s) : array(s);
		s->depth--;
		break;
	case '"': ok = string(s, &ignored); break;
	case 't': ok = word(s, "true"); break;
	case 'f': ok = word(s, "false"); break;
	case 'n': ok = word(s, "null"); break;
	default: ok = number(s); break;
	}
	skip_space(s);
	return ok;
}

bool event_data_ok(struct str data, struct str *ret_level)
{
	struct scan s = { .p = data.p, .end = data.p + data.n, .level = { "", 0 } };

	if (data.n < 2 || data.n > EVENT_DATA_MAX || data.p[0] != '{' || !str_is_utf8(data)) {
		return false;
	}
	for (size_t i = 0; i < data.n; i++) {
		if ((unsigned char)data.p[i] < 0x20) {
			return false;
		}
	}
	if (!value(&s) || s.p != s.end) {
		return false;
	}
	*ret_level = s.level;
	return true;
}
