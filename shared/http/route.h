/*
 * Which route a path belongs to: a tree of segments, built once from the table.
 *
 * A literal segment beats a parameter; the table's order does not matter.  Two routes that
 * would answer the same requests are a bug and abort the start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/http.h"

struct http_routes;

struct http_routes *http_routes_new(const struct http_route *table, size_t count) MUST_CHECK;
void http_routes_free(struct http_routes *routes);

struct http_place {
	const struct http_route *const *by_method; /* HTTP_METHOD_COUNT entries, NULL where none */
	struct str params[HTTP_PARAMS_MAX];        /* raw segments */
	size_t param_count;
};

/* Where the path leads, whatever the method. */
bool http_routes_find(const struct http_routes *routes, struct str path,
                      struct http_place *ret) MUST_CHECK;

/* "GET, HEAD, POST, OPTIONS" */
void http_routes_allow(const struct http_place *place, struct buf *out);
