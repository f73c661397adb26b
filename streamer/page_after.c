/*
 * Pages after a cursor, oldest first.  With a filter they pass over archived segments in which
 * nothing matches.
 */
#include <stdlib.h>

#include "node/node.h"
#include "streamer/page.h"
#include "streamer/reader.h"

/* Archived segments that have something, from where the page stands on. */
struct jumps {
	bool searched, known;
	struct cursor end; /* of what was searched */
	struct segment_hits hits;
	size_t next;
};

/* Nothing is jumped over where something is missing: the page has to say so. */
static enum err_code find_jumps(const struct page *page, const struct cursor *at,
                                struct jumps *jumps, struct err *err)
{
	struct pg *pg = node_of(page->request->req)->pg;
	struct segment_find find = { .part = { page->request->sid, page->request->principal->tenant,
		                               at->n + 1, CURSOR_N_MAX },
		                     .filter = page->filter,
		                     .count = page->wanted + 1 };
	struct segment_span span;
	enum err_code code = segment_span(pg, &find.part, &span, err);

	if (code != ERR_OK || (span.first != 0 && span.first != at->n + 1)) {
		return code; /* within a segment: later */
	}
	jumps->searched = true;
	if (span.first == 0 || !span.counted || span.hole.reason != LOG_GAP_NONE) {
		return ERR_OK;
	}
	code = segment_find(pg, &find, &jumps->hits, err);
	jumps->known = code == ERR_OK;
	jumps->end = span.end;
	return code;
}

static void jump(struct jumps *jumps, struct cursor *at)
{
	const struct segment_hits *hits = &jumps->hits;

	while (jumps->next < hits->count && hits->items[jumps->next].last <= at->n) {
		jumps->next++;
	}
	if (!jumps->known || at->n >= jumps->end.n) {
		return;
	}
	if (jumps->next == hits->count) {
		*at = jumps->end;
	} else if (hits->items[jumps->next].first > at->n + 1) {
		*at = (struct cursor){ hits->items[jumps->next].first_epoch,
			               hits->items[jumps->next].first - 1 };
	}
}

/* Take one read's events; false: the page is full. */
static bool take_events(struct page *page, const struct log_page *read, struct cursor *at)
{
	for (size_t i = 0; i < read->count; i++) {
		const struct log_event *event = &read->events[i];

		if (event_filter_matches(&page->filter, event)) {
			if (page->count == page->wanted ||
			    (page->count > 0 && page->items.len + event->data.n > PAGE_BYTES)) {
				return false;
			}
			page_add(page, event);
		}
		*at = event->at;
		page->scanned++;
	}
	return true;
}

/* What a read brought. *ret_going false: the page ends here. */
static enum err_code take_read(struct page *page, const struct log_page *read, bool tells,
                               struct cursor *at, bool *ret_going, struct err *err)
{
	if (tells && reader_is_doubtful(&node_of(page->request->req)->store, read)) {
		return err_set(err, ERR_REBUILD, "the log waits for its rebuild");
	}
	if (read->gap.reason != LOG_GAP_NONE && page->scanned > 0) {
		*ret_going = false; /* the next page begins with it */
		return ERR_OK;
	}
	page->gap = read->gap.reason != LOG_GAP_NONE ? read->gap : page->gap;
	*at = read->count == 0 ? read->next : *at;
	*ret_going = take_events(page, read, at) && read->count > 0;
	if (tells) {
		page->head = read->head;
	}
	return ERR_OK;
}

static enum err_code take_some(struct page *page, struct cursor *at, bool *ret_going,
                               struct err *err)
{
	bool tells = at->n >= page->archived; /* the read has a head */
	struct flight *read;
	enum err_code code = page_read(page, *at, LOG_READ_MAX, &read, err);

	if (code == ERR_OK) {
		code = take_read(page, page_read_of(read), tells, at, ret_going, err);
		flight_release(read);
	}
	return code;
}

enum err_code page_after(struct page *page, struct cursor *at, bool *ret_caught_up, struct err *err)
{
	struct jumps jumps = { .known = false };
	bool filtered = !event_filter_is_all(&page->filter), going = true;
	enum err_code code = ERR_OK;

	*ret_caught_up = false;
	while (code == ERR_OK && going && !*ret_caught_up && page->scanned < PAGE_SCAN_MAX) {
		jump(&jumps, at);
		code = take_some(page, at, &going, err);
		if (code == ERR_OK && going && filtered && !jumps.searched &&
		    at->n < page->head.watermark) {
			code = find_jumps(page, at, &jumps, err);
			page->archived = jumps.end.n;
		}
		*ret_caught_up = at->n >= page->head.at.n;
	}
	free(jumps.hits.items);
	return code;
}
