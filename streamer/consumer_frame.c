#include "streamer/consumer_frame.h"

#include "json/write.h"
#include "presence/presence.h"
#include "streamer/frame.h"
#include "streamer/shaping.h"
#include "streamer/socket_frame.h"

enum { CONSUMERS_JSON_MAX = 480 * 1024, CONSUMERS_TOLD_MAX = 16 };

static void end(struct shaping *s)
{
	if (json_as_bool(json_get(s->data, "ahead"))) { /* it does not move the client's place */
		jsonw_bool(&s->w, "ahead", true);
		jsonw_end_object(&s->w);
		return;
	}
	shaping_add_id(s, "id");
	jsonw_u64(&s->w, "seq", s->event->at.n);
	shaping_copy(s, "covers");
	jsonw_end_object(&s->w);
}

static void shape_drop(struct shaping *s, const char *reason)
{
	buf_reset(s->out);
	shaping_begin(s, "adapter_drop");
	jsonw_cstr(&s->w, "reason", reason);
	jsonw_str(&s->w, "dropped_type", s->event->type);
	shaping_add_id(s, "id");
	jsonw_u64(&s->w, "seq", s->event->at.n);
	jsonw_end_object(&s->w);
}

static void shape(const struct log_event *event, shaping_fn *fn, struct buf *out)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, &err);
	struct shaping s = { .event = event, .data = data, .out = out };

	if (data == NULL) {
		shape_drop(&s, "its JSON is not understood");
		return;
	}
	fn(&s);
	if (out->len > 0) {
		end(&s);
	}
	if (buf_failed(out)) {
		shape_drop(&s, "it is too large in this form");
	}
}

void consumer_frame_json(const struct log_event *event, struct buf *out)
{
	enum event_type type;
	struct buf json;

	if (!event_type_parse(event->type, &type) || shaping_table[type] == NULL) {
		return;
	}
	buf_init(&json, FRAME_MAX);
	shape(event, shaping_table[type], &json);
	buf_add_str(out, buf_str(&json));
	buf_fini(&json);
}

bool consumer_frame_is_history(enum event_type type)
{
	return type == EVENT_TYPE_MESSAGE || type == EVENT_TYPE_TOOL_USE ||
	       type == EVENT_TYPE_TOOL_RESULT || type == EVENT_TYPE_TURN_FINISHED;
}

void consumer_frame_event(const struct log_event *event, const struct id *sid, struct buf *out)
{
	struct buf json;

	(void)sid;
	buf_init(&json, FRAME_MAX);
	consumer_frame_json(event, &json);
	if (json.len > 0) {
		socket_frame_text(buf_str(&json), out);
	}
	buf_fini(&json);
}

/* ---- notes ---- */

static struct jsonw begin_note(struct buf *json, const char *type)
{
	struct jsonw w;

	buf_init(json, FRAME_NOTE_MAX);
	jsonw_init(&w, json);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", type);
	return w;
}

static void end_note(struct jsonw *w, const struct cursor *at, struct buf *out)
{
	char id[CURSOR_SIZE];

	cursor_format(at, id);
	jsonw_cstr(w, "id", id);
	jsonw_u64(w, "seq", at->n);
	jsonw_end_object(w);
	socket_frame_text(buf_str(w->out), out);
	buf_fini(w->out);
}

void consumer_frame_gap(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
                        struct buf *out)
{
	struct buf json;
	struct jsonw w = begin_note(&json, "replay_gap");

	(void)sid;
	jsonw_u64(&w, "from", gap->from);
	jsonw_u64(&w, "to", gap->to);
	jsonw_cstr(&w, "reason", log_gap_name(gap->reason));
	end_note(&w, at, out);
}

void consumer_frame_end(enum session_state state, const struct cursor *at, const struct id *sid,
                        struct buf *out)
{
	struct buf json;
	struct jsonw w = begin_note(&json, "session_lifecycle");

	(void)sid;
	jsonw_cstr(&w, "subtype", "session_ended");
	jsonw_object(&w, "metadata");
	jsonw_cstr(&w, "status", session_state_name(state));
	jsonw_end_object(&w);
	end_note(&w, at, out);
}

void consumer_frame_where(const struct cursor *at, const struct id *sid, struct buf *out)
{
	struct buf json;
	struct jsonw w = begin_note(&json, "cursor");

	(void)sid;
	end_note(&w, at, out);
}

void consumer_frame_consumers(const struct presence_set *set, struct str ref, struct buf *out)
{
	struct buf json;
	struct jsonw w;

	buf_init(&json, CONSUMERS_JSON_MAX);
	jsonw_init(&w, &json);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "presence_update");
	if (ref.n > 0) {
		jsonw_str(&w, "ref", ref);
	}
	jsonw_array(&w, "consumers");
	for (size_t i = 0; i < set->count; i++) {
		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "userId", set->all[i].user);
		jsonw_cstr(&w, "displayName", set->all[i].name);
		jsonw_cstr(&w, "role", presence_role_name(set->all[i].role));
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	if (!buf_failed(&json)) {
		socket_frame_text(buf_str(&json), out);
	}
	buf_fini(&json);
}

/* This protocol tells all of them each time: what a change costs must not grow with both those who
 * look and those who are told. */
void consumer_frame_presence(const struct presence_set *set, const struct presence_delta *delta,
                             const struct id *sid, struct buf *out)
{
	(void)sid;
	if (delta == NULL || set->count <= CONSUMERS_TOLD_MAX) {
		consumer_frame_consumers(set, (struct str){ NULL, 0 }, out);
	}
}

const struct format_forms consumer_frame_forms = {
	.event = consumer_frame_event,
	.ahead = consumer_frame_event,
	.gap = consumer_frame_gap,
	.end = consumer_frame_end,
	.where = consumer_frame_where,
	.presence = consumer_frame_presence,
	.keep_alive = socket_frame_ping,
	.drain = socket_frame_drain,
};
