#include "auth/auth_cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SLOTS = 1024 };

struct slot {
	struct cred_digest shown;
	uint64_t until_ms; /* 0: empty */
	struct auth_cached what;
};

struct auth_cache {
	unsigned keep_ms;
	uint64_t turn;
	struct slot slots[SLOTS];
};

struct auth_cache *auth_cache_new(unsigned keep_ms)
{
	struct auth_cache *cache = mem_calloc(1, sizeof(*cache));

	assert(keep_ms <= AUTH_CACHE_MS_MAX);
	cache->keep_ms = keep_ms;
	return cache;
}

void auth_cache_free(struct auth_cache *cache)
{
	if (cache != NULL) {
		cred_wipe(cache, sizeof(*cache));
		free(cache);
	}
}

static size_t place_of(const struct cred_digest *shown)
{
	return ((unsigned)shown->bytes[0] | (unsigned)shown->bytes[1] << 8) % SLOTS;
}

bool auth_cache_get(const struct auth_cache *cache, const struct cred_digest *shown,
                    struct auth_cached *ret)
{
	const struct slot *slot = &cache->slots[place_of(shown)];

	if (clock_mono_ms() >= slot->until_ms || !cred_digest_eq(&slot->shown, shown)) {
		return false;
	}
	*ret = slot->what;
	return true;
}

uint64_t auth_cache_turn(const struct auth_cache *cache)
{
	return cache->turn;
}

void auth_cache_put(struct auth_cache *cache, const struct cred_digest *shown, uint64_t turn,
                    const struct auth_cached *what)
{
	if (turn == cache->turn && cache->keep_ms > 0) {
		cache->slots[place_of(shown)] =
			(struct slot){ *shown, clock_mono_ms() + cache->keep_ms, *what };
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
			cache->slots[i].until_ms = 0;
		}
	}
}

void auth_cache_clear(struct auth_cache *cache)
{
	cache->turn++;
	for (size_t i = 0; i < SLOTS; i++) {
		cache->slots[i].until_ms = 0;
	}
}
