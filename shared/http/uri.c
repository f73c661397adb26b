#include "http/uri.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape at s, or -1. */
static int escape_value(struct str s)
{
	int high, low;

	if (s.n < 3) {
		return -1;
	}
	high = hex_value(s.p[1]);
	low = hex_value(s.p[2]);
	return high < 0 || low < 0 || high + low == 0 ? -1 : high << 4 | low;
}

static bool is_plain(struct str s, enum http_uri_part part)
{
	return s.n == 0 || (memchr(s.p, '%', s.n) == NULL &&
	                    (part == HTTP_URI_SEGMENT || memchr(s.p, '+', s.n) == NULL));
}

bool http_uri_decode(struct arena *arena, struct str s, enum http_uri_part part, struct str *ret)
{
	char *out;
	size_t n = 0;

	if (is_plain(s, part)) {
		*ret = s;
		return true;
	}
	out = arena_take(arena, s.n + 1);
	for (size_t i = 0; i < s.n; i++) {
		int value = (unsigned char)s.p[i];

		if (value == '%') {
			value = escape_value(str_make(s.p + i, s.n - i));
			i += 2;
		} else if (value == '+' && part == HTTP_URI_QUERY) {
			value = ' ';
		}
		if (value < 0) {
			return false;
		}
		out[n++] = (char)value;
	}
	*ret = str_make(out, n);
	return true;
}

bool http_uri_is_dots(struct str segment)
{
	size_t dots = 0;

	for (size_t i = 0; i < segment.n; i++) {
		if (segment.p[i] == '%' &&
		    escape_value(str_make(segment.p + i, segment.n - i)) == '.') {
			i += 2;
		} else if (segment.p[i] != '.') {
			return false;
		}
		dots++;
	}
	return dots == 1 || dots == 2;
}
