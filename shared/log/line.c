#include "log/line.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

/* Kept back for what closes a line: quote, `,"cut":true`, brace, newline. */
enum { LINE_RESERVE = 32, LINE_VALUE_MAX = 2048, LINE_NUMBER_MAX = 512 };

/* ---- bytes ---- */

static bool put(struct log_line *line, const char *p, size_t n)
{
	if (line->cut || n > LOG_LINE_MAX - LINE_RESERVE - line->len) {
		line->cut = true;
		return false;
	}
	memcpy(line->text + line->len, p, n);
	line->len += n;
	return true;
}

static void put_cstr(struct log_line *line, const char *s)
{
	(void)put(line, s, strlen(s));
}

/* Past the point where a line may be cut: uses the reserve. */
static void close_with(struct log_line *line, const char *s)
{
	size_t n = strlen(s);

	memcpy(line->text + line->len, s, n);
	line->len += n;
}

/* Length of the well-formed UTF-8 character at p, 0 if there is none. */
static size_t character(const char *p, size_t n)
{
	for (size_t len = 1; len <= 4 && len <= n; len++) {
		if (str_is_utf8(str_make(p, len))) {
			return len;
		}
	}
	return 0;
}

/* C1 controls act on terminals, U+2028 and U+2029 end lines in some viewers, U+202A to U+202E and
 * U+2066 to U+2069 reorder what is shown. */
static unsigned hidden(const char *p, size_t len)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned code = 0;

	if (len == 2) {
		code = (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
		return code <= 0x9f ? code : 0;
	}
	if (len == 3) {
		code = (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
		return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)
		               ? code
		               : 0;
	}
	return 0;
}

static bool put_code(struct log_line *line, unsigned code)
{
	char escape[sizeof("\\uffff")];

	(void)snprintf(escape, sizeof(escape), "\\u%04x", code & 0xffffu);
	return put(line, escape, 6);
}

/* A JSON string's escapes (RFC 8259 section 7); logfmt readers know them too. */
static bool put_ascii(struct log_line *line, char c)
{
	switch (c) {
	case '"': return put(line, "\\\"", 2);
	case '\\': return put(line, "\\\\", 2);
	case '\n': return put(line, "\\n", 2);
	case '\r': return put(line, "\\r", 2);
	case '\t': return put(line, "\\t", 2);
	default: break;
	}
	return (unsigned char)c < 0x20 || c == 0x7f ? put_code(line, (unsigned char)c)
	                                            : put(line, &c, 1);
}

static void put_escaped(struct log_line *line, struct str s)
{
	bool fits = true;

	for (size_t i = 0; fits && i < s.n;) {
		size_t len = character(s.p + i, s.n - i);
		unsigned code = hidden(s.p + i, len);

		if (len == 0) {
			fits = put_code(line, 0xfffd);
			len = 1;
		} else if (len == 1) {
			fits = put_ascii(line, s.p[i]);
		} else if (code != 0) {
			fits = put_code(line, code);
		} else {
			fits = put(line, s.p + i, len);
		}
		i += len;
	}
}

/* ---- fields ---- */

static bool plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
			return false;
		}
	}
	return s.n > 0;
}

static void put_key(struct log_line *line, struct str key)
{
	if (line->format == LOG_FORMAT_JSON) {
		put_cstr(line, line->empty ? "\"" : ",\"");
		put_escaped(line, key);
		put_cstr(line, "\":");
	} else {
		put_cstr(line, line->empty ? "" : " ");
		(void)put(line, key.p, key.n);
		put_cstr(line, "=");
	}
}

/* The line as it was, if the key and the first bytes of a value do not fit. */
static bool begin_field(struct log_line *line, struct str key)
{
	size_t before = line->len;

	if (line->cut) {
		return false;
	}
	put_key(line, key);
	if (line->cut || line->len + LINE_RESERVE + 8 > LOG_LINE_MAX) {
		line->len = before;
		line->cut = true;
		return false;
	}
	line->empty = false;
	return true;
}

void log_line_field(struct log_line *line, struct str key, struct str value)
{
	if (!begin_field(line, key)) {
		return;
	}
	if (line->format == LOG_FORMAT_LOGFMT && plain(value)) {
		size_t room = LOG_LINE_MAX - LINE_RESERVE - line->len;

		(void)put(line, value.p, value.n < room ? value.n : room);
		line->cut = value.n > room;
		return;
	}
	put_cstr(line, "\"");
	put_escaped(line, value);
	close_with(line, "\"");
}

