/*
 * Bytes as a cursor, as an event's data and as a doorbell.  A cursor that is accepted is written
 * back the same; data that is accepted makes a line of JSON, and folded with itself is data again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "event/fold.h"
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

/* But for the member that folding adds, which nobody may send. */
static bool is_data(struct str data)
{
	static const char mine[] = "\"covers\":{\"from\"";
	struct str level;
	struct buf copy;
	char *at;
	bool ok;

	buf_init(&copy, data.n + 1);
	buf_add_str(&copy, data);
	at = memmem(copy.data, copy.len, mine, sizeof(mine) - 1);
	if (at != NULL) {
		at[1] = 'C';
	}
	ok = data.n > EVENT_DATA_MAX || event_data_ok(buf_str(&copy), &level);
	buf_fini(&copy);
	return ok;
}

static void check_fold(struct str text)
{
	static const char *const types[] = { "log", "thought", "message_delta", "usage" };
	struct log_event events[3];
	struct str level;
	struct fold fold;

	if (!event_data_ok(text, &level)) {
		return;
	}
	for (size_t type = 0; type < ARRAY_LEN(types); type++) {
		for (size_t i = 0; i < ARRAY_LEN(events); i++) {
			events[i] = (struct log_event){ .at = { 1, i + 1 },
				                        .type = str_of(types[type]),
				                        .data = text };
		}
		fold_events(events, ARRAY_LEN(events), &fold);
		for (size_t i = 0; i < fold.count; i++) {
			if (!fold_is_covered(&fold.events[i]) && !is_data(fold.events[i].data)) {
				abort();
			}
		}
		if (fold_is_covered(&fold.events[fold.count - 1])) {
			abort();
		}
		fold_fini(&fold);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct log_bell bell;

	check_cursor(text);
	check_data(text);
	check_fold(text);
	if (log_bell_decode(text, &bell)) {
		if (bell.last.n < bell.first.n) {
			abort();
		}
		log_page_fini(&bell.page);
	}
	return 0;
}
