/*
 * opencode, by the server that it starts on a loopback port: requests (REST) and one stream of
 * events (SSE).  Names are those of its OpenAPI document (GET /doc), of the version in
 * tests/agents/package.json.
 *
 * One server has one session of ours; other sessions that its stream tells of are its sub-agents'.
 * A prompt is done when opencode took it.  Its answers and its events come by different ways and in
 * any order, so that a turn begins with the prompt, not with what is said of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "worker/adapters/opencode_private.h"

void opencode_set(char **at, struct str text)
{
	free(*at);
	*at = mem_strndup(str_make(text.p, text.n < ADAPTER_ID_MAX ? text.n : ADAPTER_ID_MAX));
}

struct str opencode_agent(const struct adapter *a, const struct json_value *properties)
{
	struct str id = json_as_str(json_get(properties, "sessionID"));

	return id.n == 0 || str_eq(id, str_of(a->session)) ? STR_LIT("") : id;
}

/* ---- turns ---- */

static void turn_begins(struct adapter *a, struct adapter_out *out)
{
	if (!a->turn_open) {
		a->turn_open = true;
		a->turn_alive = a->idle_told = a->busy_told = false;
		a->stop = "end_turn";
		opencode_set(&a->old_message, str_of(a->last_message));
		adapter_out_turn(out);
	}
}

static void turn_ends(struct adapter *a, struct adapter_out *out)
{
	opencode_parts_close(a, out);
	opencode_asks_withdraw(a, true, out);
	a->turn_open = false;
	adapter_out_turn_end(out, str_of(a->stop));
}

/* After an abort it says twice that it is idle: the second time is not the end of a turn that began
 * in between, which has said nothing yet. */
static void is_idle(struct adapter *a, struct adapter_out *out)
{
	if (a->turn_open && a->turn_alive) {
		turn_ends(a, out);
	}
	a->idle_told = true;
}

/* ---- requests ---- */

/* The tag of a command's request is "c" and a number: its id may be anything. */
static bool remember(struct adapter *a, struct str id, enum opencode_kind kind, char tag[32],
                     struct adapter_out *out)
{
	struct opencode_command *command;

	if (a->command_count >= OPENCODE_COMMANDS_MAX) {
		adapter_out_done(out, id, STR_LIT("opencode answers nothing any more"));
		return false;
	}
	command = mem_calloc(1, sizeof(*command));
	command->id = mem_strndup(id);
	command->kind = kind;
	command->tag = ++a->last_tag;
	TAILQ_INSERT_TAIL(&a->waiting, command, link);
	a->command_count++;
	(void)snprintf(tag, 32, "c%" PRIu64, command->tag);
	return true;
}

static void command_free(struct adapter *a, struct opencode_command *command)
{
	TAILQ_REMOVE(&a->waiting, command, link);
	a->command_count--;
	free(command->id);
	free(command);
}

/* POST /session/<ours>/<what> for that command. */
static void post(struct adapter *a, struct str id, enum opencode_kind kind, const char *what,
                 struct str body, struct adapter_out *out)
{
	struct buf path;
	char tag[32];

	if (!remember(a, id, kind, tag, out)) {
		return;
	}
	buf_init(&path, ADAPTER_LINE_MAX);
	buf_addf(&path, "POST /session/%s/%s", a->session, what);
	adapter_out_request(out, str_of(tag), buf_str(&path), body);
	buf_fini(&path);
}

static void add_model(const struct adapter *a, struct jsonw *w)
{
	struct str model = str_of(a->model);
	struct str provider = str_split(&model, '/');

	if (a->model[0] != '\0') {
		jsonw_object(w, "model");
		jsonw_str(w, "providerID", provider);
		jsonw_str(w, "modelID", model);
		jsonw_end_object(w);
	}
}

static void add_part(struct jsonw *w, const struct json_value *block)
{
	struct str media = json_as_str(json_get(block, "media_type"));
	struct buf url;

	jsonw_object(w, NULL);
	if (str_eq(json_as_str(json_get(block, "type")), STR_LIT("image"))) {
		buf_init(&url, OPENCODE_BODY_MAX);
		media = media.n > 0 ? media : STR_LIT("image/png");
		buf_addf(&url, "data:%" STR_FMT ";base64,", STR_ARG(media));
		buf_add_str(&url, json_as_str(json_get(block, "data")));
		jsonw_cstr(w, "type", "file");
		jsonw_str(w, "mime", media);
		jsonw_str(w, "url", buf_str(&url));
		buf_fini(&url);
	} else {
		jsonw_cstr(w, "type", "text");
		jsonw_str(w, "text", json_as_str(json_get(block, "text")));
	}
	jsonw_end_object(w);
}

