#include "steer/publish.h"

#include "event/segment.h"
#include "queue/queue.h"
#include "steer/notify.h"

enum err_code steer_make_log(const struct log_store *store, struct pg *pg, const struct id *sid,
                             const char *tenant, struct err *err)
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
	epoch.first = opened.first;
	return log_epoch_store(pg, &epoch, err);
}

enum err_code steer_publish(const struct log_store *store, struct pg *pg,
                            const struct steer_publication *publication, struct err *err)
{
	const struct queue queue = steer_queue(store->redis, publication->tenant);
	const struct queue_submit item = { .sid = publication->sid,
		                           .tenant = publication->tenant,
		                           .priority = publication->priority,
		                           .needs = publication->needs };
	enum queue_set set;
	enum err_code code = steer_make_log(store, pg, &publication->sid, publication->tenant, err);

	return code == ERR_OK ? queue_submit(&queue, &item, &set, err) : code;
}
