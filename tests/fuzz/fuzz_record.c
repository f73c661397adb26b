/*
 * Bytes as records of streams, one after the other.  What is accepted is written back, and that is
 * read as the same again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "streamer/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void own_classes(struct record_classes *ret)
{
	struct buf names;

	buf_init(&names, UINT16_MAX);
	record_classes_format(&names);
	if (!record_classes_parse(buf_str(&names), ret)) {
		abort();
	}
	buf_fini(&names);
}

static void check_again(const struct record *record, const struct record_classes *classes,
                        struct arena *arena)
{
	struct buf first, second;
	struct record back;
	struct str rest;

	buf_init(&first, SIZE_MAX / 2);
	buf_init(&second, SIZE_MAX / 2);
	record_encode(record, &first);
	rest = buf_str(&first);
	if (!record_decode(&rest, classes, arena, &back) || rest.n != 0) {
		abort();
	}
	record_encode(&back, &second);
	if (!str_eq(buf_str(&first), buf_str(&second))) {
		abort();
	}
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_make((const char *)data, size);
	struct arena *arena = arena_new();
	struct record_classes classes, strange;
	struct record record;

	own_classes(&classes);
	while (record_decode(&rest, &classes, arena, &record)) {
		check_again(&record, &classes, arena);
	}
	if (record_classes_parse(str_make((const char *)data, size), &strange)) {
		(void)!record_decode(&rest, &strange, arena, &record);
	}
	arena_free(arena);
	return 0;
}
