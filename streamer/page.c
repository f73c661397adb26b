#include "streamer/page.h"

#include <stdio.h>

#include "event/segment.h"
#include "node/node.h"

enum {
	READ_BYTES = 512 * 1024, /* of one read */
	SMALL = 4096,            /* an item that is never left out */
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

enum err_code page_read(struct page *page, struct cursor after, uint64_t count,
                        struct log_page *ret, struct err *err)
{
	struct node *node = node_of(page->request->req);
	struct log_range range = { .sid = page->request->sid,
		                   .tenant = page->request->principal->tenant,
		                   .after = after,
		                   .max_count =
		                           count < LOG_READ_MAX ? (unsigned)count : LOG_READ_MAX,
		                   .max_bytes = READ_BYTES };

	if (after.n < page->archived) {
		return segment_read(node->pg, &range, ret, err);
	}
	return log_history_on(&node->store, node->pg, &range, &page->trimmed, ret, err);
}
