/*
 * Codex, by its app-server: JSON-RPC without its "jsonrpc" member, one object a line, requests in
 * both directions.  Names are those of the schema that the program itself writes
 * (`codex app-server generate-json-schema`), of the version in tests/agents/package.json.
 *
 * A prompt is done when codex took it: its turn has events of its own.  A prompt while a turn runs
 * joins that turn.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "worker/adapters/codex_private.h"

/* ---- lines to it ---- */

void codex_set(char **at, struct str text)
{
	free(*at);
	*at = mem_strndup(str_make(text.p, text.n < ADAPTER_ID_MAX ? text.n : ADAPTER_ID_MAX));
}

static void line_begin(struct codex_line *line)
{
	buf_init(&line->text, CODEX_WRITE_MAX);
	jsonw_init(&line->w, &line->text);
	jsonw_object(&line->w, NULL);
}

void codex_line_end(struct codex_line *line, struct adapter_out *out)
{
	jsonw_end_object(&line->w);
	buf_add_char(&line->text, '\n');
	if (!buf_failed(&line->text)) {
		adapter_out_write(out, buf_str(&line->text));
	}
	buf_fini(&line->text);
}

void codex_reply_begin(struct codex_line *line, const char *id)
{
	line_begin(line);
	jsonw_raw(&line->w, "id", str_of(id));
}

void codex_call_begin(struct adapter *a, struct codex_line *line, const char *method)
{
	line_begin(line);
	jsonw_i64(&line->w, "id", ++a->last_id);
	jsonw_cstr(&line->w, "method", method);
	jsonw_object(&line->w, "params");
}

static void call_free(struct adapter *a, struct codex_call *call)
{
	TAILQ_REMOVE(&a->calls, call, link);
	a->call_count--;
	free(call->command);
	free(call->input);
	free(call);
}

void codex_call_end(struct adapter *a, struct codex_line *line, enum codex_call_kind kind,
                    struct str command, const char *input, struct adapter_out *out)
{
	struct codex_call *call;

	jsonw_end_object(&line->w);
	if (a->call_count >= CODEX_CALLS_MAX || buf_failed(&line->text)) {
		buf_fini(&line->text);
		if (command.n > 0) {
			adapter_out_done(out, command,
			                 a->call_count >= CODEX_CALLS_MAX
			                         ? STR_LIT("codex answers nothing any more")
			                         : STR_LIT("the prompt is too large"));
		}
		return;
	}
	call = mem_calloc(1, sizeof(*call));
	call->kind = kind;
	call->id = a->last_id;
	call->command = mem_strndup(command);
	call->input = input != NULL ? mem_strdup(input) : NULL;
	TAILQ_INSERT_TAIL(&a->calls, call, link);
	a->call_count++;
	codex_line_end(line, out);
}

struct str codex_agent(const struct adapter *a, const struct json_value *params)
{
	struct str thread = json_as_str(json_get(params, "threadId"));

	return a->thread == NULL || str_eq(thread, str_of(a->thread)) ? STR_LIT("") : thread;
}

static bool is_own(const struct adapter *a, const struct json_value *params)
{
	return codex_agent(a, params).n == 0;
}

/* ---- turns ---- */

/* The prompt's blocks as UserInput. */
static void add_input(struct jsonw *w, const struct json_value *block)
{
	struct str type = json_as_str(json_get(block, "type"));
	struct buf url;

	jsonw_object(w, NULL);
	if (str_eq(type, STR_LIT("image"))) {
		struct str media = json_as_str(json_get(block, "media_type"));
		struct str data = json_as_str(json_get(block, "data"));

		buf_init(&url, CODEX_WRITE_MAX);
		buf_add_cstr(&url, "data:");
		buf_add_str(&url, media.n > 0 ? media : STR_LIT("image/png"));
		buf_add_cstr(&url, ";base64,");
		buf_add_str(&url, data);
		jsonw_cstr(w, "type", "image");
		jsonw_str(w, "url", buf_str(&url));
		buf_fini(&url);
	} else {
		jsonw_cstr(w, "type", "text");
		jsonw_str(w, "text", json_as_str(json_get(block, "text")));
	}
	jsonw_end_object(w);
}

static void input_of(const struct json_value *blocks, struct buf *ret)
{
	struct jsonw w;

	jsonw_init(&w, ret);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(blocks); i++) {
		add_input(&w, json_at(blocks, i));
	}
	jsonw_end_array(&w);
}

