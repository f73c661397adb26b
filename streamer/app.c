#include "streamer/app.h"

#include <stdlib.h>

#include "aomi/aomi_door.h"
#include "audit/denials.h"
#include "auth/auth_http.h"
#include "base/arena.h"
#include "base/mem.h"
#include "cred/digest.h"
#include "cred/subkey.h"
#include "fetch/fetch.h"
#include "metric/metric.h"
#include "rate/rate_http.h"
#include "rest/trail.h"
#include "streamer/access.h"
#include "streamer/consumer.h"
#include "streamer/debug.h"
#include "streamer/detach.h"
#include "streamer/drain.h"
#include "streamer/events.h"
#include "streamer/eventsource.h"
#include "streamer/feed.h"
#include "streamer/flight.h"
#include "streamer/follow.h"
#include "streamer/handover.h"
#include "streamer/recent.h"
#include "streamer/updates.h"
#include "streamer/viewer.h"
#include "token/open.h"

enum { KEY_CACHE_MS = 1000, READY_MS = 30000 };

static const char *listen_at(const struct conf *conf)
{
	return conf->streamer_listen;
}

/* A page of events is read like any other answer. */
static enum rate_class class_of(const struct http_request *req, const struct rest_route *route)
{
	enum rate_class which = rest_class(route);

	if (which == RATE_STREAM && (route->traits & REST_SOCKET) == 0 &&
	    (http_header(req, "Accept").n == 0 ||
	     memmem(http_header(req, "Accept").p, http_header(req, "Accept").n, "event-stream",
	            sizeof("event-stream") - 1) == NULL)) {
		return RATE_READ;
	}
	return which;
}

/* Who asks. False: the reply is filled. */
static bool find_out(struct http_request *req, struct http_reply *reply,
                     const struct rest_route *route, struct principal *ret)
{
	const struct app *app = app_of(req);

	if ((route->traits & REST_GUEST) == 0) {
		return ((route->traits & (REST_STREAMS | REST_SOCKET)) != 0
		                ? auth_admit_stream
		                : auth_admit)(app->auth, req, route->scope, ret, reply);
	}
	if (!aomi_admit(auth_admit_stream, app->auth, req, route->scope, ret, reply)) {
		return false;
	}
	if (aomi_is_guest(ret) && aomi_shows_key(req)) {
		rate_charge_stranger(app->rate, req, true, reply);
	}
	return reply->status != err_http_status(ERR_LIMIT);
}

static bool let_in(struct http_request *req, struct http_reply *reply,
                   const struct rest_route *route)
{
	struct principal *principal = arena_take(req->arena, sizeof(*principal));
	const struct app *app = app_of(req);
	bool streams = (route->traits & (REST_STREAMS | REST_SOCKET)) != 0;

	if (app == NULL) {
		http_problem(reply, req, ERR_UNAVAILABLE, NULL);
		http_retry_after(reply, 1);
		return false;
	}
	if (!rate_admit_stranger(app->rate, req, reply)) {
		return false;
	}
	*principal = (struct principal){ .scopes = 0 };
	if (!find_out(req, reply, route, principal)) {
		if (reply->status == err_http_status(ERR_UNAUTHORIZED)) {
			rate_charge_stranger(app->rate, req, streams, reply);
		}
		rest_note_refusal(app->denials, req, principal, reply->status);
		return false;
	}
	if (!rate_admit(app->rate, req, aomi_is_guest(principal) ? NULL : principal,
	                class_of(req, route), reply)) {
		return false;
	}
	req->principal = principal;
	fiber_add_tag("tenant", principal->tenant);
	return true;
}

/* What is refused to somebody who was let in. */
static void done(const struct http_request *req, int status)
{
	const struct app *app = app_of(req);

	if (app != NULL && req->principal != NULL) {
		rest_note_refusal(app->denials, req, req->principal, status);
	}
}

static bool admit(struct http_request *req, struct http_reply *reply)
{
	const struct rest_route *route = req->route->facts;
	bool in = let_in(req, reply, route);

	if (!in && (route->traits & REST_STREAMS) != 0) {
		(void)eventsource_soften(req, reply);
	}
	return in;
}

/* With --takeover: what another streamer has, or, without one, a socket of its own. Detached, it is
 * to follow one that is there. */
static enum err_code take_over(struct node *node, struct err *err)
{
	const char *path = node->conf.streamer_takeover;
	enum err_code code;

	if (path[0] == '\0') {
		return err_set(err, ERR_INVALID, "--takeover needs the setting streamer.takeover");
	}
	code = node_await_ready(node, READY_MS, err);
	if (code == ERR_OK) {
		code = handover_take(node, path, err);
	}
	if (code == ERR_OK) {
		detach_done();
	}
	return code == ERR_NOT_FOUND && !detach_begun() ? node_listen(node, err) : code;
}

static enum err_code offer_takeover(struct node *node, struct err *err)
{
	struct app *app = node->app;
	const char *path = node->conf.streamer_takeover;

	if (path[0] == '\0') {
		return ERR_OK;
	}
	app->handover = handover_offer(node, path, err);
	return app->handover != NULL ? ERR_OK : err->code;
}

/* Who may follow what, and for how long. */
static enum err_code start_access(struct node *node, struct app *app, struct err *err)
{
	const struct conf *conf = &node->conf;
	const struct viewer_limits limits = { .tenant = conf->limit_streams_tenant,
		                              .user = conf->limit_streams_user,
		                              .key = conf->limit_streams_key };
	struct auth_options auth = { .pg = node->pg,
		                     .pepper = cred_pepper_from(str_of(conf->pepper)),
		                     .cache_ms = KEY_CACHE_MS,
		                     .redis = node->redis,
		                     .origins = conf->cors_origins,
		                     .cookie_life_ms = conf->stream_cookie_life };
	struct access_options access = { .loop = node->loop,
		                         .pg = node->pg,
		                         .redis = node->redis,
		                         .redis_url = conf->redis_url,
		                         .redis_timeout_ms = (unsigned)conf->redis_timeout };

