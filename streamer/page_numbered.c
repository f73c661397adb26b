/*
 * Numbered pages, over the whole log, newest first unless asked otherwise.
 *
 * Without a filter the number says which events they are.  With one, the archive knows how many
 * events of which type its segments hold, so that only those with the wanted ones are opened; what
 * is not archived yet is looked through, and when that is too much the page says that it is cut.
 */
#include <stdlib.h>

#include "event/segment.h"
#include "node/node.h"
#include "streamer/page.h"

static struct segment_part part_of(const struct page *page, uint64_t from, uint64_t to)
{
	return (struct segment_part){ page->request->sid, page->request->principal->tenant, from,
		                      to };
}

static bool is_ascending(const struct page *page)
{
	return page->request->query.sort == 1;
}

/* ---- by time ---- */

/* The first of an archived segment that is not earlier than that. */
static enum err_code find_in_segment(const struct page *page, const struct segment_hit *segment,
                                     int64_t us, uint64_t *ret, struct err *err)
{
	struct node *node = node_of(page->request->req);
	struct log_range range = { .sid = page->request->sid,
		                   .tenant = page->request->principal->tenant,
		                   .after = page_before(segment->first),
		                   .max_count = LOG_READ_MAX,
		                   .max_bytes = SEGMENT_BYTES_MAX };
	struct log_page read;
	enum err_code code = segment_read(node->pg, &range, &read, err);

	if (code != ERR_OK) {
		return code;
	}
	*ret = segment->first;
	for (size_t i = 0; i < read.count && read.events[i].ts_ms * 1000 < us; i++) {
		*ret = read.events[i].at.n + 1;
	}
	log_page_fini(&read);
	return ERR_OK;
}

static enum err_code halve(struct page *page, int64_t us, uint64_t lo, uint64_t hi, uint64_t *ret,
                           struct err *err)
{
	while (lo < hi) {
		uint64_t middle = lo + (hi - lo) / 2;
		struct flight *read;
		const struct log_event *event;
		enum err_code code = page_read(page, page_before(middle), 1, &read, err);

		if (code != ERR_OK) {
			return code;
		}
		event = page_read_of(read)->count > 0 ? &page_read_of(read)->events[0] : NULL;
		if (event == NULL || event->at.n >= hi || event->ts_ms * 1000 >= us) {
			hi = middle;
		} else {
			lo = event->at.n + 1;
		}
		flight_release(read);
	}
	*ret = lo;
	return ERR_OK;
}

/* The first n of [lo, hi] whose event is not earlier than that; hi + 1 when there is none. Time
 * never runs backwards in a log. */
static enum err_code find_time(struct page *page, int64_t us, uint64_t lo, uint64_t hi,
                               uint64_t *ret, struct err *err)
{
	const struct segment_part session = part_of(page, lo, hi);
	struct segment_hit hit;
	uint64_t last;
	enum err_code code = segment_at_time(node_of(page->request->req)->pg, &session,
	                                     (us + 999) / 1000, &hit, &last, err);

	if (code == ERR_OK && hit.first > 0) {
		code = find_in_segment(page, &hit, us, ret, err);
	} else if (code == ERR_OK) {
		code = halve(page, us, last + 1 > lo ? last + 1 : lo, hi + 1, ret, err);
	}
	if (code == ERR_OK) {
		*ret = *ret < lo ? lo : *ret;
		*ret = *ret > hi + 1 ? hi + 1 : *ret;
	}
	return code;
}

/* ---- reading ---- */

/* Events from..to, oldest first, at most LOG_READ_MAX of them: those that match, each in an item.
 */
static enum err_code read_block(struct page *page, uint64_t from, uint64_t to, struct page *block,
                                struct err *err)
{
	uint64_t n = from;

	while (n <= to) {
		const struct log_page *events;
		struct flight *read;
		enum err_code code = page_read(page, page_before(n), to - n + 1, &read, err);

		if (code != ERR_OK) {
			return code;
		}
		events = page_read_of(read);
		if (events->gap.reason != LOG_GAP_NONE) {
			page->gap = events->gap;
		}
		n = events->next.n >= n ? events->next.n + 1 : to + 1;
		for (size_t i = 0; i < events->count; i++) {
			if (events->events[i].at.n <= to &&
			    event_filter_matches(&page->filter, &events->events[i])) {
				page_add(block, &events->events[i]);
			}
		}
		flight_release(read);
	}
	return ERR_OK;
}

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
	enum err_code code;

	block->count = 0;
	buf_reset(&block->items);
	code = read_block(page, from, to, block, err);
	for (size_t i = 0; code == ERR_OK && i < block->count; i++) {
		take_item(page, block, is_ascending(page) ? i : block->count - 1 - i);
	}
	return code;
}

/* From one end of [lo, hi] towards the other until the page is full and it is known whether there
 * is more. */
static enum err_code scan(struct page *page, uint64_t lo, uint64_t hi, struct err *err)
{
	enum err_code code = ERR_OK;

