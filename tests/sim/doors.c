/* The doors of a process, replaced at link time (-Wl,--wrap): Redis, time, sleep, the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "event_lua_gen.h"
#include "log/log.h"
#include "queue/mail.h"
#include "queue_lua_gen.h"
#include "redis/cmd.h"
#include "redis/redis.h"
#include "redis/reply.h"
#include "tests/sim/model_data.h"
#include "tests/sim/world.h"

void __wrap_redis_send(struct redis *redis, struct redis_op *op, struct redis_cmd *cmd);
enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err);
uint64_t __wrap_redis_connection(const struct redis *redis);
unsigned __wrap_redis_shards(const struct redis *redis);
uint64_t __wrap_redis_server(const struct redis *redis);
enum err_code __wrap_fiber_sleep(uint64_t ms);
enum err_code __wrap_fiber_signal_wait(struct fiber_signal *signal, uint64_t timeout_ms);
enum err_code __real_fiber_signal_wait(struct fiber_signal *signal, uint64_t timeout_ms);
struct id __wrap_id_new(void);
void __wrap_log_write(enum log_level level, const char *event, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* ---- a command on its way ---- */

enum fate { FATE_FINE, FATE_LOST, FATE_UNANSWERED };

struct call {
	struct happening happening; /* arrives, then is answered */
	struct player *player;
	struct redis_op *op; /* NULL: nobody waits for it any more */
	uint64_t connection;
	enum fate fate;
	struct redis_reply *reply;
	struct err err;
	size_t count;
	struct str words[]; /* their bytes follow */
};

static uint64_t latency(const struct player *player)
{
	(void)player;
	return chance(60) ? 5000 + roll(700000) : 100 + roll(900);
}

/* What takes so long is something that happens to it. */
static uint64_t slow(struct player *player, uint64_t at)
{
	if (at > world->now_us + 100000) {
		player_ails(player, at + 1000000);
	}
	return at;
}

static void abandon_call(struct fiber_op *fiber_op)
{
	struct redis_op *op = CONTAINER_OF(fiber_op, struct redis_op, op);
	struct call *call = op->request;

	op->request = NULL;
	if (call != NULL) {
		call->op = NULL;
	}
}

static void on_answer(struct happening *happening)
{
	struct call *call = CONTAINER_OF(happening, struct call, happening);

	if (call->op != NULL && call->player->frozen_until > world->now_us && !world->over) {
		plan(happening, call->player->frozen_until);
		return;
	}
	if (call->op != NULL) {
		call->op->request = NULL;
		call->op->reply = call->reply;
		fiber_op_done(&call->op->op, call->err.code == ERR_OK ? NULL : &call->err);
		world->woken = true;
	} else {
		redis_reply_free(call->reply);
	}
	free(call);
}

static void answer(struct call *call)
{
	struct player *player = call->player;
	uint64_t at = slow(player, world->now_us + latency(player));

	at = at > player->answered_us ? at : player->answered_us;
	player->answered_us = at;
	call->happening.run = on_answer;
	plan(&call->happening, at);
}

static const struct text *script_of(struct str sha1)
{
	for (size_t i = 0; i < QUEUE_LUA_COUNT; i++) {
		if (str_eq(sha1, str_of(queue_lua_texts[i].sha1))) {
			return &queue_lua_texts[i];
		}
	}
	for (size_t i = 0; i < EVENT_LUA_COUNT; i++) {
		if (str_eq(sha1, str_of(event_lua_texts[i].sha1))) {
			return &event_lua_texts[i];
		}
	}
	return NULL;
}

/* The text that runs: the shipped one, or with its bug. */
static struct str text_of(const struct text *script)
{
	static struct {
		const struct text *of;
		char *text;
		size_t len;
		enum bug bug;
	} planted[QUEUE_LUA_COUNT + EVENT_LUA_COUNT];

	for (size_t i = 0; i < ARRAY_LEN(planted); i++) {
		if (planted[i].of == NULL) {
			planted[i].of = script;
			planted[i].bug = BUG_NONE;
		} else if (planted[i].of != script) {
			continue;
		}
		if (planted[i].bug != world->bug) {
			free(planted[i].text);
			planted[i].bug = world->bug;
			planted[i].text =
				bug_plant(world->bug, script->name,
			                  str_make(script->text, script->len), &planted[i].len);
		}
		return planted[i].text != NULL ? str_make(planted[i].text, planted[i].len)
		                               : str_make(script->text, script->len);
	}
	return str_make(script->text, script->len);
}

