/* Commands for a session: what clients ask of it while it runs. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "event/prompt_claim.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "worker/session_private.h"
#include "worker/session_upload.h"

enum {
	DONE_FIRST = 8,
	CLAIM_AGAIN_MS = 200,
	NEWER_MS = 10000, /* a version that was announced comes, or never will */
};

static char seen_mark;

void session_note_free(struct session_note *note)
{
	json_value_free(note->blocks);
	json_value_free(note->json);
	free(note->prompt);
	free(note->answer);
	free(note->result);
	free(note);
}

static void free_all(struct session_notes *notes)
{
	struct session_note *note;

	while ((note = TAILQ_FIRST(notes)) != NULL) {
		TAILQ_REMOVE(notes, note, link);
		session_note_free(note);
	}
}

void session_notes_free(struct session_run *s)
{
	free_all(&s->notes);
	free_all(&s->prompts);
	map_free(s->seen);
	free(s->done);
}

/* Most sessions hear of a few only. */
static void grow_done(struct session_run *s)
{
	unsigned size = s->done_size == 0 ? DONE_FIRST : 2 * s->done_size;

	if (size > SESSION_COMMANDS_MAX) {
		size = SESSION_COMMANDS_MAX;
	}
	s->done = mem_realloc(s->done, size * sizeof(*s->done));
	memset(s->done[s->done_size], 0, (size - s->done_size) * sizeof(*s->done));
	s->done_size = size;
}

/* It is not taken again for as long as it could still be on its way. */
static void done_with(struct session_run *s, struct session_note *note)
{
	char *slot;

	if (s->done_at == s->done_size && s->done_size < SESSION_COMMANDS_MAX) {
		grow_done(s);
	}
	s->done_at %= s->done_size;
	slot = s->done[s->done_at++];
	(void)map_remove(s->seen, str_of(slot));
	memcpy(slot, note->id, sizeof(note->id));
	s->waiting--;
	session_note_free(note);
}

void session_note_drop(struct session_run *s, struct session_note *note)
{
	done_with(s, note);
}

/* ---- their JSON: {id, seq, after, kind, payload} ---- */

/* Text, or an array of blocks {type: text, text}. */
static void add_text(const struct json_value *value, struct buf *out)
{
	if (json_type_of(value) == JSON_T_STRING) {
		buf_add_str(out, json_as_str(value));
	}
	for (size_t i = 0; i < json_count(value) && json_type_of(value) == JSON_T_ARRAY; i++) {
		struct str text = json_as_str(json_get(json_at(value, i), "text"));

		if (out->len > 0 && text.n > 0) {
			buf_add_char(out, '\n');
		}
		buf_add_str(out, text);
	}
}

static void decode_prompt(struct session_note *note)
{
	const struct json_value *prompt = json_get(note->payload, "prompt");
	const struct json_value *given =
		prompt != NULL ? prompt : json_get(note->payload, "message");
	struct jsonw w;
	struct buf text;
	struct err err;

	if (given == NULL) {
		given = json_get(note->payload, "command"); /* a slash command that is passed on */
	}
	buf_init(&text, MAIL_BODY_MAX);
	add_text(given, &text);
	note->prompt = buf_take(&text);
	buf_init(&text, (size_t)2 * MAIL_BODY_MAX);
	if (json_type_of(given) == JSON_T_ARRAY) {
		json_format(given, &text);
	} else {
		jsonw_init(&w, &text);
		jsonw_array(&w, NULL);
		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "type", "text");
		jsonw_cstr(&w, "text", note->prompt);
		jsonw_end_object(&w);
		jsonw_end_array(&w);
	}
	note->blocks = json_parse(buf_str(&text), &err);
	buf_fini(&text);
	note->steers = json_as_bool(json_get(note->payload, "steer"));
	note->version = (uint64_t)json_as_i64(json_get(note->payload, "version"));
}

static void decode_approval(struct session_note *note, const struct json_value *payload)
{
	struct buf text;

	buf_init(&text, MAIL_BODY_MAX);
	json_format(payload, &text);
	note->answer = buf_take(&text);
	if (!id_parse(json_as_str(json_get(payload, "request_id")), &note->request)) {
		note->request = (struct id){ "" }; /* of an adapter's making: none of ours */
	}
}

static struct session_note *decode(struct str body)
{
	struct err err;
	struct session_note *note = mem_calloc(1, sizeof(*note));
	const struct json_value *root = note->json = json_parse(body, &err);

