/* The same whatever the text is cut into, and no secret value is left. The first byte chooses the
 * pieces; JSON stays JSON. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "worker/redact.h"
#include "worker/redact_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 64 << 20 };

#define TEXT(s)                                                                                    \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}
static const struct redact_value values[] = {
	{ TEXT("A"), TEXT("abababababX") },
	{ TEXT("B"), TEXT("babababa\nbabababababababab") },
	{ TEXT("C"), TEXT("sk-ant-\"x/y z") },
};

static char *clean(const struct redact *redact, struct str in, size_t step)
{
	struct redact_stream *stream = redact_stream_new(redact);
	struct buf out;

	buf_init(&out, ROOM);
	while (in.n > 0) {
		size_t n = in.n < step ? in.n : step;

		redact_feed(stream, str_make(in.p, n), &out);
		in.p += n;
		in.n -= n;
	}
	redact_end(stream, &out);
	redact_stream_free(stream);
	buf_add_char(&out, '\0');
	return buf_take(&out);
}

static void say(void *arg, enum event_type type, struct str data)
{
	struct str level;

	(void)arg;
	(void)type;
	assert(event_data_ok(data, &level));
}

static void check_event(const struct redact *redact, struct str data)
{
	struct redact_events *events = redact_events_new(redact, say, NULL);
	struct str level;

	if (event_data_ok(data, &level)) {
		redact_events_add(events, EVENT_TYPE_MESSAGE_DELTA, data, 1);
		redact_events_add(events, EVENT_TYPE_TOOL_USE, data, 2);
		redact_events_add(events, EVENT_TYPE_MESSAGE_DELTA, data, 3);
		redact_events_flush(events, UINT64_MAX);
		redact_events_close(events);
	}
	redact_events_free(events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redact *redact = redact_new(values, ARRAY_LEN(values));
	struct str in = { size > 0 ? (const char *)data + 1 : "", size > 0 ? size - 1 : 0 };
	char *whole = clean(redact, in, in.n + 1);
	char *cut = clean(redact, in, size > 0 ? data[0] + 1U : 1);

	assert(strcmp(whole, cut) == 0);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		assert(strstr(whole, values[i].value.p) == NULL);
	}
	check_event(redact, in);
	free(whole);
	free(cut);
	redact_free(redact);
	return 0;
}
