#include "worker/reporter.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "metric/metric.h"
#include "worker/redact_event.h"
#include "worker/restore.h"

enum {
	QUEUE_BYTES_MAX = 512 * 1024,
	BACKOFF_MIN_MS = 20,
	BACKOFF_MAX_MS = 500,
	READ_BYTES = 1024 * 1024,
	LEASE_LOOK_MS = 100,
	DOUBT_LOOK_MS = 50,
	TRACED_MAX = TRACEPARENT_LEN + sizeof(",\"traceparent\":\"\"}"),
};

/* What reporter_move() waits for. */
struct answer {
	bool given;
	enum err_code code;
	enum session_state state;
};

struct item {
	TAILQ_ENTRY(item) link;
	enum event_type type;
	bool moves;
	unsigned from;
	enum session_state to;
	struct answer *answer; /* of a move; NULL when its asker has left */
	size_t n;
	char data[];
};

struct reporter {
	struct reporter_options options;
	char tenant[JOURNAL_TENANT_MAX + 1];
	char name[EVENT_PRODUCER_MAX + 1], producer[EVENT_PRODUCER_MAX + 1]; /* see begin_anew() */
	uint64_t epoch, seq; /* seq: of the batch that is next, or in flight */
	unsigned anew;
	TAILQ_HEAD(items, item) items;
	size_t bytes, count;
	bool lost;
	bool redis_back, look, doubted;
	uint64_t given_back; /* the generation that has the journal */
	uint64_t archived;
	const struct traceparent *trace;     /* NULL: it is not traced */
	struct redact_events *texts;         /* between those who add and the queue */
	struct fiber_signal filled, changed; /* for the sender; for those who wait for it */
	struct fiber_group sender;
};

/* ---- the queue ---- */

static size_t cost(const struct item *item)
{
	return item->n + EVENT_COST;
}

static void pop(struct reporter *r, size_t count, const struct answer *answer)
{
	for (size_t i = 0; i < count; i++) {
		struct item *item = TAILQ_FIRST(&r->items);

		if (item->answer != NULL) {
			*item->answer = *answer;
			item->answer->given = true;
		}
		TAILQ_REMOVE(&r->items, item, link);
		assert(item != TAILQ_FIRST(&r->items));
		r->bytes -= cost(item);
		r->count--;
		free(item);
	}
	fiber_signal_raise(&r->changed);
}

static void lose(struct reporter *r, const char *why)
{
	const struct answer answer = { .code = ERR_FENCED };

	if (r->lost) {
		return;
	}
	log_info("session.lost", "epoch=%" PRIu64 " why=%s", r->epoch, why);
	r->lost = true;
	pop(r, r->count, &answer);
	r->options.lost(r->options.arg);
}

void reporter_trace(struct reporter *r, const struct traceparent *at)
{
	r->trace = at;
}

/* What may be joined to others has none: it would be of the first only. */
static bool names_trace(const struct reporter *r, enum event_type type, struct str data)
{
	enum event_kind kind = event_type_info(type)->kind;

	return r->trace != NULL && (kind == EVENT_KIND_KEEP || kind == EVENT_KIND_PLAIN) &&
	       data.n + TRACED_MAX <= EVENT_DATA_MAX && str_ends(data, STR_LIT("}"));
}

/* Room for what trace_onto() adds was made. */
static void trace_onto(struct item *item, const struct traceparent *trace)
{
	bool first = item->n == sizeof("{}") - 1;
	char text[TRACEPARENT_LEN + 1];

	traceparent_format(trace, text);
	item->n += (size_t)snprintf(item->data + item->n - 1, TRACED_MAX,
	                            "%s\"traceparent\":\"%s\"}", first ? "" : ",", text) -
	           1;
}

static struct item *push(struct reporter *r, enum event_type type, struct str data)
{
	bool traced = names_trace(r, type, data);
	struct item *item = mem_calloc(1, sizeof(*item) + data.n + (traced ? TRACED_MAX : 0) + 1);

	item->type = type;
	item->n = data.n;
	memcpy(item->data, data.p, data.n);
	if (traced) {
		trace_onto(item, r->trace);
	}
	TAILQ_INSERT_TAIL(&r->items, item, link);
	r->bytes += cost(item);
	r->count++;
	fiber_signal_raise(&r->filled);
	return item;
}

static enum err_code wait_for_room(struct reporter *r)
{
	enum err_code code = ERR_OK;

