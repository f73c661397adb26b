/*
 * The model against a real Redis: random commands, and random calls of the log's and the queue's
 * own functions, must get the same answers and leave the same data.  So that time is the same for
 * both, the scripts' TIME is read from a key that the test sets.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "event/log.h"
#include "queue/demand.h"
#include "queue/lease.h"
#include "queue/offer.h"
#include "queue/queue.h"
#include "queue/queue_gate.h"
#include "queue/queue_limit.h"
#include "queue/queue_why.h"
#include "redis/cmd.h"
#include "tests/sim/bridge.h"
#include "tests/sim/model_data.h"
#include "tests/support/holders.h"
#include "tests/support/world.h"

enum {
	COMMANDS = 4000,
	CALLS = 6000,
	OFFERED_CALLS = 3000,
	COMPARE_EVERY = 200,
	SESSIONS = 4,
	TEXT_MAX = 4 * 1024 * 1024
};

static struct model *model;
static uint64_t seed;

/* ---- two servers, one question ---- */

enum err_code __real_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err);
enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err);
enum err_code __wrap_redis_script(struct redis *redis, const struct text *script,
                                  struct redis_cmd *cmd, struct redis_reply **ret, struct err *err);

/* Redis writes scores in other ways from version to version: they are compared as numbers. */
static bool is_same(const char *a, const char *b)
{
	const char *word_a = a, *word_b = b;

	while (*a != '\0' || *b != '\0') {
		char *end_a, *end_b;
		double x, y;

		if (*a == *b) {
			word_a = *a == '"' ? a + 1 : word_a;
			word_b = *b == '"' ? b + 1 : word_b;
			a++;
			b++;
			continue;
		}
		x = strtod(word_a, &end_a);
		y = strtod(word_b, &end_b);
		if (memcmp(&x, &y, sizeof(x)) != 0 || *end_a != '"' || *end_b != '"' || end_a < a ||
		    end_b < b) {
			return false;
		}
		a = end_a;
		b = end_b;
	}
	return true;
}

static void must_agree(const char *what, const struct redis_reply *real,
                       const struct model_reply *modelled)
{
	struct buf a, b;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	if (real != NULL) {
		bridge_format(real, &a);
	} else {
		buf_add_cstr(&a, "error");
	}
	if (modelled->type == MODEL_ERROR) {
		buf_add_cstr(&b, "error");
	} else {
		model_reply_format(modelled, &b);
	}
	if (!is_same(buf_cstr(&a), buf_cstr(&b))) {
		fail_msg("SIM_SEED=%" PRIu64 " %s\n  redis %.2000s\n  model %.2000s (%.*s)", seed,
		         what, buf_cstr(&a), buf_cstr(&b), (int)modelled->n,
		         modelled->type == MODEL_ERROR ? modelled->p : "");
	}
	buf_fini(&a);
	buf_fini(&b);
}

enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err)
{
	struct model_reply *modelled = bridge_run(model, cmd, NULL);
	enum err_code code = __real_redis_call(redis, cmd, ret, err);
	char what[200] = "";

	for (size_t i = 0; i < cmd->count && strlen(what) < sizeof(what) - 60; i++) {
		const struct redis_word *w = &cmd->words[i];

		(void)snprintf(what + strlen(what), 50, "%.*s ", w->n < 40 ? (int)w->n : 40,
		               w->p != NULL ? w->p : cmd->text.data + w->at);
	}
	assert_true(code == ERR_OK || code == ERR_BACKEND);
	must_agree(what, code == ERR_OK ? *ret : NULL, modelled);
	model_reply_free(modelled);
	return code;
}

static struct text with_a_clock_of_ours(const struct text *script)
{
	static const char from[] = "redis.call('TIME')";
	static const char to[] = "{redis.call('GET','{t}:s'),redis.call('GET','{t}:us')}";
	const char *at = strstr(script->text, from);
	struct text patched = *script;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_add_str(&text,
	            str_make(script->text, at != NULL ? (size_t)(at - script->text) : script->len));
	if (at != NULL) {
		buf_add_cstr(&text, to);
		buf_add_cstr(&text, at + sizeof(from) - 1);
	}
	patched.len = text.len;
	patched.text = buf_take(&text);
	return patched;
}

