#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "event/keys.h"
#include "event/log.h"
#include "event/reply.h"
#include "redis/redis.h"

static const char *const gap_names[] = {
	[LOG_GAP_NONE] = "none",   [LOG_GAP_TRIMMED] = "trimmed",
	[LOG_GAP_LOST] = "lost",   [LOG_GAP_RETRACTED] = "retracted",
	[LOG_GAP_NEVER] = "never", [LOG_GAP_RETENTION] = "retention",
};

const char *log_gap_name(enum log_gap_reason reason)
{
	return gap_names[reason];
}

void log_page_fini(struct log_page *page)
{
	free(page->events);
	free(page->bytes);
	redis_reply_free(page->reply);
	*page = (struct log_page){ 0 };
}

/* ---- entries ---- */

static void set_field(struct log_event *event, char name, struct str value, bool *ret_ok)
{
	uint64_t v = 0;

	switch (name) {
	case 't': event->type = value; break;
	case 'l': event->level = value; break;
	case 'd': event->data = value; break;
	case 'p': event->producer = value; break;
	case 's': event->state = value; break;
	case 'a':
		*ret_ok &= parse_u64(value, INT64_MAX / 1000, &v);
		event->ts_ms = (int64_t)v;
		break;
	case 'q':
		*ret_ok &= value.n == 0 || parse_u64(value, CURSOR_N_MAX, &v);
		event->seq = v;
		break;
	default: break; /* of a newer version */
	}
}

bool log_event_decode(const struct redis_reply *entry, struct log_event *ret)
{
	const struct redis_reply *fields = redis_reply_at(entry, 1);
	struct log_event event = { .level = { "", 0 }, .producer = { "", 0 }, .state = { "", 0 } };
	bool ok = cursor_parse(redis_reply_str(redis_reply_at(entry, 0)), &event.at);

	for (size_t i = 0; i + 1 < redis_reply_len(fields); i += 2) {
		struct str name = redis_reply_str(redis_reply_at(fields, i));

		if (name.n == 1) {
			set_field(&event, name.p[0], redis_reply_str(redis_reply_at(fields, i + 1)),
			          &ok);
		}
	}
	if (!ok || event.type.n == 0 || event.data.n < 2) {
		return false;
	}
	*ret = event;
	return true;
}

/* ---- the head ---- */

static void add_head(struct redis_cmd *cmd, const char *key)
{
	redis_arg_cstr(cmd, "HMGET");
	redis_arg_cstr(cmd, key);
	for (const char *const *f =
	             (const char *const[]){ "t", "st", "e", "n", "w", "g", "b", "of", NULL };
	     *f != NULL; f++) {
		redis_arg_cstr(cmd, *f);
	}
}

static enum err_code decode_head(const struct redis_reply *reply, const char *tenant,
                                 struct log_head *ret, struct err *err)
{
	struct log_head head = { .found = true };

	*ret = (struct log_head){ 0 };
	if (!str_eq(redis_reply_str(redis_reply_at(reply, 0)), str_of(tenant))) {
		return ERR_OK;
	}
	if (!session_state_parse(redis_reply_str(redis_reply_at(reply, 1)), &head.state) ||
	    !redis_reply_u64(redis_reply_at(reply, 2), &head.at.epoch) ||
	    !redis_reply_u64(redis_reply_at(reply, 3), &head.at.n) ||
	    !redis_reply_u64(redis_reply_at(reply, 4), &head.watermark) ||
	    !redis_reply_u64(redis_reply_at(reply, 5), &head.generation) ||
	    !redis_reply_u64(redis_reply_at(reply, 6), &head.unarchived)) {
		return err_set(err, ERR_BACKEND, "a damaged head");
	}
	if (!redis_reply_u64(redis_reply_at(reply, 7), &head.opened)) {
		head.opened = 0;
	}
	*ret = head;
	return ERR_OK;
}

enum err_code log_head_get(const struct log_store *store, const struct id *sid, const char *tenant,
                           struct log_head *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct log_keys keys;
	enum err_code code;

	log_keys_of(sid, &keys);
	add_head(cmd, keys.head);
	code = redis_call(store->redis, cmd, &reply, err);
	return code == ERR_OK ? decode_head(reply, tenant, ret, err) : err_wrap(err, "head");
}

enum err_code log_heads_get(const struct log_store *store, struct log_look *looks, size_t count,
                            struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_op sent[LOG_HEADS_MAX] = { 0 };
	struct fiber_op *ops[LOG_HEADS_MAX];
	struct log_keys keys;
	enum err_code code;

	assert(count <= LOG_HEADS_MAX);
	for (size_t i = 0; i < count; i++) {
		log_keys_of(&looks[i].sid, &keys);
		redis_cmd_reset(cmd);
		add_head(cmd, keys.head);
		redis_send(store->redis, &sent[i], cmd);
		ops[i] = &sent[i].op;
	}
	code = fiber_wait_all(ops, count, FIBER_NO_TIMEOUT, err);
	for (size_t i = 0; i < count; i++) {
		if (code == ERR_OK) {
			looks[i].err.code = decode_head(sent[i].reply, looks[i].tenant,
			                                &looks[i].head, &looks[i].err);
		}
		redis_reply_free(sent[i].reply);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "heads");
}