	while (code == ERR_OK && lo <= hi && !page->more && !page->cut) {
		uint64_t n = hi - lo + 1 < LOG_READ_MAX ? hi - lo + 1 : LOG_READ_MAX;

		if (page->scanned >= PAGE_SCAN_MAX) {
			page->cut = true;
			break;
		}
		if (is_ascending(page)) {
			code = take_block(page, lo, lo + n - 1, err);
			lo += n;
		} else {
			code = take_block(page, hi - n + 1, hi, err);
			hi -= n;
		}
		page->scanned += n;
	}
	return code;
}

/* Of whole segments: only those that have what is wanted. */
static enum err_code take_segments(struct page *page, uint64_t lo, uint64_t hi, struct err *err)
{
	struct segment_find find = { .part = part_of(page, lo, hi),
		                     .filter = page->filter,
		                     .descending = !is_ascending(page),
		                     .skip = page->skip,
		                     .count = page->wanted - page->count + 1 };
	struct segment_hits hits;
	enum err_code code = ERR_OK;

	if (lo > hi || page->more || page->cut) {
		return ERR_OK;
	}
	code = segment_find(node_of(page->request->req)->pg, &find, &hits, err);
	if (code != ERR_OK) {
		return code;
	}
	page->skip -= hits.count > 0            ? hits.items[0].before
	              : hits.total < page->skip ? hits.total
	                                        : page->skip;
	for (size_t i = 0; code == ERR_OK && i < hits.count && !page->more; i++) {
		code = take_block(page, hits.items[i].first, hits.items[i].last, err);
	}
	free(hits.items);
	return code;
}

/* What is archived in whole segments is one stretch; the ends of the range are looked through. */
static enum err_code filter(struct page *page, uint64_t lo, uint64_t hi, struct err *err)
{
	const struct segment_part part = part_of(page, lo, hi);
	struct segment_span span;
	enum err_code code = segment_span(node_of(page->request->req)->pg, &part, &span, err);

	if (code != ERR_OK || span.first == 0 || !span.counted) {
		return code != ERR_OK ? code : scan(page, lo, hi, err);
	}
	page->archived = span.end.n;
	page->gap = span.hole;
	if (is_ascending(page)) {
		code = scan(page, lo, span.first - 1, err);
	} else {
		code = scan(page, span.end.n + 1, hi, err);
	}
	if (code == ERR_OK) {
		code = take_segments(page, span.first, span.end.n, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	return is_ascending(page) ? scan(page, span.end.n + 1, hi, err)
	                          : scan(page, lo, span.first - 1, err);
}

/* ---- the page ---- */

/* Where the log begins, and where it ends now. */
static enum err_code find_ends(struct page *page, struct log_gap *ret_removed, struct err *err)
{
	const struct log_page *first;
	struct flight *read;
	enum err_code code = page_read(page, (struct cursor){ 0, 0 }, 1, &read, err);

	if (code == ERR_OK) {
		first = page_read_of(read);
		page->head = first->head;
		*ret_removed = first->gap.reason == LOG_GAP_RETENTION
		                       ? first->gap
		                       : (struct log_gap){ .reason = LOG_GAP_NONE };
		flight_release(read);
	}
	return code;
}

static enum err_code read_range(struct page *page, uint64_t lo, uint64_t hi, struct err *err)
{
	const struct rest_events *query = &page->request->query;
	uint64_t skip =
		query->page - 1 < UINT32_MAX ? (query->page - 1) * query->per_page : CURSOR_N_MAX;

	if (!event_filter_is_all(&page->filter)) {
		page->skip = skip;
		return filter(page, lo, hi, err);
	}
	if (skip > hi - lo) { /* all match: go there at once */
		return ERR_OK;
	}
	return is_ascending(page) ? scan(page, lo + skip, hi, err) : scan(page, lo, hi - skip, err);
}

enum err_code page_numbered(struct page *page, uint64_t *ret_total, struct err *err)
{
	const struct rest_events *query = &page->request->query;
	struct log_gap removed;
	uint64_t lo, hi;
	enum err_code code = find_ends(page, &removed, err);

	if (code != ERR_OK) {
		return code;
	}
	lo = removed.to + 1;
	hi = page->head.at.n;
	if (query->since_us != 0) {
		code = find_time(page, query->since_us, lo, hi, &lo, err);
	}
	if (code == ERR_OK && query->until_us != 0) {
		code = find_time(page, query->until_us, lo, hi, &hi, err);
		hi -= 1;
	}
	if (code != ERR_OK) {
		return code;
	}
	*ret_total = hi >= lo ? hi - lo + 1 : 0;
	if (*ret_total > 0) {
		code = read_range(page, lo, hi, err);
	}
	/* The page at that end of the log says what is no more before it. */
	if (code == ERR_OK && removed.to > 0 && lo == removed.to + 1 &&
	    (is_ascending(page) ? query->page == 1 : !page->more && !page->cut)) {
		page->gap = removed;
	}
	return code;
}
