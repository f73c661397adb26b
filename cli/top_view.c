#include "cli/top_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/mem.h"

enum { CELL_SIZE = 256, LINE_MAX_BYTES = 8192, COLUMNS_MAX = 12, HEAD_LINES = 4, FOOT_LINES = 1 };

enum kind { TEXT, NUMBER, MIB, SINCE, TIME, WORDS };

struct column {
	const char *title, *member; /* "slots.free": a member's member */
	enum kind kind;
	unsigned width; /* of the title and what is usual */
};

struct tab {
	const char *name;
	struct column columns[COLUMNS_MAX]; /* those that do not fit are left out, from the right */
};

static const struct tab tabs[TOP_TABS] = {
	[TOP_NODES] = { "nodes",
	                { { "PROGRAM", "program", TEXT, 18 },
	                  { "STATE", "state", TEXT, 11 },
	                  { "CPU%", "cpuPercent", NUMBER, 4 },
	                  { "MIB", "memoryBytes", MIB, 6 },
	                  { "REQ/S", "requestsPerSecond", NUMBER, 6 },
	                  { "5XX/S", "failedPerSecond", NUMBER, 5 },
	                  { "STREAMS", "streams", NUMBER, 7 },
	                  { "LAG us", "lagMicros", NUMBER, 7 },
	                  { "EVENTS/S", "eventsPerSecond", NUMBER, 8 },
	                  { "CONNS", "connections", NUMBER, 6 },
	                  { "UP", "since", SINCE, 6 },
	                  { "HOST", "host", TEXT, 16 } } },
	[TOP_WORKERS] = { "workers",
	                  { { "WORKER", "name", TEXT, 24 },
	                    { "STATUS", "status", TEXT, 10 },
	                    { "SESSIONS", "sessions", NUMBER, 8 },
	                    { "SLOTS", "slots", NUMBER, 6 },
	                    { "UP", "since", SINCE, 6 },
	                    { "VERSION", "version", TEXT, 12 },
	                    { "ID", "id", TEXT, 26 } } },
	[TOP_QUEUE] = { "queue",
	                { { "NEEDS", "needs", WORDS, 36 },
	                  { "READY", "ready", NUMBER, 7 },
	                  { "OLDEST s", "oldestSeconds", NUMBER, 8 },
	                  { "SOON", "soon", NUMBER, 6 },
	                  { "WORKERS", "slots.workers", NUMBER, 7 },
	                  { "FREE", "slots.free", NUMBER, 6 } } },
	[TOP_WAITS] = { "waits",
	                { { "TENANT", "tenant", TEXT, 36 },
	                  { "FOR", "reason", TEXT, 8 },
	                  { "SESSIONS", "sessions", NUMBER, 8 },
	                  { "OLDEST s", "oldestSeconds", NUMBER, 8 } } },
	[TOP_FAILURES] = { "failures",
	                   { { "SESSION", "id", TEXT, 26 },
	                     { "FAILED", "failedAt", TIME, 8 },
	                     { "CAUSE", "cause", TEXT, 10 },
	                     { "REASON", "reason", TEXT, 30 },
	                     { "PROMPT", "prompt", TEXT, 40 } } },
};

/* ---- cells ---- */

static const struct json_value *member_of(const struct json_value *row, const char *path)
{
	const char *dot = strchr(path, '.');
	char name[CELL_SIZE];

	if (dot == NULL) {
		return json_get(row, path);
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
	return json_get(json_get(row, name), dot + 1);
}

static void format_span(int64_t us, char out[CELL_SIZE])
{
	int64_t seconds = us / 1000000;
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 0, 's' } };
	size_t i = 0;

	seconds = seconds > 0 ? seconds : 0;
	while (seconds < 2 * units[i].seconds) {
		i++;
	}
	(void)snprintf(out, CELL_SIZE, "%" PRId64 "%c",
	               units[i].seconds > 0 ? seconds / units[i].seconds : seconds, units[i].unit);
}

static void join_words(const struct json_value *list, char out[CELL_SIZE])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < json_count(list) && n < CELL_SIZE - 1; i++) {
		n += (size_t)snprintf(out + n, CELL_SIZE - n, "%s%s", i > 0 ? "," : "",
		                      json_as_str(json_at(list, i)).p);
	}
}

