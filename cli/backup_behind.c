#include "cli/backup_behind.h"

#include "base/clock.h"
#include "cli/local.h"
#include "event/log.h"
#include "redis/redis.h"
#include "session/session_trail.h"

enum { PAGE = LOG_HEADS_MAX, REDIS_MS = 5000, LOOK_MS = 200 };

/* A log, and how far it was when it was looked at first. */
struct behind {
	struct id sid;
	const char *tenant;
	uint64_t n, watermark;
	struct behind *next;
};

struct wait {
	struct log_store store;
	struct pg *pg;
	struct arena *arena;
	struct behind *first;
};

static enum err_code note_page(struct wait *wait, const struct session_trails *page,
                               struct err *err)
{
	struct log_look looks[PAGE] = { 0 };
	enum err_code code;

	for (size_t i = 0; i < page->count; i++) {
		looks[i].sid = page->items[i].id;
		looks[i].tenant = page->items[i].tenant.p;
	}
	code = log_heads_get(&wait->store, looks, page->count, err);
	for (size_t i = 0; code == ERR_OK && i < page->count; i++) {
		const struct log_head *head = &looks[i].head;
		struct behind *behind;

		if (!head->found || head->at.n <= head->watermark) {
			continue;
		}
		behind = arena_take(wait->arena, sizeof(*behind));
		*behind = (struct behind){ looks[i].sid,
			                   arena_strdup(wait->arena, str_of(looks[i].tenant)),
			                   head->at.n, head->watermark, wait->first };
		wait->first = behind;
	}
	return code;
}

static enum err_code note_all(struct wait *wait, struct err *err)
{
	struct id after = { "" };
	size_t count = PAGE;

	while (count == PAGE) {
		struct arena *arena = arena_new();
		struct session_trails page = { .count = 0 };
		enum err_code code = session_trail_list(wait->pg, &after, PAGE, arena, &page, err);

		if (code == ERR_OK && page.count > 0) {
			after = page.items[page.count - 1].id;
			code = note_page(wait, &page, err);
		}
		count = page.count;
		arena_free(arena);
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

/* Those that were copied meanwhile, or whose log has left Redis, are noted no more. */
static enum err_code look_again(struct wait *wait, struct err *err)
{
	for (struct behind **at = &wait->first; *at != NULL;) {
		struct behind *behind = *at;
		struct log_head head;
		enum err_code code =
			log_head_get(&wait->store, &behind->sid, behind->tenant, &head, err);

		if (code != ERR_OK) {
			return code;
		}
		if (!head.found || head.watermark >= behind->n) {
			*at = behind->next;
		} else {
			behind->watermark = head.watermark;
			at = &behind->next;
		}
	}
	return ERR_OK;
}

static enum err_code await(struct wait *wait, uint64_t for_ms, struct backup_behind *ret,
                           struct err *err)
{
	uint64_t until = clock_mono_ms() + for_ms;
	enum err_code code = note_all(wait, err);

	while (code == ERR_OK && wait->first != NULL && clock_mono_ms() < until) {
		(void)fiber_sleep(LOOK_MS);
		code = look_again(wait, err);
	}
	*ret = (struct backup_behind){ .looked = true };
	for (const struct behind *b = wait->first; b != NULL; b = b->next) {
		ret->sessions++;
		ret->events += b->n - b->watermark;
	}
	return code;
}

enum err_code backup_await_archive(struct local *local, uint64_t for_ms, struct backup_behind *ret,
                                   struct err *err)
{
	struct redis *redis = local_redis(local, REDIS_MS);
	struct wait wait = { .store = { .redis = redis }, .pg = local->pg };
	enum err_code code;

	*ret = (struct backup_behind){ .looked = false };
	if (redis == NULL) {
		return ERR_OK;
	}
	/* A backup must be had while Redis is away, of all times. */
	if (redis_wait_connected(redis, REDIS_MS, err) != ERR_OK) {
		redis_free(redis);
		return ERR_OK;
	}
	wait.arena = arena_new();
	code = await(&wait, for_ms, ret, err);
	arena_free(wait.arena);
	redis_free(redis);
	return code;
}
