/*
 * Events as pages of JSON: numbered ones, newest first, over the whole log, or those after a
 * cursor, oldest first.
 *
 * The work of one request is bounded: events looked at, and bytes of the answer.  A numbered page
 * that is not complete for that reason says so; a page after a cursor goes on at its `next`.
 */
#include <stdio.h>

#include "event/segment.h"
#include "json/write.h"
#include "streamer/app.h"
#include "streamer/events.h"
#include "streamer/reader.h"

enum {
	SCAN_MAX = 8192,              /* events looked at */
	READ_BYTES = 512 * 1024,      /* of one read */
	PAGE_BYTES = 4 * 1024 * 1024, /* of items: then large ones are left out, for their cursor */
	SMALL = 4096,                 /* an item that is never left out */
	ITEMS_MAX = 200,
};

/* One item of the answer, in items. */
struct part {
	size_t at, n;
};

struct page {
	struct events_request *request;
	struct log_head head;
	struct buf items;
	struct part parts[ITEMS_MAX];
	size_t count, wanted;
	uint64_t skip;    /* matching events before the page */
	uint64_t scanned; /* events looked at */
	bool more;        /* there are matching events after the page */
	bool cut;         /* the bound on scanned was reached first */
	struct log_gap gap;
	struct page *block; /* a few events at a time */
};

/* ---- items ---- */

static unsigned grade_of(struct str level)
{
	static const char *const levels[] = { "trace", "debug", "info", "warn", "error" };

	for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
		if (str_eq(level, str_of(levels[i]))) {
			return i + 1;
		}
	}
	return 0;
}

static bool is_filtered(const struct page *page)
{
	return page->request->query.types != 0 || page->request->query.level != 0;
}

/* The level is about log events only. */
static bool matches(const struct page *page, const struct log_event *event)
{
	const struct rest_events *query = &page->request->query;
	enum event_type type;

	if (query->types != 0 &&
	    (!event_type_parse(event->type, &type) || (query->types >> (unsigned)type & 1) == 0)) {
		return false;
	}
	return query->level == 0 || !str_eq(event->type, STR_LIT("log")) ||
	       grade_of(event->level) >= query->level;
}

/* An event whose members would not fit keeps its envelope: its cursor is there to read it by. */
static void add_item(struct page *page, const struct log_event *event)
{
	struct part *part = &page->parts[page->count++];
	struct log_event shown = *event;
	char members[64];

	if (event->data.n > SMALL && page->items.len + event->data.n > PAGE_BYTES) {
		(void)snprintf(members, sizeof(members), "{\"omittedBytes\":%zu}", event->data.n);
		shown.data = str_of(members);
	}
	part->at = page->items.len;
	log_event_json(&shown, str_of(page->request->sid.s), &page->items);
	part->n = page->items.len - part->at;
}

/* ---- reading ---- */

static enum err_code read_some(const struct page *page, struct cursor after, uint64_t count,
                               struct log_page *ret, struct err *err)
{
	struct node *node = node_of(page->request->req);
	struct log_range range = { .sid = page->request->sid,
		                   .tenant = page->request->principal->tenant,
		                   .after = after,
		                   .max_count =
		                           count < LOG_READ_MAX ? (unsigned)count : LOG_READ_MAX,
		                   .max_bytes = READ_BYTES };

	return log_history(&node->store, node->pg, &range, ret, err);
}

static struct cursor before_n(uint64_t n)
{
	return (struct cursor){ CURSOR_EPOCH_ANY, n - 1 };
}

/* The first n in [lo, hi] whose event is not earlier than that; hi + 1 when there is none. Time
 * never runs backwards in a log. */
static enum err_code find_time(const struct page *page, int64_t us, uint64_t hi, uint64_t *ret,
                               struct err *err)
{
	uint64_t lo = 1;

	hi++;
	while (lo < hi) {
		uint64_t middle = lo + (hi - lo) / 2;
		struct log_page read;
		enum err_code code = read_some(page, before_n(middle), 1, &read, err);

		if (code != ERR_OK) {
			return code;
		}
		if (read.count == 0 || read.events[0].at.n >= hi ||
		    read.events[0].ts_ms * 1000 >= us) {
			hi = middle;
		} else {
			lo = read.events[0].at.n + 1;
		}
		log_page_fini(&read);
	}
	*ret = lo;
	return ERR_OK;
}

