#include "adapter_replay.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "event/schema.h"
#include "json/value.h"
#include "tests/support/test.h"
#include "worker/adapters/adapter_lines.h"
#include "worker/adapters/adapter_out.h"

enum { ACTS_MAX = 64 * 1024 * 1024, FILE_MAX = 32 * 1024 * 1024 };

struct replay {
	const struct adapter_ops *ops;
	struct adapter_place place;
	struct arena *arena;
	struct adapter *adapter;
	struct adapter_out acts;
	struct adapter_lines lines;
	size_t chunk;
	struct buf *out;
	struct json_value *settings;
	struct map *commands; /* open ones */
	struct map *asks;     /* open ones */
	size_t open_asks;
	bool turn, ended;
};

static char mark;

/* ---- acts ---- */

static void put(struct replay *r, const char *word, struct str a, struct str b)
{
	buf_add_cstr(r->out, word);
	if (a.n > 0) {
		buf_add_char(r->out, ' ');
		buf_add_str(r->out, a);
	}
	if (b.n > 0) {
		buf_add_char(r->out, ' ');
		buf_add_str(r->out, b);
	}
	buf_add_char(r->out, '\n');
}

static void check_event(const struct adapter_act *act)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(act->text, &err);
	struct str level;

	assert(event_data_ok(act->text, &level));
	if (event_schema_check(act->type, json, &err) != ERR_OK) {
		print_error("%s: %s\n", err.msg, act->text.p);
		abort();
	}
}

static void check_object(const struct adapter_act *act)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(act->text, &err);

	assert(json_type_of(json) == JSON_T_OBJECT);
}

static void take_ask(struct replay *r, const struct adapter_act *act)
{
	check_object(act);
	assert(act->id.n > 0 && act->id.n <= ADAPTER_ID_MAX);
	assert(map_get(r->asks, act->id) == NULL);
	assert(++r->open_asks <= ADAPTER_ASKS_MAX);
	(void)map_put(r->asks, act->id, &mark);
	put(r, "ask", act->id, act->text);
}

static void close_ask(struct replay *r, struct str id)
{
	assert(map_remove(r->asks, id) != NULL);
	r->open_asks--;
}

static void take_done(struct replay *r, const struct adapter_act *act)
{
	assert(map_remove(r->commands, act->id) != NULL);
	put(r, "done", act->id, act->text);
}

static void take_turn(struct replay *r, const struct adapter_act *act)
{
	assert(r->turn == (act->kind == ADAPTER_TURN_END));
	r->turn = !r->turn;
	put(r, r->turn ? "turn" : "turn_end", act->name, act->text);
}

static void take_write(struct replay *r, const struct adapter_act *act)
{
	struct str rest = act->text;

	assert(rest.n == 0 || rest.p[rest.n - 1] == '\n' || r->ops->transport == ADAPTER_PIPES);
	while (rest.n > 0) {
		put(r, "write", str_split(&rest, '\n'), STR_LIT(""));
	}
}

static void take(struct replay *r, const struct adapter_act *act)
{
	const struct str none = STR_LIT("");

	switch (act->kind) {
	case ADAPTER_EVENT:
		check_event(act);
		put(r, "event", str_of(event_type_info(act->type)->name), act->text);
		break;
	case ADAPTER_WRITE: take_write(r, act); break;
	case ADAPTER_REQUEST:
		buf_addf(r->out, "request %" STR_FMT " ", STR_ARG(act->id));
		put(r, act->name.p, act->text, none);
		break;
	case ADAPTER_READY:
		check_object(act);
		put(r, "ready", act->text, none);
		break;
	case ADAPTER_SESSION_ID: put(r, "session", act->id, none); break;
	case ADAPTER_TURN:
	case ADAPTER_TURN_END: take_turn(r, act); break;
	case ADAPTER_ASK: take_ask(r, act); break;
	case ADAPTER_WITHDRAW:
		close_ask(r, act->id);
		put(r, "withdraw", act->id, none);
		break;
	case ADAPTER_CALL:
		check_object(act);
		buf_addf(r->out, "call %" STR_FMT " ", STR_ARG(act->id));
		put(r, act->name.p, act->text, none);
		break;
	case ADAPTER_USAGE:
		check_object(act);
		put(r, "usage", act->text, none);
		break;
	case ADAPTER_DONE: take_done(r, act); break;
	case ADAPTER_FAIL: put(r, "fail", act->text, none); break;
	}
}

