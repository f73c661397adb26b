/* Lines: a query, then what headers that may have a credential say. Whatever comes, at most one
 * credential was given on purpose, it is a piece of what was sent, and a key in the address never
 * counts. */
#include <stdint.h>
#include <stdlib.h>

#include "auth/auth_shown.h"
#include "cred/apikey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS = 6 };

static const char *const names[HEADERS] = { "Authorization", "X-API-Key", "Sec-WebSocket-Protocol",
	                                    "Upgrade",       "Cookie",    "authorization" };

static void check(const struct http_request *req, bool streams)
{
	struct auth_shown_set set;
	struct str name, value;
	struct cred_key key;
	struct err err;

	if (auth_shown_find(req, streams, &set, &err) != ERR_OK) {
		if (err.code != ERR_INVALID && err.code != ERR_UNAUTHORIZED) {
			abort();
		}
		return;
	}
	for (size_t i = 0; http_query_at(req, i, &name, &value); i++) {
		if (cred_key_parse(value, &key) != CRED_KEY_FOREIGN) {
			abort();
		}
	}
	if (set.is_given && set.given.kind == AUTH_SHOWN_TICKET && !streams) {
		abort();
	}
	/* Two lines of one name: which one counts is anybody's guess. */
	if (set.is_given && set.given.kind == AUTH_SHOWN_TOKEN && req->header_count == HEADERS) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_make((const char *)data, size);
	struct http_header headers[HEADERS];
	struct arena *arena = arena_new();
	struct http_request req = { .arena = arena, .headers = headers };

	req.query = str_split(&rest, '\n');
	while (rest.p != NULL && req.header_count < HEADERS) {
		struct str value = str_split(&rest, '\n');

		headers[req.header_count] =
			(struct http_header){ str_of(names[req.header_count]), value };
		req.header_count++;
	}
	check(&req, false);
	check(&req, true);
	arena_free(arena);
	return 0;
}
