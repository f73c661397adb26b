/* GET /api/v1/scheduling/waits: how many sessions of which tenant wait, and for what. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "json/write.h"
#include "queue/demand.h"
#include "redis/redis.h"
#include "session/session_wait.h"

/* By tenant: how many of those that could have their turn wait for a limit of theirs. */
struct limited {
	struct {
		struct str tenant;
		uint64_t sessions;
	} items[SESSION_WAITING_MAX];
	size_t count;
};

static void add_limited(struct limited *limited, const struct queue_limited *found,
                        struct arena *arena)
{
	size_t i = 0;

	while (i < limited->count && !str_eq(limited->items[i].tenant, str_of(found->tenant))) {
		i++;
	}
	if (i == ARRAY_LEN(limited->items)) {
		return;
	}
	if (i == limited->count) {
		limited->items[limited->count++].tenant = arena_str(arena, str_of(found->tenant));
	}
	limited->items[i].sessions += found->sessions; /* 128 of 2^53 at most */
}

static enum err_code read_limited(struct redis *redis, struct limited *limited, struct arena *arena,
                                  struct err *err)
{
	struct queue_limited *found = arena_take(arena, QUEUE_BATCH_MAX * sizeof(*found));
	enum err_code code = ERR_OK;

	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(redis); shard++) {
		const struct queue queue = queue_at(redis, shard);
		size_t count = 0;

		code = queue_limited(&queue, found, &count, err);
		for (size_t i = 0; code == ERR_OK && i < count; i++) {
			add_limited(limited, &found[i], arena);
		}
	}
	return code;
}

static uint64_t limited_of(const struct limited *limited, const char *tenant)
{
	for (size_t i = 0; i < limited->count; i++) {
		if (str_eq(limited->items[i].tenant, str_of(tenant))) {
			return limited->items[i].sessions;
		}
	}
	return 0;
}

static void write_one(struct jsonw *w, const struct session_waiting *item, const char *reason,
                      uint64_t sessions)
{
	if (sessions > 0) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "tenant", item->tenant);
		jsonw_cstr(w, "reason", reason);
		jsonw_u64(w, "sessions", sessions);
		jsonw_u64(w, "oldestSeconds", item->oldest_s);
		jsonw_end_object(w);
	}
}

/* PostgreSQL knows nothing of limits: those that wait for one are queued, as those are whose turn
 * comes. */
static void write_item(struct jsonw *w, const struct session_waiting *item,
                       const struct limited *limited)
{
	uint64_t held = 0;

	if (str_eq(str_of(item->reason), STR_LIT("turn"))) {
		held = limited_of(limited, item->tenant);
		held = held < item->sessions ? held : item->sessions;
		write_one(w, item, "limit", held);
	}
	write_one(w, item, item->reason, item->sessions - held);
}

void serve_scheduling_waits(struct http_request *req, struct http_reply *reply)
{
	struct node *node = node_of(req);
	struct session_waiting *items =
		arena_take(req->arena, SESSION_WAITING_MAX * sizeof(*items));
	struct limited *limited = arena_take(req->arena, sizeof(*limited));
	size_t count = 0;
	struct err err;
	struct jsonw w;

	limited->count = 0;
	if (session_waiting_all(node->pg, items, &count, &err) != ERR_OK ||
	    read_limited(node->redis, limited, req->arena, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_time(&w, "at", clock_wall_us());
	jsonw_array(&w, "items");
	for (size_t i = 0; i < count; i++) {
		write_item(&w, &items[i], limited);
	}
	jsonw_end_array(&w);
	jsonw_bool(&w, "more", count == SESSION_WAITING_MAX);
	jsonw_end_object(&w);
}
