/* The life of the adapter: its start, its handshake, controls and prompts. */
#include "worker/adapters/claude.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { WRITE_MAX = 32 * 1024 * 1024, ARGS_MAX = 48, WORDS_MAX = 8 * 1024, READY_LIST_MAX = 200 };

static const char *const modes[] = { "default",           "acceptEdits", "plan",
	                             "bypassPermissions", "dontAsk",     "auto" };

static bool is_mode(struct str mode)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (str_eq(mode, str_of(modes[i]))) {
			return true;
		}
	}
	return false;
}

/* ---- its start ---- */

struct starting {
	struct arena *arena;
	const char *argv[ARGS_MAX];
	size_t argc;
};

static void add_arg(struct starting *s, const char *arg)
{
	if (s->argc + 1 < ARGS_MAX) {
		s->argv[s->argc++] = arg;
	}
}

static void add_option(struct starting *s, const char *option, const char *value)
{
	add_arg(s, option);
	add_arg(s, value);
}

/* The members of config, and the options that they become. */
enum config_kind { CONFIG_TEXT, CONFIG_WORDS, CONFIG_NUMBER };
static const struct {
	const char *name, *option;
	enum config_kind kind;
} config_rows[] = {
	{ "allowed_tools", "--allowedTools", CONFIG_WORDS },
	{ "disallowed_tools", "--disallowedTools", CONFIG_WORDS },
	{ "append_system_prompt", "--append-system-prompt", CONFIG_TEXT },
	{ "max_turns", "--max-turns", CONFIG_NUMBER },
	{ "fallback_model", "--fallback-model", CONFIG_TEXT },
};

static enum err_code add_words(struct starting *s, size_t row, const struct json_value *value,
                               struct err *err)
{
	struct buf words;

	buf_init(&words, WORDS_MAX);
	for (size_t i = 0; i < json_count(value); i++) {
		struct str word = json_as_str(json_at(value, i));

		buf_add_cstr(&words, i > 0 ? "," : "");
		buf_add_str(&words, word);
		words.failed = words.failed || word.n == 0;
	}
	if (json_type_of(value) != JSON_T_ARRAY || buf_failed(&words) || words.len == 0) {
		buf_fini(&words);
		return err_set(err, ERR_INVALID, "config.%s must be an array of texts",
		               config_rows[row].name);
	}
	add_option(s, config_rows[row].option, arena_strdup(s->arena, buf_str(&words)));
	buf_fini(&words);
	return ERR_OK;
}

static enum err_code add_config(struct starting *s, size_t row, const struct json_value *value,
                                struct err *err)
{
	const char *name = config_rows[row].name;

	switch (config_rows[row].kind) {
	case CONFIG_WORDS: return add_words(s, row, value, err);
	case CONFIG_TEXT:
		if (json_as_str(value).n == 0) {
			return err_set(err, ERR_INVALID, "config.%s must be a text", name);
		}
		add_option(s, config_rows[row].option, arena_strdup(s->arena, json_as_str(value)));
		break;
	case CONFIG_NUMBER:
		if (!json_is_int(value) || json_as_i64(value) < 1) {
			return err_set(err, ERR_INVALID, "config.%s must be a number above 0",
			               name);
		}
		add_option(s, config_rows[row].option,
		           arena_printf(s->arena, "%" PRId64, json_as_i64(value)));
		break;
	}
	return ERR_OK;
}

static enum err_code add_configs(struct starting *s, const struct json_value *config,
                                 struct err *err)
{
	const struct json_value *value;
	struct str name;
	void *at = NULL;