static void carry_out(struct replay *r)
{
	struct adapter_act *act;

	while ((act = adapter_out_next(&r->acts)) != NULL) {
		take(r, act);
		adapter_act_free(act);
	}
}

/* ---- what is done to it ---- */

static void feed(struct replay *r, struct str bytes)
{
	struct str line;
	enum adapter_line kind;

	while ((kind = adapter_lines_take(&r->lines, &bytes, &line)) != ADAPTER_LINE_NONE) {
		if (kind == ADAPTER_LINE_WHOLE) {
			r->ops->line(r->adapter, line, &r->acts);
			carry_out(r);
		}
	}
}

static void agent_says(struct replay *r, struct str line)
{
	size_t step;

	for (size_t at = 0; at < line.n; at += step) {
		step = r->chunk == 0 || line.n - at < r->chunk ? line.n - at : r->chunk;
		feed(r, str_make(line.p + at, step));
	}
	feed(r, STR_LIT("\n"));
}

static struct str member(const struct json_value *json, const char *name)
{
	return json_as_str(json_get(json, name));
}

static void show_launch(struct replay *r)
{
	struct adapter_launch launch = { .argv = NULL };
	struct err err;

	if (r->ops->launch(&r->place, r->arena, &launch, &err) != ERR_OK) {
		put(r, "unlaunched", str_of(err.msg), STR_LIT(""));
		return;
	}
	buf_add_cstr(r->out, "argv");
	for (size_t i = 0; launch.argv[i] != NULL; i++) {
		buf_addf(r->out, " %s", launch.argv[i]);
	}
	buf_add_char(r->out, '\n');
	for (size_t i = 0; i < launch.env_count; i++) {
		buf_addf(r->out, "env %" STR_FMT "=%" STR_FMT "\n", STR_ARG(launch.env[i].name),
		         STR_ARG(launch.env[i].value));
	}
	for (size_t i = 0; i < launch.file_count; i++) {
		put(r, "file", str_of(launch.files[i].path), launch.files[i].text);
	}
}

static void begin(struct replay *r)
{
	if (r->adapter == NULL) {
		show_launch(r);
		r->adapter = r->ops->make(&r->place);
		r->ops->begin(r->adapter, &r->acts);
		carry_out(r);
	}
}

static void set_place(struct replay *r, const struct json_value *json)
{
	r->place.model = arena_str(r->arena, member(json, "model"));
	r->place.mode = arena_str(r->arena, member(json, "mode"));
	r->place.resume = arena_str(r->arena, member(json, "resume"));
	r->place.password = arena_str(r->arena, member(json, "password"));
	r->place.as_root = json_as_bool(json_get(json, "root"));
	if (member(json, "program").n > 0) {
		r->place.program = arena_strdup(r->arena, member(json, "program"));
	}
	if (json_get(json, "settings") != NULL) {
		struct buf text;
		struct err err;

		buf_init(&text, FILE_MAX);
		json_format(json_get(json, "settings"), &text);
		json_value_free(r->settings);
		r->settings = json_parse(buf_str(&text), &err);
		buf_fini(&text);
		r->place.settings = r->settings;
	}
}

/* False: there is one of that id, or it cannot be an id. */
static bool open_command(struct replay *r, struct str id)
{
	if (id.n == 0 || id.n > ADAPTER_ID_MAX || map_get(r->commands, id) != NULL) {
		return false;
	}
	(void)map_put(r->commands, id, &mark);
	return true;
}

static bool do_prompt(struct replay *r, const struct json_value *json)
{
	struct adapter_prompt prompt = { .id = member(json, "id"),
		                         .blocks = json_get(json, "blocks") };
	struct json_value *made = NULL;
	struct buf text;
	struct err err;
	bool ok = open_command(r, prompt.id);

	if (ok && prompt.blocks == NULL) {
		buf_init(&text, FILE_MAX);
		buf_add_cstr(&text, "[{\"type\":\"text\",\"text\":");
		json_format(json_get(json, "text"), &text);
		buf_add_cstr(&text, "}]");
		prompt.blocks = made = json_parse(buf_str(&text), &err);
		buf_fini(&text);
	}
	if (ok) {
		r->ops->prompt(r->adapter, &prompt, &r->acts);
	}
	json_value_free(made);
	return ok;
}