enum err_code __wrap_redis_script(struct redis *redis, const struct text *script,
                                  struct redis_cmd *cmd, struct redis_reply **ret, struct err *err)
{
	struct text patched = with_a_clock_of_ours(script);
	struct model_reply *modelled = bridge_run(model, cmd, &patched);
	enum err_code code;

	redis_cmd_set(cmd, 0, STR_LIT("EVAL"));
	redis_cmd_set(cmd, 1, str_make(patched.text, patched.len));
	code = __real_redis_call(redis, cmd, ret, err);
	if (code != ERR_OK || modelled->type == MODEL_ERROR) {
		fail_msg("SIM_SEED=%" PRIu64 " %s: redis: %s, model: %.*s", seed, script->name,
		         code == ERR_OK ? "ok" : err->msg, (int)modelled->n,
		         modelled->type == MODEL_ERROR ? modelled->p : "ok");
	}
	must_agree(script->name, *ret, modelled);
	model_reply_free(modelled);
	free((char *)(uintptr_t)patched.text);
	return code;
}

/* ---- the whole of the data ---- */

static struct redis_reply *ask_real(struct world *world, const char *verb, const char *key,
                                    const char *const rest[])
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_reply *reply = NULL;
	struct err err;

	redis_arg_cstr(cmd, verb);
	if (key != NULL) {
		redis_arg_cstr(cmd, key);
	}
	for (size_t i = 0; rest != NULL && rest[i] != NULL; i++) {
		redis_arg_cstr(cmd, rest[i]);
	}
	assert_int_equal(__real_redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	return reply;
}

static void compare_size(struct world *world, const char *verb, const char *key, size_t size)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = ask_real(world, verb, key, NULL);

	assert_int_equal(redis_reply_int(reply), size);
}

static void compare_with(struct world *world, const struct value *value, const char *verb,
                         const char *const rest[])
{
	CLEANUP(redis_reply_cleanup)
	struct redis_reply *real = ask_real(world, verb, value->key, rest);
	struct str words[8] = { str_of(verb), str_of(value->key) };
	struct model_reply *modelled;
	size_t count = 2;

	for (; rest != NULL && rest[count - 2] != NULL; count++) {
		words[count] = str_of(rest[count - 2]);
	}
	modelled = model_call(model, words, count);
	must_agree(value->key, real, modelled);
	model_reply_free(modelled);
}

static void compare_hash(struct world *world, const struct value *value)
{
	compare_size(world, "HLEN", value->key, value->count);
	for (size_t i = 0; i < value->count; i++) {
		char *name = mem_strndup(value->fields[i].name);

		compare_with(world, value, "HGET", (const char *const[]){ name, NULL });
		free(name);
	}
}

static void compare_set(struct world *world, const struct value *value)
{
	compare_size(world, "SCARD", value->key, value->count);
	for (size_t i = 0; i < value->count; i++) {
		char *name = mem_strndup(value->members[i].name);

		compare_with(world, value, "SISMEMBER", (const char *const[]){ name, NULL });
		free(name);
	}
}

static void compare_all(struct world *world)
{
	compare_size(world, "DBSIZE", NULL, model->count);
	for (size_t i = 0; i < model->count; i++) {
		const struct value *value = model->values[i];

		switch (value->type) {
		case VALUE_STRING: compare_with(world, value, "GET", NULL); break;
		case VALUE_HASH: compare_hash(world, value); break;
		case VALUE_SET: compare_set(world, value); break;
		case VALUE_ZSET:
			compare_with(world, value, "ZRANGE",
			             (const char *const[]){ "0", "-1", "WITHSCORES", NULL });
			break;
		case VALUE_STREAM:
			compare_with(world, value, "XRANGE",
			             (const char *const[]){ "-", "+", NULL });
			break;
		}
	}
}

/* ---- random commands ---- */

