#include "streamer/frame.h"

#include "sse/sse.h"

static void add_event(const struct log_event *event, const struct id *sid, struct str id,
                      struct buf *out)
{
	struct buf json;

	buf_init(&json, FRAME_MAX);
	log_event_json(event, str_of(sid->s), &json);
	sse_format(out, id, event->type, buf_str(&json));
	buf_fini(&json);
}

void frame_event(const struct log_event *event, const struct id *sid, struct buf *out)
{
	char id[CURSOR_SIZE];

	cursor_format(&event->at, id);
	add_event(event, sid, str_of(id), out);
}

static void frame_ahead(const struct log_event *event, const struct id *sid, struct buf *out)
{
	add_event(event, sid, STR_LIT(""), out);
}

/* The members that every note has. */
static void begin_note(const char *type, const char *id, const struct id *sid, struct buf *json)
{
	buf_init(json, FRAME_NOTE_MAX);
	buf_addf(json, "{\"type\":\"%s\",\"sessionId\":\"%s\",\"id\":\"%s\"", type, sid->s, id);
}

static void end_note(const char *type, const char *id, struct buf *json, struct buf *out)
{
	buf_add_char(json, '}');
	sse_format(out, str_of(id), str_of(type), buf_str(json));
	buf_fini(json);
}

void frame_gap(const struct log_gap *gap, const struct cursor *at, const struct id *sid,
               struct buf *out)
{
	char id[CURSOR_SIZE];
	struct buf json;

	cursor_format(at, id);
	begin_note("gap", id, sid, &json);
	buf_add_cstr(&json, ",\"from\":");
	buf_add_u64(&json, gap->from);
	buf_add_cstr(&json, ",\"to\":");
	buf_add_u64(&json, gap->to);
	buf_addf(&json, ",\"reason\":\"%s\"", log_gap_name(gap->reason));
	end_note("gap", id, &json, out);
}

void frame_end(enum session_state state, const struct cursor *at, const struct id *sid,
               struct buf *out)
{
	char id[CURSOR_SIZE];
	struct buf json;

	cursor_format(at, id);
	begin_note("end", id, sid, &json);
	buf_addf(&json, ",\"status\":\"%s\"", session_state_name(state));
	end_note("end", id, &json, out);
}

void frame_id(const struct cursor *at, struct buf *out)
{
	char id[CURSOR_SIZE];

	cursor_format(at, id);
	buf_addf(out, "id: %s\n\n", id);
}

void frame_retry(unsigned ms, struct buf *out)
{
	sse_format_retry(out, ms);
}

void frame_comment(struct buf *out)
{
	sse_format_comment(out, STR_LIT(""));
}

void frame_drain(unsigned retry_ms, struct buf *out)
{
	struct buf json;

	buf_init(&json, FRAME_NOTE_MAX);
	buf_addf(&json, "{\"type\":\"drain\",\"retryMs\":%u}", retry_ms);
	frame_retry(retry_ms, out);
	sse_format(out, STR_LIT(""), STR_LIT("drain"), buf_str(&json));
	buf_fini(&json);
}

static void frame_where(const struct cursor *at, const struct id *sid, struct buf *out)
{
	(void)sid;
	frame_id(at, out);
}

void frame_note(const char *type, struct str json, struct buf *out)
{
	sse_format(out, (struct str){ NULL, 0 }, str_of(type), json);
}

const struct format_forms frame_forms = {
	.event = frame_event,
	.ahead = frame_ahead,
	.gap = frame_gap,
	.end = frame_end,
	.where = frame_where,
	.keep_alive = frame_comment,
	.drain = frame_drain,
};
