/*
 * An agent with a protocol of its own (adapters/adapter.h): its adapter is asked, and what it wants
 * done is done here, in order, by one fiber at a time.
 *
 * Reading never waits for writing: what is to be written is kept, bounded, for a fiber that does
 * nothing else.  So an agent that first wants its output read is read.
 */
#include "worker/session_adapter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "worker/session_resume.h"
#include "worker/session_trace.h"
#include "worker/session_upload.h"
#include "worker/team.h"

enum {
	WRITES_MAX = 64 * 1024 * 1024, /* bytes that wait for an agent to read */
	WRITE_MS = 60000,
	CLOSE_MS = 10000, /* to end after its standard input did */
	PASSWORD_BYTES = 24,
};

/* What the task's own prompt is called: it is no command. */
static const struct str first_prompt = { "task", 4 };

/* ---- its start ---- */

static const char *make_password(const struct session_run *s)
{
	unsigned char bytes[PASSWORD_BYTES];
	char *text = arena_take(s->arena, sizeof(bytes) * 2 + 1);

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		abort(); /* there is no system without */
	}
	for (size_t i = 0; i < sizeof(bytes); i++) {
		static const char digits[] = "0123456789abcdef";

		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return text;
}

static void find_place(const struct session_run *s, const char *home, struct session_adapter *a)
{
	const struct task_command *command = &s->agent->command;
	const char *program = s->host->programs[s->agent->type];
	struct err err;

	a->settings = json_parse(task_settings_json(command, s->arena), &err);
	a->place = (struct adapter_place){
		.cwd = s->workspace.path,
		.home = home,
		.program = program != NULL && program[0] != '\0' ? program : NULL,
		.model = command->model,
		.mode = command->mode,
		.resume = str_of(s->resumes ? s->agent_session : ""),
		.password = str_of(make_password(s)),
		.settings = a->settings,
		.as_root = !s->host->user.drop && s->host->as_root,
	};
}

enum err_code session_adapter_open(struct session_run *s, const char *home, struct err *err)
{
	const char *type = task_agent_types[s->agent->type];
	const struct adapter_ops *ops = adapter_find(str_of(type));
	struct session_adapter *a;
	enum err_code code;

	if (ops == NULL) {
		return err_set(err, ERR_INVALID, "this worker cannot speak to agents of type %s",
		               type);
	}
	a = mem_calloc(1, sizeof(*a));
	a->run = s;
	a->ops = ops;
	s->adapter = a;
	adapter_out_init(&a->acts);
	adapter_lines_init(&a->lines);
	buf_init(&a->writes, WRITES_MAX);
	TAILQ_INIT(&a->given);
	TAILQ_INIT(&a->asks);
	fiber_signal_init(&a->idle);
	fiber_signal_init(&a->to_write);
	find_place(s, home, a);
	code = ops->launch(&a->place, s->arena, &a->launch, err);
	if (code == ERR_OK) {
		code = agent_files_write(home, &s->host->user, a->launch.files,
		                         a->launch.file_count, err);
	}
	if (code == ERR_OK) {
		a->adapter = ops->make(&a->place);
	}
	return code;
}

void session_adapter_free(struct session_run *s)
{
	struct session_adapter *a = s->adapter;
	struct session_note *note;

	if (a == NULL) {
		return;
	}
	s->adapter = NULL;
	session_http_close(a);
	while ((note = TAILQ_FIRST(&a->given)) != NULL) {
		TAILQ_REMOVE(&a->given, note, link);
		session_note_free(note);
	}
	if (a->adapter != NULL) {
		a->ops->free(a->adapter);
	}
	adapter_out_fini(&a->acts);
	adapter_lines_fini(&a->lines);
	buf_fini(&a->writes);
	json_value_free(a->settings);
	free(a->capabilities);
	team_free(a->team);
	free(a);
}

/* ---- one at a time ---- */

/* False: the fiber was cancelled. */
bool session_adapter_enter(struct session_adapter *a)
{
	while (a->busy && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&a->idle, FIBER_NO_TIMEOUT);
	}
	if (fiber_cancelled()) {
		return false;
	}
	a->busy = true;
	return true;
}