/* Events from..to, oldest first, at most LOG_READ_MAX of them: those that match, each in an item.
 */
static enum err_code read_block(struct page *page, uint64_t from, uint64_t to, struct page *block,
                                struct err *err)
{
	uint64_t n = from;

	while (n <= to) {
		struct log_page read;
		enum err_code code = read_some(page, before_n(n), to - n + 1, &read, err);

		if (code != ERR_OK) {
			return code;
		}
		if (read.gap.reason != LOG_GAP_NONE) {
			page->gap = read.gap;
		}
		n = read.count > 0 ? read.events[read.count - 1].at.n + 1 : to + 1;
		for (size_t i = 0; i < read.count; i++) {
			if (read.events[i].at.n <= to && matches(page, &read.events[i])) {
				add_item(block, &read.events[i]);
			}
		}
		log_page_fini(&read);
	}
	page->scanned += to - from + 1;
	return ERR_OK;
}

/* ---- numbered pages ---- */

static void take_item(struct page *page, const struct page *block, size_t i)
{
	const struct part *from = &block->parts[i];

	if (page->skip > 0) {
		page->skip--;
	} else if (page->count == page->wanted) {
		page->more = true;
	} else {
		page->parts[page->count++] = (struct part){ page->items.len, from->n };
		buf_add(&page->items, block->items.data + from->at, from->n);
	}
}

static enum err_code take_block(struct page *page, uint64_t from, uint64_t to, struct err *err)
{
	struct page *block = page->block;
	bool ascending = page->request->query.sort == 1;
	enum err_code code;

	block->count = 0;
	buf_reset(&block->items);
	code = read_block(page, from, to, block, err);
	for (size_t i = 0; code == ERR_OK && i < block->count; i++) {
		take_item(page, block, ascending ? i : block->count - 1 - i);
	}
	return code;
}

/* From one end of [lo, hi] towards the other until the page is full and it is known whether there
 * is more. */
static enum err_code scan(struct page *page, uint64_t lo, uint64_t hi, struct err *err)
{
	bool ascending = page->request->query.sort == 1;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && lo <= hi && !page->more) {
		uint64_t n = hi - lo + 1 < LOG_READ_MAX ? hi - lo + 1 : LOG_READ_MAX;

		if (page->scanned >= SCAN_MAX) {
			page->cut = true;
			break;
		}
		if (ascending) {
			code = take_block(page, lo, lo + n - 1, err);
			lo += n;
		} else {
			code = take_block(page, hi - n + 1, hi, err);
			hi -= n;
		}
	}
	return code;
}

static enum err_code read_numbered(struct page *page, uint64_t *ret_total, struct err *err)
{
	const struct rest_events *query = &page->request->query;
	uint64_t lo = 1, hi = page->head.at.n, skip;
	enum err_code code = ERR_OK;

	if (query->since_us != 0) {
		code = find_time(page, query->since_us, hi, &lo, err);
	}
	if (code == ERR_OK && query->until_us != 0) {
		code = find_time(page, query->until_us, hi, &hi, err);
		hi -= 1;
	}
	if (code != ERR_OK) {
		return code;
	}
	*ret_total = hi >= lo ? hi - lo + 1 : 0;
	skip = query->page - 1 < UINT32_MAX ? (query->page - 1) * query->per_page : UINT64_MAX / 2;
	page->skip = skip;
	if (!is_filtered(page)) { /* all match: go there at once */
		page->skip = 0;
		if (skip >= *ret_total) {
			return ERR_OK;
		}
		lo += query->sort == 1 ? skip : 0;
		hi -= query->sort == 1 ? 0 : skip;
	}
	return scan(page, lo, hi, err);
}

/* ---- the answer ---- */

static void write_items(struct page *page, struct jsonw *w)
{
	jsonw_init(w, &page->request->reply->body);
	jsonw_object(w, NULL);
	jsonw_array(w, "items");
	for (size_t i = 0; i < page->count; i++) {
		jsonw_raw(w, NULL,
		          str_make(page->items.data + page->parts[i].at, page->parts[i].n));
	}
	jsonw_end_array(w);
}