	note->payload = json_get(root, "payload");
	if (!str_copy(note->id, sizeof(note->id), json_as_str(json_get(root, "id"))) ||
	    !str_copy(note->kind, sizeof(note->kind), json_as_str(json_get(root, "kind"))) ||
	    note->id[0] == '\0') {
		session_note_free(note);
		return NULL;
	}
	(void)str_copy(note->reason, sizeof(note->reason),
	               json_as_str(json_get(note->payload, "reason")));
	if (strcmp(note->kind, "prompt") == 0) {
		decode_prompt(note);
		note->seq = (uint64_t)json_as_i64(json_get(root, "seq"));
		if (!id_parse(json_as_str(json_get(root, "after")), &note->after)) {
			note->after = (struct id){ "" };
		}
		note->late_ms = clock_mono_ms() + SESSION_ORDER_MS;
	} else if (strcmp(note->kind, "approval") == 0) {
		decode_approval(note, note->payload);
	}
	return note;
}

/* Who has no commands of that kind reads it as a prompt. */
static void pass_slash(struct session_run *s, struct session_note *note)
{
	enum session_slash how = session_slash_of(s, note);

	if (how == SLASH_PASSED) {
		decode_prompt(note);
		note->late_ms = clock_mono_ms();
		note->seq = (uint64_t)json_as_i64(json_get(note->json, "seq"));
	}
	if (how != SLASH_LOCAL) {
		note->result = mem_strdup(how == SLASH_PASSED ? "{\"source\":\"passthrough\"}"
		                                              : "{\"source\":\"native\"}");
	}
}

/* Notes may be lost and told again, so they come in any order. */
static void insert_prompt(struct session_run *s, struct session_note *note)
{
	struct session_note *before = TAILQ_LAST(&s->prompts, session_notes);

	while (before != NULL && before->seq > note->seq) {
		before = TAILQ_PREV(before, session_notes, link);
	}
	if (before != NULL) {
		TAILQ_INSERT_AFTER(&s->prompts, before, note, link);
	} else {
		TAILQ_INSERT_HEAD(&s->prompts, note, link);
	}
}

/* What waits has changed, if this is newer. */
static void renew_prompt(struct session_run *s, struct session_note *note)
{
	struct session_note *old;

	TAILQ_FOREACH (old, &s->prompts, link) {
		if (strcmp(old->id, note->id) == 0) {
			break;
		}
	}
	if (old == NULL || note->version <= old->version) {
		session_note_free(note);
		return;
	}
	note->after = old->after;
	note->late_ms = old->late_ms;
	TAILQ_INSERT_BEFORE(old, note, link);
	TAILQ_REMOVE(&s->prompts, old, link);
	session_note_free(old);
	fiber_signal_raise(&s->prompted);
}

void session_command(struct session_host *host, const struct mail *mail)
{
	struct session_note *note;
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (id_eq(&s->sid, &mail->sid) && s->fate != FATE_LOST && s->fate != FATE_LEFT &&
		    s->fate != FATE_EVICTED) {
			break;
		}
	}
	if (s == NULL) {
		return;
	}
	note = decode(mail->body);
	if (note == NULL) {
		log_warn("command.damaged", "session=%s", s->sid.s);
		return;
	}
	/* Whoever sent too many sends them again when some are done. */
	if (map_get(s->seen, str_of(note->id)) != NULL) {
		renew_prompt(s, note);
		return;
	}
	if (s->waiting >= SESSION_COMMANDS_MAX) {
		session_note_free(note);
		return;
	}
	if (strcmp(note->kind, "slash") == 0) {
		pass_slash(s, note);
	}
	s->waiting++;
	(void)map_put(s->seen, str_of(note->id), &seen_mark);
	if (note->prompt != NULL) {
		insert_prompt(s, note);
		fiber_signal_raise(&s->prompted);
	} else {
		TAILQ_INSERT_TAIL(&s->notes, note, link);
		fiber_signal_raise(&s->wake);
	}
}

/* ---- doing them ---- */

static bool say_started(struct session_run *s, const struct session_note *note, struct buf *text)
{
	event_text_command(text, str_of(note->id), str_of(note->kind));
	return session_say(s, EVENT_TYPE_COMMAND_STARTED, text);
}

bool session_note_start(struct session_run *s, struct session_note *note)
{
	struct buf text;
	bool said;

	event_text_init(&text);
	said = say_started(s, note, &text);
	buf_fini(&text);
	return said;
}

static void say_finished(struct session_run *s, const struct session_note *note, const char *why,
                         struct buf *text)
{
	const struct event_text_command_end end = {
		.id = str_of(note->id),
		.outcome = why == NULL ? "done" : "failed",
		.message = why,
		.result = str_of(note->result != NULL ? note->result : ""),
	};

	event_text_command_end(text, &end);
	(void)session_say(s, EVENT_TYPE_COMMAND_FINISHED, text);
}

/* What it should be is the log's business; where it is already, nothing is to do. */
static void move(struct session_run *s, enum session_state from, enum session_state to,
                 struct buf *text)
{
	const struct event_text_status status = { .state = to };
	enum session_state state;

