#include "node/backlog.h"

#include "base/map.h"
#include "event/backlog.h"
#include "log/log.h"
#include "node/node.h"

enum { LOOK_MS = 1000 };

/* A Redis that does not answer takes no appends either: what was known stays until it does. */
void node_backlog_keep(void *arg)
{
	struct node *node = arg;
	struct err err;

	while (!fiber_cancelled()) {
		size_t before =
			node->store.backlogged != NULL ? map_count(node->store.backlogged) : 0;

		if (backlog_read(node->redis, &node->store.backlogged, &err) == ERR_OK &&
		    map_count(node->store.backlogged) != before) {
			log_info("tenants.backlogged", "tenants=%zu",
			         map_count(node->store.backlogged));
		}
		(void)fiber_sleep(LOOK_MS);
	}
}
