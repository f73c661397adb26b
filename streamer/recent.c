#include "streamer/recent.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "streamer/feed.h"

enum { FRESH_MS = 1000, KEPT_MAX = 64, KEY_SIZE = AUTH_TENANT_MAX + 1 + ID_LEN + 1 };

/* In the map until it is stale, and alive until nobody holds it. */
struct kept {
	struct recent recent;
	char key[KEY_SIZE];
	struct arena *arena;
	unsigned holders;
	bool is_reading, is_dropped;
	struct fiber_signal is_read;
	struct err err; /* what reading ended with */
	uint64_t read_ms;
	TAILQ_ENTRY(kept) link;
};

TAILQ_HEAD(kepts, kept);

struct recents {
	struct recents_options options;
	struct map *by_key;
	struct kepts all; /* those in the map, the one that was read first is first */
	size_t count;
};

struct recents *recents_new(const struct recents_options *options)
{
	struct recents *recents = mem_calloc(1, sizeof(*recents));

	recents->options = *options;
	recents->by_key = map_new();
	TAILQ_INIT(&recents->all);
	return recents;
}

static void destroy(struct kept *kept)
{
	past_fini(&kept->recent.past);
	presence_set_fini(&kept->recent.present);
	arena_free(kept->arena);
	free(kept);
}

/* For whoever holds it still, it stays. */
static void drop(struct recents *recents, struct kept *kept)
{
	(void)map_remove(recents->by_key, str_of(kept->key));
	TAILQ_REMOVE(&recents->all, kept, link);
	recents->count--;
	kept->is_dropped = true;
	if (kept->holders == 0) {
		destroy(kept);
	}
}

void recents_free(struct recents *recents)
{
	while (!TAILQ_EMPTY(&recents->all)) {
		assert(TAILQ_FIRST(&recents->all)->holders == 0);
		drop(recents, TAILQ_FIRST(&recents->all));
	}
	map_free(recents->by_key);
	free(recents);
}

static struct kept *add(struct recents *recents, const char *key)
{
	struct kept *kept = mem_calloc(1, sizeof(*kept));

	(void)str_copy(kept->key, sizeof(kept->key), str_of(key));
	kept->arena = arena_new();
	kept->is_reading = true;
	fiber_signal_init(&kept->is_read);
	(void)map_put(recents->by_key, str_of(kept->key), kept);
	TAILQ_INSERT_TAIL(&recents->all, kept, link);
	recents->count++;
	return kept;
}

static void drop_stale(struct recents *recents)
{
	uint64_t now_ms = clock_mono_ms();
	struct kept *kept, *next;

	for (kept = TAILQ_FIRST(&recents->all); kept != NULL; kept = next) {
		next = TAILQ_NEXT(kept, link);
		if (!kept->is_reading &&
		    (now_ms - kept->read_ms >= FRESH_MS || recents->count > KEPT_MAX)) {
			drop(recents, kept);
		}
	}
}

static enum err_code look(const struct recents *recents, struct kept *kept, const struct id *sid,
                          const char *tenant)
{
	struct feed *feed = *recents->options.feed;

	return feed != NULL ? feed_look(feed, sid, tenant, &kept->recent.head, &kept->err)
	                    : err_set(&kept->err, ERR_UNAVAILABLE, "stopping");
}

static enum err_code read_all(const struct recents *recents, struct kept *kept,
                              const struct id *sid, const char *tenant)
{
	const struct recents_options *options = &recents->options;
	struct recent *recent = &kept->recent;
	enum err_code code;

	metric_inc(METRIC_GREETINGS_READ, NULL);
	code = session_get(options->pg, tenant, sid, kept->arena, &recent->row, &kept->err);

	if (code == ERR_OK) {
		code = look(recents, kept, sid, tenant);
	}
	if (code == ERR_OK) {
		recent->past = (struct past){ .store = options->store,
			                      .pg = options->pg,
			                      .sid = *sid,
			                      .tenant = tenant,
			                      .through = recent->head.at.n,
			                      .messages_max = PAST_MESSAGES_MAX,
			                      .wants_pending = true };
		code = past_look(&recent->past, &kept->err);
	}
	if (code == ERR_OK) {
		code = presence_list(options->store->redis, sid, &recent->present, &kept->err);
	}
	return code;
}

/* Whoever came first reads, for the others too: also when it has left. */
static void read_for_all(struct recents *recents, struct kept *kept, const struct id *sid,
                         const char *tenant)
{
	enum err_code code;

	fiber_shield();
	code = read_all(recents, kept, sid, tenant);
	fiber_unshield();
	kept->err.code = code;
	kept->is_reading = false;
	kept->read_ms = clock_mono_ms();
	fiber_signal_raise(&kept->is_read);
	if (code != ERR_OK) {
		drop(recents, kept);
	}
}

static enum err_code await(struct kept *kept, struct err *err)
{
	while (kept->is_reading) {
		enum err_code code = fiber_signal_wait(&kept->is_read, FIBER_NO_TIMEOUT);

		if (code != ERR_OK) {
			return err_set(err, code, "waiting for a read of the session");
		}
	}
	*err = kept->err;
	return err->code;
}

enum err_code recents_hold(struct recents *recents, const struct id *sid, const char *tenant,
                           struct recent **ret, struct err *err)
{
	struct kept *kept;
	char key[KEY_SIZE];
	enum err_code code;

	(void)snprintf(key, sizeof(key), "%s %s", sid->s, tenant);
	drop_stale(recents);
	kept = map_get(recents->by_key, str_of(key));
	if (kept == NULL) {
		kept = add(recents, key);
		kept->holders = 1;
		read_for_all(recents, kept, sid, tenant);
	} else {
		kept->holders++;
	}
	code = await(kept, err);
	if (code == ERR_OK) {
		*ret = &kept->recent;
	} else {
		recents_release(&kept->recent);
	}
	return code;
}

void recents_release(struct recent *recent)
{
	struct kept *kept = CONTAINER_OF(recent, struct kept, recent);

	kept->holders--;
	if (kept->holders == 0 && kept->is_dropped) {
		destroy(kept);
	}
}
