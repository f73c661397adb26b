/*
 * GET /api/v1/sessions/{id}/logs: the log events of a session as lines.  With `after` forward,
 * page by page; else the last lines.  Either way one request looks at a bounded part of the log:
 * a page may be short, and nextPage goes on.  GET /api/v1/sessions/{id}/process-log: the last of
 * those lines that its processes printed.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/seen.h"
#include "base/clock.h"
#include "event/segment.h"
#include "json/value.h"
#include "json/write.h"
#include "rest/query.h"

enum { LOOKED_AT_MAX = 4096, READ_BYTES = 512 * 1024, ANSWER_BYTES = 1024 * 1024 };

struct line {
	struct cursor at;
	int64_t ts_ms;
	struct str level, message, stream;
};

struct search {
	struct http_request *req;
	struct rest_logs query;
	struct id id;
	struct line *lines; /* of the arena; in order from `first` */
	size_t first, count, max;
	size_t bytes, looked_at;
	uint64_t classes;   /* that are shown */
	bool of_processes;  /* only what they printed */
	struct cursor next; /* forward: where to go on */
	bool at_end;
};

static unsigned rank_of(struct str level)
{
	static const char *const names[] = { "trace", "debug", "info", "warn", "error" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(level, str_of(names[i]))) {
			return i + 1;
		}
	}
	return 3; /* what says nothing is information */
}

static bool is_printed(const struct log_event *event)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, &err);
	struct str stream = json_as_str(json_get(data, "stream"));

	return str_eq(stream, STR_LIT("stdout")) || str_eq(stream, STR_LIT("stderr"));
}

static bool is_wanted(const struct search *s, const struct log_event *event)
{
	return str_eq(event->type, STR_LIT("log")) && (!s->of_processes || is_printed(event)) &&
	       (s->classes >> log_event_class(event) & 1) != 0 &&
	       (s->query.level == 0 || rank_of(event->level) >= s->query.level) &&
	       (s->query.since_us == 0 || event->ts_ms * 1000 >= s->query.since_us);
}

static struct line line_of(const struct search *s, const struct log_event *event)
{
	struct arena *arena = s->req->arena;
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, &err);

	return (struct line){
		.at = event->at,
		.ts_ms = event->ts_ms,
		.level = event->level.n > 0 ? arena_str(arena, event->level) : STR_LIT("info"),
		.message = arena_str(arena, json_as_str(json_get(data, "message"))),
		.stream = arena_str(arena, json_as_str(json_get(data, "stream"))),
	};
}

static enum err_code read_page(const struct search *s, const struct cursor *after, uint64_t max,
                               struct log_page *ret, struct err *err)
{
	const struct node *node = node_of(s->req);
	const struct log_range range = { .sid = s->id,
		                         .tenant = app_tenant(s->req),
		                         .after = *after,
		                         .max_count = (unsigned)(max < LOG_READ_MAX ? max
		                                                                    : LOG_READ_MAX),
		                         .max_bytes = READ_BYTES };

	return log_history(&node->store, node->pg, &range, ret, err);
}

/* ---- forward ---- */

/* Takes what is wanted of a page; s->next follows. False: the answer is full. */
static bool take_forward(struct search *s, const struct log_page *page)
{
	for (size_t i = 0; i < page->count; i++) {
		const struct log_event *event = &page->events[i];

		if (is_wanted(s, event)) {
			if (s->count == s->max || s->bytes > ANSWER_BYTES) {
				return false;
			}
			s->lines[s->count++] = line_of(s, event);
			s->bytes += event->data.n;
		}
		s->next = event->at;
	}
	s->next = page->next;
	return true;
}

static enum err_code search_forward(struct search *s, struct err *err)
{
	bool go_on = true;

	s->next = s->query.after;
	while (go_on && !s->at_end && s->looked_at < LOOKED_AT_MAX) {
		struct log_page page = { 0 };
		enum err_code code = read_page(s, &s->next, LOG_READ_MAX, &page, err);

		if (code != ERR_OK) {
			return code;
		}
		s->looked_at += page.count + 1;
		go_on = take_forward(s, &page);
		s->at_end = go_on && (page.caught_up || page.count == 0);
		log_page_fini(&page);
	}
	return ERR_OK;
}

/* ---- the last lines ---- */

/* One page of a window that is read from its start; lines are kept from the end of s->lines. */
static size_t take_window(struct search *s, const struct log_page *page, uint64_t to,
                          struct line *kept)
{
	size_t count = 0;

	for (size_t i = 0; i < page->count && page->events[i].at.n <= to; i++) {
		if (is_wanted(s, &page->events[i])) {
			kept[count++] = line_of(s, &page->events[i]);
			s->bytes += page->events[i].data.n;
		}
	}
	return count;
}

