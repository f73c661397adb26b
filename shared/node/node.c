#include "node/node.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/loop.h"
#include "metric/metric.h"
#include "node/backlog.h"
#include "node/certificate.h"
#include "node/generation.h"
#include "node/probes.h"
#include "node/report.h"
#include "node/request_log.h"
#include "node/request_trace.h"
#include "node/roster.h"
#include "node/systemd.h"
#include "pg/pg.h"
#include "redis/redis.h"
#include "tls/tls.h"
#include "trace/trace.h"

enum { NODE_STOP_MS = 60000, NODE_TICK_MS = 1000, NODE_BACKOFF_MAX_MS = 1000 };
enum { NODE_LOOK_MS = 20, NODE_TRACE_MS = 1000 };

struct life {
	struct node node;
	struct conf_source source;
	struct http_route *routes;
	struct fiber_group starter, stopper, tracer; /* not of the duties */
	struct loop_timer tick;
	int status;
	char instance[ID_LEN + 1]; /* of the spans of this process */
	bool left;                 /* nobody comes to this process any more */
	bool ready;                /* systemd was told */
	unsigned given;            /* sockets that it opened */
	struct tls_server *tls;    /* NULL: no certificate is set */
};

static void request_done(const struct http_request *req, int status, uint64_t took_us)
{
	const struct node *node = node_of(req);

	probe_request_done(req, status, took_us);
	request_log(req, status, took_us);
	request_trace_end(req, status, took_us);
	if (node->options->done != NULL && req->route != NULL && req->route->facts != NULL) {
		node->options->done(req, status);
	}
}

static struct life *life_of(struct node *node)
{
	return CONTAINER_OF(node, struct life, node);
}

/* ---- stopping ---- */

static void end_group(const char *what, struct fiber_group *group)
{
	fiber_group_cancel(group, ERR_CANCELLED);
	if (fiber_group_wait(group, NODE_STOP_MS) != ERR_OK) {
		log_warn("node.stuck", "what=%s fibers=%zu", what, group->count);
	}
}

/* After the last request, whose span is sent too. */
static void end_traces(void *arg)
{
	struct life *life = arg;

	end_group("trace", &life->tracer);
	trace_flush(NODE_TRACE_MS);
	log_info("node.stopped");
	loop_stop(life->node.loop);
}

static void on_drained(void *arg)
{
	struct life *life = arg;

	(void)fiber_start(life->node.loop, &life->stopper, "end traces", end_traces, life);
}

/* What remains of drain.timeout. */
static unsigned let_clients_go(struct node *node)
{
	uint64_t began = clock_mono_ms(), timeout = node->conf.drain_timeout, took;

	if (node->options->drain != NULL) {
		node->options->drain(node, (unsigned)(timeout * 9 / 10));
	}
	took = clock_mono_ms() - began;
	return took < timeout ? (unsigned)(timeout - took) : 0;
}

/* The server is drained when no duty can need it any more, and the loop ends when it is. */
static void stop(void *arg)
{
	struct life *life = arg;
	struct node *node = &life->node;
	unsigned remains;

	/* /readyz answers 503 from here on; load balancers get time to see it. */
	if (!life->left) {
		(void)fiber_sleep(node->conf.drain_delay);
	}
	end_group("start", &life->starter);
	remains = let_clients_go(node);
	if (node->options->stop != NULL) {
		fiber_set_deadline(clock_mono_ms() + NODE_STOP_MS);
		node->options->stop(node);
		fiber_set_deadline(0);
	}
	end_group("duties", &node->duties);
	http_server_drain(node->server, remains, on_drained, life);
}

static void begin_stop(struct life *life)
{
	if (!life->node.stopping) {
		life->node.stopping = true;
		http_server_will_drain(life->node.server);
		systemd_notify("STOPPING=1");
		(void)fiber_start(life->node.loop, &life->stopper, "stop", stop, life);
	}
}

static void on_terminate(int signo, void *arg)
{
	log_info("node.stopping", "signal=%d", signo);
	begin_stop(arg);
}

void node_leave(struct node *node)
{
	struct life *life = life_of(node);

	life->left = true;
	begin_stop(life);
}

void node_fail(struct node *node, const struct err *err)
{
	struct life *life = life_of(node);

	log_error("node.failed", "code=%s %s", err_name(err->code), err->msg);
	life->status = EXIT_FAILURE;
	begin_stop(life);
}

static void on_reload(int signo, void *arg)
{
	struct life *life = arg;
	struct buf problems, notes;

	(void)signo;
	buf_init(&problems, UINT16_MAX);
	buf_init(&notes, UINT16_MAX);
	if (conf_reload(&life->node.conf, &life->source, &problems, &notes) != ERR_OK) {
		log_error("settings.refused", "problems=%s", buf_cstr(&problems));
	} else {
		log_set_level((enum log_level)life->node.conf.log_level);
		log_info("settings.reloaded", "notes=%s", buf_cstr(&notes));
	}
	buf_fini(&problems);
	buf_fini(&notes);
	certificate_reload(life->tls);
}

/* ---- starting ---- */

