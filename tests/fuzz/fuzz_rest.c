/* The first byte chooses a table; the rest is a body or a query for it. What is accepted keeps the
 * bounds that the log relies on. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "rest/body.h"
#include "rest/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { QUERIES = 3 };

static void try_query(struct arena *arena, unsigned which, struct str text)
{
	static const struct rest_query_table *const tables[QUERIES] = { &rest_sessions_table,
		                                                        &rest_logs_table,
		                                                        &rest_events_table };
	const struct http_request req = { .arena = arena, .query = text };
	struct json_problems problems;
	union {
		struct rest_sessions sessions;
		struct rest_logs logs;
		struct rest_events events;
	} out;

	if (rest_query(&req, tables[which], &out, &problems) != ERR_OK) {
		assert(problems.count > 0);
	} else if (which == 0) {
		assert(out.sessions.per_page >= 1 && out.sessions.per_page <= REST_PER_PAGE_MAX);
	} else if (which == 1) {
		assert(out.logs.tail >= 1 && out.logs.tail <= REST_LINES_MAX);
	}
}

static void check_append(const struct rest_append *append)
{
	const struct log_new *events = append->events.items;
	size_t bytes = 0;
	struct str level;

	assert(append->events.count >= 1 && append->events.count <= EVENT_BATCH_MAX);
	for (size_t i = 0; i < append->events.count; i++) {
		assert(event_type_info(events[i].type)->who == EVENT_WHO_ANY);
		assert(event_data_ok(events[i].data, &level));
		bytes += events[i].data.n;
	}
	assert(bytes <= EVENT_BATCH_BYTES);
}

static void try_body(struct arena *arena, unsigned which, struct str text)
{
	struct json_problems problems;
	struct rest_appends many;
	struct rest_append one;
	struct rest_prompt prompt;

	if (which == 0 && json_decode(text, &rest_append_table, &one, arena, &problems) == ERR_OK) {
		check_append(&one);
	} else if (which == 1 &&
	           json_decode(text, &rest_appends_table, &many, arena, &problems) == ERR_OK) {
		const struct rest_append *batches = many.batches.items;

		for (size_t i = 0; i < many.batches.count; i++) {
			check_append(&batches[i]);
		}
	} else if (which == 2) {
		(void)!json_decode(text, &rest_prompt_table, &prompt, arena, &problems);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();

	if (size > 0) {
		struct str text = { (const char *)data + 1, size - 1 };
		unsigned which = data[0] % (2 * QUERIES);

		if (which < QUERIES) {
			try_query(arena, which, text);
		} else {
			try_body(arena, which - QUERIES, text);
		}
	}
	arena_free(arena);
	return 0;
}