static void start_turn(struct adapter *a, struct str command, struct str input,
                       struct adapter_out *out)
{
	struct str effort = codex_setting(a->place, "model_reasoning_effort");
	struct codex_line line;

	codex_call_begin(a, &line, "turn/start");
	jsonw_cstr(&line.w, "threadId", a->thread);
	jsonw_raw(&line.w, "input", input);
	if (a->model != NULL) {
		jsonw_cstr(&line.w, "model", a->model);
	}
	if (effort.n > 0) {
		jsonw_str(&line.w, "effort", effort);
	}
	if (a->mode_set) {
		jsonw_cstr(&line.w, "approvalPolicy", a->mode->approval);
		jsonw_raw(&line.w, "sandboxPolicy", str_of(a->mode->policy));
		a->mode_set = false;
	}
	codex_call_end(a, &line, CODEX_CALL_TURN, command, NULL, out);
}

static void steer(struct adapter *a, enum codex_call_kind kind, struct str command,
                  struct str input, struct adapter_out *out)
{
	struct codex_line line;

	codex_call_begin(a, &line, "turn/steer");
	jsonw_cstr(&line.w, "threadId", a->thread);
	jsonw_cstr(&line.w, "expectedTurnId", a->turn);
	jsonw_raw(&line.w, "input", input);
	codex_call_end(a, &line, kind, command, input.p, out);
}

void codex_remark(struct adapter *a, struct str text, struct adapter_out *out)
{
	struct buf input;
	struct jsonw w;

	if (!a->turn_open) {
		return;
	}
	buf_init(&input, CODEX_WRITE_MAX);
	jsonw_init(&w, &input);
	jsonw_array(&w, NULL);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "text");
	jsonw_str(&w, "text", text);
	jsonw_end_object(&w);
	jsonw_end_array(&w);
	steer(a, CODEX_CALL_REMARK, STR_LIT(""), buf_str(&input), out);
	buf_fini(&input);
}

static void prompt(struct adapter *a, const struct adapter_prompt *prompt, struct adapter_out *out)
{
	struct buf input;

	if (!a->ready) {
		adapter_out_done(out, prompt->id, STR_LIT("codex is not ready"));
		return;
	}
	buf_init(&input, CODEX_WRITE_MAX);
	input_of(prompt->blocks, &input);
	if (buf_failed(&input)) {
		adapter_out_done(out, prompt->id, STR_LIT("the prompt is too large"));
	} else if (a->turn_open) {
		steer(a, CODEX_CALL_STEER, prompt->id, buf_str(&input), out);
	} else {
		start_turn(a, prompt->id, buf_str(&input), out);
	}
	buf_fini(&input);
}

static void open_turn(struct adapter *a, struct str id, struct adapter_out *out)
{
	codex_set(&a->turn, id);
	a->turn_open = a->turned = true;
	a->error_told = false;
	adapter_out_turn(out);
	if (a->compacting != NULL) {
		adapter_out_done(out, str_of(a->compacting), STR_LIT(""));
		free(a->compacting);
		a->compacting = NULL;
	}
}

static void turn_started(struct adapter *a, const struct json_value *params,
                         struct adapter_out *out)
{
	if (is_own(a, params) && !a->turn_open) {
		open_turn(a, json_as_str(json_get(json_get(params, "turn"), "id")), out);
	}
}

/* CodexErrorInfo: a word, or an object whose one member is named by it. */
static struct str error_code(const struct json_value *error)
{
	const struct json_value *info = json_get(error, "codexErrorInfo");
	const struct json_value *value;
	struct str name = json_as_str(info);
	void *at = NULL;

	if (name.n == 0 && !json_next(info, &at, &name, &value)) {
		return STR_LIT("");
	}
	return name;
}

static void tell_error(struct adapter *a, const struct json_value *error, struct adapter_out *out)
{
	struct str message = json_as_str(json_get(error, "message"));

	a->error_told = true;
	adapter_say_error(out, error_code(error), message);
}

static const char *stop_reason(struct str status)
{
	if (str_eq(status, STR_LIT("interrupted"))) {
		return "interrupted";
	}
	return str_eq(status, STR_LIT("failed")) ? "error" : "end_turn";
}

