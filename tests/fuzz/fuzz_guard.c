/* Any bytes on the control socket: messages that come back as they were, or nothing. */
#include <assert.h>
#include <string.h>

#include "guard/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void comes_back(const struct guard_message *message)
{
	char out[GUARD_LINE_MAX + 1];
	size_t n = guard_format(message, out);
	struct guard_message back;

	assert(n <= GUARD_LINE_MAX && guard_parse(str_make(out, n - 1), &back));
	assert(back.verb == message->verb && back.number == message->number);
	assert(strcmp(back.text, message->text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guard_reader reader = { .used = 0 };
	struct str in = { (const char *)data, size };
	struct guard_message message;
	enum guard_read got;

	while ((got = guard_next(&reader, &in, &message)) != GUARD_READ_MORE) {
		if (got == GUARD_READ_MESSAGE) {
			comes_back(&message);
		}
	}
	return 0;
}
