#include "base/utf8.h"

#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";
enum { REPLACEMENT_LEN = sizeof(replacement) - 1 };

/* RFC 3629 section 4. */
static uint8_t length_of(unsigned char first)
{
	if (first < 0x80) {
		return 1;
	}
	if (first >= 0xc2 && first <= 0xdf) {
		return 2;
	}
	if (first >= 0xe0 && first <= 0xef) {
		return 3;
	}
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

static bool continues(const struct utf8 *utf8, unsigned char c)
{
	unsigned char low = 0x80, high = 0xbf;

	if (utf8->len == 1) {
		switch (utf8->seen[0]) {
		case 0xe0: low = 0xa0; break;
		case 0xed: high = 0x9f; break;
		case 0xf0: low = 0x90; break;
		case 0xf4: high = 0x8f; break;
		default: break;
		}
	}
	return c >= low && c <= high;
}

size_t utf8_push(struct utf8 *utf8, unsigned char c, char out[UTF8_OUT_MAX])
{
	size_t n = 0;

	if (utf8->len > 0 && !continues(utf8, c)) {
		n = utf8_finish(utf8, out);
	}
	if (utf8->len == 0) {
		utf8->need = length_of(c);
		if (utf8->need == 0) {
			memcpy(out + n, replacement, REPLACEMENT_LEN);
			return n + REPLACEMENT_LEN;
		}
	}
	utf8->seen[utf8->len++] = c;
	if (utf8->len == utf8->need) {
		memcpy(out + n, utf8->seen, utf8->need);
		n += utf8->need;
		utf8->len = 0;
	}
	return n;
}

size_t utf8_finish(struct utf8 *utf8, char out[UTF8_OUT_MAX])
{
	if (utf8->len == 0) {
		return 0;
	}
	utf8->len = 0;
	memcpy(out, replacement, REPLACEMENT_LEN);
	return REPLACEMENT_LEN;
}

bool utf8_check(struct utf8 *utf8, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (utf8->len == 0) {
			if (c < 0x80) {
				continue;
			}
			utf8->need = length_of(c);
			if (utf8->need == 0) {
				return false;
			}
		} else if (!continues(utf8, c)) {
			return false;
		}
		utf8->seen[utf8->len++] = c;
		if (utf8->len == utf8->need) {
			utf8->len = 0;
		}
	}
	return true;
}

bool utf8_is_whole(const struct utf8 *utf8)
{
	return utf8->len == 0;
}

void utf8_clean(struct str s, struct buf *buf)
{
	struct utf8 utf8 = { .len = 0 };
	char out[UTF8_OUT_MAX];

	for (size_t i = 0; i < s.n; i++) {
		buf_add(buf, out, utf8_push(&utf8, (unsigned char)s.p[i], out));
	}
	buf_add(buf, out, utf8_finish(&utf8, out));
}