/* ---- reading ---- */

enum { START_SIZE = CURSOR_SIZE + 1 };

static enum err_code first_entry(const struct log_store *store, const char *key, const char *at,
                                 struct redis_reply **ret, struct err *err);

/* The epoch of the entry before the first one of an epoch, as log_open wrote it. */
static uint64_t previous_epoch(const struct log_event *opening)
{
	static const char mark[] = "\"previous\":\"";
	const char *at = memmem(opening->data.p, opening->data.n, mark, sizeof(mark) - 1);
	struct str rest;
	uint64_t epoch;

	if (!str_eq(opening->type, STR_LIT("epoch")) || at == NULL) {
		return 0;
	}
	at += sizeof(mark) - 1;
	rest = str_make(at, (size_t)(opening->data.p + opening->data.n - at));
	return parse_u64(str_split(&rest, '-'), CURSOR_EPOCH_MAX, &epoch) ? epoch : 0;
}

/*
 * Where to start for a plain n: walk the epochs back to the one that has n + 1. What comes out
 * is always in an epoch that is in Redis, so that a hole shows as one.
 */
static enum err_code start_of_n(const struct log_store *store, const char *key, uint64_t n,
                                const struct log_head *head, char start[START_SIZE],
                                struct err *err)
{
	uint64_t epoch = head->at.epoch;

	(void)snprintf(start, START_SIZE, "%" PRIu64, epoch);
	while (epoch > 0) {
		CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
		char bound[START_SIZE];
		struct log_event first;
		uint64_t before;
		enum err_code code;

		(void)snprintf(bound, sizeof(bound), "%" PRIu64, epoch);
		code = first_entry(store, key, bound, &reply, err);
		if (code != ERR_OK) {
			return code;
		}
		if (redis_reply_len(reply) == 0 ||
		    !log_event_decode(redis_reply_at(reply, 0), &first)) {
			return ERR_OK;
		}
		(void)snprintf(start, START_SIZE, "%" PRIu64, epoch);
		if (first.at.n <= n + 1) {
			(void)snprintf(start, START_SIZE, "(%" PRIu64 "-%" PRIu64, epoch, n);
			return ERR_OK;
		}
		before = previous_epoch(&first);
		if (before >= epoch) {
			return err_set(err, ERR_BACKEND, "a damaged epoch entry");
		}
		epoch = before;
	}
	return ERR_OK;
}

static void add_range(struct redis_cmd *cmd, const char *verb, const char *key, const char *start,
                      const char *end, unsigned count)
{
	redis_arg_cstr(cmd, verb);
	redis_arg_cstr(cmd, key);
	redis_arg_cstr(cmd, start);
	redis_arg_cstr(cmd, end);
	redis_arg_cstr(cmd, "COUNT");
	redis_arg_u64(cmd, count);
}

/* Of those whose id begins with `at`. */
static enum err_code first_entry(const struct log_store *store, const char *key, const char *at,
                                 struct redis_reply **ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();

	add_range(cmd, "XRANGE", key, at, at, 1);
	return redis_call(store->redis, cmd, ret, err);
}

/* The leading entries that follow each other without a hole, up to max_bytes. */
static enum err_code take_entries(const struct log_range *range, struct log_page *page,
                                  struct err *err)
{
	size_t count = redis_reply_len(page->reply);
	size_t bytes = 0;

	page->events = mem_calloc(count + 1, sizeof(*page->events));
	for (size_t i = 0; i < count; i++) {
		struct log_event *event = &page->events[i];

		if (!log_event_decode(redis_reply_at(page->reply, i), event)) {
			return err_set(err, ERR_BACKEND, "a damaged entry");
		}
		bytes += event->data.n;
		if (i > 0 && (event->at.n != event[-1].at.n + 1 || bytes > range->max_bytes)) {
			break;
		}
		page->count++;
	}
	return ERR_OK;
}

/* Compare what came with what was asked. */
static void find_gap(const struct cursor *after, struct log_page *page)
{
	const struct cursor *at = &page->head.at; /* as of just before the entries */
	uint64_t first = page->count > 0 ? page->events[0].at.n : at->n + 1;

	page->next = page->count > 0 ? page->events[page->count - 1].at : *after;
	if (page->count == 0 && after->epoch == CURSOR_EPOCH_ANY && after->n == at->n) {
		page->next = *at; /* asked by n alone: the end has an epoch */
	}
	if (page->count == 0 && after->n > at->n) {
		page->gap = (struct log_gap){ LOG_GAP_NEVER, at->n + 1, after->n };
		page->next = *at;
	} else if (page->count == 0 && after->epoch > at->epoch) {
		/* An epoch that was never issued: what is passed over. */
		page->gap = (struct log_gap){ LOG_GAP_NEVER, after->n, at->n };
		page->next = *at;
	} else if (first > after->n + 1) {
		page->gap = (struct log_gap){ LOG_GAP_TRIMMED, after->n + 1, first - 1 };
	} else if (first <= after->n) {
		page->gap = (struct log_gap){ LOG_GAP_RETRACTED, first, after->n };
	}
	page->caught_up = page->next.n >= at->n && page->gap.reason != LOG_GAP_TRIMMED;
	if (page->caught_up) {
		page->head.at = page->next;
	}
}

