#include "base/map.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

enum { MAP_FIRST = 16 };

struct slot {
	char *key; /* owned; NULL when empty */
	size_t len;
	void *value; /* NULL with a key: removed, probing goes on */
	uint64_t hash;
};

struct map {
	struct slot *slots;
	size_t size; /* power of two */
	size_t used; /* with a key, removed ones included */
	size_t count;
	uint64_t seed;
};

static struct str slot_key(const struct slot *slot)
{
	return str_make(slot->key, slot->len);
}

static uint64_t hash_of(const struct map *map, struct str key)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ map->seed;

	for (size_t i = 0; i < key.n; i++) {
		h = (h ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
	}
	return h ^ h >> 32;
}

static struct slot *slot_find(const struct map *map, struct str key, uint64_t hash)
{
	size_t i = hash & (map->size - 1);

	while (map->slots[i].key != NULL) {
		if (map->slots[i].hash == hash && str_eq(slot_key(&map->slots[i]), key)) {
			break;
		}
		i = (i + 1) & (map->size - 1);
	}
	return &map->slots[i];
}

static void map_resize(struct map *map, size_t size)
{
	struct slot *old = map->slots;
	size_t old_size = map->size;

	map->slots = mem_calloc(size, sizeof(*old));
	map->size = size;
	map->used = map->count;
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].value != NULL) {
			*slot_find(map, slot_key(&old[i]), old[i].hash) = old[i];
		} else {
			free(old[i].key);
		}
	}
	free(old);
}

struct map *map_new(void)
{
	struct map *map = mem_calloc(1, sizeof(*map));
	ssize_t got = getrandom(&map->seed, sizeof(map->seed), 0);

	assert(got == (ssize_t)sizeof(map->seed));
	map_resize(map, MAP_FIRST);
	return map;
}

void map_free(struct map *map)
{
	if (map == NULL) {
		return;
	}
	for (size_t i = 0; i < map->size; i++) {
		free(map->slots[i].key);
	}
	free(map->slots);
	free(map);
}

void *map_get(const struct map *map, struct str key)
{
	return slot_find(map, key, hash_of(map, key))->value;
}

void *map_put(struct map *map, struct str key, void *value)
{
	uint64_t hash = hash_of(map, key);
	struct slot *slot;
	void *old;

	assert(value != NULL);
	if ((map->used + 1) * 4 > map->size * 3) {
		map_resize(map, (map->count + 1) * 2 > map->size ? map->size * 2 : map->size);
	}
	slot = slot_find(map, key, hash);
	old = slot->value;
	if (slot->key == NULL) {
		*slot = (struct slot){ mem_strndup(key), key.n, value, hash };
		map->used++;
	}
	slot->value = value;
	map->count += old == NULL;
	return old;
}

void *map_remove(struct map *map, struct str key)
{
	struct slot *slot = slot_find(map, key, hash_of(map, key));
	void *old = slot->value;

	slot->value = NULL;
	map->count -= old != NULL;
	return old;
}

size_t map_count(const struct map *map)
{
	return map->count;
}

bool map_next(const struct map *map, size_t *at, struct str *ret_key, void **ret_value)
{
	while (*at < map->size) {
		const struct slot *slot = &map->slots[(*at)++];

		if (slot->value != NULL) {
			*ret_key = slot_key(slot);
			*ret_value = slot->value;
			return true;
		}
	}
	return false;
}
