/*
 * A scheduler: the shipped duties (sweep, promote, admit, restore) under the shipped duty_run(),
 * and grants made of the shipped calls in the order that queue.h prescribes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "event/segment.h"
#include "queue/mail.h"
#include "queue/offer.h"
#include "scheduler/budgets.h"
#include "scheduler/opening.h"
#include "scheduler/promote.h"
#include "scheduler/reconcile.h"
#include "scheduler/retake.h"
#include "scheduler/sweep.h"
#include "session/session_copy.h"
#include "tests/sim/model_data.h"
#include "tests/sim/world.h"

enum {
	LIVING_MAX = HOSTS_MAX * 4,
	PAGE = 16,
	HALF_DONE_MS = 700,
	REMIND_MS = 1200,
	RETIRE_NEVER = 0
};

static struct player *player_of_app(struct app *app)
{
	return CONTAINER_OF(app, struct player, app);
}

/* ---- a lease ---- */

static enum err_code tell(struct app *app, const struct queue_item *item, const char *kind,
                          uint64_t epoch, struct err *err)
{
	const struct mail mail = { .kind = str_of(kind),
		                   .incarnation = str_of(item->incarnation),
		                   .sid = item->sid,
		                   .epoch = epoch,
		                   .attempt = item->attempt };
	char worker[QUEUE_WORKER_MAX + 1];
	enum err_code code = lease_worker_of(app->node->redis, item->incarnation, worker, err);

	return code == ERR_OK          ? mail_send(app->node->redis, worker, &mail, err)
	       : code == ERR_NOT_FOUND ? ERR_OK
	                               : code;
}

