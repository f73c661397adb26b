#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A sanitizer sees better what is used after it was given back when it is really given back. */
#if defined(__SANITIZE_ADDRESS__)
#	define SPARES_MAX 0
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer)
#		define SPARES_MAX 0
#	endif
#endif
#ifndef SPARES_MAX
#	define SPARES_MAX 64
#endif

enum { ARENA_BLOCK = 4096, ARENA_ALIGN = 16 };

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(16) unsigned char bytes[];
};

struct arena {
	struct block *blocks; /* the newest first; only that one has room */
	size_t used;
};

/* Usual blocks, all zero: every request takes one or two, and a heap finds what is larger than a
 * kilobyte slowly. */
static _Thread_local struct {
	struct block *first;
	unsigned count;
} spares;

static struct block *block_new(size_t size)
{
	struct block *block = spares.first;

	if (block != NULL && size == ARENA_BLOCK) {
		spares.first = block->next;
		spares.count--;
		return block;
	}
	block = mem_calloc(1, sizeof(*block) + size);
	block->size = size;
	return block;
}

static void block_free(struct block *block)
{
	if (block->size != ARENA_BLOCK || spares.count + 1 > SPARES_MAX) {
		free(block);
		return;
	}
	memset(block->bytes, 0, block->used);
	block->used = 0;
	block->next = spares.first;
	spares.first = block;
	spares.count++;
}

struct arena *arena_new(void)
{
	return mem_calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	struct block *block, *next;

	if (arena == NULL) {
		return;
	}
	for (block = arena->blocks; block != NULL; block = next) {
		next = block->next;
		block_free(block);
	}
	free(arena);
}

void *arena_take(struct arena *arena, size_t size)
{
	size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	struct block *block = arena->blocks;
	void *p;

	assert(size <= PTRDIFF_MAX);
	if (block == NULL || block->size - block->used < rounded) {
		block = block_new(rounded > ARENA_BLOCK ? rounded : ARENA_BLOCK);
		block->next = arena->blocks;
		arena->blocks = block;
	}
	p = block->bytes + block->used;
	block->used += rounded;
	arena->used += size;
	return p;
}

char *arena_strdup(struct arena *arena, struct str s)
{
	char *copy = arena_take(arena, s.n + 1);

	if (s.n > 0) {
		memcpy(copy, s.p, s.n);
	}
	return copy;
}

struct str arena_str(struct arena *arena, struct str s)
{
	return (struct str){ arena_strdup(arena, s), s.n };
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *out;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	out = arena_take(arena, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(out, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return out;
}

size_t arena_used(const struct arena *arena)
{
	return arena->used;
}
