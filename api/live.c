#include "api/live.h"

#include "api/app.h"
#include "base/buf.h"
#include "event/log.h"
#include "json/value.h"
#include "redis/redis.h"

enum {
	LIVE_FIBERS = 32,
	READ_BYTES = 256 * 1024,
	SHOWN_MAX = 8 * 1024, /* bytes of an event that is shown in full */
	RECENT_MAX = 64 * 1024,
	LIVE_WAIT_MS = 10000,
};

struct look {
	const struct node *node;
	struct session *rows;
	struct session_live_view *views;
	size_t count, next;
	uint64_t classes; /* of events that are shown */
	struct arena *arena;
	struct err err; /* the first */
};

/* The row follows the log by a moment: what the last event said about the end is already true. */
static void take_end(struct session *row, const struct log_event *event, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, &err);
	const struct json_value *code = json_get(data, "exitCode");
	struct str reason = json_as_str(json_get(data, "reason"));

	row->ended_us = event->ts_ms * 1000;
	row->updated_us = row->ended_us;
	if (json_is_int(code)) {
		row->has_exit_code = true;
		row->exit_code = (int)json_as_i64(code);
	}
	if (reason.n > 0) {
		row->reason = arena_str(arena, reason);
	}
}

/* What is large is named only: a list shows events, it does not carry them. */
static void add_event(const struct log_event *event, struct str sid, struct buf *out)
{
	struct log_event shown = *event;

	if (shown.data.n > SHOWN_MAX) {
		shown.data = STR_LIT("{\"truncated\":true}");
	}
	buf_add_cstr(out, out->len > 1 ? "," : "");
	log_event_json(&shown, sid, out);
}

/* What the newest events are, and what they say about the row. */
static void show_recent(struct look *look, struct session *row, const struct log_page *page,
                        struct buf *out)
{
	row->state = page->head.state;
	row->epoch = page->head.at.epoch;
	buf_add_char(out, '[');
	for (size_t i = 0; i < page->count; i++) {
		const struct log_event *event = &page->events[i];

		if ((look->classes >> log_event_class(event) & 1) != 0) {
			add_event(event, str_of(row->id.s), out);
		}
		if (session_is_terminal(row->state) && event->state.n > 0) {
			take_end(row, event, look->arena);
		}
	}
	buf_add_char(out, ']');
}

static enum err_code look_at(struct look *look, size_t i, struct err *err)
{
	struct session *row = &look->rows[i];
	const struct log_range range = { .sid = row->id,
		                         .tenant = arena_strdup(look->arena, row->tenant),
		                         .max_count = LIVE_RECENT,
		                         .max_bytes = READ_BYTES };
	struct log_page page;
	enum err_code code = log_recent(&look->node->store, &range, &page, err);
	struct buf out;

	if (code != ERR_OK) {
		/* It left Redis, or is not there yet: the row has it all. */
		return code == ERR_NOT_FOUND ? ERR_OK : code;
	}
	buf_init(&out, RECENT_MAX);
	show_recent(look, row, &page, &out);
	log_page_fini(&page);
	if (!buf_failed(&out)) {
		look->views[i].recent_events = arena_str(look->arena, buf_str(&out));
	}
	buf_fini(&out);
	return ERR_OK;
}

static void look_on(void *arg)
{
	struct look *look = arg;
	struct err err;

	while (look->next < look->count && look->err.code == ERR_OK) {
		size_t i = look->next++;

		if (!session_is_terminal(look->rows[i].state) && look_at(look, i, &err) != ERR_OK &&
		    look->err.code == ERR_OK) {
			look->err = err;
		}
	}
}

static void look_together(struct look *look, size_t wanted)
{
	struct fiber_group group = { .count = 0 };

	for (size_t i = 0; i < wanted && i < LIVE_FIBERS; i++) {
		(void)fiber_start(look->node->loop, &group, "live", look_on, look);
	}
	/* They use what is on this stack, so they are waited for whatever happens to the client. */
	fiber_shield();
	if (fiber_group_wait(&group, LIVE_WAIT_MS) != ERR_OK) {
		fiber_group_cancel(&group, ERR_TIMEOUT);
		while (fiber_group_wait(&group, FIBER_NO_TIMEOUT) != ERR_OK) {
		}
	}
	fiber_unshield();
}

enum err_code live_fill(const struct http_request *req, struct session *rows,
                        struct session_live_view *views, size_t count, struct err *err)
{
	const struct node *node = node_of(req);
	struct look look = { .node = node,
		             .classes = app_sees(req),
		             .rows = rows,
		             .views = views,
		             .count = count,
		             .arena = req->arena,
		             .err = { .code = ERR_OK } };
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++) {
		wanted += session_is_terminal(rows[i].state) ? 0 : 1;
	}
	if (wanted > 0 && (node->store.generation == 0 || !redis_connected(node->redis))) {
		return err_set(err, ERR_UNAVAILABLE, "Redis is away");
	}
	if (wanted == 1) {
		look_on(&look);
	} else {
		look_together(&look, wanted);
	}
	*err = look.err;
	return look.err.code;
}
