/*
 * One answer of events as JSON while it is made: what is asked, what has been found.
 *
 * The work of one request is bounded: events looked at, and bytes of the answer.
 */
#pragma once

#include "event/segment_index.h"
#include "streamer/events.h"
#include "streamer/flight.h"

enum {
	PAGE_SCAN_MAX = 8192,         /* events looked at, but for those the archive pointed at */
	PAGE_BYTES = 4 * 1024 * 1024, /* of items: then large ones are left out, for their cursor */
	PAGE_ITEMS_MAX = 200,
};

/* One item of the answer, in items. */
struct part {
	size_t at, n;
};

struct page {
	struct events_request *request;
	struct event_filter filter;
	struct log_head head;
	struct buf items;
	struct part parts[PAGE_ITEMS_MAX];
	size_t count, wanted;
	uint64_t skip;     /* matching events before the page */
	uint64_t scanned;  /* events looked at */
	uint64_t archived; /* events through this n are read from the archive at once */
	uint64_t trimmed;  /* Redis begins after this n, as far as was seen */
	bool more;         /* there are matching events after the page */
	bool cut;          /* the bound on scanned was reached first */
	struct log_gap gap;
	struct page *block; /* a few events at a time */
};

/* items are to be freed with buf_fini(). */
struct page *page_new(struct events_request *request);
void page_add(struct page *page, const struct log_event *event);
/* One read, which serves others too: to be released with flight_release(). */
enum err_code page_read(struct page *page, struct cursor after, uint64_t count, struct flight **ret,
                        struct err *err) MUST_CHECK;
const struct log_page *page_read_of(const struct flight *read);

static inline struct cursor page_before(uint64_t n)
{
	return (struct cursor){ CURSOR_EPOCH_ANY, n - 1 };
}

/* Fill a numbered page. *ret_total: events in the range that was asked for, matching or not. */
enum err_code page_numbered(struct page *page, uint64_t *ret_total, struct err *err) MUST_CHECK;

/* Fill a page after a cursor. *at: where it ends; *ret_caught_up: that is the end of the log. */
enum err_code page_after(struct page *page, struct cursor *at, bool *ret_caught_up,
                         struct err *err) MUST_CHECK;