static bool do_answer(struct replay *r, const struct json_value *json)
{
	const struct str scope = member(json, "scope");
	const struct adapter_answer answer = {
		.ask = member(json, "ask"),
		.allow = json_as_bool(json_get(json, "allow")),
		.scope = str_eq(scope, STR_LIT("always"))    ? ADAPTER_ALWAYS
		         : str_eq(scope, STR_LIT("session")) ? ADAPTER_SESSION
		                                             : ADAPTER_ONCE,
		.option = member(json, "option"),
		.message = member(json, "message"),
		.interrupt = json_as_bool(json_get(json, "interrupt")),
		.input = json_get(json, "input"),
		.answers = json_get(json, "answers"),
	};

	if (map_get(r->asks, answer.ask) == NULL) {
		return false; /* the host asks nothing of an adapter that it was not asked */
	}
	close_ask(r, answer.ask);
	r->ops->answer(r->adapter, &answer, &r->acts);
	return true;
}

static bool do_control(struct replay *r, const struct json_value *json)
{
	static const struct {
		const char *name;
		enum adapter_control_kind kind;
	} kinds[] = { { "interrupt", ADAPTER_DO_INTERRUPT },
		      { "set_model", ADAPTER_DO_SET_MODEL },
		      { "set_mode", ADAPTER_DO_SET_MODE },
		      { "slash", ADAPTER_DO_SLASH } };
	struct adapter_control control = { .id = member(json, "id"), .text = member(json, "text") };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(member(json, "kind"), str_of(kinds[i].name)) &&
		    open_command(r, control.id)) {
			control.kind = kinds[i].kind;
			r->ops->control(r->adapter, &control, &r->acts);
			return true;
		}
	}
	return false;
}

static bool do_reply(struct replay *r, const struct json_value *json)
{
	const struct json_value *body = json_get(json, "body");
	struct adapter_reply reply = { .tag = member(json, "tag"),
		                       .body = json_as_str(body),
		                       .status = (unsigned)json_as_i64(json_get(json, "status")) };
	struct buf text;

	if (r->ops->reply == NULL) {
		return false;
	}
	buf_init(&text, FILE_MAX);
	if (json_type_of(body) != JSON_T_STRING && body != NULL) {
		json_format(body, &text);
		reply.body = buf_str(&text);
	}
	r->ops->reply(r->adapter, &reply, &r->acts);
	buf_fini(&text);
	return true;
}

static bool do_result(struct replay *r, const struct json_value *json)
{
	const struct adapter_result result = { .call = member(json, "call"),
		                               .result = json_get(json, "result"),
		                               .message = member(json, "message") };

	if (r->ops->result == NULL) {
		return false;
	}
	r->ops->result(r->adapter, &result, &r->acts);
	return true;
}

static void end(struct replay *r, struct str why)
{
	r->ended = true;
	r->ops->end(r->adapter, why, &r->acts);
	carry_out(r);
	assert(!r->turn && r->open_asks == 0 && map_count(r->commands) == 0);
}

static bool host_does(struct replay *r, struct str rest)
{
	static const struct {
		const char *word;
		bool (*fn)(struct replay *r, const struct json_value *json);
	} words[] = { { "prompt", do_prompt },
		      { "answer", do_answer },
		      { "control", do_control },
		      { "reply", do_reply },
		      { "result", do_result } };
	struct str word = str_split(&rest, ' ');
	struct err err;
	struct json_value *json;
	bool ok = false;

	if (str_eq(word, STR_LIT("end"))) {
		begin(r);
		end(r, rest);
		return true;
	}
	json = json_parse(rest, &err);
	if (str_eq(word, STR_LIT("place")) && r->adapter == NULL && json != NULL) {
		set_place(r, json);
		ok = true;
	}
	for (size_t i = 0; i < ARRAY_LEN(words) && json != NULL; i++) {
		if (str_eq(word, str_of(words[i].word))) {
			begin(r);
			ok = words[i].fn(r, json);
			carry_out(r);
		}
	}
	json_value_free(json);
	return ok;
}