/* Head, then range, in one round trip: an append between them must not look like a hole. start
 * NULL: the newest, backwards. */
static enum err_code read_both(const struct log_store *store, const struct log_keys *keys,
                               const char *start, const struct log_range *range,
                               struct log_page *page, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_op range_op = { 0 }, head_op = { 0 };
	struct fiber_op *ops[] = { &head_op.op, &range_op.op };
	unsigned count = range->max_count < LOG_REPLAY_MAX ? range->max_count : LOG_REPLAY_MAX;
	enum err_code code;

	add_head(cmd, keys->head);
	redis_send(store->redis, &head_op, cmd);
	redis_cmd_reset(cmd);
	if (start != NULL) {
		add_range(cmd, "XRANGE", keys->log, start, "+", count > 0 ? count : 1);
	} else {
		add_range(cmd, "XREVRANGE", keys->log, "+", "-", count > 0 ? count : 1);
	}
	redis_send(store->redis, &range_op, cmd);
	code = fiber_wait_all(ops, ARRAY_LEN(ops), FIBER_NO_TIMEOUT, err);
	page->reply = range_op.reply;
	if (code == ERR_OK) {
		code = decode_head(head_op.reply, range->tenant, &page->head, err);
	}
	redis_reply_free(head_op.reply);
	return code;
}

static enum err_code read_page(const struct log_store *store, const struct log_range *range,
                               struct log_page *page, struct err *err)
{
	char start[START_SIZE];
	struct log_keys keys;
	enum err_code code;

	log_keys_of(&range->sid, &keys);
	if (range->after.n == 0) {
		(void)snprintf(start, sizeof(start), "-");
	} else if (range->after.epoch == CURSOR_EPOCH_ANY) {
		code = log_head_get(store, &range->sid, range->tenant, &page->head, err);
		if (code == ERR_OK && page->head.found) {
			code = start_of_n(store, keys.log, range->after.n, &page->head, start, err);
		}
		if (code != ERR_OK || !page->head.found) {
			return code;
		}
	} else {
		char after[CURSOR_SIZE];

		cursor_format(&range->after, after);
		(void)snprintf(start, sizeof(start), "(%s", after);
	}
	return read_both(store, &keys, start, range, page, err);
}

enum err_code log_read(const struct log_store *store, const struct log_range *range,
                       struct log_page *ret, struct err *err)
{
	struct log_page page = { 0 };
	enum err_code code = read_page(store, range, &page, err);

	if (code == ERR_OK && !page.head.found) {
		code = err_set(err, ERR_NOT_FOUND, "no log in Redis");
	}
	if (code == ERR_OK) {
		code = take_entries(range, &page, err);
	}
	if (code != ERR_OK) {
		log_page_fini(&page);
		return err_wrap(err, "read %s", range->sid.s);
	}
	find_gap(&range->after, &page);
	*ret = page;
	return ERR_OK;
}

/* The newest entries that follow each other without a hole, up to max_bytes; the newest came first.
 */
static enum err_code take_newest(const struct log_range *range, struct log_page *page,
                                 struct err *err)
{
	size_t count = redis_reply_len(page->reply), bytes = 0, taken = 0;
	struct log_event *events = mem_calloc(count + 1, sizeof(*events));

	page->events = events;
	for (size_t i = 0; i < count; i++) {
		if (!log_event_decode(redis_reply_at(page->reply, i), &events[i])) {
			return err_set(err, ERR_BACKEND, "a damaged entry");
		}
		bytes += events[i].data.n;
		if (i > 0 &&
		    (events[i].at.n + 1 != events[i - 1].at.n || bytes > range->max_bytes)) {
			break;
		}
		taken++;
	}
	page->count = taken;
	for (size_t i = 0; i < taken / 2; i++) {
		struct log_event event = events[i];

		events[i] = events[taken - 1 - i];
		events[taken - 1 - i] = event;
	}
	return ERR_OK;
}

enum err_code log_recent(const struct log_store *store, const struct log_range *range,
                         struct log_page *ret, struct err *err)
{
	struct log_page page = { 0 };
	struct log_keys keys;
	enum err_code code;

	log_keys_of(&range->sid, &keys);
	code = read_both(store, &keys, NULL, range, &page, err);
	if (code == ERR_OK && !page.head.found) {
		code = err_set(err, ERR_NOT_FOUND, "no log in Redis");
	}
	if (code == ERR_OK) {
		code = take_newest(range, &page, err);
	}
	if (code != ERR_OK) {
		log_page_fini(&page);
		return err_wrap(err, "read %s", range->sid.s);
	}
	page.next = page.count > 0 ? page.events[page.count - 1].at : page.head.at;
	page.caught_up = true;
	*ret = page;
	return ERR_OK;
}
