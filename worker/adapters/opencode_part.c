/* What the messages of opencode are made of: texts, thoughts, tools, steps. Parts are told again
 * and again as they grow; each thing becomes an event once. */
#include <stdio.h>
#include <stdlib.h>

#include "worker/adapters/opencode_private.h"

/* ---- parts that are known ---- */

static struct opencode_part *find(const struct adapter *a, struct str id)
{
	struct opencode_part *part;

	TAILQ_FOREACH_REVERSE(part, &a->parts, opencode_parts, link)
	{
		if (str_eq(id, str_of(part->id))) {
			break;
		}
	}
	return part;
}

static void part_free(struct adapter *a, struct opencode_part *part)
{
	TAILQ_REMOVE(&a->parts, part, link);
	a->part_count--;
	free(part->id);
	free(part->call);
	free(part->name);
	free(part->agent);
	buf_fini(&part->text);
	free(part);
}

static void part_close(struct opencode_part *part, struct adapter_out *out)
{
	if (part->ended) {
		return;
	}
	part->ended = true;
	if (part->name != NULL) {
		const struct adapter_tool tool = { str_of(part->call), str_of(part->name),
			                           str_of(part->agent) };

		adapter_say_result(out, &tool, STR_LIT("interrupted"), true, NULL);
	} else if (part->text.len > 0 && !part->thought) {
		adapter_say_message(out, str_of(part->id), str_of(part->agent),
		                    buf_str(&part->text), true);
	}
}

static struct opencode_part *part_of(struct adapter *a, struct str id, struct str agent,
                                     struct adapter_out *out)
{
	enum { TEXT_KEPT = 128 * 1024 };
	struct opencode_part *part = find(a, id);

	if (part != NULL) {
		return part;
	}
	if (a->part_count >= OPENCODE_PARTS_MAX) {
		part_close(TAILQ_FIRST(&a->parts), out);
		part_free(a, TAILQ_FIRST(&a->parts));
	}
	part = mem_calloc(1, sizeof(*part));
	opencode_set(&part->id, id);
	opencode_set(&part->agent, agent);
	buf_init(&part->text, TEXT_KEPT);
	TAILQ_INSERT_TAIL(&a->parts, part, link);
	a->part_count++;
	return part;
}

void opencode_parts_close(struct adapter *a, struct adapter_out *out)
{
	struct opencode_part *part;

	TAILQ_FOREACH (part, &a->parts, link) {
		part_close(part, out);
	}
}

void opencode_parts_free(struct adapter *a)
{
	while (!TAILQ_EMPTY(&a->parts)) {
		part_free(a, TAILQ_FIRST(&a->parts));
	}
	while (!TAILQ_EMPTY(&a->users)) {
		struct opencode_message *user = TAILQ_FIRST(&a->users);

		TAILQ_REMOVE(&a->users, user, link);
		free(user->id);
		free(user);
	}
}

/* ---- messages ---- */

static bool is_users(const struct adapter *a, struct str message)
{
	const struct opencode_message *user;

	TAILQ_FOREACH (user, &a->users, link) {
		if (str_eq(message, str_of(user->id))) {
			return true;
		}
	}
	return false;
}

static void remember_user(struct adapter *a, struct str id)
{
	struct opencode_message *user;

	if (is_users(a, id)) {
		return;
	}
	if (a->user_count >= OPENCODE_MESSAGES_MAX) {
		user = TAILQ_FIRST(&a->users);
		TAILQ_REMOVE(&a->users, user, link);
	} else {
		user = mem_calloc(1, sizeof(*user));
		a->user_count++;
	}
	opencode_set(&user->id, id);
	TAILQ_INSERT_TAIL(&a->users, user, link);
}

void opencode_message_updated(struct adapter *a, const struct json_value *p,
                              struct adapter_out *out)
{
	const struct json_value *info = json_get(p, "info");
	struct str id = json_as_str(json_get(info, "id"));
	struct str provider = json_as_str(json_get(info, "providerID"));
	struct str model = json_as_str(json_get(info, "modelID"));
	struct buf name;

	(void)out;
	if (str_eq(json_as_str(json_get(info, "role")), STR_LIT("user"))) {
		remember_user(a, id);
		return;
	}
	if (provider.n > 0 && model.n > 0) {
		buf_init(&name, ADAPTER_LINE_MAX);
		buf_addf(&name, "%" STR_FMT "/%" STR_FMT, STR_ARG(provider), STR_ARG(model));
		opencode_set(&a->used, buf_str(&name));
		buf_fini(&name);
	}
	if (opencode_agent(a, p).n == 0 && !str_eq(id, str_of(a->old_message))) {
		opencode_set(&a->last_message, id);
		a->turn_alive = true;
	}
}