static void start(void *arg)
{
	struct life *life = arg;
	struct node *node = &life->node;
	struct err err = { .code = ERR_OK };

	(void)fiber_start(node->loop, &node->duties, "generation", generation_keep, node);
	(void)fiber_start(node->loop, &node->duties, "backlog", node_backlog_keep, node);
	if (node->pg != NULL) {
		(void)fiber_start(node->loop, &node->duties, "roster", roster_keep, node);
	}
	(void)fiber_start(node->loop, &node->duties, "report", report_keep, node);
	/* One that is cut short by the stop did not fail. */
	if (node->options->start != NULL && node->options->start(node, &err) != ERR_OK &&
	    !node->stopping) {
		node_fail(node, &err);
	}
}

/* Its watchdog wants to hear that the loop turns. */
static void tell_systemd(struct life *life)
{
	systemd_notify("WATCHDOG=1");
	if (!life->ready && probe_is_ready(&life->node)) {
		life->ready = true;
		systemd_notify("READY=1");
	}
}

static void on_tick(struct loop_timer *timer)
{
	struct life *life = CONTAINER_OF(timer, struct life, tick);

	log_tick();
	metric_observe_us(METRIC_LOOP_STALL, NULL, loop_stall_max_us(life->node.loop));
	certificate_look(life->tls);
	tell_systemd(life);
	loop_timer_set(timer, NODE_TICK_MS);
}

static void setup_log(const struct node *node)
{
	const struct log_options options = { .program = node->options->program,
		                             .level = (enum log_level)node->conf.log_level,
		                             .format = (enum log_format)node->conf.log_format,
		                             .rate = node->conf.log_rate,
		                             .fd = STDERR_FILENO };

	log_setup(&options);
	log_set_context(fiber_tag);
	metric_setup(node->options->program, node_version());
}

static enum err_code open_drivers(struct node *node, struct err *err)
{
	const struct redis_options redis = { .url = node->conf.redis_url,
		                             .timeout_ms = (unsigned)node->conf.redis_timeout,
		                             .backoff_max_ms = NODE_BACKOFF_MAX_MS };
	const struct pg_options pg = {
		.url = node->conf.pg_url,
		.pool_max = node->conf.pg_pool,
		.acquire_timeout_ms = (unsigned)node->conf.pg_acquire_timeout,
		.statement_timeout_ms = (unsigned)node->conf.pg_statement_timeout,
	};

	node->redis = redis_new(node->loop, &redis, err);
	if (node->redis == NULL) {
		return err->code;
	}
	node->store = (struct log_store){ .redis = node->redis,
		                          .unarchived_max = node->conf.session_unarchived_max };
	if ((node->options->needs & NODE_PG) != 0) {
		node->pg = pg_new(node->loop, &pg);
	}
	return ERR_OK;
}

/* The program's rows, then the probes. */
static void join_routes(struct life *life)
{
	size_t own = life->node.options->route_count;

	life->routes = mem_calloc(own + PROBE_COUNT, sizeof(*life->routes));
	if (own > 0) {
		memcpy(life->routes, life->node.options->routes, own * sizeof(*life->routes));
	}
	memcpy(life->routes + own, probe_routes, PROBE_COUNT * sizeof(*life->routes));
}

static bool admit(struct http_request *req, struct http_reply *reply)
{
	const struct node *node = node_of(req);

	fiber_add_tag("trace", req->trace_id);
	request_trace_begin(req);
	return req->route->facts == NULL || node->options->admit == NULL ||
	       node->options->admit(req, reply);
}

/* Without an address nothing can be asked; the loop still needs a server to drain. */
static const char *listen_at(const struct node *node)
{
	const char *listen = node->options->listen(&node->conf);

	return listen[0] != '\0' ? listen : "127.0.0.1:0";
}

enum err_code node_listen(struct node *node, struct err *err)
{
	enum err_code code = http_server_listen(node->server, listen_at(node), err);

	if (code == ERR_OK) {
		log_info("node.listening", "port=%u", http_server_port(node->server));
	}
	return code;
}

enum err_code node_await_ready(struct node *node, uint64_t timeout_ms, struct err *err)
{
	uint64_t until = clock_mono_ms() + timeout_ms;
	enum err_code code;

	while (!redis_connected(node->redis) || node->store.generation == 0 ||
	       (node->pg != NULL && !(node->joined && pg_available(node->pg)))) {
		if (clock_mono_ms() > until) {
			return err_set(err, ERR_UNAVAILABLE, "redis or postgres is away");
		}
		if ((code = fiber_sleep(NODE_LOOK_MS)) != ERR_OK) {
			return err_set(err, code, "stopping");
		}
	}
	return ERR_OK;
}

static enum err_code open_traces(struct life *life, struct err *err)
{
	const struct conf *conf = &life->node.conf;
	const struct trace_options options = { .url = conf->trace_otlp_url,
		                               .headers = conf->trace_headers,
		                               .ca_file = conf->fetch_ca_file,
		                               .service = life->node.options->program,
		                               .version = node_version(),
		                               .instance = life->instance,
		                               .ratio = conf->trace_ratio };
	enum err_code code = trace_open(life->node.loop, &options, err);

