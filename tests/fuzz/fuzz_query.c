/* The first byte chooses a route, the rest is a query for it: what is accepted has every parameter
 * once, by a name that the route knows; what is refused says why. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rest/query.h"
#include "rest/rest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_known(const struct rest_query_table *table, struct str name)
{
	for (size_t i = 0; table != NULL && i < table->count; i++) {
		if (str_eq(name, str_of(table->fields[i].name))) {
			return true;
		}
	}
	return false;
}

static void check_accepted(const struct http_request *req, const struct rest_query_table *table)
{
	struct str name, value, other;

	for (size_t i = 0; http_query_at(req, i, &name, &value); i++) {
		if (!is_known(table, name) ||
		    (value.n > 0 && memchr(value.p, 0, value.n) != NULL)) {
			abort();
		}
		for (size_t k = 0; k < i; k++) {
			if (http_query_at(req, k, &other, &value) && str_eq(name, other)) {
				abort();
			}
		}
	}
}

/* What a request line may have (http/parse.h). */
static bool is_target(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] <= ' ' || data[i] >= 0x7f) {
			return false;
		}
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rest_query_table *table;
	struct arena *arena;
	struct http_request req;
	struct json_problems problems;
	void *out;

	if (size == 0 || !is_target(data + 1, size - 1)) {
		return 0;
	}
	table = rest_routes[data[0] % REST_OP_COUNT].query;
	arena = arena_new();
	req = (struct http_request){ .arena = arena,
		                     .query = str_make((const char *)data + 1, size - 1) };
	out = mem_calloc(1, table != NULL ? table->size : 1);
	if (rest_query(&req, table, table != NULL ? out : NULL, &problems) == ERR_OK) {
		check_accepted(&req, table);
	} else if (problems.count == 0) {
		abort();
	}
	free(out);
	arena_free(arena);
	return 0;
}
