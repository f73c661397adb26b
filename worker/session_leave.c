/* Sessions that this worker does not run, or not any longer: refused, unreadable, handed over. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "log/log.h"
#include "queue/queue.h"
#include "worker/session_private.h"

enum { TRIES = 50, RETRY_MS = 100 };

/* ---- a move that goes past the reporter ---- */

static void append(struct session_run *s, const struct session_step *step, struct log_result *ret)
{
	const struct event_text_status status = { .state = step->to, .reason = step->reason };
	struct log_new event = { .type = EVENT_TYPE_STATUS };
	const struct log_batch batch = { .sid = s->sid,
		                         .tenant = s->tenant,
		                         .epoch = session_epoch_now(s),
		                         .from = step->from,
		                         .moves = true,
		                         .to = step->to,
		                         .events = &event,
		                         .count = 1 };
	enum err_code code = ERR_UNAVAILABLE;
	struct buf text;
	struct err err;

	event_text_init(&text);
	event_text_status(&text, &status);
	event.data = buf_str(&text);
	for (int i = 0; i < TRIES && err_retryable(code) && !fiber_cancelled(); i++) {
		code = log_append(s->host->store, &batch, ret, &err);
		if (err_retryable(code)) {
			(void)fiber_sleep(RETRY_MS);
		}
	}
	buf_fini(&text);
	if (code != ERR_OK) {
		ret->outcome = LOG_REBUILD; /* nobody knows: the schedulers find it */
	}
}

bool session_step(struct session_run *s, const struct session_step *step,
                  enum session_state *ret_state)
{
	struct log_result result = { .outcome = LOG_REBUILD };

	append(s, step, &result);
	*ret_state = result.outcome == LOG_OK      ? step->to
	             : result.outcome == LOG_MOVED ? result.state
	                                           : SESSION_STATE_COUNT;
	return result.outcome == LOG_OK;
}

/* ---- what cannot be run here ---- */

void session_fail_unbegun(struct session_run *s)
{
	const bool stopped = s->fate == FATE_STOPPED;
	const struct session_step step = { .from = session_bit(SESSION_PROVISIONING) |
		                                   session_bit(SESSION_STOPPING),
		                           .to = stopped ? SESSION_STOPPED : SESSION_FAILED,
		                           .reason = s->reason };
	const struct queue_move move = { .sid = s->sid,
		                         .attempt = s->attempt,
		                         .reason = session_state_name(step.to) };
	enum session_state state;

	if (session_step(s, &step, &state)) {
		log_info("session.ended", "state=%s reason=%s", session_state_name(step.to),
		         s->reason);
		session_tell_queue(s, queue_finish, &move);
	}
}

/* ---- handing over ---- */

/* Between turns, frozen, or not begun: going now costs nobody anything. */
static bool is_idle(const struct session_run *s)
{
	if (s->fate != FATE_OPEN || s->exited || s->ending) {
		return false;
	}
	return s->runner == NULL || s->paused ||
	       (s->turn > 0 && !s->turn_open && !s->prompting && TAILQ_EMPTY(&s->prompts) &&
	        TAILQ_EMPTY(&s->notes));
}

/* One that waits for a person, and can be begun again, leaves what it has for when it comes back.
 */
void session_leave_if_idle(struct session_run *s)
{
	if (!s->host->leaving) {
		return;
	}
	if (is_idle(s)) {
		session_give_up(s, FATE_LEFT);
	} else if (s->parked && s->wants_park && !s->drain_evicts && session_may_leave(s)) {
		s->evict_asked = s->drain_evicts = true;
		fiber_signal_raise(&s->wake);
	}
}

/*
 * Its agent has ended; the log says that it waits again, then the queue gives it to another worker.
 * It was no worker's loss and no attempt.  One that is paused stays so: the schedulers, who find
 * that they cannot place it, keep it until it is resumed.
 */
void session_hand_over(struct session_run *s)
{
	static const char reason[] = "its worker is being drained";
	const struct session_step back = { .from = session_bit(SESSION_PROVISIONING) |
		                                   session_bit(SESSION_RUNNING) |
		                                   session_bit(SESSION_RESUMING),
		                           .to = SESSION_QUEUED,
		                           .reason = reason },
				  stop = { .from = session_bit(SESSION_STOPPING),
		                           .to = SESSION_STOPPED,
		                           .reason = "stop was asked" };
	struct queue_move move = { .sid = s->sid, .attempt = s->attempt, .reason = reason };
	enum session_state state;

	if (!session_step(s, &back, &state) && state == SESSION_STOPPING) {
		(void)session_step(s, &stop, &state);
	}
	switch (state) {
	case SESSION_QUEUED:
	case SESSION_PAUSING:
	case SESSION_PAUSED:
		log_info("session.handed_over", "state=%s", session_state_name(state));
		session_tell_queue(s, s->parked ? queue_requeue : queue_refuse, &move);
		break;
	case SESSION_STOPPED:
		move.reason = session_state_name(state);
		session_tell_queue(s, queue_finish, &move);
		break;
	case SESSION_PROVISIONING:
	case SESSION_RUNNING:
	case SESSION_RESUMING:
	case SESSION_STOPPING:
	case SESSION_COMPLETED:
	case SESSION_FAILED:
	case SESSION_CANCELLED:
	case SESSION_STATE_COUNT: break; /* fenced, or unknown: the schedulers' to find */
	}
}

/* ---- all of them ---- */

void session_drain_begin(struct session_host *host)
{
	struct session_run *s;

	host->leaving = true;
	LIST_FOREACH(s, &host->runs, link)
	{
		session_leave_if_idle(s);
		fiber_signal_raise(&s->wake);
	}
}

void session_drain_end(struct session_host *host)
{
	host->leaving = false;
}

enum err_code session_drain_wait(struct session_host *host, uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms() + timeout_ms, now;

	while (host->leaving && !LIST_EMPTY(&host->runs) && (now = clock_mono_ms()) < until) {
		if (fiber_signal_wait(&host->ended, until - now) == ERR_CANCELLED) {
			return ERR_CANCELLED;
		}
	}
	return !host->leaving ? ERR_CONFLICT : LIST_EMPTY(&host->runs) ? ERR_OK : ERR_TIMEOUT;
}

void session_leave_now(struct session_host *host)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (!s->ending && s->fate != FATE_EVICTED) {
			session_give_up(s, FATE_LEFT);
		}
	}
}

enum err_code session_leave_all(struct session_host *host, uint64_t timeout_ms)
{
	struct session_run *s;

	host->leaving = true;
	LIST_FOREACH(s, &host->runs, link)
	{
		if (s->fate != FATE_EVICTED) {
			session_give_up(s, FATE_LEFT);
		}
	}
	return fiber_group_wait(&host->fibers, timeout_ms);
}
