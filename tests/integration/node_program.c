/* The smallest program of ours: one route, and a start() that can be told to wait for Redis. */
#include <stdlib.h>

#include "node/node.h"
#include "redis/redis.h"

enum { START_WAIT_MS = 300000, LOOK_MS = 5 };

static const char *listen_at(const struct conf *conf)
{
	return conf->metrics_listen;
}

/* In flight until the server drains. */
static void hold(struct http_request *req, struct http_reply *reply)
{
	while (!http_server_draining(node_of(req)->server) && !fiber_cancelled()) {
		(void)fiber_sleep(LOOK_MS);
	}
	buf_add_cstr(&reply->body, "held");
}

static enum err_code start(struct node *node, struct err *err)
{
	return getenv("NODE_WAITS") != NULL ? redis_wait_connected(node->redis, START_WAIT_MS, err)
	                                    : ERR_OK;
}

static const struct http_route routes[] = { { HTTP_GET, 0, "/hold", hold, 0, NULL, NULL } };

int main(int argc, char **argv)
{
	const struct node_options options = { .program = "fairlead-test",
		                              .needs = NODE_REDIS | NODE_PG,
		                              .listen = listen_at,
		                              .routes = routes,
		                              .route_count = ARRAY_LEN(routes),
		                              .start = start };

	return node_run(&options, argc, argv);
}
