#include "worker/lease_keeper.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "log/log.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "worker/holds.h"

enum { RETRY_MS = 50 };

void lease_keeper_init(struct lease_keeper *k, const struct lease_keeper_options *options)
{
	*k = (struct lease_keeper){ .options = *options };
	fiber_signal_init(&k->wake);
	fiber_signal_init(&k->changed);
}

bool lease_keeper_holds(const struct lease_keeper *k)
{
	return k->registered && clock_mono_ms() < k->until_ms;
}

void lease_keeper_drain(struct lease_keeper *k, bool draining)
{
	k->options.worker.draining = draining;
	k->says = true;
	fiber_signal_raise(&k->wake);
}

void lease_keeper_hold(struct lease_keeper *k, struct str word)
{
	if (holds_add(k->options.worker.holds, word)) {
		k->says = true;
		fiber_signal_raise(&k->wake);
	}
}

void lease_keeper_redis_back(struct lease_keeper *k)
{
	fiber_signal_raise(&k->wake);
}

static uint64_t generation_now(const struct lease_keeper *k)
{
	return k->options.generation != NULL ? *k->options.generation : 0;
}

static void extend(struct lease_keeper *k, uint64_t sent_ms)
{
	k->until_ms = sent_ms + LEASE_TTL_MS - LEASE_MARGIN_MS;
	k->options.renewed(k->options.arg, k->until_ms);
	fiber_signal_raise(&k->changed);
}

static enum err_code begin(struct lease_keeper *k, struct err *err)
{
	struct id incarnation = id_new();
	uint64_t sent_ms = clock_mono_ms(), generation = generation_now(k);
	enum err_code code;

	memcpy(k->options.worker.incarnation, incarnation.s, sizeof(incarnation.s));
	k->options.worker.generation = generation;
	code = lease_register(k->options.redis, &k->options.worker, err);
	if (code == ERR_OK && !k->closed) {
		log_info("worker.registered", "incarnation=%s worker=%s slots=%u", incarnation.s,
		         k->options.worker.worker, k->options.worker.slots);
		k->registered = true;
		k->generation = generation;
		k->says = false;
		k->options.worker.former[0] = '\0';
		k->options.begun(k->options.arg, k->options.worker.incarnation);
		extend(k, sent_ms);
	}
	return code;
}

static void lose(struct lease_keeper *k, const char *why)
{
	metric_inc(METRIC_WORKER_LEASES_LOST, why);
	log_warn("worker.lost", "incarnation=%s why=%s", k->options.worker.incarnation, why);
	memcpy(k->options.worker.former, k->options.worker.incarnation,
	       sizeof(k->options.worker.former));
	k->registered = false;
	k->until_ms = 0;
	k->options.lost(k->options.arg);
}

/* Into a history of Redis that may not know us. */
static enum err_code join(struct lease_keeper *k, struct err *err)
{
	struct lease_worker guest = k->options.worker;
	uint64_t generation = generation_now(k);
	enum err_code code;

	guest.draining = true;
	guest.generation = 0;
	code = lease_register(k->options.redis, &guest, err);
	if (code == ERR_OK) {
		code = k->options.attest(k->options.arg, err);
	}
	if (code == ERR_OK) {
		k->options.worker.generation = generation;
		code = lease_register(k->options.redis, &k->options.worker, err);
	}
	if (code == ERR_OK && !k->closed) {
		log_info("worker.rejoined", "incarnation=%s generation=%" PRIu64,
		         k->options.worker.incarnation, generation);
		k->generation = generation;
		if (!lease_keeper_holds(k)) {
			k->options.doubted(k->options.arg);
		}
	}
	return code;
}

/* A server that came back with an older state may believe in a lease that was lost meanwhile. */
static bool is_known(const struct lease_keeper *k)
{
	return k->options.generation == NULL ||
	       (*k->options.generation != 0 &&
	        *k->options.server == redis_server(k->options.redis));
}

static enum err_code ask(struct lease_keeper *k, bool says, struct err *err)
{
	if (!is_known(k)) {
		return err_set(err, ERR_UNAVAILABLE, "redis: its generation is not known");
	}
	if (generation_now(k) != k->generation) {
		return join(k, err);
	}
	return says ? lease_describe(k->options.redis, &k->options.worker, err)
	            : lease_renew(k->options.redis, k->options.worker.incarnation, err);
}

/* Refused by the history of Redis that was asked, not by one that never knew us. */
static bool is_refused(const struct lease_keeper *k, uint64_t asked)
{
	struct err err;

	return k->options.is_same == NULL ||
	       (asked == generation_now(k) && k->options.is_same(k->options.arg, &err) == ERR_OK);
}

static enum err_code renew(struct lease_keeper *k, struct err *err)
{
	uint64_t sent_ms = clock_mono_ms(), asked = generation_now(k);
	bool held = lease_keeper_holds(k), says = k->says;
	enum err_code code = ask(k, says, err);
	bool refused = code == ERR_FENCED && is_refused(k, asked);

	if (k->closed) {
		return ERR_CANCELLED;
	}
	if (code == ERR_OK) {
		if (!held) {
			log_info("worker.resumed", "incarnation=%s", k->options.worker.incarnation);
		}
		k->says = k->says && !says;
		extend(k, sent_ms);
	} else if (refused) {
		lose(k, "fenced");
	} else if (clock_mono_ms() >= k->until_ms + k->options.orphan_ms) {
		lose(k, "silence");
	}
	return code;
}

static void wait_for_turn(struct lease_keeper *k, uint64_t begun_ms, enum err_code code)
{
	uint64_t due = begun_ms + (code == ERR_OK ? k->options.renew_ms : RETRY_MS);
	uint64_t now = clock_mono_ms();

	/* Woken early it renews early. */
	(void)!fiber_signal_wait(&k->wake, due > now ? due - now : 1);
}

void lease_keeper_run(void *arg)
{
	struct lease_keeper *k = arg;
	bool silent = false;

	while (!k->closed && !fiber_cancelled()) {
		struct err err = { .code = ERR_OK };
		uint64_t now = clock_mono_ms();
		enum err_code code = k->registered ? renew(k, &err) : begin(k, &err);

		metric_inc(METRIC_WORKER_RENEWALS, code == ERR_OK ? "ok" : err_name(code));
		if (code != ERR_OK && code != ERR_FENCED && !silent) {
			log_warn("worker.lease", "code=%s %s", err_name(code), err.msg);
		}
		silent = code != ERR_OK;
		wait_for_turn(k, now, code);
	}
}

enum err_code lease_keeper_end(struct lease_keeper *k, struct err *err)
{
	bool registered = k->registered;

	k->closed = true;
	k->registered = false;
	k->until_ms = 0;
	fiber_signal_raise(&k->wake);
	return registered ? lease_end(k->options.redis, k->options.worker.incarnation, err)
	                  : ERR_OK;
}