/* ---- what it wants done ---- */

static void say(struct session_adapter *a, enum event_type type, struct str data)
{
	/* Whoever lost the session finds out by itself. */
	(void)!reporter_add(a->run->reporter, type, data);
}

static void begin_turn(struct session_adapter *a)
{
	struct session_run *s = a->run;
	struct buf text;

	event_text_init(&text);
	s->turn_open = true;
	session_figures_turn_began(s);
	event_text_turn(&text, ++s->turn, NULL);
	(void)session_say(s, EVENT_TYPE_TURN_STARTED, &text);
	buf_fini(&text);
}

static void end_turn(struct session_adapter *a, struct str stop_reason)
{
	struct session_run *s = a->run;
	struct buf text;
	struct err err;

	(void)str_copy(a->stop_reason, sizeof(a->stop_reason), stop_reason);
	if (session_tell_changes(s, &err) != ERR_OK && !fiber_cancelled()) {
		log_warn("session.changes", "%s", err.msg);
	}
	event_text_init(&text);
	event_text_turn(&text, s->turn, a->stop_reason);
	(void)session_say(s, EVENT_TYPE_TURN_FINISHED, &text);
	buf_fini(&text);
	session_snapshot(s, "end of a turn");
	s->turn_open = false;
	session_figures_turn_ended(s);
	fiber_signal_raise(&s->prompted);
	fiber_signal_raise(&s->wake);
	if (!str_eq(stop_reason, STR_LIT("error")) &&
	    !str_eq(stop_reason, STR_LIT("interrupted"))) {
		session_breaker_good(s);
	}
}

static void get_ready(struct session_adapter *a, struct str capabilities)
{
	struct session_run *s = a->run;

	say(a, EVENT_TYPE_CAPABILITIES, capabilities);
	free(a->capabilities);
	a->capabilities = mem_strndup(capabilities);
	a->ready = true;
	fiber_signal_raise(&s->prompted);
	fiber_signal_raise(&s->wake);
}

static void tell_session_id(struct session_adapter *a, struct str id)
{
	struct jsonw w;
	struct buf text;

	session_resumed_as(a->run, id);
	event_text_init(&text);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "agent", a->ops->type);
	jsonw_str(&w, "session_id", id);
	jsonw_end_object(&w);
	(void)session_say(a->run, EVENT_TYPE_AGENT_SESSION, &text);
	buf_fini(&text);
}

static void write_later(struct session_adapter *a, struct str bytes)
{
	buf_add_str(&a->writes, bytes);
	if (buf_failed(&a->writes)) {
		session_agent_stop(a->run, FATE_FAILED,
		                   "the agent does not read its standard input");
	}
	session_adapter_rouse(a);
}

static void finish_command(struct session_adapter *a, struct str id, struct str why)
{
	struct session_note *note;

	if (str_eq(id, first_prompt)) {
		a->first_done = true;
		fiber_signal_raise(&a->run->prompted);
		if (why.n > 0 && !a->ended) {
			session_agent_stop(a->run, FATE_FAILED, why.p);
		}
		return;
	}
	TAILQ_FOREACH (note, &a->given, link) {
		if (str_eq(str_of(note->id), id)) {
			TAILQ_REMOVE(&a->given, note, link);
			session_note_end(a->run, note, why.n > 0 ? why.p : NULL);
			fiber_signal_raise(&a->run->prompted);
			return;
		}
	}
}

/* That a model is asked once more, or anything is written, brings nothing. */
static bool is_progress(const struct adapter_act *act)
{
	return act->kind != ADAPTER_WRITE && act->kind != ADAPTER_REQUEST &&
	       (act->kind != ADAPTER_EVENT || act->type != EVENT_TYPE_RETRY);
}

