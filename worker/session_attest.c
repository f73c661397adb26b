/* After a loss of Redis: what this worker has is told to the queue again. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "queue/queue_again.h"
#include "redis/redis.h"
#include "worker/session_private.h"

enum { GIVE_BACK_MS = 1000, LOOK_MS = 10 };

/* Of one shard; the sessions may go while the queue is asked. */
struct batch {
	struct queue_attest items[QUEUE_ATTEST_MAX];
	struct queue_about abouts[QUEUE_ATTEST_MAX];
	char reasons[QUEUE_ATTEST_MAX][SESSION_PARK_REASON];
	size_t count;
};

/* One that has not begun, or has said its last word, is whoever's the log says. */
static bool is_here(const struct session_run *s)
{
	return s->reporter != NULL && s->fate != FATE_LOST && s->about[0] != '\0';
}

static void add(struct batch *batch, const struct session_run *s)
{
	size_t i = batch->count++;

	(void)str_copy(batch->abouts[i].text, sizeof(batch->abouts[i].text), str_of(s->about));
	(void)str_copy(batch->reasons[i], sizeof(batch->reasons[i]), str_of(s->park_reason));
	batch->items[i] = (struct queue_attest){ .sid = s->sid,
		                                 .about = &batch->abouts[i],
		                                 .epoch = session_epoch_now(s),
		                                 .attempt = s->attempt,
		                                 .parked = s->parked,
		                                 .stays = s->parked && s->park_stays,
		                                 .placeless = s->parked && s->park_placeless,
		                                 .reason = s->parked ? batch->reasons[i] : NULL };
}

static struct session_run *find(struct session_host *host, const struct queue_attest *item)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (id_eq(&s->sid, &item->sid) && s->attempt == item->attempt && is_here(s)) {
			return s;
		}
	}
	return NULL;
}

static enum err_code tell(struct session_host *host, const struct queue *queue,
                          const char *incarnation, struct batch *batch, struct err *err)
{
	enum err_code code = queue_attest(queue, incarnation, batch->items, batch->count, err);

	for (size_t i = 0; code == ERR_OK && i < batch->count; i++) {
		struct session_run *s = find(host, &batch->items[i]);

		if (s != NULL && batch->items[i].taken) {
			s->attempt = batch->items[i].attempt_now;
		} else if (s != NULL) {
			log_info("session.unattested", "session=%s", s->sid.s);
			session_doubt(s);
		}
	}
	batch->count = 0;
	return code;
}

/* Those of one shard, by ids: the list changes while the queue is asked. */
static enum err_code attest_shard(struct session_host *host, const struct queue *queue,
                                  const char *incarnation, struct batch *batch, struct err *err)
{
	enum err_code code = ERR_OK;
	struct id after = { "" };
	bool more = true;

	while (code == ERR_OK && more) {
		struct session_run *s, *next = NULL;

		LIST_FOREACH(s, &host->runs, link)
		{
			if (is_here(s) && strcmp(s->sid.s, after.s) > 0 &&
			    session_shard(s) == queue->shard &&
			    (next == NULL || strcmp(s->sid.s, next->sid.s) < 0)) {
				next = s;
			}
		}
		more = next != NULL;
		if (more) {
			after = next->sid;
			add(batch, next);
		}
		if (batch->count == QUEUE_ATTEST_MAX || (!more && batch->count > 0)) {
			code = tell(host, queue, incarnation, batch, err);
		}
	}
	return code;
}

static bool all_gave_back(const struct session_host *host)
{
	const struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (s->reporter != NULL && !reporter_gave_back(s->reporter)) {
			return false;
		}
	}
	return host->tails_given == host->store->generation;
}

/* Schedulers open logs again when all workers have attested. Who cannot give back in time holds
 * nobody up. */
static void wait_for_journals(const struct session_host *host)
{
	uint64_t until = clock_mono_ms() + GIVE_BACK_MS;

	while (!all_gave_back(host) && clock_mono_ms() < until && fiber_sleep(LOOK_MS) == ERR_OK) {
	}
}

static bool knows(const struct session_host *host, const struct id *sid)
{
	const struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (id_eq(&s->sid, sid)) {
			return true;
		}
	}
	return false;
}

/* A queue that came back without its last seconds has for ours what has left since: whoever claims
 * it next reads in its log what became of it. */
static enum err_code disown(const struct session_host *host, const struct queue *queue,
                            const char *incarnation, struct err *err)
{
	struct queue_item *items = mem_calloc(QUEUE_BATCH_MAX, sizeof(*items));
	struct queue_page page = { items, QUEUE_BATCH_MAX, 0 };
	size_t count = QUEUE_BATCH_MAX, gone = 1;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && count == QUEUE_BATCH_MAX && gone > 0) {
		code = queue_of_worker(queue, incarnation, &page, err);
		count = code == ERR_OK ? page.count : 0;
		gone = 0;
		for (size_t i = 0; i < count && code == ERR_OK; i++) {
			const struct queue_move move = { .sid = items[i].sid,
				                         .attempt = items[i].attempt,
				                         .reason = "it has left its worker" };
			enum queue_set set;

			if (!knows(host, &items[i].sid)) {
				gone++;
				code = queue_requeue(queue, &move, &set, err);
				code = code == ERR_CONFLICT ? ERR_OK : code;
			}
		}
	}
	free(items);
	return code;
}

enum err_code session_attest_all(struct session_host *host, const char *incarnation,
                                 struct err *err)
{
	struct batch *batch = mem_calloc(1, sizeof(*batch));
	enum err_code code = ERR_OK;

	wait_for_journals(host);

	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(host->redis); shard++) {
		const struct queue queue = queue_at(host->redis, shard);

		code = attest_shard(host, &queue, incarnation, batch, err);
		if (code == ERR_OK) {
			code = disown(host, &queue, incarnation, err);
		}
	}
	free(batch);
	return code;
}
