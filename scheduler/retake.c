#include "scheduler/retake.h"

#include <inttypes.h>
#include <stdio.h>

#include "log/log.h"
#include "metric/metric.h"
#include "scheduler/app.h"
#include "scheduler/opening.h"
#include "steer/notify.h"

enum {
	DEATHS_MAX = 3,    /* workers that died of it before a session is poison */
	LATE_TO_DEATH = 5, /* that many that were only late are as one that died */
	TOKEN_SIZE = 64,
	HOLD_DELAY_MS = 5000,
	UNBEGUN_MAX = 24,   /* claims */
	OPENING_EVENTS = 2, /* of a lease: its epoch, and provisioning */
};

static const char lost_reason[] = "worker lost", poison_reason[] = "poison",
		  misplaced_reason[] = "the worker did not take it";

enum err_code retake_finish(struct app *app, const struct id *sid, const char *tenant,
                            struct err *err)
{
	const struct queue queue = app_queue(app, tenant);
	const struct queue_move move = { .sid = *sid };
	enum queue_set set;
	enum err_code code = queue_finish(&queue, &move, &set, err);

	return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* Whether somebody raised the epoch of a lease that had more than its opening: two schedulers that
 * take back the same session must say the same of its worker, and the second finds the head of the
 * first. */
static enum err_code had_begun(struct app *app, const struct queue_item *item,
                               const struct log_head *head, bool *ret, struct err *err)
{
	const uint64_t at =
		head->opened > OPENING_EVENTS + 1 ? head->opened - OPENING_EVENTS - 1 : 0;
	const struct log_range range = { .sid = item->sid,
		                         .tenant = item->tenant,
		                         .after = { CURSOR_EPOCH_ANY, at - 1 },
		                         .max_count = 1,
		                         .max_bytes = 1 };
	struct log_page page = { 0 };
	enum err_code code;

	*ret = false;
	if (at == 0) {
		return ERR_OK;
	}
	code = log_read(&app->node->store, &range, &page, err);
	*ret = code == ERR_OK && page.count > 0 && page.events[0].at.n == at &&
	       page.events[0].at.epoch == item->epoch;
	log_page_fini(&page);
	return code;
}

/*
 * A worker that had not begun the session was not lost on it: it fell silent before, as a rule. But
 * what is given away again and again without being begun may be what workers die of when they read
 * it.
 */
static enum err_code counts_as_lost(struct app *app, const struct queue_item *item,
                                    const struct log_head *head, enum retake_why why, bool *ret,
                                    struct err *err)
{
	enum err_code code = ERR_OK;
	bool begun = item->attempt > UNBEGUN_MAX;

	*ret = false;
	if (why != RETAKE_LOST || item->set == QUEUE_LEASING) {
		return ERR_OK;
	}
	if (!begun && head->at.epoch == item->epoch) {
		begun = head->state != SESSION_PROVISIONING ||
		        head->at.n >= head->opened + OPENING_EVENTS;
	} else if (!begun) {
		code = had_begun(app, item, head, &begun, err);
	}
	*ret = begun;
	return code;
}

/* Whether the queue still has it as the caller saw it. */
enum err_code retake_is_current(struct app *app, const struct queue_item *item, bool *ret,
                                struct err *err)
{
	const struct queue queue = app_queue(app, item->tenant);
	struct queue_item now;
	enum err_code code = queue_get(&queue, &item->sid, &now, err);

	if (code != ERR_OK) {
		*ret = false;
		return code == ERR_NOT_FOUND ? ERR_OK : code;
	}
	*ret = now.attempt == item->attempt &&
	       (now.set == QUEUE_LEASING || now.set == QUEUE_LEASED || now.set == QUEUE_PARKED);
	return ERR_OK;
}

/*
 * A worker on a busy host loses its lease, says so when it comes back, and was not killed by the
 * session. Until it says so it counts as dead, and so does the one that is lost now. What makes
 * host after host late ends as poison too.
 */
static enum err_code look_for_poison(struct app *app, const struct queue_item *item, bool lost,
                                     bool *ret, struct err *err)
{
	const struct queue queue = app_queue(app, item->tenant);
	unsigned late = 0;
	enum err_code code = ERR_OK;

	*ret = lost && item->lost + 1 >= DEATHS_MAX;
	if (*ret) {
		code = queue_late(&queue, &item->sid, &late, err);
		late = late < item->lost ? late : item->lost;
		*ret = (item->lost - late + 1) * LATE_TO_DEATH + late >= DEATHS_MAX * LATE_TO_DEATH;
	}
	return code;
}

static struct opening plan(const struct queue_item *item, const struct log_head *head, bool poison,
                           enum retake_why why, const char *token)
{
	struct opening opening = { .sid = item->sid,
		                   .tenant = item->tenant,
		                   .cause = "requeue",
		                   .token = token,
		                   .epoch = head->at.epoch,
		                   .to = SESSION_QUEUED,
		                   .reason = why == RETAKE_LOST ? lost_reason : misplaced_reason };

