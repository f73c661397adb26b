#include "worker/session_breaker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "log/log.h"
#include "metric/metric.h"
#include "queue/queue_gate.h"
#include "worker/adapters/adapter_say.h"
#include "worker/session_private.h"

enum { EARLY_MS = 5000, TRIES = 3, RETRY_MS = 500 };

/* ---- telling ---- */

struct report {
	struct session_host *host;
	struct id sid;
	char tenant[QUEUE_TENANT_MAX + 1];
	const char *agent;
	uint64_t attempt;
	bool bad;
};

static enum err_code tell_once(const struct report *report, bool *ret_moved, struct err *err)
{
	const struct session_host *host = report->host;
	const struct queue queue = queue_of_tenant(host->redis, str_of(report->tenant));
	const struct queue_agents of = { report->tenant, report->agent };
	char token[QUEUE_WORKER_MAX + 1];

	if (!report->bad) {
		return queue_gate_pass(&queue, &of, &report->sid, &host->breaker, ret_moved, err);
	}
	(void)snprintf(token, sizeof(token), "%s-%" PRIu64, report->sid.s, report->attempt);
	return queue_gate_fail(&queue, &of, token, &host->breaker, ret_moved, err);
}

/* What cannot be told soon need not be: the breaker is of what happens now. */
static void tell_main(void *arg)
{
	struct report *report = arg;
	enum err_code code = ERR_UNAVAILABLE;
	bool moved = false;
	struct err err = { .code = ERR_OK };

	for (int i = 0; i < TRIES && err_retryable(code) && !fiber_cancelled(); i++) {
		if (i > 0) {
			(void)fiber_sleep(RETRY_MS);
		}
		code = tell_once(report, &moved, &err);
	}
	if (code != ERR_OK) {
		log_debug("breaker.untold", "session=%s %s", report->sid.s, err.msg);
	} else if (moved && report->bad) {
		log_warn("breaker.opened", "tenant=%s agent=%s", report->tenant, report->agent);
		metric_inc(METRIC_BREAKERS_OPENED, NULL);
	} else if (moved) {
		log_info("breaker.closed", "tenant=%s agent=%s", report->tenant, report->agent);
	}
	free(report);
}

static void tell(struct session_run *s, bool bad)
{
	struct report *report = mem_calloc(1, sizeof(*report));

	*report = (struct report){ .host = s->host,
		                   .sid = s->sid,
		                   .agent = task_agent_types[s->agent->type],
		                   .attempt = s->attempt,
		                   .bad = bad };
	(void)str_copy(report->tenant, sizeof(report->tenant), str_of(s->tenant));
	(void)fiber_start(s->host->loop, &s->host->fibers, "breaker", tell_main, report);
}

static bool is_looked_at(const struct session_run *s)
{
	return s->agent->type != TASK_AGENT_COMMAND && s->host->breaker.failures > 0 &&
	       s->breaker.started_ms > 0;
}

void session_breaker_started(struct session_run *s)
{
	s->breaker.started_ms = clock_mono_ms();
}

void session_breaker_bad(struct session_run *s, const char *why)
{
	if (!is_looked_at(s) || s->breaker.bad) {
		return;
	}
	s->breaker.bad = true;
	log_info("breaker.failure", "session=%s why=\"%s\"", s->sid.s, why);
	tell(s, true);
}

void session_breaker_good(struct session_run *s)
{
	if (is_looked_at(s) && !s->breaker.good) {
		s->breaker.good = true;
		tell(s, false);
	}
}

/* One that was told to go is not bad, however soon that was. */
void session_breaker_ended(struct session_run *s)
{
	if (s->exited && !s->closed && s->fate == FATE_OPEN &&
	    clock_mono_ms() < s->breaker.started_ms + EARLY_MS) {
		session_breaker_bad(s, "its agent ended as soon as it was started");
	}
}

void session_breaker_error(struct session_run *s, struct str data)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;

	if (!is_looked_at(s) || s->breaker.bad) {
		return;
	}
	json = json_parse(data, &err);
	if (adapter_blames_provider(json_as_str(json_get(json, "code")),
	                            json_as_str(json_get(json, "message")))) {
		session_breaker_bad(s, "its provider refused it");
	}
}
