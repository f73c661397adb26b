#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *p, size_t size)
{
	if (p == NULL) {
		(void)fprintf(stderr, "out of memory: %zu bytes\n", size);
		abort();
	}
	return p;
}

void *mem_calloc(size_t count, size_t size)
{
	return or_abort(calloc(count > 0 ? count : 1, size > 0 ? size : 1), count * size);
}

void *mem_realloc(void *old, size_t size)
{
	return or_abort(realloc(old, size > 0 ? size : 1), size);
}

char *mem_strdup(const char *s)
{
	return or_abort(strdup(s), strlen(s));
}

char *mem_strndup(struct str s)
{
	char *copy = mem_calloc(s.n + 1, 1);

	if (s.n > 0) {
		memcpy(copy, s.p, s.n);
	}
	return copy;
}

void mem_cleanup(char **p)
{
	free(*p);
}