static void write_gap(const struct page *page, struct jsonw *w)
{
	if (page->gap.reason != LOG_GAP_NONE) {
		jsonw_object(w, "gap");
		jsonw_u64(w, "from", page->gap.from);
		jsonw_u64(w, "to", page->gap.to);
		jsonw_cstr(w, "reason", log_gap_name(page->gap.reason));
		jsonw_end_object(w);
	}
}

static enum err_code answer_numbered(struct page *page, struct err *err)
{
	const struct rest_events *query = &page->request->query;
	uint64_t total = 0;
	enum err_code code;
	struct jsonw w;

	page->wanted = query->per_page;
	code = read_numbered(page, &total, err);
	if (code != ERR_OK) {
		return code;
	}
	write_items(page, &w);
	jsonw_u64(&w, "page", query->page);
	jsonw_u64(&w, "perPage", query->per_page);
	if (page->more) {
		jsonw_u64(&w, "nextPage", query->page + 1);
	}
	if (!is_filtered(page)) {
		jsonw_u64(&w, "total", total);
	}
	if (page->cut) {
		jsonw_bool(&w, "incomplete", true);
	}
	write_gap(page, &w);
	jsonw_end_object(&w);
	return ERR_OK;
}

/* Take one read's events; false: the page is full. */
static bool take_events(struct page *page, const struct log_page *read, struct cursor *at)
{
	for (size_t i = 0; i < read->count; i++) {
		const struct log_event *event = &read->events[i];

		if (matches(page, event)) {
			if (page->count == page->wanted ||
			    (page->count > 0 && page->items.len + event->data.n > PAGE_BYTES)) {
				return false;
			}
			add_item(page, event);
		}
		*at = event->at;
		page->scanned++;
	}
	return true;
}

static enum err_code answer_after(struct page *page, struct err *err)
{
	struct cursor at = page->request->after;
	bool caught_up = false, going = true;
	char next[CURSOR_SIZE];
	struct jsonw w;

	page->wanted = page->request->query.limit;
	while (going && !caught_up && page->scanned < SCAN_MAX) {
		struct log_page read;
		enum err_code code = read_some(page, at, LOG_READ_MAX, &read, err);

		if (code != ERR_OK) {
			return code;
		}
		if (reader_is_doubtful(&node_of(page->request->req)->store, &read)) {
			log_page_fini(&read);
			return err_set(err, ERR_REBUILD, "the log waits for its rebuild");
		}
		if (read.gap.reason != LOG_GAP_NONE && page->scanned > 0) {
			log_page_fini(&read); /* the next page begins with it */
			break;
		}
		page->gap = read.gap.reason != LOG_GAP_NONE ? read.gap : page->gap;
		at = read.count == 0 ? read.next : at;
		going = take_events(page, &read, &at) && read.count > 0;
		caught_up = at.n >= read.head.at.n;
		page->head = read.head;
		log_page_fini(&read);
	}
	write_items(page, &w);
	cursor_format(&at, next);
	jsonw_cstr(&w, "next", next);
	jsonw_bool(&w, "caughtUp", caught_up);
	jsonw_u64(&w, "total", page->head.at.n);
	write_gap(page, &w);
	jsonw_end_object(&w);
	return ERR_OK;
}

static struct page *page_new(struct events_request *request)
{
	struct page *page = arena_take(request->req->arena, sizeof(*page));

	page->request = request;
	buf_init(&page->items, SIZE_MAX / 2);
	return page;
}

static enum err_code numbered(struct page *page, struct err *err)
{
	struct log_page read;
	enum err_code code = read_some(page, (struct cursor){ 0, 0 }, 1, &read, err);

	if (code == ERR_OK) {
		page->head = read.head;
		log_page_fini(&read);
		page->block = page_new(page->request);
		code = answer_numbered(page, err);
		buf_fini(&page->block->items);
	}
	return code;
}

void events_page(struct events_request *request)
{
	struct page *page = page_new(request);
	struct err err = { .code = ERR_OK };
	enum err_code code = request->resumes ? answer_after(page, &err) : numbered(page, &err);

	buf_fini(&page->items);
	if (code != ERR_OK) {
		buf_reset(&request->reply->body);
		events_problem(request, &err);
	}
}
