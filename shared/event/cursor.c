#include "event/cursor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* A canonical decimal: "0" or no leading zero. */
static bool parse_part(struct str s, uint64_t max, uint64_t *ret)
{
	if (s.n > 1 && s.p[0] == '0') {
		return false;
	}
	return parse_u64(s, max, ret);
}

bool cursor_parse(struct str s, struct cursor *ret)
{
	struct str rest = s;
	struct str epoch = str_split(&rest, '-');
	struct cursor c;

	if (rest.p == NULL || !parse_part(epoch, CURSOR_EPOCH_MAX, &c.epoch) ||
	    !parse_part(rest, CURSOR_N_MAX, &c.n) || (c.epoch == 0) != (c.n == 0)) {
		return false;
	}
	*ret = c;
	return true;
}

bool cursor_parse_n(struct str s, struct cursor *ret)
{
	uint64_t n;

	if (!parse_part(s, CURSOR_N_MAX, &n)) {
		return false;
	}
	*ret = (struct cursor){ .epoch = CURSOR_EPOCH_ANY, .n = n };
	return true;
}

void cursor_format(const struct cursor *cursor, char out[CURSOR_SIZE])
{
	assert(cursor->epoch <= CURSOR_EPOCH_MAX && cursor->n <= CURSOR_N_MAX);
	(void)snprintf(out, CURSOR_SIZE, "%" PRIu64 "-%" PRIu64, cursor->epoch, cursor->n);
}

int cursor_compare(const struct cursor *a, const struct cursor *b)
{
	if (a->epoch != b->epoch && a->epoch != CURSOR_EPOCH_ANY && b->epoch != CURSOR_EPOCH_ANY) {
		return a->epoch < b->epoch ? -1 : 1;
	}
	return (a->n > b->n) - (a->n < b->n);
}
