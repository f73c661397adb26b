#include "streamer/recent.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "event/between.h"
#include "metric/metric.h"
#include "streamer/consumer_frame.h"
#include "streamer/feed.h"
#include "streamer/frame.h"

enum {
	FRESH_MS = 1000,
	KEPT_MAX = 64,
	ASKS_ENOUGH = 256 * 1024, /* bytes: the greeting has no more requests after that */
	ASKS_MAX = ASKS_ENOUGH + 2 * FRAME_MAX,
	KEY_SIZE = AUTH_TENANT_MAX + 1 + ID_LEN + 1,
};

/* In the map until it is stale, and alive until nobody holds it. */
struct kept {
	struct recent recent;
	char key[KEY_SIZE];
	struct arena *arena;
	unsigned holders;
	bool is_reading, is_dropped, has_snapshot;
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
	if (kept->has_snapshot) {
		snapshot_fini(&kept->recent.snapshot);
	}
	past_fini(&kept->recent.past);
	buf_fini(&kept->recent.asks);
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
	buf_init(&kept->recent.asks, ASKS_MAX);
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

static void add_ask(void *arg, const struct log_event *event)
{
	struct recent *recent = arg;

	consumer_frame_event(event, &recent->row.id, &recent->asks);
}

/* A snapshot has only so much of an event. */
static enum err_code read_asks(const struct recents *recents, struct recent *recent,
                               const char *tenant, struct err *err)
{
	struct between between = { .store = recents->options.store,
		                   .pg = recents->options.pg,
		                   .sid = recent->row.id,
		                   .tenant = tenant,
		                   .each = add_ask,
		                   .arg = recent };
	const struct snapshot_event *kept;
	enum err_code code = ERR_OK;

	TAILQ_FOREACH (kept, &recent->snapshot.pending, link) {
		uint64_t n = kept->event.at.n;

		if (code == ERR_OK && recent->asks.len < ASKS_ENOUGH) {
			code = between_read(&between, n - 1, n, err);
		}
	}
	return code;
}

static enum err_code read_past(const struct recents *recents, struct recent *recent,
                               const char *tenant, struct err *err)
{
	recent->past = (struct past){ .store = recents->options.store,
		                      .pg = recents->options.pg,
		                      .sid = recent->row.id,
		                      .tenant = tenant,
		                      .through = recent->snapshot.at.n,
		                      .messages_max = PAST_MESSAGES_MAX };
	return past_look(&recent->past, err);
}

static enum err_code read_all(const struct recents *recents, struct kept *kept,
                              const struct id *sid, const char *tenant)
{
	const struct recents_options *options = &recents->options;
	struct recent *recent = &kept->recent;
	struct err *err = &kept->err;
	enum err_code code = session_get(options->pg, tenant, sid, kept->arena, &recent->row, err);

	metric_inc(METRIC_GREETINGS_READ, NULL);
	if (code == ERR_OK) {
		code = snapshot_read(options->store, options->pg, sid, tenant, &recent->snapshot,
		                     err);
		kept->has_snapshot = code == ERR_OK;
	}
	if (code == ERR_OK) {
		code = look(recents, kept, sid, tenant);
	}
	if (code == ERR_OK) {
		code = read_asks(recents, recent, tenant, err);
	}
	if (code == ERR_OK) {
		code = read_past(recents, recent, tenant, err);
	}
	return code == ERR_OK ? presence_list(options->store->redis, sid, &recent->present, err)
	                      : code;
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