	event_text_status(text, &status);
	(void)!reporter_move(s->reporter, session_bit(from), to, buf_str(text), &state);
}

static const char *pause_agent(struct session_run *s, struct buf *text)
{
	if (s->runner == NULL || s->exited) {
		return "there is no agent to pause";
	}
	/* Who asked for it has normally moved it there, or died before. */
	move(s, SESSION_RUNNING, SESSION_PAUSING, text);
	if (session_agent_freeze(s) != ERR_OK) {
		move(s, SESSION_PAUSING, SESSION_RUNNING, text);
		return "the agent could not be frozen";
	}
	if (!s->paused) {
		s->paused = true;
		session_clock_stop(s);
	}
	move(s, SESSION_PAUSING, SESSION_PAUSED, text);
	return NULL;
}

static const char *resume_agent(struct session_run *s, struct buf *text)
{
	enum err_code code = ERR_GONE;

	if (s->runner == NULL && !s->exited) {
		return NULL; /* it lost its worker while it was paused, and begins again */
	}
	if (s->budget.asking) {
		return "it waits for an answer about its budget";
	}
	move(s, SESSION_PAUSED, SESSION_RESUMING, text);
	if (s->runner != NULL && !s->exited) {
		/* While the lease is over it stays frozen, and the next renewal decides. */
		while ((code = session_agent_thaw(s)) == ERR_CONFLICT &&
		       fiber_sleep(100) == ERR_OK) {
		}
	}
	if (code != ERR_OK) {
		return "there is no agent to resume";
	}
	if (s->paused) {
		s->paused = false;
		s->progress_ms = clock_mono_ms();
		session_clock_start(s);
	}
	move(s, SESSION_RESUMING, SESSION_RUNNING, text);
	return NULL;
}

/* What only agents with a protocol of their own can do, and why not this one. */
static const struct {
	const char *kind, *why;
} refused[] = {
	{ "approval", "no such permission request waits" },
	{ "set_model", "an agent of type command has no model to set" },
	{ "set_permission_mode", "an agent of type command has no permission mode to set" },
	{ "interrupt", "an agent of type command has no turn to interrupt: stop or pause it" },
};

static const char *perform(struct session_run *s, const struct session_note *note, struct buf *text)
{
	if (strcmp(note->kind, "stop") == 0 || strcmp(note->kind, "cancel") == 0) {
		session_agent_stop(s, FATE_STOPPED,
		                   note->reason[0] != '\0' ? note->reason : "stop was asked");
		return NULL;
	}
	if (strcmp(note->kind, "pause") == 0) {
		return pause_agent(s, text);
	}
	if (strcmp(note->kind, "resume") == 0) {
		return resume_agent(s, text);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		if (strcmp(note->kind, refused[i].kind) == 0) {
			return refused[i].why;
		}
	}
	return "this worker does not know the command";
}

void session_note_end(struct session_run *s, struct session_note *note, const char *why)
{
	struct buf text;

	event_text_init(&text);
	say_finished(s, note, why, &text);
	done_with(s, note);
	buf_fini(&text);
}

static bool is_local_slash(const struct session_run *s, const struct session_note *note)
{
	return strcmp(note->kind, "slash") == 0 && session_slash_of(s, note) == SLASH_LOCAL;
}

/* Whether somebody waits for an answer is not known before what was kept is there again; what only
 * an adapter can do waits until its agent is ready. */
static bool is_due(const struct session_run *s, const struct session_note *note)
{
	return note->answer != NULL ? s->prepared
	                            : is_local_slash(s, note) || session_adapter_can(s, note);
}

static struct session_note *next_note(const struct session_run *s)
{
	struct session_note *note;

	TAILQ_FOREACH (note, &s->notes, link) {
		if (is_due(s, note)) {
			return note;
		}
	}
	return NULL;
}

void session_notes_perform(struct session_run *s)
{
	struct session_note *note;
	struct buf text;

	event_text_init(&text);
	while (!fiber_cancelled() && (note = next_note(s)) != NULL) {
		TAILQ_REMOVE(&s->notes, note, link);
		if (session_ask_holds(s, note)) {
			continue;
		}
		if (!say_started(s, note, &text)) {
			done_with(s, note);
		} else if (is_local_slash(s, note)) {
			session_note_end(s, note, session_slash_answer(s, note));
		} else if (!session_wait_answer(s, note) && !session_adapter_control(s, note)) {
			session_note_end(s, note, perform(s, note, &text));
		}
	}
	buf_fini(&text);
}

/* ---- prompts ---- */

static const char *write_prompt(struct session_run *s, const struct session_note *note)
{
	const bool pty = s->agent->command.pty.wanted;
	enum err_code code = runner_write_stdin(s->runner, str_of(note->prompt), SESSION_PROMPT_MS);

	if (code == ERR_OK) {
		/* On a terminal the key is Return. */
		code = runner_write_stdin(s->runner, pty ? STR_LIT("\r") : STR_LIT("\n"),
		                          SESSION_PROMPT_MS);
	}
	return code == ERR_OK ? NULL : "the agent does not read its standard input";
}

