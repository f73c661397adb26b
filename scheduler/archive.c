#include "scheduler/archive.h"

#include "base/arena.h"
#include "base/clock.h"
#include "event/segment.h"
#include "log/log.h"
#include "scheduler/app.h"
#include "scheduler/follow.h"
#include "scheduler/handover.h"
#include "scheduler/looks.h"

enum {
	GATHER_MS = 30,
	PAGE = 64,
	WALK_PAGES = 16,
	MOVES_BATCH = 16,
	EVENTS_MIN = 128,      /* a full segment; fewer wait for more */
	BYTES_MIN = 64 * 1024, /* or this many, as the scripts ring for */
	LINGER_MS = 10000,     /* or this long */
	RETIRE_MS = 600000,
};

enum how { HOW_MOVED, HOW_ALL };

/* How many events are worth a segment. */
static uint64_t events_min(const struct log_head *head, enum how how)
{
	bool all =
		how == HOW_ALL || head->unarchived >= BYTES_MIN || session_is_terminal(head->state);

	return all ? 1 : EVENTS_MIN;
}

static enum err_code copy_log(struct app *app, const struct session_trail *trail,
                              const struct log_head *head, enum how how, uint64_t *ret_through,
                              struct err *err)
{
	const struct archive archive = { .sid = trail->id,
		                         .tenant = trail->tenant.p,
		                         .events_min = events_min(head, how),
		                         .hot_events = app->node->conf.archive_hot_events,
		                         .retire_ms = RETIRE_MS };

	*ret_through = head->watermark;
	if (head->at.n - head->watermark < archive.events_min) {
		return ERR_OK;
	}
	return archive_session(&app->node->store, app->node->pg, &archive, ret_through, err);
}

/* The log of an ended session that an older Redis left open is closed; a living one waits for
 * its rebuild. *ret_wait: for that. */
static enum err_code settle_generation(struct app *app, const struct session_trail *trail,
                                       const struct log_head *head, bool *ret_wait, struct err *err)
{
	struct log_result result;

	*ret_wait = false;
	if (head->generation >= app->node->store.generation) {
		return ERR_OK;
	}
	*ret_wait = !session_is_terminal(head->state);
	return *ret_wait ? ERR_OK
	                 : log_rebuild(&app->node->store, app->node->pg, &trail->id,
	                               trail->tenant.p, &result, err);
}

static enum err_code end_trail(struct app *app, const struct session_trail *trail, struct err *err)
{
	bool marked = false;
	enum err_code code =
		session_trail_end(app->node->pg, trail->tenant.p, &trail->id, &marked, err);

	if (code == ERR_OK && marked) {
		log_info("session.archived", "session=%s", trail->id.s);
	}
	return code;
}

/* A session without a log in Redis: ended long ago, or a loss that the reconciler mends. */
static enum err_code archive_retired(struct app *app, struct session_trail *trail, struct err *err)
{
	bool caught_up;
	enum err_code code;

	if (!session_is_terminal(trail->state)) {
		return ERR_OK;
	}
	code = follow_session(app, trail, &caught_up, err);
	return code == ERR_OK && caught_up ? end_trail(app, trail, err) : code;
}

static bool is_followed(const struct session_trail *trail, const struct log_head *head)
{
	return trail->n == head->at.n && trail->epoch == head->at.epoch;
}

/* Most have nothing to do, most of the time. */
static bool has_work(const struct session_trail *trail, const struct log_head *head, enum how how)
{
	return session_is_terminal(trail->state) ||
	       (head->found && (!is_followed(trail, head) ||
	                        head->at.n - head->watermark >= events_min(head, how)));
}

/* head: as of just now. */
static enum err_code archive_one(struct app *app, struct session_trail *trail,
                                 const struct log_head *head, enum how how, struct err *err)
{
	bool wait = false, caught_up = true;
	uint64_t through = 0;
	enum err_code code;

	if (!head->found) {
		return archive_retired(app, trail, err);
	}
	code = settle_generation(app, trail, head, &wait, err);
	if (code != ERR_OK || wait) {
		return code;
	}
	if (!is_followed(trail, head)) {
		code = follow_session(app, trail, &caught_up, err);
	}
	if (code == ERR_OK) {
		code = copy_log(app, trail, head, how, &through, err);
	}
	if (code != ERR_OK || !caught_up || !session_is_terminal(trail->state) ||
	    through < trail->n) {
		return code;
	}
	return end_trail(app, trail, err);
}