static void turn_completed(struct adapter *a, const struct json_value *params,
                           struct adapter_out *out)
{
	const struct json_value *turn = json_get(params, "turn");
	const struct json_value *error = json_get(turn, "error");

	if (!is_own(a, params) || !a->turn_open) {
		return;
	}
	codex_items_close(a, false, out);
	codex_asks_withdraw(a, str_of(a->turn), out);
	if (json_type_of(error) == JSON_T_OBJECT && !a->error_told) {
		tell_error(a, error, out);
	}
	a->turn_open = false;
	codex_set(&a->last_turn, str_of(a->turn));
	adapter_out_turn_end(out, str_of(stop_reason(json_as_str(json_get(turn, "status")))));
}

/* ---- other notifications ---- */

static void error_told(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	const struct json_value *error = json_get(params, "error");

	if (json_as_bool(json_get(params, "willRetry"))) {
		adapter_say_log(out, "warn", json_as_str(json_get(error, "message")));
	} else {
		tell_error(a, error, out);
	}
}

static void warned(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	struct str message = json_as_str(json_get(params, "message"));

	(void)a;
	if (message.n == 0) {
		message = json_as_str(json_get(params, "summary"));
	}
	adapter_say_log(out, "warn", message);
}

static void rerouted(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	struct str to = json_as_str(json_get(params, "toModel"));
	struct buf text;

	(void)a;
	buf_init(&text, EVENT_DATA_MAX);
	buf_addf(&text, "The request went to model %" STR_FMT " in place of %" STR_FMT, STR_ARG(to),
	         STR_ARG(json_as_str(json_get(params, "fromModel"))));
	adapter_say_note(out, buf_str(&text));
	buf_fini(&text);
}

static int64_t more_by(int64_t now, int64_t before)
{
	return now > before ? now - before : 0;
}

static struct codex_tokens tokens_of(const struct json_value *t)
{
	return (struct codex_tokens){
		.input = json_as_i64(json_get(t, "inputTokens")),
		.cached = json_as_i64(json_get(t, "cachedInputTokens")),
		.cache_write = json_as_i64(json_get(t, "cacheWriteInputTokens")),
		.output = json_as_i64(json_get(t, "outputTokens")),
		.reasoning = json_as_i64(json_get(t, "reasoningOutputTokens")),
	};
}

static void tell_usage(const struct adapter *a, const struct codex_tokens *added,
                       struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	if (a->model != NULL) {
		jsonw_cstr(&w, "model", a->model);
	}
	/* OpenAI counts what was cached as input too; here each token is in one place. */
	jsonw_i64(&w, "input_tokens", more_by(added->input, added->cached + added->cache_write));
	jsonw_i64(&w, "output_tokens", added->output);
	jsonw_i64(&w, "cache_read_tokens", added->cached);
	jsonw_i64(&w, "cache_write_tokens", added->cache_write);
	jsonw_i64(&w, "reasoning_tokens", added->reasoning);
	jsonw_cstr(&w, "source", CODEX_PROTOCOL);
	jsonw_end_object(&w);
	adapter_out_usage(out, &text);
	buf_fini(&text);
}

/* Totals of the thread: what it had used before it was resumed is not used now. */
static void tokens_used(struct adapter *a, const struct json_value *params, struct adapter_out *out)
{
	const struct json_value *total = json_get(json_get(params, "tokenUsage"), "total");
	struct codex_tokens now = tokens_of(total), *before = &a->tokens;
	struct codex_tokens added = {
		.input = more_by(now.input, before->input),
		.cached = more_by(now.cached, before->cached),
		.cache_write = more_by(now.cache_write, before->cache_write),
		.output = more_by(now.output, before->output),
		.reasoning = more_by(now.reasoning, before->reasoning),
	};

	if (!is_own(a, params)) { /* a sub-agent's: only its last step is known to be new */
		added = tokens_of(json_get(json_get(params, "tokenUsage"), "last"));
		tell_usage(a, &added, out);
		return;
	}
	a->tokens = now;
	if (a->turned && (added.input > 0 || added.output > 0)) {
		tell_usage(a, &added, out);
	}
}

struct notification {
	const char *method;
	/* NULL: what it says is said by another message too. */
	void (*handle)(struct adapter *a, const struct json_value *params, struct adapter_out *out);
};