/* ---- texts ---- */

static void say_text(struct opencode_part *part, struct str delta, struct adapter_out *out)
{
	if (delta.n == 0) {
		return;
	}
	part->sent += delta.n;
	buf_add_str(&part->text, delta);
	if (part->thought) {
		adapter_say_thought(out, str_of(part->id), str_of(part->agent), delta);
	} else {
		adapter_say_delta(out, str_of(part->id), str_of(part->agent), delta);
	}
}

/* All of its text so far. What was told of it by deltas is its front. */
static void text_updated(struct adapter *a, const struct json_value *json, struct str agent,
                         bool thought, struct adapter_out *out)
{
	struct str text = json_as_str(json_get(json, "text"));
	struct opencode_part *part = part_of(a, json_as_str(json_get(json, "id")), agent, out);
	bool over = json_get(json_get(json, "time"), "end") != NULL;

	part->thought = thought;
	if (part->ended || json_as_bool(json_get(json, "synthetic"))) {
		return;
	}
	if (text.n > part->sent) {
		say_text(part, str_make(text.p + part->sent, text.n - part->sent), out);
	}
	if (over) {
		part->ended = true;
		if (!thought && text.n > 0) {
			adapter_say_message(out, str_of(part->id), agent, text, false);
		}
		buf_fini(&part->text);
	}
}

void opencode_part_delta(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	struct opencode_part *part = find(a, json_as_str(json_get(p, "partID")));

	if (part != NULL && part->name == NULL && !part->ended &&
	    str_eq(json_as_str(json_get(p, "field")), STR_LIT("text"))) {
		say_text(part, json_as_str(json_get(p, "delta")), out);
	}
}

/* ---- tools ---- */

static struct str below(const struct adapter *a, struct str path)
{
	struct str cwd = str_of(a->place->cwd);

	if (str_starts(path, cwd) && path.n > cwd.n + 1 && path.p[cwd.n] == '/') {
		return str_make(path.p + cwd.n + 1, path.n - cwd.n - 1);
	}
	return path;
}

/* edit, write and apply_patch say what they changed in their metadata. */
static void tell_changes(const struct adapter *a, const struct json_value *state, struct str call,
                         struct adapter_out *out)
{
	const struct json_value *metadata = json_get(state, "metadata");
	const struct json_value *diff = json_get(metadata, "filediff");
	struct str path = json_as_str(json_get(diff, "file"));
	struct str patch = json_as_str(json_get(diff, "patch"));
	struct adapter_change change = { .kind = ADAPTER_UPDATED, .tool_id = call };

	if (path.n == 0) {
		path = json_as_str(json_get(metadata, "filepath"));
	}
	if (patch.n == 0) {
		patch = json_as_str(json_get(metadata, "diff"));
	}
	if (path.n == 0) {
		return;
	}
	change.path = below(a, path);
	change.text = patch;
	if (patch.n == 0 && json_type_of(json_get(metadata, "exists")) == JSON_T_BOOL &&
	    !json_as_bool(json_get(metadata, "exists"))) {
		change.kind = ADAPTER_ADDED;
		change.text = json_as_str(json_get(json_get(state, "input"), "content"));
	}
	if (change.text.n > 0) {
		adapter_say_change(out, &change);
	}
}

static void end_tool(struct adapter *a, struct opencode_part *part, const struct json_value *state,
                     bool failed, struct adapter_out *out)
{
	const struct adapter_tool tool = { str_of(part->call), str_of(part->name),
		                           str_of(part->agent) };
	const struct json_value *exit = json_get(json_get(state, "metadata"), "exit");
	struct json_value *more = NULL;
	struct err err;
	char text[64];

	if (json_is_int(exit)) {
		(void)snprintf(text, sizeof(text), "{\"exit_code\":%lld}",
		               (long long)json_as_i64(exit));
		more = json_parse(str_of(text), &err);
	}
	if (!failed) {
		tell_changes(a, state, tool.id, out);
	}
	adapter_say_result(out, &tool, json_as_str(json_get(state, failed ? "error" : "output")),
	                   failed, more);
	json_value_free(more);
	part->ended = true;
}