static bool entry(struct replay *r, struct str line)
{
	struct str text = line.n > 2 ? str_make(line.p + 2, line.n - 2) : STR_LIT("");
	bool ok = true;

	if (line.n == 0 || line.p[0] == '#' || line.p[0] == '>') {
		return true;
	}
	if (r->ended || line.n < 2 || line.p[1] != ' ') {
		return false;
	}
	if (line.p[0] == '<') {
		begin(r);
		agent_says(r, text);
	} else {
		ok = line.p[0] == '!' && host_does(r, text);
	}
	return ok;
}

bool adapter_replay(const struct adapter_ops *ops, struct str transcript, size_t chunk,
                    struct buf *out, size_t *ret_line)
{
	struct replay r = { .ops = ops,
		            .place = { .cwd = "/w", .home = "/h", .model = STR_LIT("") },
		            .arena = arena_new(),
		            .chunk = chunk,
		            .out = out,
		            .commands = map_new(),
		            .asks = map_new() };
	bool ok = true;

	adapter_out_init(&r.acts);
	adapter_lines_init(&r.lines);
	*ret_line = 0;
	while (ok && transcript.n > 0) {
		(*ret_line)++;
		ok = entry(&r, str_split(&transcript, '\n'));
	}
	begin(&r);
	if (!r.ended) {
		end(&r, STR_LIT("the agent has ended"));
	}
	r.ops->free(r.adapter);
	adapter_lines_fini(&r.lines);
	adapter_out_fini(&r.acts);
	json_value_free(r.settings);
	map_free(r.commands);
	map_free(r.asks);
	arena_free(r.arena);
	return ok;
}

/* ---- fixtures ---- */

void adapter_read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	buf_init(out, FILE_MAX);
	while (fd >= 0) {
		char *room = buf_reserve(out, BUFSIZ);

		if (room == NULL || (n = read(fd, room, BUFSIZ)) <= 0) {
			break;
		}
		buf_commit(out, (size_t)n);
	}
	if (fd < 0 || n < 0 || buf_failed(out)) {
		fail_msg("%s cannot be read", path);
	}
	(void)close(fd);
}

static void write_golden(const char *path, const struct buf *acts)
{
	FILE *file = fopen(path, "we");

	if (file == NULL || fwrite(acts->data, 1, acts->len, file) != acts->len ||
	    fclose(file) != 0) {
		fail_msg("%s cannot be written", path);
	}
}

static void compare(const char *path, size_t chunk, const struct buf *got, const struct buf *wanted)
{
	struct str a = buf_str(got), b = buf_str(wanted);

	for (size_t line = 1; a.n > 0 || b.n > 0; line++) {
		struct str x = str_split(&a, '\n'), y = str_split(&b, '\n');

		if (!str_eq(x, y)) {
			fail_msg("%s:%zu (pieces of %zu)\n  wanted: %" STR_FMT
			         "\n  got:    %" STR_FMT,
			         path, line, chunk, STR_ARG(y), STR_ARG(x));
		}
	}
}

void adapter_replay_fixture(const char *type, const char *name)
{
	static const size_t chunks[] = { 0, 1, 7, 4096 };
	const struct adapter_ops *ops = adapter_find(str_of(type));
	const char *golden_mode = getenv("FAIRLEAD_GOLDEN");
	struct buf transcript, acts, golden;
	char path[1024];
	size_t line;

	assert_non_null(ops);
	(void)snprintf(path, sizeof(path), "%s/%s.jsonl", FAIRLEAD_FIXTURES, name);
	adapter_read_file(path, &transcript);
	(void)snprintf(path, sizeof(path), "%s/%s.acts", FAIRLEAD_FIXTURES, name);
	buf_init(&acts, ACTS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		buf_reset(&acts);
		if (!adapter_replay(ops, buf_str(&transcript), chunks[i], &acts, &line)) {
			fail_msg("%s.jsonl:%zu cannot be read", name, line);
		}
		if (golden_mode != NULL && strcmp(golden_mode, "write") == 0 && i == 0) {
			write_golden(path, &acts);
		}
		adapter_read_file(path, &golden);
		compare(path, chunks[i], &acts, &golden);
		buf_fini(&golden);
	}
	buf_fini(&acts);
	buf_fini(&transcript);
}