static void raw_field(struct log_line *line, struct str key, struct str value)
{
	size_t before = line->len;

	if (begin_field(line, key) && !put(line, value.p, value.n)) {
		line->len = before; /* half a number is a lie */
	}
}

void log_line_number(struct log_line *line, struct str key, uint64_t value)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, value);

	raw_field(line, key, str_make(digits, (size_t)n));
}

static bool is_own_key(struct str key)
{
	static const char *const own[] = { "ts", "level", "program", "event", "msg", "cut" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (str_eq(key, str_of(own[i]))) {
			return true;
		}
	}
	return false;
}

static bool key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.';
}

/* Length of "key=" at s, without the '='; 0 if s does not begin with one. */
static size_t key_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && key_byte(s.p[n])) {
		n++;
	}
	return n < s.n && s.p[n] == '=' ? n : 0;
}

void log_line_context(struct log_line *line, struct str context)
{
	while (context.n > 0) {
		struct str token = str_split(&context, ' ');
		size_t n = key_length(token);
		struct str key = str_make(token.p, n);
		struct str value = n > 0 ? str_make(token.p + n + 1, token.n - n - 1) : token;
		char prefixed[64];

		if (token.n == 0) {
			continue;
		}
		if (n == 0) {
			key = STR_LIT("context");
		} else if (is_own_key(key)) {
			(void)snprintf(prefixed, sizeof(prefixed), "context_%" STR_FMT,
			               STR_ARG(key));
			key = str_of(prefixed);
		}
		log_line_field(line, key, value);
	}
}

/* ---- formats ---- */

enum length { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_MAX };

/* So that LENGTH_MAX also takes what 'z' and 't' announce. */
_Static_assert(sizeof(size_t) == sizeof(uintmax_t), "an intmax_t is as long as a size_t");
_Static_assert(sizeof(ptrdiff_t) == sizeof(intmax_t), "an intmax_t is as long as a ptrdiff_t");

struct spec {
	enum length length;
	bool zero;
	int width;
	int precision; /* -1: none */
	char conversion;
};

/* Arguments are taken one by one; a va_list can be handed down only inside a struct. */
struct args {
	va_list ap;
};

static int read_count(const char **at, struct args *args)
{
	int count = 0;

	if (**at == '*') {
		(*at)++;
		return va_arg(args->ap, int);
	}
	for (; **at >= '0' && **at <= '9' && count < LINE_NUMBER_MAX; (*at)++) {
		count = count * 10 + (**at - '0');
	}
	return count;
}

static enum length read_length(const char **at)
{
	switch (**at) {
	case 'l':
		(*at)++;
		if (**at == 'l') {
			(*at)++;
			return LENGTH_LONG_LONG;
		}
		return LENGTH_LONG;
	case 'j':
	case 'z':
	case 't': (*at)++; return LENGTH_MAX;
	case 'h': /* promoted to int when passed */
		while (**at == 'h') {
			(*at)++;
		}
		return LENGTH_INT;
	default: return LENGTH_INT;
	}
}

/* *at is behind the '%'. */
static struct spec read_spec(const char **at, struct args *args)
{
	struct spec spec = { .precision = -1 };

	while (**at == '0') {
		spec.zero = true;
		(*at)++;
	}
	spec.width = read_count(at, args);
	if (**at == '.') {
		(*at)++;
		spec.precision = read_count(at, args);
	}
	spec.length = read_length(at);
	spec.conversion = **at;
	if (**at != '\0') {
		(*at)++;
	}
	return spec;
}

static intmax_t take_signed(const struct spec *spec, struct args *args)
{
	switch (spec->length) {
	case LENGTH_LONG: return va_arg(args->ap, long);
	case LENGTH_LONG_LONG: return va_arg(args->ap, long long);
	case LENGTH_MAX: return va_arg(args->ap, intmax_t);
	case LENGTH_INT: break;
	}
	return va_arg(args->ap, int);
}

static uintmax_t take_unsigned(const struct spec *spec, struct args *args)
{
	switch (spec->length) {
	case LENGTH_LONG: return va_arg(args->ap, unsigned long);
	case LENGTH_LONG_LONG: return va_arg(args->ap, unsigned long long);
	case LENGTH_MAX: return va_arg(args->ap, uintmax_t);
	case LENGTH_INT: break;
	}
	return va_arg(args->ap, unsigned);
}

