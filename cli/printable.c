#include "cli/printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

enum { ESC = 0x1b, DEL = 0x7f, C1_LEAD = 0xc2, C1_LAST = 0x9f, COLOUR_MAX = 64 };

#define REPLACEMENT "\xef\xbf\xbd"

static bool is_control(struct str text)
{
	unsigned char c = (unsigned char)text.p[0];

	return (c < ' ' && c != '\t' && c != '\n') || c == DEL;
}

/* Bytes of the colour sequence (SGR, ECMA-48 section 8.3.117) at the front, 0: there is none. */
static size_t colour_len(struct str text)
{
	size_t n = 2;

	if (text.n < 3 || text.p[0] != ESC || text.p[1] != '[') {
		return 0;
	}
	while (n < text.n && n < COLOUR_MAX && memchr("0123456789;:", text.p[n], 12) != NULL) {
		n++;
	}
	return n < text.n && text.p[n] == 'm' ? n + 1 : 0;
}

/* U+0080 to U+009F: terminals may take them as ESC and a letter. */
static bool is_c1(struct str text)
{
	return text.n > 1 && (unsigned char)text.p[0] == C1_LEAD &&
	       (unsigned char)text.p[1] <= C1_LAST;
}

static void add_clean(struct buf *out, struct str text)
{
	while (text.n > 0) {
		size_t colour = colour_len(text), n = colour > 0 ? colour : 1;

		if (is_c1(text)) {
			buf_add_cstr(out, REPLACEMENT);
			n = 2;
		} else if (colour == 0 && is_control(text)) {
			buf_add_cstr(out, REPLACEMENT);
		} else {
			buf_add(out, text.p, n);
		}
		text = str_make(text.p + n, text.n - n);
	}
}

void printable_add(struct buf *out, struct str text)
{
	struct buf valid;

	/* A stray byte may be a C1 control to a terminal that is not set to UTF-8. */
	buf_init(&valid, SIZE_MAX / 2);
	utf8_clean(text, &valid);
	add_clean(out, buf_str(&valid));
	buf_fini(&valid);
}
