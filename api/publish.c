#include "api/publish.h"

#include "api/app.h"
#include "event/segment.h"
#include "session/session_json.h"

enum err_code publish_session(const struct node *node, const struct publication *publication,
                              struct err *err)
{
	const struct log_open opening = { .sid = publication->sid,
		                          .tenant = publication->tenant,
		                          .how = LOG_CREATE,
		                          .cause = "create",
		                          .token = "create",
		                          .epoch = publication->epoch,
		                          .to = SESSION_QUEUED };
	const struct queue_submit item = { .sid = publication->sid,
		                           .tenant = publication->tenant,
		                           .priority = publication->priority,
		                           .needs = publication->needs };
	const struct queue queue = app_queue(node, publication->tenant);
	struct log_result opened;
	enum queue_set set;
	enum err_code code;

	if (node->store.generation == 0) {
		return err_set(err, ERR_UNAVAILABLE, "the generation of Redis is not known yet");
	}
	code = log_open(&node->store, &opening, &opened, err);
	if (code != ERR_OK) {
		return code;
	}
	/* MOVED: somebody else has created it. */
	if (opened.outcome != LOG_OK && opened.outcome != LOG_MOVED) {
		return log_result_err(&opened, err);
	}
	code = queue_submit(&queue, &item, &set, err);
	if (code == ERR_OK && opened.outcome == LOG_OK) {
		const struct log_epoch epoch = { .sid = publication->sid,
			                         .tenant = publication->tenant,
			                         .first = opened.first,
			                         .cause = "create",
			                         .generation = node->store.generation };

		code = log_epoch_store(node->pg, &epoch, err);
	}
	return code;
}

enum err_code publish_row(const struct node *node, const struct session *row, struct arena *arena,
                          struct err *err)
{
	struct publication publication = {
		.sid = row->id,
		.tenant = arena_strdup(arena, row->tenant),
		.priority = row->priority,
		.needs = session_needs(row, arena),
	};
	enum err_code code =
		session_epoch_last(node->pg, publication.tenant, &row->id, &publication.epoch, err);

	if (code == ERR_OK && publication.epoch > 0) {
		return err_set(err, ERR_REBUILD, "the log of %s is not in this Redis", row->id.s);
	}
	return code == ERR_OK ? publish_session(node, &publication, err) : code;
}