/* All others become native events. */
static const struct notification notifications[] = {
	{ "configWarning", warned },
	{ "deprecationNotice", warned },
	{ "error", error_told },
	{ "guardianWarning", warned },
	{ "item/agentMessage/delta", codex_message_delta },
	{ "item/commandExecution/outputDelta", codex_tool_delta },
	{ "item/completed", codex_item_completed },
	{ "item/fileChange/outputDelta", codex_tool_delta },
	{ "item/fileChange/patchUpdated", codex_patch_updated },
	{ "item/mcpToolCall/progress", codex_tool_delta },
	{ "item/plan/delta", codex_plan_delta },
	{ "item/reasoning/summaryPartAdded", codex_thought_part },
	{ "item/reasoning/summaryTextDelta", codex_thought_delta },
	{ "item/reasoning/textDelta", codex_thought_delta },
	{ "item/started", codex_item_started },
	{ "model/rerouted", rerouted },
	{ "remoteControl/status/changed", NULL }, /* of other clients */
	{ "serverRequest/resolved", codex_ask_resolved },
	{ "thread/compacted", NULL },         /* item contextCompaction */
	{ "thread/readState/changed", NULL }, /* of a person's client */
	{ "thread/started", NULL },           /* the answer to thread/start */
	{ "thread/status/changed", NULL },    /* turns and questions */
	{ "thread/tokenUsage/updated", tokens_used },
	{ "turn/completed", turn_completed },
	{ "turn/diff/updated", NULL }, /* items fileChange */
	{ "turn/plan/updated", codex_plan_updated },
	{ "turn/started", turn_started },
	{ "warning", warned },
};

const char *const *codex_notifications(struct arena *arena)
{
	const char **names = arena_take(arena, (ARRAY_LEN(notifications) + 1) * sizeof(*names));

	for (size_t i = 0; i < ARRAY_LEN(notifications); i++) {
		names[i] = notifications[i].method;
	}
	return names;
}

static void notified(struct adapter *a, struct str method, const struct json_value *line,
                     struct adapter_out *out)
{
	for (size_t i = 0; i < ARRAY_LEN(notifications); i++) {
		if (str_eq(method, str_of(notifications[i].method))) {
			if (notifications[i].handle != NULL) {
				notifications[i].handle(a, json_get(line, "params"), out);
			}
			return;
		}
	}
	adapter_say_native(out, CODEX_PROTOCOL, STR_LIT(""), line);
}

/* ---- answers ---- */

/* It may be told before, and may be over already. */
static void turn_answered(struct adapter *a, const struct json_value *result,
                          struct adapter_out *out)
{
	struct str id = json_as_str(json_get(json_get(result, "turn"), "id"));

	if (!a->turn_open && id.n > 0 &&
	    (a->last_turn == NULL || !str_eq(id, str_of(a->last_turn)))) {
		open_turn(a, id, out);
	}
}

/* Its turn begins by itself: until then nothing seems to run. */
static void compact_answered(struct adapter *a, const struct codex_call *call,
                             struct adapter_out *out)
{
	if (a->turn_open || a->compacting != NULL) {
		adapter_out_done(out, str_of(call->command), STR_LIT(""));
	} else {
		a->compacting = mem_strdup(call->command);
	}
}

static void clean_terminals(struct adapter *a, struct adapter_out *out)
{
	struct codex_line line;

	/* An interrupt leaves a running command alone. */
	codex_call_begin(a, &line, "thread/backgroundTerminals/clean");
	jsonw_cstr(&line.w, "threadId", a->thread);
	codex_call_end(a, &line, CODEX_CALL_CLEAN, STR_LIT(""), NULL, out);
}

static void call_failed(struct adapter *a, const struct codex_call *call, struct str why,
                        struct adapter_out *out)
{
	struct str command = str_of(call->command);

