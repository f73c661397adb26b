/* Percent-encoding (RFC 3986 section 2.1) of paths and queries. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"

enum http_uri_part { HTTP_URI_SEGMENT, HTTP_URI_QUERY }; /* in a query "+" is a space */

/* Decoded, in the arena when anything had to change. False: a broken escape or %00. */
bool http_uri_decode(struct arena *arena, struct str s, enum http_uri_part part,
                     struct str *ret) MUST_CHECK;

/* A segment that a proxy may have resolved otherwise than we would: "." or "..", escaped or not. */
bool http_uri_is_dots(struct str segment);