	while (json_next(config, &at, &name, &value)) {
		enum err_code code;
		size_t row = 0;

		while (row < ARRAY_LEN(config_rows) &&
		       !str_eq(name, str_of(config_rows[row].name))) {
			row++;
		}
		if (row == ARRAY_LEN(config_rows)) {
			return err_set(err, ERR_INVALID, "config.%.64s is not a known setting",
			               name.p);
		}
		code = add_config(s, row, value, err);
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

static enum err_code launch(const struct adapter_place *place, struct arena *arena,
                            struct adapter_launch *ret, struct err *err)
{
	static const struct adapter_pair env[] = {
		{ STR_LIT("DISABLE_AUTOUPDATER"), STR_LIT("1") },
		{ STR_LIT("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"), STR_LIT("1") },
		{ STR_LIT("DISABLE_TELEMETRY"), STR_LIT("1") },
		/* What it is told when it runs as root, and would refuse to otherwise. */
		{ STR_LIT("IS_SANDBOX"), STR_LIT("1") },
	};
	struct starting *s = arena_take(arena, sizeof(*s));
	enum err_code code;

	if (place->mode.n > 0 && !is_mode(place->mode)) {
		return err_set(err, ERR_INVALID, "mode \"%.64s\" is not one of claude-code's",
		               place->mode.p);
	}
	s->arena = arena;
	add_arg(s, place->program != NULL ? place->program : "claude");
	add_arg(s, "-p");
	add_option(s, "--input-format", "stream-json");
	add_option(s, "--output-format", "stream-json");
	add_arg(s, "--verbose");
	add_arg(s, "--include-partial-messages");
	add_option(s, "--permission-prompt-tool", "stdio");
	if (place->model.n > 0) {
		add_option(s, "--model", arena_strdup(arena, place->model));
	}
	if (place->mode.n > 0) {
		add_option(s, "--permission-mode", arena_strdup(arena, place->mode));
	}
	if (str_eq(place->mode, STR_LIT("bypassPermissions"))) {
		add_arg(s, "--dangerously-skip-permissions");
	}
	if (place->resume.n > 0) {
		add_option(s, "--resume", arena_strdup(arena, place->resume));
	}
	code = add_configs(s, json_get(place->settings, "config"), err);
	ret->argv = s->argv;
	ret->env = env;
	ret->env_count = ARRAY_LEN(env) - (place->as_root ? 0 : 1);
	return code;
}

static struct adapter *make(const struct adapter_place *place)
{
	struct adapter *c = mem_calloc(1, sizeof(*c));

	c->cwd = place->cwd;
	return c;
}

static void free_adapter(struct adapter *c)
{
	if (c == NULL) {
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(c->asks); i++) {
		json_value_free(c->asks[i].line);
	}
	json_value_free(c->initialized);
	for (size_t i = 0; i < ARRAY_LEN(c->open); i++) {
		free(c->open[i].command);
	}
	for (size_t i = 0; i < ARRAY_LEN(c->speakers); i++) {
		free(c->speakers[i]);
	}
	free(c->tools);
	free(c->models);
	free(c);
}

/* ---- control requests ---- */

/* {"type":"control_request","request_id":"fl-1","request":{"subtype":..., name: value}} */
static uint64_t request(struct adapter *c, const char *subtype, const char *name, struct str value,
                        struct adapter_out *out)
{
	char id[40];
	struct jsonw w;
	struct buf text;

	(void)snprintf(id, sizeof(id), "fl-%" PRIu64, ++c->requests);
	buf_init(&text, WRITE_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "control_request");
	jsonw_cstr(&w, "request_id", id);
	jsonw_object(&w, "request");
	jsonw_cstr(&w, "subtype", subtype);
	if (name != NULL) {
		jsonw_str(&w, name, value);
	}
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	buf_add_char(&text, '\n');
	adapter_out_write(out, buf_str(&text));
	buf_fini(&text);
	return c->requests;
}

static void begin(struct adapter *c, struct adapter_out *out)
{
	c->initialize = request(c, "initialize", NULL, STR_LIT(""), out);
}

/* ---- what it can ---- */

static void add_lists(struct adapter *c, struct jsonw *w)
{
	const struct json_value *models = json_get(c->initialized, "models");
	const struct json_value *commands = json_get(c->initialized, "commands");

	jsonw_array(w, "models");
	for (size_t i = 0; i < json_count(models) && i < READY_LIST_MAX; i++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "id", claude_member(json_at(models, i), "value"));
		jsonw_str(w, "name", claude_member(json_at(models, i), "displayName"));
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
	jsonw_array(w, "modes");
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		jsonw_cstr(w, NULL, modes[i]);
	}
	jsonw_end_array(w);
	jsonw_array(w, "commands");
	for (size_t i = 0; i < json_count(commands) && i < READY_LIST_MAX; i++) {
		struct str about = claude_member(json_at(commands, i), "description");

		jsonw_object(w, NULL);
		jsonw_str(w, "name", claude_member(json_at(commands, i), "name"));
		jsonw_str(w, "description", str_make(about.p, about.n < 200 ? about.n : 0));
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

static void add_if(struct jsonw *w, const char *name, const char *value)
{
	if (value[0] != '\0') {
		jsonw_cstr(w, name, value);
	}
}

/* Again whenever something of it changes. */
static void tell_ready(struct adapter *c, struct adapter_out *out)
{
	static const char *const features[] = { "interrupt", "set_model", "set_mode", "images",
		                                "resume",    "steer",     "slash" };
	struct jsonw w;
	struct buf text;

	c->ready = true;
	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "agent", "claude-code");
	jsonw_array(&w, "features");
	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		jsonw_cstr(&w, NULL, features[i]);
	}
	jsonw_end_array(&w);
	add_if(&w, "version", c->version);
	add_if(&w, "model", c->model);
	add_if(&w, "mode", c->mode);
	add_lists(c, &w);
	jsonw_end_object(&w);
	if (buf_failed(&text)) {
		buf_reset(&text);
		buf_add_cstr(&text, "{\"agent\":\"claude-code\"}");
	}
	adapter_out_ready(out, buf_str(&text));
	buf_fini(&text);
}

/* ---- answers to control requests ---- */

static struct claude_request *find_request(struct adapter *c, uint64_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(c->open); i++) {
		if (c->open[i].number == number) {
			return &c->open[i];
		}
	}
	return NULL;
}

