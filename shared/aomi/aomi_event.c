#include "aomi/aomi_event.h"

#include <stdio.h>

#include "base/clock.h"
#include "json/value.h"
#include "json/write.h"
#include "session/session.h"

enum { DAY_S = 24 * 3600 };

/* An event on its way. */
struct shape {
	const struct log_event *event;
	const struct json_value *data;
	struct buf *out;
};

static struct str text_of(const struct shape *s, const char *name)
{
	return json_as_str(json_get(s->data, name));
}

static void add_text(struct buf *out, struct str text)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_str(&w, NULL, text);
}

static void add_value(struct jsonw *w, const char *name, const struct json_value *value)
{
	struct buf text;

	if (value == NULL) {
		jsonw_null(w, name);
		return;
	}
	buf_init(&text, (size_t)2 * EVENT_DATA_MAX);
	json_format(value, &text);
	if (buf_failed(&text)) {
		w->out->failed = true;
	} else {
		jsonw_raw(w, name, buf_str(&text));
	}
	buf_fini(&text);
}

typedef bool(shape_fn)(const struct shape *s, enum aomi_kind *ret_kind);

/* ---- one kind of event after the other ---- */

static void add_interrupted(struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "user_request");
	jsonw_cstr(&w, "kind", "Interuption"); /* spelled as those clients do */
	jsonw_cstr(&w, "payload", AOMI_INTERRUPTED);
	jsonw_end_object(&w);
}

static bool shape_status(const struct shape *s, enum aomi_kind *ret_kind)
{
	struct str state = text_of(s, "status"), reason = text_of(s, "reason");

	if (str_eq(state, STR_LIT("running"))) {
		*ret_kind = AOMI_NOTICE;
		add_text(s->out, STR_LIT("Backend connected"));
		return true;
	}
	/* Told once: when it is asked for, also of one that had no worker to be told. */
	if (str_eq(reason, STR_LIT(AOMI_INTERRUPTED)) &&
	    (str_eq(state, STR_LIT("stopping")) ||
	     (str_eq(state, STR_LIT("stopped")) && s->event->producer.n == 0))) {
		*ret_kind = AOMI_INLINE;
		add_interrupted(s->out);
		return true;
	}
	if (str_eq(state, STR_LIT("failed"))) {
		*ret_kind = AOMI_ERROR;
		add_text(s->out, reason.n > 0 ? reason : STR_LIT("the agent failed"));
		return true;
	}
	return false;
}

static bool shape_error(const struct shape *s, enum aomi_kind *ret_kind)
{
	*ret_kind = AOMI_ERROR;
	add_text(s->out, text_of(s, "message"));
	return true;
}

static bool shape_command(const struct shape *s, enum aomi_kind *ret_kind)
{
	if (!str_eq(text_of(s, "kind"), STR_LIT("interrupt"))) {
		return false;
	}
	*ret_kind = AOMI_INLINE;
	add_interrupted(s->out);
	return true;
}

static bool shape_permission(const struct shape *s, enum aomi_kind *ret_kind)
{
	struct jsonw w;

	*ret_kind = AOMI_INLINE;
	jsonw_init(&w, s->out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "user_request");
	jsonw_cstr(&w, "kind", "Approval");
	jsonw_raw(&w, "payload", s->event->data);
	jsonw_end_object(&w);
	return true;
}

/* The arguments, and when it was. */
static void add_transaction(const struct shape *s, const struct json_value *arguments)
{
	void *at = NULL;
	const struct json_value *value;
	struct str name;
	struct jsonw w;

	jsonw_init(&w, s->out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "wallet_tx_request");
	jsonw_object(&w, "payload");
	while (json_next(arguments, &at, &name, &value)) {
		add_value(&w, name.p, value);
	}
	if (json_get(arguments, "timestamp") == NULL) {
		jsonw_time(&w, "timestamp", s->event->ts_ms * 1000);
	}
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}

static bool shape_tool_use(const struct shape *s, enum aomi_kind *ret_kind)
{
	const struct json_value *arguments = json_get(s->data, "tool_args");

	if (!str_eq(text_of(s, "tool_name"), STR_LIT("send_transaction_to_wallet"))) {
		return false;
	}
	if (json_type_of(arguments) != JSON_T_OBJECT) {
		*ret_kind = AOMI_ERROR;
		add_text(s->out, STR_LIT("a transaction for the wallet must be an object"));
		return true;
	}
	*ret_kind = AOMI_INLINE;
	add_transaction(s, arguments);
	return true;
}

