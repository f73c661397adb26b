#include "base/str.h"

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n) {
		return false;
	}
	for (size_t i = 0; i < a.n; i++) {
		if (lower(a.p[i]) != lower(b.p[i])) {
			return false;
		}
	}
	return true;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_make(s.p, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	if (suffix.n == 0) {
		return true; /* NULL has no offsets, not even 0 */
	}
	return s.n >= suffix.n && str_eq(str_make(s.p + (s.n - suffix.n), suffix.n), suffix);
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
		s.n--;
	}
	return s;
}

struct str str_split(struct str *rest, char separator)
{
	const char *at = rest->n > 0 ? memchr(rest->p, separator, rest->n) : NULL;
	struct str head = *rest;

	if (at == NULL) {
		*rest = (struct str){ NULL, 0 };
		return head;
	}
	head.n = (size_t)(at - rest->p);
	rest->p = at + 1;
	rest->n -= head.n + 1;
	return head;
}

bool str_copy(char *out, size_t size, struct str s)
{
	if (s.n >= size) {
		out[0] = '\0';
		return false;
	}
	if (s.n > 0) {
		memcpy(out, s.p, s.n);
	}
	out[s.n] = '\0';
	return true;
}

/* The length of the sequence that starts with this byte, 0 if none does. */
static size_t utf8_length(unsigned char c)
{
	if (c < 0x80) {
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf) {
		return 2;
	}
	if (c >= 0xe0 && c <= 0xef) {
		return 3;
	}
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* RFC 3629 section 4: the second byte has a narrower range after E0, ED, F0 and F4. */
static bool utf8_second_ok(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0: return second >= 0xa0 && second <= 0xbf;
	case 0xed: return second >= 0x80 && second <= 0x9f;
	case 0xf0: return second >= 0x90 && second <= 0xbf;
	case 0xf4: return second >= 0x80 && second <= 0x8f;
	default: return second >= 0x80 && second <= 0xbf;
	}
}

size_t str_utf8_step(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len = s.n > 0 ? utf8_length(p[0]) : 0;

	if (len > s.n || (len > 1 && !utf8_second_ok(p[0], p[1]))) {
		return 0;
	}
	for (size_t k = 2; k < len; k++) {
		if ((p[k] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return len;
}

bool str_is_utf8(struct str s)
{
	while (s.n > 0) {
		size_t len = str_utf8_step(s);

		if (len == 0) {
			return false;
		}
		s.p += len;
		s.n -= len;
	}
	return true;
}

bool parse_u64(struct str s, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.n == 0 || s.n > 20) {
		return false;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(s.p[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value)) {
			return false;
		}
	}
	if (value > max) {
		return false;
	}
	*ret = value;
	return true;
}

bool parse_i64(struct str s, int64_t *ret)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	uint64_t magnitude;

	if (negative) {
		s.p++;
		s.n--;
	}
	if (!parse_u64(s, (uint64_t)INT64_MAX + negative, &magnitude)) {
		return false;
	}
	/* INT64_MIN has no positive counterpart, so negate before the conversion. */
	*ret = (int64_t)(negative ? 0 - magnitude : magnitude);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool parse_hex_u64(struct str s, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.n == 0 || s.n > 16) {
		return false;
	}
	for (size_t i = 0; i < s.n; i++) {
		int digit = hex_digit(s.p[i]);

		if (digit < 0) {
			return false;
		}
		value = value << 4 | (uint64_t)digit;
	}
	*ret = value;
	return true;
}
