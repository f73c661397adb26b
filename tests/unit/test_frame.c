/* What a stream says, as a client of server-sent events reads it. */
#include <string.h>

#include "json/value.h"
#include "sse/sse.h"
#include "streamer/frame.h"
#include "streamer/socket_frame.h"
#include "tests/support/test.h"

static const struct id sid = { "01ARZ3NDEKTSV4RRFFQ69G5FAV" };

/* The next event's data as JSON; the caller's. */
static struct json_value *read_event(struct sse_parser *parser, struct str *in, const char *name,
                                     const char *id)
{
	struct json_value *value;
	struct err err;

	assert_int_equal(sse_parse(parser, in), SSE_PARSED_EVENT);
	assert_true(str_eq(parser->name, str_of(name)));
	assert_true(str_eq(parser->id, str_of(id)));
	value = json_parse(parser->data, &err);
	assert_non_null(value);
	assert_true(str_eq(json_as_str(json_get(value, "type")), str_of(name)));
	assert_true(str_eq(json_as_str(json_get(value, "id")), str_of(id)));
	assert_true(str_eq(json_as_str(json_get(value, "sessionId")), str_of(sid.s)));
	return value;
}

static void an_event_a_gap_and_the_end_are_events_with_ids(void **state)
{
	struct log_event event = { .at = { 3, 41 },
		                   .ts_ms = 1780000000000,
		                   .type = STR_LIT("note"),
		                   .data = STR_LIT("{\"message\":\"two\\nlines\"}") };
	struct log_gap gap = { LOG_GAP_RETRACTED, 42, 50 };
	struct cursor at = { 3, 41 };
	struct sse_parser parser;
	struct json_value *value;
	struct buf out;
	struct str in;

	(void)state;
	buf_init(&out, 4 * FRAME_NOTE_MAX);
	frame_event(&event, &sid, &out);
	frame_gap(&gap, &at, &sid, &out);
	frame_end(SESSION_COMPLETED, &at, &sid, &out);
	sse_parser_init(&parser, UINT16_MAX);
	in = buf_str(&out);
	value = read_event(&parser, &in, "note", "3-41");
	assert_true(str_eq(json_as_str(json_get(value, "message")), STR_LIT("two\nlines")));
	json_value_free(value);
	value = read_event(&parser, &in, "gap", "3-41");
	assert_int_equal(json_as_i64(json_get(value, "from")), 42);
	assert_int_equal(json_as_i64(json_get(value, "to")), 50);
	assert_true(str_eq(json_as_str(json_get(value, "reason")), STR_LIT("retracted")));
	json_value_free(value);
	value = read_event(&parser, &in, "end", "3-41");
	assert_true(str_eq(json_as_str(json_get(value, "status")), STR_LIT("completed")));
	json_value_free(value);
	assert_int_equal(sse_parse(&parser, &in), SSE_PARSED_MORE);
	sse_parser_fini(&parser);
	buf_fini(&out);
}

static void ids_retries_and_comments_are_no_events(void **state)
{
	struct cursor at = { 2, 7 };
	struct sse_parser parser;
	struct buf out;
	struct str in;

	(void)state;
	buf_init(&out, FRAME_NOTE_MAX);
	frame_retry(250, &out);
	frame_comment(&out);
	frame_id(&at, &out);
	sse_parser_init(&parser, UINT16_MAX);
	in = buf_str(&out);
	assert_int_equal(sse_parse(&parser, &in), SSE_PARSED_MORE);
	assert_int_equal(parser.retry_ms, 250);
	assert_int_equal(parser.comments, 1);
	assert_true(str_eq(parser.id, STR_LIT("2-7")));
	sse_parser_fini(&parser);
	buf_fini(&out);
}

static void a_drain_leaves_the_last_id_as_it_is(void **state)
{
	struct cursor at = { 2, 7 };
	struct sse_parser parser;
	struct buf out;
	struct str in;

	(void)state;
	buf_init(&out, FRAME_NOTE_MAX);
	frame_id(&at, &out);
	frame_drain(1250, &out);
	sse_parser_init(&parser, UINT16_MAX);
	in = buf_str(&out);
	assert_int_equal(sse_parse(&parser, &in), SSE_PARSED_EVENT);
	assert_int_equal(parser.retry_ms, 1250);
	assert_true(str_eq(parser.name, STR_LIT("drain")));
	assert_true(str_eq(parser.data, STR_LIT("{\"type\":\"drain\",\"retryMs\":1250}")));
	assert_true(str_eq(parser.id, STR_LIT("2-7")));
	sse_parser_fini(&parser);
	buf_fini(&out);
}

/* The largest data that an append allows must fit the frame's bound. */
static void the_largest_event_fits_its_frame(void **state)
{
	static char data[EVENT_DATA_MAX];
	struct log_event event = { .at = { CURSOR_EPOCH_MAX, CURSOR_N_MAX },
		                   .type = STR_LIT("permission_request"),
		                   .data = str_make(data, sizeof(data)) };
	struct buf out;

	(void)state;
	memset(data, 'x', sizeof(data));
	memcpy(data, "{\"m\":\"", 6);
	memcpy(data + sizeof(data) - 2, "\"}", 2);
	buf_init(&out, FRAME_MAX);
	frame_event(&event, &sid, &out);
	assert_false(buf_failed(&out));
	assert_true(str_ends(buf_str(&out), STR_LIT("xxx\"}\n\n")));
	buf_reset(&out);
	socket_frame_event(&event, &sid, &out);
	assert_false(buf_failed(&out));
	assert_true(str_ends(buf_str(&out), STR_LIT("xxx\"}}")));
	buf_fini(&out);
}

