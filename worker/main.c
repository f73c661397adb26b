/* fairlead-worker: runs agents under guards and says what happens to them. */
#include "conf/conf.h"
#include "node/node.h"
#include "worker/app.h"

static const char *listen_address(const struct conf *conf)
{
	return conf->metrics_listen;
}

int main(int argc, char **argv)
{
	static const struct node_options options = {
		.program = "fairlead-worker",
		.needs = NODE_REDIS,
		.listen = listen_address,
		.start = app_start,
		.drain = app_drain,
		.stop = app_stop,
		.close = app_close,
		.redis_back = app_redis_back,
		.ready = app_ready,
	};

	return node_run(&options, argc, argv);
}