static void format_cell(const struct top_view *view, const struct column *column,
                        const struct json_value *value, char out[CELL_SIZE])
{
	int64_t at_us = 0;

	(void)snprintf(out, CELL_SIZE, "-");
	if (json_type_of(value) == JSON_T_NULL) {
		return;
	}
	switch (column->kind) {
	case TEXT: (void)snprintf(out, CELL_SIZE, "%s", json_as_str(value).p); break;
	case NUMBER: (void)snprintf(out, CELL_SIZE, "%" PRId64, json_as_i64(value)); break;
	case MIB: (void)snprintf(out, CELL_SIZE, "%" PRId64, json_as_i64(value) >> 20); break;
	case WORDS: join_words(value, out); break;
	case SINCE:
		if (clock_parse(json_as_str(value), &at_us)) {
			format_span(view->now_us - at_us, out);
		}
		break;
	case TIME: /* hh:mm:ss of RFC 3339 */
		if (json_as_str(value).n > 19) {
			(void)snprintf(out, CELL_SIZE, "%.8s", json_as_str(value).p + 11);
		}
		break;
	}
}

static bool is_right(enum kind kind)
{
	return kind == NUMBER || kind == MIB || kind == SINCE;
}

/* As many columns of text, filled up with spaces; what a terminal would obey is shown as "?". */
static void add_padded(struct buf *line, const char *text, unsigned width, bool right)
{
	size_t cols = 0, n = 0;

	/* A character is a column; the bytes that go on with one are none. */
	while (text[n] != '\0' && (cols < width || (text[n] & 0xc0) == 0x80)) {
		cols += (text[n] & 0xc0) != 0x80;
		n++;
	}
	for (size_t i = cols; right && i < width; i++) {
		buf_add_char(line, ' ');
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		bool second = c == 0xc2 && (text[i + 1] & 0xe0) == 0x80; /* of C1, in UTF-8 */

		buf_add_char(line, c < 0x20 || c == 0x7f || second ? '?' : (char)c);
		i += second;
	}
	for (size_t i = cols; !right && i < width; i++) {
		buf_add_char(line, ' ');
	}
}

/* ---- rows ---- */

static const struct json_value *items_of(const struct top_view *view, enum top_tab tab)
{
	return json_get(view->lists[tab], "items");
}

struct order {
	const struct column *column;
	bool descends;
	struct row {
		const struct json_value *value;
		size_t at;
	} * rows;
};

/* How many columns fit; the last takes what remains. */
static size_t fitting(const struct tab *tab, unsigned cols)
{
	size_t count = 0;
	unsigned used = 0;

	while (count < COLUMNS_MAX && tab->columns[count].title != NULL) {
		unsigned needs = tab->columns[count].width + (count > 0);

		if (count > 0 && used + needs > cols) {
			break;
		}
		used += needs;
		count++;
	}
	return count;
}

static int compare_values(const struct json_value *a, const struct json_value *b)
{
	if (json_is_int(a) || json_is_int(b)) {
		int64_t x = json_as_i64(a), y = json_as_i64(b);

		return (x > y) - (x < y);
	}
	return strcmp(json_as_str(a).p, json_as_str(b).p);
}

static int compare_rows(const void *left, const void *right, void *arg)
{
	const struct row *a = left, *b = right;
	const struct order *order = arg;
	int way = order->column == NULL
	                  ? 0
	                  : compare_values(member_of(a->value, order->column->member),
	                                   member_of(b->value, order->column->member));

	if (way != 0) {
		return order->descends ? -way : way;
	}
	return (a->at > b->at) - (a->at < b->at); /* else as it came */
}

/* Sorted; the caller frees them. */
static struct row *rows_of(const struct top_view *view, enum top_tab tab, size_t *ret_count)
{
	const struct json_value *items = items_of(view, tab);
	size_t count = json_count(items);
	struct order order = { .descends = view->descends[tab],
		               .rows = mem_calloc(count + 1, sizeof(struct row)) };

	if (view->sort[tab] > 0) {
		order.column = &tabs[tab].columns[view->sort[tab] - 1];
	}
	for (size_t i = 0; i < count; i++) {
		order.rows[i] = (struct row){ json_at(items, i), i };
	}
	qsort_r(order.rows, count, sizeof(struct row), compare_rows, &order);
	*ret_count = count;
	return order.rows;
}

