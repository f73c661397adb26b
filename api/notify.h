/* Tell the worker that has a session's lease. What it is about is durable elsewhere, so a note
 * that is lost only costs a moment: a scheduler tells it again. */
#pragma once

#include "api/app.h"
#include "base/id.h"

struct notice {
	const char *tenant;
	struct id sid;
	const char *kind; /* of mail */
	uint64_t epoch;   /* 0: the lease's */
	struct str body;
};

void notify_worker(const struct node *node, const struct notice *notice);

struct notify_holder {
	char incarnation[QUEUE_WORKER_MAX + 1], worker[QUEUE_WORKER_MAX + 1];
	uint64_t epoch, attempt;
};
/* Who has the lease. ERR_NOT_FOUND: nobody. */
enum err_code notify_find_holder(const struct node *node, const char *tenant, const struct id *sid,
                                 struct notify_holder *ret, struct err *err) MUST_CHECK;