static void prompt(struct adapter *a, const struct adapter_prompt *prompt, struct adapter_out *out)
{
	struct buf body;
	struct jsonw w;

	if (!a->ready) {
		adapter_out_done(out, prompt->id, STR_LIT("opencode is not ready"));
		return;
	}
	buf_init(&body, OPENCODE_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	add_model(a, &w);
	if (a->agent[0] != '\0') {
		jsonw_cstr(&w, "agent", a->agent);
	}
	jsonw_array(&w, "parts");
	for (size_t i = 0; i < json_count(prompt->blocks); i++) {
		add_part(&w, json_at(prompt->blocks, i));
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	if (buf_failed(&body)) {
		adapter_out_done(out, prompt->id, STR_LIT("the prompt is too large"));
	} else {
		turn_begins(a, out);
		post(a, prompt->id, OPENCODE_PROMPT, "prompt_async", buf_str(&body), out);
	}
	buf_fini(&body);
}

/* ---- controls ---- */

static void set_model(struct adapter *a, struct str id, struct str model, struct adapter_out *out)
{
	const char *slash = model.n > 0 ? memchr(model.p, '/', model.n) : NULL;

	if (slash == NULL || slash == model.p || slash == model.p + model.n - 1) {
		adapter_out_done(out, id, STR_LIT("model must be PROVIDER/MODEL"));
		return;
	}
	opencode_set(&a->model, model); /* told with the next prompt */
	adapter_out_done(out, id, STR_LIT(""));
}

static bool has_mode(const struct adapter *a, struct str name)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *list = json_parse(str_of(a->modes), &err);

	for (size_t i = 0; i < json_count(list); i++) {
		if (str_eq(name, json_as_str(json_get(json_at(list, i), "id")))) {
			return true;
		}
	}
	return false;
}

static void set_mode(struct adapter *a, struct str id, struct str name, struct adapter_out *out)
{
	if (!has_mode(a, name)) {
		adapter_out_done(out, id, STR_LIT("opencode has no agent of that name"));
		return;
	}
	opencode_set(&a->agent, name);
	adapter_out_done(out, id, STR_LIT(""));
}

static void compact(struct adapter *a, struct str id, struct adapter_out *out)
{
	const char *model = a->model[0] != '\0' ? a->model : a->used;
	struct str rest = str_of(model), provider = str_split(&rest, '/');
	struct buf body;
	struct jsonw w;

	if (model[0] == '\0') {
		adapter_out_done(out, id, STR_LIT("there is nothing to compact yet"));
		return;
	}
	buf_init(&body, OPENCODE_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "providerID", provider);
	jsonw_str(&w, "modelID", rest);
	jsonw_end_object(&w);
	post(a, id, OPENCODE_SLASH, "summarize", buf_str(&body), out);
	buf_fini(&body);
}

static void slash(struct adapter *a, struct str id, struct str text, struct adapter_out *out)
{
	struct str name = str_split(&text, ' ');
	struct buf body;
	struct jsonw w;

	if (name.n > 0 && name.p[0] == '/') {
		name = str_make(name.p + 1, name.n - 1);
	}
	if (str_eq(name, STR_LIT("compact"))) {
		compact(a, id, out);
		return;
	}
	buf_init(&body, OPENCODE_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "command", name);
	jsonw_str(&w, "arguments", str_trim(text));
	if (a->model[0] != '\0') {
		jsonw_cstr(&w, "model", a->model);
	}
	if (a->agent[0] != '\0') {
		jsonw_cstr(&w, "agent", a->agent);
	}
	jsonw_end_object(&w);
	post(a, id, OPENCODE_SLASH, "command", buf_str(&body), out);
	buf_fini(&body);
}

static void control(struct adapter *a, const struct adapter_control *control,
                    struct adapter_out *out)
{
	if (!a->ready) {
		adapter_out_done(out, control->id, STR_LIT("opencode is not ready"));
		return;
	}
	switch (control->kind) {
	case ADAPTER_DO_INTERRUPT:
		opencode_asks_withdraw(a, true, out);
		a->stop = "interrupted";
		post(a, control->id, OPENCODE_ABORT, "abort", STR_LIT(""), out);
		break;
	case ADAPTER_DO_SET_MODEL: set_model(a, control->id, control->text, out); break;
	case ADAPTER_DO_SET_MODE: set_mode(a, control->id, control->text, out); break;
	case ADAPTER_DO_SLASH: slash(a, control->id, control->text, out); break;
	}
}

/* ---- the handshake ---- */

static void open_session(struct adapter_out *out)
{
	adapter_out_request(out, STR_LIT("session"), STR_LIT("POST /session"), STR_LIT("{}"));
}

/* What may stand in a path. */
static bool is_session_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_')) {
			return false;
		}
	}
	return id.n > 0 && id.n <= ADAPTER_ID_MAX;
}