static const char *const shapes[] = {
	"GET K",
	"SET K V",
	"DEL K",
	"EXISTS K",
	"EXISTS K K K",
	"HGET K F",
	"HMGET K F F F",
	"HSET K F V",
	"HSET K F V F V",
	"HINCRBY K F I",
	"HDEL K F",
	"HDEL K F F",
	"HGETALL K",
	"HLEN K",
	"ZRANK K F",
	"ZADD K XX I F",
	"ZADD K I F",
	"ZADD K NX I F",
	"ZREM K F",
	"ZREM K F F",
	"ZADD K I F I F",
	"ZADD K NX I F I F",
	"SADD K F",
	"SADD K F F",
	"SREM K F",
	"SCARD K",
	"SISMEMBER K F",
	"ZCARD K",
	"ZSCORE K F",
	"ZINCRBY K I F",
	"ZRANGE K I I",
	"ZRANGE K 0 I WITHSCORES",
	"ZRANGEBYSCORE K -inf I LIMIT 0 3",
	"ZRANGEBYSCORE K I I",
	"XADD K X F V",
	"XADD K NOMKSTREAM X F V F V",
	"XTRIM K MINID = X",
	"XRANGE K - + COUNT 5",
	"XRANGE K (X +",
	"XRANGE K E E COUNT 2",
	"XADD K MAXLEN = 4 X F V",
	"HSET K F",
	"NOSUCH K",
};

static void add_random_word(struct redis_cmd *cmd, struct str word, struct dice *dice)
{
	if (str_eq(word, STR_LIT("K"))) {
		redis_argf(cmd, "{k}%" PRIu64, dice_roll(dice, 6));
	} else if (str_eq(word, STR_LIT("F"))) {
		redis_argf(cmd, "f%" PRIu64, dice_roll(dice, 5));
	} else if (str_eq(word, STR_LIT("V"))) {
		redis_argf(cmd, "%" PRIu64, dice_roll(dice, 1000));
	} else if (str_eq(word, STR_LIT("I"))) {
		redis_arg_i64(cmd, (int64_t)dice_roll(dice, 20) - 5);
	} else if (str_eq(word, STR_LIT("E"))) {
		redis_arg_u64(cmd, dice_roll(dice, 8));
	} else if (word.p[0] == 'X' || str_eq(word, STR_LIT("(X"))) {
		redis_argf(cmd, "%s%" PRIu64 "-%" PRIu64, word.p[0] == '(' ? "(" : "",
		           dice_roll(dice, 8), dice_roll(dice, 60));
	} else {
		redis_arg(cmd, word);
	}
}

static void commands_body(struct world *world)
{
	struct dice dice = { seed };

	for (unsigned i = 0; i < COMMANDS; i++) {
		CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
		CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
		struct str rest = str_of(shapes[dice_roll(&dice, ARRAY_LEN(shapes))]);
		struct err err;

		redis_arg(cmd, str_split(&rest, ' '));
		while (rest.p != NULL) {
			add_random_word(cmd, str_split(&rest, ' '), &dice);
		}
		(void)!__wrap_redis_call(world->redis, cmd, &reply, &err);
		if (i % COMPARE_EVERY == 0) {
			compare_all(world);
		}
	}
	compare_all(world);
}

/* ---- random calls of our own functions ---- */

struct play {
	struct world *world;
	struct dice dice;
	struct queue queue;
	struct log_store store;
	struct id sids[SESSIONS];
	uint64_t now_ms;
};

static uint64_t roll(struct play *play, uint64_t sides)
{
	return dice_roll(&play->dice, sides);
}

static const char *pick(struct play *play, const char *const *of, size_t count)
{
	return of[roll(play, count)];
}

