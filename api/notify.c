#include "api/notify.h"

#include "log/log.h"
#include "queue/lease.h"
#include "queue/mail.h"

enum err_code notify_find_holder(const struct node *node, const char *tenant, const struct id *sid,
                                 struct notify_holder *ret, struct err *err)
{
	const struct queue queue = app_queue(node, tenant);
	struct notify_holder holder = { .worker = "" };
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
		code = lease_worker_of(node->redis, item.incarnation, holder.worker, err);
	}
	if (code == ERR_OK) {
		*ret = holder;
	}
	return code;
}

void notify_worker(const struct node *node, const struct notice *notice)
{
	struct notify_holder holder;
	struct err err;
	enum err_code code = notify_find_holder(node, notice->tenant, &notice->sid, &holder, &err);

	if (code == ERR_OK) {
		const struct mail mail = { .kind = str_of(notice->kind),
			                   .incarnation = str_of(holder.incarnation),
			                   .sid = notice->sid,
			                   .epoch = notice->epoch != 0 ? notice->epoch
			                                               : holder.epoch,
			                   .attempt = holder.attempt,
			                   .body = notice->body };

		code = mail_send(node->redis, holder.worker, &mail, &err);
	}
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		log_debug("notice.lost", "session=%s kind=%s code=%s %s", notice->sid.s,
		          notice->kind, err_name(code), err.msg);
	}
}
