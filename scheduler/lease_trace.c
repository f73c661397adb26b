#include "scheduler/lease_trace.h"

#include "scheduler/handover.h"
#include "session/session_store.h"

static void tell_wait(const struct handover_lease *lease, const struct traceparent *task,
                      int64_t claimed_us)
{
	const struct trace_end end = { .attrs = { { "fairlead.session", lease->item.sid.s, 0 } } };
	struct trace_span wait;

	trace_begin(&wait, task, "session.wait", TRACE_INTERNAL);
	wait.began_us = claimed_us - (int64_t)lease->item.waited_ms * 1000;
	trace_end_at(&wait, &end, claimed_us);
}

void lease_trace_begin(struct handover_lease *lease, const struct session *row, int64_t claimed_us)
{
	struct traceparent task;

	if (!trace_is_on() || !traceparent_parse(row->traceparent, &task)) {
		return;
	}
	trace_begin(&lease->span, &task, "session.claim", TRACE_PRODUCER);
	lease->span.began_us = claimed_us;
}

void lease_trace_end(struct handover_lease *lease, const struct session *row, int64_t claimed_us)
{
	struct traceparent task;
	const struct trace_end end = {
		.failed = lease->code == ERR_OK ? NULL : err_name(lease->code),
		.attrs = { { "fairlead.session", lease->item.sid.s, 0 },
		           { "fairlead.worker", lease->worker, 0 },
		           { "fairlead.epoch", NULL, (int64_t)lease->result.epoch } },
	};

	if (trace_is_on() && traceparent_parse(row->traceparent, &task)) {
		tell_wait(lease, &task, claimed_us);
	}
	trace_end(&lease->span, &end);
}
