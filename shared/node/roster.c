#include "node/roster.h"

#include "base/id.h"
#include "log/log.h"
#include "node/node.h"
#include "pg/schema.h"
#include "pg/standing.h"

enum { JOIN_MS = 250, RENEW_MS = 5000 };

/* False: it is not wanted any more. */
static bool is_wanted(struct node *node, const struct pg_standing *standing)
{
	struct err err;

	if (standing->asked <= pg_schema.protocol) {
		return true;
	}
	(void)err_set(&err, ERR_UNSUPPORTED,
	              "the database asks for protocol %u, and version %s speaks %u: start a later "
	              "one",
	              standing->asked, node_version(), pg_schema.protocol);
	node_fail(node, &err);
	return false;
}

/* Requests that were begun are answered yet. When that cannot be said it counts as alive for half a
 * minute, which is why nobody waits for it. */
static void leave(struct node *node, const struct id *id)
{
	struct err err;

	if (!pg_available(node->pg)) {
		return;
	}
	fiber_shield();
	if (pg_node_leave(node->pg, id->s, node->conf.drain_timeout, &err) != ERR_OK) {
		log_debug("roster.leave", "%s", err.msg);
	}
	fiber_unshield();
}

void roster_keep(void *arg)
{
	struct node *node = arg;
	const struct id id = id_new();
	const struct pg_node self = { id.s, node->options->program, node_version() };
	bool told = false;

	while (!fiber_cancelled()) {
		struct pg_standing standing = { .asked = 0 };
		struct err err;

		if (pg_node_join(node->pg, &self, &pg_schema, &standing, &err) != ERR_OK) {
			log_debug("roster.join", "%s", err.msg);
		} else if (!is_wanted(node, &standing)) {
			return;
		} else if (!standing.schema_ready && !told) {
			log_warn("schema.behind", "version=%s run=\"fairlead migrate\"",
			         node_version());
			told = true;
		}
		node->joined = node->joined || standing.schema_ready;
		(void)fiber_sleep(node->joined ? RENEW_MS : JOIN_MS);
	}
	leave(node, &id);
}
