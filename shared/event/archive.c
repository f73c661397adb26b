#include <inttypes.h>
#include <stdio.h>

#include "event/claim.h"
#include "event/damage.h"
#include "event/keys.h"
#include "event/origin.h"
#include "event/segment.h"
#include "metric/metric.h"

/* ---- the archiver ---- */

static bool same_event(const struct log_event *a, const struct log_event *b)
{
	return a->at.epoch == b->at.epoch && a->at.n == b->at.n && a->ts_ms == b->ts_ms &&
	       a->seq == b->seq && str_eq(a->type, b->type) && str_eq(a->level, b->level) &&
	       str_eq(a->producer, b->producer) && str_eq(a->state, b->state) &&
	       str_eq(a->data, b->data);
}

/* What the archive holds from the watermark on must be what Redis holds. */
static enum err_code verify(const struct log_page *live, const struct log_page *stored,
                            struct err *err)
{
	size_t count = live->count < stored->count ? live->count : stored->count;

	if (count == 0) {
		return err_set(err, ERR_BACKEND, "the segment cannot be read back");
	}
	for (size_t i = 0; i < count; i++) {
		if (!same_event(&live->events[i], &stored->events[i])) {
			return err_set(err, ERR_BACKEND, "the archive differs at n %" PRIu64,
			               live->events[i].at.n);
		}
	}
	return ERR_OK;
}

static enum err_code advance(const struct log_store *store, struct pg *pg,
                             const struct archive *archive, const struct log_page *stored,
                             const struct log_head *head, struct err *err)
{
	uint64_t cold = head->at.n > archive->hot_events ? head->at.n - archive->hot_events : 0;
	struct log_range before = { .sid = archive->sid,
		                    .tenant = archive->tenant,
		                    .after = { CURSOR_EPOCH_ANY, cold } };
	struct log_trim trim = { .sid = archive->sid,
		                 .tenant = archive->tenant,
		                 .from = head->watermark,
		                 .to = stored->events[stored->count - 1].at.n,
		                 .retire_ms = archive->retire_ms };
	struct log_result result;
	enum err_code code = segment_before(pg, &before, &trim.trim, err);

	for (size_t i = 0; i < stored->count; i++) {
		trim.bytes += log_event_cost(&stored->events[i]);
	}
	if (code == ERR_OK) {
		code = log_trim(store, &trim, &result, err);
	}
	return code == ERR_OK ? log_result_err(&result, err) : code;
}

/* Put the events there, and read back what is there then. */
static enum err_code store_segment(struct pg *pg, const struct archive *archive,
                                   const struct log_range *range, const struct log_page *live,
                                   struct log_page *ret_stored, struct err *err)
{
	struct segment segment;
	enum err_code code = segment_pack(live->events, live->count, &segment, err);

	if (code != ERR_OK) {
		return code;
	}
	code = segment_store(pg, &archive->sid, archive->tenant, &segment, err);
	if (code == ERR_OK) {
		code = segment_read(pg, range, ret_stored, err);
	}
	if (code == ERR_OK && ret_stored->count == 0 && ret_stored->gap.reason == LOG_GAP_LOST) {
		/* Damaged, and Redis still has it: once more. */
		log_page_fini(ret_stored);
		code = segment_drop(pg, &archive->sid, archive->tenant, &segment, err);
		if (code == ERR_OK) {
			code = segment_store(pg, &archive->sid, archive->tenant, &segment, err);
		}
		if (code == ERR_OK) {
			code = segment_read(pg, range, ret_stored, err);
		}
	}
	segment_fini(&segment);
	return code;
}

/* One segment, from the watermark on. */
static enum err_code archive_segment(const struct log_store *store, struct pg *pg,
                                     const struct archive *archive, const struct log_head *head,
                                     struct err *err)
{
	struct log_range range = { archive->sid,
		                   archive->tenant,
		                   { CURSOR_EPOCH_ANY, head->watermark },
		                   SEGMENT_EVENTS_MAX,
		                   SEGMENT_BYTES_MAX / 2 };
	struct log_page live = { 0 }, stored = { 0 };
	enum err_code code = log_read(store, &range, &live, err);