static void close_request(struct claude_request *open, struct str why, struct adapter_out *out)
{
	adapter_out_done(out, str_of(open->command), why);
	free(open->command);
	*open = (struct claude_request){ .number = 0 };
}

static void take_initialize(struct adapter *c, struct json_value *line, struct str error,
                            struct adapter_out *out)
{
	char why[256];
	struct buf text;
	struct err err;

	if (error.n > 0) {
		(void)snprintf(why, sizeof(why), "claude-code: %.200s", error.p);
		adapter_out_fail(out, str_of(why));
		return;
	}
	buf_init(&text, ADAPTER_LINE_MAX);
	json_format(json_get(json_get(line, "response"), "response"), &text);
	json_value_free(c->initialized);
	c->initialized = buf_failed(&text) ? NULL : json_parse(buf_str(&text), &err);
	buf_fini(&text);
	tell_ready(c, out);
}

static void take_response(struct adapter *c, struct json_value *line, struct adapter_out *out)
{
	const struct json_value *response = json_get(line, "response");
	struct str id = claude_member(response, "request_id"), error = { "", 0 };
	struct claude_request *open;
	uint64_t number = 0;

	if (!str_eq(claude_member(response, "subtype"), STR_LIT("success"))) {
		error = claude_member(response, "error");
		error = error.n > 0 ? error : STR_LIT("refused");
	}
	if (!str_starts(id, STR_LIT("fl-")) ||
	    !parse_u64(str_make(id.p + 3, id.n - 3), c->requests, &number) || number == 0) {
		return;
	}
	if (number == c->initialize) {
		if (!c->ready) {
			take_initialize(c, line, error, out);
		}
		return;
	}
	open = find_request(c, number);
	if (open != NULL) {
		close_request(open, error, out);
	}
}

/* ---- system lines ---- */

static bool note_text(char *kept, size_t size, struct str now)
{
	if (now.n == 0 || str_eq(now, str_of(kept))) {
		return false;
	}
	(void)str_copy(kept, size, now);
	return true;
}