static void begin(struct adapter *a, struct adapter_out *out)
{
	struct str resume = a->place->resume;
	struct buf path;

	adapter_out_request(out, STR_LIT("agents"), STR_LIT("GET /agent"), STR_LIT(""));
	adapter_out_request(out, STR_LIT("models"), STR_LIT("GET /config/providers"), STR_LIT(""));
	adapter_out_request(out, STR_LIT("commands"), STR_LIT("GET /command"), STR_LIT(""));
	if (!is_session_id(resume)) {
		open_session(out);
		return;
	}
	buf_init(&path, ADAPTER_LINE_MAX);
	buf_addf(&path, "GET /session/%" STR_FMT, STR_ARG(resume));
	adapter_out_request(out, STR_LIT("resume"), buf_str(&path), STR_LIT(""));
	buf_fini(&path);
}

static void get_ready(struct adapter *a, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	if (a->ready || a->session[0] == '\0' || a->models == NULL || a->modes == NULL ||
	    a->commands == NULL) {
		return;
	}
	a->ready = true;
	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "protocol", OPENCODE_PROTOCOL);
	jsonw_cstr(&w, "model", a->model);
	jsonw_cstr(&w, "mode", a->agent);
	jsonw_raw(&w, "models", str_of(a->models));
	jsonw_raw(&w, "modes", str_of(a->modes));
	jsonw_raw(&w, "commands", str_of(a->commands));
	jsonw_bool(&w, "images", true);
	jsonw_end_object(&w);
	adapter_out_ready(out, buf_failed(&text) ? STR_LIT("{}") : buf_str(&text));
	buf_fini(&text);
}

static void keep_list(char **at, struct buf *text)
{
	free(*at);
	*at = mem_strdup(buf_failed(text) ? "[]" : buf_cstr(text));
	buf_fini(text);
}

static void add_models(struct jsonw *w, const struct json_value *provider)
{
	const struct json_value *model;
	struct str name, of = json_as_str(json_get(provider, "id"));
	void *at = NULL;
	struct buf id;

	while (json_next(json_get(provider, "models"), &at, &name, &model)) {
		buf_init(&id, ADAPTER_LINE_MAX);
		buf_addf(&id, "%" STR_FMT "/%" STR_FMT, STR_ARG(of), STR_ARG(name));
		jsonw_object(w, NULL);
		jsonw_str(w, "id", buf_str(&id));
		jsonw_str(w, "name", json_as_str(json_get(model, "name")));
		jsonw_end_object(w);
		buf_fini(&id);
	}
}

static void keep_models(struct adapter *a, const struct json_value *json)
{
	const struct json_value *providers = json_get(json, "providers");
	struct buf text;
	struct jsonw w;

	buf_init(&text, OPENCODE_LIST_MAX);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(providers); i++) {
		add_models(&w, json_at(providers, i));
	}
	jsonw_end_array(&w);
	keep_list(&a->models, &text);
}

/* Its agents that talk to people. */
/* The others are hidden, or only serve an agent that leads. */
static bool leads_sessions(const struct json_value *agent)
{
	struct str mode = json_as_str(json_get(agent, "mode"));

	return !json_as_bool(json_get(agent, "hidden")) &&
	       (str_eq(mode, STR_LIT("primary")) || str_eq(mode, STR_LIT("all")));
}

static void keep_modes(struct adapter *a, const struct json_value *json)
{
	struct buf text;
	struct jsonw w;

	buf_init(&text, OPENCODE_LIST_MAX);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(json); i++) {
		const struct json_value *agent = json_at(json, i);

		if (!leads_sessions(agent)) {
			continue;
		}
		jsonw_object(&w, NULL);
		jsonw_str(&w, "id", json_as_str(json_get(agent, "name")));
		jsonw_str(&w, "name", json_as_str(json_get(agent, "description")));
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	keep_list(&a->modes, &text);
}

