#include "schedule/schedule.h"

#include "schedule/calendar.h"

enum { SECOND_US = 1000000 };

bool schedule_next(const struct schedule_timing *timing, int64_t after_us, int64_t *ret_us)
{
	int64_t s;

	switch (timing->kind) {
	case SCHEDULE_AT: *ret_us = timing->at_us; return timing->at_us > after_us;
	case SCHEDULE_EVERY:
		if (after_us < timing->anchor_us) {
			*ret_us = timing->anchor_us;
		} else {
			*ret_us = after_us + timing->every_us -
			          (after_us - timing->anchor_us) % timing->every_us;
		}
		return true;
	case SCHEDULE_CRON: break;
	}
	if (!cron_next(&timing->cron, timing->zone, calendar_floor(after_us, SECOND_US), &s)) {
		return false;
	}
	*ret_us = s * SECOND_US;
	return true;
}

struct schedule_step schedule_decide(const struct schedule_timing *timing,
                                     const struct schedule_late *late, int64_t due_us,
                                     int64_t now_us)
{
	int64_t on_time_us = now_us - late->grace_us, after_us = due_us;
	struct schedule_step step = { .runs = true };

	if (due_us < on_time_us) {
		switch (late->catch_up) {
		case SCHEDULE_NONE:
			step.runs = false;
			after_us = on_time_us - 1;
			break;
		case SCHEDULE_ONE: after_us = now_us; break;
		case SCHEDULE_ALL:
			step.runs = late->caught_up < SCHEDULE_CATCH_UP_MAX;
			step.caught_up = step.runs ? late->caught_up + 1 : 0;
			after_us = step.runs ? due_us : on_time_us - 1;
			break;
		}
	}
	step.goes_on = schedule_next(timing, after_us, &step.next_us);
	return step;
}