	if (code != ERR_OK) {
		return code;
	}
	if (live.count == 0 || live.gap.reason != LOG_GAP_NONE) {
		bool overtaken = live.head.watermark > head->watermark;

		log_page_fini(&live);
		return overtaken ? ERR_OK /* another archiver has been here: look again */
		                 : err_set(err, ERR_BACKEND, "Redis has a hole after n %" PRIu64,
		                           head->watermark);
	}
	code = store_segment(pg, archive, &range, &live, &stored, err);
	if (code == ERR_OK) {
		code = verify(&live, &stored, err);
		if (code != ERR_OK) {
			damage_tell(&archive->sid, head->watermark + 1, err->msg);
		}
	}
	if (code == ERR_OK) {
		code = advance(store, pg, archive, &stored, head, err);
	}
	if (code == ERR_OK) {
		metric_inc(METRIC_ARCHIVE_SEGMENTS, NULL);
		metric_add(METRIC_ARCHIVE_EVENTS, NULL, (double)stored.count);
	}
	log_page_fini(&live);
	log_page_fini(&stored);
	return code;
}

static bool is_waiting(const struct archive *archive, const struct log_head *head)
{
	uint64_t waiting = head->at.n - head->watermark;

	return waiting > 0 && (waiting >= archive->events_min || session_is_terminal(head->state));
}

static enum err_code look(const struct log_store *store, const struct archive *archive,
                          struct log_head *ret, struct err *err)
{
	enum err_code code = log_head_get(store, &archive->sid, archive->tenant, ret, err);

	return code == ERR_OK && !ret->found ? err_set(err, ERR_NOT_FOUND, "no log in Redis")
	                                     : code;
}

/* Segment by segment, while the claim is ours. */
static enum err_code archive_all(const struct log_store *store, struct pg *pg,
                                 const struct archive *archive, const struct claim *claim,
                                 struct log_head *head, struct err *err)
{
	bool mine = false;
	enum err_code code = claim_take(store->redis, claim, ARCHIVE_CLAIM_MS, &mine, err);

	while (code == ERR_OK && mine) {
		code = look(store, archive, head, err);
		if (code != ERR_OK || !is_waiting(archive, head)) {
			break;
		}
		code = archive_segment(store, pg, archive, head, err);
		if (code == ERR_OK) {
			code = claim_take(store->redis, claim, ARCHIVE_CLAIM_MS, &mine, err);
		}
	}
	if (mine) {
		claim_drop(store->redis, claim);
	}
	return code;
}

enum err_code archive_session(const struct log_store *store, struct pg *pg,
                              const struct archive *archive, uint64_t *ret_through, struct err *err)
{
	const struct id holder = id_new();
	struct claim claim = { .holder = holder.s };
	struct log_keys keys;
	struct log_head head;
	enum err_code code = look(store, archive, &head, err);

	if (code == ERR_OK && is_waiting(archive, &head)) {
		log_keys_of(&archive->sid, &keys);
		claim.key = keys.archiver;
		code = archive_all(store, pg, archive, &claim, &head, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "archive %s", archive->sid.s);
	}
	*ret_through = head.watermark;
	return ERR_OK;
}

/* ---- one way to read ---- */

/* A session that has left Redis: its row and its archive are all there is. */
static enum err_code read_archive(struct pg *pg, const struct log_range *range,
                                  struct log_page *ret, struct err *err)
{
	struct log_origin origin;
	enum err_code code = log_origin_get(pg, &range->sid, range->tenant, &origin, err);