	while (code == ERR_OK && !r->lost && r->bytes >= QUEUE_BYTES_MAX) {
		code = fiber_signal_wait(&r->changed, FIBER_NO_TIMEOUT);
	}
	return r->lost ? ERR_FENCED : code;
}

static void push_clean(void *arg, enum event_type type, struct str data)
{
	struct reporter *r = arg;

	if (!r->lost) {
		(void)push(r, type, data);
	}
}

enum err_code reporter_add(struct reporter *r, enum event_type type, struct str data)
{
	enum err_code code = wait_for_room(r);

	if (code == ERR_OK) {
		redact_events_add(r->texts, type, data, clock_mono_ms());
		fiber_signal_raise(&r->filled); /* it may have to be woken for what is held back */
	}
	return code;
}

enum err_code reporter_add_clean(struct reporter *r, enum event_type type, struct str data)
{
	enum err_code code = wait_for_room(r);

	if (code == ERR_OK) {
		push_clean(r, type, data);
	}
	return code;
}

static struct item *push_move(struct reporter *r, struct str data)
{
	struct item *item;
	struct buf clean;

	redact_events_close(r->texts);
	buf_init(&clean, EVENT_BATCH_BYTES);
	redact_json(r->options.redact, data, &clean);
	item = push(r, EVENT_TYPE_STATUS, buf_str(&clean));
	buf_fini(&clean);
	return item;
}

enum err_code reporter_move(struct reporter *r, unsigned from, enum session_state to,
                            struct str data, enum session_state *ret_state)
{
	struct answer answer = { .given = false };
	enum err_code code = wait_for_room(r);
	struct item *item;

	if (code != ERR_OK) {
		return code;
	}
	item = push_move(r, data);
	item->moves = true;
	item->from = from;
	item->to = to;
	item->answer = &answer;
	while (code == ERR_OK && !answer.given) {
		code = fiber_signal_wait(&r->changed, FIBER_NO_TIMEOUT);
	}
	if (!answer.given) {
		item->answer = NULL;
		return code;
	}
	*ret_state = answer.state;
	return answer.code;
}

enum err_code reporter_flush(struct reporter *r, uint64_t timeout_ms)
{
	enum err_code code = ERR_OK;

	if (!r->lost) {
		redact_events_close(r->texts);
	}
	while (code == ERR_OK && !r->lost && r->count > 0) {
		code = fiber_signal_wait(&r->changed, timeout_ms);
	}
	return r->lost ? ERR_FENCED : code;
}

/* ---- the journal ---- */

/* Failures are not the session's: the journal only matters if Redis loses its tail too. */
static void remember(struct reporter *r, const struct log_event *event)
{
	struct err err;
	enum err_code code = journal_add(r->options.journal, event, &err);

	if (code != ERR_OK && code != ERR_SEQUENCE) {
		log_warn("journal.failed", "%s", err.msg);
	}
}

static struct log_range after_journal(const struct reporter *r, struct cursor after)
{
	return (struct log_range){ .sid = r->options.sid,
		                   .tenant = r->tenant,
		                   .after = after,
		                   .max_count = LOG_READ_MAX,
		                   .max_bytes = READ_BYTES };
}

/* An empty one knows where it begins. */
static struct cursor after_last(const struct reporter *r)
{
	struct cursor last = journal_last(r->options.journal);

	return (struct cursor){ CURSOR_EPOCH_ANY, cursor_is_start(&last)
		                                          ? journal_base(r->options.journal)
		                                          : last.n };
}

/* What others appended since, and our own with it. */
static void catch_up(struct reporter *r)
{
	struct cursor at = after_last(r);
	struct log_page page = { 0 };
	struct err err;
	bool more = true;

	while (more) {
		struct log_range range = after_journal(r, at);

		if (log_read(r->options.store, &range, &page, &err) != ERR_OK) {
			log_debug("journal.behind", "%s", err.msg);
			return;
		}
		for (size_t i = 0; i < page.count; i++) {
			remember(r, &page.events[i]);
		}
		at = page.next;
		more = !page.caught_up && page.count > 0;
		log_page_fini(&page);
	}
}

