#include "node/storage.h"

#include "log/log.h"
#include "node/node.h"
#include "pg/durable.h"
#include "redis/durable.h"

enum { RETRY_MS = 250 };

static enum err_code check_redis(struct node *node, struct err *err)
{
	return redis_check_durable(node->redis, err);
}

static enum err_code check_pg(struct node *node, struct err *err)
{
	return node->pg != NULL ? pg_check_durable(node->pg, err) : ERR_OK;
}

static bool admit(struct node *node, enum err_code (*check)(struct node *node, struct err *err))
{
	struct err err;

	while (!fiber_cancelled()) {
		enum err_code code = check(node, &err);

		if (code == ERR_UNSUPPORTED && !node->conf.unsafe_storage) {
			(void)err_wrap(&err, "refused because unsafe.storage is false");
			node_fail(node, &err);
			return false;
		}
		if (code == ERR_UNSUPPORTED) {
			log_warn("storage.unsafe", "%s", err.msg);
		}
		if (code == ERR_OK || code == ERR_UNSUPPORTED) {
			return true;
		}
		if (code == ERR_BACKEND) {
			log_warn("storage.unchecked", "%s", err.msg);
		}
		(void)fiber_sleep(RETRY_MS);
	}
	return false;
}

bool storage_admit(struct node *node)
{
	return admit(node, check_redis) && admit(node, check_pg);
}
