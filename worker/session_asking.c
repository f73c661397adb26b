/*
 * Questions of an agent's adapter to a person: each is an event, a wait that parks the session, and
 * a fiber that brings the answer back when there is a slot to go on in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/session_adapter.h"

enum { LOOK_MS = 1000 }; /* between looks at the time that is left */

struct session_asking {
	TAILQ_ENTRY(session_asking) link;
	struct session_adapter *owner;
	struct session_wait wait;
	bool withdrawn; /* the agent does not wait any more */
	char *question; /* JSON */
	char id[ADAPTER_ID_MAX + 1];
};

/* ---- events ---- */

/* The question with its request_id, and until when it is waited for; until_us 0: without end. */
static void write_question(const struct id *request, const struct json_value *json,
                           int64_t until_us, struct buf *out)
{
	const struct json_value *value;
	struct str name;
	struct jsonw w;
	struct buf text;
	void *at = NULL;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "request_id", request->s);
	if (until_us != 0) {
		jsonw_time(&w, "expires_at", until_us);
	}
	while (json_next(json, &at, &name, &value)) {
		buf_reset(&text);
		json_format(value, &text);
		if (!buf_failed(&text) && !str_eq(name, STR_LIT("request_id")) &&
		    !str_eq(name, STR_LIT("expires_at"))) {
			jsonw_raw(&w, name.p, buf_str(&text));
		}
	}
	jsonw_end_object(&w);
	buf_fini(&text);
}

/* Nobody answers: why is "withdrawn" or "expired". */
static void tell_unanswered(struct session_run *s, const struct id *request, const char *why)
{
	struct buf text;

	event_text_init(&text);
	session_unanswered_event(request, why, &text);
	(void)session_say(s, EVENT_TYPE_PERMISSION_RESOLVED, &text);
	buf_fini(&text);
}

/* ---- the answer ---- */

static enum adapter_scope scope_of(struct str word)
{
	return str_eq(word, STR_LIT("always"))    ? ADAPTER_ALWAYS
	       : str_eq(word, STR_LIT("session")) ? ADAPTER_SESSION
	                                          : ADAPTER_ONCE;
}

static const struct json_value *object_of(const struct json_value *json, const char *name)
{
	const struct json_value *value = json_get(json, name);

	return json_type_of(value) == JSON_T_OBJECT ? value : NULL;
}

static void give_answer(struct session_asking *asking, const struct session_note *note)
{
	struct session_adapter *a = asking->owner;
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *json = json_parse(str_of(note->answer), &err);
	const struct json_value *answers = json_get(json, "answers");
	const struct adapter_answer answer = {
		.ask = str_of(asking->id),
		.allow = str_eq(json_as_str(json_get(json, "behavior")), STR_LIT("allow")),
		.scope = scope_of(json_as_str(json_get(json, "scope"))),
		.option = json_as_str(json_get(json, "option")),
		.message = json_as_str(json_get(json, "message")),
		.interrupt = json_as_bool(json_get(json, "interrupt")),
		.input = object_of(json, "updated_input"),
		.answers = json_type_of(answers) != JSON_T_NULL ? answers : NULL,
	};

	a->ops->answer(a->adapter, &answer, &a->acts);
}

/* What is remembered for the session's life. */
static void hear(const struct session_asking *asking, const struct session_note *note)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *question = json_parse(str_of(asking->question), &err);

	session_rules_heard(asking->owner->run, question, str_of(note->answer));
}

static void deny(struct session_adapter *a, struct str ask, struct str message)
{
	const struct adapter_answer answer = { .ask = ask, .message = message };

	a->ops->answer(a->adapter, &answer, &a->acts);
}

/* Nobody answered in time: the agent is told so. */
static void expire(struct session_asking *asking)
{
	struct session_adapter *a = asking->owner;

	if (!session_adapter_enter(a)) {
		return;
	}
	if (!asking->withdrawn) {
		TAILQ_REMOVE(&a->asks, asking, link);
		asking->withdrawn = true;
		tell_unanswered(a->run, &asking->wait.request, "expired");
		deny(a, str_of(asking->id), STR_LIT("nobody answered in time"));
	}
	session_adapter_leave(a);
}

