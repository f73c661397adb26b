#include "rate/rate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "rate_lua_gen.h"
#include "redis/redis.h"

enum { PURSES = 4096, REFUSED_MAX_MS = 5000, AWAY_MS = 1000, PER_LIMIT = 4, OVERRIDE_MAX = 72 };

/* Of a name. One is overwritten by the next name that falls into its place: bounded, and all that
 * is lost is what it had taken ahead. */
struct purse {
	char name[RATE_NAME_SIZE];
	uint64_t left;             /* taken ahead */
	uint64_t size;             /* to take ahead next time */
	uint64_t until_ms;         /* what is left is worth nothing after this */
	bool filling;              /* somebody takes ahead just now: others take their own only */
	uint64_t refused_until_ms; /* 0: not refused */
	uint64_t known,
		reset_at_ms; /* what Redis had left, as it said last, and when all will be */
	uint64_t paid_us;    /* counted here, while Redis is away */
};

struct rate {
	struct rate_options options;
	struct map *overrides; /* owned struct rate_limits */
	uint64_t away_until_ms;
	bool suspect,
		probing; /* Redis did not answer last time; somebody tries whether it does now */
	uint64_t seed;
	uint64_t refused_until_ms; /* no purse is refused for longer */
	struct purse purses[PURSES];
};

/* A subject that is limited, for the time of one call. */
struct part {
	const struct rate_subject *subject;
	struct gcra_limit limit; /* a copy: it may be replaced while Redis is asked */
	char name[RATE_NAME_SIZE];
	uint64_t hash;           /* of the name */
	uint64_t want;           /* 0: its purse has enough */
	bool fills;              /* asks for more than it needs */
	struct gcra_taken taken; /* when it was asked for */
};

struct parts {
	struct part list[RATE_SUBJECTS_MAX];
	size_t count;
	uint64_t cost;
	enum rate_class which;
};

/* ---- life ---- */

struct rate *rate_new(const struct rate_options *options)
{
	struct rate *rate = mem_calloc(1, sizeof(*rate));
	ssize_t got = getrandom(&rate->seed, sizeof(rate->seed), 0);

	assert(got == sizeof(rate->seed));
	rate->options = *options;
	rate->overrides = map_new();
	return rate;
}

static void free_overrides(struct rate *rate)
{
	size_t at = 0;
	struct str key;
	void *limits;

	while (map_next(rate->overrides, &at, &key, &limits)) {
		free(limits);
	}
	map_free(rate->overrides);
}

void rate_free(struct rate *rate)
{
	if (rate != NULL) {
		free_overrides(rate);
		free(rate);
	}
}

void rate_override_none(struct rate *rate)
{
	free_overrides(rate);
	rate->overrides = map_new();
}

static struct str override_key(struct str tenant, enum rate_kind kind, char out[OVERRIDE_MAX])
{
	out[0] = (char)('0' + (int)kind);
	(void)str_copy(out + 1, OVERRIDE_MAX - 1, tenant);
	return str_of(out);
}

void rate_override(struct rate *rate, struct str tenant, enum rate_kind kind,
                   const struct rate_limits *limits)
{
	char room[OVERRIDE_MAX];
	struct str key = override_key(tenant, kind, room);
	struct rate_limits *copy = NULL;

	if (limits == NULL) {
		free(map_remove(rate->overrides, key));
		return;
	}
	copy = mem_calloc(1, sizeof(*copy));
	*copy = *limits;
	free(map_put(rate->overrides, key, copy));
}

static const struct gcra_limit *limit_of(const struct rate *rate,
                                         const struct rate_subject *subject, enum rate_class which)
{
	char room[OVERRIDE_MAX];
	const struct rate_limits *own = NULL;

	if (subject->kind != RATE_ADDRESS && map_count(rate->overrides) > 0) {
		own = map_get(rate->overrides, override_key(subject->tenant, subject->kind, room));
	}
	return own != NULL ? &own->of[which] : &rate->options.limits[subject->kind].of[which];
}

/* ---- purses ---- */

uint64_t rate_slice_max(const struct gcra_limit *limit)
{
	uint64_t by_burst = limit->burst / 20;
	uint64_t by_time = limit->count * RATE_HOLD_MS * 1000 / limit->period_us / 4;
	uint64_t most = by_burst < by_time ? by_burst : by_time;

	return most > 0 ? most : 1;
}

