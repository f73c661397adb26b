/*
 * What the agent of a session asks its client to do (adapters: ADAPTER_CALL): a fiber each does it
 * (agent_calls.h) and gives the result back to the adapter.  Commands that it began share the fate
 * of the agent: its lease, its freezing, its end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/value.h"
#include "worker/agent_calls.h"
#include "worker/session_adapter.h"
#include "worker/session_sandbox.h"

struct calling {
	struct session_run *run;
	char *id, *method, *params;
};

void session_calls_open(struct session_run *s, const struct runner_options *run)
{
	struct runner_options options = *run;

	options.argv = s->sandbox_words;
	s->calls = agent_calls_new(s->host->loop, &options);
	if (session_sandbox_read_only(s)) {
		agent_calls_refuse_writes(s->calls);
	}
}

static void give_back(struct session_adapter *a, const struct calling *c,
                      const struct json_value *value, const char *why)
{
	const struct adapter_result result = { .call = str_of(c->id),
		                               .result = value,
		                               .message = str_of(why) };

	if (!a->ended && session_adapter_enter(a)) {
		if (!a->ended) {
			a->ops->result(a->adapter, &result, &a->acts);
		}
		session_adapter_leave(a);
	}
}

static void call(void *arg)
{
	struct calling *c = arg;
	struct session_run *s = c->run;
	struct json_value *value = NULL;
	struct err err = { .msg = "" };
	struct buf text;

	fiber_set_tag("session=%s", s->sid.s);
	buf_init(&text, AGENT_CALLS_RESULT_MAX);
	if (agent_calls_do(s->calls, str_of(c->method), str_of(c->params), &text, &err) == ERR_OK) {
		value = json_parse(buf_str(&text), &err);
	}
	buf_fini(&text);
	give_back(s->adapter, c, value, err.msg);
	json_value_free(value);
	free(c->id);
	free(c->method);
	free(c->params);
	free(c);
}

void session_calling_begin(struct session_adapter *a, const struct adapter_act *act)
{
	struct calling *c = mem_calloc(1, sizeof(*c));

	c->run = a->run;
	c->id = mem_strndup(act->id);
	c->method = mem_strndup(act->name);
	c->params = mem_strndup(act->text);
	(void)fiber_start(a->run->host->loop, &a->run->children, "call", call, c);
}
