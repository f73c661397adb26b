#include "scheduler/webhooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fetch/fetch.h"
#include "log/log.h"
#include "metric/metric.h"
#include "scheduler/app.h"
#include "task/task.h"
#include "webhook/webhook_queue.h"

enum {
	SENDING_MAX = 32,
	GRACE_MS = 30000, /* between the end of an attempt and its being known */
	AGAIN_MAX_MS = 2 * 3600 * 1000,
	REST_MAX_MS = 15 * 60 * 1000,
	RETRY_AFTER_MAX_S = 3600,
	ANSWER_MAX = 16 * 1024,
	GONE = 410,
	HEADER_SIZE = 256,
	ERROR_SIZE = 200,
	MICRO_OF_S = 1000000,
};

/* Messages taken together; the last one sent frees it. */
struct batch {
	struct arena *arena;
	struct webhook_due_list list;
	size_t left;
};

struct sending {
	struct app *app;
	struct batch *batch;
	const struct webhook_due *due;
};

/* ---- one message ---- */

static unsigned flags_of(const struct app *app)
{
	return app->node->conf.webhook_reach == WEBHOOK_REACH_PRIVATE ? FETCH_PLAIN | FETCH_NO_LINK
	                                                              : FETCH_PUBLIC;
}

static void sign(const struct app *app, const struct webhook_due *due, int64_t seconds,
                 struct str body, struct buf *out)
{
	struct cred_pepper secret = cred_pepper_from(str_of(app->node->conf.pepper));
	struct webhook_secret_of of = { due->webhook.n > 0 ? WEBHOOK_OF_ID : WEBHOOK_OF_TENANT,
		                        due->webhook.n > 0 ? due->webhook : due->message.tenant,
		                        due->secret_n };

	buf_add_cstr(out, "webhook-signature: ");
	webhook_sign(&secret, &of, due->message.id, seconds, body, out);
	if (due->former_too && of.n > 1) {
		of.n--;
		buf_add_cstr(out, " ");
		webhook_sign(&secret, &of, due->message.id, seconds, body, out);
	}
	cred_wipe(&secret, sizeof(secret));
}

static enum err_code post(struct app *app, const struct webhook_due *due, struct str body,
                          struct fetch_response *response, struct err *err)
{
	const int64_t seconds = clock_wall_us() / MICRO_OF_S;
	char id[HEADER_SIZE], stamp[HEADER_SIZE];
	struct buf signature;
	struct fetch_request request = { .method = "POST",
		                         .url = due->url.p,
		                         .body = body,
		                         .timeout_ms = (unsigned)app->node->conf.webhook_timeout,
		                         .response_max = ANSWER_MAX,
		                         .flags = flags_of(app) };
	enum err_code code;

	buf_init(&signature, HEADER_SIZE);
	(void)snprintf(id, sizeof(id), "webhook-id: %s", due->message.id);
	(void)snprintf(stamp, sizeof(stamp), "webhook-timestamp: %" PRId64, seconds);
	sign(app, due, seconds, body, &signature);
	request.headers[0] = "Content-Type: application/json";
	request.headers[1] = id;
	request.headers[2] = stamp;
	request.headers[3] = buf_cstr(&signature);
	code = fetch(app->fetch, &request, response, err);
	buf_fini(&signature);
	return code;
}

/* What a 2xx says is so, whatever comes behind it. */
static bool is_taken(const struct fetch_response *response)
{
	return response->status >= 200 && response->status < 300;
}

static void explain(const struct fetch_response *response, enum err_code code,
                    const struct err *err, char out[ERROR_SIZE])
{
	if (code != ERR_OK && response->status == 0) {
		(void)snprintf(out, ERROR_SIZE, "%s", err->msg);
	} else if (response->status >= 300 && response->status < 400) {
		(void)snprintf(out, ERROR_SIZE, "answered %d: redirects are not followed",
		               response->status);
	} else {
		(void)snprintf(out, ERROR_SIZE, "answered %d", response->status);
	}
}

static uint64_t random_number(void)
{
	uint64_t number;

	return getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number) ? number : 0;
}

/* A receiver may ask for more time, within reason. */
static uint64_t again_ms(const struct app *app, const struct webhook_due *due,
                         const struct fetch_response *response)
{
	uint64_t asked_s = response->retry_after_s;
	uint64_t ms = task_backoff_ms(due->attempt, app->node->conf.webhook_retry, AGAIN_MAX_MS,
	                              random_number());

	asked_s = asked_s < RETRY_AFTER_MAX_S ? asked_s : RETRY_AFTER_MAX_S;
	return ms > asked_s * 1000 ? ms : asked_s * 1000;
}

