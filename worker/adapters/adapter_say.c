#include "worker/adapters/adapter_say.h"

#include <string.h>

#include "worker/adapters/adapter.h"

enum {
	TEXT_MAX = 144 * 1024, /* bytes of one text as JSON: an event has others beside it */
	TAIL_MAX = 32 * 1024,  /* of them from the end, when it is cut */
	VALUE_MAX = 128 * 1024,
	SHORT_MAX = 2048,
	DELAY_MAX_MS = 7 * 24 * 3600 * 1000,
	DATA_ROOM = 1024 * 1024, /* of the buffer: escapes of both texts, and ids */
};

/* ---- lengths ---- */

static size_t json_cost(char c)
{
	unsigned char u = (unsigned char)c;

	if (u < 0x20) {
		return 6;
	}
	return u == '"' || u == '\\' ? 2 : 1;
}

/* How much of the front fits in max bytes of JSON; never the middle of a character. */
static size_t head_of(struct str text, size_t max)
{
	size_t cost = 0, n = 0;

	while (n < text.n && cost + json_cost(text.p[n]) <= max) {
		cost += json_cost(text.p[n++]);
	}
	while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xC0) == 0x80) {
		n--;
	}
	return n;
}

/* Where the part at the end begins that fits. */
static size_t tail_of(struct str text, size_t max)
{
	size_t cost = 0, at = text.n;

	while (at > 0 && cost + json_cost(text.p[at - 1]) <= max) {
		cost += json_cost(text.p[--at]);
	}
	while (at < text.n && ((unsigned char)text.p[at] & 0xC0) == 0x80) {
		at++;
	}
	return at;
}

static void say_valid(struct jsonw *w, const char *name, struct str text)
{
	struct buf cut;
	size_t head, tail;

	if (head_of(text, TEXT_MAX) == text.n) {
		jsonw_str(w, name, text);
		return;
	}
	head = head_of(text, TEXT_MAX - TAIL_MAX);
	tail = tail_of(text, TAIL_MAX - 256);
	buf_init(&cut, DATA_ROOM);
	buf_add(&cut, text.p, head);
	buf_addf(&cut, "\n[... %zu bytes ...]\n", tail - head);
	buf_add(&cut, text.p + tail, text.n - tail);
	jsonw_str(w, name, buf_str(&cut));
	buf_fini(&cut);
	if (name != NULL) {
		jsonw_bool(w, "truncated", true);
		jsonw_u64(w, "bytes", text.n);
	}
}

/* What was no JSON may be any bytes: each that is no character of a text becomes U+FFFD. */
static void make_valid(struct str text, struct buf *out)
{
	while (text.n > 0) {
		size_t n = str_utf8_step(text);

		if (n == 0 || text.p[0] == '\0') {
			buf_add_cstr(out, "\xEF\xBF\xBD");
			n = 1;
		} else {
			buf_add(out, text.p, n);
		}
		text.p += n;
		text.n -= n;
	}
}

void adapter_say_text(struct jsonw *w, const char *name, struct str text)
{
	struct buf valid;

	if (str_is_utf8(text) && (text.n == 0 || memchr(text.p, '\0', text.n) == NULL)) {
		say_valid(w, name, text);
		return;
	}
	buf_init(&valid, (size_t)4 * ADAPTER_LINE_MAX);
	make_valid(text, &valid);
	say_valid(w, name, buf_str(&valid));
	buf_fini(&valid);
}

void adapter_say_value(struct jsonw *w, const char *name, const struct json_value *value)
{
	struct buf text;

	if (value == NULL) {
		return;
	}
	buf_init(&text, (size_t)2 * ADAPTER_LINE_MAX);
	json_format(value, &text);
	if (buf_failed(&text) || text.len > VALUE_MAX) {
		jsonw_object(w, name);
		jsonw_bool(w, "truncated", true);
		jsonw_u64(w, "bytes", text.len);
		jsonw_end_object(w);
	} else {
		jsonw_raw(w, name, buf_str(&text));
	}
	buf_fini(&text);
}

/* ---- one event ---- */

struct saying {
	struct adapter_out *out;
	enum event_type type;
	struct buf data;
	struct jsonw w;
};

static void begin(struct saying *s, struct adapter_out *out, enum event_type type)
{
	s->out = out;
	s->type = type;
	buf_init(&s->data, DATA_ROOM);
	jsonw_init(&s->w, &s->data);
	jsonw_object(&s->w, NULL);
}

