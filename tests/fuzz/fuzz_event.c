/*
 * Bytes as a cursor, as an event's data and as a doorbell.  A cursor that is accepted is written
 * back the same; data that is accepted makes a line of JSON.
 */
#include <stdint.h>
#include <stdlib.h>

#include "event/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cursor(struct str text)
{
	char again[CURSOR_SIZE];
	struct cursor cursor;

	if (cursor_parse(text, &cursor)) {
		cursor_format(&cursor, again);
		if (!str_eq(text, str_of(again))) {
			abort();
		}
	}
	if (cursor_parse_n(text, &cursor) && cursor.epoch != CURSOR_EPOCH_ANY) {
		abort();
	}
}

static void check_data(struct str text)
{
	struct log_event event = { .at = { 1, 1 }, .type = STR_LIT("note"), .data = text };
	struct str level;
	struct buf out;

	if (!event_data_ok(text, &level)) {
		return;
	}
	buf_init(&out, EVENT_DATA_MAX + 1024);
	log_event_json(&event, STR_LIT("S"), &out);
	if (buf_failed(&out) || memchr(out.data, '\n', out.len) != NULL ||
	    !str_is_utf8(buf_str(&out)) || out.data[out.len - 1] != '}') {
		abort();
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct log_bell bell;

	check_cursor(text);
	check_data(text);
	if (log_bell_decode(text, &bell)) {
		if (bell.last.n < bell.first.n) {
			abort();
		}
		log_page_fini(&bell.page);
	}
	return 0;
}