	switch (call->kind) {
	case CODEX_CALL_INITIALIZE: codex_failed_to(a, "initialize", why, out); break;
	case CODEX_CALL_THREAD: codex_failed_to(a, "thread/start", why, out); break;
	case CODEX_CALL_RESUME: codex_resume_failed(a, why, out); break;
	case CODEX_CALL_MODELS:
		codex_models(a, NULL);
		codex_get_ready(a, out);
		break;
	case CODEX_CALL_STEER: start_turn(a, command, str_of(call->input), out); break;
	case CODEX_CALL_REMARK: adapter_say_log(out, "warn", why); break;
	case CODEX_CALL_CLEAN: break; /* there was none */
	case CODEX_CALL_INTERRUPT:    /* nothing runs: as was wanted */
		adapter_out_done(out, command, STR_LIT(""));
		break;
	case CODEX_CALL_TURN:
	case CODEX_CALL_REVIEW:
	case CODEX_CALL_COMPACT: adapter_out_done(out, command, why); break;
	}
}

static void call_done(struct adapter *a, const struct codex_call *call,
                      const struct json_value *result, struct adapter_out *out)
{
	struct str command = str_of(call->command);

	switch (call->kind) {
	case CODEX_CALL_INITIALIZE: codex_initialized(a, result, out); break;
	case CODEX_CALL_THREAD:
	case CODEX_CALL_RESUME: codex_thread_opened(a, result, out); break;
	case CODEX_CALL_MODELS:
		codex_models(a, result);
		codex_get_ready(a, out);
		break;
	case CODEX_CALL_REMARK:
	case CODEX_CALL_CLEAN: break;
	case CODEX_CALL_INTERRUPT:
		clean_terminals(a, out);
		adapter_out_done(out, command, STR_LIT(""));
		break;
	case CODEX_CALL_TURN:
	case CODEX_CALL_REVIEW:
		turn_answered(a, result, out);
		adapter_out_done(out, command, STR_LIT(""));
		break;
	case CODEX_CALL_STEER: adapter_out_done(out, command, STR_LIT("")); break;
	case CODEX_CALL_COMPACT: compact_answered(a, call, out); break;
	}
}

static void answered(struct adapter *a, const struct json_value *line, struct adapter_out *out)
{
	const struct json_value *error = json_get(line, "error");
	int64_t id = json_as_i64(json_get(line, "id"));
	struct codex_call *call;

	TAILQ_FOREACH (call, &a->calls, link) {
		if (call->id == id) {
			break;
		}
	}
	if (call == NULL) {
		adapter_say_native(out, CODEX_PROTOCOL, STR_LIT(""), line);
	} else if (error != NULL) {
		struct str why = json_as_str(json_get(error, "message"));

		call_failed(a, call, why.n > 0 ? why : STR_LIT("it failed"), out);
		call_free(a, call);
	} else {
		call_done(a, call, json_get(line, "result"), out);
		call_free(a, call);
	}
}

static void take_line(struct adapter *a, struct str text, struct adapter_out *out)
{
	struct err err;
	struct json_value *line =
		a->failed || str_trim(text).n == 0 ? NULL : json_parse(text, &err);
	struct str method = json_as_str(json_get(line, "method"));
	bool has_id = json_get(line, "id") != NULL;

	if (line == NULL) {
		if (!a->failed && str_trim(text).n > 0) {
			adapter_say_native(out, CODEX_PROTOCOL, text, NULL);
		}
	} else if (method.n > 0 && has_id) {
		codex_ask(a, line, out); /* takes it */
		return;
	} else if (method.n > 0) {
		notified(a, method, line, out);
	} else if (has_id) {
		answered(a, line, out);
	} else {
		adapter_say_native(out, CODEX_PROTOCOL, text, line);
	}
	json_value_free(line);
}

/* ---- controls ---- */

static void interrupt(struct adapter *a, struct str command, struct adapter_out *out)
{
	struct codex_line line;

	if (!a->turn_open) {
		adapter_out_done(out, command, STR_LIT("")); /* nothing runs */
		return;
	}
	codex_call_begin(a, &line, "turn/interrupt");
	jsonw_cstr(&line.w, "threadId", a->thread);
	jsonw_cstr(&line.w, "turnId", a->turn);
	codex_call_end(a, &line, CODEX_CALL_INTERRUPT, command, NULL, out);
}

static void set_mode(struct adapter *a, struct str command, struct str name,
                     struct adapter_out *out)
{
	const struct codex_mode *mode = codex_mode_find(name);

	if (mode == NULL) {
		adapter_out_done(out, command,
		                 STR_LIT("mode must be one of auto, read-only, untrusted, "
		                         "full-access"));
		return;
	}
	a->mode = mode;
	a->mode_set = true;
	adapter_out_done(out, command, STR_LIT(""));
}