static uint64_t hash_of(const struct rate *rate, const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ rate->seed;

	for (const char *c = name; *c != '\0'; c++) {
		hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
	}
	return hash ^ hash >> 32;
}

static struct purse *purse_of(struct rate *rate, const struct part *part)
{
	struct purse *purse = &rate->purses[part->hash % PURSES];

	if (strcmp(purse->name, part->name) != 0) {
		*purse = (struct purse){ .size = 1 };
		(void)str_copy(purse->name, sizeof(purse->name), str_of(part->name));
	}
	return purse;
}

/* Used up before its time: take more ahead; mostly unused: less. */
static void resize(struct purse *purse, const struct gcra_limit *limit, uint64_t now)
{
	uint64_t most = rate_slice_max(limit);

	if (purse->until_ms > now) {
		purse->size *= 2;
	} else if (purse->left > purse->size / 2) {
		purse->size = purse->size / 2 > 0 ? purse->size / 2 : 1;
	}
	if (purse->known < limit->burst / 4) {
		purse->size = 1;
	}
	purse->size = purse->size < most ? purse->size : most;
}

/* From the purse, or say how much to ask for. */
static void reach_in(struct rate *rate, struct part *part, uint64_t cost, uint64_t now)
{
	struct purse *purse = purse_of(rate, part);

	part->want = 0;
	if (purse->until_ms > now && purse->left >= cost) {
		purse->left -= cost;
		return;
	}
	part->want = cost;
	if (purse->filling) {
		return;
	}
	resize(purse, &part->limit, now);
	if (purse->size > cost) {
		part->want = purse->size;
		part->fills = purse->filling = true;
	}
}

/* What is known of it now that Redis, or this node alone, has answered. */
static void note(struct rate *rate, const struct part *part, uint64_t spent)
{
	struct purse *purse = purse_of(rate, part);
	uint64_t now = clock_mono_ms(), retry_ms = (part->taken.retry_us + 999) / 1000;

	if (purse->until_ms <= now) {
		purse->left = 0;
	}
	purse->known = part->taken.left;
	purse->reset_at_ms = now + (part->taken.reset_us + 999) / 1000;
	if (part->taken.granted > 0) {
		purse->left += part->taken.granted - spent;
		purse->until_ms = now + RATE_HOLD_MS;
	}
	if (retry_ms > 0) {
		purse->refused_until_ms =
			now + (retry_ms < REFUSED_MAX_MS ? retry_ms : REFUSED_MAX_MS);
		if (purse->refused_until_ms > rate->refused_until_ms) {
			rate->refused_until_ms = purse->refused_until_ms;
		}
	}
}

/* ---- asking ---- */

static bool is_asked(const struct part *part, bool of_address)
{
	return part->want > 0 && (part->subject->kind == RATE_ADDRESS) == of_address;
}

static void add_args(struct redis_cmd *cmd, const struct parts *parts, bool of_address)
{
	for (size_t i = 0; i < parts->count; i++) {
		const struct part *part = &parts->list[i];

		if (is_asked(part, of_address)) {
			redis_arg_u64(cmd, part->limit.count);
			redis_arg_u64(cmd, part->limit.period_us);
			redis_arg_u64(cmd, part->limit.burst);
			redis_arg_u64(cmd, parts->cost);
			redis_arg_u64(cmd, part->want);
		}
	}
}

static uint64_t number_at(const struct redis_reply *reply, size_t i)
{
	int64_t n = redis_reply_int(redis_reply_at(reply, i));

	return n > 0 ? (uint64_t)n : 0;
}

static void read_reply(const struct redis_reply *reply, struct parts *parts, bool of_address)
{
	size_t at = 1;

	for (size_t i = 0; i < parts->count; i++) {
		struct part *part = &parts->list[i];

		if (is_asked(part, of_address)) {
			part->taken = (struct gcra_taken){ .granted = number_at(reply, at),
				                           .left = number_at(reply, at + 1),
				                           .reset_us = number_at(reply, at + 2),
				                           .retry_us = number_at(reply, at + 3) };
			at += PER_LIMIT;
		}
	}
}

