#include "node/probes.h"

#include "base/clock.h"
#include "json/write.h"
#include "log/log.h"
#include "metric/metric.h"
#include "node/node.h"
#include "pg/pg.h"
#include "redis/redis.h"

/* Alive: the loop turns. Says nothing of Redis or PostgreSQL: a restart would not bring those back.
 */
static void healthz(struct http_request *req, struct http_reply *reply)
{
	struct jsonw w;

	(void)req;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "status", "ok");
	jsonw_time(&w, "timestamp", clock_wall_us());
	jsonw_end_object(&w);
}

static void readyz(struct http_request *req, struct http_reply *reply)
{
	const struct node *node = node_of(req);
	bool redis = redis_connected(node->redis) && node->store.generation != 0;
	bool pg = node->pg == NULL || pg_available(node->pg);
	bool ready = redis && pg && !node->stopping;
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	if (node->options->ready != NULL) {
		ready = node->options->ready(node, &w) && ready;
	}
	jsonw_cstr(&w, "status", ready ? "ready" : node->stopping ? "draining" : "unavailable");
	jsonw_bool(&w, "redis", redis);
	if (node->pg != NULL) {
		jsonw_bool(&w, "postgres", pg);
	}
	jsonw_time(&w, "timestamp", clock_wall_us());
	jsonw_end_object(&w);
	reply->status = ready ? 200 : 503;
	if (!ready) {
		http_retry_after(reply, 1);
	}
}

static void version(struct http_request *req, struct http_reply *reply)
{
	struct jsonw w;

	(void)req;
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "version", node_version());
	jsonw_object(&w, "build_info");
	jsonw_cstr(&w, "git_commit", node_commit());
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}

static void copy_log_stats(void)
{
	struct log_stats stats;

	log_stats(&stats);
	for (enum log_level level = 0; level < LOG_LEVEL_COUNT; level++) {
		metric_set(METRIC_LOG_LINES, log_level_name(level), (double)stats.lines[level]);
	}
	metric_set(METRIC_LOG_DROPPED, NULL, (double)stats.dropped);
	metric_set(METRIC_LOG_SUPPRESSED, NULL, (double)stats.suppressed);
}

static void metrics(struct http_request *req, struct http_reply *reply)
{
	const struct node *node = node_of(req);

	metric_set(METRIC_HTTP_CONNECTIONS, NULL, (double)http_server_connections(node->server));
	copy_log_stats();
	reply->content_type = METRIC_CONTENT_TYPE;
	metric_render(&reply->body);
}

const struct http_route probe_routes[PROBE_COUNT] = {
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/healthz", healthz, 0, NULL, NULL },
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/readyz", readyz, 0, NULL, NULL },
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/version", version, 0, NULL, NULL },
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/metrics", metrics, 0, NULL, NULL },
};

void probe_request_done(const struct http_request *req, int status, uint64_t took_us)
{
	static const char *const classes[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
	const char *route = req->route != NULL ? req->route->pattern : "none";

	metric_inc2(METRIC_HTTP_REQUESTS, route, classes[status / 100 - 1]);
	metric_observe_us(METRIC_HTTP_DURATION, route, took_us);
}
