#include "node/probes.h"

#include "base/clock.h"
#include "json/write.h"
#include "log/log.h"
#include "metric/metric.h"
#include "node/node.h"
#include "pg/schema.h"
#include "redis/redis.h"

enum { READINESS_MAX = 4096 };

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

static bool write_readiness(const struct node *node, struct buf *out)
{
	bool redis = redis_connected(node->redis) && node->store.generation != 0;
	bool pg = node->pg == NULL || pg_available(node->pg);
	bool schema = node->pg == NULL || node->joined;
	bool ready = redis && pg && schema && !node->stopping;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	if (node->options->ready != NULL) {
		ready = node->options->ready(node, &w) && ready;
	}
	jsonw_cstr(&w, "status", ready ? "ready" : node->stopping ? "draining" : "unavailable");
	jsonw_bool(&w, "redis", redis);
	if (node->pg != NULL) {
		jsonw_bool(&w, "postgres", pg);
		jsonw_bool(&w, "schema", schema);
	}
	jsonw_time(&w, "timestamp", clock_wall_us());
	jsonw_end_object(&w);
	return ready;
}

static void readyz(struct http_request *req, struct http_reply *reply)
{
	bool ready = write_readiness(node_of(req), &reply->body);

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
	jsonw_u64(&w, "protocol", pg_schema.protocol);
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

bool probe_is_ready(const struct node *node)
{
	struct buf text;
	bool ready;

	buf_init(&text, READINESS_MAX);
	ready = write_readiness(node, &text);
	buf_fini(&text);
	return ready;
}

static void copy_redis_stats(const struct redis *redis)
{
	struct redis_stats stats = redis_stats(redis);

	metric_set(METRIC_REDIS_CONNECTED, NULL, redis_connected(redis));
	metric_set(METRIC_REDIS_PENDING, "waiting", (double)stats.waiting);
	metric_set(METRIC_REDIS_PENDING, "in_flight", (double)stats.in_flight);
	metric_set(METRIC_REDIS_PENDING_BYTES, NULL, (double)stats.held);
}

static void copy_pg_stats(const struct pg *pg)
{
	struct pg_stats stats;

	metric_set(METRIC_PG_AVAILABLE, NULL, pg == NULL || pg_available(pg));
	if (pg != NULL) {
		stats = pg_stats(pg);
		metric_set(METRIC_PG_POOL_MAX, NULL, stats.max);
		metric_set(METRIC_PG_POOL_OPEN, NULL, stats.idle + stats.active);
	}
}

static void metrics(struct http_request *req, struct http_reply *reply)
{
	const struct node *node = node_of(req);

	metric_set(METRIC_HTTP_CONNECTIONS, NULL, (double)http_server_connections(node->server));
	copy_log_stats();
	metric_set(METRIC_READY, NULL, probe_is_ready(node));
	copy_redis_stats(node->redis);
	copy_pg_stats(node->pg);
	reply->content_type = METRIC_CONTENT_TYPE;
	metric_render(&reply->body);
}

const struct http_route probe_routes[PROBE_COUNT] = {
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/healthz", healthz, 0, NULL, NULL },
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/readyz", readyz, 0, NULL, NULL },
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/version", version, 0, NULL, NULL },
	{ HTTP_GET, HTTP_ROUTE_NO_DRAIN, "/metrics", metrics, 0, NULL, NULL },
};

bool probe_is(const struct http_route *route)
{
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		if (route->handler == probe_routes[i].handler) {
			return true;
		}
	}
	return false;
}

void probe_request_done(const struct http_request *req, int status, uint64_t took_us)
{
	static const char *const classes[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
	const char *method = http_method_name(req->method);
	const char *route = req->route != NULL ? req->route->pattern : "none";

	metric_series3(METRIC_HTTP_REQUESTS, method, route, classes[status / 100 - 1])->value += 1;
	metric_observe_times(metric_series(METRIC_HTTP_DURATION, method, route), took_us, 1);
}