#define PICK(play, ...)                                                                            \
	pick(play, (const char *const[]){ __VA_ARGS__ },                                           \
	     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void set_clock(struct play *play, uint64_t ms)
{
	char line[64];

	play->now_ms += ms;
	(void)snprintf(line, sizeof(line), "SET {t}:s %" PRIu64, play->now_ms / 1000);
	world_say(play->world, line);
	(void)snprintf(line, sizeof(line), "SET {t}:us %" PRIu64, play->now_ms % 1000 * 1000);
	world_say(play->world, line);
}

static struct id any_session(struct play *play)
{
	return play->sids[roll(play, SESSIONS)];
}

static void play_open(struct play *play)
{
	char token[16];
	struct log_open opening = { .sid = any_session(play),
		                    .tenant = PICK(play, "acme", "acme", "acme", "other"),
		                    .how = (enum log_opening)roll(play, 3),
		                    .cause = "lease",
		                    .token = token,
		                    .epoch = roll(play, 3) == 0 ? roll(play, 5) : 0,
		                    .moves = roll(play, 2) == 0,
		                    .to = (enum session_state)roll(play, SESSION_STATE_COUNT) };
	struct log_result result;
	struct err err;

	if (roll(play, 4) == 0) {
		opening.archived = (struct cursor){ 1 + roll(play, 4), 1 + roll(play, 30) };
	}
	(void)snprintf(token, sizeof(token), "t%" PRIu64, roll(play, 6));
	(void)!log_open(&play->store, &opening, &result, &err);
}

static void play_append(struct play *play)
{
	static const char *const producers[] = { NULL, "p", "q" };
	struct log_new events[3] = { { EVENT_TYPE_LOG, STR_LIT("{\"level\":\"info\"}") },
		                     { EVENT_TYPE_NOTE, STR_LIT("{}") },
		                     { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"x\"}") } };
	struct log_batch batch = { .sid = any_session(play),
		                   .tenant = PICK(play, "acme", "acme", "acme", "other"),
		                   .epoch = roll(play, 5),
		                   .producer = producers[roll(play, 3)],
		                   .seq = 1 + roll(play, 12),
		                   .events = events,
		                   .count = 1 + roll(play, 2) };
	struct log_result result;
	struct err err;

	if (roll(play, 3) == 0) {
		batch.count = 3;
		batch.moves = true;
		batch.to = (enum session_state)roll(play, SESSION_STATE_COUNT);
	}
	(void)!log_append(&play->store, &batch, &result, &err);
}

static void play_trim(struct play *play)
{
	struct log_trim trim = { .sid = any_session(play),
		                 .tenant = "acme",
		                 .from = roll(play, 20),
		                 .bytes = roll(play, 500),
		                 .trim = { 1 + roll(play, 3), roll(play, 30) },
		                 .retire_ms = roll(play, 10) == 0 ? 600000 : 0 };
	struct log_result result;
	struct err err;

	trim.to = trim.from + roll(play, 10);
	(void)!log_trim(&play->store, &trim, &result, &err);
}

static void play_restore(struct play *play)
{
	struct log_event events[4];
	struct log_restore restore = { any_session(play), "acme", roll(play, 5),
		                       SESSION_QUEUED,    events, 1 + roll(play, 4) };
	uint64_t n = restore.base + 1 + roll(play, 3);
	struct log_result result;
	struct err err;

	for (size_t i = 0; i < restore.count; i++) {
		events[i] = (struct log_event){
			.at = { 1 + roll(play, 3), n + i },
			.ts_ms = (int64_t)play->now_ms,
			.type = STR_LIT("note"),
			.level = STR_LIT(""),
			.data = STR_LIT("{}"),
			.producer = roll(play, 2) == 0 ? STR_LIT("p") : STR_LIT(""),
			.seq = 1 + roll(play, 4),
			.state = roll(play, 4) == 0 ? STR_LIT("running") : STR_LIT("")
		};
	}
	(void)!log_restore(&play->store, &restore, &result, &err);
}

static void play_log(struct play *play)
{
	play->store.generation = 1 + roll(play, 20) / 18 + roll(play, 60) / 59;
	switch (roll(play, 10)) {
	case 0:
	case 1: play_open(play); break;
	case 2: play_trim(play); break;
	case 3: play_restore(play); break;
	default: play_append(play); break;
	}
}

static void play_submit(struct play *play)
{
	struct queue_submit item = { .sid = any_session(play),
		                     .tenant = PICK(play, "acme", "other"),
		                     .user = PICK(play, "u1", "u2"),
		                     .project = PICK(play, "p1", NULL),
		                     .agent = PICK(play, "command", NULL),
		                     .key = PICK(play, "k1", NULL),
		                     .first = roll(play, 9) == 0,
		                     .priority = (unsigned)roll(play, 10),
		                     .needs = PICK(play, "", "a", "a,b"),
		                     .not_before_ms = roll(play, 3) == 0
		                                              ? play->now_ms + roll(play, 900)
		                                              : 0,
		                     .hold = roll(play, 8) == 0 ? "budget" : NULL,
		                     .epoch = roll(play, 4),
		                     .copy = roll(play, 2) == 0 ? STR_LIT("a row") : STR_LIT("") };
	enum queue_set set;
	struct err err;

	(void)!queue_submit(&play->queue, &item, &set, &err);
}

