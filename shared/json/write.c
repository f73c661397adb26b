#include "json/write.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void jsonw_init(struct jsonw *w, struct buf *out)
{
	*w = (struct jsonw){ .out = out };
	w->first[0] = true;
}

/* The letter after the backslash of a short escape (RFC 8259 section 7), or NUL. */
static char short_escape(unsigned char c)
{
	switch (c) {
	case '"': return '"';
	case '\\': return '\\';
	case '\b': return 'b';
	case '\f': return 'f';
	case '\n': return 'n';
	case '\r': return 'r';
	case '\t': return 't';
	default: return '\0';
	}
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* One character that is not plain; returns how many bytes of s it was. */
static size_t add_special(struct buf *out, struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	char letter = short_escape(c);
	size_t n;

	if (letter != '\0') {
		buf_add_char(out, '\\');
		buf_add_char(out, letter);
		return 1;
	}
	if (c < 0x20) {
		buf_addf(out, "\\u%04x", c);
		return 1;
	}
	n = str_utf8_step(s);
	if (n == 0) {
		buf_add_cstr(out, replacement);
		return 1;
	}
	buf_add(out, s.p, n);
	return n;
}

#define EACH(byte) (UINT64_MAX / 255 * (byte))

/* Eight bytes that are plain, each; the usual case of long texts. */
static bool is_plain_word(const char *p)
{
	uint64_t word, quote, slash;

	memcpy(&word, p, sizeof(word));
	quote = word ^ EACH('"');
	slash = word ^ EACH('\\');
	return ((word | (word - EACH(0x20)) | (quote - EACH(1)) | (slash - EACH(1))) &
	        EACH(0x80)) == 0;
}

static void add_string(struct buf *out, struct str s)
{
	size_t plain = 0;

	buf_add_char(out, '"');
	for (size_t i = 0; i < s.n;) {
		if (s.n - i >= sizeof(uint64_t) && is_plain_word(s.p + i)) {
			plain += sizeof(uint64_t);
			i += sizeof(uint64_t);
			continue;
		}
		if (is_plain((unsigned char)s.p[i])) {
			plain++;
			i++;
			continue;
		}
		buf_add(out, s.p + i - plain, plain);
		plain = 0;
		i += add_special(out, str_make(s.p + i, s.n - i));
	}
	if (plain > 0) {
		buf_add(out, s.p + s.n - plain, plain);
	}
	buf_add_char(out, '"');
}

static void add_key(struct jsonw *w, struct str name)
{
	add_string(w->out, name);
	buf_add_char(w->out, ':');
}

static void separate(struct jsonw *w)
{
	if (!w->first[w->depth]) {
		buf_add_char(w->out, ',');
	}
	w->first[w->depth] = false;
}

static void begin(struct jsonw *w, const char *name)
{
	separate(w);
	if (name != NULL) {
		add_key(w, str_of(name));
	}
}

static void open_level(struct jsonw *w, const char *name, char bracket)
{
	begin(w, name);
	buf_add_char(w->out, bracket);
	w->depth++;
	assert(w->depth < JSONW_DEPTH);
	w->first[w->depth] = true;
}

static void close_level(struct jsonw *w, char bracket)
{
	assert(w->depth > 0);
	w->depth--;
	buf_add_char(w->out, bracket);
}

void jsonw_object(struct jsonw *w, const char *name)
{
	open_level(w, name, '{');
}

void jsonw_array(struct jsonw *w, const char *name)
{
	open_level(w, name, '[');
}

void jsonw_end_object(struct jsonw *w)
{
	close_level(w, '}');
}

void jsonw_end_array(struct jsonw *w)
{
	close_level(w, ']');
}

void jsonw_str(struct jsonw *w, const char *name, struct str v)
{
	begin(w, name);
	add_string(w->out, v);
}

void jsonw_cstr(struct jsonw *w, const char *name, const char *v)
{
	jsonw_str(w, name, str_of(v));
}

void jsonw_u64(struct jsonw *w, const char *name, uint64_t v)
{
	begin(w, name);
	buf_add_u64(w->out, v);
}

void jsonw_i64(struct jsonw *w, const char *name, int64_t v)
{
	begin(w, name);
	buf_addf(w->out, "%" PRId64, v);
}

void jsonw_bool(struct jsonw *w, const char *name, bool v)
{
	begin(w, name);
	buf_add_cstr(w->out, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w, const char *name)
{
	begin(w, name);
	buf_add_cstr(w->out, "null");
}

void jsonw_time(struct jsonw *w, const char *name, int64_t wall_us)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format(wall_us, text);
	jsonw_cstr(w, name, text);
}

void jsonw_raw(struct jsonw *w, const char *name, struct str json)
{
	begin(w, name);
	buf_add_str(w->out, json);
}

void jsonw_member(struct jsonw *w, struct str name, struct str v)
{
	separate(w);
	add_key(w, name);
	add_string(w->out, v);
}
