#include "scheduler/retain.h"

#include <inttypes.h>

#include "aomi/chat_store.h"
#include "base/arena.h"
#include "event/claim.h"
#include "event/retention.h"
#include "log/log.h"
#include "login/login.h"
#include "metric/metric.h"
#include "scheduler/app.h"
#include "token/refresh.h"
#include "upload/upload_store.h"
#include "webhook/webhook_queue.h"

enum { CLAIM_MS = 5000 }; /* beyond the pause between turns; renewed with every batch */

struct sweep {
	uint64_t segments, sessions, uploads, dead, messages;
};

static enum err_code keep_claim(struct app *app, const struct claim *claim, bool *ret_mine,
                                struct err *err)
{
	return claim_take(app->node->redis, claim, app->node->conf.retention_interval + CLAIM_MS,
	                  ret_mine, err);
}

/* *ret_more: there may be more. */
static enum err_code remove_some(struct app *app, struct retention_due *due, struct sweep *sweep,
                                 bool *ret_more, struct err *err)
{
	struct node *node = app->node;
	uint64_t default_s = node->conf.retention_default / 1000;
	size_t count = 0, ended = 0, removed = 0;
	enum err_code code = retention_list(node->pg, default_s, due, &count, err);

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		size_t segments;

		code = retention_remove(&node->store, node->pg, &due[i], &segments, err);
		if (code != ERR_OK) {
			code = duty_item_failed(due[i].sid.s, code, err);
		} else {
			removed += segments;
		}
	}
	if (code == ERR_OK) {
		code = retention_end(node->pg, default_s, &ended, err);
	}
	sweep->segments += removed;
	sweep->sessions += ended;
	*ret_more = removed > 0 || ended > 0;
	return code;
}

/* What has an age of its own, part by part: each gives how much of it went, 0 when that was all. */
typedef enum err_code(part_fn)(struct app *app, uint64_t *ret, struct err *err);

static enum err_code remove_uploads(struct app *app, uint64_t *ret, struct err *err)
{
	return upload_prune(app->node->pg, app->node->conf.upload_keep / 1000, ret, err);
}

static enum err_code give_up_messages(struct app *app, uint64_t *ret, struct err *err)
{
	enum err_code code =
		webhook_give_up(app->node->pg, app->node->conf.webhook_give_up, ret, err);

	metric_add(METRIC_WEBHOOK_DEAD, NULL, (double)*ret);
	return code;
}

static enum err_code remove_messages(struct app *app, uint64_t *ret, struct err *err)
{
	return webhook_prune(app->node->pg, app->node->conf.webhook_keep, ret, err);
}

static enum err_code remove_all(struct app *app, part_fn *part, const struct claim *claim,
                                uint64_t *count, struct err *err)
{
	uint64_t some = 1;
	bool mine = true;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && mine && some > 0) {
		code = part(app, &some, err);
		*count += code == ERR_OK ? some : 0;
		if (code == ERR_OK && some > 0) {
			code = keep_claim(app, claim, &mine, err);
		}
	}
	return code;
}

static enum err_code remove_rows(struct app *app, const struct claim *claim, struct sweep *sweep,
                                 struct err *err)
{
	enum err_code code = refresh_prune(app->node->pg, err);

	if (code == ERR_OK) {
		code = login_prune(app->node->pg, err);
	}
	if (code == ERR_OK) {
		code = chat_prune(app->node->pg, err);
	}
	if (code == ERR_OK) {
		code = remove_all(app, remove_uploads, claim, &sweep->uploads, err);
	}
	if (code == ERR_OK) {
		code = remove_all(app, give_up_messages, claim, &sweep->dead, err);
	}
	return code == ERR_OK ? remove_all(app, remove_messages, claim, &sweep->messages, err)
	                      : code;
}

static void tell(const struct sweep *sweep)
{
	if (sweep->uploads > 0) {
		log_info("uploads.removed", "count=%" PRIu64, sweep->uploads);
	}
	if (sweep->dead > 0) {
		log_warn("webhooks.given_up", "count=%" PRIu64, sweep->dead);
	}
	if (sweep->messages > 0) {
		log_info("webhooks.removed", "count=%" PRIu64, sweep->messages);
	}
	if (sweep->segments > 0 || sweep->sessions > 0) {
		log_info("retention.removed", "segments=%" PRIu64 " sessions=%" PRIu64,
		         sweep->segments, sweep->sessions);
	}
}

enum err_code retain_turn(struct app *app, struct err *err)
{
	const struct claim claim = { "{w}:retention", app->holder.s };
	struct sweep sweep = { .segments = 0 };
	struct arena *arena = arena_new();
	struct retention_due *due = arena_take(arena, RETENTION_MAX * sizeof(*due));
	bool more = true, mine = false;
	enum err_code code = keep_claim(app, &claim, &mine, err);

	while (code == ERR_OK && mine && more) {
		code = remove_some(app, due, &sweep, &more, err);
		if (code == ERR_OK && more) {
			code = keep_claim(app, &claim, &mine, err);
		}
	}
	if (code == ERR_OK && mine) {
		code = remove_rows(app, &claim, &sweep, err);
	}
	tell(&sweep);
	arena_free(arena);
	return code;
}