/* What may be leased as it comes. */
static void play_come(struct play *play)
{
	struct queue_submit item = { .sid = any_session(play),
		                     .tenant = PICK(play, "acme", "other"),
		                     .user = PICK(play, "u1", "u2"),
		                     .project = PICK(play, "p1", NULL),
		                     .agent = "command",
		                     .priority = (unsigned)roll(play, 10),
		                     .needs = PICK(play, "", "", "a"),
		                     .epoch = roll(play, 4),
		                     .copy = STR_LIT("a row of its own") };
	enum queue_set set;
	struct err err;

	assert_int_equal(queue_submit(&play->queue, &item, &set, &err), ERR_OK);
}

/* It ends, wherever it is, and is forgotten. */
static void play_end(struct play *play)
{
	const struct queue_move move = { .sid = any_session(play) };
	struct queue_promoted promoted;
	enum queue_set set;
	struct err err;

	(void)!queue_finish(&play->queue, &move, &set, &err);
	assert_int_equal(queue_promote(&play->queue, 0, &promoted, &err), ERR_OK);
}

static void play_offer(struct play *play)
{
	struct queue_offer items[4];
	struct queue_offers offers = { .holder = PICK(play, "h1", "h1", "h2"),
		                       .for_ms = roll(play, 900),
		                       .items = items,
		                       .count = roll(play, ARRAY_LEN(items) + 1) };
	bool stands;
	struct err err;

	for (size_t i = 0; i < offers.count; i++) {
		items[i] = (struct queue_offer){ .incarnation = PICK(play, "i1", "i2", "i3"),
			                         .has = PICK(play, "", "a", "b,a"),
			                         .holds = PICK(play, "", "c", "d,c"),
			                         .capacity = (unsigned)roll(play, 4),
			                         .resident = (unsigned)roll(play, 5),
			                         .more = (unsigned)roll(play, 3) };
	}
	assert_int_equal(queue_offer(&play->queue, &offers, &stands, &err), ERR_OK);
}

static void play_claim(struct play *play)
{
	struct queue_claim claim = { PICK(play, "i1", "i2"), PICK(play, "", "a", "b,a"),
		                     1 + (unsigned)roll(play, 3), (unsigned)roll(play, 6),
		                     (unsigned)roll(play, 4) };
	struct queue_item items[4];
	size_t count;
	struct err err;

	(void)!queue_claim(&play->queue, &claim, items, &count, &err);
}

static void play_move(struct play *play)
{
	typedef enum err_code(move_fn)(const struct queue *queue, const struct queue_move *move,
	                               enum queue_set *ret, struct err *err);
	static move_fn *const moves[] = {
		queue_opened, queue_opened, queue_place, queue_prefer, queue_refuse,  queue_requeue,
		queue_park,   queue_unpark, queue_evict, queue_hold,   queue_release, queue_finish
	};
	size_t which = roll(play, ARRAY_LEN(moves) * 4);
	struct queue_move move = { .sid = any_session(play),
		                   .attempt = roll(play, 2) == 0 ? roll(play, 6) : 0,
		                   .epoch = roll(play, 9),
		                   .delay_ms = roll(play, 4) == 0 ? roll(play, 500) : 0,
		                   .reason = PICK(play, "why", "timer@1700000100000", NULL),
		                   .slots = (unsigned)roll(play, 3) };
	enum queue_set set;
	struct err err;

	which = which < ARRAY_LEN(moves) ? which : which % (ARRAY_LEN(moves) - 1);
	if (moves[which] == queue_place || moves[which] == queue_prefer) {
		move.worker = PICK(play, "i1", "i2");
	}
	if (moves[which] == queue_requeue && roll(play, 3) == 0) {
		move.lost = PICK(play, "i1", "i2");
	}
	(void)!moves[which](&play->queue, &move, &set, &err);
}