/* All that are in one slot, with one call. False: Redis is away. */
static bool ask(struct rate *rate, struct parts *parts, bool of_address)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = NULL;
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const struct text *script = &rate_lua_texts[RATE_LUA_RATE_TAKE];
	unsigned keys = 0;
	enum err_code code;
	struct err err;

	for (size_t i = 0; i < parts->count; i++) {
		keys += is_asked(&parts->list[i], of_address);
	}
	if (keys == 0) {
		return true;
	}
	cmd = redis_cmd_new();
	redis_script_begin(cmd, script, keys);
	for (size_t i = 0; i < parts->count; i++) {
		if (is_asked(&parts->list[i], of_address)) {
			redis_arg_cstr(cmd, parts->list[i].name);
		}
	}
	add_args(cmd, parts, of_address);
	metric_inc(METRIC_RATE_ASKED, NULL);
	code = redis_script(rate->options.redis, script, cmd, &reply, &err);
	if (code == ERR_OK && redis_reply_len(reply) == 1 + (size_t)keys * PER_LIMIT) {
		read_reply(reply, parts, of_address);
		return true;
	}
	if (code != ERR_CANCELLED) {
		rate->away_until_ms = clock_mono_ms() + AWAY_MS;
		rate->suspect = true;
		metric_inc(METRIC_RATE_ALONE, NULL);
	}
	return false;
}

static bool is_refused(const struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		if (parts->list[i].taken.retry_us > 0) {
			return true;
		}
	}
	return false;
}

/* This node counts for itself: from all or from none, like the script. */
static void ask_nobody(struct rate *rate, struct parts *parts)
{
	uint64_t now_us = clock_mono_us();
	bool refused;

	for (size_t i = 0; i < parts->count; i++) {
		struct part *part = &parts->list[i];

		if (part->want > 0) {
			part->want = parts->cost;
			part->taken = gcra_take(&part->limit, purse_of(rate, part)->paid_us, now_us,
			                        parts->cost, parts->cost);
		}
	}
	refused = is_refused(parts);
	for (size_t i = 0; i < parts->count; i++) {
		struct part *part = &parts->list[i];

		if (refused) {
			part->taken.granted = 0;
		} else if (part->want > 0) {
			purse_of(rate, part)->paid_us = part->taken.paid_us;
		}
	}
}

/* While it is not known whether Redis is back, one request finds out, and no other waits for it. */
static bool may_ask(const struct rate *rate)
{
	const struct redis *redis = rate->options.redis;

	return redis != NULL && redis_connected(redis) && clock_mono_ms() >= rate->away_until_ms &&
	       !(rate->suspect && rate->probing);
}

static void ask_all(struct rate *rate, struct parts *parts)
{
	bool answered = false;

	if (may_ask(rate)) {
		rate->probing = true;
		answered = ask(rate, parts, false) && (is_refused(parts) || ask(rate, parts, true));
		rate->probing = false;
	}
	if (answered) {
		rate->suspect = false;
		return;
	}
	for (size_t i = 0; i < parts->count; i++) {
		parts->list[i].taken = (struct gcra_taken){ .granted = 0 };
	}
	ask_nobody(rate, parts);
}

/* ---- verdicts ---- */

static struct rate_verdict verdict_of(struct rate *rate, const struct part *part, bool allowed,
                                      uint64_t now)
{
	const struct purse *purse = purse_of(rate, part);
	uint64_t held = purse->until_ms > now ? purse->left : 0;
	struct rate_verdict verdict = { .allowed = allowed,
		                        .limited = true,
		                        .kind = part->subject->kind,
		                        .burst = part->limit.burst };

	if (purse->reset_at_ms > now) {
		verdict.reset_ms = purse->reset_at_ms - now;
	}
	if (!allowed) {
		verdict.retry_ms =
			purse->refused_until_ms > now ? purse->refused_until_ms - now : 1;
		return verdict;
	}
	verdict.left = purse->known + held;
	verdict.left = verdict.left < verdict.burst ? verdict.left : verdict.burst;
	return verdict;
}

static struct rate_verdict refuse(struct rate *rate, const struct parts *parts,
                                  const struct part *part)
{
	metric_inc2(METRIC_RATE_REFUSED, rate_kind_name(part->subject->kind),
	            rate_class_name(parts->which));
	return verdict_of(rate, part, false, clock_mono_ms());
}

