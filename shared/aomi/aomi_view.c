#include "aomi/aomi_view.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/mem.h"
#include "json/value.h"

enum sender { SENDER_USER, SENDER_AGENT, SENDER_SYSTEM };

static const char *const sender_names[] = { "user", "agent", "system" };

struct message {
	enum sender sender;
	struct buf content;
	struct buf topic; /* of a tool's result; empty: it is none */
	struct buf result;
	int64_t ts_ms;
	bool streams;    /* more may come */
	bool is_output;  /* lines of a process */
	bool is_partial; /* of which the last goes on */
	TAILQ_ENTRY(message) link;
};

struct told {
	enum aomi_kind kind;
	struct aomi_cursor at;
	struct buf value;
	TAILQ_ENTRY(told) link;
};

struct aomi_view {
	TAILQ_HEAD(messages, message) messages;
	TAILQ_HEAD(tolds, told) tolds;
	size_t message_count, told_count, messages_max;
	struct aomi_cursor at;               /* of the last event */
	struct aomi_cursor since;            /* the last turn began after it */
	uint64_t turns;                      /* of the last session */
	struct id started[AOMI_STARTED_MAX]; /* a ring */
	size_t started_count;
	struct id prompting; /* the prompt that the agent is about to get; nil: none */
	bool turn_open, waiting, has_output, processing;
	int64_t output_ms;
};

/* ---- life ---- */

struct aomi_view *aomi_view_new(unsigned messages_max)
{
	struct aomi_view *view = mem_calloc(1, sizeof(*view));

	view->messages_max = messages_max;
	TAILQ_INIT(&view->messages);
	TAILQ_INIT(&view->tolds);
	return view;
}

static void drop_message(struct aomi_view *view, struct message *message)
{
	TAILQ_REMOVE(&view->messages, message, link);
	view->message_count--;
	buf_fini(&message->content);
	buf_fini(&message->topic);
	buf_fini(&message->result);
	free(message);
}

static void drop_told(struct aomi_view *view, struct told *told)
{
	TAILQ_REMOVE(&view->tolds, told, link);
	view->told_count--;
	buf_fini(&told->value);
	free(told);
}

void aomi_view_free(struct aomi_view *view)
{
	if (view != NULL) {
		while (!TAILQ_EMPTY(&view->messages)) {
			drop_message(view, TAILQ_FIRST(&view->messages));
		}
		while (!TAILQ_EMPTY(&view->tolds)) {
			drop_told(view, TAILQ_FIRST(&view->tolds));
		}
		free(view);
	}
}

/* ---- messages ---- */

static struct message *add_message(struct aomi_view *view, enum sender sender, int64_t ts_ms)
{
	struct message *message = mem_calloc(1, sizeof(*message));

	message->sender = sender;
	message->ts_ms = ts_ms;
	buf_init(&message->content, AOMI_CONTENT_MAX);
	buf_init(&message->topic, AOMI_CONTENT_MAX);
	buf_init(&message->result, AOMI_CONTENT_MAX);
	TAILQ_INSERT_TAIL(&view->messages, message, link);
	view->message_count++;
	if (view->message_count > view->messages_max) {
		drop_message(view, TAILQ_FIRST(&view->messages));
	}
	return message;
}

/* What does not fit is left out, in whole characters. */
static void add_text(struct buf *out, struct str text)
{
	size_t room = out->cap - out->len;

	if (text.n > room) {
		size_t n = 0, step;

		while ((step = str_utf8_step(str_make(text.p + n, text.n - n))) > 0 &&
		       n + step <= room) {
			n += step;
		}
		text.n = n;
	}
	buf_add_str(out, text);
}

static void close_messages(struct aomi_view *view)
{
	struct message *message;

	TAILQ_FOREACH (message, &view->messages, link) {
		message->streams = false;
	}
}

/* The agent's message that goes on, or a new one. */
static struct message *streaming(struct aomi_view *view, const struct log_event *event,
                                 bool is_output)
{
	struct message *last = TAILQ_LAST(&view->messages, messages);

	if (last == NULL || !last->streams || last->is_output != is_output) {
		if (last != NULL) {
			last->streams = false;
		}
		last = add_message(view, SENDER_AGENT, event->ts_ms);
		last->streams = true;
		last->is_output = is_output;
	}
	return last;
}

static void take_turn(struct aomi_view *view)
{
	view->since = view->at;
}

/* ---- events ---- */

static void take_message(struct aomi_view *view, const struct log_event *event,
                         const struct json_value *data)
{
	struct str role = json_as_str(json_get(data, "role"));
	struct str content = json_as_str(json_get(data, "content"));
	struct message *last = TAILQ_LAST(&view->messages, messages);
	enum sender sender = SENDER_AGENT;

	if (str_eq(role, STR_LIT("user"))) {
		sender = SENDER_USER;
		close_messages(view);
		take_turn(view);
	} else if (str_eq(role, STR_LIT("system"))) {
		sender = SENDER_SYSTEM;
	} else if (last != NULL && last->streams && !last->is_output) {
		/* The whole of what came in pieces. */
		buf_reset(&last->content);
		add_text(&last->content, content);
		last->streams = false;
		return;
	}
	add_text(&add_message(view, sender, event->ts_ms)->content, content);
}