static void play_limits(struct play *play)
{
	const char *tenant = PICK(play, "acme", "other");
	const struct queue_limit limits[] = {
		{ QUEUE_LIMIT_TENANT, tenant, NULL, roll(play, 4), roll(play, 3) == 0 },
		{ QUEUE_LIMIT_USER, tenant, "u1", roll(play, 3), roll(play, 3) == 0 },
		{ QUEUE_LIMIT_PROJECT, NULL, NULL, roll(play, 3), roll(play, 3) == 0 },
		{ QUEUE_LIMIT_KEY, tenant, "k1", roll(play, 3), roll(play, 2) == 0 },
		{ QUEUE_WEIGHT, tenant, NULL, 1 + roll(play, 5), false },
	};
	struct err err;

	assert_int_equal(
		queue_limit_set(&play->queue, limits, 1 + roll(play, ARRAY_LEN(limits)), &err),
		ERR_OK);
}

/* What does not keep all from being leased as it comes. */
static void play_shares(struct play *play)
{
	const char *tenant = PICK(play, "acme", "other");
	const struct queue_limit limits[] = {
		{ QUEUE_WEIGHT, tenant, NULL, 1 + roll(play, 5), false },
		{ QUEUE_LIMIT_TENANT, tenant, NULL, 1 + roll(play, 3), roll(play, 2) == 0 },
		{ QUEUE_LIMIT_USER, tenant, "u1", roll(play, 3), roll(play, 2) == 0 },
		{ QUEUE_LIMIT_TENANT, NULL, NULL, 2 + roll(play, 2), roll(play, 2) == 0 },
		{ QUEUE_LIMIT_PROJECT, tenant, "p1", 1 + roll(play, 3), roll(play, 2) == 0 },
	};
	struct err err;

	assert_int_equal(
		queue_limit_set(&play->queue, limits, 1 + roll(play, ARRAY_LEN(limits)), &err),
		ERR_OK);
}

static void play_gates(struct play *play)
{
	/* Redis expires by its own clock: a window that a slow run does not outlast. */
	const struct queue_breaker_rule rule = { 2, 60000, 1 + roll(play, 200),
		                                 1 + (unsigned)roll(play, 2) };
	/* Of one: several gates are in no order. */
	const struct queue_agents of = { "acme", "command" };
	struct queue_gate gates[4];
	struct id sid = any_session(play);
	size_t count = 0;
	bool moved;
	struct err err;

	switch (roll(play, 5)) {
	case 0: assert_int_equal(queue_gate_reset(&play->queue, &of, &moved, &err), ERR_OK); break;
	case 1:
		assert_int_equal(
			queue_gates(&play->queue, QUEUE_GATE_BREAKER, gates, 4, &count, &err),
			ERR_OK);
		break;
	case 2:
		assert_int_equal(queue_gate_pass(&play->queue, &of, &sid, &rule, &moved, &err),
		                 ERR_OK);
		break;
	default:
		assert_int_equal(queue_gate_fail(&play->queue, &of, PICK(play, "x", "y", "z"),
		                                 &rule, &moved, &err),
		                 ERR_OK);
		break;
	}
}

static void play_look(struct play *play)
{
	struct queue_item items[4];
	struct queue_page page = { items, 4, 0 };
	struct queue_promoted promoted;
	struct queue_demand demands[QUEUE_BATCH_MAX];
	struct queue_soon soon[QUEUE_SOON_MAX];
	struct queue_why why;
	uint64_t held;
	struct id sid = any_session(play);
	size_t count;
	struct err err;

	switch (roll(play, 6)) {
	case 0:
		(void)!queue_list(&play->queue, (enum queue_set)(1 + roll(play, 7)),
		                  roll(play, 500), &page, &err);
		break;
	case 1: (void)!queue_of_worker(&play->queue, PICK(play, "i1", "i2"), &page, &err); break;
	case 2: (void)!queue_explain(&play->queue, &sid, &why, &err); break;
	case 4: (void)!queue_soon(&play->queue, 1000, soon, &count, &held, &err); break;
	case 3: (void)!queue_demanded(&play->queue, 0, demands, &count, &err); break;
	default:
		assert_int_equal(queue_promote(&play->queue, roll(play, 3000), &promoted, &err),
		                 ERR_OK);
		assert_int_equal(promoted.drift, 0);
		break;
	}
}