static void begin_turn(struct adapter *c, struct adapter_out *out)
{
	if (!c->turn) {
		c->turn = true;
		adapter_out_turn(out);
	}
}

static void take_init(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	bool changed = note_text(c->model, sizeof(c->model), claude_member(line, "model"));

	changed = note_text(c->mode, sizeof(c->mode), claude_member(line, "permissionMode")) ||
	          changed;
	changed = note_text(c->version, sizeof(c->version),
	                    claude_member(line, "claude_code_version")) ||
	          changed;
	if (note_text(c->session, sizeof(c->session), claude_member(line, "session_id"))) {
		adapter_out_session(out, str_of(c->session));
	}
	if (changed) {
		tell_ready(c, out);
	}
	begin_turn(c, out);
}

static void say_stage(struct adapter_out *out, const char *stage)
{
	struct jsonw w;
	struct buf text;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "stage", stage);
	jsonw_end_object(&w);
	adapter_out_event(out, EVENT_TYPE_PROGRESS, &text);
	buf_fini(&text);
}

static void take_status(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	if (note_text(c->mode, sizeof(c->mode), claude_member(line, "permissionMode"))) {
		tell_ready(c, out);
	}
	if (str_eq(claude_member(line, "status"), STR_LIT("compacting"))) {
		say_stage(out, "compacting the conversation");
	}
}

/* A provider that does not answer is asked again, for minutes: that is not silence. */
static void take_retry(const struct json_value *line, struct adapter_out *out)
{
	const struct json_value *status = json_get(line, "error_status");
	struct adapter_retry retry = {
		.attempt = json_as_i64(json_get(line, "attempt")),
		.max_attempts = json_as_i64(json_get(line, "max_retries")),
		.delay_ms = json_as_f64(json_get(line, "retry_delay_ms")),
	};
	char why[128];

	(void)snprintf(why, sizeof(why), "%.60s%s%.0" PRId64, claude_member(line, "error").p,
	               json_is_int(status) ? " " : "", json_as_i64(status));
	retry.message = str_of(why);
	adapter_say_retry(out, &retry);
}

static bool take_system(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	struct str subtype = claude_member(line, "subtype");

	if (str_eq(subtype, STR_LIT("init"))) {
		take_init(c, line, out);
	} else if (str_eq(subtype, STR_LIT("status"))) {
		take_status(c, line, out);
	} else if (str_eq(subtype, STR_LIT("api_retry"))) {
		take_retry(line, out);
	} else if (str_eq(subtype, STR_LIT("compact_boundary"))) {
		adapter_say_note(out, STR_LIT("The conversation was compacted."));
	} else {
		return str_eq(subtype, STR_LIT("thinking_tokens")); /* the thoughts tell it */
	}
	return true;
}

/* ---- its lines ---- */

static bool take_message(struct adapter *c, const struct json_value *line, struct adapter_out *out)
{
	struct str type = claude_member(line, "type");

	if (str_eq(type, STR_LIT("stream_event"))) {
		claude_stream_event(c, line, out);
	} else if (str_eq(type, STR_LIT("assistant"))) {
		claude_assistant(c, line, out);
	} else if (str_eq(type, STR_LIT("user"))) {
		claude_user(c, line, out);
	} else if (str_eq(type, STR_LIT("result"))) {
		begin_turn(c, out); /* one that failed before it began */
		claude_result(c, line, out);
	} else if (str_eq(type, STR_LIT("system"))) {
		return take_system(c, line, out);
	} else if (str_eq(type, STR_LIT("tool_progress"))) {
		claude_tool_progress(c, line, out);
	} else if (str_eq(type, STR_LIT("control_cancel_request"))) {
		claude_ask_cancelled(c, line, out);
	} else {
		return str_eq(type, STR_LIT("keep_alive"));
	}
	return true;
}

