/* Whatever a log says, its folded form says it too, at the same cursors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "event/fold.h"
#include "json/value.h"
#include "tests/support/test.h"

enum { ROUNDS = 300, DATA_SIZE = 512, SLOTS = 16, VIEW_MAX = 4 * 1024 * 1024 };

static unsigned pick(unsigned below)
{
	return (unsigned)rand() % below;
}

/* ---- a log ---- */

struct log {
	struct log_event events[FOLD_BLOCK];
	char data[FOLD_BLOCK][DATA_SIZE];
	size_t count;
};

static void add_at(struct log *log, uint64_t epoch, enum event_type type, const char *data)
{
	size_t i = log->count++;

	(void)snprintf(log->data[i], DATA_SIZE, "%s", data);
	log->events[i] = (struct log_event){ .at = { epoch, i + 1 },
		                             .ts_ms = (int64_t)i,
		                             .type = str_of(event_type_info(type)->name),
		                             .data = str_of(log->data[i]) };
}

static void add(struct log *log, enum event_type type, const char *data)
{
	add_at(log, 1, type, data);
}

static const char *const texts[] = { "a", "", "two words", "\\\"}{,[", "\\u00e9\\n", "\xc3\xa9" };

static void add_random(struct log *log)
{
	const char *text = texts[pick(ARRAY_LEN(texts))];
	char data[DATA_SIZE];

	switch (pick(9)) {
	case 0:
	case 1:
		(void)snprintf(data, sizeof(data), "{\"message_id\":\"m%u\",\"delta\":\"%s\"}",
		               pick(2), text);
		add(log, EVENT_TYPE_MESSAGE_DELTA, data);
		break;
	case 2:
	case 3:
		(void)snprintf(data, sizeof(data),
		               "{\"level\":\"info\",\"message\":\"%s\",\"stream\":\"%s\"%s}", text,
		               pick(4) > 0 ? "stdout" : "stderr",
		               pick(3) > 0 ? "" : ",\"partial\":true");
		add(log, EVENT_TYPE_LOG, data);
		break;
	case 4:
		(void)snprintf(data, sizeof(data), "{ \"thought\" : \"%s\" }", text);
		add(log, EVENT_TYPE_THOUGHT, data);
		break;
	case 5:
		(void)snprintf(data, sizeof(data), "{\"progress\":%u}", pick(100));
		add(log, EVENT_TYPE_PROGRESS, data);
		break;
	case 6:
		(void)snprintf(data, sizeof(data),
		               "{\"tool_execution_id\":\"t%u\",\"last_line\":\"%s\"}", pick(2),
		               text);
		add(log, EVENT_TYPE_TOOL_PROGRESS, data);
		break;
	case 7:
		if (pick(4) == 0) {
			add(log, pick(2) == 0 ? EVENT_TYPE_ERROR : EVENT_TYPE_NOTE,
			    "{\"message\":\"x\"}");
		}
		break;
	default:
		if (pick(6) == 0) { /* it is of a type that folds, but has no text */
			add(log, EVENT_TYPE_LOG, "{\"message\":7}");
		}
		break;
	}
}

/* ---- what a reader makes of it ---- */

struct view {
	struct buf told;              /* all that was said, in its order */
	char last_key[DATA_SIZE];     /* whose text the end of told is */
	char slots[SLOTS][DATA_SIZE]; /* the last of each of kind LAST */
};

static const struct json_value *text_of(const struct json_value *data, enum event_type type)
{
	const char *name = type == EVENT_TYPE_MESSAGE_DELTA ? "delta"
	                   : type == EVENT_TYPE_THOUGHT     ? "thought"
	                                                    : "message";

	return json_get(data, name);
}

static void hear_text(struct view *view, enum event_type type, const struct json_value *data)
{
	bool lines = event_type_info(type)->kind == EVENT_KIND_LINES;
	struct str message = json_as_str(json_get(data, "message_id"));
	struct str stream = json_as_str(json_get(data, "stream"));
	char key[DATA_SIZE];

	(void)snprintf(key, sizeof(key), "%u %" STR_FMT " %" STR_FMT, (unsigned)type,
	               STR_ARG(message), STR_ARG(stream));
	if (strcmp(key, view->last_key) != 0) {
		buf_addf(&view->told, "\n[%s] ", key);
		(void)str_copy(view->last_key, sizeof(view->last_key), str_of(key));
	}
	buf_add_str(&view->told, json_as_str(text_of(data, type)));
	if (lines && !json_as_bool(json_get(data, "partial"))) {
		buf_add_char(&view->told, '\n');
	}
}

static size_t slot_of(enum event_type type, const struct json_value *data)
{
	struct str tool = json_as_str(json_get(data, "tool_execution_id"));

	return type == EVENT_TYPE_PROGRESS ? 0 : 1 + (size_t)(tool.p[1] - '0');
}

/* Of what is kept whole, and all that was known by then. */
static void hear_whole(struct view *view, const struct log_event *event)
{
	buf_addf(&view->told, "\n<%u>", (unsigned)event->at.n);
	view->last_key[0] = '\0';
	for (size_t i = 0; i < SLOTS; i++) {
		buf_addf(&view->told, " %s", view->slots[i]);
	}
}

