/* Any parameters of the AOMI surface, and any text as an event's data: what is accepted has one
 * spelling, and what is shown is JSON. */
#include <stdint.h>
#include <stdlib.h>

#include "aomi/aomi_view.h"
#include "json/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reader of JSON stops at a depth of its own, and at NUL. */
enum { OUT_MAX = 16 * 1024 * 1024, DEPTH_MAX = JSON_VALUE_DEPTH - 8 };

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void name_it(struct str one, struct str other)
{
	char name[AOMI_NAMESPACE_MAX + 1], again[AOMI_NAMESPACE_MAX + 1];
	struct aomi_cursor cursor, read;
	char text[AOMI_CURSOR_SIZE];

	if (aomi_namespace_pick(one, other, name) == NULL && name[0] != '\0') {
		must(aomi_namespace_of(str_of(name), again) && strcmp(name, again) == 0);
	}
	if (aomi_cursor_parse(one, &cursor)) {
		aomi_cursor_format(&cursor, text);
		must(aomi_cursor_parse(str_of(text), &read) &&
		     memcmp(&cursor, &read, sizeof(read)) == 0);
	}
	must(aomi_check_id(one, true) != NULL || aomi_check_id(one, false) == NULL);
	(void)aomi_state_ok(one);
	(void)aomi_model_find(one);
}

/* The first byte says which type. */
static void feed(struct aomi_view *view, struct str line, uint64_t n)
{
	struct log_event event = { .at = { 1, n }, .ts_ms = (int64_t)n, .data = STR_LIT("") };

	if (line.n > 0) {
		const unsigned type = (unsigned char)line.p[0] % EVENT_TYPE_COUNT;

		event.type = str_of(event_type_info((enum event_type)type)->name);
		event.data = str_make(line.p + 1, line.n - 1);
		aomi_view_event(view, &event);
	}
}

/* At most. */
static size_t depth_of(struct str text)
{
	size_t depth = 0;

	for (size_t i = 0; i < text.n; i++) {
		depth += text.p[i] == '[' || text.p[i] == '{' ? 1 : 0;
	}
	return depth;
}

static void must_be_json(const struct aomi_view *view)
{
	const struct aomi_events all = { .kinds = AOMI_POLLED | AOMI_STREAMED, .all = true };
	struct json_value *value;
	struct jsonw w;
	struct buf out;
	struct err err;

	buf_init(&out, OUT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	aomi_view_messages(view, &w, "messages");
	aomi_view_events(view, &all, &w, "events");
	jsonw_end_object(&w);
	if (!buf_failed(&out)) {
		value = json_parse(buf_str(&out), &err);
		must(value != NULL);
		json_value_free(value);
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_make((const char *)data, size), line;
	struct aomi_view *view = aomi_view_new(8);
	struct arena *arena = arena_new();
	struct str first = str_split(&rest, '\n');
	uint64_t n = 0;
	size_t nested;

	name_it(first, rest.p != NULL ? rest : STR_LIT(""));
	must(aomi_title_of(first, arena).n <= AOMI_TITLE_BYTES);
	aomi_view_begin(view, 1, first, 0);
	nested = depth_of(rest);
	while (rest.p != NULL) {
		line = str_split(&rest, '\n');
		feed(view, line, ++n);
	}
	aomi_view_end(view, true, SESSION_RUNNING, (int64_t)n);
	if (nested <= DEPTH_MAX && memchr(data, 0, size) == NULL) {
		must_be_json(view);
	}
	aomi_view_free(view);
	arena_free(arena);
	return 0;
}