static void add_text(struct buf *value, const struct spec *spec, struct args *args)
{
	const char *s = va_arg(args->ap, const char *);
	size_t most = LINE_VALUE_MAX;

	if (spec->precision >= 0 && (size_t)spec->precision < most) {
		most = (size_t)spec->precision;
	}
	if (s == NULL) {
		buf_add_cstr(value, most > 0 ? "(null)" : "");
		return;
	}
	buf_add(value, s, strnlen(s, most));
}

static bool add_conversion(struct buf *value, const struct spec *spec, struct args *args)
{
	int width = spec->width < LINE_NUMBER_MAX ? spec->width : 0;

	switch (spec->conversion) {
	case 'd':
	case 'i':
		buf_addf(value, spec->zero ? "%0*jd" : "%*jd", width, take_signed(spec, args));
		return true;
	case 'u':
		buf_addf(value, spec->zero ? "%0*ju" : "%*ju", width, take_unsigned(spec, args));
		return true;
	case 'x':
		buf_addf(value, spec->zero ? "%0*jx" : "%*jx", width, take_unsigned(spec, args));
		return true;
	case 'f':
		buf_addf(value, "%*.*f", width, spec->precision < 0 ? 6 : spec->precision,
		         va_arg(args->ap, double));
		return true;
	case 'c': buf_add_char(value, (char)va_arg(args->ap, int)); return true;
	case 's': add_text(value, spec, args); return true;
	case '%': buf_add_char(value, '%'); return true;
	default: return false;
	}
}

/* One value of the format, up to `stop` or the end. *ret_number: it is one plain decimal. */
static bool read_value(const char **at, char stop, struct args *args, struct buf *value,
                       bool *ret_number)
{
	size_t literals = 0;
	size_t conversions = 0;
	bool decimal = false;

	while (**at != '\0' && **at != stop) {
		if (**at != '%') {
			buf_add_char(value, *(*at)++);
			literals++;
			continue;
		}
		(*at)++;
		struct spec spec = read_spec(at, args);

		if (!add_conversion(value, &spec, args)) {
			return false;
		}
		conversions++;
		decimal = !spec.zero && spec.width == 0 &&
		          (spec.conversion == 'd' || spec.conversion == 'i' ||
		           spec.conversion == 'u');
	}
	*ret_number = literals == 0 && conversions == 1 && decimal;
	return true;
}

static bool format_field(struct log_line *line, const char **at, struct args *args,
                         struct buf *value)
{
	size_t n = key_length(str_of(*at));
	struct str key = n > 0 ? str_make(*at, n) : STR_LIT("msg");
	char stop = n > 0 ? ' ' : '\0';
	bool number = false;

	*at += n > 0 ? n + 1 : 0;
	if (n > 0 && **at == '"') {
		(*at)++;
		stop = '"';
	}
	buf_reset(value);
	if (!read_value(at, stop, args, value, &number)) {
		return false;
	}
	if (stop == '"' && **at == '"') {
		(*at)++;
	}
	if (number) {
		raw_field(line, key, buf_str(value));
	} else {
		log_line_field(line, key, buf_str(value));
	}
	if (buf_failed(value)) {
		line->cut = true;
	}
	return true;
}

void log_line_format(struct log_line *line, const char *fmt, va_list ap)
{
	struct args args;
	struct buf value;
	const char *at = fmt;

	buf_init(&value, LOG_LINE_MAX);
	va_copy(args.ap, ap);
	while (*at != '\0') {
		if (*at == ' ') {
			at++;
		} else if (!format_field(line, &at, &args, &value)) {
			log_line_field(line, STR_LIT("bad_format"), str_of(fmt));
			break;
		}
	}
	va_end(args.ap);
	buf_fini(&value);
}

/* ---- the line ---- */

void log_line_begin(struct log_line *line, enum log_format format)
{
	line->format = format;
	line->len = 0;
	line->cut = false;
	line->empty = true;
	if (format == LOG_FORMAT_JSON) {
		put_cstr(line, "{");
	}
}

void log_line_end(struct log_line *line)
{
	if (line->format == LOG_FORMAT_JSON) {
		close_with(line, line->cut ? ",\"cut\":true}\n" : "}\n");
	} else {
		close_with(line, line->cut ? " cut=true\n" : "\n");
	}
}
