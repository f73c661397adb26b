/* A transcript (tests/unit/adapter_replay.h) of an agent that speaks ACP, and of what is asked of
 * it: whatever both say, each event is one that a log takes, each command and question ends once.
 */
#include "tests/unit/adapter_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ACTS_MAX = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "acp", "gemini" };
	const struct str transcript = { (const char *)data, size };
	struct buf acts;
	size_t line;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		buf_init(&acts, ACTS_MAX);
		(void)adapter_replay(adapter_find(str_of(types[i])), transcript, size % 3, &acts,
		                     &line);
		buf_fini(&acts);
	}
	return 0;
}
