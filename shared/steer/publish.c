#include "steer/publish.h"

#include <string.h>

#include "event/segment.h"
#include "json/value.h"
#include "queue/queue_limit.h"
#include "session/session_copy.h"
#include "session/session_json.h"
#include "steer/notify.h"
#include "task/task_json.h"
#include "task/task_store.h"

/* Where the log of a new session begins. */
enum { FIRST_EPOCH = 1, FIRST_N = 1 };

enum err_code steer_make_log(const struct log_store *store, struct pg *pg, const struct id *sid,
                             const char *tenant, bool stored, uint64_t *ret_epoch, struct err *err)
{
	const struct log_open opening = { .sid = *sid,
		                          .tenant = tenant,
		                          .how = LOG_CREATE,
		                          .cause = "create",
		                          .token = "create",
		                          .to = SESSION_QUEUED };
	struct log_epoch epoch = { .sid = *sid,
		                   .tenant = tenant,
		                   .cause = opening.cause,
		                   .generation = store->generation };
	struct log_result opened;
	enum err_code code;

	*ret_epoch = 0;
	if (store->generation == 0) {
		return err_set(err, ERR_UNAVAILABLE, "the generation of Redis is not known yet");
	}
	code = log_open(store, &opening, &opened, err);
	if (code != ERR_OK || opened.outcome == LOG_MOVED) { /* MOVED: somebody else made it */
		return code;
	}
	if (opened.outcome != LOG_OK) {
		return log_result_err(&opened, err);
	}
	*ret_epoch = opened.epoch;
	if (stored && opened.first.epoch == FIRST_EPOCH && opened.first.n == FIRST_N) {
		return ERR_OK;
	}
	epoch.first = opened.first;
	return log_epoch_store(pg, &epoch, err);
}

enum err_code steer_is_unmade(const struct log_store *store, struct pg *pg, const char *tenant,
                              const struct id *sid, bool *ret, bool *ret_stored, struct err *err)
{
	struct session_epoch last = { .epoch = 0 };
	enum err_code code = session_epoch_last(pg, tenant, sid, &last, err);

	if (code == ERR_OK) {
		*ret_stored = last.epoch == FIRST_EPOCH && last.generation == store->generation;
		*ret = last.epoch == 0 || *ret_stored;
	}
	return code;
}

/* ---- into the queue ---- */

void steer_user_name(struct str owner, struct str key, char out[QUEUE_NAME_MAX + 1])
{
	if (owner.n > 0) {
		queue_name_of(owner, out);
	} else if (!str_copy(out, QUEUE_NAME_MAX + 1, key)) {
		queue_name_of(key, out);
	}
}

static const char *name_of(struct str text, struct arena *arena)
{
	char name[QUEUE_NAME_MAX + 1];

	if (text.n == 0) {
		return NULL;
	}
	queue_name_of(text, name);
	return arena_strdup(arena, str_of(name));
}

/* "repo=<name>", as workers say what they hold; NULL: none. */
static const char *repo_word(const struct session *row, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *repo = json_parse(row->repo, &err);
	struct str url = json_as_str(json_get(repo, "url"));
	char name[QUEUE_NAME_MAX + 1];

	if (url.n == 0) {
		return NULL;
	}
	queue_name_of(url, name);
	return arena_printf(arena, "repo=%s", name);
}

/* Labels that it prefers, and the repository that it needs; what is too long is left out. */
static const char *likes_of(const struct session *row, const char *prefers, struct arena *arena)
{
	const char *repo = repo_word(row, arena), *likes = prefers;

	if (repo != NULL) {
		likes = arena_printf(arena, "%s%s%s", prefers, prefers[0] != '\0' ? "," : "", repo);
	}
	return strlen(likes) <= QUEUE_LIKES_MAX ? likes : repo;
}

void steer_accepted(const struct task_acceptance *acceptance, const struct id *task,
                    struct arena *arena, struct session *ret)
{
	const struct task_spec *spec = acceptance->spec;