static void review(struct adapter *a, struct str command, struct str what, struct adapter_out *out)
{
	struct codex_line line;

	codex_call_begin(a, &line, "review/start");
	jsonw_cstr(&line.w, "threadId", a->thread);
	jsonw_object(&line.w, "target");
	if (what.n > 0) {
		jsonw_cstr(&line.w, "type", "custom");
		jsonw_str(&line.w, "instructions", what);
	} else {
		jsonw_cstr(&line.w, "type", "uncommittedChanges");
	}
	jsonw_end_object(&line.w);
	codex_call_end(a, &line, CODEX_CALL_REVIEW, command, NULL, out);
}

static void slash(struct adapter *a, struct str command, struct str text, struct adapter_out *out)
{
	struct str name = str_split(&text, ' ');
	struct codex_line line;

	if (name.n > 0 && name.p[0] == '/') {
		name.p++;
		name.n--;
	}
	if (str_eq(name, STR_LIT("compact"))) {
		codex_call_begin(a, &line, "thread/compact/start");
		jsonw_cstr(&line.w, "threadId", a->thread);
		codex_call_end(a, &line, CODEX_CALL_COMPACT, command, NULL, out);
	} else if (str_eq(name, STR_LIT("review"))) {
		review(a, command, str_trim(text), out);
	} else {
		adapter_out_done(out, command,
		                 STR_LIT("codex has no such command: it has compact and review"));
	}
}

static void control(struct adapter *a, const struct adapter_control *control,
                    struct adapter_out *out)
{
	if (!a->ready) {
		adapter_out_done(out, control->id, STR_LIT("codex is not ready"));
		return;
	}
	switch (control->kind) {
	case ADAPTER_DO_INTERRUPT: interrupt(a, control->id, out); break;
	case ADAPTER_DO_SET_MODEL:
		codex_set(&a->model, control->text); /* told with the next turn */
		adapter_out_done(out, control->id, STR_LIT(""));
		break;
	case ADAPTER_DO_SET_MODE: set_mode(a, control->id, control->text, out); break;
	case ADAPTER_DO_SLASH: slash(a, control->id, control->text, out); break;
	}
}

/* ---- its life ---- */

static struct adapter *make(const struct adapter_place *place)
{
	struct adapter *a = mem_calloc(1, sizeof(*a));

	a->place = place;
	a->mode = place->mode.n > 0 ? codex_mode_find(place->mode) : NULL;
	a->mode = a->mode != NULL ? a->mode : &codex_modes[0];
	TAILQ_INIT(&a->calls);
	TAILQ_INIT(&a->items);
	TAILQ_INIT(&a->asks);
	if (place->model.n > 0) {
		codex_set(&a->model, place->model);
	}
	return a;
}

static void end(struct adapter *a, struct str why, struct adapter_out *out)
{
	codex_items_close(a, true, out);
	codex_asks_withdraw(a, STR_LIT(""), out);
	while (!TAILQ_EMPTY(&a->calls)) {
		struct codex_call *call = TAILQ_FIRST(&a->calls);

		if (call->command[0] != '\0') {
			adapter_out_done(out, str_of(call->command), why);
		}
		call_free(a, call);
	}
	if (a->compacting != NULL) {
		adapter_out_done(out, str_of(a->compacting), why);
		free(a->compacting);
		a->compacting = NULL;
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
	free(a->thread);
	free(a->turn);
	free(a->last_turn);
	free(a->model);
	free(a->version);
	free(a->models);
	free(a);
}

/* Its rollouts are enough: what it has beside them it makes again. */
static const char *const keeps[] = { ".codex/sessions", NULL };

const struct adapter_ops adapter_codex = {
	.type = "codex",
	.protocol = CODEX_PROTOCOL,
	.program = "codex",
	.transport = ADAPTER_LINES,
	.features = ADAPTER_INTERRUPT | ADAPTER_SET_MODEL | ADAPTER_SET_MODE | ADAPTER_IMAGES |
	            ADAPTER_RESUME | ADAPTER_STEER | ADAPTER_SLASH,
	.keeps = keeps,
	.launch = codex_launch,
	.make = make,
	.free = adapter_free,
	.begin = codex_begin,
	.line = take_line,
	.prompt = prompt,
	.answer = codex_answer,
	.control = control,
	.end = end,
};
