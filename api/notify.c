#include "api/notify.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "queue/lease.h"
#include "queue/mail.h"

enum { WORKERS_MAX = 256 };

static enum err_code find_worker(const struct node *node, struct notify_holder *holder,
                                 struct err *err)
{
	struct lease_worker *workers = mem_calloc(WORKERS_MAX, sizeof(*workers));
	size_t count = 0;
	enum err_code code = lease_list(node->redis, workers, WORKERS_MAX, &count, err);

	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		if (strcmp(workers[i].incarnation, holder->incarnation) == 0) {
			(void)str_copy(holder->worker, sizeof(holder->worker),
			               str_of(workers[i].worker));
			(void)str_copy(holder->name, sizeof(holder->name), str_of(workers[i].name));
		}
	}
	free(workers);
	if (code == ERR_OK && holder->worker[0] == '\0') {
		return err_set(err, ERR_NOT_FOUND, "the worker is gone");
	}
	return code;
}

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
		code = find_worker(node, &holder, err);
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
			                   .epoch = notice->epoch,
			                   .body = notice->body };

		code = mail_send(node->redis, holder.worker, &mail, &err);
	}
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		log_debug("notice.lost", "session=%s kind=%s code=%s %s", notice->sid.s,
		          notice->kind, err_name(code), err.msg);
	}
}