/* One page: all heads in one go, then those that have something to do, each after the sessions that
 * are being handed over. */
static enum err_code archive_page(struct app *app, struct session_trails *trails,
                                  struct arena *arena, enum how how, uint64_t *pass_ms,
                                  struct err *err)
{
	struct log_look *looks = trails_look(trails, arena);
	enum err_code code = log_heads_get(&app->node->store, looks, trails->count, err);

	for (size_t i = 0; code == ERR_OK && i < trails->count; i++) {
		code = looks[i].err.code;
		if (code == ERR_OK && has_work(&trails->items[i], &looks[i].head, how)) {
			handover_let_pass(app, pass_ms);
		}
		if (code == ERR_OK) {
			code = archive_one(app, &trails->items[i], &looks[i].head, how, err);
		} else {
			*err = looks[i].err;
		}
		if (code != ERR_OK) {
			code = duty_item_failed(trails->items[i].id.s, code, err);
		}
	}
	return code;
}

/* Those that moved, with one look at their rows and one at their heads. */
static enum err_code archive_batch(struct app *app, const struct id *sids, size_t count,
                                   uint64_t *pass_ms, struct err *err)
{
	struct arena *arena = arena_new();
	struct session_trails trails;
	enum err_code code = session_trail_get_all(app->node->pg, sids, count, arena, &trails, err);

	if (code == ERR_OK) {
		code = archive_page(app, &trails, arena, HOW_MOVED, pass_ms, err);
	}
	arena_free(arena);
	return code;
}

static size_t take_batch(struct moves *moves, struct id sids[MOVES_BATCH])
{
	struct move move;
	size_t count = 0;

	while (count < MOVES_BATCH && moves_take(moves, &move)) {
		sids[count++] = move.sid;
	}
	return count;
}

enum err_code archive_moves(struct app *app, struct err *err)
{
	struct id sids[MOVES_BATCH];
	enum err_code code = ERR_OK;

	/* What begins moves again in a moment, and then all of it is one walk; and leases that are
	 * being handed out have PostgreSQL to themselves meanwhile. */
	if (!TAILQ_EMPTY(&app->moves.waiting)) {
		(void)fiber_sleep(GATHER_MS);
	}
	while (code == ERR_OK && !TAILQ_EMPTY(&app->moves.waiting)) {
		uint64_t pass_ms = HANDOVER_PASS_MS;
		size_t count;

		handover_let_pass(app, &pass_ms);
		count = take_batch(&app->moves, sids);
		if (count > 0) {
			code = archive_batch(app, sids, count, &pass_ms, err);
		}
	}
	return code; /* the slow walk finds what this one had taken */
}

/* Whether a walk that begins now takes also what is not worth a segment yet. */
static enum how how_of_walk(struct app *app)
{
	uint64_t now = clock_mono_ms();

	if (now < app->archive_all_ms + LINGER_MS) {
		return HOW_MOVED;
	}
	app->archive_all_ms = now;
	return HOW_ALL;
}

/* Some pages of a walk, a break after each, then a pause: what rang is found without it. */
enum err_code archive_sweep(struct app *app, struct err *err)
{
	bool more = true;
	enum err_code code = ERR_OK;

	if (app->archive_after.s[0] == '\0') {
		app->archive_all = how_of_walk(app) == HOW_ALL;
	}
	for (unsigned pages = 0; code == ERR_OK && more && pages < WALK_PAGES; pages++) {
		struct arena *arena = arena_new();
		struct session_trails trails;
		uint64_t pass_ms = HANDOVER_PASS_MS * (PAGE / MOVES_BATCH), begun_ms;

		handover_let_pass(app, &pass_ms);
		begun_ms = clock_mono_ms();
		code = session_trail_list(app->node->pg, &app->archive_after, PAGE, arena, &trails,
		                          err);
		if (code == ERR_OK) {
			code = archive_page(app, &trails, arena,
			                    app->archive_all ? HOW_ALL : HOW_MOVED, &pass_ms, err);
		}
		if (code == ERR_OK) {
			more = trails.count == PAGE;
			app->archive_after = more ? trails.items[PAGE - 1].id : (struct id){ "" };
		}
		arena_free(arena);
		duty_rest(begun_ms);
	}
	return code;
}