enum { WORD_SHA1 = 1, WORD_KEYS = 2, WORD_FIRST = 3 };

static struct model_reply *run(struct call *call, const struct text *script)
{
	uint64_t keys = 0;

	if (script == NULL) {
		return model_call(world->model, call->words, call->count);
	}
	if (!parse_u64(call->words[WORD_KEYS], call->count - WORD_FIRST, &keys)) {
		return model_reply_text(MODEL_ERROR, STR_LIT("ERR number of keys"));
	}
	return model_eval(world->model, text_of(script), call->words + WORD_FIRST, keys,
	                  call->words + WORD_FIRST + keys, call->count - WORD_FIRST - keys);
}

static void tell(const struct call *call, const struct text *script,
                 const struct model_reply *reply)
{
	struct buf line;

	if (!world->trace) {
		return;
	}
	buf_init(&line, 4096);
	for (size_t i = script != NULL ? (size_t)WORD_FIRST : 0; i < call->count; i++) {
		buf_addf(&line, "%.*s ", (int)call->words[i].n, call->words[i].p);
	}
	buf_add_cstr(&line, "-> ");
	model_reply_format(reply, &line);
	world_tell("%u %s %s%s", call->player->number, script != NULL ? script->name : "",
	           buf_failed(&line) ? "..." : buf_cstr(&line),
	           call->fate == FATE_UNANSWERED ? " (not answered)" : "");
	buf_fini(&line);
}

/* An epoch that was just handed out is known to nobody when its opener dies before it can tell
 * PostgreSQL, and Redis loses it. */
static void lose_what_was_opened(struct player *player, const struct text *script,
                                 const struct model_reply *reply)
{
	if (world->shape.loses_redis && !player->dead && script != NULL &&
	    strcmp(script->name, "log_open") == 0 && reply->count > 1 && chance(16)) {
		world_lose_opener(player);
	}
}

static void execute(struct call *call)
{
	const struct text *script = NULL;
	struct model_reply *reply;
	struct ran ran;

	if (str_eq(call->words[0], STR_LIT("EVALSHA"))) {
		script = script_of(call->words[WORD_SHA1]);
	}
	model_set_now(world->model, clock_wall_us() / 1000);
	reply = run(call, script);
	if (bridge_reply(reply, &call->reply, &call->err) != ERR_OK) {
		world_fail("%s: %s", script != NULL ? script->name : call->words[0].p,
		           call->err.msg);
	} else {
		call->err.code = ERR_OK;
	}
	ran = (struct ran){ call->player, script != NULL ? script->name : NULL, call->words,
		            call->count, reply };
	if (!world->over) {
		tell(call, script, reply);
		check_after(&ran);
		lose_what_was_opened(call->player, script, reply);
	}
	model_reply_free(reply);
}

static void on_arrival(struct happening *happening)
{
	struct call *call = CONTAINER_OF(happening, struct call, happening);

	const struct player *player = call->player;

	if (player->holds_back && player->frozen_until > world->now_us && !world->over) {
		plan(happening, player->frozen_until);
		return;
	}
	if (world->stalled_until > world->now_us && !world->over) {
		plan(happening, world->stalled_until);
		return;
	}
	if (call->connection != call->player->connection) {
		(void)err_set(&call->err, ERR_UNKNOWN, "the connection was lost");
	} else if (call->fate == FATE_LOST) {
		(void)err_set(&call->err, ERR_UNAVAILABLE, "it was never sent");
		world_tell("%u a command is lost", call->player->number);
	} else {
		execute(call);
		if (call->fate == FATE_UNANSWERED) {
			redis_reply_free(call->reply);
			call->reply = NULL;
			(void)err_set(&call->err, ERR_UNKNOWN, "its answer was lost");
		}
	}
	answer(call);
}

static enum fate draw_fate(struct player *player)
{
	if (player->cut_until > world->now_us && world->now_us < world->faults_end_us) {
		return FATE_LOST;
	}
	if (chance(80)) {
		player_ails(player, world->now_us + 1000000);
		return roll(2) == 0 ? FATE_LOST : FATE_UNANSWERED;
	}
	return FATE_FINE;
}