static void play_lease(struct play *play)
{
	struct lease_worker worker = { .worker = "w", .name = "n", .slots = 2, .has = "a" };
	struct lease_worker living[4];
	struct lease_lost lost[4];
	const char *incarnation = PICK(play, "i1", "i2", "i3");
	unsigned late;
	size_t count;
	struct err err;

	switch (roll(play, 9)) {
	case 0:
		(void)snprintf(worker.incarnation, sizeof(worker.incarnation), "%s", incarnation);
		(void)snprintf(worker.former, sizeof(worker.former), "%s",
		               PICK(play, "", "i1", "i2"));
		(void)!lease_register(play->world->redis, &worker, &err);
		break;
	case 1: (void)!lease_end(play->world->redis, incarnation, &err); break;
	case 2: (void)!lease_forget(play->world->redis, incarnation, &err); break;
	case 3: (void)!lease_list(play->world->redis, living, 4, &count, &err); break;
	case 4:
	case 5: (void)!lease_sweep(play->world->redis, lost, 4, &count, &err); break;
	case 6: (void)!lease_late(play->world->redis, STR_LIT("i1,i2,i3,"), &late, &err); break;
	default: (void)!lease_renew(play->world->redis, incarnation, &err); break;
	}
}

typedef void(play_fn)(struct play *play);

static void play_all(struct world *world, play_fn *const *plays, size_t count, unsigned calls)
{
	struct play play = {
		.world = world,
		.dice = { seed },
		.queue = queue_at(world->redis, 0),
		.store = { .redis = world->redis, .generation = 1, .unarchived_max = 20000 },
		.now_ms = 1700000000000
	};

	for (size_t i = 0; i < SESSIONS; i++) {
		unsigned char entropy[10] = { (unsigned char)i };

		play.sids[i] = id_make(play.now_ms, entropy);
	}
	set_clock(&play, 0);
	for (unsigned i = 0; i < calls; i++) {
		plays[roll(&play, count)](&play);
		if (roll(&play, 3) == 0) {
			set_clock(&play,
			          roll(&play, 20) == 0 ? roll(&play, 3000) : roll(&play, 100));
		}
		if (i % COMPARE_EVERY == 0) {
			compare_all(world);
		}
	}
	compare_all(world);
}

static void calls_body(struct world *world)
{
	static play_fn *const plays[] = { play_log,    play_log,   play_log,   play_submit,
		                          play_offer,  play_claim, play_move,  play_move,
		                          play_limits, play_look,  play_lease, play_gates };

	play_all(world, plays, ARRAY_LEN(plays), CALLS);
}

static unsigned count_taken(void *arg, struct str channel, struct str payload)
{
	unsigned *count = arg;

	(void)channel;
	*count += str_starts(payload, STR_LIT("taken "));
	return str_starts(payload, STR_LIT("taken "));
}

static void offers_body(struct world *world)
{
	static play_fn *const plays[] = { play_come,  play_come,   play_come,  play_submit,
		                          play_offer, play_offer,  play_claim, play_move,
		                          play_move,  play_end,    play_end,   play_end,
		                          play_end,   play_shares, play_look };
	static const char *const holders[] = { "h1", "h2" };
	unsigned taken = 0;
	struct redis_sub *sub = holders_listen(world, holders, ARRAY_LEN(holders));

	model_on_publish(model, count_taken, &taken);
	play_all(world, plays, ARRAY_LEN(plays), OFFERED_CALLS);
	redis_sub_free(sub);
	(void)printf("%u leased as they came\n", taken);
	assert_true(taken > OFFERED_CALLS / 300);
}

static void run_both(void (*body)(struct world *world))
{
	/* Far in the past, so that nothing expires here that would not there. */
	model = model_new(1);
	world_run(body);
	model_free(model);
}

static void random_commands_get_the_same_answers_and_leave_the_same_data(void **state)
{
	(void)state;
	run_both(commands_body);
}

static void random_calls_of_the_log_and_the_queue_do_the_same_to_both(void **state)
{
	(void)state;
	run_both(calls_body);
}

static void what_comes_while_workers_are_offered_is_the_same_to_both(void **state)
{
	(void)state;
	run_both(offers_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_commands_get_the_same_answers_and_leave_the_same_data),
		cmocka_unit_test(random_calls_of_the_log_and_the_queue_do_the_same_to_both),
		cmocka_unit_test(what_comes_while_workers_are_offered_is_the_same_to_both),
	};
	seed = dice_seed();
	(void)printf("SIM_SEED=%" PRIu64 "\n", seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