/* The one that has least left of its burst. */
static struct rate_verdict allow(struct rate *rate, const struct parts *parts)
{
	uint64_t now = clock_mono_ms();
	struct rate_verdict least = verdict_of(rate, &parts->list[0], true, now);

	for (size_t i = 1; i < parts->count; i++) {
		struct rate_verdict one = verdict_of(rate, &parts->list[i], true, now);

		if (one.left * least.burst < least.left * one.burst) {
			least = one;
		}
	}
	return least;
}

static void collect(const struct rate *rate, const struct rate_subject *subjects, size_t count,
                    struct parts *parts)
{
	assert(count <= RATE_SUBJECTS_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct gcra_limit *limit = limit_of(rate, &subjects[i], parts->which);
		struct part *part = &parts->list[parts->count];

		if (limit->count > 0 && rate_name(&subjects[i], parts->which, part->name)) {
			part->subject = &subjects[i];
			part->limit = *limit;
			part->hash = hash_of(rate, part->name);
			parts->count++;
		}
	}
}

/* One that was refused a moment ago, or NULL. */
static const struct part *find_refused(struct rate *rate, const struct parts *parts, uint64_t now)
{
	for (size_t i = 0; rate->refused_until_ms > now && i < parts->count; i++) {
		if (purse_of(rate, &parts->list[i])->refused_until_ms > now) {
			return &parts->list[i];
		}
	}
	return NULL;
}

/* Those that were asked for are noted; when one refused, the purses get back what they gave. */
static const struct part *settle(struct rate *rate, struct parts *parts)
{
	const struct part *refused = NULL;
	bool none = is_refused(parts);

	for (size_t i = 0; i < parts->count; i++) {
		struct part *part = &parts->list[i];

		if (part->fills) {
			purse_of(rate, part)->filling = false;
		}
		if (part->taken.retry_us > 0) {
			refused = part;
		}
		if (part->want == 0 && none) {
			purse_of(rate, part)->left += parts->cost;
		} else if (part->taken.granted > 0 || part->taken.retry_us > 0) {
			note(rate, part, none ? 0 : parts->cost);
		}
	}
	return refused;
}

struct rate_verdict rate_spend(struct rate *rate, const struct rate_subject *subjects, size_t count,
                               enum rate_class which, uint64_t cost)
{
	struct parts parts = { .cost = cost, .which = which };
	uint64_t now = clock_mono_ms();
	const struct part *refused;
	bool asks = false;

	assert(cost > 0);
	collect(rate, subjects, count, &parts);
	if (parts.count == 0) {
		return (struct rate_verdict){ .allowed = true };
	}
	refused = find_refused(rate, &parts, now);
	if (refused == NULL) {
		for (size_t i = 0; i < parts.count; i++) {
			reach_in(rate, &parts.list[i], cost, now);
			asks = asks || parts.list[i].want > 0;
		}
		if (asks) {
			ask_all(rate, &parts);
			refused = settle(rate, &parts);
		}
	}
	return refused != NULL ? refuse(rate, &parts, refused) : allow(rate, &parts);
}

struct rate_verdict rate_take(struct rate *rate, const struct rate_subject *subject,
                              enum rate_class which, uint64_t cost)
{
	struct parts parts = { .cost = cost, .which = which };
	const struct part *refused;

	assert(cost > 0);
	collect(rate, subject, 1, &parts);
	if (parts.count == 0) {
		return (struct rate_verdict){ .allowed = true };
	}
	refused = find_refused(rate, &parts, clock_mono_ms());
	if (refused == NULL) {
		parts.list[0].want = cost;
		ask_all(rate, &parts);
		refused = settle(rate, &parts);
	}
	return refused != NULL ? refuse(rate, &parts, refused) : allow(rate, &parts);
}

struct rate_verdict rate_look(struct rate *rate, const struct rate_subject *subject,
                              enum rate_class which)
{
	struct parts parts = { .which = which };
	uint64_t now = clock_mono_ms();
	const struct part *refused;

	if (rate->refused_until_ms <= now) {
		return (struct rate_verdict){ .allowed = true };
	}
	collect(rate, subject, 1, &parts);
	refused = find_refused(rate, &parts, now);
	return refused != NULL ? refuse(rate, &parts, refused)
	                       : (struct rate_verdict){ .allowed = true };
}