static void keep_commands(struct adapter *a, const struct json_value *json)
{
	struct buf text;
	struct jsonw w;

	buf_init(&text, OPENCODE_LIST_MAX);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(json); i++) {
		jsonw_object(&w, NULL);
		jsonw_str(&w, "name", json_as_str(json_get(json_at(json, i), "name")));
		jsonw_str(&w, "description",
		          json_as_str(json_get(json_at(json, i), "description")));
		jsonw_end_object(&w);
	}
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "name", "compact");
	jsonw_cstr(&w, "description", "Shorten what the agent remembers of the session");
	jsonw_end_object(&w);
	jsonw_end_array(&w);
	keep_list(&a->commands, &text);
}

/* ---- answers ---- */

/* The message of an error of its, in any of its shapes; else the body's front. */
static struct str reason_of(const struct json_value *json, const struct adapter_reply *reply)
{
	static const char *const members[] = { "message", "error", "name", "_tag" };
	struct str data = json_as_str(json_get(json_get(json, "data"), "message"));

	if (data.n > 0) {
		return data;
	}
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct str text = json_as_str(json_get(json, members[i]));

		if (text.n > 0) {
			return text;
		}
	}
	return reply->body.n > 0 && reply->status == 0 ? reply->body
	                                               : STR_LIT("opencode refused it");
}

static void have_session(struct adapter *a, struct str id, struct adapter_out *out)
{
	opencode_set(&a->session, id);
	adapter_out_session(out, id);
	get_ready(a, out);
}

static void resume_failed(const struct json_value *json, const struct adapter_reply *reply,
                          struct adapter_out *out)
{
	adapter_say_error(out, STR_LIT("resume_failed"), reason_of(json, reply));
	open_session(out);
}

/* A session works in its directory, wherever its server runs; that is the workspace now. */
static void move_session(const struct adapter *a, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	buf_init(&text, ADAPTER_LINE_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "sessionID", a->place->resume);
	jsonw_object(&w, "destination");
	jsonw_cstr(&w, "directory", a->place->cwd);
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	adapter_out_request(out, STR_LIT("move"),
	                    STR_LIT("POST /experimental/control-plane/move-session"),
	                    buf_str(&text));
	buf_fini(&text);
}

static void move_told(struct adapter *a, const struct json_value *json,
                      const struct adapter_reply *reply, struct adapter_out *out)
{
	if (reply->status == 204) {
		have_session(a, a->place->resume, out);
	} else {
		resume_failed(json, reply, out);
	}
}

static void session_told(struct adapter *a, const struct json_value *json,
                         const struct adapter_reply *reply, struct adapter_out *out)
{
	struct str id = json_as_str(json_get(json, "id"));
	bool resumed = str_eq(reply->tag, STR_LIT("resume"));
	struct str directory = json_as_str(json_get(json, "directory"));

	if (reply->status == 200 && is_session_id(id) && resumed &&
	    !str_eq(directory, str_of(a->place->cwd))) {
		move_session(a, out);
	} else if (reply->status == 200 && is_session_id(id)) {
		have_session(a, id, out);
	} else if (resumed) {
		resume_failed(json, reply, out);
	} else {
		a->failed = true;
		adapter_out_fail(out, reason_of(json, reply));
	}
}

/* Whether there is a turn that will say its end. */
static void answered(struct adapter *a, enum opencode_kind kind, bool ok, struct adapter_out *out)
{
	if (!a->turn_open) {
		return;
	}
	if (kind == OPENCODE_PROMPT && !ok && !a->busy_told) {
		a->stop = "error";
		turn_ends(a, out);
	} else if (kind == OPENCODE_ABORT && ok) {
		a->turn_alive = true;
		if (a->idle_told) {
			turn_ends(a, out);
		}
	}
}

static void command_told(struct adapter *a, const struct json_value *json,
                         const struct adapter_reply *reply, struct adapter_out *out)
{
	struct opencode_command *command;
	uint64_t tag;

	if (!parse_u64(str_make(reply->tag.p + 1, reply->tag.n - 1), UINT64_MAX, &tag)) {
		return;
	}
	TAILQ_FOREACH (command, &a->waiting, link) {
		if (command->tag == tag) {
			break;
		}
	}
	if (command != NULL) {
		bool ok = reply->status >= 200 && reply->status < 300;

		adapter_out_done(out, str_of(command->id),
		                 ok ? STR_LIT("") : reason_of(json, reply));
		answered(a, command->kind, ok, out);
		command_free(a, command);
	}
}

