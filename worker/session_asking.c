/*
 * Questions of an agent's adapter to a person: each is an event, a wait that parks the session, and
 * a fiber that brings the answer back when there is a slot to go on in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/session_adapter.h"

struct session_asking {
	TAILQ_ENTRY(session_asking) link;
	struct session_adapter *owner;
	struct session_wait wait;
	bool withdrawn; /* the agent does not wait any more */
	char id[ADAPTER_ID_MAX + 1];
};

/* ---- events ---- */

/* The question with its request_id. */
static void write_question(const struct id *request, struct str question, struct buf *out)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(question, &err);
	const struct json_value *value;
	struct str name;
	struct jsonw w;
	struct buf text;
	void *at = NULL;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "request_id", request->s);
	while (json_next(json, &at, &name, &value)) {
		buf_reset(&text);
		json_format(value, &text);
		if (!buf_failed(&text) && !str_eq(name, STR_LIT("request_id"))) {
			jsonw_raw(&w, name.p, buf_str(&text));
		}
	}
	jsonw_end_object(&w);
	buf_fini(&text);
}

static void tell_withdrawn(struct session_run *s, const struct id *request)
{
	struct jsonw w;
	struct buf text;

	event_text_init(&text);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "request_id", request->s);
	jsonw_cstr(&w, "behavior", "deny");
	jsonw_cstr(&w, "scope", "once");
	jsonw_cstr(&w, "by", "agent");
	jsonw_end_object(&w);
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

/* The command of the answer ends when the agent has it. */
static void pass_on(struct session_asking *asking, struct session_note *note)
{
	struct session_adapter *a = asking->owner;
	const char *why = "the agent does not wait for the answer any more";

	if (!asking->withdrawn && session_adapter_enter(a)) {
		if (!asking->withdrawn) {
			TAILQ_REMOVE(&a->asks, asking, link);
			asking->withdrawn = true;
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
	while (wait->answer == NULL && !asking->withdrawn && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&wait->changed, FIBER_NO_TIMEOUT);
	}
	session_wait_end(s, wait, !asking->withdrawn);
	if (wait->answer != NULL) {
		pass_on(asking, wait->answer);
	}
	if (!asking->withdrawn) {
		TAILQ_REMOVE(&a->asks, asking, link);
	}
	free(asking);
}

/* ---- the adapter's acts ---- */

void session_asking_begin(struct session_adapter *a, struct str id, struct str question)
{
	struct session_run *s = a->run;
	struct session_asking *asking = mem_calloc(1, sizeof(*asking));
	struct buf text;

	(void)str_copy(asking->id, sizeof(asking->id), id);
	asking->owner = a;
	asking->wait.what = "person";
	asking->wait.request = id_new();
	TAILQ_INSERT_TAIL(&a->asks, asking, link);
	event_text_init(&text);
	write_question(&asking->wait.request, question, &text);
	session_wait_begin(s, &asking->wait);
	(void)session_say(s, EVENT_TYPE_PERMISSION_REQUEST, &text);
	buf_fini(&text);
	(void)fiber_start(s->host->loop, &s->talks, "question", asking_main, asking);
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
		tell_withdrawn(a->run, &asking->wait.request);
	}
	fiber_signal_raise(&asking->wait.changed);
}
