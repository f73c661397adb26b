#include "streamer/app.h"

int main(int argc, char **argv)
{
	struct http_route routes[REST_OP_COUNT];
	struct node_options options = app_options;

	options.routes = routes;
	options.route_count = rest_http_routes(app_handlers, routes);
	return node_run(&options, argc, argv);
}