static void take_reply(struct adapter *a, const struct adapter_reply *reply,
                       struct adapter_out *out)
{
	struct err err;
	struct json_value *json = reply->status != 0 ? json_parse(reply->body, &err) : NULL;
	struct str tag = reply->tag;

	if (a->failed) {
		json_value_free(json);
		return;
	}
	if (str_eq(tag, STR_LIT("session")) || str_eq(tag, STR_LIT("resume"))) {
		session_told(a, json, reply, out);
	} else if (str_eq(tag, STR_LIT("move"))) {
		move_told(a, json, reply, out);
	} else if (str_eq(tag, STR_LIT("models"))) {
		keep_models(a, json);
		get_ready(a, out);
	} else if (str_eq(tag, STR_LIT("agents"))) {
		keep_modes(a, json);
		get_ready(a, out);
	} else if (str_eq(tag, STR_LIT("commands"))) {
		keep_commands(a, json);
		get_ready(a, out);
	} else if (str_eq(tag, STR_LIT("answer"))) {
		if (reply->status != 200) {
			adapter_say_log(out, "warn", reason_of(json, reply));
		}
	} else if (tag.n > 1 && tag.p[0] == 'c') {
		command_told(a, json, reply, out);
	}
	json_value_free(json);
}

/* ---- what it says of turns ---- */

static void status_told(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	const struct json_value *status = json_get(p, "status");
	struct str type = json_as_str(json_get(status, "type"));
	struct buf text;

	if (opencode_agent(a, p).n > 0) {
		return;
	}
	if (str_eq(type, STR_LIT("busy"))) {
		turn_begins(a, out); /* of a slash command */
		a->busy_told = true;
		a->idle_told = false;
	} else if (str_eq(type, STR_LIT("idle"))) {
		is_idle(a, out);
	} else if (str_eq(type, STR_LIT("retry"))) {
		a->turn_alive = true;
		buf_init(&text, EVENT_DATA_MAX);
		buf_addf(&text,
		         "attempt %" PRId64 " failed: ", json_as_i64(json_get(status, "attempt")));
		buf_add_str(&text, json_as_str(json_get(status, "message")));
		adapter_say_log(out, "warn", buf_str(&text));
		buf_fini(&text);
	}
}

static void idle_told(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	if (opencode_agent(a, p).n == 0) {
		is_idle(a, out);
	}
}

static void error_told(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	const struct json_value *error = json_get(p, "error");
	struct str name = json_as_str(json_get(error, "name"));
	struct str message = json_as_str(json_get(json_get(error, "data"), "message"));
	bool own = opencode_agent(a, p).n == 0;

	a->turn_alive = a->turn_alive || own;
	if (str_eq(name, STR_LIT("MessageAbortedError"))) {
		a->stop = own ? "interrupted" : a->stop;
		return;
	}
	a->stop = own ? "error" : a->stop;
	adapter_say_error(out, name, message.n > 0 ? message : name);
	if (own && a->turn_open && !a->busy_told) {
		turn_ends(a, out); /* it never began to work */
	}
}

static void compacted(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	(void)a;
	(void)p;
	adapter_say_note(out, STR_LIT("The agent shortened what it remembers of the session"));
}

/* ---- events ---- */

struct event_type_row {
	const char *type;
	/* NULL: others say the same, or it is about the server and its other clients. */
	void (*handle)(struct adapter *a, const struct json_value *p, struct adapter_out *out);
};

/* All others become native events. */
static const struct event_type_row events[] = {
	{ "catalog.updated", NULL },
	{ "command.executed", NULL },
	{ "file.edited", NULL },
	{ "file.watcher.updated", NULL },
	{ "integration.updated", NULL },
	{ "lsp.updated", NULL },
	{ "mcp.tools.changed", NULL },
	{ "message.part.delta", opencode_part_delta },
	{ "message.part.updated", opencode_part_updated },
	{ "message.updated", opencode_message_updated },
	{ "models-dev.refreshed", NULL },
	{ "permission.replied", opencode_ask_closed },
	{ "plugin.added", NULL },
	{ "project.directories.updated", NULL },
	{ "project.updated", NULL },
	{ "question.rejected", opencode_ask_closed },
	{ "question.replied", opencode_ask_closed },
	{ "reference.updated", NULL },
	{ "server.connected", NULL },
	{ "session.compacted", compacted },
	{ "session.created", NULL },
	{ "session.diff", NULL },
	{ "session.error", error_told },
	{ "session.idle", idle_told },
	{ "session.status", status_told },
	{ "session.updated", NULL },
	{ "todo.updated", opencode_todos },
	{ "vcs.branch.updated", NULL },
};

