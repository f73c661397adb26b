#include <stdio.h>
#include <string.h>

#include "streamer/app.h"
#include "streamer/detach.h"

/* "--takeover" and "--detach" are no settings: they are about this one start. */
static int take_flag(int argc, char **argv, const char *flag, bool *ret_given)
{
	int kept = 0;

	for (int i = 0; i < argc; i++) {
		if (i > 0 && strcmp(argv[i], flag) == 0) {
			*ret_given = true;
		} else {
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	return kept;
}

int main(int argc, char **argv)
{
	struct http_route routes[REST_OP_COUNT];
	struct node_options options = app_options;
	bool detached = false;

	argc = take_flag(argc, argv, "--takeover", &options.listens_late);
	argc = take_flag(argc, argv, "--detach", &detached);
	if (detached && !options.listens_late) {
		(void)fputs("fairlead-streamer: --detach is for --takeover\n", stderr);
		return 2;
	}
	if (detached) {
		detach_begin();
	}
	options.routes = routes;
	options.route_count = rest_http_routes(app_handlers, routes);
	return node_run(&options, argc, argv);
}