static void end(struct saying *s)
{
	jsonw_end_object(&s->w);
	if (!buf_failed(&s->data)) {
		adapter_out_event(s->out, s->type, &s->data);
	}
	buf_fini(&s->data);
}

/* Ids, names and paths: an agent may say any, as long as it likes. */
static void add(struct saying *s, const char *name, struct str v)
{
	jsonw_str(&s->w, name, str_make(v.p, head_of(v, SHORT_MAX)));
}

static void add_if(struct saying *s, const char *name, struct str v)
{
	if (v.n > 0) {
		add(s, name, v);
	}
}

static void add_tool(struct saying *s, const struct adapter_tool *tool)
{
	add(s, "tool_name", tool->name);
	add(s, "tool_execution_id", tool->id);
	add_if(s, "agent_id", tool->agent);
}

/* ---- text ---- */

struct piece {
	enum event_type type;
	const char *name;
	struct str message_id, agent;
};

static void say_pieces(struct adapter_out *out, const struct piece *piece, struct str text)
{
	while (text.n > 0) {
		size_t n = head_of(text, TEXT_MAX);
		struct saying s;

		begin(&s, out, piece->type);
		add_if(&s, "message_id", piece->message_id);
		add_if(&s, "agent_id", piece->agent);
		jsonw_str(&s.w, piece->name, str_make(text.p, n));
		end(&s);
		text.p += n;
		text.n -= n;
	}
}

void adapter_say_delta(struct adapter_out *out, struct str message_id, struct str agent,
                       struct str delta)
{
	const struct piece piece = { EVENT_TYPE_MESSAGE_DELTA, "delta", message_id, agent };

	say_pieces(out, &piece, delta);
}

void adapter_say_thought(struct adapter_out *out, struct str message_id, struct str agent,
                         struct str delta)
{
	const struct piece piece = { EVENT_TYPE_THOUGHT, "thought", message_id, agent };

	say_pieces(out, &piece, delta);
}

void adapter_say_message(struct adapter_out *out, struct str message_id, struct str agent,
                         struct str content, bool partial)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_MESSAGE);
	jsonw_cstr(&s.w, "role", "assistant");
	add_if(&s, "message_id", message_id);
	add_if(&s, "agent_id", agent);
	adapter_say_text(&s.w, "content", content);
	if (partial) {
		jsonw_bool(&s.w, "partial", true);
	}
	end(&s);
}

/* ---- tools ---- */

void adapter_say_tool(struct adapter_out *out, const struct adapter_tool *tool,
                      const struct json_value *args)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_TOOL_USE);
	add_tool(&s, tool);
	adapter_say_value(&s.w, "tool_args", args);
	jsonw_cstr(&s.w, "status", "started");
	end(&s);
}

static struct str last_line(struct str text)
{
	struct str line = { NULL, 0 };

	while (text.n > 0) {
		struct str next = str_trim(str_split(&text, '\n'));

		if (next.n > 0 && next.p[next.n - 1] == '\r') {
			next.n--;
		}
		line = next.n > 0 ? next : line;
	}
	return line;
}

void adapter_say_progress(struct adapter_out *out, const struct adapter_tool *tool, struct str text)
{
	struct str line = last_line(text);
	struct saying s;

	if (line.n == 0) {
		return;
	}
	begin(&s, out, EVENT_TYPE_TOOL_PROGRESS);
	add_tool(&s, tool);
	add(&s, "last_line", line);
	end(&s);
}

void adapter_say_result(struct adapter_out *out, const struct adapter_tool *tool, struct str output,
                        bool failed, const struct json_value *more)
{
	const struct json_value *value;
	struct str name;
	void *at = NULL;
	struct saying s;

	begin(&s, out, EVENT_TYPE_TOOL_RESULT);
	add_tool(&s, tool);
	adapter_say_text(&s.w, "tool_output", output);
	jsonw_cstr(&s.w, "status", failed ? "failed" : "completed");
	while (json_next(more, &at, &name, &value)) {
		adapter_say_value(&s.w, name.p, value);
	}
	end(&s);
}

/* ---- files ---- */

struct counts {
	size_t added, removed;
};

static struct counts count_lines(const struct adapter_change *change)
{
	struct counts counts = { 0, 0 };
	struct str rest = change->text;

	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');
		char first = line.n > 0 ? line.p[0] : ' ';

		if (change->kind == ADAPTER_ADDED) {
			counts.added++;
		} else if (change->kind == ADAPTER_DELETED) {
			counts.removed++;
		} else if (str_starts(line, STR_LIT("+++ ")) || str_starts(line, STR_LIT("--- "))) {
			continue; /* the names, if it has them */
		} else {
			counts.added += first == '+';
			counts.removed += first == '-';
		}
	}
	return counts;
}