static void carry_out(struct session_adapter *a, const struct adapter_act *act)
{
	if (is_progress(act)) {
		a->run->progress_ms = clock_mono_ms();
	}
	switch (act->kind) {
	case ADAPTER_EVENT:
		say(a, act->type, act->text);
		if (act->type == EVENT_TYPE_ERROR) {
			session_breaker_error(a->run, act->text);
		}
		session_team_hear(a, act->type, act->text);
		session_trace_hear(a->run, act->type, act->text);
		break;
	case ADAPTER_WRITE: write_later(a, act->text); break;
	case ADAPTER_REQUEST: session_http_request(a, act); break;
	case ADAPTER_READY: get_ready(a, act->text); break;
	case ADAPTER_SESSION_ID: tell_session_id(a, act->id); break;
	case ADAPTER_TURN: begin_turn(a); break;
	case ADAPTER_TURN_END: end_turn(a, act->name); break;
	case ADAPTER_ASK: session_asking_begin(a, act->id, act->text); break;
	case ADAPTER_WITHDRAW: session_asking_withdraw(a, act->id); break;
	case ADAPTER_CALL: session_calling_begin(a, act); break;
	case ADAPTER_USAGE:
		session_usage_add(a, act->text);
		session_breaker_good(a->run);
		break;
	case ADAPTER_DONE: finish_command(a, act->id, act->text); break;
	case ADAPTER_FAIL:
		if (!a->ready) {
			session_breaker_bad(a->run, act->text.p);
		}
		session_agent_stop(a->run, FATE_FAILED, act->text.p);
		break;
	}
}

void session_adapter_leave(struct session_adapter *a)
{
	struct adapter_act *act;

	while ((act = adapter_out_next(&a->acts)) != NULL) {
		carry_out(a, act);
		adapter_act_free(act);
	}
	a->busy = false;
	fiber_signal_raise(&a->idle);
}

/* ---- what it says ---- */

static void tell_too_long(struct session_adapter *a)
{
	static const char text[] =
		"{\"code\":\"line_too_long\",\"message\":\"the agent said more in "
		"one line than is taken; it was dropped\"}";

	say(a, EVENT_TYPE_ERROR, STR_LIT(text));
}

bool session_adapter_take(struct session_run *s, struct str bytes)
{
	struct session_adapter *a = s->adapter;
	enum adapter_line kind;
	struct str line;

	while ((kind = adapter_lines_take(&a->lines, &bytes, &line)) != ADAPTER_LINE_NONE) {
		if (a->ops->transport == ADAPTER_HTTP) {
			session_http_line(a, kind == ADAPTER_LINE_WHOLE ? line : STR_LIT(""));
			continue;
		}
		if (!session_budget_hear(s) || !session_adapter_enter(a)) {
			return false;
		}
		if (kind == ADAPTER_LINE_TOO_LONG) {
			tell_too_long(a);
		} else {
			a->ops->line(a->adapter, line, &a->acts);
		}
		session_adapter_leave(a);
	}
	return true;
}

void session_adapter_end(struct session_run *s)
{
	struct session_adapter *a = s->adapter;
	struct str line;

	session_http_close(a);
	if (a->ended || !session_adapter_enter(a)) {
		return;
	}
	if (a->ops->transport != ADAPTER_HTTP && adapter_lines_finish(&a->lines, &line)) {
		a->ops->line(a->adapter, line, &a->acts);
	}
	a->ended = true;
	a->ops->end(a->adapter, STR_LIT("the agent has ended"), &a->acts);
	session_adapter_leave(a);
}

/* ---- what it is given ---- */

static bool write_some(struct session_adapter *a)
{
	struct session_run *s = a->run;
	struct buf now = a->writes;
	enum err_code code;

	buf_init(&a->writes, WRITES_MAX);
	code = runner_write_stdin(s->runner, buf_str(&now), WRITE_MS);
	buf_fini(&now);
	if (code == ERR_TIMEOUT) {
		session_agent_stop(s, FATE_FAILED, "the agent does not read its standard input");
	}
	return code == ERR_OK;
}

/* What reads its standard input ends with it; the others are asked to. */
static void close_input(struct session_adapter *a)
{
	struct session_run *s = a->run;

	if (a->ops->transport != ADAPTER_HTTP) {
		runner_close_stdin(s->runner);
		for (uint64_t until = clock_mono_ms() + CLOSE_MS;
		     !s->exited && !fiber_cancelled() && clock_mono_ms() < until;) {
			(void)!fiber_signal_wait(&a->to_write, CLOSE_MS);
		}
	}
	if (!s->exited && !fiber_cancelled()) {
		runner_stop(s->runner, s->host->grace_ms);
	}
}

