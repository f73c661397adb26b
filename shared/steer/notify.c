#include "steer/notify.h"

#include <string.h>

#include "log/log.h"
#include "queue/lease.h"
#include "queue/mail.h"

struct queue steer_queue(struct redis *redis, const char *tenant)
{
	return queue_of_tenant(redis, str_of(tenant));
}

enum err_code steer_find_holder(struct redis *redis, const char *tenant, const struct id *sid,
                                struct steer_holder *ret, struct err *err)
{
	const struct queue queue = steer_queue(redis, tenant);
	struct steer_holder holder = { .worker = "" };
	struct queue_item item;
	enum err_code code = queue_get(&queue, sid, &item, err);

	if (code == ERR_OK && item.incarnation[0] == '\0') {
		return err_set(err, ERR_NOT_FOUND, "it is not leased");
	}
	if (code == ERR_OK) {
		(void)str_copy(holder.incarnation, sizeof(holder.incarnation),
		               str_of(item.incarnation));
		holder.epoch = item.epoch;
		holder.attempt = item.attempt;
		code = lease_worker_of(redis, item.incarnation, holder.worker, err);
	}
	if (code == ERR_OK) {
		*ret = holder;
	}
	return code;
}

enum err_code steer_bring_back(const struct queue *queue, const struct queue_item *item,
                               struct err *err)
{
	const struct queue_move move = { .sid = item->sid, .attempt = item->attempt };
	enum queue_set set;
	enum err_code code;

	if (item->set != QUEUE_HELD || strcmp(item->reason, QUEUE_EVICTED) != 0) {
		return ERR_OK;
	}
	code = queue_release(queue, &move, &set, err);
	return code == ERR_CONFLICT || code == ERR_NOT_FOUND ? ERR_OK : code;
}

static enum err_code bring_back(struct redis *redis, const struct steer_note *note, struct err *err)
{
	const struct queue queue = steer_queue(redis, note->tenant);
	struct queue_item item;
	enum err_code code = queue_get(&queue, &note->sid, &item, err);

	return code == ERR_OK ? steer_bring_back(&queue, &item, err) : code;
}

void steer_notify(struct redis *redis, const struct steer_note *note)
{
	struct steer_holder holder;
	struct err err;
	enum err_code code = steer_find_holder(redis, note->tenant, &note->sid, &holder, &err);

	if (code == ERR_OK) {
		const struct mail mail = { .kind = str_of(note->kind),
			                   .incarnation = str_of(holder.incarnation),
			                   .sid = note->sid,
			                   .epoch = note->epoch != 0 ? note->epoch : holder.epoch,
			                   .attempt = holder.attempt,
			                   .body = note->body };

		code = mail_send(redis, holder.worker, &mail, &err);
	} else if (code == ERR_NOT_FOUND) {
		code = bring_back(redis, note, &err);
	}
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		log_debug("notice.lost", "session=%s kind=%s code=%s %s", note->sid.s, note->kind,
		          err_name(code), err.msg);
	}
}

enum err_code steer_release(struct redis *redis, const char *tenant, const struct id *sid,
                            struct err *err)
{
	const struct queue queue = steer_queue(redis, tenant);
	const struct queue_move move = { .sid = *sid };
	struct queue_item item;
	enum queue_set set;
	enum err_code code = queue_get(&queue, sid, &item, err);

	if (code == ERR_OK && item.set == QUEUE_HELD &&
	    strcmp(item.reason, STEER_HOLD_PAUSED) == 0) {
		code = queue_release(&queue, &move, &set, err);
	}
	return code == ERR_NOT_FOUND || code == ERR_CONFLICT ? ERR_OK : code;
}