static void hear(struct view *view, const struct log_event *event)
{
	struct json_value *data;
	enum event_type type;
	enum event_kind kind;
	struct str line;
	struct err err;

	data = json_parse(event->data, &err);
	assert_non_null(data);
	assert_true(event_type_parse(event->type, &type));
	kind = event_type_info(type)->kind;
	if (kind == EVENT_KIND_LAST) {
		line = json_as_str(json_get(data, "last_line"));
		(void)snprintf(view->slots[slot_of(type, data)], DATA_SIZE, "%d %" STR_FMT,
		               (int)json_as_i64(json_get(data, "progress")), STR_ARG(line));
	} else if ((kind == EVENT_KIND_TEXT || kind == EVENT_KIND_LINES) &&
	           json_type_of(text_of(data, type)) == JSON_T_STRING) {
		hear_text(view, type, data);
	} else {
		hear_whole(view, event);
	}
	json_value_free(data);
}

static void view_init(struct view *view)
{
	memset(view, 0, sizeof(*view));
	buf_init(&view->told, VIEW_MAX);
}

/* ---- what is the same ---- */

static struct cursor covered_from(const struct log_event *event)
{
	struct json_value *data;
	const struct json_value *covers;
	struct cursor from = event->at, to;
	struct err err;

	data = json_parse(event->data, &err);
	assert_non_null(data);
	covers = json_get(data, "covers");
	if (covers != NULL) {
		assert_true(cursor_parse(json_as_str(json_get(covers, "from")), &from));
		assert_true(cursor_parse(json_as_str(json_get(covers, "to")), &to));
		assert_int_equal(cursor_compare(&to, &event->at), 0);
		assert_true(from.n < to.n);
	}
	json_value_free(data);
	return from;
}

static void assert_kept(const struct log_event *before, const struct log_event *after)
{
	enum event_type type;

	assert_true(event_type_parse(before->type, &type));
	if (event_type_info(type)->kind == EVENT_KIND_KEEP ||
	    event_type_info(type)->kind == EVENT_KIND_PLAIN) {
		assert_ptr_equal(before->data.p, after->data.p);
		assert_int_equal(before->data.n, after->data.n);
	}
}

/* The number of events that are left. */
static size_t check(const struct log *log)
{
	struct view plain, folded;
	struct fold fold;
	uint64_t next = 1;
	size_t left = 0;

	view_init(&plain);
	view_init(&folded);
	fold_events(log->events, log->count, &fold);
	assert_int_equal(fold.count, log->count);
	for (size_t i = 0; i < fold.count; i++) {
		const struct log_event *event = &fold.events[i];

		hear(&plain, &log->events[i]);
		assert_kept(&log->events[i], event);
		if (fold_is_covered(event)) {
			continue;
		}
		left++;
		assert_int_equal(event->at.n, i + 1);
		assert_int_equal(event->ts_ms, i);
		assert_int_equal(covered_from(event).n, next);
		next = event->at.n + 1;
		hear(&folded, event);
	}
	assert_int_equal(next, log->count + 1);
	assert_string_equal(buf_cstr(&plain.told), buf_cstr(&folded.told));
	for (size_t i = 0; i < SLOTS; i++) {
		assert_string_equal(plain.slots[i], folded.slots[i]);
	}
	buf_fini(&plain.told);
	buf_fini(&folded.told);
	fold_fini(&fold);
	return left;
}

static void a_folded_log_says_the_same_and_covers_every_event_once(void **state)
{
	struct log *log = mem_calloc(1, sizeof(*log));
	size_t before = 0, after = 0;

	(void)state;
	srand(3);
	for (int round = 0; round < ROUNDS; round++) {
		size_t count = 1 + pick(FOLD_BLOCK);

		log->count = 0;
		while (log->count < count) {
			add_random(log);
		}
		before += log->count;
		after += check(log);
	}
	assert_true(after < before * 4 / 5);
	free(log);
}

static void assert_data(const struct fold *fold, size_t i, const char *data)
{
	if (data == NULL) {
		assert_true(fold_is_covered(&fold->events[i]));
	} else if (!str_eq(fold->events[i].data, str_of(data))) {
		fail_msg("%zu: %.*s", i, (int)fold->events[i].data.n, fold->events[i].data.p);
	}
}

