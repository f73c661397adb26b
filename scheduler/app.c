#include "scheduler/app.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/fetch.h"
#include "json/write.h"
#include "log/log.h"
#include "queue/offer.h"
#include "redis/redis.h"
#include "redis/sub.h"
#include "scheduler/archive.h"
#include "scheduler/asks.h"
#include "scheduler/backlog.h"
#include "scheduler/branch.h"
#include "scheduler/budgets.h"
#include "scheduler/cordon.h"
#include "scheduler/deadline.h"
#include "scheduler/deliver.h"
#include "scheduler/fire.h"
#include "scheduler/flag.h"
#include "scheduler/grant.h"
#include "scheduler/limits.h"
#include "scheduler/measure.h"
#include "scheduler/promote.h"
#include "scheduler/reconcile.h"
#include "scheduler/release.h"
#include "scheduler/retain.h"
#include "scheduler/spend.h"
#include "scheduler/sweep.h"
#include "scheduler/uploads.h"
#include "scheduler/webhooks.h"
#include "upload/upload_fetch.h"

enum {
	ADMIT_MS = 500,
	RESTORE_MS = 2000,
	RESTORE_GRACE_MS = 3000,
	DELIVER_MS = 500,
	BRANCH_MS = 500,
	CORDON_MS = 1000,
	MEASURE_MS = 1000,
	OFFER_MS = 250,
	BACKLOG_MS = 500,
	RELEASE_MS = 500,
	DEADLINE_MS = 250,
	MOVES_MS = 5000,
	EPOCHS_MS = 250,
	LIMITS_MS = 250,
	ASKS_MS = 2000,
	UPLOADS_MS = 1000,
	WEBHOOKS_MS = 500,
	FLAG_MS = 250,
	PRICES_MS = 5000,
	BUDGETS_MS = 1000,
	BACKOFF_MAX_MS = 1000,
	SUB_PAUSE_MS = 1000,
};

struct queue app_queue(const struct app *app, const char *tenant)
{
	return queue_of_tenant(app->node->redis, str_of(tenant));
}

/* ---- doorbells ---- */

void app_ring_archivers(struct app *app)
{
	for (unsigned i = 0; i < ARCHIVE_FIBERS; i++) {
		duty_ring(&app->duties[DUTY_MOVES + i]);
	}
}

/* Of a bell of the queue; false: it is not one of those that there are now. */
static bool shard_of(const struct app *app, struct str channel, uint64_t *ret)
{
	struct str rest = channel;
	uint64_t shards;

	return str_eq(str_split(&rest, 'q'), STR_LIT("{")) &&
	       parse_u64(str_split(&rest, '/'), QUEUE_SHARDS_MAX - 1, ret) &&
	       parse_u64(str_split(&rest, '}'), QUEUE_SHARDS_MAX, &shards) &&
	       shards == redis_shards(app->node->redis) && *ret < shards;
}

/* The bells of the queue and of workers. */
static void ring_for(struct app *app, struct str channel, struct str payload)
{
	char bell[QUEUE_KEY_SIZE];
	uint64_t shard;

	lease_bell_channel(bell);
	if (str_eq(channel, STR_LIT(UPLOAD_CHANNEL))) {
		duty_ring(&app->duties[DUTY_UPLOADS]);
		return;
	}
	if (str_eq(channel, str_of(bell))) {
		app->fleet.read_ms = 0;
		duty_ring(&app->duties[str_eq(payload, STR_LIT("end")) ? DUTY_SWEEP : DUTY_GRANT]);
		if (str_eq(payload, STR_LIT("cordon"))) {
			duty_ring(&app->duties[DUTY_CORDON]);
		}
		return;
	}
	if (offers_hear(app, payload)) {
		return;
	}
	if (str_starts(payload, STR_LIT("room"))) {
		fleet_freed(&app->fleet, payload);
	} else if (shard_of(app, channel, &shard)) {
		struct str rest = payload, count;
		uint64_t ready = 1;
		struct id sid;

		(void)str_split(&rest, ' ');
		count = str_split(&rest, ' ');
		app->rung[shard] += parse_u64(count, QUEUE_BATCH_MAX, &ready) ? ready : 1;
		if (id_parse(rest, &sid)) {
			ahead_note(app, app->rung[shard], &sid);
		}
	}
	duty_ring(&app->duties[DUTY_GRANT]);
}

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct app *app = arg;
	struct str tenant;
	struct id sid;
	bool leased;

	if (!str_eq(channel, STR_LIT(LOG_MOVES_CHANNEL))) {
		ring_for(app, channel, payload);
	} else if (!log_moves_parse(payload, &sid, &tenant, &leased)) {
		return;
	} else if (leased) {
		moves_add_late(&app->moves, &sid);
	} else if (moves_add(&app->moves, &sid)) {
		app_ring_archivers(app);
	}
}