static void add_titles(const struct top_view *view, enum top_tab tab, struct buf *line)
{
	size_t count = fitting(&tabs[tab], view->cols);

	for (size_t i = 0; i < count; i++) {
		const struct column *column = &tabs[tab].columns[i];
		char title[CELL_SIZE];

		(void)snprintf(title, sizeof(title), "%s%s", column->title,
		               view->sort[tab] != i + 1 ? ""
		               : view->descends[tab]    ? "v"
		                                        : "^");
		add_padded(line, title, column->width, is_right(column->kind));
		buf_add_cstr(line, i + 1 < count ? " " : "");
	}
}

static void add_row(const struct top_view *view, enum top_tab tab, const struct json_value *row,
                    struct buf *line)
{
	size_t count = fitting(&tabs[tab], view->cols);

	for (size_t i = 0; i < count; i++) {
		const struct column *column = &tabs[tab].columns[i];
		char cell[CELL_SIZE];

		format_cell(view, column, member_of(row, column->member), cell);
		add_padded(line, cell, column->width, is_right(column->kind));
		buf_add_cstr(line, i + 1 < count ? " " : "");
	}
}

/* ---- what is above them ---- */

struct totals {
	size_t nodes, ready;
	int64_t requests, failed, streams, events;
	int64_t queue[3]; /* ready, delayed, leased */
};

static void add_up(const struct json_value *nodes, struct totals *t)
{
	static const char *const places[] = { "ready", "delayed", "leased" };

	*t = (struct totals){ .nodes = json_count(nodes) };
	for (size_t i = 0; i < t->nodes; i++) {
		const struct json_value *node = json_at(nodes, i);
		const struct json_value *queue = json_get(node, "queue");

		t->ready += str_eq(json_as_str(json_get(node, "state")), STR_LIT("ready"));
		t->requests += json_as_i64(json_get(node, "requestsPerSecond"));
		t->failed += json_as_i64(json_get(node, "failedPerSecond"));
		t->streams += json_as_i64(json_get(node, "streams"));
		t->events += json_as_i64(json_get(node, "eventsPerSecond"));
		/* Each scheduler tells of all: the most that one says. */
		for (size_t k = 0; k < ARRAY_LEN(places); k++) {
			int64_t n = json_as_i64(json_get(queue, places[k]));

			t->queue[k] = n > t->queue[k] ? n : t->queue[k];
		}
	}
}

static void add_totals(const struct top_view *view, struct buf *out)
{
	struct totals t;

	add_up(items_of(view, TOP_NODES), &t);
	buf_addf(out,
	         "nodes %zu/%zu ready  workers %zu  queue %" PRId64 " ready %" PRId64
	         " delayed %" PRId64 " running  %" PRId64 " req/s %" PRId64 " failed  %" PRId64
	         " streams %" PRId64 " events/s",
	         t.ready, t.nodes, json_count(items_of(view, TOP_WORKERS)), t.queue[0], t.queue[1],
	         t.queue[2], t.requests, t.failed, t.streams, t.events);
}

/* One line of the screen: cut, and without spaces at its end. */
static void add_line(const struct top_view *view, const char *text, const char *style,
                     struct buf *out)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	add_padded(&line, text, view->cols, false);
	while (line.len > 0 && line.data[line.len - 1] == ' ') {
		line.len--;
	}
	buf_add_cstr(out, view->styled ? style : "");
	buf_add(out, line.data, line.len);
	buf_add_cstr(out, view->styled ? "\033[0m\033[K" : "");
	buf_fini(&line);
}

static void add_built(const struct top_view *view, struct buf *line, const char *style,
                      struct buf *out)
{
	add_line(view, buf_cstr(line), style, out);
	buf_add_cstr(out, "\r\n");
	buf_reset(line);
}

static void add_head(const struct top_view *view, struct buf *line, struct buf *out)
{
	buf_addf(line, "fairlead top  %s%s%s", view->server, view->problem[0] != '\0' ? "  " : "",
	         view->problem);
	add_built(view, line, "\033[1m", out);
	add_totals(view, line);
	add_built(view, line, "", out);
	for (size_t i = 0; i < TOP_TABS; i++) {
		buf_addf(line, i == view->tab ? "[%s] " : " %s  ", tabs[i].name);
	}
	add_built(view, line, "\033[1m", out);
	add_titles(view, view->tab, line);
	add_built(view, line, "\033[7m", out);
}