/* One that says that it is gone for good is believed. */
static enum err_code disable(struct app *app, const struct webhook_due *due, int status,
                             struct err *err)
{
	bool disabled = false;
	enum err_code code = webhook_disable(
		app->node->pg, due, status == GONE ? 0 : app->node->conf.webhook_disable_after,
		&disabled, err);

	if (code == ERR_OK && disabled) {
		metric_inc(METRIC_WEBHOOKS_DISABLED, NULL);
		log_warn("webhook.disabled", "webhook=%s tenant=%s", due->webhook.p,
		         due->message.tenant.p);
	}
	return code;
}

static enum err_code note(struct app *app, const struct webhook_due *due,
                          struct webhook_outcome *outcome, bool taken, struct err *err)
{
	bool dead = false;
	enum err_code code;

	if (taken) {
		metric_inc(METRIC_WEBHOOK_ATTEMPTS, "taken");
		return webhook_delivered(app->node->pg, due, outcome, err);
	}
	metric_inc(METRIC_WEBHOOK_ATTEMPTS, outcome->status == 0 ? "unanswered" : "refused");
	code = webhook_failed(app->node->pg, due, outcome, &dead, err);
	if (code == ERR_OK && dead) {
		metric_inc(METRIC_WEBHOOK_DEAD, NULL);
		log_warn("webhook.dead", "webhook=%s attempts=%" PRIu64 " %s", due->webhook.p,
		         due->attempt, outcome->error);
	}
	return code == ERR_OK && due->webhook.n > 0 ? disable(app, due, outcome->status, err)
	                                            : code;
}

/* ERR_CANCELLED: this scheduler ends; another one tries again. */
static enum err_code tell(struct app *app, const struct webhook_due *due, struct err *err)
{
	struct fetch_response response;
	char error[ERROR_SIZE] = "";
	struct webhook_outcome outcome = { .error = error, .at_us = clock_wall_us() };
	const uint64_t began_ms = clock_mono_ms();
	const struct conf *conf = &app->node->conf;
	struct buf body;
	enum err_code code;
	bool taken;

	buf_init(&body, WEBHOOK_BODY_MAX);
	webhook_body(&due->message, &body);
	code = post(app, due, buf_str(&body), &response, err);
	buf_fini(&body);
	outcome.took_ms = clock_mono_ms() - began_ms;
	outcome.status = response.status;
	taken = is_taken(&response);
	if (!taken) {
		explain(&response, code, err, error);
		outcome.again_ms = again_ms(app, due, &response);
		outcome.give_up_ms = conf->webhook_give_up;
		outcome.rest_ms = task_backoff_ms(due->failures + 1, conf->webhook_retry,
		                                  REST_MAX_MS, random_number());
	}
	fetch_response_fini(&response);
	return code == ERR_CANCELLED ? code : note(app, due, &outcome, taken, err);
}

static void end_batch(struct batch *batch)
{
	if (--batch->left == 0) {
		arena_free(batch->arena);
		free(batch);
	}
}

static void sending_main(void *arg)
{
	struct sending *sending = arg;
	struct app *app = sending->app;
	const char *id = sending->due->message.id;
	struct err err;
	enum err_code code;

	fiber_set_tag("message=%s", id);
	code = tell(app, sending->due, &err);
	if (code != ERR_OK && code != ERR_CANCELLED) {
		log_warn("webhook.unsent", "code=%s %s", err_name(code), err.msg);
	}
	app->telling--;
	duty_ring(&app->duties[DUTY_WEBHOOKS]);
	end_batch(sending->batch);
	free(sending);
}

/* ---- turns ---- */

enum err_code webhooks_turn(struct app *app, struct err *err)
{
	struct batch *batch = mem_calloc(1, sizeof(*batch));
	enum err_code code = ERR_OK;

	batch->arena = arena_new();
	batch->left = 1;
	if (app->telling < SENDING_MAX) {
		code = webhook_claim(app->node->pg, SENDING_MAX - app->telling,
		                     app->node->conf.webhook_timeout + GRACE_MS, batch->arena,
		                     &batch->list, err);
	}
	for (size_t i = 0; code == ERR_OK && i < batch->list.count; i++) {
		struct sending *sending = mem_calloc(1, sizeof(*sending));

		*sending = (struct sending){ app, batch, &batch->list.items[i] };
		batch->left++;
		app->telling++;
		(void)fiber_start(app->node->loop, &app->fibers, "webhook", sending_main, sending);
	}
	end_batch(batch);
	return code;
}