static void prepend(struct search *s, const struct line *kept, size_t count)
{
	while (count > 0 && s->first > 0) {
		s->lines[--s->first] = kept[--count];
		s->count++;
	}
}

/* The events from+1..to, at most LOG_READ_MAX of them, in as many reads as it takes. */
static enum err_code search_window(struct search *s, uint64_t from, uint64_t to, bool *ret_too_old,
                                   struct err *err)
{
	struct line *kept = arena_take(s->req->arena, LOG_READ_MAX * sizeof(*kept));
	struct cursor after = { .n = from };
	size_t count = 0;

	while (after.n < to) {
		struct log_page page = { 0 };
		enum err_code code = read_page(s, &after, to - after.n, &page, err);

		if (code != ERR_OK) {
			return code;
		}
		if (page.count > 0 && after.n == from && s->query.since_us != 0 &&
		    page.events[0].ts_ms * 1000 < s->query.since_us) {
			*ret_too_old = true;
		}
		count += take_window(s, &page, to, kept + count);
		after = page.next.n > after.n ? page.next : (struct cursor){ .n = to };
		log_page_fini(&page);
	}
	s->looked_at += to - from;
	prepend(s, kept, count);
	return ERR_OK;
}

static enum err_code end_of_log(const struct search *s, const struct session *row, uint64_t *ret,
                                struct err *err)
{
	struct log_head head = { .found = false };
	enum err_code code = ERR_OK;

	if (!session_is_terminal(row->state) || row->n == 0) {
		code = log_head_get(&node_of(s->req)->store, &s->id, app_tenant(s->req), &head,
		                    err);
	}
	*ret = code == ERR_OK && head.found ? head.at.n : row->n;
	return code;
}

static enum err_code search_back(struct search *s, const struct session *row, struct err *err)
{
	bool too_old = false;
	uint64_t to = 0;
	enum err_code code = end_of_log(s, row, &to, err);

	s->first = s->max;
	while (code == ERR_OK && to > 0 && s->first > 0 && !too_old &&
	       s->looked_at < LOOKED_AT_MAX && s->bytes <= ANSWER_BYTES) {
		uint64_t from = to > LOG_READ_MAX ? to - LOG_READ_MAX : 0;

		code = search_window(s, from, to, &too_old, err);
		to = from;
	}
	s->at_end = true;
	return code;
}

/* ---- the answer ---- */

static void write_lines(const struct search *s, struct http_reply *reply)
{
	char next[CURSOR_SIZE];
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = s->first; i < s->first + s->count; i++) {
		const struct line *line = &s->lines[i];

		jsonw_object(&w, NULL);
		jsonw_str(&w, "level", line->level);
		jsonw_str(&w, "message", line->message);
		jsonw_time(&w, "ts", line->ts_ms * 1000);
		if (line->stream.n > 0) {
			jsonw_str(&w, "stream", line->stream);
		}
		cursor_format(&line->at, next);
		jsonw_cstr(&w, "id", next);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	if (!s->at_end) {
		cursor_format(&s->next, next);
		jsonw_cstr(&w, "nextPage", next);
	}
	jsonw_end_object(&w);
}

static void answer_logs(struct http_request *req, struct http_reply *reply,
                        const struct rest_query_table *table, bool of_processes)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct search s = { .req = req, .classes = app_sees(req), .of_processes = of_processes };
	struct session row;
	struct err err;
	enum err_code code = rest_query(req, table, &s.query, problems);

	if (s.query.has_tail && s.query.has_after) {
		json_problem_add(problems, req->arena, "tail", "is possible only without after");
	}
	if (code != ERR_OK || problems->count > 0) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!seen_id(req, reply, &s.id) || !seen_row(req, reply, &s.id, &row)) {
		return;
	}
	s.max = s.query.has_after ? s.query.per_page : s.query.tail;
	s.lines = arena_take(req->arena, s.max * sizeof(*s.lines));
	code = s.query.has_after ? search_forward(&s, &err) : search_back(&s, &row, &err);
	if (code == ERR_OK) {
		write_lines(&s, reply);
	} else if (code == ERR_NOT_FOUND && !session_is_terminal(row.state)) {
		/* Accepted, but nothing has happened yet. */
		s.count = 0;
		s.at_end = true;
		write_lines(&s, reply);
	} else {
		answer_error(req, reply, &err);
	}
}

void serve_session_logs(struct http_request *req, struct http_reply *reply)
{
	answer_logs(req, reply, &rest_logs_table, false);
}

void serve_session_process_log(struct http_request *req, struct http_reply *reply)
{
	answer_logs(req, reply, &rest_process_log_table, true);
}