/* It is there while there is something to write. */
static void write_main(void *arg)
{
	struct session_adapter *a = arg;
	struct session_run *s = a->run;

	fiber_set_tag("session=%s", s->sid.s);
	while (a->writes.len > 0 && !a->unwritable && !fiber_cancelled() && !s->exited) {
		a->unwritable = !write_some(a);
	}
	if (s->closed && !fiber_cancelled() && !s->exited) {
		a->unwritable = true;
		close_input(a);
	}
	a->writing = false;
}

void session_adapter_rouse(struct session_adapter *a)
{
	struct session_run *s = a->run;

	fiber_signal_raise(&a->to_write);
	if (!a->writing && !a->unwritable && s->runner != NULL && !s->exited &&
	    !fiber_cancelled() && (a->writes.len > 0 || s->closed)) {
		a->writing = true;
		(void)fiber_start(s->host->loop, &s->children, "input", write_main, a);
	}
}

void session_adapter_exited(struct session_run *s)
{
	fiber_signal_raise(&s->adapter->to_write);
}

/* ---- prompts ---- */

/* Takes blocks. */
static struct json_value *with_uploads(struct session_run *s, struct json_value *blocks,
                                       struct buf *attachments)
{
	struct json_value *taken = session_uploads_take(s, blocks, attachments);

	if (taken == NULL) {
		return blocks;
	}
	json_value_free(blocks);
	return taken;
}

/* What its agent is told where it goes on; the task's own prompt too, if it does not know that. */
static struct json_value *say_lost(struct session_adapter *a, struct buf *text)
{
	struct session_run *s = a->run;
	struct str task = task_prompt_text(task_prompt_json(&s->order.spec, s->arena), s->arena);
	const char *words = s->lost;
	struct json_value *blocks;
	struct buf attachments;
	struct jsonw w;
	struct err err;

	event_text_message(text, "system", str_of(words));
	(void)session_say(s, EVENT_TYPE_MESSAGE, text);
	if (s->resumes) {
		session_uploads_again(s);
	} else {
		words = arena_printf(s->arena, "%s The task was:\n\n%" STR_FMT, words,
		                     STR_ARG(task));
	}
	buf_fini(text);
	/* A character may take an escape of six. */
	buf_init(text, strlen(words) * 6 + SESSION_UPLOADS_BYTES);
	jsonw_init(&w, text);
	jsonw_array(&w, NULL);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "text");
	jsonw_cstr(&w, "text", words);
	jsonw_end_object(&w);
	if (!s->resumes) {
		session_uploads_write(s, &w);
	}
	jsonw_end_array(&w);
	event_text_init(&attachments);
	blocks = with_uploads(s, json_parse(buf_str(text), &err), &attachments);
	buf_fini(&attachments);
	return blocks;
}

static struct json_value *say_task(struct session_adapter *a, struct buf *text)
{
	struct session_run *s = a->run;
	const struct json_list *texts = &s->order.spec.prompt.texts;
	const struct str *first = texts->items;
	const struct str prompt = task_prompt_json(&s->order.spec, s->arena);
	struct json_value *blocks;
	struct buf attachments;
	struct err err;

	event_text_init(&attachments);
	blocks = with_uploads(s, json_parse(prompt, &err), &attachments);
	event_text_prompt(text, texts->count == 1 ? first[0] : task_prompt_text(prompt, s->arena),
	                  buf_str(&attachments));
	(void)session_say(s, EVENT_TYPE_MESSAGE, text);
	buf_fini(&attachments);
	return blocks;
}