static void remember_batch(struct reporter *r, const struct log_batch *batch,
                           const struct log_result *result)
{
	struct cursor last = journal_last(r->options.journal);
	uint64_t before = cursor_is_start(&last) ? journal_base(r->options.journal) : last.n;

	if (result->first.n != before + 1) {
		catch_up(r);
		return;
	}
	for (size_t i = 0; i < batch->count; i++) {
		struct str level = { "", 0 };
		const bool moved = batch->moves && i + 1 == batch->count;
		struct log_event event = {
			.at = { result->first.epoch, result->first.n + i },
			.ts_ms = clock_wall_us() / 1000,
			.type = str_of(event_type_info(batch->events[i].type)->name),
			.data = batch->events[i].data,
			.producer = str_of(batch->producer),
			.seq = batch->seq,
			.state = moved ? str_of(session_state_name(batch->to)) : level,
		};

		(void)!event_data_ok(event.data, &level);
		event.level = level;
		remember(r, &event);
	}
}

/* A trim copies what is kept: worth it when that is the smaller half. */
static void trim_journal(struct reporter *r)
{
	uint64_t base = journal_base(r->options.journal);
	struct cursor last = journal_last(r->options.journal);
	struct err err;

	if (r->archived > base && last.n > base && (r->archived - base) * 2 >= last.n - base &&
	    journal_trim(r->options.journal, r->archived, &err) != ERR_OK) {
		log_warn("journal.failed", "%s", err.msg);
	}
}

/* ---- after a loss of Redis ---- */

/* Whether all that raised the epoch since ours were rebuilds. *at ends at the last epoch entry. */
static bool only_rebuilds(struct log_page *page, uint64_t ours)
{
	for (size_t i = 0; i < page->count; i++) {
		const struct log_event *event = &page->events[i];
		CLEANUP(json_value_cleanup) struct json_value *data = NULL;
		struct err err;

		if (event->at.epoch <= ours || !str_eq(event->type, STR_LIT("epoch"))) {
			continue;
		}
		data = json_parse(event->data, &err);
		if (!str_eq(json_as_str(json_get(data, "cause")), STR_LIT("rebuild"))) {
			return false;
		}
	}
	return true;
}

/*
 * The log is in a newer epoch. Read the way there from what we know: only rebuilds, and the session
 * is still ours. One that is queued was rebuilt before our journal came, by who knew of no lease:
 * it begins again. One that was rebuilt without our journal has other entries where ours were, so
 * what we know is an id: by its n alone the lease of another would be skipped. ERR_OK: adopted;
 * ERR_FENCED; or why it could not be read.
 */
static enum err_code adopt(struct reporter *r, struct err *err)
{
	struct cursor last = journal_last(r->options.journal);
	struct cursor at = cursor_is_start(&last) ? after_last(r) : last;
	struct log_page page = { 0 };
	enum err_code code = ERR_OK;
	bool ours = true, more = true;
	uint64_t epoch = 0;

	while (ours && more) {
		struct log_range range = after_journal(r, at);

		code = log_read(r->options.store, &range, &page, err);
		if (code != ERR_OK) {
			return code;
		}
		ours = only_rebuilds(&page, r->epoch) && page.gap.reason != LOG_GAP_TRIMMED &&
		       !session_is_terminal(page.head.state) && page.head.state != SESSION_QUEUED;
		for (size_t i = 0; ours && i < page.count; i++) {
			remember(r, &page.events[i]);
		}
		at = page.next;
		epoch = page.head.at.epoch;
		more = !page.caught_up;
		log_page_fini(&page);
	}
	if (!ours) {
		return err_set(err, ERR_FENCED, "the session has another epoch");
	}
	if (epoch == r->epoch) {
		return ERR_OK;
	}
	log_info("session.adopted", "from=%" PRIu64 " to=%" PRIu64, r->epoch, epoch);
	r->epoch = epoch;
	return ERR_OK;
}

/* A log that waits for its rebuild proves nothing: its epoch may be one that was lost. */
static void end_doubt(struct reporter *r)
{
	struct log_head head;
	struct err err;

	if (log_head_get(r->options.store, &r->options.sid, r->tenant, &head, &err) == ERR_OK &&
	    head.found && head.generation == r->options.store->generation &&
	    head.at.epoch == r->epoch && !session_is_terminal(head.state)) {
		r->doubted = false;
		r->options.ours(r->options.arg);
	}
}

static void look_at_epoch(struct reporter *r)
{
	struct err err;
	enum err_code code = adopt(r, &err);

	r->look = false;
	if (code == ERR_FENCED) {
		lose(r, "epoch");
	} else if (code == ERR_OK && r->doubted) {
		end_doubt(r);
	}
}

