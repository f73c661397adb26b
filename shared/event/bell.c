/*
 * What log_open and log_append publish:
 *	epoch first-n last-n time state [microseconds trace] LF, then for each event, when they are
 *	small,
 *	type level producer sequence moved-to length LF data
 * with "-" for an empty word.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "event/log.h"

/* The next word of a line; "-" is the empty one. */
static struct str next_word(struct str *line)
{
	struct str word = str_split(line, ' ');

	return str_eq(word, STR_LIT("-")) ? str_make("", 0) : word;
}

/* When exactly it was appended, and by which request: not every bell says so. */
static bool decode_trace(struct str *line, int64_t ts_ms, struct log_bell *ret)
{
	struct str word = next_word(line), trace = next_word(line);
	uint64_t us;

	ret->appended_us = ts_ms * 1000;
	if (word.n == 0) {
		return true;
	}
	if (!parse_u64(word, INT64_MAX, &us) || trace.n >= LOG_TRACE_SIZE) {
		return false;
	}
	ret->appended_us = (int64_t)us;
	return str_copy(ret->trace, sizeof(ret->trace), trace);
}

static bool decode_line(struct str line, struct log_bell *ret, int64_t *ret_ts_ms)
{
	struct cursor first, last;
	uint64_t ts;

	if (!parse_u64(next_word(&line), CURSOR_EPOCH_MAX, &first.epoch) ||
	    !parse_u64(next_word(&line), CURSOR_N_MAX, &first.n) ||
	    !parse_u64(next_word(&line), CURSOR_N_MAX, &last.n) ||
	    !parse_u64(next_word(&line), INT64_MAX / 1000, &ts) ||
	    !session_state_parse(next_word(&line), &ret->state)) {
		return false;
	}
	last.epoch = first.epoch;
	if (first.epoch == 0 || first.n == 0 || last.n < first.n ||
	    last.n - first.n >= EVENT_BATCH_MAX) {
		return false;
	}
	ret->first = first;
	ret->last = last;
	*ret_ts_ms = (int64_t)ts;
	return decode_trace(&line, (int64_t)ts, ret);
}

static bool decode_event(struct str *rest, struct log_event *event)
{
	struct str line = str_split(rest, '\n');
	uint64_t len;

	event->type = next_word(&line);
	event->level = next_word(&line);
	event->producer = next_word(&line);
	if (!parse_u64(next_word(&line), CURSOR_N_MAX, &event->seq)) {
		return false;
	}
	event->state = next_word(&line);
	if (!parse_u64(line, EVENT_DATA_MAX, &len) || len < 2 || len > rest->n ||
	    event->type.n == 0) {
		return false;
	}
	event->data = str_make(rest->p, len);
	rest->p += len;
	rest->n -= len;
	return true;
}

bool log_bell_decode(struct str payload, struct log_bell *ret)
{
	struct log_bell bell = { .state = SESSION_QUEUED };
	struct log_page *page = &bell.page;
	struct str rest;
	int64_t ts_ms;

	page->bytes = mem_strndup(payload);
	rest = str_make(page->bytes, payload.n);
	if (!decode_line(str_split(&rest, '\n'), &bell, &ts_ms)) {
		log_page_fini(page);
		return false;
	}
	page->events = mem_calloc((size_t)(bell.last.n - bell.first.n) + 1, sizeof(*page->events));
	while (rest.n > 0 && page->count <= bell.last.n - bell.first.n) {
		struct log_event *event = &page->events[page->count];

		event->at = (struct cursor){ bell.first.epoch, bell.first.n + page->count };
		event->ts_ms = ts_ms;
		if (!decode_event(&rest, event)) {
			log_page_fini(page);
			return false;
		}
		page->count++;
	}
	if (rest.n > 0 || (page->count > 0 && page->events[page->count - 1].at.n != bell.last.n)) {
		log_page_fini(page);
		return false;
	}
	page->next = bell.last;
	*ret = bell;
	return true;
}

bool log_moves_parse(struct str payload, struct id *ret_sid, struct str *ret_tenant,
                     bool *ret_leased)
{
	struct str rest = payload;
	struct str sid = str_split(&rest, ' ');

	struct str tenant = str_split(&rest, ' ');

	if (tenant.n == 0 || tenant.n > LOG_MOVES_TENANT_MAX) {
		return false;
	}
	*ret_tenant = tenant;
	*ret_leased = str_eq(rest, STR_LIT("lease"));
	return id_parse(sid, ret_sid);
}