static struct call *call_new(const struct redis_cmd *cmd)
{
	size_t bytes = 0;
	struct call *call;
	char *at;

	for (size_t i = 0; i < cmd->count; i++) {
		bytes += cmd->words[i].n;
	}
	call = mem_calloc(1, sizeof(*call) + cmd->count * sizeof(struct str) + bytes);
	call->count = cmd->count;
	at = (char *)&call->words[cmd->count];
	for (size_t i = 0; i < cmd->count; i++) {
		const struct redis_word *word = &cmd->words[i];
		const char *from = word->p != NULL ? word->p : cmd->text.data + word->at;

		if (word->n > 0) {
			memcpy(at, from, word->n);
		}
		call->words[i] = str_make(at, word->n);
		at += word->n;
	}
	return call;
}

void __wrap_redis_send(struct redis *redis, struct redis_op *op, struct redis_cmd *cmd)
{
	struct player *player = player_of(redis);
	struct call *call;
	uint64_t at;
	struct err err;

	op->reply = NULL;
	op->request = NULL;
	fiber_op_begin(&op->op, abandon_call);
	if (player->dead) {
		(void)err_set(&err, ERR_CANCELLED, "dead");
		fiber_op_done(&op->op, &err);
		return;
	}
	if (redis_cmd_check(cmd, &err) != ERR_OK) {
		fiber_op_done(&op->op, &err);
		return;
	}
	call = call_new(cmd);
	call->player = player;
	call->op = op;
	call->connection = player->connection;
	call->fate = draw_fate(player);
	call->happening.run = on_arrival;
	op->request = call;
	at = slow(player, world->now_us + latency(player));
	at = at > player->sent_us ? at : player->sent_us;
	player->sent_us = at;
	plan(&call->happening, at);
}

enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err)
{
	struct redis_op op = { .reply = NULL };
	enum err_code code;

	__wrap_redis_send(redis, &op, cmd);
	code = fiber_wait(&op.op, FIBER_NO_TIMEOUT, err);
	if (code == ERR_OK) {
		*ret = op.reply;
	}
	return code;
}

uint64_t __wrap_redis_connection(const struct redis *redis)
{
	return player_of(redis)->connection;
}

/* Commands on their way see for themselves that Redis is another one. */
uint64_t __wrap_redis_server(const struct redis *redis)
{
	(void)redis;
	return 1;
}

unsigned __wrap_redis_shards(const struct redis *redis)
{
	(void)redis;
	return 1;
}

void doors_break(void)
{
	world->stalled_until = 0; /* commands in flight see that their connection is another one */
}

/* ---- doorbells: pub/sub, which may lose them ---- */

/* Of a process that is frozen the kernel keeps it; what was said to one that is cut off is lost. */
static unsigned say_aloud(struct str channel, struct str payload)
{
	char own[QUEUE_KEY_SIZE], worker[16];
	unsigned heard = 0;

	for (size_t i = 0; i < world->player_count; i++) {
		struct player *player = &world->players[i];
		bool lost = player->cut_until > world->now_us || chance(10);

		(void)snprintf(worker, sizeof(worker), "w%u", player->number);
		mail_aloud_channel(worker, own);
		if (player->kind != PLAYER_WORKER || player->dead ||
		    !str_eq(channel, str_of(own))) {
			continue;
		}
		heard++;
		if (!lost) {
			worker_hear(player, payload);
		}
	}
	return heard;
}

/* Who is frozen hears it when it may no longer be true. Of one that has died with its host Redis
 * has not heard for a while. Returns how many it believes to listen. */
static unsigned say_taken(struct str payload)
{
	unsigned listen = 0;

	for (size_t i = 0; i < world->player_count; i++) {
		struct player *player = &world->players[i];
		bool lost = player->cut_until > world->now_us || chance(10);

		if (player->kind != PLAYER_SCHEDULER || !scheduler_holds(player, payload) ||
		    (player->dead && roll(3) > 0)) {
			continue;
		}
		listen++;
		if (!player->dead && !lost) {
			scheduler_hear(player, payload);
		}
	}
	return listen;
}