/* Nothing where it goes on and nothing is missing: it waits for whoever prompts it next. */
static void give_first(struct session_adapter *a)
{
	struct session_run *s = a->run;
	struct json_value *blocks;
	struct buf text;

	if (s->resumes && s->lost == NULL) {
		session_uploads_again(s);
		a->first_done = true;
		return;
	}
	event_text_init(&text);
	blocks = s->lost != NULL ? say_lost(a, &text) : say_task(a, &text);
	buf_fini(&text);
	if (session_adapter_enter(a)) {
		const struct adapter_prompt prompt = { .id = first_prompt, .blocks = blocks };

		a->ops->prompt(a->adapter, &prompt, &a->acts);
		session_adapter_leave(a);
	}
	json_value_free(blocks);
}

/* Its blocks, as the agent gets them, and the event of it. */
static void say_prompt(struct session_run *s, struct session_note *note, struct buf *text)
{
	struct buf attachments;

	event_text_init(&attachments);
	note->blocks = with_uploads(s, note->blocks, &attachments);
	event_text_prompt(text, str_of(note->prompt), buf_str(&attachments));
	(void)session_say(s, EVENT_TYPE_MESSAGE, text);
	buf_fini(&attachments);
}

static void give(struct session_adapter *a, struct session_note *note)
{
	struct session_run *s = a->run;
	struct buf text;

	event_text_init(&text);
	if (!session_note_start(s, note)) {
		session_note_drop(s, note);
	} else {
		say_prompt(s, note, &text);
		TAILQ_INSERT_TAIL(&a->given, note, link);
		if (session_adapter_enter(a)) {
			const struct adapter_prompt prompt = { .id = str_of(note->id),
				                               .blocks = note->blocks };

			a->ops->prompt(a->adapter, &prompt, &a->acts);
			session_adapter_leave(a);
		}
	}
	buf_fini(&text);
}

/* Whether it has a prompt that is not done. */
static bool gives_prompt(const struct session_adapter *a)
{
	const struct session_note *note;

	TAILQ_FOREACH (note, &a->given, link) {
		if (note->prompt != NULL) {
			return true;
		}
	}
	return false;
}

/* Whether the next prompt may be given now. */
static bool is_free(const struct session_adapter *a, const struct session_note *note)
{
	bool steers = note->steers && (a->ops->features & ADAPTER_STEER) != 0;

	return steers || (a->first_done && !a->run->turn_open && !gives_prompt(a));
}

/* Nothing is left to do; who was interrupted is told what to do instead. */
static bool has_finished(const struct session_adapter *a)
{
	const struct session_run *s = a->run;

	return a->first_done && !s->turn_open && TAILQ_EMPTY(&s->prompts) &&
	       TAILQ_EMPTY(&a->given) && !s->agent->command.interactive &&
	       strcmp(a->stop_reason, "interrupted") != 0;
}

/* Between turns it waits for the next prompt, without a slot. */
static void await_prompt(struct session_adapter *a)
{
	struct session_run *s = a->run;
	struct session_wait wait = { .what = "prompt" };

	session_wait_begin(s, &wait);
	fiber_signal_raise(&s->wake); /* it is idle from here on */
	while (TAILQ_EMPTY(&s->prompts) && !s->turn_open && !s->exited && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&s->prompted, FIBER_NO_TIMEOUT);
	}
	session_wait_end(s, &wait, !s->exited);
}

static void await_ready(struct session_adapter *a)
{
	struct session_run *s = a->run;
	uint64_t until = clock_mono_ms() + s->host->ready_ms, now;

	while (!a->ready && !s->exited && !fiber_cancelled() && (now = clock_mono_ms()) < until) {
		(void)!fiber_signal_wait(&s->prompted, until - now);
	}
	if (!a->ready && !s->exited && !fiber_cancelled()) {
		session_breaker_bad(s, "it did not get ready");
		session_agent_stop(s, FATE_FAILED, "the agent did not get ready");
	}
}

