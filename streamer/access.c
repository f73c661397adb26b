#include "streamer/access.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_bell.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/sub.h"
#include "streamer/outlet.h"
#include "streamer/viewer.h"

enum { TICK_MS = 250, STOP_MS = 5000, REDIS_BACKOFF_MAX_MS = 1000, EXCHANGES_MAX = 64 };

struct access {
	struct access_options options;
	struct redis_sub *sub;
	struct loop_timer tick;
	struct fiber_group fibers;
	struct fiber_signal rung; /* a key has changed */
	size_t exchanges;         /* under way */
	bool is_blind;            /* keys could not be looked up */
	bool stopped;
};

/* A stream that is to go on with another key. */
struct exchange {
	struct access *access;
	struct auth_bell bell;
};

/* ---- looking at keys ---- */

static int by_key(const void *a, const void *b)
{
	const struct auth_key_found *one = a, *other = b;

	return memcmp(auth_lender(&one->principal)->s, auth_lender(&other->principal)->s, ID_LEN);
}

/* With one query. */
static enum err_code look_at(struct access *access, const struct id *ids, size_t count,
                             struct err *err)
{
	struct auth_key_found *found = mem_calloc(count, sizeof(*found));
	size_t found_count = 0;
	struct buf list;
	enum err_code code;

	buf_init(&list, count * (ID_LEN + 1) + 1);
	for (size_t i = 0; i < count; i++) {
		buf_addf(&list, "%s%s", i > 0 ? "," : "", ids[i].s);
	}
	code = auth_keys_watch(access->options.pg, buf_cstr(&list), count, found, &found_count,
	                       err);
	if (code == ERR_OK) {
		qsort(found, found_count, sizeof(*found), by_key);
	}
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		const struct auth_key_found wanted = { .principal.key = ids[i] };

		viewers_renew(access->options.viewers, &ids[i],
		              bsearch(&wanted, found, found_count, sizeof(*found), by_key));
	}
	buf_fini(&list);
	free(found);
	return code;
}

/* While keys cannot be looked up streams go on as they are, but for what time ends. */
static void look(struct access *access)
{
	struct id *ids = NULL;
	size_t count = viewers_keys(access->options.viewers, &ids);
	enum err_code code = ERR_OK;
	struct err err;

	for (size_t i = 0; i < count && code == ERR_OK; i += AUTH_KEYS_WATCHED_MAX) {
		size_t some = count - i < AUTH_KEYS_WATCHED_MAX ? count - i : AUTH_KEYS_WATCHED_MAX;

		code = look_at(access, &ids[i], some, &err);
	}
	free(ids);
	if (code != ERR_OK && !access->is_blind && !fiber_cancelled()) {
		log_warn("access.blind", "keys=%zu code=%s %s", count, err_name(code), err.msg);
	} else if (code == ERR_OK && access->is_blind) {
		log_info("access.sees", "keys=%zu", count);
	}
	access->is_blind = code != ERR_OK;
}

static void keep(void *arg)
{
	struct access *access = arg;

	enum err_code code = ERR_OK;

	while (code == ERR_OK || code == ERR_TIMEOUT) {
		look(access);
		auth_note_uses(access->options.auth);
		code = fiber_signal_wait(&access->rung, ACCESS_LOOK_MS);
	}
}

static void on_tick(struct loop_timer *timer)
{
	struct access *access = CONTAINER_OF(timer, struct access, tick);

	viewers_tick(access->options.viewers, clock_wall_us());
	loop_timer_set(timer, TICK_MS);
}

/* ---- exchanging keys ---- */

static enum err_code exchange(struct access *access, const struct auth_bell *bell, struct err *err)
{
	struct outlet *outlet;
	struct principal principal;
	enum err_code code = auth_check_id(access->options.auth, &bell->id, &principal, err);

