#include "streamer/socket_frame.h"

#include "json/write.h"
#include "presence/presence.h"
#include "streamer/frame.h"
#include "ws/frame.h"

enum { PRESENCE_JSON_MAX = 480 * 1024 };

void socket_frame_text(struct str text, struct buf *out)
{
	char head[WS_HEADER_SIZE];

	buf_add(out, head, ws_format_header(head, WS_TEXT, WS_FINAL, text.n));
	buf_add_str(out, text);
}

/* The members that every frame about a session has. */
static void begin(const char *type, const struct cursor *at, const struct id *sid, size_t max,
                  struct buf *json)
{
	char id[CURSOR_SIZE];

	cursor_format(at, id);
	buf_init(json, max);
	buf_addf(json, "{\"type\":\"%s\",\"sessionId\":\"%s\",\"id\":\"%s\",\"seq\":", type, sid->s,
	         id);
	buf_add_u64(json, at->n);
}

static void end(struct buf *json, struct buf *out)
{
	buf_add_char(json, '}');
	socket_frame_text(buf_str(json), out);
	buf_fini(json);
}

void socket_frame_event(const struct log_event *event, const struct id *sid, struct buf *out)
{
	struct buf json;

	begin("event", &event->at, sid, FRAME_MAX, &json);
	buf_add_cstr(&json, ",\"event\":");
	log_event_json(event, str_of(sid->s), &json);
	end(&json, out);
}

/* No id and no seq of its own, which would move the client's place. */
static void socket_frame_ahead(const struct log_event *event, const struct id *sid, struct buf *out)
{
	struct buf json;

	buf_init(&json, FRAME_MAX);
	buf_addf(&json,
	         "{\"type\":\"event\",\"sessionId\":\"%s\",\"ahead\":true,\"event\":", sid->s);
	log_event_json(event, str_of(sid->s), &json);
	end(&json, out);
}

void socket_frame_gap(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
                      struct buf *out)
{
	struct buf json;

	begin("gap", at, sid, FRAME_NOTE_MAX, &json);
	buf_add_cstr(&json, ",\"from\":");
	buf_add_u64(&json, gap->from);
	buf_add_cstr(&json, ",\"to\":");
	buf_add_u64(&json, gap->to);
	buf_addf(&json, ",\"reason\":\"%s\"", log_gap_name(gap->reason));
	end(&json, out);
}

void socket_frame_end(enum session_state state, const struct cursor *at, const struct id *sid,
                      struct buf *out)
{
	struct buf json;

	begin("end", at, sid, FRAME_NOTE_MAX, &json);
	buf_addf(&json, ",\"status\":\"%s\"", session_state_name(state));
	end(&json, out);
}

void socket_frame_where(const struct cursor *at, const struct id *sid, struct buf *out)
{
	struct buf json;

	begin("cursor", at, sid, FRAME_NOTE_MAX, &json);
	end(&json, out);
}

void socket_frame_drain(unsigned retry_ms, struct buf *out)
{
	struct buf json;

	buf_init(&json, FRAME_NOTE_MAX);
	buf_addf(&json, "{\"type\":\"drain\",\"retryMs\":%u", retry_ms);
	end(&json, out);
}

static void add_users(struct jsonw *w, const char *name, const struct presence *users, size_t count)
{
	jsonw_array(w, name);
	for (size_t i = 0; i < count; i++) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "user", users[i].user);
		jsonw_cstr(w, "displayName", users[i].name);
		jsonw_cstr(w, "role", presence_role_name(users[i].role));
		jsonw_time(w, "since", users[i].since_ms * 1000);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

void socket_frame_presence(const struct presence_set *set, const struct presence_delta *delta,
                           const struct id *sid, struct buf *out)
{
	struct buf json;
	struct jsonw w;

	buf_init(&json, PRESENCE_JSON_MAX);
	jsonw_init(&w, &json);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "presence");
	jsonw_cstr(&w, "sessionId", sid->s);
	if (delta == NULL) {
		add_users(&w, "users", set->all, set->count);
	} else {
		add_users(&w, "joined", delta->came, delta->came_count);
		add_users(&w, "left", delta->gone, delta->gone_count);
	}
	jsonw_end_object(&w);
	if (!buf_failed(&json)) {
		socket_frame_text(buf_str(&json), out);
	}
	buf_fini(&json);
}

void socket_frame_ping(struct buf *out)
{
	char ping[WS_CONTROL_SIZE];

	buf_add(out, ping, ws_format_control(ping, WS_PING, STR_LIT("")));
}

const struct format_forms socket_frame_forms = {
	.event = socket_frame_event,
	.ahead = socket_frame_ahead,
	.gap = socket_frame_gap,
	.end = socket_frame_end,
	.where = socket_frame_where,
	.presence = socket_frame_presence,
	.keep_alive = socket_frame_ping,
	.drain = socket_frame_drain,
};
