/* Any transcript: whatever claude-code says, and whatever people want of it meanwhile. The replay
 * holds the adapter to its promises. */
#include "tests/unit/adapter_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf acts;
	size_t line;

	buf_init(&acts, (size_t)64 * 1024 * 1024);
	(void)adapter_replay(adapter_find(STR_LIT("claude-code")),
	                     str_make((const char *)data, size), 0, &acts, &line);
	buf_fini(&acts);
	return 0;
}