static void on_resumed(void *arg)
{
	struct app *app = arg;

	for (unsigned i = 0; i < DUTY_COUNT; i++) {
		duty_ring(&app->duties[i]);
	}
}

/* To the bells of shards that there were not before; nobody rings those of before any more. */
static void subscribe_to_shards(struct app *app)
{
	const unsigned shards = redis_shards(app->node->redis);
	char channel[QUEUE_KEY_SIZE];

	for (unsigned shard = 0; app->subscribed != shards && shard < shards; shard++) {
		const struct queue queue = queue_at(app->node->redis, shard);

		queue_bell_channel(&queue, channel);
		redis_subscribe(app->sub, str_of(channel));
		queue_taken_channel(&queue, app->holder.s, channel);
		redis_subscribe(app->sub, str_of(channel));
	}
	app->subscribed = shards;
}

static void on_redis_back(struct node *node)
{
	struct app *app = node->app;

	if (app != NULL) {
		if (app->sub != NULL) {
			subscribe_to_shards(app);
		}
		app->connection = redis_connection(node->redis);
		app->admit_all = true;
		app->limits_connection = 0;
		app->fleet.read_ms = 0;
		app->restore_due = clock_mono_ms() + RESTORE_GRACE_MS;
		on_resumed(app);
	}
}

static enum err_code subscribe(struct app *app, struct err *err)
{
	static const struct redis_sub_events events = { .message = on_message,
		                                        .resumed = on_resumed };
	const struct conf *conf = &app->node->conf;
	const struct redis_options options = { .url = conf->redis_url,
		                               .timeout_ms = (unsigned)conf->redis_timeout,
		                               .backoff_max_ms = BACKOFF_MAX_MS };
	char channel[QUEUE_KEY_SIZE];

	app->sub = redis_sub_new(app->node->loop, &options, &events, app, err);
	if (app->sub == NULL) {
		return err->code;
	}
	subscribe_to_shards(app);
	lease_bell_channel(channel);
	redis_subscribe(app->sub, str_of(channel));
	redis_subscribe(app->sub, STR_LIT(LOG_MOVES_CHANNEL));
	redis_subscribe(app->sub, STR_LIT(UPLOAD_CHANNEL));
	return ERR_OK;
}

/* ---- life ---- */

typedef enum err_code(turn_fn)(struct app *app, struct err *err);

static void begin_duty(struct app *app, unsigned id, const char *name, turn_fn *turn,
                       uint64_t every_ms)
{
	struct duty *duty = &app->duties[id];

	duty->name = name;
	duty->turn = turn;
	duty->every_ms = every_ms;
	duty_init(duty, app);
	(void)fiber_start(app->node->loop, &app->fibers, name, duty_run, duty);
}

