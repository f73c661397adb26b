/*
 * What sessions that have left this worker said last.
 *
 * Their events are in Redis, and in the archive a moment later.  Until then the journal stays, so
 * that an end that Redis loses is not an end that nobody knows of: the session would begin again.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "worker/restore.h"
#include "worker/session_private.h"

enum { TAILS_MAX = 4096, KEPT_MS = 600000 };

struct session_tail {
	TAILQ_ENTRY(session_tail) link;
	struct id sid;
	char tenant[JOURNAL_TENANT_MAX + 1];
	uint64_t n; /* its last */
	uint64_t since_ms;
};

static struct session_tail *find(struct session_host *host, const struct id *sid)
{
	struct session_tail *tail;

	TAILQ_FOREACH (tail, &host->tails, link) {
		if (id_eq(&tail->sid, sid)) {
			return tail;
		}
	}
	return NULL;
}

static void forget(struct session_host *host, struct session_tail *tail)
{
	journal_remove(host->journal_dir, &tail->sid);
	TAILQ_REMOVE(&host->tails, tail, link);
	host->tail_count--;
	free(tail);
}

void session_tail_drop(struct session_host *host, const struct id *sid)
{
	struct session_tail *tail = find(host, sid);

	if (tail != NULL) {
		forget(host, tail);
	}
}

void session_tails_free(struct session_host *host)
{
	struct session_tail *tail;

	while ((tail = TAILQ_FIRST(&host->tails)) != NULL) {
		TAILQ_REMOVE(&host->tails, tail, link);
		free(tail);
	}
}

void session_tail_keep(struct session_run *s)
{
	struct session_host *host = s->host;
	struct session_tail *tail;

	if (s->journal == NULL || journal_last(s->journal).n == 0) {
		journal_discard(s->journal);
		return;
	}
	session_tail_drop(host, &s->sid);
	if (host->tail_count == TAILS_MAX) {
		forget(host, TAILQ_FIRST(&host->tails));
	}
	tail = mem_calloc(1, sizeof(*tail));
	tail->sid = s->sid;
	(void)str_copy(tail->tenant, sizeof(tail->tenant), str_of(s->tenant));
	tail->n = journal_last(s->journal).n;
	tail->since_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&host->tails, tail, link);
	host->tail_count++;
	journal_close(s->journal);
}

/* Those after one, or the first; the list changes while Redis is asked. */
static size_t take_page(struct session_host *host, const struct id *after, struct log_look *looks)
{
	struct session_tail *tail = id_is_nil(after) ? NULL : find(host, after);
	size_t count = 0;

	tail = tail != NULL ? TAILQ_NEXT(tail, link) : TAILQ_FIRST(&host->tails);
	for (; tail != NULL && count < LOG_HEADS_MAX; tail = TAILQ_NEXT(tail, link)) {
		looks[count++] = (struct log_look){ .sid = tail->sid, .tenant = tail->tenant };
	}
	return count;
}

static bool is_archived(const struct session_tail *tail, const struct log_look *look)
{
	if (look->err.code != ERR_OK) {
		return false;
	}
	return look->head.found ? look->head.watermark >= tail->n
	                        : clock_mono_ms() > tail->since_ms + KEPT_MS;
}

/* The rest is looked at next time: those at the front are archived first. */
void session_tails_sweep(struct session_host *host)
{
	struct log_look *looks = mem_calloc(LOG_HEADS_MAX, sizeof(*looks));
	const struct id none = { "" };
	size_t count = LOG_HEADS_MAX, gone = LOG_HEADS_MAX;
	struct err err;

	while (count == LOG_HEADS_MAX && gone > 0 && host->store->generation != 0 &&
	       !fiber_cancelled()) {
		char tenants[LOG_HEADS_MAX][JOURNAL_TENANT_MAX + 1];

		count = take_page(host, &none, looks);
		for (size_t i = 0; i < count; i++) {
			(void)str_copy(tenants[i], sizeof(tenants[i]), str_of(looks[i].tenant));
			looks[i].tenant = tenants[i];
		}
		gone = 0;
		if (count == 0 || log_heads_get(host->store, looks, count, &err) != ERR_OK) {
			break;
		}
		for (size_t i = 0; i < count; i++) {
			struct session_tail *tail = find(host, &looks[i].sid);

			if (tail != NULL && is_archived(tail, &looks[i])) {
				forget(host, tail);
				gone++;
			}
		}
	}
	free(looks);
}

static void give(struct session_host *host, const struct id *sid)
{
	struct journal *journal;
	struct err err;
	enum err_code code = journal_open(host->journal_dir, sid, &journal, &err);

	if (code == ERR_OK) {
		code = restore_journal(host->store, sid, journal, &err);
		journal_close(journal);
	}
	if (code != ERR_OK && code != ERR_FENCED) {
		log_warn("journal.tail", "session=%s code=%s %s", sid->s, err_name(code), err.msg);
	}
}

/* The newest are the ones that the archive may not have. */
void session_tails_give(struct session_host *host)
{
	uint64_t generation = host->store->generation;
	size_t count = 0;
	struct id *ids = mem_calloc(host->tail_count + 1, sizeof(*ids));
	struct session_tail *tail;

	TAILQ_FOREACH_REVERSE(tail, &host->tails, session_tails, link)
	{
		ids[count++] = tail->sid;
	}
	for (size_t i = 0; i < count && !fiber_cancelled(); i++) {
		if (find(host, &ids[i]) != NULL) {
			give(host, &ids[i]);
		}
	}
	free(ids);
	host->tails_given = generation;
}