const char *const *opencode_events(struct arena *arena)
{
	const char **names = arena_take(arena, (ARRAY_LEN(events) + 1) * sizeof(*names));

	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		names[i] = events[i].type;
	}
	return names;
}

static void event_told(struct adapter *a, struct str type, const struct json_value *event,
                       struct adapter_out *out)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		if (str_eq(type, str_of(events[i].type))) {
			if (events[i].handle != NULL) {
				events[i].handle(a, json_get(event, "properties"), out);
			}
			return;
		}
	}
	/* The second protocol of its, told beside the first; and its heart beats. */
	if (!str_starts(type, STR_LIT("session.next.")) &&
	    !str_eq(type, STR_LIT("server.heartbeat"))) {
		adapter_say_native(out, OPENCODE_PROTOCOL, STR_LIT(""), event);
	}
}

static void take_line(struct adapter *a, struct str text, struct adapter_out *out)
{
	struct err err;
	struct json_value *event = a->failed ? NULL : json_parse(text, &err);
	struct str type = json_as_str(json_get(event, "type"));

	if (str_eq(type, STR_LIT("permission.asked")) && text.n <= OPENCODE_ASK_MAX) {
		opencode_permission_asked(a, event, out);
		return;
	}
	if (str_eq(type, STR_LIT("question.asked")) && text.n <= OPENCODE_ASK_MAX) {
		opencode_question_asked(a, event, out);
		return;
	}
	if (type.n > 0) {
		event_told(a, type, event, out);
	} else if (!a->failed) {
		adapter_say_native(out, OPENCODE_PROTOCOL, text, event);
	}
	json_value_free(event);
}

/* ---- its life ---- */

static struct adapter *make(const struct adapter_place *place)
{
	struct adapter *a = mem_calloc(1, sizeof(*a));

	a->place = place;
	a->stop = "end_turn";
	opencode_set(&a->session, STR_LIT(""));
	opencode_set(&a->model, place->model);
	opencode_set(&a->agent, place->mode);
	opencode_set(&a->used, place->model);
	opencode_set(&a->old_message, STR_LIT(""));
	opencode_set(&a->last_message, STR_LIT(""));
	TAILQ_INIT(&a->parts);
	TAILQ_INIT(&a->asks);
	TAILQ_INIT(&a->waiting);
	TAILQ_INIT(&a->users);
	return a;
}

static void end(struct adapter *a, struct str why, struct adapter_out *out)
{
	opencode_parts_close(a, out);
	opencode_asks_withdraw(a, false, out);
	while (!TAILQ_EMPTY(&a->waiting)) {
		adapter_out_done(out, str_of(TAILQ_FIRST(&a->waiting)->id), why);
		command_free(a, TAILQ_FIRST(&a->waiting));
	}
	if (a->turn_open) {
		a->turn_open = false;
		adapter_out_turn_end(out, STR_LIT("interrupted"));
	}
}

static void adapter_free(struct adapter *a)
{
	struct adapter_out out;

	if (a == NULL) {
		return;
	}
	adapter_out_init(&out);
	end(a, STR_LIT(""), &out);
	adapter_out_fini(&out);
	opencode_parts_free(a);
	free(a->session);
	free(a->model);
	free(a->agent);
	free(a->used);
	free(a->old_message);
	free(a->last_message);
	free(a->models);
	free(a->modes);
	free(a->commands);
	free(a);
}

/* Its database, in which a session belongs to a directory. */
static const char *const keeps[] = { ".local/share/opencode", NULL };

const struct adapter_ops adapter_opencode = {
	.type = "opencode",
	.protocol = OPENCODE_PROTOCOL,
	.program = "opencode",
	.transport = ADAPTER_HTTP,
	.http_user = "opencode",
	.http_events = "/event",
	.features = ADAPTER_INTERRUPT | ADAPTER_SET_MODEL | ADAPTER_SET_MODE | ADAPTER_IMAGES |
	            ADAPTER_RESUME | ADAPTER_SLASH,
	.keeps = keeps,
	.launch = opencode_launch,
	.make = make,
	.free = adapter_free,
	.begin = begin,
	.line = take_line,
	.reply = take_reply,
	.prompt = prompt,
	.answer = opencode_answer,
	.control = control,
	.end = end,
};
