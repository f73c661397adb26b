#include "scheduler/retain.h"

#include <inttypes.h>

#include "aomi/chat_store.h"
#include "base/arena.h"
#include "event/claim.h"
#include "event/retention.h"
#include "log/log.h"
#include "login/login.h"
#include "scheduler/app.h"
#include "token/refresh.h"
#include "upload/upload_store.h"
#include "webhook/webhook_queue.h"

enum { CLAIM_MS = 5000 }; /* beyond the pause between turns; renewed with every batch */

struct sweep {
	uint64_t segments, sessions;
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

enum err_code retain_turn(struct app *app, struct err *err)
{
	const struct claim claim = { "{w}:retention", app->holder.s };
	struct sweep sweep = { .segments = 0 };
	struct arena *arena = arena_new();
	struct retention_due *due = arena_take(arena, RETENTION_MAX * sizeof(*due));
	bool more = true, mine = false;
	uint64_t uploads = 0, messages = 0;
	enum err_code code = keep_claim(app, &claim, &mine, err);

	while (code == ERR_OK && mine && more) {
		code = remove_some(app, due, &sweep, &more, err);
		if (code == ERR_OK && more) {
			code = keep_claim(app, &claim, &mine, err);
		}
	}
	if (code == ERR_OK && mine) {
		code = refresh_prune(app->node->pg, err);
	}
	if (code == ERR_OK && mine) {
		code = login_prune(app->node->pg, err);
	}
	if (code == ERR_OK && mine) {
		code = chat_prune(app->node->pg, err);
	}
	if (code == ERR_OK && mine) {
		code = upload_prune(app->node->pg, app->node->conf.upload_keep / 1000, &uploads,
		                    err);
	}
	if (code == ERR_OK && mine) {
		code = webhook_prune(app->node->pg, app->node->conf.webhook_keep, &messages, err);
	}
	if (uploads > 0) {
		log_info("uploads.removed", "count=%" PRIu64, uploads);
	}
	if (messages > 0) {
		log_info("webhooks.removed", "count=%" PRIu64, messages);
	}
	if (sweep.segments > 0 || sweep.sessions > 0) {
		log_info("retention.removed", "segments=%" PRIu64 " sessions=%" PRIu64,
		         sweep.segments, sweep.sessions);
	}
	arena_free(arena);
	return code;
}