static void add_tool(const struct shape *s, const char *type, const struct json_value *result)
{
	struct jsonw w;

	jsonw_init(&w, s->out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", type);
	jsonw_str(&w, "id", text_of(s, "tool_execution_id"));
	jsonw_null(&w, "call_id");
	jsonw_str(&w, "tool_name", text_of(s, "tool_name"));
	if (str_eq(text_of(s, "status"), STR_LIT("failed"))) {
		jsonw_object(&w, "result");
		add_value(&w, "error", result);
		jsonw_end_object(&w);
	} else {
		add_value(&w, "result", result);
	}
	jsonw_end_object(&w);
}

static bool shape_tool_progress(const struct shape *s, enum aomi_kind *ret_kind)
{
	*ret_kind = AOMI_CALLBACK;
	add_tool(s, "tool_update", json_get(s->data, "last_line"));
	return true;
}

static bool shape_tool_result(const struct shape *s, enum aomi_kind *ret_kind)
{
	*ret_kind = AOMI_CALLBACK;
	add_tool(s, "tool_complete", json_get(s->data, "tool_output"));
	return true;
}

static bool shape_note(const struct shape *s, enum aomi_kind *ret_kind)
{
	const struct json_value *callback = json_get(s->data, "callback");
	struct str title = text_of(s, "chat_title");

	if (callback != NULL) {
		*ret_kind = AOMI_CALLBACK;
		json_format(callback, s->out);
	} else if (title.n > 0) {
		*ret_kind = AOMI_TITLE;
		add_text(s->out, title);
	} else {
		*ret_kind = AOMI_NOTICE;
		add_text(s->out, text_of(s, "message"));
	}
	return true;
}

static shape_fn *const shapes[EVENT_TYPE_COUNT] = {
	[EVENT_TYPE_STATUS] = shape_status,
	[EVENT_TYPE_ERROR] = shape_error,
	[EVENT_TYPE_COMMAND_STARTED] = shape_command,
	[EVENT_TYPE_PERMISSION_REQUEST] = shape_permission,
	[EVENT_TYPE_TOOL_USE] = shape_tool_use,
	[EVENT_TYPE_TOOL_PROGRESS] = shape_tool_progress,
	[EVENT_TYPE_TOOL_RESULT] = shape_tool_result,
	[EVENT_TYPE_NOTE] = shape_note,
};

bool aomi_event_of(const struct log_event *event, enum aomi_kind *ret_kind, struct buf *out)
{
	CLEANUP(json_value_cleanup) struct json_value *data = NULL;
	struct shape shape = { .event = event, .out = out };
	enum event_type type;
	struct err err;

	if (!event_type_parse(event->type, &type) || shapes[type] == NULL) {
		return false;
	}
	shape.data = data = json_parse(event->data, &err);
	return data != NULL && shapes[type](&shape, ret_kind) && !buf_failed(out);
}

/* ---- as clients get it ---- */

const char *aomi_kind_name(enum aomi_kind kind)
{
	static const char *const names[AOMI_KIND_COUNT] = {
		[AOMI_INLINE] = "InlineCall",
		[AOMI_ERROR] = "SystemError",
		[AOMI_NOTICE] = "SystemNotice",
		[AOMI_CALLBACK] = "AsyncCallback",
	};

	return names[kind];
}

void aomi_event_write(enum aomi_kind kind, struct str value, struct buf *out)
{
	buf_addf(out, "{\"%s\":", aomi_kind_name(kind));
	buf_add_str(out, value);
	buf_add_char(out, '}');
}

static void begin_update(struct jsonw *w, struct buf *out, const char *type, struct str session)
{
	jsonw_init(w, out);
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", type);
	jsonw_str(w, "session_id", session);
}

/* Whatever the callback is; an object gets the chat's name. */
static void write_callback(struct str value, struct str session, struct buf *out)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *object = json_parse(value, &err);
	const struct json_value *member;
	struct str name;
	void *at = NULL;
	struct jsonw w;

	if (json_type_of(object) != JSON_T_OBJECT) {
		buf_add_str(out, value);
		return;
	}
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	while (json_next(object, &at, &name, &member)) {
		if (!str_eq(name, STR_LIT("session_id"))) {
			add_value(&w, name.p, member);
		}
	}
	jsonw_str(&w, "session_id", session);
	jsonw_end_object(&w);
}

bool aomi_update_write(enum aomi_kind kind, struct str value, struct str session, struct buf *out)
{
	struct jsonw w;

	switch (kind) {
	case AOMI_NOTICE:
		begin_update(&w, out, "system_notice", session);
		jsonw_raw(&w, "message", value);
		jsonw_end_object(&w);
		return true;
	case AOMI_TITLE:
		begin_update(&w, out, "title_changed", session);
		jsonw_raw(&w, "new_title", value);
		jsonw_end_object(&w);
		return true;
	case AOMI_CALLBACK: write_callback(value, session, out); return true;
	case AOMI_INLINE:
	case AOMI_ERROR:
	case AOMI_KIND_COUNT: break;
	}
	return false;
}

void aomi_time(int64_t ts_ms, char out[AOMI_TIME_SIZE])
{
	unsigned second = ts_ms > 0 ? (unsigned)(ts_ms / 1000 % DAY_S) : 0;

	(void)snprintf(out, AOMI_TIME_SIZE, "%02u:%02u:%02u UTC", second / 3600 % 24,
	               second / 60 % 60, second % 60);
}

/* ---- what is appended ---- */

static struct str taken(struct buf *out, struct arena *arena)
{
	struct str json =
		buf_failed(out) ? (struct str){ NULL, 0 } : arena_str(arena, buf_str(out));

	buf_fini(out);
	return json;
}

struct str aomi_system_note(struct str message, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *value = json_parse(message, &err);
	struct jsonw w;
	struct buf out;

	buf_init(&out, EVENT_DATA_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "message", message);
	if (value != NULL) {
		add_value(&w, "callback", value);
	}
	jsonw_end_object(&w);
	return taken(&out, arena);
}

struct str aomi_system_message(struct str message, struct arena *arena)
{
	struct jsonw w;
	struct buf out;
	char *content = arena_printf(arena, AOMI_SYSTEM_PREFIX "%" STR_FMT, STR_ARG(message));

	buf_init(&out, EVENT_DATA_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "role", "system");
	jsonw_cstr(&w, "content", content);
	jsonw_end_object(&w);
	return taken(&out, arena);
}

struct str aomi_title_note(struct str title, struct arena *arena)
{
	struct jsonw w;
	struct buf out;

	buf_init(&out, EVENT_DATA_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "message", "the chat has another title");
	jsonw_str(&w, "chat_title", title);
	jsonw_end_object(&w);
	return taken(&out, arena);
}
