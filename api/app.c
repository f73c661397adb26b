#include "api/app.h"

#include <stdlib.h>

#include "api/handlers.h"
#include "api/setup.h"
#include "audit/denials.h"
#include "auth/auth_watch.h"
#include "base/mem.h"
#include "cred/apikey.h"
#include "cred/digest.h"
#include "cred/subkey.h"
#include "event/event.h"
#include "fetch/fetch.h"
#include "login/open.h"
#include "oidc/oidc.h"
#include "rate/inflight.h"
#include "rate/rate_http.h"
#include "redis/replicas.h"
#include "token/open.h"

enum { KEY_CACHE_MS = 1000, REPLICAS_BACKOFF_MAX_MS = 500 };

uint64_t app_sees(const struct http_request *req)
{
	const struct principal *who = app_who(req);

	return event_classes_seen(
		event_see_of(auth_part_of(who) == AUTH_PARTICIPANT, auth_allows(who, AUTH_ADMIN)));
}

static const char *listen_on(const struct conf *conf)
{
	return conf->api_listen;
}

static enum err_code open_replicas(struct node *node, struct err *err)
{
	const struct conf *conf = &node->conf;
	const struct redis_replicas_options options = {
		.url = conf->redis_url,
		.count = conf->redis_wait_replicas,
		.wait_ms = (unsigned)conf->redis_wait_timeout,
		.timeout_ms = (unsigned)conf->redis_timeout,
		.backoff_max_ms = REPLICAS_BACKOFF_MAX_MS,
	};
	struct app *app = node->app;

	if (options.count == 0) {
		return ERR_OK;
	}
	app->replicas = redis_replicas_new(node->loop, &node->duties, &options, err);
	return app->replicas != NULL ? ERR_OK : err->code;
}

static enum err_code start(struct node *node, struct err *err)
{
	struct cred_pepper pepper;
	struct oidc_providers providers;
	struct rate *rate;
	struct app *app;

	if (node->conf.pepper[0] == '\0') {
		return err_set(err, ERR_INVALID, "pepper is not set: keys cannot be checked");
	}
	if (!cred_env_ok(str_of(node->conf.auth_env))) {
		return err_set(err, ERR_INVALID,
		               "auth.env must be 1 to %d lower-case letters and digits, and not "
		               "ticket or stream",
		               CRED_ENV_MAX);
	}
	rate = rate_open(&node->conf, node->redis, err);
	if (rate == NULL) {
		return err->code;
	}
	if (oidc_providers_read(node->conf.oidc_providers_file,
	                        node->conf.oidc_fake ? OIDC_WITH_FAKE : 0, &providers,
	                        err) != ERR_OK) {
		oidc_providers_fini(&providers);
		rate_free(rate);
		return err->code;
	}
	app = mem_calloc(1, sizeof(*app));
	app->rate = rate;
	pepper = cred_pepper_from(str_of(node->conf.pepper));
	app->seal = cred_subkey(&pepper, "idempotent answers");
	app->audit = audit_key(&pepper);
	app->inflight = inflight_new(
		&(struct inflight_options){ .tenant = node->conf.http_tenant_concurrency,
	                                    .key = node->conf.http_key_concurrency });
	app->hasher = hasher_open(&node->conf, node->loop);
	app->bearers = bearer_open(&node->conf, node->pg);
	app->fetch = fetch_new(node->loop,
	                       &(struct fetch_options){ .ca_file = node->conf.fetch_ca_file });
	app->issuers = issuer_open(&node->conf, node->pg, app->fetch);
	app->oidc = oidc_new(&(struct oidc_options){ .fetch = app->fetch,
	                                             .secret = pepper,
	                                             .providers = providers,
	                                             .plain = node->conf.auth_plain_issuers });
	app->auth = auth_new(&(struct auth_options){
		.bearers = app->bearers,
		.issuers = app->issuers,
		.pg = node->pg,
		.pepper = pepper,
		.cache_ms = KEY_CACHE_MS,
		.redis = node->redis,
		.origins = node->conf.cors_origins,
		.cookie_life_ms = node->conf.stream_cookie_life,
		.tickets_a_minute = node->conf.limit_tickets_key,
	});
	node->app = app;
	app->watch = auth_watch_new(
		&(struct auth_watch_options){
			.loop = node->loop,
			.auth = app->auth,
			.redis_url = node->conf.redis_url,
			.redis_timeout_ms = (unsigned)node->conf.redis_timeout,
			.duties = &node->duties,
		},
		err);
	app->rates = (struct rate_follower){ node->pg, app->rate };
	(void)fiber_start(node->loop, &node->duties, "rates", rate_store_follow, &app->rates);
	(void)fiber_start(node->loop, &node->duties, "setup", setup_offer, node);
	app->denials = denials_new(&(struct denials_options){
		.pg = node->pg, .key = app->audit, .loop = node->loop, .duties = &node->duties });
	marks_init(&app->marks, node);
	gather_init(&app->gather, node);
	session_gather_init(&app->rows, node->pg);
	return app->watch != NULL ? open_replicas(node, err) : err->code;
}

static void close_app(struct node *node)
{
	struct app *app = node->app;

	if (app != NULL) {
		auth_watch_free(app->watch);
		auth_free(app->auth);
		hasher_free(app->hasher);
		bearer_free(app->bearers);
		issuer_free(app->issuers);
		oidc_free(app->oidc);
		fetch_free(app->fetch);
		rate_free(app->rate);
		inflight_free(app->inflight);
		denials_free(app->denials);
		redis_replicas_free(app->replicas);
		marks_fini(&app->marks);
		free(app);
	}
}

const struct node_options *app_options(void)
{
	static struct http_route routes[REST_OP_COUNT];
	static struct node_options options = {
		.program = "fairlead-api",
		.needs = NODE_REDIS | NODE_PG,
		.listen = listen_on,
		.routes = routes,
		.admit = app_admit,
		.done = app_done,
		.start = start,
		.close = close_app,
	};

	options.route_count = rest_http_routes(api_handlers, routes);
	return &options;
}