	*ret = (struct session){
		.task = *task,
		.state = SESSION_QUEUED,
		.tenant = str_of(acceptance->tenant),
		.project = spec->project,
		.created_by = str_of(acceptance->created_by),
		.owner = str_of(acceptance->owner),
		.priority = (unsigned)spec->priority,
		.max_attempts = (unsigned)spec->max_attempts,
		.prompt = task_prompt_json(spec, arena),
		.repo = task_repo_json(spec, arena),
		.runtime = task_runtime_json(spec, arena),
		.delivery = task_delivery_json(spec, arena),
		.workers = task_workers_json(spec, arena),
		.concurrency_key = spec->concurrency_key,
		.queue_after = spec->queue_after,
		.waits = spec->queue_after.n > 0 && !acceptance->after_met,
		.not_before_us = spec->not_before_us,
	};
	if (acceptance->trace.sampled) {
		char trace[TRACEPARENT_LEN + 1];

		traceparent_format(&acceptance->trace, trace);
		ret->traceparent = arena_str(arena, str_of(trace));
	}
}

struct str steer_copy_of(const struct session *row, const struct steer_publication *publication,
                         struct arena *arena)
{
	bool at_once = publication->hold == NULL && publication->key == NULL &&
	               publication->not_before_ms == 0 && !publication->first;

	return at_once ? session_copy_write(row, arena) : STR_LIT("");
}

void steer_publication_of(const struct session *row, struct arena *arena,
                          struct steer_publication *ret)
{
	struct session_words words = session_words(row, arena);
	char user[QUEUE_NAME_MAX + 1];

	steer_user_name(row->owner, row->created_by, user);
	*ret = (struct steer_publication){
		.sid = row->id,
		.tenant = row->tenant.p,
		.user = arena_strdup(arena, str_of(user)),
		.project = row->project.n > 0 ? row->project.p : NULL,
		.agent = words.agent,
		.key = name_of(row->concurrency_key, arena),
		.priority =
			row->priority <= QUEUE_PRIORITY_MAX ? row->priority : QUEUE_PRIORITY_MAX,
		.needs = words.needs,
		.likes = likes_of(row, words.prefers, arena),
		.not_before_ms = (uint64_t)row->not_before_us / 1000,
		.hold = row->waits ? arena_printf(arena, STEER_HOLD_AFTER "%" STR_FMT,
		                                  STR_ARG(row->queue_after))
		                   : NULL,
	};
	ret->copy = steer_copy_of(row, ret, arena);
}

enum err_code steer_enqueue(struct redis *redis, const struct steer_publication *publication,
                            uint64_t epoch, struct err *err)
{
	const struct queue queue = steer_queue(redis, publication->tenant);
	const struct queue_submit item = { .sid = publication->sid,
		                           .tenant = publication->tenant,
		                           .user = publication->user,
		                           .project = publication->project,
		                           .agent = publication->agent,
		                           .key = publication->key,
		                           .first = publication->first,
		                           .priority = publication->priority,
		                           .needs = publication->needs,
		                           .likes = publication->likes,
		                           .not_before_ms = publication->not_before_ms,
		                           .hold = publication->hold,
		                           .epoch = epoch,
		                           .copy = publication->copy };
	enum queue_set set;

	return queue_submit(&queue, &item, &set, err);
}

enum err_code steer_publish(const struct log_store *store, struct pg *pg,
                            const struct steer_publication *publication, bool stored,
                            struct err *err)
{
	uint64_t epoch;
	enum err_code code = steer_make_log(store, pg, &publication->sid, publication->tenant,
	                                    stored, &epoch, err);

	return code == ERR_OK ? steer_enqueue(store->redis, publication, epoch, err) : code;
}

enum err_code steer_publish_rows(const struct log_store *store, struct pg *pg, const char *tenant,
                                 const struct steer_rows *rows, struct arena *arena,
                                 struct err *err)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < rows->count && code == ERR_OK; i++) {
		struct steer_publication publication;
		struct session row;

		code = session_get(pg, tenant, &rows->ids[i], arena, &row, err);
		if (code == ERR_OK) {
			steer_publication_of(&row, arena, &publication);
			code = steer_publish(store, pg, &publication, rows->stored, err);
		}
	}
	return code == ERR_OK ? session_mark_queued(pg, tenant, rows->ids, rows->count, err) : code;
}
