#include "auth/auth_cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SLOTS = 1024 };

struct slot {
	struct cred_mark shown;
	struct auth_cached what; /* until_ms 0: empty */
};

struct auth_cache {
	unsigned keep_ms;
	uint64_t turn;
	struct cred_mark_key keys[AUTH_CACHE_KIND_COUNT];
	struct slot slots[SLOTS];
};

struct auth_cache *auth_cache_new(unsigned keep_ms)
{
	struct auth_cache *cache = mem_calloc(1, sizeof(*cache));

	assert(keep_ms <= AUTH_CACHE_MS_MAX);
	cache->keep_ms = keep_ms;
	for (unsigned i = 0; i < AUTH_CACHE_KIND_COUNT; i++) {
		cache->keys[i] = cred_mark_key_new();
	}
	return cache;
}

void auth_cache_free(struct auth_cache *cache)
{
	if (cache != NULL) {
		cred_wipe(cache, sizeof(*cache));
		free(cache);
	}
}

struct cred_mark auth_cache_mark(const struct auth_cache *cache, enum auth_cache_kind kind,
                                 struct str shown)
{
	return cred_mark(&cache->keys[kind], shown);
}

static size_t place_of(const struct cred_mark *shown)
{
	return ((unsigned)shown->bytes[0] | (unsigned)shown->bytes[1] << 8) % SLOTS;
}

const struct auth_cached *auth_cache_find(const struct auth_cache *cache,
                                          const struct cred_mark *shown)
{
	const struct slot *slot = &cache->slots[place_of(shown)];

	if (!cred_mark_eq(&slot->shown, shown) || clock_mono_ms() >= slot->what.until_ms) {
		return NULL;
	}
	return &slot->what;
}

uint64_t auth_cache_turn(const struct auth_cache *cache)
{
	return cache->turn;
}

void auth_cache_put(struct auth_cache *cache, const struct cred_mark *shown, uint64_t turn,
                    struct auth_cached *what)
{
	if (what->until_ms == 0) {
		what->until_ms = clock_mono_ms() + cache->keep_ms;
	}
	if (turn == cache->turn && cache->keep_ms > 0) {
		cache->slots[place_of(shown)] = (struct slot){ *shown, *what };
	}
}

static bool is_named(const struct principal *principal, const struct auth_bell *bell)
{
	switch (bell->kind) {
	case AUTH_BELL_KEY: return id_eq(&principal->key, &bell->id);
	case AUTH_BELL_USER: return id_eq(&principal->user, &bell->id);
	case AUTH_BELL_LOGIN: return id_eq(&principal->login, &bell->id);
	case AUTH_BELL_STREAM: return false;
	}
	return false;
}

void auth_cache_forget(struct auth_cache *cache, const struct auth_bell *bell)
{
	cache->turn++;
	for (size_t i = 0; i < SLOTS; i++) {
		if (is_named(&cache->slots[i].what.principal, bell)) {
			cache->slots[i].what.until_ms = 0;
		}
	}
}

void auth_cache_clear(struct auth_cache *cache)
{
	cache->turn++;
	for (size_t i = 0; i < SLOTS; i++) {
		cache->slots[i].what.until_ms = 0;
	}
}
