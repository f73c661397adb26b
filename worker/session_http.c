/* An agent that is a server (ADAPTER_HTTP): it prints where it listens, and is spoken to there. */
#include <unistd.h>

#include "base/clock.h"
#include "worker/agent_wire.h"
#include "worker/session_adapter.h"

enum { GONE_MS = 2000 /* from the end of its stream to its own, if that is why */ };

/* ---- what it says; each on a fiber of agent_http ---- */

static void on_event(void *arg, struct str data)
{
	struct session_adapter *a = arg;

	if (!a->ended && session_budget_hear(a->run) && session_adapter_enter(a)) {
		a->run->output_ms = clock_mono_ms();
		a->ops->line(a->adapter, data, &a->acts);
		session_adapter_leave(a);
	}
}

static void on_reply(void *arg, const struct adapter_reply *reply)
{
	struct session_adapter *a = arg;

	if (!a->ended && session_adapter_enter(a)) {
		a->ops->reply(a->adapter, reply, &a->acts);
		session_adapter_leave(a);
	}
}

/* If it has died its end says more than this. */
static void on_over(void *arg, const char *why)
{
	struct session_adapter *a = arg;
	struct session_run *s = a->run;
	uint64_t until = clock_mono_ms() + GONE_MS, now;

	while (!s->exited && !s->closed && !fiber_cancelled() && (now = clock_mono_ms()) < until) {
		(void)!fiber_signal_wait(&a->to_write, until - now);
	}
	if (!s->exited && !s->closed && !fiber_cancelled() && s->fate == FATE_OPEN) {
		session_agent_stop(s, FATE_FAILED, why);
	}
}

/* ---- where it listens ---- */

void session_http_line(struct session_adapter *a, struct str line)
{
	struct lines_record record = { .text = line, .kind = LINES_WHOLE };
	struct buf text;

	if (a->port == 0 && agent_wire_port(line, &a->port)) {
		fiber_signal_raise(&a->run->prompted);
		return;
	}
	record.text.n = line.n < LINES_TEXT_MAX ? line.n : LINES_TEXT_MAX;
	if (!str_is_utf8(record.text)) {
		return;
	}
	event_text_init(&text);
	event_text_log(&text, &record, RUNNER_STDOUT);
	(void)session_say(a->run, EVENT_TYPE_LOG, &text);
	buf_fini(&text);
}

bool session_http_open(struct session_adapter *a, uint64_t until_ms)
{
	struct session_run *s = a->run;
	struct agent_http_options options = { .uid = s->host->user.drop ? s->host->user.uid
		                                                        : geteuid(),
		                              .user = a->ops->http_user,
		                              .events_path = a->ops->http_events,
		                              .password = a->place.password,
		                              .arg = a,
		                              .event = on_event,
		                              .reply = on_reply,
		                              .over = on_over };
	uint64_t now;
	struct err err;

	while (a->port == 0 && !s->exited && !fiber_cancelled() &&
	       (now = clock_mono_ms()) < until_ms) {
		(void)!fiber_signal_wait(&s->prompted, until_ms - now);
	}
	if (s->exited || fiber_cancelled()) {
		return false;
	}
	if (a->port == 0) {
		session_agent_stop(s, FATE_FAILED, "the agent did not say where it listens");
		return false;
	}
	options.port = a->port;
	options.socket = s->sandbox_serve;
	if (agent_http_open(s->host->loop, &options, &a->http, &err) != ERR_OK) {
		if (!s->exited && !fiber_cancelled()) {
			session_agent_stop(s, FATE_FAILED, err.msg);
		}
		return false;
	}
	return true;
}

void session_http_request(struct session_adapter *a, const struct adapter_act *act)
{
	if (a->http != NULL) {
		agent_http_request(a->http, act->id, act->name, act->text);
	}
}

void session_http_close(struct session_adapter *a)
{
	struct agent_http *http = a->http;

	a->http = NULL;
	agent_http_close(http);
}
