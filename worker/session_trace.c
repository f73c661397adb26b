#include "worker/session_trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/value.h"
#include "loop/fiber.h"
#include "trace/trace.h"
#include "worker/session_private.h"

enum { TOOLS_MAX = 16, TOOL_WORD_MAX = 64 };

/* One that runs; id "": a free place. */
struct tool {
	char id[TOOL_WORD_MAX + 1], name[TOOL_WORD_MAX + 1];
	struct trace_span span;
};

struct session_trace {
	struct trace_span attempt, start, turn;
	struct traceparent now; /* of the turn, or between turns of the attempt: what events name */
	struct tool tools[TOOLS_MAX]; /* more at a time are not told of */
};

void session_trace_ordered(struct session_run *s)
{
	struct traceparent claim;
	struct session_trace *trace;

	if (!trace_is_on() || !traceparent_parse(s->order.traceparent, &claim)) {
		return;
	}
	trace = s->trace = mem_calloc(1, sizeof(*trace));
	trace_begin(&trace->attempt, &claim, "session.attempt", TRACE_CONSUMER);
	trace->now = trace->attempt.at;
	trace_begin(&trace->start, &trace->now, "agent.start", TRACE_INTERNAL);
	fiber_add_tag("trace", claim.trace);
	reporter_trace(s->reporter, &trace->now);
}

const struct traceparent *session_trace_at(const struct session_run *s)
{
	return s->trace != NULL ? &s->trace->now : NULL;
}

void session_trace_started(struct session_run *s, enum err_code code)
{
	const struct trace_end end = {
		.failed = code == ERR_OK ? NULL : err_name(code),
		.attrs = { { "fairlead.agent", task_agent_types[s->agent->type], 0 } },
	};

	if (s->trace != NULL) {
		trace_end(&s->trace->start, &end);
	}
}

void session_trace_turn_began(struct session_run *s)
{
	struct session_trace *trace = s->trace;

	if (trace != NULL) {
		trace_begin(&trace->turn, &trace->attempt.at, "agent.turn", TRACE_INTERNAL);
		trace->now = trace->turn.at;
	}
}

void session_trace_turn_ended(struct session_run *s)
{
	struct session_trace *trace = s->trace;
	const struct trace_end end = { .attrs = { { "fairlead.turn", NULL, (int64_t)s->turn } } };

	if (trace != NULL) {
		trace_end(&trace->turn, &end);
		trace->now = trace->attempt.at;
	}
}

/* ---- tools ---- */

/* id "": a free place; NULL: there is none. */
static struct tool *find_tool(struct session_trace *trace, struct str id)
{
	for (size_t i = 0; i < TOOLS_MAX; i++) {
		if (str_eq(str_of(trace->tools[i].id), id)) {
			return &trace->tools[i];
		}
	}
	return NULL;
}

static void begin_tool(struct session_trace *trace, const struct json_value *data, struct str id)
{
	struct tool *tool = find_tool(trace, STR_LIT(""));

	if (tool == NULL || id.n == 0 || !str_copy(tool->id, sizeof(tool->id), id)) {
		return;
	}
	(void)str_copy(tool->name, sizeof(tool->name), json_as_str(json_get(data, "tool_name")));
	trace_begin(&tool->span, &trace->now, "agent.tool", TRACE_INTERNAL);
}

static void end_tool(struct session_trace *trace, const struct json_value *data, struct str id)
{
	struct tool *tool = id.n > 0 ? find_tool(trace, id) : NULL;
	bool failed = str_eq(json_as_str(json_get(data, "status")), STR_LIT("failed"));

	if (tool != NULL) {
		trace_end(&tool->span,
		          &(struct trace_end){ .failed = failed ? "failed" : NULL,
		                               .attrs = { { "fairlead.tool", tool->name, 0 } } });
		tool->id[0] = '\0';
	}
}

void session_trace_hear(struct session_run *s, enum event_type type, struct str data)
{
	bool begins = type == EVENT_TYPE_TOOL_USE;
	struct json_value *json;
	struct err err;
	struct str id;

	if (s->trace == NULL || (!begins && type != EVENT_TYPE_TOOL_RESULT)) {
		return;
	}
	json = json_parse(data, &err);
	id = json_as_str(json_get(json, "tool_execution_id"));
	if (begins) {
		begin_tool(s->trace, json, id);
	} else {
		end_tool(s->trace, json, id);
	}
	json_value_free(json);
}

/* ---- its end ---- */

void session_trace_ended(struct session_run *s, const char *state)
{
	const struct trace_end end = {
		.failed = strcmp(state, session_state_name(SESSION_FAILED)) == 0 ? s->reason : NULL,
		.attrs = { { "fairlead.session", s->sid.s, 0 },
		           { "fairlead.worker", s->host->worker, 0 },
		           { "fairlead.attempt", NULL, (int64_t)s->order.attempt },
		           { "fairlead.state", state, 0 } },
	};

	if (s->trace != NULL) {
		session_trace_turn_ended(s); /* in which it may have ended */
		trace_end(&s->trace->attempt, &end);
	}
}

void session_trace_free(struct session_run *s)
{
	session_trace_ended(s, "left");
	free(s->trace);
	s->trace = NULL;
}
