/* Any output, split anywhere, gives valid records of bounded length. The first byte chooses the
 * pieces. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct lines_record *record)
{
	assert(record->text.n <= LINES_TEXT_MAX);
	assert(str_is_utf8(record->text));
	assert(record->text.n == 0 || memchr(record->text.p, '\n', record->text.n) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines *lines = mem_calloc(1, sizeof(*lines));
	struct lines_record record;
	size_t step = size > 0 ? data[0] + 1U : 1;
	uint64_t now = 1;

	lines_init(lines, 3);
	for (size_t at = 1; at < size; at += step) {
		struct str in = { (const char *)data + at, size - at < step ? size - at : step };

		while (lines_take(lines, &in, now, &record)) {
			look(&record);
		}
		if (lines_flush(lines, now, &record)) {
			look(&record);
		}
		now++;
	}
	while (lines_finish(lines, &record)) {
		look(&record);
	}
	lines_fini(lines);
	free(lines);
	return 0;
}
