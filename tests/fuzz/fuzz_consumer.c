/* Bytes as the data of an event of every type: what consumers get is nothing, or one JSON object
 * with a type, and the event's id and seq. */
#include <stdint.h>
#include <stdlib.h>

#include "json/value.h"
#include "streamer/consumer_frame.h"
#include "streamer/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct log_event *event)
{
	struct json_value *frame;
	struct buf out;
	struct err err;

	buf_init(&out, FRAME_MAX);
	consumer_frame_json(event, &out);
	if (out.len > 0) {
		frame = json_parse(buf_str(&out), &err);
		if (frame == NULL || json_as_str(json_get(frame, "type")).n == 0 ||
		    json_as_i64(json_get(frame, "seq")) != 7 ||
		    !str_eq(json_as_str(json_get(frame, "id")), STR_LIT("2-7"))) {
			abort();
		}
		json_value_free(frame);
	}
	if (buf_failed(&out)) {
		abort();
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct str level;

	if (!event_data_ok(text, &level)) {
		return 0;
	}
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		const struct log_event event = { .at = { 2, 7 },
			                         .type = str_of(
							 event_type_info((enum event_type)i)->name),
			                         .data = text };

		check(&event);
	}
	return 0;
}