/* ---- over a socket ---- */

/* The text frame that is next, as JSON; the caller's. */
static struct json_value *read_text(struct str *in, const char *type)
{
	const unsigned char *head = (const unsigned char *)in->p;
	struct json_value *value;
	size_t len, start = 2;
	struct err err;

	assert_true(in->n >= 2);
	assert_int_equal(head[0], 0x81); /* FIN, text */
	len = head[1];                   /* not masked */
	if (len == 126) {
		start = 4;
		len = (size_t)(head[2] << 8 | head[3]);
	} else if (len == 127) {
		start = 10;
		len = (size_t)head[7] << 16 | (size_t)head[8] << 8 | head[9];
	}
	assert_true(in->n >= start + len);
	value = json_parse(str_make(in->p + start, len), &err);
	assert_non_null(value);
	assert_true(str_eq(json_as_str(json_get(value, "type")), str_of(type)));
	*in = str_make(in->p + start + len, in->n - start - len);
	return value;
}

static void everything_is_said_over_a_socket_too(void **state)
{
	static char data[70000];
	static const char *const types[] = { "event", "event", "gap", "end", "cursor" };
	struct log_event event = { .at = { 3, 41 },
		                   .ts_ms = 1780000000000,
		                   .type = STR_LIT("note"),
		                   .data = STR_LIT("{\"message\":\"two\\nlines\"}") };
	struct log_gap gap = { LOG_GAP_RETRACTED, 42, 50 };
	struct cursor at = { 3, 41 };
	struct json_value *value;
	struct buf out;
	struct str in;

	(void)state;
	buf_init(&out, FRAME_MAX);
	socket_frame_event(&event, &sid, &out);
	memset(data, 'x', sizeof(data));
	memcpy(data, "{\"m\":\"", 6);
	memcpy(data + sizeof(data) - 2, "\"}", 2);
	event.data = str_make(data, sizeof(data));
	socket_frame_event(&event, &sid, &out);
	socket_frame_gap(&gap, &at, &sid, &out);
	socket_frame_end(SESSION_COMPLETED, &at, &sid, &out);
	socket_frame_where(&at, &sid, &out);
	in = buf_str(&out);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		value = read_text(&in, types[i]);
		assert_true(str_eq(json_as_str(json_get(value, "sessionId")), str_of(sid.s)));
		assert_true(str_eq(json_as_str(json_get(value, "id")), STR_LIT("3-41")));
		assert_int_equal(json_as_i64(json_get(value, "seq")), 41);
		json_value_free(value);
	}
	assert_int_equal(in.n, 0);
	buf_reset(&out);
	socket_frame_drain(250, &out);
	in = buf_str(&out);
	value = read_text(&in, "drain");
	assert_int_equal(json_as_i64(json_get(value, "retryMs")), 250);
	json_value_free(value);
	buf_reset(&out);
	socket_frame_ping(&out);
	assert_int_equal(out.len, 2);
	assert_memory_equal(out.data, "\x89\x00", 2);
	buf_fini(&out);
}

/* Last-Event-ID stays what it was. */
static void a_copy_that_comes_before_its_turn_has_no_id(void **state)
{
	struct log_event event = { .at = { 3, 41 },
		                   .ts_ms = 1780000000000,
		                   .type = STR_LIT("error"),
		                   .data = STR_LIT("{\"message\":\"m\",\"ahead\":true}") };
	struct cursor at = { 3, 7 };
	struct sse_parser parser;
	struct buf out;
	struct str in;

	(void)state;
	buf_init(&out, 4 * FRAME_NOTE_MAX);
	frame_id(&at, &out);
	frame_forms.ahead(&event, &sid, &out);
	sse_parser_init(&parser, UINT16_MAX);
	in = buf_str(&out);
	assert_int_equal(sse_parse(&parser, &in), SSE_PARSED_EVENT);
	assert_true(str_eq(parser.name, STR_LIT("error")));
	assert_true(str_eq(parser.id, STR_LIT("3-7")));
	assert_true(str_ends(parser.data, STR_LIT("\"seq\":41,\"id\":\"3-41\",\"message\":"
	                                          "\"m\",\"ahead\":true}")));
	sse_parser_fini(&parser);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_a_gap_and_the_end_are_events_with_ids),
		cmocka_unit_test(ids_retries_and_comments_are_no_events),
		cmocka_unit_test(a_drain_leaves_the_last_id_as_it_is),
		cmocka_unit_test(the_largest_event_fits_its_frame),
		cmocka_unit_test(everything_is_said_over_a_socket_too),
		cmocka_unit_test(a_copy_that_comes_before_its_turn_has_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