static void begin_duties(struct app *app)
{
	const struct conf *conf = &app->node->conf;
	const uint64_t tick = conf->scheduler_tick;

	begin_duty(app, DUTY_GRANT, "grant", grant_turn, tick);
	begin_duty(app, DUTY_OFFER, "offer", offers_turn, OFFER_MS);
	begin_duty(app, DUTY_TAKEN, "taken", offers_taken_turn, tick);
	begin_duty(app, DUTY_SWEEP, "sweep", sweep_turn, tick);
	begin_duty(app, DUTY_PROMOTE, "promote", promote_turn, tick);
	begin_duty(app, DUTY_ADMIT, "admit", reconcile_admit, ADMIT_MS);
	begin_duty(app, DUTY_RESTORE, "restore", reconcile_restore, RESTORE_MS);
	begin_duty(app, DUTY_ARCHIVE, "archive", archive_sweep, conf->archive_interval);
	begin_duty(app, DUTY_DELIVER, "deliver", deliver_turn, DELIVER_MS);
	begin_duty(app, DUTY_BRANCH, "branch", branch_turn, BRANCH_MS);
	begin_duty(app, DUTY_CORDON, "cordon", cordon_turn, CORDON_MS);
	begin_duty(app, DUTY_MEASURE, "measure", measure_turn, MEASURE_MS);
	begin_duty(app, DUTY_BACKLOG, "backlog", backlog_turn, BACKLOG_MS);
	begin_duty(app, DUTY_LIMITS, "limits", limits_turn, LIMITS_MS);
	begin_duty(app, DUTY_PRICES, "prices", spend_prices_turn, PRICES_MS);
	begin_duty(app, DUTY_BUDGETS, "budgets", budgets_turn, BUDGETS_MS);
	begin_duty(app, DUTY_FLAG, "flag", flag_turn, FLAG_MS);
	begin_duty(app, DUTY_ASKS, "asks", asks_expire_turn, ASKS_MS);
	begin_duty(app, DUTY_UPLOADS, "uploads", uploads_turn, UPLOADS_MS);
	begin_duty(app, DUTY_WEBHOOKS, "webhooks", webhooks_turn, WEBHOOKS_MS);
	begin_duty(app, DUTY_EPOCHS, "epochs", epochs_turn, EPOCHS_MS);
	begin_duty(app, DUTY_RETAIN, "retain", retain_turn, conf->retention_interval);
	begin_duty(app, DUTY_RELEASE, "release", release_turn, RELEASE_MS);
	begin_duty(app, DUTY_DEADLINE, "deadline", deadline_turn, DEADLINE_MS);
	begin_duty(app, DUTY_FIRE, "fire", fire_turn, FIRE_MS);
	for (unsigned i = 0; i < ARCHIVE_FIBERS; i++) {
		begin_duty(app, DUTY_MOVES + i, "moves", archive_moves, MOVES_MS);
	}
}

/* Owns everything until the node cancels it. */
static void app_main(void *arg)
{
	struct node *node = arg;
	struct app *app = mem_calloc(1, sizeof(*app));
	struct err err;

	app->node = node;
	fleet_init(&app->fleet);
	epochs_init(&app->epochs);
	ahead_init(&app->ahead);
	offers_init(&app->offers);
	app->learned = mem_calloc(LEARNED_MAX, sizeof(*app->learned));
	fiber_signal_init(&app->handed);
	app->holder = id_new();
	app->fetch = fetch_new(node->loop,
	                       &(struct fetch_options){ .ca_file = node->conf.fetch_ca_file });
	moves_init(&app->moves);
	begin_duties(app);
	node->app = app;
	if (node->store.generation != 0) {
		on_redis_back(node);
	}
	if (subscribe(app, &err) != ERR_OK) {
		node_fail(node, &err);
	}
	while (!fiber_cancelled()) {
		(void)fiber_sleep(SUB_PAUSE_MS);
	}
	fiber_shield();
	offers_withdraw(app); /* what is taken until then is handed over still */
	fiber_group_cancel(&app->fibers, ERR_CANCELLED);
	(void)!fiber_group_wait(&app->fibers, FIBER_NO_TIMEOUT);
	(void)!epochs_store(app, &err);
	fiber_unshield();
	epochs_fini(&app->epochs);
	ahead_fini(&app->ahead);
	offers_fini(&app->offers);
	node->app = NULL;
	fetch_free(app->fetch);
	redis_sub_free(app->sub);
	moves_fini(&app->moves);
	backlog_fini(&app->backlog);
	fleet_fini(&app->fleet);
	free(app->learned);
	free(app);
}

static enum err_code start(struct node *node, struct err *err)
{
	(void)err;
	(void)fiber_start(node->loop, &node->duties, "scheduler", app_main, node);
	return ERR_OK;
}

static bool ready(const struct node *node, struct jsonw *w)
{
	const struct app *app = node->app;
	bool all = app != NULL;

	jsonw_object(w, "duties");
	for (unsigned i = 0; app != NULL && i <= DUTY_MOVES; i++) {
		bool alive = duty_alive(&app->duties[i]);

		jsonw_bool(w, app->duties[i].name, alive);
		all = all && alive;
	}
	jsonw_end_object(w);
	return all;
}

static const char *listen_on(const struct conf *conf)
{
	return conf->metrics_listen;
}

const struct node_options app_node = {
	.program = "fairlead-scheduler",
	.needs = NODE_REDIS | NODE_PG,
	.listen = listen_on,
	.start = start,
	.redis_back = on_redis_back,
	.ready = ready,
};
