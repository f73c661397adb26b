#include "node/report.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "metric/metric.h"
#include "node/node.h"
#include "node/probes.h"
#include "node_lua_gen.h"
#include "redis/redis.h"

#define NODES_KEY "{w}:nodes"
#define SEEN_KEY  "{w}:nodes:seen"

enum { EVERY_MS = 2000, SILENT_MS = 10000, TEXT_MAX = 4096, HOST_SIZE = 256, NODES_MAX = 1024 };

/* Counters as they were, for rates. */
struct sample {
	uint64_t at_us, cpu_us;
	double requests, failed, events, lags, lag_us;
};

struct report {
	struct node *node;
	struct id id; /* new at every start */
	int64_t since_us;
	char host[HOST_SIZE];
	struct sample before;
};

static uint64_t cpu_us(void)
{
	struct timespec used;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static struct sample take_sample(void)
{
	struct sample sample = {
		.at_us = clock_mono_us(),
		.cpu_us = cpu_us(),
		.requests = metric_sum(METRIC_HTTP_REQUESTS, NULL),
		.failed = metric_sum(METRIC_HTTP_REQUESTS, "5xx"),
		.events = metric_sum(METRIC_EVENTS_APPENDED, NULL) +
		          metric_sum(METRIC_EVENTS_DELIVERED, NULL),
		.lag_us = metric_sum(METRIC_STREAM_LAG, "all"),
		.lags = metric_count(METRIC_STREAM_LAG, "all"),
	};

	return sample;
}

/* ---- saying ---- */

static void write_rate(struct jsonw *w, const char *name, double count, double seconds)
{
	jsonw_u64(w, name, (uint64_t)(count / seconds + 0.5));
}

static void write_rates(struct jsonw *w, const struct sample *old, const struct sample *new)
{
	double seconds = (double)(new->at_us - old->at_us) / 1e6;
	double lags = new->lags - old->lags;

	write_rate(w, "cpuPercent", (double)(new->cpu_us - old->cpu_us) / 1e4, seconds);
	write_rate(w, "requestsPerSecond", new->requests - old->requests, seconds);
	write_rate(w, "failedPerSecond", new->failed - old->failed, seconds);
	write_rate(w, "eventsPerSecond", new->events - old->events, seconds);
	if (lags > 0) {
		write_rate(w, "lagMicros", new->lag_us - old->lag_us, lags);
	}
}

/* Of a scheduler, which counts it for all. */
static void write_queue(struct jsonw *w)
{
	static const char *const states[] = { "ready",   "delayed", "held",
		                              "leasing", "leased",  "parked" };

	jsonw_object(w, "queue");
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		jsonw_u64(w, states[i], (uint64_t)metric_sum(METRIC_QUEUE_DEPTH, states[i]));
	}
	jsonw_end_object(w);
}

static void write_report(const struct report *r, const struct sample *now, struct buf *out)
{
	const struct node *node = r->node;
	struct jsonw w;

	metric_collect();
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "id", r->id.s);
	jsonw_cstr(&w, "program", node->options->program);
	jsonw_cstr(&w, "host", r->host);
	jsonw_u64(&w, "pid", (uint64_t)getpid());
	jsonw_cstr(&w, "version", node_version());
	jsonw_cstr(&w, "state",
	           node->stopping         ? "draining"
	           : probe_is_ready(node) ? "ready"
	                                  : "unavailable");
	jsonw_time(&w, "since", r->since_us);
	jsonw_u64(&w, "memoryBytes", (uint64_t)metric_sum(METRIC_PROCESS_RSS, NULL));
	jsonw_u64(&w, "connections", http_server_connections(node->server));
	jsonw_u64(&w, "streams", (uint64_t)metric_sum(METRIC_SUBSCRIBERS, NULL));
	write_rates(&w, &r->before, now);
	if (metric_count(METRIC_QUEUE_DEPTH, NULL) > 0) {
		write_queue(&w);
	}
	jsonw_end_object(&w);
}

/* text "": it goes. */
static void send(const struct report *r, struct str text)
{
	const struct text *script = &node_lua_texts[NODE_LUA_NODE_REPORT];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct err err;

	redis_script_begin(cmd, script, 2);
	redis_arg_cstr(cmd, NODES_KEY);
	redis_arg_cstr(cmd, SEEN_KEY);
	redis_arg_cstr(cmd, r->id.s);
	redis_arg(cmd, text);
	redis_arg_u64(cmd, SILENT_MS);
	/* One that is lost is followed by another. */
	if (redis_script(r->node->redis, script, cmd, &reply, &err) != ERR_OK) {
		log_debug("node.unreported", "%s", err.msg);
	}
}

static void tell(struct report *r)
{
	struct sample now = take_sample();
	struct buf text;

	buf_init(&text, TEXT_MAX);
	write_report(r, &now, &text);
	if (!buf_failed(&text)) {
		send(r, buf_str(&text));
	}
	buf_fini(&text);
	r->before = now;
}

void report_keep(void *arg)
{
	struct report r = {
		.node = arg, .id = id_new(), .since_us = clock_wall_us(), .before = take_sample()
	};

	(void)gethostname(r.host, sizeof(r.host) - 1);
	while (fiber_sleep(EVERY_MS) == ERR_OK) {
		if (redis_connected(r.node->redis)) {
			tell(&r);
		}
	}
	if (redis_connected(r.node->redis)) {
		fiber_shield();
		send(&r, STR_LIT(""));
		fiber_unshield();
	}
}

/* ---- all of them ---- */

static void write_item(struct jsonw *w, struct str text)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *value = json_parse(text, &err);

	if (json_type_of(value) == JSON_T_OBJECT) {
		jsonw_raw(w, NULL, text);
	}
}

enum err_code report_list(struct redis *redis, struct jsonw *w, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_cstr(cmd, "HVALS");
	redis_arg_cstr(cmd, NODES_KEY);
	code = redis_call(redis, cmd, &reply, err);
	for (size_t i = 0; code == ERR_OK && i < redis_reply_len(reply) && i < NODES_MAX; i++) {
		write_item(w, redis_reply_str(redis_reply_at(reply, i)));
	}
	return code;
}