	if (head->state == SESSION_STOPPING) {
		opening.to = SESSION_STOPPED; /* nothing of it runs any more */
	} else if (poison) {
		opening.to = SESSION_FAILED;
		opening.reason = poison_reason;
	} else if (head->state == SESSION_PAUSING || head->state == SESSION_PAUSED) {
		opening.to = SESSION_PAUSED; /* until it is resumed */
	}
	opening.moves = opening.to != head->state;
	return opening;
}

/* What was asked to be paused waits where nobody claims it, and takes no slot. Whoever dies between
 * the two steps leaves it delayed: it is claimed then, cannot be placed, and comes here again. */
static enum err_code hold(const struct queue *queue, const struct queue_item *item, struct err *err)
{
	const struct queue_move move = { .sid = item->sid,
		                         .attempt = item->attempt,
		                         .reason = STEER_HOLD_PAUSED };
	enum queue_set set;

	return queue_hold(queue, &move, &set, err);
}

static enum err_code requeue(struct app *app, const struct queue_item *item,
                             const struct log_result *opened, bool lost, struct err *err)
{
	const struct queue queue = app_queue(app, item->tenant);
	const bool paused = opened->state == SESSION_PAUSED;
	const struct queue_move move = { .sid = item->sid,
		                         .attempt = item->attempt,
		                         .epoch = opened->epoch,
		                         .delay_ms = paused ? HOLD_DELAY_MS : 0,
		                         .reason = lost ? lost_reason : misplaced_reason,
		                         .lost = lost ? item->incarnation : NULL };
	enum queue_set set;
	enum err_code code = queue_requeue(&queue, &move, &set, err);

	if (code == ERR_OK && paused) {
		code = hold(&queue, item, err);
	}
	/* Somebody else took it further since we looked, or the queue lost it. */
	return code == ERR_CONFLICT || code == ERR_NOT_FOUND ? ERR_OK : code;
}

static void tell(const struct queue_item *item, const struct log_result *result,
                 enum retake_why why)
{
	log_info("session.retaken",
	         "session=%s tenant=%s state=%s epoch=%" PRIu64 " incarnation=%s attempt=%" PRIu64
	         " lost=%u why=%s",
	         item->sid.s, item->tenant, session_state_name(result->state), result->epoch,
	         item->incarnation, item->attempt, item->lost,
	         why == RETAKE_LOST ? "lost" : "misplaced");
	if (why == RETAKE_LOST) {
		metric_inc(METRIC_LEASES_LOST, NULL);
	}
	if (result->state == SESSION_FAILED) {
		log_warn("session.poison", "session=%s tenant=%s", item->sid.s, item->tenant);
	}
}

static enum err_code take_back(struct app *app, const struct queue_item *item,
                               const struct log_head *head, enum retake_why why, struct err *err)
{
	char token[TOKEN_SIZE];
	struct opening opening;
	struct log_result result;
	bool lost, poison = false;
	enum err_code code = counts_as_lost(app, item, head, why, &lost, err);

	if (code == ERR_OK) {
		code = look_for_poison(app, item, lost, &poison, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	(void)snprintf(token, sizeof(token), "requeue-%" PRIu64, item->attempt);
	opening = plan(item, head, poison, why, token);
	code = opening_make(app, &opening, &result, err);
	if (code != ERR_OK) {
		return code;
	}
	if (result.outcome == LOG_FENCED) {
		return ERR_OK; /* somebody was faster; what is left is seen on the next turn */
	}
	if (result.outcome == LOG_ENDED) {
		return retake_finish(app, &item->sid, item->tenant, err);
	}
	if (result.outcome != LOG_OK) {
		return log_result_err(&result, err);
	}
	/* Whoever opened it before us did not find it poison: what it waits for is a worker. */
	lost = lost && opening.to == SESSION_FAILED ? result.state == SESSION_FAILED : lost;
	tell(item, &result, why);
	return session_is_terminal(result.state) ? retake_finish(app, &item->sid, item->tenant, err)
	                                         : requeue(app, item, &result, lost, err);
}

enum err_code retake_item(struct app *app, const struct queue_item *item, enum retake_why why,
                          struct err *err)
{
	struct log_head head;
	bool current = false;
	enum err_code code = opening_head(app, &item->sid, item->tenant, &head, err);

	if (code == ERR_NOT_FOUND ||
	    (code == ERR_OK && (!head.found || session_is_terminal(head.state)))) {
		/* It has ended, or PostgreSQL does not know it: it was deleted. */
		return retake_finish(app, &item->sid, item->tenant, err);
	}
	if (code == ERR_OK) {
		code = retake_is_current(app, item, &current, err);
	}
	if (code == ERR_OK && current) {
		code = take_back(app, item, &head, why, err);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "take back %s", item->sid.s);
}

enum err_code retake_held(struct app *app, const struct id *sid, const char *tenant,
                          struct err *err)
{
	char token[TOKEN_SIZE];
	struct opening opening = { .sid = *sid,
		                   .tenant = tenant,
		                   .cause = "requeue",
		                   .token = token,
		                   .moves = true,
		                   .to = SESSION_STOPPED,
		                   .reason = "stop was asked" };
	struct log_result result;
	struct log_head head;
	enum err_code code = opening_head(app, sid, tenant, &head, err);

	if (code != ERR_OK || !head.found) {
		return code;
	}
	if (head.state != SESSION_STOPPING) {
		return session_is_terminal(head.state) ? retake_finish(app, sid, tenant, err)
		                                       : ERR_OK;
	}
	opening.epoch = head.at.epoch;
	(void)snprintf(token, sizeof(token), "stop-%" PRIu64, head.at.epoch);
	code = opening_make(app, &opening, &result, err);
	return code == ERR_OK && result.outcome == LOG_OK ? retake_finish(app, sid, tenant, err)
	                                                  : code;
}