static void take_line(struct adapter *c, struct str text, struct adapter_out *out)
{
	struct err err;
	struct json_value *line = json_parse(text, &err);
	struct str type = claude_member(line, "type");

	if (json_type_of(line) != JSON_T_OBJECT) {
		adapter_say_native(out, "claude", text, line);
	} else if (str_eq(type, STR_LIT("control_request"))) {
		claude_ask(c, line, out);
		return;
	} else if (str_eq(type, STR_LIT("control_response"))) {
		take_response(c, line, out);
	} else if (!take_message(c, line, out)) {
		adapter_say_native(out, "claude", text, line);
	}
	json_value_free(line);
}

/* ---- prompts and controls ---- */

static void write_block(struct jsonw *w, const struct json_value *block)
{
	jsonw_object(w, NULL);
	if (str_eq(claude_member(block, "type"), STR_LIT("image"))) {
		jsonw_cstr(w, "type", "image");
		jsonw_object(w, "source");
		jsonw_cstr(w, "type", "base64");
		jsonw_str(w, "media_type", claude_member(block, "media_type"));
		jsonw_str(w, "data", claude_member(block, "data"));
		jsonw_end_object(w);
	} else {
		jsonw_cstr(w, "type", "text");
		jsonw_str(w, "text", claude_member(block, "text"));
	}
	jsonw_end_object(w);
}

/* While a turn runs it joins that. */
static void write_user(const struct json_value *blocks, struct str text, struct adapter_out *out)
{
	struct jsonw w;
	struct buf line;

	buf_init(&line, WRITE_MAX);
	jsonw_init(&w, &line);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "user");
	jsonw_object(&w, "message");
	jsonw_cstr(&w, "role", "user");
	if (blocks != NULL) {
		jsonw_array(&w, "content");
		for (size_t i = 0; i < json_count(blocks); i++) {
			write_block(&w, json_at(blocks, i));
		}
		jsonw_end_array(&w);
	} else {
		jsonw_str(&w, "content", text);
	}
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	buf_add_char(&line, '\n');
	adapter_out_write(out, buf_str(&line));
	buf_fini(&line);
}

static void prompt(struct adapter *c, const struct adapter_prompt *prompt, struct adapter_out *out)
{
	if (c->ended) {
		adapter_out_done(out, prompt->id, STR_LIT("the agent has ended"));
		return;
	}
	begin_turn(c, out);
	write_user(prompt->blocks, STR_LIT(""), out);
	adapter_out_done(out, prompt->id, STR_LIT(""));
}

static void ask_control(struct adapter *c, const struct adapter_control *control,
                        const char *subtype, const char *name, struct adapter_out *out)
{
	struct claude_request *open = find_request(c, 0);

	if (open == NULL) {
		adapter_out_done(out, control->id, STR_LIT("too much is asked of it at once"));
		return;
	}
	open->command = mem_strndup(control->id);
	open->number = request(c, subtype, name, control->text, out);
}

static void control(struct adapter *c, const struct adapter_control *control,
                    struct adapter_out *out)
{
	if (c->ended) {
		adapter_out_done(out, control->id, STR_LIT("the agent has ended"));
		return;
	}
	switch (control->kind) {
	case ADAPTER_DO_INTERRUPT: ask_control(c, control, "interrupt", NULL, out); break;
	case ADAPTER_DO_SET_MODEL: ask_control(c, control, "set_model", "model", out); break;
	case ADAPTER_DO_SET_MODE:
		if (is_mode(control->text)) {
			ask_control(c, control, "set_permission_mode", "mode", out);
		} else {
			adapter_out_done(out, control->id,
			                 STR_LIT("the mode is not one of claude-code's"));
		}
		break;
	case ADAPTER_DO_SLASH:
		begin_turn(c, out);
		write_user(NULL, control->text, out);
		adapter_out_done(out, control->id, STR_LIT(""));
		break;
	}
}

