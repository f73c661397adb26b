#include "worker/session_times.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "log/log.h"
#include "metric/metric.h"
#include "presence/presence.h"
#include "worker/session_adapter.h"

enum { REASON_SIZE = 80, MILLI = 1000 };

static uint64_t chosen_ms(uint64_t own_s, uint64_t ours_ms)
{
	return own_s > 0 ? own_s * MILLI : ours_ms;
}

void session_times_begin(struct session_run *s)
{
	const struct task_command *command = &s->agent->command;
	const struct session_host *host = s->host;
	struct session_times *times = &s->times;
	uint64_t life_ms = chosen_ms(command->life_s, host->life_ms);
	int64_t now_us = clock_wall_us();
	int64_t begun_us =
		s->order.begun_us > 0 && s->order.begun_us < now_us ? s->order.begun_us : now_us;
	uint64_t passed_ms = (uint64_t)(now_us - begun_us) / MILLI;

	times->idle_ms = chosen_ms(command->idle_s, host->idle_ms);
	times->progress_ms = chosen_ms(command->progress_s, host->progress_ms);
	times->life_ms = life_ms;
	times->ends_ms =
		life_ms == 0 ? 0
			     : clock_mono_ms() + (life_ms > passed_ms ? life_ms - passed_ms : 1);
	s->progress_ms = clock_mono_ms();
}

/* Who looks at it is not told that nobody asked. */
static bool is_watched(const struct session_run *s)
{
	struct presence_set set;
	struct err err;
	bool watched = false;

	if (presence_list(s->host->redis, &s->sid, &set, &err) == ERR_OK) {
		watched = set.count > 0;
		presence_set_fini(&set);
	}
	return watched;
}

/* All it does is wait for the next prompt. */
static bool is_idle(const struct session_run *s)
{
	const struct session_wait *wait;

	if (s->adapter == NULL || !s->adapter->first_done || s->turn_open || s->prompting ||
	    s->paused || !TAILQ_EMPTY(&s->prompts)) {
		return false;
	}
	TAILQ_FOREACH (wait, &s->waits, link) {
		if (!str_eq(str_of(wait->what), STR_LIT("prompt"))) {
			return false;
		}
	}
	return true;
}

static bool may_stall(const struct session_run *s)
{
	return s->turn_open && !s->paused && !s->parked && TAILQ_EMPTY(&s->waits) &&
	       !s->budget.asking && s->returning == 0;
}

static uint64_t last_ms(const struct session_run *s)
{
	return s->adapter == NULL && s->output_ms > s->progress_ms ? s->output_ms : s->progress_ms;
}

static void end_it(struct session_run *s, enum session_fate fate, const char *what, uint64_t ms)
{
	char reason[REASON_SIZE];

	if (s->fate != FATE_OPEN) {
		return;
	}
	(void)snprintf(reason, sizeof(reason), "%s %" PRIu64 " s", what, ms / MILLI);
	metric_inc(METRIC_SESSIONS_TIMED_OUT, fate == FATE_STOPPED ? "idle" : "time");
	log_info("session.timed_out", "session=%s reason=\"%s\"", s->sid.s, reason);
	session_agent_stop(s, fate, reason);
}

void session_times_check(struct session_run *s, uint64_t now)
{
	struct session_times *times = &s->times;

	if (!is_idle(s)) {
		times->idle_since_ms = 0;
	} else if (times->idle_since_ms == 0) {
		times->idle_since_ms = now;
	}
	if (times->ends_ms > 0 && now >= times->ends_ms) {
		end_it(s, FATE_TIMED_OUT, "it may take no more than", times->life_ms);
	} else if (times->idle_ms > 0 && times->idle_since_ms > 0 &&
	           now >= times->idle_since_ms + times->idle_ms) {
		if (is_watched(s)) {
			times->idle_since_ms = now;
			return;
		}
		end_it(s, FATE_STOPPED, "nobody asked anything for", times->idle_ms);
	} else if (times->progress_ms > 0 && may_stall(s) &&
	           now >= last_ms(s) + times->progress_ms) {
		end_it(s, FATE_TIMED_OUT, "no progress for", times->progress_ms);
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t session_times_due(const struct session_run *s)
{
	const struct session_times *times = &s->times;
	uint64_t due = UINT64_MAX;

	if (s->fate != FATE_OPEN) {
		return due;
	}
	if (times->ends_ms > 0) {
		due = times->ends_ms;
	}
	if (times->idle_ms > 0 && times->idle_since_ms > 0) {
		due = sooner(due, times->idle_since_ms + times->idle_ms);
	}
	if (times->progress_ms > 0 && may_stall(s)) {
		due = sooner(due, last_ms(s) + times->progress_ms);
	}
	return due;
}