static void give_back(struct reporter *r)
{
	uint64_t generation = r->options.store->generation;
	struct err err;
	enum err_code code;

	r->redis_back = false;
	if (generation == r->given_back) {
		return;
	}
	code = restore_journal(r->options.store, &r->options.sid, r->options.journal, &err);
	if (code == ERR_OK || code == ERR_FENCED || code == ERR_SEQUENCE) {
		r->given_back = generation;
	}
	if (code != ERR_OK && code != ERR_FENCED) {
		log_warn("session.restore", "code=%s %s", err_name(code), err.msg);
	}
}

/* ---- sending ---- */

struct pause {
	uint64_t ms;
};

static enum err_code back_off(struct pause *pause)
{
	pause->ms = pause->ms == 0 ? BACKOFF_MIN_MS : pause->ms * 2;
	if (pause->ms > BACKOFF_MAX_MS) {
		pause->ms = BACKOFF_MAX_MS;
	}
	return fiber_sleep(pause->ms);
}

/* Moves go alone: one that is refused must not take others with it. */
static size_t take_batch(struct reporter *r, struct log_new *events, struct log_batch *batch)
{
	size_t count = 0, bytes = 0;
	struct item *item;

	TAILQ_FOREACH (item, &r->items, link) {
		if (count == EVENT_BATCH_MAX || bytes + item->n > EVENT_BATCH_BYTES ||
		    (item->moves && count > 0)) {
			break;
		}
		events[count++] = (struct log_new){ item->type, { item->data, item->n } };
		bytes += item->n;
		if (item->moves) {
			batch->from = item->from;
			batch->moves = true;
			batch->to = item->to;
			break;
		}
	}
	return count;
}

/*
 * Redis forgot batches that it had acknowledged, and nobody gave them back so far.  Their numbers
 * stay theirs: a log that was recovered from nothing may give way to one that has them, and there
 * a number that was used again would be taken for the batch that had it first, and be dropped.
 */
static void begin_anew(struct reporter *r, uint64_t expected)
{
	r->anew++;
	(void)snprintf(r->producer, sizeof(r->producer), "%.52s.%u", r->options.producer, r->anew);
	log_warn("session.sequence", "seq=%" PRIu64 " expected=%" PRIu64 " producer=%s", r->seq,
	         expected, r->producer);
	r->seq = 1;
}

enum verdict { DONE, AGAIN, LOST };

static enum verdict judge(struct reporter *r, const struct log_result *result, struct err *err)
{
	enum err_code code;

	switch (result->outcome) {
	case LOG_OK:
	case LOG_MOVED: return DONE;
	case LOG_DUPLICATE: /* it is there; its ids are forgotten */
		log_warn("session.duplicate", "seq=%" PRIu64, r->seq);
		return DONE;
	case LOG_SEQUENCE: begin_anew(r, result->expected); return AGAIN;
	case LOG_LIMIT:
	case LOG_STALE: return AGAIN;
	case LOG_REBUILD: give_back(r); return AGAIN;
	case LOG_FENCED: code = adopt(r, err); return code == ERR_FENCED ? LOST : AGAIN;
	case LOG_MISSING:
	case LOG_ENDED:
	case LOG_PRODUCERS: return LOST;
	case LOG_OUTCOME_COUNT: break;
	}
	return LOST;
}

static bool is_a_bug(enum err_code code)
{
	return code == ERR_INVALID || code == ERR_TOO_LARGE;
}

/* Until the batch is answered for good. False: the session is lost, or we were told to end. */
static bool send(struct reporter *r, struct log_batch *batch, struct answer *answer)
{
	struct pause pause = { 0 };
	struct log_result result;
	struct err err;

	while (!fiber_cancelled() && !r->lost) {
		enum verdict verdict;
		enum err_code code;

		if (r->redis_back) {
			give_back(r);
		}
		if (r->doubted) {
			look_at_epoch(r);
		}
		if (r->doubted || !lease_keeper_holds(r->options.lease)) {
			(void)fiber_sleep(LEASE_LOOK_MS);
			continue;
		}
		batch->epoch = r->epoch;
		batch->seq = r->seq;
		code = log_append(r->options.store, batch, &result, &err);
		if (is_a_bug(code)) {
			log_error("session.batch", "code=%s %s", err_name(code), err.msg);
			*answer = (struct answer){ .code = code };
			return true;
		}
		verdict = code == ERR_OK ? judge(r, &result, &err) : AGAIN;
		if (verdict == DONE) {
			*answer = (struct answer){ .code = log_result_err(&result, &err),
				                   .state = result.state };
			if (result.outcome == LOG_OK) {
				remember_batch(r, batch, &result);
			}
			r->seq += result.outcome != LOG_MOVED ? 1 : 0;
			return true;
		}
		if (verdict == LOST) {
			lose(r, log_outcome_name(result.outcome));
			return false;
		}
		(void)back_off(&pause);
	}
	return false;
}

