#include "scheduler/duty.h"

#include "base/clock.h"
#include "log/log.h"
#include "scheduler/app.h"

enum { DUTY_RETRY_MS = 250, DUTY_DEAD_MS = 60000, DUTY_REST_MAX_MS = 250 };

void duty_init(struct duty *duty, struct app *app)
{
	duty->app = app;
	duty->turned_ms = clock_mono_ms();
	fiber_signal_init(&duty->bell);
}

/* One line when it begins to fail and one when it is well again. */
static void judge(struct duty *duty, enum err_code code, const struct err *err)
{
	if (code != duty->code && code == ERR_OK) {
		log_info("duty.well");
	} else if (code != duty->code && code != ERR_CANCELLED) {
		log_warn("duty.failing", "code=%s %s", err_name(code), err->msg);
	}
	duty->code = code;
}

void duty_run(void *arg)
{
	struct duty *duty = arg;
	struct err err;

	fiber_set_tag("duty=%s", duty->name);
	while (!fiber_cancelled()) {
		if (duty->app->node->store.generation != 0) {
			judge(duty, duty->turn(duty->app, &err), &err);
		}
		duty->turned_ms = clock_mono_ms();
		if (duty->code != ERR_OK) {
			(void)fiber_sleep(DUTY_RETRY_MS);
		} else {
			(void)!fiber_signal_wait(&duty->bell, duty->every_ms);
		}
	}
}

void duty_ring(struct duty *duty)
{
	fiber_signal_raise(&duty->bell);
}

bool duty_alive(const struct duty *duty)
{
	return clock_mono_ms() < duty->turned_ms + duty->every_ms + DUTY_DEAD_MS;
}

void duty_rest(uint64_t begun_ms)
{
	const uint64_t took = clock_mono_ms() - begun_ms;

	(void)fiber_sleep(took < DUTY_REST_MAX_MS ? took : DUTY_REST_MAX_MS);
}

bool duty_must_stop(enum err_code code)
{
	return code == ERR_UNAVAILABLE || code == ERR_UNKNOWN || code == ERR_TIMEOUT ||
	       code == ERR_STALE || code == ERR_CANCELLED;
}

enum err_code duty_item_failed(const char *what, enum err_code code, struct err *err)
{
	if (duty_must_stop(code)) {
		return code;
	}
	log_warn("duty.item", "item=%s code=%s %s", what, err_name(code), err->msg);
	return ERR_OK;
}