static const char *change_word(enum adapter_change_kind kind)
{
	switch (kind) {
	case ADAPTER_ADDED: return "added";
	case ADAPTER_DELETED: return "deleted";
	case ADAPTER_UPDATED: break;
	}
	return "modified";
}

static void say_diff(struct adapter_out *out, const struct adapter_change *change)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_DIFF);
	add(&s, "path", change->path);
	add_if(&s, "tool_execution_id", change->tool_id);
	switch (change->kind) {
	case ADAPTER_ADDED:
		jsonw_cstr(&s.w, "oldText", "");
		adapter_say_text(&s.w, "newText", change->text);
		break;
	case ADAPTER_DELETED:
		adapter_say_text(&s.w, "oldText", change->text);
		jsonw_cstr(&s.w, "newText", "");
		break;
	case ADAPTER_UPDATED: adapter_say_text(&s.w, "patch", change->text); break;
	}
	end(&s);
}

void adapter_say_change(struct adapter_out *out, const struct adapter_change *change)
{
	struct counts counts = count_lines(change);
	struct saying s;

	begin(&s, out, EVENT_TYPE_FILE_EDIT);
	add(&s, "file_path", change->path);
	jsonw_u64(&s.w, "lines_added", counts.added);
	jsonw_u64(&s.w, "lines_removed", counts.removed);
	jsonw_cstr(&s.w, "description", change_word(change->kind));
	add_if(&s, "tool_execution_id", change->tool_id);
	end(&s);
	say_diff(out, change);
}

/* ---- both texts of a file ---- */

enum {
	SIDE_MAX = 64 * 1024, /* a larger side, or one of more lines, is told by its ends */
	SIDE_LINES = 2000,
	SIDES_COST = 150 * 1024, /* of both as JSON */
	HEAD_LINES = 200,
	HEAD_COST = 48 * 1024,
	TAIL_LINES = 50,
	TAIL_COST = 24 * 1024,
};

static size_t lines_of(struct str text)
{
	size_t n = 0;

	while (text.n > 0) {
		(void)str_split(&text, '\n');
		n++;
	}
	return n;
}

static bool is_large(struct str text)
{
	return text.n > SIDE_MAX || lines_of(text) > SIDE_LINES;
}

static struct str head_lines(struct str text)
{
	struct str rest = text;

	for (size_t i = 0; i < HEAD_LINES && rest.n > 0; i++) {
		(void)str_split(&rest, '\n');
	}
	text.n = rest.n > 0 ? (size_t)(rest.p - text.p) : text.n;
	text.n = head_of(text, HEAD_COST);
	return text;
}

static struct str tail_lines(struct str text)
{
	size_t at = text.n, lines = 0;

	while (at > 0 && (lines += text.p[at - 1] == '\n' && at < text.n) < TAIL_LINES) {
		at--;
	}
	text = str_make(text.p + at, text.n - at);
	at = tail_of(text, TAIL_COST);
	return str_make(text.p + at, text.n - at);
}

/* Takes the lines that both begin with from both. */
static void drop_same_front(struct str *a, struct str *b)
{
	while (a->n > 0 && b->n > 0) {
		struct str rest_a = *a, rest_b = *b;

		if (!str_eq(str_split(&rest_a, '\n'), str_split(&rest_b, '\n'))) {
			return;
		}
		*a = rest_a;
		*b = rest_b;
	}
}

/* Whether the text before its last n bytes ends a line, or there is none. */
static bool line_begins(struct str text, size_t n)
{
	return text.n == n || text.p[text.n - n - 1] == '\n';
}

static void drop_same_end(struct str *a, struct str *b)
{
	size_t same = 0, kept = 0, most = a->n < b->n ? a->n : b->n;

	while (same < most && a->p[a->n - 1 - same] == b->p[b->n - 1 - same]) {
		same++;
		kept = line_begins(*a, same) && line_begins(*b, same) ? same : kept;
	}
	a->n -= kept;
	b->n -= kept;
}

static void say_texts_edit(struct adapter_out *out, const struct adapter_texts *texts)
{
	struct str before = texts->before, after = texts->after;
	struct saying s;

	drop_same_front(&before, &after);
	drop_same_end(&before, &after);
	begin(&s, out, EVENT_TYPE_FILE_EDIT);
	add(&s, "file_path", texts->path);
	jsonw_u64(&s.w, "lines_added", lines_of(after));
	jsonw_u64(&s.w, "lines_removed", lines_of(before));
	jsonw_cstr(&s.w, "description", texts->added ? "added" : "modified");
	add_if(&s, "tool_execution_id", texts->tool_id);
	end(&s);
}

