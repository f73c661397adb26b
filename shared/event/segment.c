/*
 * A segment's plain bytes: for each event, numbers as 8 bytes little-endian (epoch, n, time,
 * sequence), then type, level, producer, state, data, each as 4 bytes of length and its bytes.
 */
#include "event/segment.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/mem.h"

enum { ZSTD_LEVEL = 3, NUMBERS = 4, TEXTS = 5, EVENT_MIN = 8 * NUMBERS + 4 * TEXTS };

static void add_le(struct buf *out, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		buf_add_char(out, (char)(unsigned char)(v >> (8 * i)));
	}
}

static uint64_t take_le(struct str *rest, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++) {
		v |= (uint64_t)(unsigned char)rest->p[i] << (8 * i);
	}
	rest->p += bytes;
	rest->n -= bytes;
	return v;
}

static void checksum_of(struct str bytes, unsigned char out[SEGMENT_CHECKSUM_SIZE])
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < bytes.n; i++) {
		h = (h ^ (unsigned char)bytes.p[i]) * UINT64_C(1099511628211);
	}
	for (unsigned i = 0; i < SEGMENT_CHECKSUM_SIZE; i++) {
		out[i] = (unsigned char)(h >> (8 * i));
	}
}

static void add_event(struct buf *out, const struct log_event *event)
{
	const struct str texts[TEXTS] = { event->type, event->level, event->producer, event->state,
		                          event->data };

	add_le(out, event->at.epoch, 8);
	add_le(out, event->at.n, 8);
	add_le(out, (uint64_t)event->ts_ms, 8);
	add_le(out, event->seq, 8);
	for (unsigned i = 0; i < TEXTS; i++) {
		add_le(out, texts[i].n, 4);
		buf_add_str(out, texts[i]);
	}
}

static bool take_event(struct str *rest, struct log_event *event)
{
	struct str *const texts[TEXTS] = { &event->type, &event->level, &event->producer,
		                           &event->state, &event->data };

	if (rest->n < EVENT_MIN) {
		return false;
	}
	event->at.epoch = take_le(rest, 8);
	event->at.n = take_le(rest, 8);
	event->ts_ms = (int64_t)take_le(rest, 8);
	event->seq = take_le(rest, 8);
	for (unsigned i = 0; i < TEXTS; i++) {
		uint64_t n = rest->n >= 4 ? take_le(rest, 4) : UINT64_MAX;

		if (n > rest->n) {
			return false;
		}
		*texts[i] = str_make(rest->p, n);
		rest->p += n;
		rest->n -= n;
	}
	return event->at.epoch > 0 && event->at.epoch <= CURSOR_EPOCH_MAX && event->at.n > 0 &&
	       event->at.n <= CURSOR_N_MAX && event->ts_ms >= 0 && event->data.n >= 2;
}

static void count_event(struct segment *segment, const struct log_event *event)
{
	unsigned class = log_event_class(event);

	segment->counts[class]++;
	if (class == EVENT_TYPE_LOG) {
		segment->log_grades[log_event_grade(event->level)]++;
	} else if (class == EVENT_CLASS_OUTPUT) {
		segment->output_grades[log_event_grade(event->level)]++;
	}
}

static bool compress(struct str plain, struct buf *out)
{
	size_t bound = ZSTD_compressBound(plain.n);
	char *to;
	size_t n;

	buf_init(out, bound);
	to = buf_reserve(out, bound);
	n = to != NULL ? ZSTD_compress(to, bound, plain.p, plain.n, ZSTD_LEVEL) : 0;
	if (to == NULL || ZSTD_isError(n)) {
		buf_fini(out);
		return false;
	}
	buf_commit(out, n);
	return true;
}

enum err_code segment_pack(const struct log_event *events, size_t count, struct segment *ret,
                           struct err *err)
{
	struct segment segment = { .count = count };
	struct buf plain;
	bool ok;

	if (count == 0 || count > SEGMENT_EVENTS_MAX) {
		return err_set(err, ERR_INVALID, "a segment of %zu events", count);
	}
	buf_init(&plain, SEGMENT_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && events[i].at.n != events[i - 1].at.n + 1) {
			buf_fini(&plain);
			return err_set(err, ERR_INVALID, "a segment with a hole");
		}
		add_event(&plain, &events[i]);
		count_event(&segment, &events[i]);
	}
	segment.first = events[0].at;
	segment.last = events[count - 1].at;
	segment.first_ts_ms = events[0].ts_ms;
	segment.last_ts_ms = events[count - 1].ts_ms;
	segment.bytes = plain.len;
	checksum_of(buf_str(&plain), segment.checksum);
	ok = !buf_failed(&plain) && compress(buf_str(&plain), &segment.data);
	buf_fini(&plain);
	if (!ok) {
		return err_set(err, ERR_TOO_LARGE, "a segment beyond %d bytes", SEGMENT_BYTES_MAX);
	}
	*ret = segment;
	return ERR_OK;
}

void segment_fini(struct segment *segment)
{
	buf_fini(&segment->data);
}

static bool decompress(struct str data, struct str checksum, size_t plain_bytes, char **ret)
{
	unsigned char sum[SEGMENT_CHECKSUM_SIZE];
	char *plain = mem_calloc(plain_bytes + 1, 1);
	size_t n = ZSTD_decompress(plain, plain_bytes, data.p, data.n);

	checksum_of(str_make(plain, plain_bytes), sum);
	if (ZSTD_isError(n) || n != plain_bytes || checksum.n != sizeof(sum) ||
	    memcmp(sum, checksum.p, sizeof(sum)) != 0) {
		free(plain);
		return false;
	}
	*ret = plain;
	return true;
}

enum err_code segment_unpack(struct str data, struct str checksum, size_t plain_bytes,
                             struct log_page *ret, struct err *err)
{
	struct log_page page = { 0 };
	struct str rest;

	if (plain_bytes < EVENT_MIN || plain_bytes > SEGMENT_BYTES_MAX ||
	    !decompress(data, checksum, plain_bytes, &page.bytes)) {
		return err_set(err, ERR_BACKEND, "a damaged segment");
	}
	rest = str_make(page.bytes, plain_bytes);
	page.events = mem_calloc(SEGMENT_EVENTS_MAX, sizeof(*page.events));
	while (rest.n > 0) {
		struct log_event *event = &page.events[page.count];

		if (page.count == SEGMENT_EVENTS_MAX || !take_event(&rest, event) ||
		    (page.count > 0 && event->at.n != event[-1].at.n + 1)) {
			log_page_fini(&page);
			return err_set(err, ERR_BACKEND, "a segment that does not hold events");
		}
		page.count++;
	}
	page.next = page.events[page.count - 1].at;
	*ret = page;
	return ERR_OK;
}