static void take_delta(struct aomi_view *view, const struct log_event *event,
                       const struct json_value *data)
{
	struct message *message = streaming(view, event, false);

	add_text(&message->content, json_as_str(json_get(data, "delta")));
}

/* What a command prints is what it says. */
static void take_log(struct aomi_view *view, const struct log_event *event,
                     const struct json_value *data)
{
	struct message *message;

	if (!str_eq(json_as_str(json_get(data, "stream")), STR_LIT("stdout"))) {
		return;
	}
	message = streaming(view, event, true);
	if (message->content.len > 0 && !message->is_partial) {
		add_text(&message->content, STR_LIT("\n"));
	}
	add_text(&message->content, json_as_str(json_get(data, "message")));
	message->is_partial = json_as_bool(json_get(data, "partial"));
	view->has_output = true;
	view->output_ms = event->ts_ms;
}

static void take_result(struct aomi_view *view, const struct log_event *event,
                        const struct json_value *data)
{
	const struct json_value *output = json_get(data, "tool_output");
	struct message *message;

	close_messages(view);
	message = add_message(view, SENDER_AGENT, event->ts_ms);
	add_text(&message->topic, json_as_str(json_get(data, "tool_name")));
	if (message->topic.len == 0) {
		add_text(&message->topic, STR_LIT("tool"));
	}
	if (json_type_of(output) == JSON_T_STRING) {
		add_text(&message->result, json_as_str(output));
	} else if (output != NULL) {
		json_format(output, &message->result);
	}
}

static void take_turn_started(struct aomi_view *view, const struct log_event *event,
                              const struct json_value *data)
{
	(void)event;
	(void)data;
	view->turns++;
	view->turn_open = true;
}

static void take_turn_finished(struct aomi_view *view, const struct log_event *event,
                               const struct json_value *data)
{
	(void)event;
	(void)data;
	view->turn_open = false;
	close_messages(view);
}

static void take_command_started(struct aomi_view *view, const struct log_event *event,
                                 const struct json_value *data)
{
	struct id id;

	(void)event;
	if (id_parse(json_as_str(json_get(data, "command_id")), &id)) {
		view->started[view->started_count++ % AOMI_STARTED_MAX] = id;
		if (str_eq(json_as_str(json_get(data, "kind")), STR_LIT("prompt"))) {
			view->prompting = id;
		}
	}
}

static void take_command_finished(struct aomi_view *view, const struct log_event *event,
                                  const struct json_value *data)
{
	struct id id;

	(void)event;
	if (id_parse(json_as_str(json_get(data, "command_id")), &id) &&
	    id_eq(&id, &view->prompting)) {
		view->prompting.s[0] = '\0';
	}
}

typedef void(take_fn)(struct aomi_view *view, const struct log_event *event,
                      const struct json_value *data);

static take_fn *const takes[EVENT_TYPE_COUNT] = {
	[EVENT_TYPE_MESSAGE] = take_message,
	[EVENT_TYPE_MESSAGE_DELTA] = take_delta,
	[EVENT_TYPE_LOG] = take_log,
	[EVENT_TYPE_TOOL_RESULT] = take_result,
	[EVENT_TYPE_COMMAND_STARTED] = take_command_started,
	[EVENT_TYPE_COMMAND_FINISHED] = take_command_finished,
	[EVENT_TYPE_COMMAND_UNKNOWN] = take_command_finished,
	[EVENT_TYPE_TURN_STARTED] = take_turn_started,
	[EVENT_TYPE_TURN_FINISHED] = take_turn_finished,
};

static void tell(struct aomi_view *view, const struct log_event *event)
{
	struct told *told = mem_calloc(1, sizeof(*told));

	buf_init(&told->value, (size_t)2 * EVENT_DATA_MAX);
	told->at = view->at;
	if (!aomi_event_of(event, &told->kind, &told->value)) {
		buf_fini(&told->value);
		free(told);
		return;
	}
	TAILQ_INSERT_TAIL(&view->tolds, told, link);
	if (++view->told_count > AOMI_EVENTS_MAX) {
		drop_told(view, TAILQ_FIRST(&view->tolds));
	}
}

void aomi_view_event(struct aomi_view *view, const struct log_event *event)
{
	CLEANUP(json_value_cleanup) struct json_value *data = NULL;
	enum event_type type;
	struct err err;

	view->at.at = event->at;
	if (!event_type_parse(event->type, &type)) {
		return;
	}
	if (takes[type] != NULL) {
		data = json_parse(event->data, &err);
		takes[type](view, event, data);
	}
	tell(view, event);
}

