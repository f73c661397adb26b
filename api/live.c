#include "api/live.h"

#include "base/buf.h"
#include "event/log.h"
#include "json/value.h"
#include "redis/redis.h"

enum { LIVE_FIBERS = 32, RECENT_BYTES = 16 * 1024, RECENT_MAX = 1024 * 1024, LIVE_WAIT_MS = 10000 };

struct look {
	const struct node *node;
	struct session *rows;
	struct session_live_view *views;
	size_t count, next;
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

static struct str events_json(const struct log_page *page, struct str sid, struct arena *arena)
{
	struct str json;
	struct buf out;

	buf_init(&out, RECENT_MAX);
	buf_add_char(&out, '[');
	for (size_t i = 0; i < page->count; i++) {
		buf_add_cstr(&out, i > 0 ? "," : "");
		log_event_json(&page->events[i], sid, &out);
	}
	buf_add_char(&out, ']');
	json = buf_failed(&out) ? STR_LIT("[]") : arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return json;
}

static enum err_code look_at(struct look *look, size_t i, struct err *err)
{
	struct session *row = &look->rows[i];
	char *tenant = arena_strdup(look->arena, row->tenant);
	struct log_page page = { 0 };
	struct log_range range = { .sid = row->id,
		                   .tenant = tenant,
		                   .max_count = LIVE_RECENT,
		                   .max_bytes = RECENT_BYTES };
	struct log_head head;
	enum err_code code = log_head_get(&look->node->store, &row->id, tenant, &head, err);

	if (code != ERR_OK || !head.found) {
		return code;
	}
	range.after.n = head.at.n > LIVE_RECENT ? head.at.n - LIVE_RECENT : 0;
	code = log_read(&look->node->store, &range, &page, err);
	if (code == ERR_NOT_FOUND) {
		return ERR_OK; /* it left Redis meanwhile: the row has it all */
	}
	if (code != ERR_OK) {
		return code;
	}
	row->state = page.head.state;
	row->epoch = page.head.at.epoch;
	for (size_t k = 0; k < page.count && session_is_terminal(row->state); k++) {
		if (page.events[k].state.n > 0) {
			take_end(row, &page.events[k], look->arena);
		}
	}
	look->views[i].recent_events = events_json(&page, str_of(row->id.s), look->arena);
	log_page_fini(&page);
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

enum err_code live_fill(const struct node *node, struct session *rows,
                        struct session_live_view *views, size_t count, struct arena *arena,
                        struct err *err)
{
	struct look look = { .node = node,
		             .rows = rows,
		             .views = views,
		             .count = count,
		             .arena = arena,
		             .err = { .code = ERR_OK } };
	struct fiber_group group = { .count = 0 };
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++) {
		wanted += session_is_terminal(rows[i].state) ? 0 : 1;
	}
	if (wanted > 0 && (node->store.generation == 0 || !redis_connected(node->redis))) {
		return err_set(err, ERR_UNAVAILABLE, "Redis is away");
	}
	for (size_t i = 0; i < wanted && i < LIVE_FIBERS; i++) {
		(void)fiber_start(node->loop, &group, "live", look_on, &look);
	}
	/* They use what is on this stack, so they are waited for whatever happens to the client. */
	fiber_shield();
	if (fiber_group_wait(&group, LIVE_WAIT_MS) != ERR_OK) {
		fiber_group_cancel(&group, ERR_TIMEOUT);
		while (fiber_group_wait(&group, FIBER_NO_TIMEOUT) != ERR_OK) {
		}
	}
	fiber_unshield();
	*err = look.err;
	return look.err.code;
}