	/* Asked for with a token, which ends before its login does. */
	if (code == ERR_OK && id_is_nil(&principal.key) && bell->expires_us != 0) {
		principal.means = AUTH_BY_TOKEN;
		principal.expires_us = bell->expires_us;
	}
	/* It may have gone meanwhile. */
	outlet = viewers_find(access->options.viewers, bell->stream);
	if (outlet == NULL) {
		return err_set(err, ERR_NOT_FOUND, "the stream has ended");
	}
	/* Another tenant's is as good as none. */
	if (code == ERR_OK && strcmp(outlet->viewer->principal.tenant, principal.tenant) != 0) {
		return err_set(err, ERR_NOT_FOUND, "the stream is of another tenant");
	}
	return code != ERR_OK ? code : viewer_exchange(outlet, &principal, err);
}

static void run_exchange(void *arg)
{
	struct exchange *job = arg;
	struct access *access = job->access;
	struct err err;
	enum err_code outcome = exchange(access, &job->bell, &err);

	if (outcome == ERR_UNAUTHORIZED) {
		outcome = ERR_FORBIDDEN;
	}
	log_info("access.exchange", "key=%s outcome=%s %s", job->bell.id.s, err_name(outcome),
	         outcome != ERR_OK ? err.msg : "");
	if (outcome != ERR_NOT_FOUND &&
	    auth_stream_answer(access->options.redis, &job->bell.asked, outcome, &err) != ERR_OK &&
	    !fiber_cancelled()) {
		log_warn("access.unanswered", "code=%s %s", err_name(err.code), err.msg);
	}
	access->exchanges--;
	free(job);
}

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct access *access = arg;
	struct exchange *job;
	struct auth_bell bell;

	(void)channel;
	if (access->stopped || !auth_bell_decode(payload, &bell)) {
		return;
	}
	auth_heard(access->options.auth, &bell);
	if (bell.kind != AUTH_BELL_STREAM) {
		fiber_signal_raise(&access->rung);
		return;
	}
	if (access->exchanges >= EXCHANGES_MAX ||
	    viewers_find(access->options.viewers, bell.stream) == NULL) {
		return;
	}
	access->exchanges++;
	job = mem_calloc(1, sizeof(*job));
	*job = (struct exchange){ access, bell };
	(void)fiber_start(access->options.loop, &access->fibers, "exchange", run_exchange, job);
}

static void on_resumed(void *arg)
{
	struct access *access = arg;

	auth_heard(access->options.auth, NULL);
	fiber_signal_raise(&access->rung);
}

/* ---- life ---- */

struct access *access_new(const struct access_options *options, struct err *err)
{
	static const struct redis_sub_events events = { .message = on_message,
		                                        .resumed = on_resumed };
	const struct redis_options redis = { .url = options->redis_url,
		                             .timeout_ms = options->redis_timeout_ms,
		                             .backoff_max_ms = REDIS_BACKOFF_MAX_MS };
	struct access *access = mem_calloc(1, sizeof(*access));

	access->options = *options;
	access->sub = redis_sub_new(options->loop, &redis, &events, access, err);
	if (access->sub == NULL) {
		free(access);
		return NULL;
	}
	fiber_signal_init(&access->rung);
	redis_subscribe(access->sub, STR_LIT(AUTH_BELL));
	loop_timer_init(&access->tick, options->loop, on_tick);
	loop_timer_set(&access->tick, TICK_MS);
	(void)fiber_start(options->loop, &access->fibers, "access", keep, access);
	return access;
}

void access_stop(struct access *access)
{
	access->stopped = true;
	fiber_group_cancel(&access->fibers, ERR_CANCELLED);
	if (fiber_group_wait(&access->fibers, STOP_MS) != ERR_OK) {
		log_warn("access.stuck", "fibers=%zu", access->fibers.count);
	}
}

void access_free(struct access *access)
{
	if (access != NULL) {
		loop_timer_clear(&access->tick);
		redis_sub_free(access->sub);
		free(access);
	}
}