/* Of all blocks it gets the text. */
static void take_uploads(struct session_run *s, struct session_note *note, struct buf *attachments)
{
	struct json_value *taken = session_uploads_take(s, note->blocks, attachments);

	if (taken != NULL) {
		free(note->prompt);
		note->prompt = session_uploads_text(taken);
		json_value_free(taken);
	}
}

static void give_prompt(struct session_run *s, struct session_note *note, struct buf *text)
{
	struct buf attachments;
	char *words;
	const char *why;

	if (!say_started(s, note, text)) {
		return;
	}
	words = mem_strdup(note->prompt);
	event_text_init(&attachments);
	take_uploads(s, note, &attachments);
	event_text_prompt(text, str_of(words), buf_str(&attachments));
	(void)session_say(s, EVENT_TYPE_MESSAGE, text);
	if (!s->turn_open) {
		s->turn_open = true;
		session_figures_turn_began(s);
		event_text_turn(text, ++s->turn, NULL);
		(void)session_say(s, EVENT_TYPE_TURN_STARTED, text);
	}
	why = write_prompt(s, note);
	s->output_ms = clock_mono_ms();
	say_finished(s, note, why, text);
	buf_fini(&attachments);
	free(words);
}

uint64_t session_note_waits_ms(const struct session_run *s, const struct session_note *note)
{
	uint64_t now = clock_mono_ms();

	if (note->newer_ms > now) {
		return note->newer_ms - now;
	}
	return id_is_nil(&note->after) || now >= note->late_ms ||
	                       map_get(s->seen, str_of(note->after.s)) != NULL
	               ? 0
	               : note->late_ms - now;
}

static void say_cancelled(struct session_run *s, struct session_note *note)
{
	struct buf text;

	event_text_init(&text);
	event_text_command_end(&text, &(struct event_text_command_end){ .id = str_of(note->id),
	                                                                .outcome = "cancelled" });
	(void)session_say(s, EVENT_TYPE_COMMAND_FINISHED, &text);
	buf_fini(&text);
	done_with(s, note);
}

/* Until Redis answers: nobody else can say whose it is. Notes may come and go meanwhile. */
static bool ask_whose(struct session_run *s, const char *prompt, uint64_t version,
                      enum prompt_claim *ret)
{
	struct err err;

	while (!fiber_cancelled() && !s->exited) {
		if (prompt_claim_take(s->host->redis, &s->sid, prompt, version, ret, &err) ==
		    ERR_OK) {
			return true;
		}
		(void)!fiber_sleep(CLAIM_AGAIN_MS);
	}
	return false;
}

bool session_note_claim(struct session_run *s)
{
	struct session_note *note = TAILQ_FIRST(&s->prompts);
	/* What was announced and never came is not waited for for ever. */
	uint64_t version = note->newer_ms != 0 ? UINT32_MAX : note->version;
	enum prompt_claim whose;
	char id[ID_LEN + 1];

	memcpy(id, note->id, sizeof(id));
	if (!ask_whose(s, id, version, &whose)) {
		return false;
	}
	note = TAILQ_FIRST(&s->prompts);
	if (note == NULL || strcmp(note->id, id) != 0) {
		return false; /* another one comes before it */
	}
	if (whose == PROMPT_MINE) {
		return true;
	}
	if (whose == PROMPT_GONE) {
		TAILQ_REMOVE(&s->prompts, note, link);
		say_cancelled(s, note);
	} else {
		note->newer_ms = clock_mono_ms() + NEWER_MS;
	}
	return false;
}

void session_prompts_write(void *arg)
{
	struct session_run *s = arg;
	struct session_note *note;
	struct buf text;

	fiber_set_tag("session=%s", s->sid.s);
	event_text_init(&text);
	while (!fiber_cancelled() && !s->exited) {
		note = TAILQ_FIRST(&s->prompts);
		/* Not while the files of the turn before are being looked at. */
		if (note == NULL || s->turn_ending) {
			(void)!fiber_signal_wait(&s->prompted, FIBER_NO_TIMEOUT);
			continue;
		}
		if (session_note_waits_ms(s, note) > 0) {
			(void)!fiber_signal_wait(&s->prompted, session_note_waits_ms(s, note));
			continue;
		}
		if (!session_note_claim(s)) {
			continue;
		}
		note = TAILQ_FIRST(&s->prompts);
		TAILQ_REMOVE(&s->prompts, note, link);
		s->prompting = true;
		give_prompt(s, note, &text);
		s->prompting = false;
		done_with(s, note);
		fiber_signal_raise(&s->wake);
	}
	buf_fini(&text);
}