static enum err_code hand_over(struct app *app, const struct queue_item *item,
                               const struct log_result *opened, struct err *err)
{
	const struct queue queue = app_queue(app, item->tenant);
	const struct queue_move move = { .sid = item->sid,
		                         .attempt = item->attempt,
		                         .epoch = opened->epoch };
	enum queue_set set;
	enum err_code code = queue_opened(&queue, &move, &set, err);

	if (code == ERR_CONFLICT || code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	return code == ERR_OK && opened->told == 0 ? tell(app, item, "run", opened->epoch, err)
	                                           : code;
}

/* Most are told in the step that raises the epoch, later leases too. */
static enum err_code raise_epoch(struct app *app, const struct queue_item *item,
                                 struct log_result *ret, struct err *err)
{
	char token[QUEUE_TOKEN_SIZE], worker[QUEUE_WORKER_MAX + 1], channel[QUEUE_KEY_SIZE];
	struct opening opening = { .sid = item->sid,
		                   .tenant = item->tenant,
		                   .cause = "lease",
		                   .token = token,
		                   .epoch = item->epoch,
		                   .moves = true,
		                   .to = SESSION_PROVISIONING };
	const struct mail mail = { .kind = STR_LIT("run"),
		                   .incarnation = str_of(item->incarnation),
		                   .sid = item->sid,
		                   .epoch = item->epoch + 1,
		                   .attempt = item->attempt };
	struct buf aloud;
	enum err_code code = ERR_OK;

	queue_token(item, token);
	buf_init(&aloud, MAIL_ALOUD_MAX);
	if (item->epoch > 0 && roll(4) > 0 && mail_aloud_write(&mail, &aloud)) {
		code = lease_worker_of(app->node->redis, item->incarnation, worker, err);
		if (code == ERR_OK) {
			mail_aloud_channel(worker, channel);
			opening.channel = channel;
			opening.tell = buf_str(&aloud);
		}
	}
	if (code == ERR_OK || code == ERR_NOT_FOUND) {
		code = opening_make(app, &opening, ret, err);
	}
	buf_fini(&aloud);
	return code;
}

static enum err_code complete(struct app *app, const struct queue_item *item, struct err *err)
{
	struct log_result result;
	bool alive = false;
	enum err_code code = lease_lives(app->node->redis, item->incarnation, &alive, err);

	if (code == ERR_OK && !alive) {
		return retake_item(app, item, RETAKE_MISPLACED, err);
	}
	if (code == ERR_OK) {
		code = raise_epoch(app, item, &result, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (result.outcome == LOG_OK) {
		return hand_over(app, item, &result, err);
	}
	return result.outcome == LOG_ENDED ? retake_finish(app, &item->sid, item->tenant, err)
	                                   : retake_item(app, item, RETAKE_MISPLACED, err);
}

/* Now and then a better worker is known. */
static enum err_code place(struct app *app, struct queue_item *item,
                           const struct lease_worker *other, struct err *err)
{
	const struct queue queue = app_queue(app, item->tenant);
	const struct queue_move move = { .sid = item->sid,
		                         .attempt = item->attempt,
		                         .delay_ms = 300,
		                         .worker = other->incarnation,
		                         .slots = other->slots };
	bool waits = roll(3) == 0;
	enum queue_set set;
	enum err_code code = waits ? queue_prefer(&queue, &move, &set, err)
	                           : queue_place(&queue, &move, &set, err);

	if (code == ERR_OK && !waits) {
		memcpy(item->incarnation, other->incarnation, sizeof(item->incarnation));
	}
	if (code == ERR_OK && waits) {
		item->set = QUEUE_DELAYED;
	}
	return code == ERR_CONFLICT || code == ERR_NOT_FOUND ? ERR_OK : code;
}

static enum err_code take(struct app *app, struct queue_item *item,
                          const struct lease_worker *other, struct err *err)
{
	enum err_code code = ERR_OK;

	switch (item->claimed) {
	case QUEUE_CLAIMED_BACK: return tell(app, item, "unpark", item->epoch, err);
	case QUEUE_CLAIMED_EVICT: return tell(app, item, "evict", item->epoch, err);
	case QUEUE_CLAIMED_NEW: break;
	}
	if (!world->shape.fair && strcmp(other->incarnation, item->incarnation) != 0 &&
	    roll(4) == 0) {
		code = place(app, item, other, err);
	}
	return code == ERR_OK && item->set == QUEUE_LEASING ? complete(app, item, err) : code;
}

static enum err_code claim(struct app *app, const struct lease_worker *worker,
                           const struct lease_worker *other, size_t *ret_count, struct err *err)
{
	const struct queue queue = queue_at(app->node->redis, 0);
	const struct queue_claim claim = { .incarnation = worker->incarnation,
		                           .has = worker->has,
		                           .capacity = worker->slots,
		                           .resident = worker->slots + 1,
		                           .max = 1 + (unsigned)roll(2) };
	struct queue_item items[2];
	size_t count = 0;
	enum err_code code = queue_claim(&queue, &claim, items, &count, err);

	*ret_count = 0;
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		*ret_count += items[i].claimed != QUEUE_CLAIMED_EVICT;
		code = take(app, &items[i], other, err);
		code = code == ERR_OK ? ERR_OK : duty_item_failed(items[i].sid.s, code, err);
	}
	return code;
}

/* ---- what others left ---- */

static enum err_code complete_half_done(struct app *app, struct err *err)
{
	const struct queue queue = queue_at(app->node->redis, 0);
	struct queue_item items[PAGE];
	struct queue_page page = { items, PAGE, 0 };
	enum err_code code = queue_list(&queue, QUEUE_LEASING, HALF_DONE_MS, &page, err);

	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		code = complete(app, &items[i], err);
		code = code == ERR_OK ? ERR_OK : duty_item_failed(items[i].sid.s, code, err);
	}
	return code;
}

static enum err_code remind_of(struct app *app, const struct queue_item *item, struct err *err)
{
	struct log_head head;
	enum err_code code = opening_head(app, &item->sid, item->tenant, &head, err);

	if (code != ERR_OK || !head.found) {
		return code;
	}
	if (session_is_terminal(head.state)) {
		return retake_finish(app, &item->sid, item->tenant, err);
	}
	if (head.state == SESSION_QUEUED) {
		return retake_item(app, item, RETAKE_MISPLACED, err);
	}
	return head.state == SESSION_PROVISIONING ? tell(app, item, "run", head.at.epoch, err)
	                                          : ERR_OK;
}

static enum err_code remind(struct app *app, enum queue_set set, struct err *err)
{
	const struct queue queue = queue_at(app->node->redis, 0);
	struct queue_item items[PAGE];
	struct queue_page page = { items, PAGE, 0 };
	enum err_code code = queue_list(&queue, set, REMIND_MS, &page, err);

	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		code = remind_of(app, &items[i], err);
		code = code == ERR_OK ? ERR_OK : duty_item_failed(items[i].sid.s, code, err);
	}
	return code;
}