unsigned doors_publish(void *arg, struct str channel, struct str payload)
{
	(void)arg;
	if (world->over) {
		return 0;
	}
	if (str_starts(channel, STR_LIT("{w:")) && payload.n > 0 &&
	    memmem(channel.p, channel.n, ":aloud", 6) != NULL) {
		return say_aloud(channel, payload);
	}
	if (str_starts(payload, STR_LIT("taken "))) {
		unsigned listen = say_taken(payload);

		if (listen > 0) {
			check_rung(payload);
		}
		return listen;
	}
	for (size_t i = 0; i < world->player_count; i++) {
		struct player *player = &world->players[i];

		if (player->dead || player->frozen_until > world->now_us ||
		    player->cut_until > world->now_us || chance(10)) {
			continue;
		}
		if (player->kind == PLAYER_WORKER && str_starts(channel, STR_LIT("{w:"))) {
			worker_ring(player);
		} else if (player->kind == PLAYER_SCHEDULER &&
		           str_starts(channel, STR_LIT("{q0/1}:bell"))) {
			duty_ring(&player->grant);
			world->woken = true;
		} else if (player->kind == PLAYER_SCHEDULER &&
		           str_starts(channel, STR_LIT("{w}:bell"))) {
			duty_ring(&player->app.duties[DUTY_SWEEP]);
			world->woken = true;
		}
	}
	return 0; /* nobody asks */
}

/* ---- sleep ---- */

struct nap {
	struct happening happening;
	struct player *player;
	struct fiber_op op;
	struct fiber_signal *signal; /* it ends with it; NULL: op */
	bool over;
};

static void on_nap(struct happening *happening)
{
	struct nap *nap = CONTAINER_OF(happening, struct nap, happening);

	if (nap->player != NULL && nap->player->frozen_until > world->now_us && !world->over) {
		plan(happening, nap->player->frozen_until);
		return;
	}
	nap->over = true;
	world->woken = true;
	if (nap->signal != NULL) {
		fiber_signal_raise(nap->signal);
	} else {
		fiber_op_done(&nap->op, NULL);
	}
}

static void abandon_nap(struct fiber_op *op)
{
	unplan(&CONTAINER_OF(op, struct nap, op)->happening);
}

static enum err_code nap_us(uint64_t us)
{
	struct nap nap = { .happening = { .run = on_nap }, .player = player_current() };

	fiber_op_begin(&nap.op, abandon_nap);
	plan(&nap.happening, world->now_us + us);
	return fiber_wait(&nap.op, FIBER_NO_TIMEOUT, NULL);
}

enum err_code __wrap_fiber_sleep(uint64_t ms)
{
	return nap_us(ms * 1000);
}

enum err_code __wrap_fiber_signal_wait(struct fiber_signal *signal, uint64_t timeout_ms)
{
	struct nap nap = { .happening = { .run = on_nap },
		           .player = player_current(),
		           .signal = signal };
	enum err_code code;

	if (timeout_ms == FIBER_NO_TIMEOUT) {
		return __real_fiber_signal_wait(signal, FIBER_NO_TIMEOUT);
	}
	plan(&nap.happening, world->now_us + timeout_ms * 1000 + roll(1000));
	code = __real_fiber_signal_wait(signal, FIBER_NO_TIMEOUT);
	unplan(&nap.happening);
	return code == ERR_OK && nap.over ? ERR_TIMEOUT : code;
}

/* ---- PostgreSQL's: it takes a moment, and may fail before or after it is done ---- */

enum err_code pg_door(const void *pg, struct err *err)
{
	struct player *player = player_of(pg);
	enum err_code code = nap_us(200 + roll(800));

	if (code == ERR_OK && player->dead) {
		code = ERR_CANCELLED;
	}
	if (code == ERR_OK && chance(100)) {
		player_ails(player, world->now_us);
		return err_set(err, ERR_UNAVAILABLE, "PostgreSQL");
	}
	return code == ERR_OK ? ERR_OK : err_set(err, code, "PostgreSQL");
}

/* ---- the rest ---- */

/* The same on each run of a seed. */
struct id __wrap_id_new(void)
{
	uint64_t n = ++world->ids;
	unsigned char entropy[10] = { 1, (unsigned char)(n >> 8), (unsigned char)n };

	return id_make((uint64_t)(clock_wall_us() / 1000), entropy);
}

void __wrap_log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	world_tell("  %s", event);
}
