#include "streamer/consumer_greet.h"

#include "json/value.h"
#include "json/write.h"
#include "streamer/frame.h"
#include "streamer/socket_frame.h"

enum { TEXT_MAX = 512 * 1024, NUMBER_MAX = 32 };

static struct jsonw begin(struct buf *json, const char *type)
{
	struct jsonw w;

	buf_init(json, TEXT_MAX);
	jsonw_init(&w, json);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", type);
	return w;
}

static void add_ref(struct jsonw *w, struct str ref)
{
	if (ref.n > 0) {
		jsonw_str(w, "ref", ref);
	}
}

static void end(struct jsonw *w, struct buf *out)
{
	jsonw_end_object(w);
	if (buf_failed(w->out)) {
		out->failed = true;
	} else {
		socket_frame_text(buf_str(w->out), out);
	}
	buf_fini(w->out);
}

void consumer_greet_identity(const struct principal *who, struct buf *out)
{
	struct buf json;
	struct jsonw w = begin(&json, "identity");

	jsonw_cstr(&w, "userId", who->owner[0] != '\0' ? who->owner : auth_actor(who));
	jsonw_cstr(&w, "displayName", who->name);
	jsonw_cstr(&w, "role", auth_part_name(auth_part_of(who)));
	end(&w, out);
}

/* ---- the state of a session ---- */

static void add_empty_lists(struct jsonw *w)
{
	static const char *const lists[] = { "tools", "mcp_servers", "slash_commands", "skills" };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		jsonw_array(w, lists[i]);
		jsonw_end_array(w);
	}
}

static void add_agent(struct jsonw *w, struct str agent_json)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *agent = json_parse(agent_json, &err);
	const struct json_value *settings = json_get(agent, "settings");
	struct str model = json_as_str(json_get(settings, "model"));

	jsonw_str(w, "model", model.n > 0 ? model : json_as_str(json_get(agent, "model")));
	jsonw_str(w, "adapterName", json_as_str(json_get(agent, "type")));
}

static void add_workspace(struct jsonw *w, struct str workspace_json)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *workspace = json_parse(workspace_json, &err);

	jsonw_str(w, "cwd", json_as_str(json_get(workspace, "path")));
	jsonw_str(w, "repo_root", json_as_str(json_get(workspace, "path")));
	jsonw_str(w, "git_branch", json_as_str(json_get(workspace, "branch")));
	jsonw_bool(w, "is_worktree", false);
	jsonw_u64(w, "git_ahead", 0);
	jsonw_u64(w, "git_behind", 0);
}

static void add_changes(struct jsonw *w, struct str changes_json)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *changes = json_parse(changes_json, &err);

	jsonw_i64(w, "total_lines_added", json_as_i64(json_get(changes, "lines_added")));
	jsonw_i64(w, "total_lines_removed", json_as_i64(json_get(changes, "lines_removed")));
}

/* A number of the last event of a kind; 0 when there was none. */
static void add_figure(struct jsonw *w, const char *name, const struct snapshot_event *kept,
                       const char *member)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *data = kept->texts != NULL ? json_parse(kept->event.data, &err) : NULL;
	const struct json_value *value = json_get(data, member);
	struct buf number;

	buf_init(&number, NUMBER_MAX);
	if (json_type_of(value) == JSON_T_NUMBER) {
		json_format(value, &number);
	}
	jsonw_raw(w, name, number.len > 0 && !number.failed ? buf_str(&number) : STR_LIT("0"));
	buf_fini(&number);
}

void consumer_greet_session(const struct session *row, const struct snapshot *snapshot,
                            struct buf *out)
{
	char at[CURSOR_SIZE];
	struct buf json;
	struct jsonw w = begin(&json, "session_init");

	cursor_format(&snapshot->at, at);
	jsonw_u64(&w, "protocol_version", CONSUMER_PROTOCOL);
	jsonw_object(&w, "session");
	jsonw_cstr(&w, "session_id", row->id.s);
	jsonw_cstr(&w, "status", session_state_name(snapshot->state));
	add_agent(&w, row->agent);
	add_workspace(&w, row->workspace);
	add_changes(&w, row->changes);
	add_empty_lists(&w);
	jsonw_cstr(&w, "permissionMode", "default");
	jsonw_cstr(&w, "claude_code_version", "");
	add_figure(&w, "total_cost_usd", &snapshot->lasts[SNAPSHOT_COST], "usd");
	add_figure(&w, "num_turns", &snapshot->lasts[SNAPSHOT_TURN], "turn");
	jsonw_u64(&w, "context_used_percent", 0);
	jsonw_bool(&w, "is_compacting", false);
	jsonw_end_object(&w);
	jsonw_cstr(&w, "id", at);
	jsonw_u64(&w, "seq", snapshot->at.n);
	end(&w, out);
}

/* ---- what was before ---- */

void consumer_greet_history(const struct past *past, struct str ref, struct buf *out)
{
	const struct past_text *text;
	struct buf json;
	struct jsonw w = begin(&json, "message_history");

	add_ref(&w, ref);
	jsonw_array(&w, "messages");
	TAILQ_FOREACH (text, &past->messages, link) {
		jsonw_raw(&w, NULL, str_make(text->bytes, text->len));
	}
	jsonw_end_array(&w);
	jsonw_bool(&w, "has_more", past->has_more);
	if (past->has_more) {
		jsonw_u64(&w, "before", past->before);
	}
	end(&w, out);
}

/* ---- whether an agent runs ---- */

void consumer_greet_agent(enum session_state state, struct buf *out)
{
	bool works = state != SESSION_QUEUED && state != SESSION_PROVISIONING &&
	             !session_is_terminal(state);
	struct buf json;
	struct jsonw w = begin(&json, works ? "cli_connected" : "cli_disconnected");

	jsonw_object(&w, "metadata");
	jsonw_cstr(&w, "state", session_state_name(state));
	jsonw_end_object(&w);
	end(&w, out);
}