/* What was evicted may go on: its answer has come. */
static enum err_code release(struct app *app, struct err *err)
{
	const struct queue queue = queue_at(app->node->redis, 0);
	struct queue_item items[PAGE];
	struct queue_page page = { items, PAGE, 0 };
	enum err_code code = queue_list(&queue, QUEUE_HELD, 300, &page, err);

	for (size_t i = 0; code == ERR_OK && i < page.count; i++) {
		const struct queue_move move = { .sid = items[i].sid };
		enum queue_set set;

		if (strcmp(items[i].reason, "evicted") == 0) {
			code = queue_release(&queue, &move, &set, err);
			code = code == ERR_CONFLICT || code == ERR_NOT_FOUND ? ERR_OK : code;
		}
	}
	return code;
}

/* ---- what comes while nobody waits ---- */

/* All, some, less than they have, or nothing any more; what one that died had said may come now. */
static enum err_code offer(struct player *player, const struct lease_worker *living, size_t count,
                           struct err *err)
{
	const struct queue queue = queue_at(player->node.redis, 0);
	struct queue_offer items[LIVING_MAX];
	struct queue_offers offers = { .holder = player->app.holder.s,
		                       .for_ms = roll(4) == 0 ? roll(300) : 1000,
		                       .items = items };
	unsigned how = (unsigned)roll(8);
	bool stands;

	for (size_t i = 0; i < count && how > 0; i++) {
		if (how > 1 || roll(2) == 0) {
			items[offers.count++] = (struct queue_offer){
				.incarnation = living[i].incarnation,
				.has = roll(6) > 0 ? living[i].has : "",
				.capacity = living[i].slots,
				.resident = living[i].slots + (roll(4) > 0 ? 1 : 0),
				.more = roll(3) == 0 ? 1 : 0,
			};
		}
	}
	if (player->former[0] != '\0' && chance(4)) {
		offers.holder = player->former;
	}
	return queue_offer(&queue, &offers, &stands, err);
}

static enum err_code taken_turn(struct app *app, struct err *err)
{
	struct player *player = player_of_app(app);
	enum err_code code = ERR_OK;

	while (code == ERR_OK && player->taken_count > 0) {
		const struct queue_item item = player->taken[0];

		memmove(player->taken, player->taken + 1,
		        --player->taken_count * sizeof(player->taken[0]));
		code = complete(app, &item, err);
		code = code == ERR_OK ? ERR_OK : duty_item_failed(item.sid.s, code, err);
	}
	return code;
}

/* Its row is said with it, unless who submitted it did not know all of that. */
static void check_copy(const struct queue_taken *heard)
{
	struct arena *arena = arena_new();
	struct session row;

	if (heard->copy.n > 0 &&
	    (!session_copy_read(heard->copy, arena, &row) || !id_eq(&row.id, &heard->item.sid))) {
		world_fail("%s was taken with another's row", heard->item.sid.s);
	}
	arena_free(arena);
}

bool scheduler_holds(const struct player *player, struct str payload)
{
	struct queue_taken heard;

	if (!queue_taken_read(payload, &heard)) {
		world_fail("it is taken, and nobody understands what");
		return false;
	}
	return str_eq(heard.holder, str_of(player->app.holder.s));
}

void scheduler_hear(struct player *player, struct str payload)
{
	struct queue_taken heard;

	if (!queue_taken_read(payload, &heard) || player->taken_count == TAKEN_MAX) {
		return;
	}
	check_copy(&heard);
	player->taken[player->taken_count++] = heard.item;
	if (player->frozen_until <= world->now_us) {
		duty_ring(&player->app.duties[DUTY_TAKEN]);
		world->woken = true;
	}
}

static enum err_code grant_turn(struct app *app, struct err *err)
{
	struct player *player = player_of_app(app);
	struct lease_worker living[LIVING_MAX];
	size_t workers, granted = 1;
	enum err_code code = lease_list(app->node->redis, living, ARRAY_LEN(living), &workers, err);

	if (code == ERR_OK && world->shape.offers) {
		code = offer(player, living, workers, err);
		if (!world->shape.fair &&
		    roll(2) == 0) { /* whoever offers need not claim at the same time */
			return code;
		}
	}

