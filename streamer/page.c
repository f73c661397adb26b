#include "streamer/page.h"

#include <stdio.h>

#include "event/segment.h"
#include "streamer/app.h"

enum {
	READ_BYTES = 512 * 1024, /* of one read */
	SMALL = 4096,            /* an item that is never left out */
	KEY_SIZE = AUTH_TENANT_MAX + ID_LEN + CURSOR_SIZE + 32,
};

struct page *page_new(struct events_request *request)
{
	struct page *page = arena_take(request->req->arena, sizeof(*page));

	page->request = request;
	page->filter = (struct event_filter){ request->classes, request->query.level };
	buf_init(&page->items, SIZE_MAX / 2);
	return page;
}

/* An event whose members would not fit keeps its envelope: its cursor is there to read it by. */
void page_add(struct page *page, const struct log_event *event)
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

struct asked {
	struct node *node;
	struct log_range range;
	uint64_t trimmed;
	bool archived; /* only the archive is asked */
};

struct fetched {
	struct log_page page;
	uint64_t trimmed;
};

static enum err_code fetch(const void *what, void *ret, struct err *err)
{
	const struct asked *asked = what;
	struct fetched *fetched = ret;

	fetched->trimmed = asked->trimmed;
	if (asked->archived) {
		return segment_read(asked->node->pg, &asked->range, &fetched->page, err);
	}
	return log_history_on(&asked->node->store, asked->node->pg, &asked->range,
	                      &fetched->trimmed, &fetched->page, err);
}

static void drop(void *fetched)
{
	log_page_fini(&((struct fetched *)fetched)->page);
}

static const struct flight_kind reading = { sizeof(struct fetched), fetch, drop };

enum err_code page_read(struct page *page, struct cursor after, uint64_t count, struct flight **ret,
                        struct err *err)
{
	const struct events_request *request = page->request;
	const struct asked asked = {
		.node = node_of(request->req),
		.range = { .sid = request->sid,
		           .tenant = request->principal->tenant,
		           .after = after,
		           .max_count = count < LOG_READ_MAX ? (unsigned)count : LOG_READ_MAX,
		           .max_bytes = READ_BYTES },
		.trimmed = page->trimmed,
		.archived = after.n < page->archived,
	};
	const struct fetched *fetched;
	char key[KEY_SIZE], at[CURSOR_SIZE];
	enum err_code code;

	cursor_format(&after, at);
	(void)snprintf(key, sizeof(key), "%s %s %s %u %d", asked.range.sid.s, asked.range.tenant,
	               at, asked.range.max_count, (int)asked.archived);
	code = flight_hold(app_of(request->req)->flights, str_of(key), &reading, &asked, ret, err);
	if (code == ERR_OK) {
		fetched = (*ret)->fetched;
		page->trimmed = fetched->trimmed;
	}
	return code;
}

const struct log_page *page_read_of(const struct flight *read)
{
	const struct fetched *fetched = read->fetched;

	return &fetched->page;
}