void adapter_say_texts(struct adapter_out *out, const struct adapter_texts *texts)
{
	struct saying s;

	say_texts_edit(out, texts);
	begin(&s, out, EVENT_TYPE_DIFF);
	add(&s, "path", texts->path);
	add_if(&s, "tool_execution_id", texts->tool_id);
	if (is_large(texts->before) || is_large(texts->after) ||
	    head_of(texts->before, SIDES_COST / 2) < texts->before.n ||
	    head_of(texts->after, SIDES_COST / 2) < texts->after.n) {
		jsonw_str(&s.w, "oldTextHead", head_lines(texts->before));
		jsonw_str(&s.w, "oldTextTail", tail_lines(texts->before));
		jsonw_str(&s.w, "newTextHead", head_lines(texts->after));
		jsonw_str(&s.w, "newTextTail", tail_lines(texts->after));
		jsonw_bool(&s.w, "truncated", true);
	} else {
		jsonw_str(&s.w, "oldText", texts->before);
		jsonw_str(&s.w, "newText", texts->after);
	}
	end(&s);
}

/* ---- the rest ---- */

void adapter_say_retry(struct adapter_out *out, const struct adapter_retry *retry)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_RETRY);
	jsonw_u64(&s.w, "attempt", retry->attempt > 0 ? (uint64_t)retry->attempt : 1);
	if (retry->max_attempts > 0) {
		jsonw_u64(&s.w, "max_attempts", (uint64_t)retry->max_attempts);
	}
	if (retry->delay_ms > 0 && retry->delay_ms < DELAY_MAX_MS) {
		jsonw_u64(&s.w, "delay_ms", (uint64_t)retry->delay_ms);
	}
	if (retry->message.n > 0) {
		adapter_say_text(&s.w, "message", retry->message);
	}
	end(&s);
}

void adapter_say_log(struct adapter_out *out, const char *level, struct str message)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_LOG);
	jsonw_cstr(&s.w, "level", level);
	adapter_say_text(&s.w, "message", message);
	jsonw_cstr(&s.w, "stream", "agent");
	end(&s);
}

void adapter_say_note(struct adapter_out *out, struct str message)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_NOTE);
	adapter_say_text(&s.w, "message", message);
	end(&s);
}

void adapter_say_error(struct adapter_out *out, struct str code, struct str message)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_ERROR);
	add_if(&s, "code", code);
	adapter_say_text(&s.w, "message", message);
	end(&s);
}

void adapter_say_native(struct adapter_out *out, const char *protocol, struct str line,
                        const struct json_value *value)
{
	struct saying s;

	begin(&s, out, EVENT_TYPE_NATIVE);
	jsonw_cstr(&s.w, "protocol", protocol);
	if (value != NULL) {
		adapter_say_value(&s.w, "payload", value);
	} else {
		adapter_say_text(&s.w, "payload", line);
	}
	end(&s);
}

/* ---- what errors mean ---- */

bool adapter_mentions(struct str text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.n; i++) {
		if (str_eq_nocase(str_make(text.p + i, n), str_make(word, n))) {
			return true;
		}
	}
	return false;
}

bool adapter_blames_provider(struct str code, struct str message)
{
	/* acp and gemini; codex (CodexErrorInfo); opencode. */
	static const struct str codes[] = {
		STR_LIT("provider_auth"),     STR_LIT("rate_limit"),
		STR_LIT("unauthorized"),      STR_LIT("usageLimitExceeded"),
		STR_LIT("serverOverloaded"),  STR_LIT("responseTooManyFailedAttempts"),
		STR_LIT("ProviderAuthError"),
	};
	/* Claude Code and opencode, whose codes are the same for every answer of a provider. */
	static const char *const words[] = {
		"API Error: 401", "API Error: 403", "API Error: 429", "API Error: 503",
		"API Error: 529", "api key",        "api-key",        "unauthorized",
		"authentication", "overloaded",     "rate limit",
	};
	bool of_provider =
		str_eq(code, STR_LIT("agent_error")) || str_eq(code, STR_LIT("APIError"));

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (str_eq(code, codes[i])) {
			return true;
		}
	}
	for (size_t i = 0; of_provider && i < ARRAY_LEN(words); i++) {
		if (adapter_mentions(message, words[i])) {
			return true;
		}
	}
	return false;
}
