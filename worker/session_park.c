/*
 * Waiting without a slot.
 *
 * While all that an agent does is wait (for a person, a provider's limit, a time, another session)
 * its session is parked: it keeps lease, epoch, place of residence and key of concurrency, and its
 * slot goes to others.  What it waited for brings it back before all that is ready; only with a
 * slot again is the agent told.
 *
 * One fiber a session does the parking, so that the queue hears of one move after the other; it is
 * there while there is something to do.
 * The agent is not frozen: it waits for an answer, and that is held back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "queue/queue.h"
#include "worker/session_private.h"

enum { RETRY_MS = 100, ASK_AGAIN_MS = 1000 };

/* After a loss of Redis the session may have another attempt before this is answered. */
static enum err_code tell_queue(struct session_run *s, session_queue_fn *fn,
                                struct queue_move *move, enum queue_set *ret)
{
	const struct queue queue = queue_of_tenant(s->host->redis, str_of(s->tenant));
	enum err_code code;
	struct err err;

	for (;;) {
		move->attempt = s->attempt;
		code = fn(&queue, move, ret, &err);
		if (fiber_cancelled() || (!err_retryable(code) &&
		                          (code != ERR_CONFLICT || move->attempt == s->attempt))) {
			break;
		}
		(void)fiber_sleep(RETRY_MS);
	}
	if (code != ERR_OK && !fiber_cancelled()) {
		log_info("session.unparkable", "code=%s %s", err_name(code), err.msg);
	}
	return code;
}

/* ---- there ---- */

static void say_parked(struct session_run *s, const struct session_wait *wait)
{
	struct event_text_wait facts = { .what = wait->what, .until_us = wait->until_us };
	struct buf text;

	if (!id_is_nil(&wait->request)) {
		facts.request = wait->request.s;
	}
	if (!id_is_nil(&wait->session)) {
		facts.session = wait->session.s;
	}
	event_text_init(&text);
	event_text_parked(&text, &facts);
	(void)session_say(s, EVENT_TYPE_PARKED, &text);
	buf_fini(&text);
}

/* For whoever asks the queue: "person", or with the time in ms until when "timer@1767225600000". */
static void park_reason(const struct session_wait *wait, char out[SESSION_PARK_REASON])
{
	if (wait->until_us > 0) {
		(void)snprintf(out, SESSION_PARK_REASON, "%s@%" PRId64, wait->what,
		               wait->until_us / 1000);
	} else {
		(void)snprintf(out, SESSION_PARK_REASON, "%s", wait->what);
	}
}

/* What it waits for may need a place here. */
static bool waits_for_others(const struct session_run *s)
{
	const struct session_wait *wait;

	TAILQ_FOREACH (wait, &s->waits, link) {
		if (!id_is_nil(&wait->session)) {
			return true;
		}
	}
	return false;
}

/* Our slot is free before the queue gives it away. */
static void park(struct session_run *s)
{
	const struct session_wait *wait = TAILQ_FIRST(&s->waits);
	const struct session_wait said = *wait;
	char *reason = s->park_reason;
	struct queue_move move = { .sid = s->sid,
		                   .reason = reason,
		                   .stays = !session_may_leave(s),
		                   .placeless = waits_for_others(s) };
	enum queue_set set = QUEUE_NONE;

	park_reason(&said, reason);
	s->park_stays = move.stays;
	s->park_placeless = move.placeless;
	s->parked = true;
	session_clock_stop(s);
	session_leave_slot(s);
	if (tell_queue(s, queue_park, &move, &set) == ERR_OK && set == QUEUE_PARKED) {
		say_parked(s, &said);
		return;
	}
	/* The queue has it otherwise: if that is right our epoch is over, and the log says so. */
	session_enter_slot(s);
	session_clock_start(s);
	s->wants_park = s->parked = false;
	fiber_signal_raise(&s->working);
}

/* ---- and back ---- */

static void unpark(struct session_run *s)
{
	struct queue_move move = { .sid = s->sid, .slots = s->host->slots };
	enum queue_set set = QUEUE_NONE;
	struct buf text;

	/* The note that there is a slot may be lost: it is asked for now and then. */
	while (tell_queue(s, queue_unpark, &move, &set) == ERR_OK && set == QUEUE_PARKED &&
	       !fiber_cancelled()) {
		(void)!fiber_signal_wait(&s->park_wake, ASK_AGAIN_MS);
	}
	if (fiber_cancelled()) {
		return;
	}
	session_enter_slot(s);
	session_clock_start(s);
	s->parked = false;
	event_text_init(&text);
	buf_add_cstr(&text, "{}");
	(void)session_say(s, EVENT_TYPE_UNPARKED, &text);
	buf_fini(&text);
	fiber_signal_raise(&s->working);
}

static void park_main(void *arg)
{
	struct session_run *s = arg;

	fiber_set_tag("session=%s", s->sid.s);
	while (!fiber_cancelled()) {
		if (s->wants_park && !s->parked) {
			park(s);
		} else if (!s->wants_park && s->parked) {
			unpark(s);
		} else {
			break;
		}
	}
	s->parking = false;
}

void session_park_rouse(struct session_run *s)
{
	if (s->parking) {
		fiber_signal_raise(&s->park_wake);
	} else if (s->talks_open && s->wants_park != s->parked) {
		s->parking = true;
		(void)fiber_start(s->host->loop, &s->talks, "park", park_main, s);
	}
}

/* ---- for those who wait ---- */

void session_wait_begin(struct session_run *s, struct session_wait *wait)
{
	fiber_signal_init(&wait->changed);
	TAILQ_INSERT_TAIL(&s->waits, wait, link);
	/* Whoever comes back with an answer has work to do. */
	if (s->returning == 0) {
		s->wants_park = true;
		session_park_rouse(s);
	}
}

void session_wait_end(struct session_run *s, struct session_wait *wait, bool goes_on)
{
	TAILQ_REMOVE(&s->waits, wait, link);
	s->wants_park = false;
	session_park_rouse(s);
	fiber_signal_raise(&s->wake); /* a turn may end again */
	s->returning++;
	while (goes_on && s->parked && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&s->working, FIBER_NO_TIMEOUT);
	}
	s->returning--;
}

bool session_wait_answer(struct session_run *s, struct session_note *note)
{
	struct session_wait *wait;

	TAILQ_FOREACH (wait, &s->waits, link) {
		if (note->answer != NULL && !id_is_nil(&note->request) && wait->answer == NULL &&
		    id_eq(&wait->request, &note->request)) {
			wait->answer = note;
			fiber_signal_raise(&wait->changed);
			return true;
		}
	}
	return false;
}