static void send_next(struct reporter *r)
{
	struct log_new events[EVENT_BATCH_MAX];
	struct log_batch batch = { .sid = r->options.sid,
		                   .tenant = r->tenant,
		                   .producer = r->producer,
		                   .from = SESSION_ANY,
		                   .events = events };
	struct answer answer;

	batch.count = take_batch(r, events, &batch);
	if (send(r, &batch, &answer)) {
		pop(r, batch.count, &answer);
	}
}

/* What is held back of a text for too long goes out. */
static uint64_t flush_texts(struct reporter *r)
{
	uint64_t now = clock_mono_ms(), due = redact_events_due(r->texts);

	if (due != 0 && due <= now) {
		redact_events_flush(r->texts, now);
		due = redact_events_due(r->texts);
	}
	return due == 0 ? FIBER_NO_TIMEOUT : due > now ? due - now : 0;
}

static void await_work(struct reporter *r)
{
	uint64_t ms = flush_texts(r);

	if (r->doubted && ms > DOUBT_LOOK_MS) {
		ms = DOUBT_LOOK_MS;
	}
	if (r->count == 0) {
		(void)!fiber_signal_wait(&r->filled, ms);
	}
}

static void send_all(void *arg)
{
	struct reporter *r = arg;

	fiber_set_tag("session=%s", r->options.sid.s);
	catch_up(r);
	while (!fiber_cancelled() && !r->lost) {
		if (r->redis_back) {
			give_back(r);
		}
		if (r->look || r->doubted) {
			look_at_epoch(r);
		}
		trim_journal(r);
		if (r->lost) {
			break;
		}
		if (r->count > 0) {
			send_next(r);
		} else {
			await_work(r);
		}
	}
}

/* ---- life ---- */

struct reporter *reporter_new(const struct reporter_options *options)
{
	struct reporter *r = mem_calloc(1, sizeof(*r));

	r->options = *options;
	(void)str_copy(r->tenant, sizeof(r->tenant), str_of(options->tenant));
	(void)str_copy(r->name, sizeof(r->name), str_of(options->producer));
	(void)str_copy(r->producer, sizeof(r->producer), str_of(options->producer));
	r->options.tenant = r->tenant;
	r->options.producer = r->name;
	r->epoch = options->epoch;
	r->seq = 1;
	TAILQ_INIT(&r->items);
	r->texts = redact_events_new(options->redact, push_clean, r);
	fiber_signal_init(&r->filled);
	fiber_signal_init(&r->changed);
	(void)fiber_start(options->loop, &r->sender, "reporter", send_all, r);
	return r;
}

void reporter_free(struct reporter *r)
{
	const struct answer answer = { .code = ERR_CANCELLED };

	if (r == NULL) {
		return;
	}
	fiber_group_cancel(&r->sender, ERR_CANCELLED);
	fiber_shield();
	(void)!fiber_group_wait(&r->sender, FIBER_NO_TIMEOUT);
	fiber_unshield();
	pop(r, r->count, &answer);
	redact_events_free(r->texts);
	free(r);
}

uint64_t reporter_epoch(const struct reporter *r)
{
	return r->epoch;
}

void reporter_redis_back(struct reporter *r)
{
	r->redis_back = true;
	fiber_signal_raise(&r->filled);
}

bool reporter_gave_back(const struct reporter *r)
{
	return r->lost || r->given_back == r->options.store->generation;
}

void reporter_doubt(struct reporter *r)
{
	r->doubted = true;
	fiber_signal_raise(&r->filled);
}

void reporter_look(struct reporter *r)
{
	r->look = true;
	fiber_signal_raise(&r->filled);
}

void reporter_archived(struct reporter *r, uint64_t through)
{
	/* One that is idle is not woken for nothing, for ever. */
	if (through > r->archived) {
		r->archived = through;
		fiber_signal_raise(&r->filled);
	}
}