void aomi_view_begin(struct aomi_view *view, uint64_t part, struct str prompt, int64_t ts_ms)
{
	close_messages(view);
	view->at = (struct aomi_cursor){ .part = part };
	view->turns = 0;
	view->turn_open = view->has_output = false;
	view->prompting.s[0] = '\0';
	if (prompt.n > 0) {
		take_turn(view);
		add_text(&add_message(view, SENDER_USER, ts_ms)->content, prompt);
	}
}

bool aomi_view_has_started(const struct aomi_view *view, const struct id *command)
{
	for (size_t i = 0; i < view->started_count && i < AOMI_STARTED_MAX; i++) {
		if (id_eq(&view->started[i], command)) {
			return true;
		}
	}
	return false;
}

void aomi_view_waiting(struct aomi_view *view, struct str text, int64_t ts_ms)
{
	close_messages(view);
	take_turn(view);
	add_text(&add_message(view, SENDER_USER, ts_ms)->content, text);
	view->waiting = true;
}

/* Before its first turn a session works on its prompt: until it has said something and then
 * nothing more. */
static bool works_on_prompt(const struct aomi_view *view, int64_t now_ms)
{
	return view->turns == 0 && !(view->has_output && now_ms - view->output_ms >= AOMI_QUIET_MS);
}

void aomi_view_end(struct aomi_view *view, bool has_session, enum session_state state,
                   int64_t now_ms)
{
	bool lives = has_session && !session_is_terminal(state) && state != SESSION_STOPPING &&
	             state != SESSION_PAUSED;

	view->processing = lives && (view->waiting || view->turn_open ||
	                             !id_is_nil(&view->prompting) || works_on_prompt(view, now_ms));
	if (!view->processing) {
		close_messages(view);
	}
}

/* ---- reading ---- */

bool aomi_view_is_processing(const struct aomi_view *view)
{
	return view->processing;
}

size_t aomi_view_message_count(const struct aomi_view *view)
{
	return view->message_count;
}

static void write_head(struct jsonw *w, enum sender sender, struct str content)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "sender", sender_names[sender]);
	jsonw_str(w, "content", content);
}

static void write_tail(struct jsonw *w, int64_t ts_ms, bool streams)
{
	char time[AOMI_TIME_SIZE];

	aomi_time(ts_ms, time);
	jsonw_cstr(w, "timestamp", time);
	jsonw_bool(w, "is_streaming", streams);
	jsonw_end_object(w);
}

void aomi_view_messages(const struct aomi_view *view, struct jsonw *w, const char *name)
{
	const struct message *message;

	jsonw_array(w, name);
	TAILQ_FOREACH (message, &view->messages, link) {
		write_head(w, message->sender, buf_str(&message->content));
		if (message->topic.len > 0) {
			jsonw_array(w, "tool_result");
			jsonw_str(w, NULL, buf_str(&message->topic));
			jsonw_str(w, NULL, buf_str(&message->result));
			jsonw_end_array(w);
		} else {
			jsonw_null(w, "tool_result");
		}
		write_tail(w, message->ts_ms, message->streams);
	}
	jsonw_end_array(w);
}

void aomi_message_write(struct jsonw *w, struct str content, int64_t ts_ms)
{
	write_head(w, SENDER_SYSTEM, content);
	jsonw_null(w, "tool_result");
	write_tail(w, ts_ms, false);
}

static bool is_asked(const struct aomi_view *view, const struct aomi_events *which,
                     const struct told *told)
{
	const struct aomi_cursor *after = which->after != NULL ? which->after : &view->since;

	return (which->kinds & aomi_bit(told->kind)) != 0 &&
	       ((which->after == NULL && which->all) || aomi_cursor_before(after, &told->at));
}

void aomi_view_events(const struct aomi_view *view, const struct aomi_events *which,
                      struct jsonw *w, const char *name)
{
	const struct told *told;
	size_t count = 0, skip;
	struct buf one;

	TAILQ_FOREACH (told, &view->tolds, link) {
		count += is_asked(view, which, told) ? 1 : 0;
	}
	skip = which->last > 0 && count > which->last ? count - which->last : 0;
	jsonw_array(w, name);
	TAILQ_FOREACH (told, &view->tolds, link) {
		if (!is_asked(view, which, told) || (skip > 0 && skip-- > 0)) {
			continue;
		}
		buf_init(&one, (size_t)3 * EVENT_DATA_MAX);
		aomi_event_write(told->kind, buf_str(&told->value), &one);
		jsonw_raw(w, NULL, buf_str(&one));
		buf_fini(&one);
	}
	jsonw_end_array(w);
}

struct aomi_cursor aomi_view_cursor(const struct aomi_view *view)
{
	return view->at;
}