/* The command of the answer ends when the agent has it. */
static void pass_on(struct session_asking *asking, struct session_note *note)
{
	struct session_adapter *a = asking->owner;
	const char *why = "the agent does not wait for the answer any more";

	if (!asking->withdrawn && session_adapter_enter(a)) {
		if (!asking->withdrawn) {
			TAILQ_REMOVE(&a->asks, asking, link);
			asking->withdrawn = true;
			a->run->progress_ms = clock_mono_ms();
			hear(asking, note);
			give_answer(asking, note);
			why = NULL;
		}
		session_adapter_leave(a);
	}
	session_note_end(a->run, note, why);
}

static void asking_main(void *arg)
{
	struct session_asking *asking = arg;
	struct session_adapter *a = asking->owner;
	struct session_run *s = a->run;
	struct session_wait *wait = &asking->wait;

	fiber_set_tag("session=%s", s->sid.s);
	while (wait->answer == NULL && !asking->withdrawn && !fiber_cancelled() &&
	       (wait->until_us == 0 || clock_wall_us() < wait->until_us)) {
		(void)!fiber_signal_wait(&wait->changed, LOOK_MS);
	}
	session_wait_end(s, wait, !asking->withdrawn);
	if (wait->answer != NULL) {
		pass_on(asking, wait->answer);
	} else if (!asking->withdrawn && !fiber_cancelled()) {
		expire(asking);
	}
	if (!asking->withdrawn) {
		TAILQ_REMOVE(&a->asks, asking, link);
	}
	free(asking->question);
	free(asking);
}

/* ---- the adapter's acts ---- */

/* What is answered without asking is told all the same. */
static void answer_by_rule(struct session_adapter *a, struct str id,
                           const struct json_value *question, const struct session_verdict *verdict)
{
	const struct adapter_answer answer = { .ask = id, .allow = true };
	const struct id request = id_new();
	struct buf text;

	event_text_init(&text);
	write_question(&request, question, 0, &text);
	(void)session_say(a->run, EVENT_TYPE_PERMISSION_REQUEST, &text);
	session_verdict_event(verdict, &request, &text);
	(void)session_say(a->run, EVENT_TYPE_PERMISSION_RESOLVED, &text);
	buf_fini(&text);
	if (verdict->allow) {
		a->ops->answer(a->adapter, &answer, &a->acts);
	} else {
		deny(a, id, session_verdict_reason(verdict));
	}
}

/* Its own time, else that of the worker; 0: without end. */
static int64_t end_of(const struct session_run *s, const struct json_value *question)
{
	int64_t own_s = json_as_i64(json_get(question, "timeout_s"));
	uint64_t ms = own_s > 0 && own_s <= AGENT_WAIT_MAX_S ? (uint64_t)own_s * 1000
	                                                     : s->host->ask_expiry_ms;

	return ms > 0 ? clock_wall_us() + (int64_t)ms * 1000 : 0;
}

static void ask_person(struct session_adapter *a, struct str id, struct str question,
                       const struct json_value *json)
{
	struct session_run *s = a->run;
	struct session_asking *asking = mem_calloc(1, sizeof(*asking));
	struct buf text;

	buf_init(&text, EVENT_DATA_MAX);
	buf_add_str(&text, question);
	asking->question = buf_take(&text);
	(void)str_copy(asking->id, sizeof(asking->id), id);
	asking->owner = a;
	asking->wait.what = "person";
	asking->wait.request = id_new();
	TAILQ_INSERT_TAIL(&a->asks, asking, link);
	event_text_init(&text);
	asking->wait.until_us = end_of(s, json);
	write_question(&asking->wait.request, json, asking->wait.until_us, &text);
	session_wait_begin(s, &asking->wait);
	(void)session_say(s, EVENT_TYPE_PERMISSION_REQUEST, &text);
	buf_fini(&text);
	(void)fiber_start(s->host->loop, &s->talks, "question", asking_main, asking);
}

void session_asking_begin(struct session_adapter *a, struct str id, struct str question)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(question, &err);
	struct session_verdict verdict;

	if (session_rules_answer(a->run, json, &verdict)) {
		answer_by_rule(a, id, json, &verdict);
	} else {
		ask_person(a, id, question, json);
	}
}

void session_asking_withdraw(struct session_adapter *a, struct str id)
{
	struct session_asking *asking;

	TAILQ_FOREACH (asking, &a->asks, link) {
		if (str_eq(str_of(asking->id), id)) {
			break;
		}
	}
	if (asking == NULL) {
		return;
	}
	TAILQ_REMOVE(&a->asks, asking, link);
	asking->withdrawn = true;
	if (asking->wait.answer == NULL) {
		tell_unanswered(a->run, &asking->wait.request, "withdrawn");
	}
	fiber_signal_raise(&asking->wait.changed);
}
