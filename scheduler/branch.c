#include "scheduler/branch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "delivery/delivery_store.h"
#include "json/write.h"
#include "log/log.h"
#include "queue/mail.h"
#include "scheduler/app.h"
#include "session/session.h"

enum {
	PAGE = 64,
	BODY_MAX = 8192,
	AGAIN_MS = 5000, /* doubled each time */
	AGAIN_MAX_MS = 300000,
	TRIES_MAX = 16,
	NAME_SIZE = 64,
	ASKED_SHIFT_MAX = 8,
};

static void answer_name(const struct delivery *d, char out[NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "%s-%" PRIu64, d->session.s, d->epoch);
}

static enum err_code end(struct app *app, const struct delivery *d, enum delivery_state state,
                         const char *reason, struct err *err)
{
	log_info("delivery.ended", "session=%s epoch=%" PRIu64 " state=%s branch=%" STR_FMT " %s",
	         d->session.s, d->epoch, delivery_state_name(state), STR_ARG(d->branch), reason);
	return delivery_end(app->node->pg, d, state, reason, err);
}

/* ---- asking a worker ---- */

/* Its own worker first; whoever is next in line when that is gone or could not. */
static const struct lease_worker *choose(const struct delivery *d,
                                         const struct lease_worker *workers, size_t count)
{
	for (size_t i = 0; i < count && d->asked % 2 == 0; i++) {
		if (str_eq(d->worker, str_of(workers[i].worker))) {
			return &workers[i];
		}
	}
	return count > 0 ? &workers[d->asked / 2 % count] : NULL;
}

static enum err_code send(struct app *app, const struct delivery *d,
                          const struct lease_worker *worker, struct err *err)
{
	struct mail mail = { .kind = STR_LIT("deliver"),
		             .incarnation = str_of(worker->incarnation),
		             .sid = d->session,
		             .epoch = d->epoch };
	char name[NAME_SIZE];
	enum err_code code;
	struct buf body;
	struct jsonw w;

	answer_name(d, name);
	buf_init(&body, BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "name", name);
	jsonw_str(&w, "url", d->url);
	jsonw_str(&w, "commit", d->commit);
	jsonw_str(&w, "branch", d->branch);
	jsonw_end_object(&w);
	mail.body = buf_str(&body);
	code = buf_failed(&body) ? err_set(err, ERR_TOO_LARGE, "delivery of %s", d->session.s)
	                         : mail_send(app->node->redis, worker->worker, &mail, err);
	buf_fini(&body);
	return code;
}

static enum err_code ask(struct app *app, const struct delivery *d, struct err *err)
{
	struct lease_worker *workers = mem_calloc(FLEET_MAX, sizeof(*workers));
	unsigned shift = d->asked < ASKED_SHIFT_MAX ? d->asked : ASKED_SHIFT_MAX;
	uint64_t again_ms = (uint64_t)AGAIN_MS << shift;
	const struct lease_worker *worker = NULL;
	bool ours = false;
	size_t count = 0;
	enum err_code code = lease_list(app->node->redis, workers, FLEET_MAX, &count, err);

	if (code == ERR_OK && (worker = choose(d, workers, count)) != NULL) {
		code = delivery_ask(app->node->pg, d,
		                    again_ms < AGAIN_MAX_MS ? again_ms : AGAIN_MAX_MS, &ours, err);
	}
	if (code == ERR_OK && ours) {
		log_debug("delivery.asked", "session=%s worker=%s", d->session.s, worker->worker);
		code = send(app, d, worker, err);
	}
	free(workers);
	return code;
}

/* ---- what became of it ---- */

/* done | failed <why> | again <why> */
static enum err_code look_at_answer(struct app *app, const struct delivery *d, bool *ret_ended,
                                    struct err *err)
{
	char name[NAME_SIZE], answer[MAIL_ANSWER_MAX + 1];
	enum err_code code;
	struct str why;

	answer_name(d, name);
	code = mail_answered(app->node->redis, name, answer, err);
	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	if (code != ERR_OK) {
		return code;
	}
	why = str_of(answer);
	if (str_starts(why, STR_LIT("done"))) {
		*ret_ended = true;
		return end(app, d, DELIVERY_DONE, "", err);
	}
	if (str_starts(why, STR_LIT("failed ")) || (d->due && d->asked >= TRIES_MAX)) {
		(void)str_split(&why, ' ');
		*ret_ended = true;
		return end(app, d, DELIVERY_FAILED, why.p != NULL ? why.p : "", err);
	}
	return ERR_OK;
}

static enum err_code deliver(struct app *app, const struct delivery *d, struct err *err)
{
	bool ended = false;
	enum err_code code = ERR_OK;

	if (!str_eq(d->session_state, str_of(session_state_name(SESSION_COMPLETED)))) {
		return end(app, d, DELIVERY_DROPPED, d->session_state.p, err);
	}
	if (d->asked > 0) {
		code = look_at_answer(app, d, &ended, err);
	}
	if (code == ERR_OK && !ended && d->due && d->asked >= TRIES_MAX) {
		return end(app, d, DELIVERY_FAILED, "no worker answered", err);
	}
	return code == ERR_OK && !ended && d->due ? ask(app, d, err) : code;
}

enum err_code branch_turn(struct app *app, struct err *err)
{
	struct arena *arena = arena_new();
	struct delivery_list list = { .count = 0 };
	enum err_code code = delivery_waiting(app->node->pg, PAGE, arena, &list, err);

	for (size_t i = 0; code == ERR_OK && i < list.count; i++) {
		code = deliver(app, &list.items[i], err);
		if (code != ERR_OK) {
			code = duty_item_failed(list.items[i].session.s, code, err);
		}
	}
	arena_free(arena);
	return code;
}