	memcpy(life->instance, id_new().s, sizeof(life->instance));
	if (code == ERR_OK && trace_is_on()) {
		(void)fiber_start(life->node.loop, &life->tracer, "trace", trace_run, NULL);
	}
	return code;
}

static enum err_code open_server(struct life *life, struct err *err)
{
	const struct conf *conf = &life->node.conf;
	const char *listen = listen_at(&life->node);
	const struct http_options options = {
		.listen = life->node.options->listens_late ? NULL : listen,
		.given_first = SYSTEMD_FIRST_FD,
		.given_count = life->given,
		.tls = life->tls,
		.routes = life->routes,
		.route_count = life->node.options->route_count + PROBE_COUNT,
		.app = &life->node,
		.admit = admit,
		.done = request_done,
		.head_timeout_ms = (unsigned)conf->http_head_timeout,
		.body_timeout_ms = (unsigned)conf->http_body_timeout,
		.keepalive_ms = (unsigned)conf->http_keepalive,
		.write_timeout_ms = (unsigned)conf->http_body_timeout,
		.stream_timeout_ms = (unsigned)conf->stream_stall_timeout,
		.max_connections = conf->http_max_connections,
		.accept_rate = conf->http_accept_rate,
		.max_pipelined = conf->http_pipeline,
		.cors_origins = conf->cors_origins,
		.trusted_proxies = conf->http_trusted_proxies,
		.forwarded_by = conf->http_forwarded_by,
		.address_connections = conf->http_address_connections,
		.server_name = life->node.options->program,
	};

	life->node.server = http_server_new(life->node.loop, &options, err);
	return life->node.server != NULL ? ERR_OK : err->code;
}

static enum err_code open_all(struct life *life, struct err *err)
{
	struct node *node = &life->node;
	enum err_code code;

	node->loop = loop_new();
	loop_on_signal(node->loop, SIGTERM, on_terminate, life);
	loop_on_signal(node->loop, SIGINT, on_terminate, life);
	loop_on_signal(node->loop, SIGHUP, on_reload, life);
	if ((code = open_drivers(node, err)) != ERR_OK ||
	    (code = certificate_open(&node->conf, &life->tls, err)) != ERR_OK ||
	    (code = open_traces(life, err)) != ERR_OK) {
		return code;
	}
	join_routes(life);
	if ((code = open_server(life, err)) != ERR_OK) {
		return code;
	}
	loop_timer_init(&life->tick, node->loop, on_tick);
	loop_timer_set(&life->tick, NODE_TICK_MS);
	(void)fiber_start(node->loop, &life->starter, "start", start, life);
	return ERR_OK;
}

static void close_all(struct life *life)
{
	struct node *node = &life->node;

	/* A fiber that did not end in time still uses what would be freed here. */
	if (life->starter.count > 0 || node->duties.count > 0 || life->tracer.count > 0) {
		return;
	}
	http_server_free(node->server);
	tls_server_free(life->tls);
	if (node->options->close != NULL) {
		node->options->close(node);
	}
	map_free(node->store.backlogged);
	trace_close();
	pg_free(node->pg);
	redis_free(node->redis);
	loop_free(node->loop);
	free(life->routes);
	log_tick();
	conf_fini(&node->conf);
}

int node_run(const struct node_options *options, int argc, char **argv)
{
	static const char *const with_pg[] = { "redis.url", "pg.url", NULL };
	static const char *const without_pg[] = { "redis.url", NULL };
	struct life life = { .node = { .options = options }, .given = systemd_begin() };
	struct err err = { .code = ERR_OK };

	life.source = (struct conf_source){
		.program = options->program,
		.argc = argc,
		.argv = argv,
		.envp = environ,
		.required = (options->needs & NODE_PG) != 0 ? with_pg : without_pg,
	};
	conf_load_or_exit(&life.node.conf, &life.source);
	setup_log(&life.node);
	if (open_all(&life, &err) == ERR_OK) {
		log_info("node.started", "version=%s pid=%ld port=%u", node_version(),
		         (long)getpid(), http_server_port(life.node.server));
		loop_run(life.node.loop);
	} else {
		log_error("node.failed", "code=%s %s", err_name(err.code), err.msg);
		life.status = EXIT_FAILURE;
	}
	close_all(&life);
	return life.status;
}

/* ---- answers ---- */

void node_problem(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	enum { RETRY_S = 1 };
	int status = err_http_status(err->code);

	if (status >= 500) {
		log_warn("request.failed", "code=%s path=%.*s %s", err_name(err->code),
		         (int)req->path.n, req->path.p, err->msg);
	}
	/* A backend's words are for operators; a client's own mistake is for the client. */
	http_problem(reply, req, err->code, status < 500 && err->msg[0] != '\0' ? err->msg : NULL);
	if (err_retryable(err->code)) {
		http_retry_after(reply, RETRY_S);
	}
}

const char *node_version(void)
{
	return FAIRLEAD_VERSION;
}

const char *node_commit(void)
{
	return FAIRLEAD_COMMIT;
}