static void next_prompt(struct session_adapter *a)
{
	struct session_run *s = a->run;
	struct session_note *note = TAILQ_FIRST(&s->prompts);

	if (note != NULL && is_free(a, note) && session_note_waits_ms(s, note) == 0 &&
	    !session_budget_await(s)) {
		return; /* it ends */
	}
	note = TAILQ_FIRST(&s->prompts);
	if (note != NULL && is_free(a, note) && session_note_waits_ms(s, note) == 0) {
		if (session_note_claim(s)) {
			note = TAILQ_FIRST(&s->prompts);
			TAILQ_REMOVE(&s->prompts, note, link);
			s->prompting = true;
			give(a, note);
			s->prompting = false;
			fiber_signal_raise(&s->wake);
		}
	} else if (note != NULL) {
		uint64_t ms = is_free(a, note) ? session_note_waits_ms(s, note) : FIBER_NO_TIMEOUT;

		(void)!fiber_signal_wait(&s->prompted, ms);
	} else if (has_finished(a)) {
		s->closed = true;
		session_adapter_rouse(a);
	} else if (a->first_done && !s->turn_open && TAILQ_EMPTY(&a->given)) {
		await_prompt(a);
	} else {
		(void)!fiber_signal_wait(&s->prompted, FIBER_NO_TIMEOUT);
	}
}

void session_adapter_prompts(void *arg)
{
	struct session_run *s = arg;
	struct session_adapter *a = s->adapter;

	fiber_set_tag("session=%s", s->sid.s);
	if (a->ops->transport == ADAPTER_HTTP &&
	    !session_http_open(a, clock_mono_ms() + s->host->ready_ms)) {
		return;
	}
	if (session_adapter_enter(a)) {
		a->ops->begin(a->adapter, &a->acts);
		session_adapter_leave(a);
	}
	await_ready(a);
	if (a->ready && !fiber_cancelled() && session_budget_await(s)) {
		give_first(a);
	}
	while (!fiber_cancelled() && !s->exited && !s->closed && s->fate == FATE_OPEN) {
		next_prompt(a);
	}
}

/* ---- controls ---- */

static const struct {
	const char *kind, *member, *what;
	enum adapter_control_kind control;
	unsigned feature;
} controls[] = {
	{ "interrupt", NULL, "cannot be interrupted", ADAPTER_DO_INTERRUPT, ADAPTER_INTERRUPT },
	{ "set_model", "model", "cannot change its model", ADAPTER_DO_SET_MODEL,
	  ADAPTER_SET_MODEL },
	{ "set_permission_mode", "mode", "has no modes to set", ADAPTER_DO_SET_MODE,
	  ADAPTER_SET_MODE },
	{ "slash", "command", "has no slash commands", ADAPTER_DO_SLASH, ADAPTER_SLASH },
};

static size_t find_control(const struct session_note *note)
{
	size_t i = 0;

	while (i < ARRAY_LEN(controls) && strcmp(note->kind, controls[i].kind) != 0) {
		i++;
	}
	return i;
}

bool session_adapter_can(const struct session_run *s, const struct session_note *note)
{
	bool is_control = s->agent != NULL && s->agent->type != TASK_AGENT_COMMAND &&
	                  find_control(note) < ARRAY_LEN(controls);

	return !is_control || s->exited || (s->adapter != NULL && s->adapter->ready);
}

bool session_adapter_failed(const struct session_run *s)
{
	return strcmp(s->adapter->stop_reason, "error") == 0;
}

bool session_adapter_control(struct session_run *s, struct session_note *note)
{
	struct session_adapter *a = s->adapter;
	size_t i = find_control(note);

	if (a == NULL || i == ARRAY_LEN(controls)) {
		return false;
	}
	if (a->ended || !a->ready) {
		session_note_end(s, note, "the agent has ended");
		return true;
	}
	if ((a->ops->features & controls[i].feature) == 0) {
		session_note_end(s, note,
		                 arena_printf(s->arena, "an agent of type %s %s", a->ops->type,
		                              controls[i].what));
		return true;
	}
	TAILQ_INSERT_TAIL(&a->given, note, link);
	if (session_adapter_enter(a)) {
		const struct adapter_control control = {
			.kind = controls[i].control,
			.id = str_of(note->id),
			.text = controls[i].member != NULL
			                ? json_as_str(json_get(note->payload, controls[i].member))
			                : STR_LIT(""),
		};

		a->ops->control(a->adapter, &control, &a->acts);
		session_adapter_leave(a);
	}
	return true;
}