	if (code == ERR_OK) {
		code = segment_read(pg, range, ret, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	ret->head = (struct log_head){ .found = false,
		                       .state = origin.state,
		                       .at = origin.archived,
		                       .watermark = origin.archived.n };
	if (ret->count == 0 && range->after.n > origin.archived.n) {
		ret->gap = (struct log_gap){ LOG_GAP_NEVER, origin.archived.n + 1, range->after.n };
		ret->next = origin.archived;
	}
	return ERR_OK;
}

/* Redis does not have what follows: take it from the archive, or say that it is gone. */
static enum err_code fill_from_archive(struct pg *pg, const struct log_range *range,
                                       struct log_page *page, struct err *err)
{
	uint64_t first = page->count > 0 ? page->events[0].at.n : page->head.at.n + 1;
	struct log_page stored;
	enum err_code code = segment_read(pg, range, &stored, err);

	if (code != ERR_OK) {
		return code;
	}
	if (stored.count > 0 ? stored.events[0].at.n < first
	                     : stored.gap.reason != LOG_GAP_NONE && stored.next.n < first) {
		stored.head = page->head;
		stored.caught_up = stored.next.n >= stored.head.at.n;
		log_page_fini(page);
		*page = stored;
		return ERR_OK;
	}
	page->gap.reason =
		stored.gap.reason == LOG_GAP_RETENTION ? LOG_GAP_RETENTION : LOG_GAP_LOST;
	log_page_fini(&stored);
	if (page->count == 0) {
		page->next = page->head.at;
		page->caught_up = true;
	}
	return ERR_OK;
}

/* Does the first event say that it came right after the cursor? */
static bool follows(const struct log_range *range, const struct log_event *event)
{
	char at[CURSOR_SIZE], mark[CURSOR_SIZE + 16];
	int n;

	if (event->at.epoch == range->after.epoch || !str_eq(event->type, STR_LIT("epoch"))) {
		return event->at.epoch == range->after.epoch;
	}
	cursor_format(&range->after, at);
	n = snprintf(mark, sizeof(mark), "\"previous\":\"%s\"", at);
	return memmem(event->data.p, event->data.n, mark, (size_t)n) != NULL;
}

/* Whether another epoch may have begun before the cursor: Redis alone knows that only for what it
 * has.
 */
static bool is_doubtful(const struct log_range *range, const struct log_page *page)
{
	return range->after.epoch != CURSOR_EPOCH_ANY && range->after.n > 0 && page->count > 0 &&
	       !follows(range, &page->events[0]);
}

/* Without Redis, but for the head. *ret_found false: it is not for the archive to say. */
static enum err_code read_cold(const struct log_store *store, struct pg *pg,
                               const struct log_range *range, struct log_page *page,
                               bool *ret_found, struct err *err)
{
	struct log_head head;
	enum err_code code = log_head_get(store, &range->sid, range->tenant, &head, err);

	*ret_found = false;
	if (code != ERR_OK || !head.found || range->after.epoch > head.at.epoch) {
		return code;
	}
	code = segment_read(pg, range, page, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_found = page->next.n > range->after.n && page->next.n <= head.at.n;
	if (*ret_found) {
		page->head = head;
		page->caught_up = page->next.n >= head.at.n;
	} else {
		log_page_fini(page);
	}
	return ERR_OK;
}

static enum err_code read_tiers(const struct log_store *store, struct pg *pg,
                                const struct log_range *range, uint64_t *trimmed,
                                struct log_page *page, struct err *err)
{
	bool found = false;
	enum err_code code =
		range->after.n < *trimmed ? read_cold(store, pg, range, page, &found, err) : ERR_OK;

	if (code != ERR_OK || found) {
		return code;
	}
	code = log_read(store, range, page, err);
	if (code == ERR_NOT_FOUND) {
		return read_archive(pg, range, page, err);
	}
	if (code == ERR_OK && page->gap.reason == LOG_GAP_TRIMMED) {
		*trimmed = page->gap.to;
		code = fill_from_archive(pg, range, page, err);
		if (code != ERR_OK) {
			log_page_fini(page);
		}
	}
	return code;
}

/* Redis lost what this client has seen from first_n on, and another epoch took its place. */
static enum err_code retract(const struct log_store *store, struct pg *pg,
                             const struct log_range *range, uint64_t first_n, struct log_page *page,
                             struct err *err)
{
	struct log_range from = *range;
	uint64_t trimmed = 0;
	enum err_code code;

	from.after = (struct cursor){ CURSOR_EPOCH_ANY, first_n - 1 };
	code = read_tiers(store, pg, &from, &trimmed, page, err);
	if (code != ERR_OK) {
		return code;
	}
	if (page->gap.reason != LOG_GAP_NONE) { /* one thing at a time: that is told next */
		struct log_head head = page->head;

		log_page_fini(page);
		page->head = head;
		page->next = (struct cursor){ range->after.epoch, first_n - 1 };
	}
	page->gap = (struct log_gap){ LOG_GAP_RETRACTED, first_n, range->after.n };
	return ERR_OK;
}

enum err_code log_history_on(const struct log_store *store, struct pg *pg,
                             const struct log_range *range, uint64_t *trimmed, struct log_page *ret,
                             struct err *err)
{
	uint64_t first_n;
	enum err_code code = read_tiers(store, pg, range, trimmed, ret, err);

	if (code != ERR_OK || !is_doubtful(range, ret)) {
		return code;
	}
	code = log_epoch_after(pg, range, &first_n, err);
	if (code == ERR_OK && first_n > range->after.n) {
		return ERR_OK;
	}
	log_page_fini(ret);
	return code == ERR_OK ? retract(store, pg, range, first_n, ret, err) : code;
}

enum err_code log_history(const struct log_store *store, struct pg *pg,
                          const struct log_range *range, struct log_page *ret, struct err *err)
{
	uint64_t trimmed = 0;

	return log_history_on(store, pg, range, &trimmed, ret, err);
}

/* ---- after a loss of Redis ---- */

static enum err_code recover(const struct log_store *store, const struct log_open *opening,
                             struct log_result *ret, struct err *err)
{
	struct log_head head;
	enum err_code code = log_open(store, opening, ret, err);

	if (code != ERR_OK || ret->outcome != LOG_MOVED) {
		return code;
	}
	code = log_head_get(store, &opening->sid, opening->tenant, &head, err);
	if (code == ERR_OK && head.found) {
		*ret = (struct log_result){ .outcome = LOG_OK,
			                    .repeated = true,
			                    .last = head.at,
			                    .state = head.state,
			                    .epoch = head.at.epoch,
			                    .unarchived = head.unarchived };
	}
	return code;
}

enum err_code log_rebuild(const struct log_store *store, struct pg *pg, const struct id *sid,
                          const char *tenant, struct log_result *ret, struct err *err)
{
	struct log_open opening = {
		.sid = *sid, .tenant = tenant, .how = LOG_RECOVER, .cause = "rebuild"
	};
	struct log_epoch epoch = { .sid = *sid, .tenant = tenant, .cause = opening.cause };
	struct log_origin origin;
	struct log_head head;
	char token[64];
	enum err_code code = log_origin_get(pg, sid, tenant, &origin, err);

	if (code == ERR_OK) {
		code = log_head_get(store, sid, tenant, &head, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (session_is_terminal(origin.state) && !head.found) {
		*ret = (struct log_result){ .outcome = LOG_ENDED, .state = origin.state };
		return ERR_OK;
	}
	(void)snprintf(token, sizeof(token), "recover-%" PRIu64, store->generation);
	opening.token = token;
	opening.epoch = origin.epoch;
	opening.archived = origin.archived;
	opening.to = origin.state;
	opening.moves = session_is_terminal(origin.state);
	/* Looked at just before, and after: what was written to a Redis that was emptied meanwhile
	 * does not count, and its epoch may be given once more. */
	code = log_is_current(store, err);
	if (code == ERR_OK) {
		code = recover(store, &opening, ret, err);
	}
	if (code == ERR_OK) {
		code = log_is_current(store, err);
	}
	if (code == ERR_OK && ret->outcome == LOG_OK && ret->first.n > 0) {
		epoch.first = ret->first;
		epoch.generation = store->generation;
		code = log_epoch_store(pg, &epoch, err);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "rebuild %s", sid->s);
}