static void tool_updated(struct adapter *a, const struct json_value *json, struct str agent,
                         struct adapter_out *out)
{
	const struct json_value *state = json_get(json, "state");
	struct str status = json_as_str(json_get(state, "status"));
	struct opencode_part *part = part_of(a, json_as_str(json_get(json, "id")), agent, out);
	struct str output = json_as_str(json_get(json_get(state, "metadata"), "output"));
	struct adapter_tool tool;

	if (part->ended || str_eq(status, STR_LIT("pending"))) {
		return; /* its input is being written */
	}
	opencode_set(&part->call, json_as_str(json_get(json, "callID")));
	opencode_set(&part->name, json_as_str(json_get(json, "tool")));
	tool = (struct adapter_tool){ str_of(part->call), str_of(part->name), agent };
	if (!part->started) {
		part->started = true;
		adapter_say_tool(out, &tool, json_get(state, "input"));
	}
	if (str_eq(status, STR_LIT("completed"))) {
		end_tool(a, part, state, false, out);
	} else if (str_eq(status, STR_LIT("error"))) {
		end_tool(a, part, state, true, out);
	} else if (output.n > part->sent) {
		adapter_say_progress(out, &tool,
		                     str_make(output.p + part->sent, output.n - part->sent));
		part->sent = output.n;
	}
}

/* ---- steps ---- */

static void step_finished(struct adapter *a, const struct json_value *json, struct str agent,
                          struct adapter_out *out)
{
	const struct json_value *tokens = json_get(json, "tokens");
	const struct json_value *cache = json_get(tokens, "cache");
	struct opencode_part *part = part_of(a, json_as_str(json_get(json, "id")), agent, out);
	struct buf text;
	struct jsonw w;

	if (part->ended) {
		return; /* told again */
	}
	part->ended = true;
	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "model", a->used);
	jsonw_i64(&w, "input_tokens", json_as_i64(json_get(tokens, "input")));
	jsonw_i64(&w, "output_tokens", json_as_i64(json_get(tokens, "output")));
	jsonw_i64(&w, "cache_read_tokens", json_as_i64(json_get(cache, "read")));
	jsonw_i64(&w, "cache_write_tokens", json_as_i64(json_get(cache, "write")));
	jsonw_i64(&w, "reasoning_tokens", json_as_i64(json_get(tokens, "reasoning")));
	if (json_as_f64(json_get(json, "cost")) > 0) { /* 0: it knows no price */
		adapter_say_value(&w, "usd", json_get(json, "cost"));
	}
	jsonw_cstr(&w, "source", OPENCODE_PROTOCOL);
	jsonw_end_object(&w);
	adapter_out_usage(out, &text);
	buf_fini(&text);
}

/* ---- events ---- */

void opencode_part_updated(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	static const char *const silent[] = { "step-start", "snapshot", "patch",     "file",
		                              "agent",      "retry",    "compaction" };
	const struct json_value *part = json_get(p, "part");
	struct str type = json_as_str(json_get(part, "type"));
	struct str agent = opencode_agent(a, part);

	if (is_users(a, json_as_str(json_get(part, "messageID")))) {
		return;
	}
	if (str_eq(type, STR_LIT("text")) || str_eq(type, STR_LIT("reasoning"))) {
		text_updated(a, part, agent, type.p[0] == 'r', out);
	} else if (str_eq(type, STR_LIT("tool"))) {
		tool_updated(a, part, agent, out);
	} else if (str_eq(type, STR_LIT("step-finish"))) {
		step_finished(a, part, agent, out);
	} else {
		for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
			if (str_eq(type, str_of(silent[i]))) {
				return;
			}
		}
		adapter_say_native(out, OPENCODE_PROTOCOL, STR_LIT(""), p);
	}
}

void opencode_todos(struct adapter *a, const struct json_value *p, struct adapter_out *out)
{
	enum { TODOS_MAX = 200 };
	static const char *const members[] = { "content", "status", "priority" };
	const struct json_value *todos = json_get(p, "todos");
	struct str agent = opencode_agent(a, p);
	struct buf text;
	struct jsonw w;

	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	if (agent.n > 0) {
		jsonw_str(&w, "agent_id", agent);
	}
	jsonw_array(&w, "entries");
	for (size_t i = 0; i < json_count(todos) && i < TODOS_MAX; i++) {
		jsonw_object(&w, NULL);
		for (size_t k = 0; k < ARRAY_LEN(members); k++) {
			adapter_say_value(&w, members[k], json_get(json_at(todos, i), members[k]));
		}
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	if (!buf_failed(&text)) {
		adapter_out_event(out, EVENT_TYPE_PLAN, &text);
	}
	buf_fini(&text);
}