static void pieces_of_one_text_are_joined(void **state)
{
	struct log *log = mem_calloc(1, sizeof(*log));
	struct fold fold;

	(void)state;
	add(log, EVENT_TYPE_MESSAGE_DELTA, "{\"message_id\":\"a\",\"delta\":\"Hel\"}");
	add(log, EVENT_TYPE_MESSAGE_DELTA, "{\"message_id\":\"a\",\"delta\":\"lo\"}");
	add(log, EVENT_TYPE_MESSAGE_DELTA, "{\"message_id\":\"b\",\"delta\":\"!\"}");
	add(log, EVENT_TYPE_LOG, "{\"message\":\"one\",\"stream\":\"stdout\"}");
	add(log, EVENT_TYPE_LOG, "{\"message\":\"two\",\"stream\":\"stdout\",\"partial\":true}");
	add(log, EVENT_TYPE_LOG, "{\"message\":\"more\",\"stream\":\"stdout\"}");
	add(log, EVENT_TYPE_LOG, "{\"message\":\"err\",\"stream\":\"stderr\"}");
	fold_events(log->events, log->count, &fold);
	assert_data(&fold, 0, NULL);
	assert_data(&fold, 1,
	            "{\"message_id\":\"a\",\"delta\":\"Hello\",\"covers\":{\"from\":\"1-1\","
	            "\"to\":\"1-2\"}}");
	assert_data(&fold, 2, "{\"message_id\":\"b\",\"delta\":\"!\"}");
	assert_data(&fold, 3, NULL);
	assert_data(&fold, 4, NULL);
	assert_data(&fold, 5,
	            "{\"message\":\"one\\ntwomore\",\"stream\":\"stdout\",\"covers\":{\"from\":"
	            "\"1-4\",\"to\":\"1-6\"}}");
	assert_data(&fold, 6, "{\"message\":\"err\",\"stream\":\"stderr\"}");
	fold_fini(&fold);
	free(log);
}

static void of_progress_the_last_wins_until_something_is_kept(void **state)
{
	struct log *log = mem_calloc(1, sizeof(*log));
	struct fold fold;

	(void)state;
	add(log, EVENT_TYPE_PROGRESS, "{\"progress\":1}");
	add(log, EVENT_TYPE_PERMISSION_REQUEST, "{\"request_id\":\"r\"}");
	add(log, EVENT_TYPE_PROGRESS, "{\"progress\":2}");
	add(log, EVENT_TYPE_USAGE, "{\"input_tokens\":2}");
	add(log, EVENT_TYPE_PROGRESS, "{\"progress\":3}");
	add_at(log, 2, EVENT_TYPE_EPOCH, "{\"epoch\":2}");
	add_at(log, 2, EVENT_TYPE_PROGRESS, "{\"progress\":4}");
	fold_events(log->events, log->count, &fold);
	assert_data(&fold, 0, "{\"progress\":1}");
	assert_data(&fold, 1, "{\"request_id\":\"r\"}");
	assert_data(&fold, 2, NULL);
	assert_data(&fold, 3, "{\"input_tokens\":2,\"covers\":{\"from\":\"1-3\",\"to\":\"1-4\"}}");
	assert_data(&fold, 4, "{\"progress\":3}");
	assert_data(&fold, 5, "{\"epoch\":2}");
	assert_data(&fold, 6, "{\"progress\":4}");
	fold_fini(&fold);
	free(log);
}

/* Older logs may have a member that is the fold's own by now. */
static void what_looks_folded_already_is_left_alone(void **state)
{
	struct log *log = mem_calloc(1, sizeof(*log));
	struct fold fold;

	(void)state;
	add(log, EVENT_TYPE_THOUGHT, "{\"thought\":\"a\",\"covers\":1}");
	add(log, EVENT_TYPE_THOUGHT, "{\"thought\":\"b\",\"covers\":1}");
	add(log, EVENT_TYPE_THOUGHT, "{\"thought\":\"c\",\"thought\":\"d\"}");
	add(log, EVENT_TYPE_THOUGHT, "{\"thought\":\"e\"}");
	fold_events(log->events, log->count, &fold);
	for (size_t i = 0; i < log->count; i++) {
		assert_data(&fold, i, log->data[i]);
	}
	fold_fini(&fold);
	free(log);
}

static void a_joined_event_is_bounded(void **state)
{
	enum { TEXT = 10000, COUNT = 20 };
	struct log_event events[COUNT];
	struct buf data[COUNT];
	struct fold fold;
	size_t left = 0;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		buf_init(&data[i], EVENT_DATA_MAX);
		buf_add_cstr(&data[i], "{\"thought\":\"");
		for (size_t n = 0; n < (i == 7 ? 5 * TEXT : TEXT); n++) {
			buf_add_char(&data[i], 'x');
		}
		buf_add_cstr(&data[i], "\"}");
		events[i] = (struct log_event){ .at = { 1, 128 + i },
			                        .type = STR_LIT("thought"),
			                        .data = buf_str(&data[i]) };
	}
	fold_events(events, COUNT, &fold);
	for (size_t i = 0; i < COUNT; i++) {
		left += !fold_is_covered(&fold.events[i]);
		assert_true(i == 7 || fold.events[i].data.n <= FOLD_JOINED_MAX + 128);
		buf_fini(&data[i]);
	}
	assert_int_equal(left, 3 + 1 + 4);
	fold_fini(&fold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folded_log_says_the_same_and_covers_every_event_once),
		cmocka_unit_test(pieces_of_one_text_are_joined),
		cmocka_unit_test(of_progress_the_last_wins_until_something_is_kept),
		cmocka_unit_test(what_looks_folded_already_is_left_alone),
		cmocka_unit_test(a_joined_event_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
