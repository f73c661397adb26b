/*
 * The one hash map: bytes to pointer, open addressing, SipHash-free FNV-1a with a
 * per-process seed.  Keys are copied; values belong to the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"

struct map;

struct map *map_new(void) MUST_CHECK;
void map_free(struct map *map); /* keys only */

void *map_get(const struct map *map, struct str key); /* NULL when absent */
void *map_put(struct map *map, struct str key,
              void *value);                        /* value not NULL; returns the old one */
void *map_remove(struct map *map, struct str key); /* returns what was there */
size_t map_count(const struct map *map);

/* Visit all; start with *at = 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *map, size_t *at, struct str *ret_key, void **ret_value);
