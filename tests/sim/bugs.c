#include "tests/sim/bugs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name, *script, *from, *to;
} bugs[BUG_COUNT] = {
#define X(id, name, script, from, to) [BUG_##id] = { name, script, from, to },
#include "tests/sim/bug.def"
#undef X
};

const char *bug_name(enum bug bug)
{
	return bugs[bug].name;
}

enum bug bug_of(const char *name)
{
	for (unsigned i = BUG_NONE + 1; i < BUG_COUNT; i++) {
		if (strcmp(bugs[i].name, name) == 0) {
			return (enum bug)i;
		}
	}
	return BUG_COUNT;
}

char *bug_plant(enum bug bug, const char *script, struct str text, size_t *ret_len)
{
	const char *at;
	size_t before, from, to;
	char *planted;

	if (bug == BUG_NONE || strcmp(bugs[bug].script, script) != 0) {
		return NULL;
	}
	at = strstr(text.p, bugs[bug].from);
	if (at == NULL) {
		(void)fprintf(stderr, "%s: %s.lua does not say so any more\n", bugs[bug].name,
		              script);
		abort();
	}
	before = (size_t)(at - text.p);
	from = strlen(bugs[bug].from);
	to = strlen(bugs[bug].to);
	*ret_len = text.n - from + to;
	planted = mem_calloc(1, *ret_len + 1);
	memcpy(planted, text.p, before);
	memcpy(planted + before, bugs[bug].to, to);
	memcpy(planted + before + to, at + from, text.n - before - from);
	return planted;
}
