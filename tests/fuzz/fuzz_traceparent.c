/* Any bytes as the context of a trace: what is taken for one is written as it was, as far as it is
 * known, and read again as the same. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct traceparent trace = { .sampled = false }, again = { .sampled = false };
	char text[TRACEPARENT_LEN + 1];

	if (!traceparent_parse(str_make((const char *)data, size), &trace)) {
		assert(trace.trace[0] == '\0' && trace.span[0] == '\0');
		return 0;
	}
	traceparent_format(&trace, text);
	assert(strlen(text) == TRACEPARENT_LEN);
	/* Between its version and its flags. */
	assert(memcmp(text + 2, data + 2, TRACEPARENT_LEN - 4) == 0);
	assert(traceparent_parse(str_of(text), &again));
	assert(strcmp(again.trace, trace.trace) == 0 && strcmp(again.span, trace.span) == 0 &&
	       again.sampled == trace.sampled);
	return 0;
}
