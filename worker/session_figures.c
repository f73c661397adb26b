#include "worker/session_figures.h"

#include "base/clock.h"
#include "metric/metric.h"
#include "worker/session_private.h"
#include "worker/session_trace.h"

static const char *type_of(const struct session_run *s)
{
	return task_agent_types[s->agent->type];
}

void session_figures_ordered(struct session_run *s)
{
	s->figures.ordered_us = clock_mono_us();
	session_trace_ordered(s);
}

void session_figures_started(struct session_run *s, enum err_code code)
{
	const char *result = code == ERR_OK ? "ok" : err_name(code);

	metric_series(METRIC_AGENT_STARTS, type_of(s), result)->value += 1;
	session_trace_started(s, code);
	if (code == ERR_OK) {
		metric_observe_us(METRIC_AGENT_START, type_of(s),
		                  clock_mono_us() - s->figures.ordered_us);
		metric_inc(METRIC_AGENTS, type_of(s));
		s->figures.runs = true;
	}
}

void session_figures_gone(struct session_run *s)
{
	if (s->figures.runs) {
		s->figures.runs = false;
		metric_dec(METRIC_AGENTS, type_of(s));
	}
}

void session_figures_turn_began(struct session_run *s)
{
	s->figures.turn_us = clock_mono_us();
	session_trace_turn_began(s);
}

void session_figures_turn_ended(struct session_run *s)
{
	if (s->figures.turn_us != 0) {
		metric_observe_us(METRIC_AGENT_TURN, type_of(s),
		                  clock_mono_us() - s->figures.turn_us);
		s->figures.turn_us = 0;
		session_trace_turn_ended(s);
	}
}

void session_figures_ended(struct session_run *s, const char *state)
{
	session_trace_ended(s, state);
	metric_series(METRIC_AGENT_ENDS, type_of(s), state)->value += 1;
}