	app->rate = rate_open(conf, node->redis, err);
	if (app->rate == NULL) {
		return err->code;
	}
	app->bearers = auth.bearers = bearer_open(conf, node->pg);
	app->fetch =
		fetch_new(node->loop, &(struct fetch_options){ .ca_file = conf->fetch_ca_file });
	app->issuers = auth.issuers = issuer_open(conf, node->pg, app->fetch);
	app->auth = access.auth = auth_new(&auth);
	app->viewers = access.viewers = viewers_new(&limits);
	app->access = access_new(&access, err);
	return app->access != NULL ? ERR_OK : err->code;
}

static void free_app(struct app *app)
{
	recents_free(app->recents);
	flights_free(app->flights);
	access_free(app->access);
	viewers_free(app->viewers);
	auth_free(app->auth);
	bearer_free(app->bearers);
	issuer_free(app->issuers);
	fetch_free(app->fetch);
	rate_free(app->rate);
	denials_free(app->denials);
	free(app);
}

/* Gaps are told as 0 before there are any, or whoever compares two looks would not see the first.
 */
static void begin_at_zero(void)
{
	for (enum log_gap_reason reason = LOG_GAP_TRIMMED; reason <= LOG_GAP_RETENTION; reason++) {
		metric_add(METRIC_GAPS, log_gap_name(reason), 0);
	}
}

static enum err_code start(struct node *node, struct err *err)
{
	const struct conf *conf = &node->conf;
	struct feed_options feed = {
		.loop = node->loop,
		.store = &node->store,
		.pg = node->pg,
		.redis_url = conf->redis_url,
		.redis_timeout_ms = (unsigned)conf->redis_timeout,
		.keepalive_ms = (unsigned)conf->stream_keepalive,
		.retry_ms = (unsigned)conf->stream_retry,
		.stall_ms = (unsigned)conf->stream_stall_timeout,
		.tick_ms = (unsigned)conf->stream_tick,
		.fold_after_ms = (unsigned)conf->stream_fold_after,
		.ring_events = conf->stream_ring_events,
		.ring_bytes = conf->stream_ring_bytes,
		.compress = conf->stream_compress,
		.memory = conf->stream_memory,
		.message_max = conf->socket_message_max,
		.ping_ms = (unsigned)conf->socket_ping,
		.silence_ms = (unsigned)conf->socket_silence,
		.subscriptions_max = conf->socket_subscriptions,
	};
	struct app *app = mem_calloc(1, sizeof(*app));
	enum err_code code = ERR_OK;

	app->flights = feed.flights = flights_new();
	app->recents = recents_new(&(struct recents_options){
		.store = &node->store, .pg = node->pg, .feed = &app->feed });
	if (start_access(node, app, err) == ERR_OK) {
		const struct cred_pepper *secret = &auth_options_of(app->auth)->pepper;

		app->trail = (struct steer_trail){
			.permissions = cred_subkey(secret, "permissions"),
			.audit = audit_key(secret),
			.must_sign = conf->approvals_signed == 1,
		};
		feed.trail = &app->trail;
		feed.viewers = app->viewers;
		app->feed = feed_new(&feed, err);
	}
	if (app->feed == NULL) { /* the address of Redis is wrong: nothing has begun */
		free_app(app);
		return err->code;
	}
	begin_at_zero();
	node->app = app;
	app->denials = app->trail.denials =
		denials_new(&(struct denials_options){ .pg = node->pg,
	                                               .key = app->trail.audit,
	                                               .loop = node->loop,
	                                               .duties = &node->duties });
	app->rates = (struct rate_follower){ node->pg, app->rate };
	(void)fiber_start(node->loop, &node->duties, "rates", rate_store_follow, &app->rates);
	if (node->options->listens_late) {
		code = take_over(node, err);
	}
	return code == ERR_OK ? offer_takeover(node, err) : code;
}

static void drain(struct node *node, unsigned for_ms)
{
	struct app *app = node->app;

	if (app != NULL) {
		handover_end(app->handover);
		app->handover = NULL;
		drain_streams(node, app->feed, for_ms);
	}
}

static void stop(struct node *node)
{
	struct app *app = node->app;
	struct feed *feed = app != NULL ? app->feed : NULL;

	if (feed != NULL) {
		app->feed = NULL;
		feed_stop(feed);
		access_stop(app->access);
	}
}

static void close_app(struct node *node)
{
	struct app *app = node->app;

	if (app != NULL) {
		free_app(app);
	}
}

static void redis_back(struct node *node)
{
	const struct app *app = node->app;

	if (app != NULL && app->feed != NULL) {
		feed_refresh(app->feed);
	}
}

http_handler_fn *const app_handlers[REST_OP_COUNT] = {
	[REST_OP_event_stream] = events_get,           [REST_OP_event_stream_prefixed] = events_get,
	[REST_OP_debug_streams] = debug_streams,       [REST_OP_socket] = follow_get,
	[REST_OP_socket_prefixed] = follow_get,        [REST_OP_consumer] = consumer_get,
	[REST_OP_consumer_prefixed] = consumer_get,    [REST_OP_aomi_updates] = updates_get,
	[REST_OP_aomi_updates_prefixed] = updates_get,
};

const struct node_options app_options = {
	.program = "fairlead-streamer",
	.needs = NODE_REDIS | NODE_PG,
	.listen = listen_at,
	.admit = admit,
	.done = done,
	.start = start,
	.drain = drain,
	.stop = stop,
	.close = close_app,
	.redis_back = redis_back,
};