	for (unsigned round = 0; code == ERR_OK && granted > 0 && round < 8; round++) {
		granted = 0;
		for (size_t i = 0; code == ERR_OK && i < workers; i++) {
			size_t got = 0;

			code = claim(app, &living[(i + app->turn) % workers],
			             &living[(i + app->turn + 1) % workers], &got, err);
			granted += got;
		}
		app->turn++;
	}
	if (code == ERR_OK && clock_mono_ms() >= app->looked_ms + 600 + player->number) {
		app->looked_ms = clock_mono_ms();
		code = complete_half_done(app, err);
		code = code == ERR_OK ? remind(app, QUEUE_LEASED, err) : code;
		code = code == ERR_OK && !world->shape.fair ? remind(app, QUEUE_PARKED, err) : code;
		code = code == ERR_OK && !world->shape.fair ? release(app, err) : code;
	}
	return code;
}

/* ---- rows follow the logs, and logs are archived ---- */

static enum err_code archive(struct app *app, struct record *record, const struct log_head *head,
                             struct err *err)
{
	const struct log_trim trim = { .sid = record->sid,
		                       .tenant = record->tenant,
		                       .from = head->watermark,
		                       .to = head->at.n,
		                       .bytes = UINT32_MAX,
		                       .retire_ms = RETIRE_NEVER };
	struct log_result result;
	enum err_code code = pg_door(app->node->pg, err);

	if (code != ERR_OK || head->watermark >= head->at.n) {
		return code;
	}
	if (head->at.n > record->archived.n) {
		record->archived = head->at;
	}
	return log_trim(&app->node->store, &trim, &result, err);
}

static enum err_code follow_turn(struct app *app, struct err *err)
{
	struct player *player = player_of_app(app);
	struct record *record = &world->records[player->follow_at++ % world->shape.sessions];
	struct log_head head = { .found = false };
	enum err_code code = ERR_OK;

	if (!record->committed || session_is_terminal(record->state)) {
		return ERR_OK;
	}
	code = log_head_get(&app->node->store, &record->sid, record->tenant, &head, err);
	if (code != ERR_OK || !head.found || head.generation != app->node->store.generation) {
		return code;
	}
	code = pg_door(app->node->pg, err);
	if (code == ERR_OK && cursor_compare(&head.at, &record->at) > 0) {
		record->at = head.at;
		record->state = head.state;
		if (roll(6) == 0) {
			code = archive(app, record, &head, err);
		}
	}
	return code;
}

/* ---- life ---- */

static void begin_duty(struct player *player, struct duty *duty, const char *name,
                       enum err_code (*turn)(struct app *, struct err *), uint64_t every_ms)
{
	duty->name = name;
	duty->turn = turn;
	duty->every_ms = every_ms;
	duty_init(duty, &player->app);
	(void)player_spawn(player, name, duty_run, duty);
}

void scheduler_start(struct player *player)
{
	struct app *app = &player->app;

	memcpy(player->former, app->holder.s, sizeof(player->former));
	player->taken_count = 0;
	*app = (struct app){ .node = &player->node,
		             .connection = player->connection,
		             .admit_all = true,
		             .holder = id_new() };
	player->node.app = app;
	if (world->generation > 1) {
		app->restore_due = clock_mono_ms() + 1000;
	}
	begin_duty(player, &player->grant, "grant", grant_turn, 500);
	if (world->shape.offers) {
		begin_duty(player, &app->duties[DUTY_TAKEN], "taken", taken_turn, 400);
	}
	begin_duty(player, &player->follow, "follow", follow_turn, world->shape.fair ? 30 : 150);
	begin_duty(player, &app->duties[DUTY_SWEEP], "sweep", sweep_turn, 500);
	begin_duty(player, &app->duties[DUTY_PROMOTE], "promote", promote_turn, 400);
	if (world->bug != BUG_NOT_ADMITTED) {
		begin_duty(player, &app->duties[DUTY_ADMIT], "admit", reconcile_admit, 700);
	}
	if (world->spent_count > 0) {
		begin_duty(player, &app->duties[DUTY_BUDGETS], "budgets", budgets_turn, 300);
	}
	begin_duty(player, &app->duties[DUTY_RESTORE], "restore", reconcile_restore, 2000);
}