static void end(struct adapter *c, struct str why, struct adapter_out *out)
{
	c->ended = true;
	claude_asks_end(c, out);
	claude_tools_end(c, why, out);
	for (size_t i = 0; i < ARRAY_LEN(c->open); i++) {
		if (c->open[i].number != 0) {
			close_request(&c->open[i], why, out);
		}
	}
	if (c->turn) {
		c->turn = false;
		adapter_out_turn_end(out, STR_LIT("exit"));
	}
}

/* Its conversations; there are no secrets in that folder but those that were said. */
static const char *const keeps[] = { ".claude/projects", NULL };

/* As it names it: letters and digits, all else a dash. */
static const char *folder(const char *cwd, struct arena *arena)
{
	size_t n = strlen(cwd);
	char *name = arena_take(arena, n + 1);

	for (size_t i = 0; i < n; i++) {
		char c = cwd[i];
		bool kept =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		name[i] = kept ? c : '-';
	}
	name[n] = '\0';
	return name;
}

const struct adapter_ops adapter_claude = {
	.type = "claude-code",
	.protocol = "claude",
	.program = "claude",
	.transport = ADAPTER_LINES,
	.features = ADAPTER_INTERRUPT | ADAPTER_SET_MODEL | ADAPTER_SET_MODE | ADAPTER_IMAGES |
	            ADAPTER_RESUME | ADAPTER_STEER | ADAPTER_SLASH,
	.keeps = keeps,
	.folder = folder,
	.launch = launch,
	.make = make,
	.free = free_adapter,
	.begin = begin,
	.line = take_line,
	.prompt = prompt,
	.answer = claude_answer,
	.control = control,
	.end = end,
};

/* ---- any program that speaks the same ---- */

/* Nobody knows what it keeps where. */
static const char *const keeps_all[] = { ".", NULL };

/* Its own words are in the task; what else a start is told is in its environment. */
static enum err_code launch_sdk(const struct adapter_place *place, struct arena *arena,
                                struct adapter_launch *ret, struct err *err)
{
	enum { SDK_WORDS_MAX = 256 };
	const struct json_value *words = json_get(place->settings, "argv");
	struct adapter_pair *env = arena_take(arena, 3 * sizeof(*env));
	size_t n = json_count(words);
	const char **argv = arena_take(arena, (SDK_WORDS_MAX + 1) * sizeof(*argv));

	if (json_type_of(words) != JSON_T_ARRAY || n == 0 || n > SDK_WORDS_MAX) {
		return err_set(err, ERR_INVALID, "argv must be an array of 1 to %d strings",
		               SDK_WORDS_MAX);
	}
	for (size_t i = 0; i < n; i++) {
		if (json_type_of(json_at(words, i)) != JSON_T_STRING) {
			return err_set(err, ERR_INVALID, "argv[%zu] must be a string", i);
		}
		argv[i] = arena_strdup(arena, json_as_str(json_at(words, i)));
	}
	env[0] = (struct adapter_pair){ STR_LIT("FAIRLEAD_AGENT_MODEL"), place->model };
	env[1] = (struct adapter_pair){ STR_LIT("FAIRLEAD_AGENT_MODE"), place->mode };
	env[2] = (struct adapter_pair){ STR_LIT("FAIRLEAD_AGENT_RESUME"), place->resume };
	*ret = (struct adapter_launch){ .argv = argv, .env = env, .env_count = 3 };
	return ERR_OK;
}

const struct adapter_ops adapter_agent_sdk = {
	.type = "agent-sdk",
	.protocol = "claude",
	.transport = ADAPTER_LINES,
	.features = ADAPTER_INTERRUPT | ADAPTER_SET_MODEL | ADAPTER_SET_MODE | ADAPTER_IMAGES |
	            ADAPTER_RESUME | ADAPTER_STEER | ADAPTER_SLASH,
	.keeps = keeps_all,
	.launch = launch_sdk,
	.make = make,
	.free = free_adapter,
	.begin = begin,
	.line = take_line,
	.prompt = prompt,
	.answer = claude_answer,
	.control = control,
	.end = end,
};
