/* session/update: what the agent says while it works. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/acp_private.h"

enum { PLAN_MAX = 128 * 1024, ID_ROOM = 64 };

/* ---- its words ---- */

static struct str message_id(const struct adapter *a, char room[ID_ROOM])
{
	struct buf text;

	if (a->message_id != NULL) {
		return str_of(a->message_id);
	}
	buf_init(&text, ID_ROOM - 1);
	buf_addf(&text, "turn-%ju-%u", (uintmax_t)a->turns, a->messages);
	(void)str_copy(room, ID_ROOM, buf_str(&text));
	buf_fini(&text);
	return str_of(room);
}

void acp_end_message(struct adapter *a, struct adapter_out *out)
{
	char room[ID_ROOM];

	if (a->message.len > 0) {
		adapter_say_message(out, message_id(a, room), STR_LIT(""), buf_str(&a->message),
		                    buf_failed(&a->message));
		buf_fini(&a->message);
		acp_set(&a->message_id, STR_LIT(""));
	}
}

static void say_piece(struct adapter *a, struct str id, struct str text, struct adapter_out *out)
{
	char room[ID_ROOM];

	if (!str_eq(id, acp_text(a->message_id))) {
		acp_end_message(a, out);
	}
	if (a->message.len == 0) {
		a->messages++;
		acp_set(&a->message_id, id.n <= ADAPTER_ID_MAX ? id : STR_LIT(""));
	}
	adapter_say_delta(out, message_id(a, room), STR_LIT(""), text);
	buf_add_str(&a->message, text);
}

/* What a change of mode makes it say is no message. */
static bool is_mode_echo(struct adapter *a, struct str text, struct adapter_out *out)
{
	struct str prefix = acp_text(a->kind->mode_echo);

	if (prefix.n == 0 || !str_starts(text, prefix)) {
		return false;
	}
	text = str_make(text.p + prefix.n, text.n - prefix.n);
	if (!acp_offers(&a->mode, text)) {
		return false;
	}
	if (!str_eq(text, acp_text(a->mode.now))) {
		acp_set(&a->mode.now, text);
		if (a->ready) {
			acp_tell_ready(a, out);
		}
	}
	return true;
}

static bool on_message(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	struct buf text;

	buf_init(&text, ADAPTER_LINE_MAX);
	acp_content_text(json_get(update, "content"), &text);
	if (text.len > 0 && !is_mode_echo(a, buf_str(&text), out)) {
		say_piece(a, json_as_str(json_get(update, "messageId")), buf_str(&text), out);
	}
	buf_fini(&text);
	return true;
}

static bool on_thought(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	struct str id = json_as_str(json_get(update, "messageId"));
	struct buf text;

	buf_init(&text, ADAPTER_LINE_MAX);
	acp_content_text(json_get(update, "content"), &text);
	acp_end_message(a, out);
	adapter_say_thought(out, id.n <= ADAPTER_ID_MAX ? id : STR_LIT(""), STR_LIT(""),
	                    buf_str(&text));
	buf_fini(&text);
	return true;
}

/* Our own prompt, said back. */
static bool on_user(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	(void)a;
	(void)update;
	(void)out;
	return true;
}

/* ---- tools, plans ---- */

static bool on_tool_call(struct adapter *a, const struct json_value *update,
                         struct adapter_out *out)
{
	acp_end_message(a, out);
	return acp_tool(a, update, ACP_TOOL_BEGINS, out) != NULL;
}

static bool on_tool_update(struct adapter *a, const struct json_value *update,
                           struct adapter_out *out)
{
	acp_end_message(a, out);
	return acp_tool(a, update, ACP_TOOL_GOES_ON, out) != NULL;
}

static bool on_plan(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	const struct json_value *entries = json_get(update, "entries");
	struct buf text;
	struct jsonw w;
	bool ok = json_type_of(entries) == JSON_T_ARRAY;

	(void)a;
	if (!ok) {
		return false;
	}
	buf_init(&text, PLAN_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "entries");
	for (size_t i = 0; i < json_count(entries); i++) {
		const struct json_value *entry = json_at(entries, i);

		jsonw_object(&w, NULL);
		jsonw_str(&w, "content", json_as_str(json_get(entry, "content")));
		jsonw_str(&w, "status", json_as_str(json_get(entry, "status")));
		jsonw_str(&w, "priority", json_as_str(json_get(entry, "priority")));
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	ok = !buf_failed(&text);
	if (ok) {
		adapter_out_event(out, EVENT_TYPE_PLAN, &text);
	}
	buf_fini(&text);
	return ok;
}

/* ---- what it can ---- */

static void tell(struct adapter *a, struct adapter_out *out)
{
	if (a->ready) {
		acp_tell_ready(a, out);
	}
}

static bool on_commands(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	acp_take_commands(a, json_get(update, "availableCommands"));
	tell(a, out);
	return true;
}

static bool on_mode(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	struct str mode = json_as_str(json_get(update, "currentModeId"));

	if (mode.n == 0 || mode.n > ADAPTER_ID_MAX) {
		return false;
	}
	acp_set(&a->mode.now, mode);
	tell(a, out);
	return true;
}

static bool on_options(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	acp_take_options(a, json_get(update, "configOptions"));
	tell(a, out);
	return true;
}

static bool on_usage(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	acp_usage(a, update, out);
	return true;
}

static bool on_notice(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	struct str title = json_as_str(json_get(update, "title"));
	struct str more = json_as_str(json_get(update, "description"));
	struct buf text;

	(void)a;
	buf_init(&text, ADAPTER_LINE_MAX);
	buf_add_str(&text, title);
	if (more.n > 0) {
		buf_add_cstr(&text, "\n");
		buf_add_str(&text, more);
	}
	if (str_eq(json_as_str(json_get(update, "severity")), STR_LIT("error"))) {
		adapter_say_error(out, STR_LIT("agent"), buf_str(&text));
	} else {
		adapter_say_note(out, buf_str(&text));
	}
	buf_fini(&text);
	return true;
}

/* ---- all of them ---- */

static const struct update_row {
	const char *name;
	/* False: it is not as it should be. */
	bool (*fn)(struct adapter *a, const struct json_value *update, struct adapter_out *out);
	bool always; /* not only history when a session is continued */
} rows[] = {
	{ "agent_message_chunk", on_message, false },
	{ "agent_thought_chunk", on_thought, false },
	{ "user_message_chunk", on_user, false },
	{ "tool_call", on_tool_call, false },
	{ "tool_call_update", on_tool_update, false },
	{ "plan", on_plan, false },
	{ "available_commands_update", on_commands, true },
	{ "current_mode_update", on_mode, true },
	{ "config_option_update", on_options, true },
	{ "usage_update", on_usage, true },
	{ "notice", on_notice, false },
};

static const struct update_row *row_of(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (str_eq(name, str_of(rows[i].name))) {
			return &rows[i];
		}
	}
	return NULL;
}

void acp_updated(struct adapter *a, const struct json_value *params, const struct json_value *line,
                 struct adapter_out *out)
{
	const struct json_value *update = json_get(params, "update");
	const struct update_row *row = row_of(json_as_str(json_get(update, "sessionUpdate")));
	struct str session = json_as_str(json_get(params, "sessionId"));
	bool known = row != NULL;

	if (a->replaying && (row == NULL || !row->always)) {
		return; /* it is in the log already */
	}
	if (a->session != NULL && !str_eq(session, str_of(a->session))) {
		known = false; /* of a session that it made itself */
	}
	if (!known || !row->fn(a, update, out)) {
		adapter_say_native(out, a->kind->type, STR_LIT(""), line);
	}
}