static size_t room(const struct top_view *view)
{
	return view->rows - HEAD_LINES - FOOT_LINES;
}

void top_draw(struct top_view *view, struct buf *out)
{
	size_t count, shown = room(view), *first = &view->first[view->tab];
	struct row *rows = rows_of(view, view->tab, &count);
	struct buf line;

	*first = count <= shown ? 0 : *first > count - shown ? count - shown : *first;
	buf_init(&line, LINE_MAX_BYTES);
	add_head(view, &line, out);
	for (size_t i = 0; i < shown; i++) {
		if (*first + i < count) {
			add_row(view, view->tab, rows[*first + i].value, &line);
		}
		add_built(view, &line, "", out);
	}
	buf_addf(&line, "q quit  tab next  < > sort  r reverse  up down  %zu-%zu of %zu",
	         count > 0 ? *first + 1 : 0, *first + shown < count ? *first + shown : count,
	         count);
	add_line(view, buf_cstr(&line), "\033[2m", out);
	buf_fini(&line);
	free(rows);
}

void top_print(struct top_view *view, struct buf *out)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	add_totals(view, &line);
	add_line(view, buf_cstr(&line), "", out);
	for (enum top_tab tab = 0; tab < TOP_TABS; tab++) {
		size_t count;
		struct row *rows = rows_of(view, tab, &count);

		buf_addf(out, "\n\n%s\n", tabs[tab].name);
		for (size_t i = 0; i <= count; i++) {
			buf_reset(&line);
			if (i == 0) {
				add_titles(view, tab, &line);
			} else {
				add_row(view, tab, rows[i - 1].value, &line);
			}
			add_line(view, buf_cstr(&line), "", out);
			buf_add_cstr(out, i < count ? "\n" : "");
		}
		free(rows);
	}
	buf_add_char(out, '\n');
	buf_fini(&line);
}

/* ---- keys ---- */

size_t top_key(struct str bytes, enum top_key *ret)
{
	static const struct {
		const char *bytes;
		enum top_key key;
	} keys[] = { { "q", TOP_KEY_QUIT },       { "\003", TOP_KEY_QUIT },
		     { "\033[A", TOP_KEY_UP },    { "\033OA", TOP_KEY_UP },
		     { "\033[B", TOP_KEY_DOWN },  { "\033OB", TOP_KEY_DOWN },
		     { "\033[C", TOP_KEY_RIGHT }, { "\033OC", TOP_KEY_RIGHT },
		     { "\033[D", TOP_KEY_LEFT },  { "\033OD", TOP_KEY_LEFT },
		     { "\t", TOP_KEY_TAB },       { "s", TOP_KEY_SORT },
		     { ">", TOP_KEY_RIGHT },      { "<", TOP_KEY_LEFT },
		     { "r", TOP_KEY_REVERSE } };

	*ret = TOP_KEY_NONE;
	if (bytes.n == 0) {
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct str known = str_of(keys[i].bytes);

		if (str_starts(bytes, known)) {
			*ret = keys[i].key;
			return known.n;
		}
		if (str_starts(known, bytes)) {
			return 0;
		}
	}
	return 1;
}

static void move_sort(struct top_view *view, bool right)
{
	unsigned count = (unsigned)fitting(&tabs[view->tab], view->cols) + 1;
	unsigned *sort = &view->sort[view->tab];

	*sort = (*sort + (right ? 1 : count - 1)) % count;
}

bool top_press(struct top_view *view, enum top_key key)
{
	size_t *first = &view->first[view->tab];

	switch (key) {
	case TOP_KEY_NONE: break;
	case TOP_KEY_QUIT: return false;
	case TOP_KEY_UP: *first -= *first > 0; break;
	case TOP_KEY_DOWN: *first += 1; break; /* drawing knows the last one */
	case TOP_KEY_LEFT: move_sort(view, false); break;
	case TOP_KEY_RIGHT:
	case TOP_KEY_SORT: move_sort(view, true); break;
	case TOP_KEY_REVERSE: view->descends[view->tab] = !view->descends[view->tab]; break;
	case TOP_KEY_TAB: view->tab = (view->tab + 1) % TOP_TABS; break;
	}
	return true;
}
