/*
 * Schedulers, workers and clients on the model, one step at a time in a random order, under a
 * virtual clock.  Any of them may die between two steps; schedulers forget what they were doing,
 * workers go on as zombies; calls are repeated.  After every step the data must be sound, and at
 * the end every session must have ended.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/log.h"
#include "loop/loop.h"
#include "queue/lease.h"
#include "queue/mail.h"
#include "queue/queue.h"
#include "redis/redis.h"
#include "tests/sim/bridge.h"
#include "tests/sim/model_data.h"
#include "tests/support/test.h"

enum {
	RUNS = 40,
	STEPS = 500,
	QUIET_STEPS = 4000,
	SESSIONS = 6,
	WORKERS = 4,
	SCHEDULERS = 2,
	HALF_DONE_MS = 1000,
	SLOTS = 2,
};

/* ---- the driver, replaced ---- */

enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err);
enum err_code __wrap_redis_script(struct redis *redis, const struct text *script,
                                  struct redis_cmd *cmd, struct redis_reply **ret, struct err *err);
void __wrap_redis_send(struct redis *redis, struct redis_op *op, struct redis_cmd *cmd);

static struct model *model;

static enum err_code run(const struct redis_cmd *cmd, const struct text *script,
                         struct redis_reply **ret, struct err *err)
{
	struct model_reply *reply = bridge_run(model, cmd, script);
	enum err_code code = bridge_reply(reply, ret, err);

	model_reply_free(reply);
	return code;
}

enum err_code __wrap_redis_call(struct redis *redis, struct redis_cmd *cmd,
                                struct redis_reply **ret, struct err *err)
{
	(void)redis;
	return run(cmd, NULL, ret, err);
}

enum err_code __wrap_redis_script(struct redis *redis, const struct text *script,
                                  struct redis_cmd *cmd, struct redis_reply **ret, struct err *err)
{
	(void)redis;
	return run(cmd, script, ret, err);
}

void __wrap_redis_send(struct redis *redis, struct redis_op *op, struct redis_cmd *cmd)
{
	(void)redis;
	*op = (struct redis_op){ .op = { .done = true } };
	(void)run(cmd, NULL, &op->reply, &op->op.err);
}

/* ---- the players ---- */

struct job {
	bool active;
	struct id sid;
	uint64_t epoch, attempt, seq;
	bool ended; /* its terminal event is appended, the queue does not know yet */
};

struct worker {
	char incarnation[24];
	bool alive; /* else a zombie: appends, but neither renews nor reads */
	char read[MAIL_ID_SIZE];
	struct job jobs[SLOTS + 2];
};

struct duty {
	bool active;
	struct queue_item item;
	enum { DUTY_OPEN, DUTY_OPENED, DUTY_TELL } step;
};

struct scheduler {
	struct duty duty;
};

struct play {
	struct dice dice;
	uint64_t seed;
	struct queue queue;
	struct log_store store;
	struct id sids[SESSIONS];
	struct worker workers[WORKERS];
	struct worker zombies[WORKERS];
	struct scheduler schedulers[SCHEDULERS];
	unsigned incarnations;
	bool faults;
};

#define TENANT "acme"

static uint64_t roll(struct play *play, uint64_t sides)
{
	return dice_roll(&play->dice, sides);
}

static void must(struct play *play, bool truth, const char *what)
{
	if (!truth) {
		fail_msg("SIM_SEED=%" PRIu64 ": %s", play->seed, what);
	}
}

static void fine(struct play *play, enum err_code code, const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("SIM_SEED=%" PRIu64 ": %s", play->seed, err->msg);
	}
}

static struct log_head head_of(struct play *play, const struct id *sid)
{
	struct log_head head;
	struct err err;

	fine(play, log_head_get(&play->store, sid, TENANT, &head, &err), &err);
	return head;
}

/* ---- clients ---- */

static void submit(struct play *play, const struct id *sid)
{
	struct log_open opening = { .sid = *sid,
		                    .tenant = TENANT,
		                    .how = LOG_CREATE,
		                    .cause = "create",
		                    .token = "create",
		                    .to = SESSION_QUEUED };
	struct queue_submit item = { .sid = *sid, .tenant = TENANT, .needs = "" };
	struct log_result result;
	enum queue_set set;
	struct err err;

	fine(play, log_open(&play->store, &opening, &result, &err), &err);
	must(play,
	     result.outcome == LOG_OK || result.outcome == LOG_MOVED || result.outcome == LOG_ENDED,
	     "a log is created or there");
	if (roll(play, 3) > 0) {
		item.epoch = head_of(play, sid).at.epoch;
		fine(play, queue_submit(&play->queue, &item, &set, &err), &err);
	}
}

static void cancel(struct play *play, const struct id *sid)
{
	struct log_open opening = { .sid = *sid,
		                    .tenant = TENANT,
		                    .how = LOG_RAISE,
		                    .cause = "cancel",
		                    .token = "cancel",
		                    .moves = true,
		                    .to = SESSION_CANCELLED };
	struct log_result result;
	struct err err;

	fine(play, log_open(&play->store, &opening, &result, &err), &err);
}

/* ---- schedulers ---- */

static void move(struct play *play,
                 enum err_code (*fn)(const struct queue *, const struct queue_move *,
                                     enum queue_set *, struct err *),
                 const struct queue_move *move)
{
	enum queue_set set;
	struct err err;
	enum err_code code = fn(&play->queue, move, &set, &err);

	if (code != ERR_CONFLICT && code != ERR_NOT_FOUND) {
		fine(play, code, &err);
	}
}

/* A lease is over without its end: see queue.h. */
static void requeue(struct play *play, const struct queue_item *item, const char *lost)
{
	struct log_head head = head_of(play, &item->sid);
	struct log_open opening = { .sid = item->sid,
		                    .tenant = TENANT,
		                    .how = LOG_RAISE,
		                    .cause = "requeue",
		                    .epoch = head.at.epoch,
		                    .moves = head.state != SESSION_QUEUED,
		                    .to = SESSION_QUEUED };
	struct queue_move back = { .sid = item->sid, .attempt = item->attempt, .lost = lost };
	struct queue_item now;
	char token[48];
	struct log_result result;
	struct err err;

	if (session_is_terminal(head.state)) {
		move(play, queue_finish, &back);
		return;
	}
	if (queue_get(&play->queue, &item->sid, &now, &err) != ERR_OK ||
	    now.attempt != item->attempt || (now.set != QUEUE_LEASING && now.set != QUEUE_LEASED)) {
		return;
	}
	(void)snprintf(token, sizeof(token), "requeue-%" PRIu64, item->attempt);
	opening.token = token;
	fine(play, log_open(&play->store, &opening, &result, &err), &err);
	if (result.outcome != LOG_OK) {
		return;
	}
	if (play->faults && roll(play, 8) == 0) {
		return; /* this scheduler died here */
	}
	back.epoch = result.epoch;
	move(play, queue_requeue, &back);
}

static bool is_alive(struct play *play, const char *incarnation)
{
	struct lease_worker living[WORKERS * 2];
	size_t count;
	struct err err;

	fine(play, lease_list(NULL, living, ARRAY_LEN(living), &count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(living[i].incarnation, incarnation) == 0) {
			return true;
		}
	}
	return false;
}

static void duty_claim(struct play *play, struct scheduler *scheduler)
{
	struct lease_worker living[WORKERS * 2];
	struct queue_claim claim = { .has = "", .capacity = SLOTS, .max = 1 };
	size_t workers, count;
	struct err err;

	fine(play, lease_list(NULL, living, ARRAY_LEN(living), &workers, &err), &err);
	if (workers == 0) {
		return;
	}
	claim.incarnation = living[roll(play, workers)].incarnation;
	fine(play, queue_claim(&play->queue, &claim, &scheduler->duty.item, &count, &err), &err);
	if (count == 1) {
		scheduler->duty.active = true;
		scheduler->duty.step = DUTY_OPEN;
	}
}

static void duty_open(struct play *play, struct duty *duty)
{
	struct log_open opening = { .sid = duty->item.sid,
		                    .tenant = TENANT,
		                    .how = LOG_RAISE,
		                    .cause = "lease",
		                    .epoch = duty->item.epoch,
		                    .from = session_bit(SESSION_QUEUED),
		                    .moves = true,
		                    .to = SESSION_PROVISIONING };
	struct queue_move done = { .sid = duty->item.sid, .attempt = duty->item.attempt };
	struct log_result result;
	char token[QUEUE_TOKEN_SIZE];
	struct err err;

	queue_token(&duty->item, token);
	opening.token = token;
	fine(play, log_open(&play->store, &opening, &result, &err), &err);
	if (result.outcome == LOG_ENDED) {
		move(play, queue_finish, &done);
	} else if (result.outcome != LOG_OK) {
		requeue(play, &duty->item, NULL);
	}
	duty->active = result.outcome == LOG_OK;
	duty->item.epoch = result.epoch;
	duty->step = DUTY_OPENED;
}

static void duty_opened(struct play *play, struct duty *duty)
{
	struct queue_move done = { .sid = duty->item.sid,
		                   .attempt = duty->item.attempt,
		                   .epoch = duty->item.epoch };
	enum queue_set set;
	struct err err;

	duty->active = queue_opened(&play->queue, &done, &set, &err) == ERR_OK;
	duty->step = DUTY_TELL;
}

static void duty_tell(struct play *play, struct duty *duty)
{
	struct mail note = { .kind = STR_LIT("run"),
		             .sid = duty->item.sid,
		             .epoch = duty->item.epoch,
		             .attempt = duty->item.attempt };
	struct err err;

	fine(play, mail_send(NULL, duty->item.incarnation, &note, &err), &err);
	duty->active = roll(play, 8) == 0; /* now and then twice */
}

/* What another scheduler left half done, and what a worker was never told. */
static void complete_others(struct play *play, enum queue_set set)
{
	struct queue_item items[8];
	struct queue_page page = { items, 8, 0 };
	struct err err;

	fine(play, queue_list(&play->queue, set, HALF_DONE_MS, &page, &err), &err);
	for (size_t i = 0; i < page.count; i++) {
		struct duty duty = { true, items[i], set == QUEUE_LEASING ? DUTY_OPEN : DUTY_TELL };
		struct queue_move done = { .sid = items[i].sid };

		if (set == QUEUE_HELD || session_is_terminal(head_of(play, &items[i].sid).state)) {
			if (set == QUEUE_HELD) {
				cancel(play, &items[i].sid); /* poison */
			}
			move(play, queue_finish, &done);
		} else if (set == QUEUE_LEASING && is_alive(play, items[i].incarnation)) {
			duty_open(play, &duty);
			if (duty.active) {
				duty_opened(play, &duty);
			}
		} else if (set == QUEUE_LEASED &&
		           head_of(play, &items[i].sid).at.epoch != items[i].epoch) {
			requeue(play, &items[i], NULL);
		} else if (set == QUEUE_LEASED) {
			duty_tell(play, &duty);
		}
	}
}

static void take_over(struct play *play)
{
	struct lease_lost lost[WORKERS];
	struct queue_item items[8];
	struct queue_page page = { items, 8, 0 };
	size_t count;
	struct err err;

	fine(play, lease_sweep(NULL, lost, WORKERS, &count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		fine(play, queue_of_worker(&play->queue, lost[i].incarnation, &page, &err), &err);
		for (size_t k = 0; k < page.count; k++) {
			requeue(play, &items[k], lost[i].incarnation);
			if (play->faults && roll(play, 6) == 0) {
				return; /* this scheduler died here */
			}
		}
		if (page.count == 0) {
			fine(play, lease_forget(NULL, lost[i].incarnation, &err), &err);
		}
	}
}

/* Whatever PostgreSQL has as living must be in the queue. */
static void reconcile(struct play *play)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		struct queue_item item;
		struct err err;

		if (queue_get(&play->queue, &play->sids[i], &item, &err) == ERR_NOT_FOUND) {
			submit(play, &play->sids[i]);
		}
	}
}

static void schedule(struct play *play, struct scheduler *scheduler)
{
	struct duty *duty = &scheduler->duty;
	struct queue_promoted promoted;
	struct err err;

	if (play->faults && roll(play, 15) == 0) {
		duty->active = false; /* it died, another takes its place */
	}
	if (duty->active) {
		switch (duty->step) {
		case DUTY_OPEN: duty_open(play, duty); break;
		case DUTY_OPENED: duty_opened(play, duty); break;
		case DUTY_TELL: duty_tell(play, duty); break;
		}
		return;
	}
	switch (roll(play, 8)) {
	case 0: complete_others(play, QUEUE_LEASING); break;
	case 1: complete_others(play, QUEUE_LEASED); break;
	case 2: complete_others(play, QUEUE_HELD); break;
	case 3: take_over(play); break;
	case 4: fine(play, queue_promote(&play->queue, 3600000, &promoted, &err), &err); break;
	case 5: reconcile(play); break;
	default: duty_claim(play, scheduler); break;
	}
}

/* ---- workers ---- */

static void start_worker(struct play *play, struct worker *worker)
{
	struct lease_worker about = { .name = "w", .slots = SLOTS };
	struct err err;

	*worker = (struct worker){ .alive = true, .read = "0" };
	(void)snprintf(worker->incarnation, sizeof(worker->incarnation), "i%u",
	               ++play->incarnations);
	memcpy(about.incarnation, worker->incarnation, sizeof(worker->incarnation));
	memcpy(about.worker, worker->incarnation, sizeof(worker->incarnation));
	fine(play, lease_register(NULL, &about, &err), &err);
}

static void begin_job(struct worker *worker, const struct mail *mail)
{
	struct job *free_job = NULL;

	for (size_t i = 0; i < ARRAY_LEN(worker->jobs); i++) {
		struct job *job = &worker->jobs[i];

		if (job->active && id_eq(&job->sid, &mail->sid) && job->epoch >= mail->epoch) {
			return; /* told before */
		}
		if (!job->active && id_eq(&job->sid, &mail->sid) && job->epoch == mail->epoch) {
			return; /* and done */
		}
		if (!job->active) {
			free_job = job;
		}
	}
	if (free_job != NULL) {
		*free_job = (struct job){ .active = true,
			                  .sid = mail->sid,
			                  .epoch = mail->epoch,
			                  .attempt = mail->attempt };
	}
}

static void read_mail(struct play *play, struct worker *worker)
{
	struct mail_page page;
	struct err err;

	fine(play, mail_read(NULL, worker->incarnation, worker->read, &page, &err), &err);
	for (size_t i = 0; i < page.count; i++) {
		begin_job(worker, &page.mails[i]);
		memcpy(worker->read, page.mails[i].id, sizeof(worker->read));
	}
	mail_page_fini(&page);
}

/* Which batch comes next: running, some output, the end. */
static struct log_result append_next(struct play *play, const struct worker *worker,
                                     struct job *job)
{
	enum session_state state = head_of(play, &job->sid).state;
	bool starts = job->seq == 0, ends = !starts && roll(play, 4) == 0;
	struct log_new event = { starts || ends ? EVENT_TYPE_STATUS : EVENT_TYPE_NOTE,
		                 STR_LIT("{}") };
	struct log_batch batch = { .sid = job->sid,
		                   .tenant = TENANT,
		                   .epoch = job->epoch,
		                   .producer = worker->incarnation,
		                   .seq = job->seq + 1,
		                   .events = &event,
		                   .count = 1,
		                   .moves = starts || ends,
		                   .to = starts ? SESSION_RUNNING
		                                : (roll(play, 2) == 0 ? SESSION_COMPLETED
		                                                      : SESSION_FAILED) };
	struct log_result result, again;
	struct err err;

	fine(play, log_append(&play->store, &batch, &result, &err), &err);
	if (result.outcome == LOG_OK && roll(play, 3) == 0) { /* the answer was lost */
		fine(play, log_append(&play->store, &batch, &again, &err), &err);
		must(play, again.repeated && again.first.n == result.first.n,
		     "a retry gets the same");
	}
	if (result.outcome == LOG_OK) {
		must(play, result.epoch == job->epoch && !session_is_terminal(state),
		     "only the current epoch of a living session appends");
		job->ended = ends;
	}
	return result;
}

static void work(struct play *play, struct worker *worker)
{
	struct job *job = &worker->jobs[roll(play, ARRAY_LEN(worker->jobs))];
	struct queue_move done = { .sid = job->sid, .attempt = job->attempt };
	struct log_head head;

	if (!job->active) {
		return;
	}
	if (job->ended) {
		move(play, queue_finish, &done);
		job->active = false;
		return;
	}
	head = head_of(play, &job->sid);
	if (append_next(play, worker, job).outcome == LOG_OK) {
		job->seq++;
	} else {
		must(play, head.at.epoch > job->epoch || session_is_terminal(head.state),
		     "a worker is refused only when it is fenced or the session has ended");
		job->active = false;
	}
}

static void live(struct play *play, size_t i)
{
	struct worker *worker = &play->workers[i];
	struct err err;

	if (!worker->alive) {
		start_worker(play, worker);
		return;
	}
	if (play->faults && roll(play, 60) == 0) {
		play->zombies[i] = *worker;
		worker->alive = false;
		return;
	}
	if (lease_renew(NULL, worker->incarnation, &err) == ERR_FENCED) {
		play->zombies[i] = *worker;
		worker->alive = false;
		return;
	}
	read_mail(play, worker);
	work(play, worker);
}

/* ---- what must always hold ---- */

static size_t sets_with(const struct id *sid)
{
	size_t sets = 0;
	const char *key, *type;

	for (size_t i = 0; (key = model_key(model, i, &type)) != NULL; i++) {
		bool wrong = false;

		sets += str_starts(str_of(key), STR_LIT("{q0}:ready:")) &&
		        zset_find(value_find(model, str_of(key), VALUE_ZSET, &wrong),
		                  str_of(sid->s)) != NULL;
	}
	for (unsigned set = QUEUE_READY + 1; set < QUEUE_SET_COUNT; set++) {
		char name[64];
		bool wrong = false;

		(void)snprintf(name, sizeof(name), "{q0}:%s", queue_set_name((enum queue_set)set));
		sets += zset_find(value_find(model, str_of(name), VALUE_ZSET, &wrong),
		                  str_of(sid->s)) != NULL;
	}
	return sets;
}

static struct str field_of(const struct entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->count; i++) {
		if (str_eq(entry->fields[i].name, str_of(name))) {
			return entry->fields[i].value;
		}
	}
	return (struct str){ "", 0 };
}

static void check_log(struct play *play, size_t which)
{
	char key[64];
	bool wrong = false, ended = false;
	const struct value *log;
	uint64_t epoch = 0;

	(void)snprintf(key, sizeof(key), "{s:%s}:log", play->sids[which].s);
	log = value_find(model, str_of(key), VALUE_STREAM, &wrong);
	for (size_t i = 0; log != NULL && i < log->count; i++) {
		const struct entry *entry = &log->entries[i];
		struct str state = field_of(entry, "s");
		enum session_state moved;

		must(play, entry->n == i + 1, "n is dense");
		must(play, entry->epoch >= epoch, "epochs only grow");
		must(play, (entry->epoch > epoch) == str_eq(field_of(entry, "t"), STR_LIT("epoch")),
		     "an epoch begins with its own entry");
		must(play, !ended, "nothing follows the end");
		epoch = entry->epoch;
		ended = session_state_parse(state, &moved) && session_is_terminal(moved);
	}
}

static void check(struct play *play)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		struct queue_item item;
		struct err err;
		bool queued = queue_get(&play->queue, &play->sids[i], &item, &err) == ERR_OK;

		must(play, sets_with(&play->sids[i]) == (queued ? 1 : 0),
		     "a session is in exactly one set");
		if (queued && (item.set == QUEUE_LEASED || item.set == QUEUE_LEASING)) {
			must(play, item.incarnation[0] != '\0', "a lease has a holder");
		}
		check_log(play, i);
	}
}

/* ---- a run ---- */

static void step(struct play *play)
{
	switch (roll(play, 10)) {
	case 0: model_advance(model, (int64_t)roll(play, 300)); break;
	case 1:
		if (play->faults) {
			submit(play, &play->sids[roll(play, SESSIONS)]);
		}
		break;
	case 2:
		if (play->faults && roll(play, 20) == 0) {
			cancel(play, &play->sids[roll(play, SESSIONS)]);
		}
		break;
	case 3: {
		struct worker *zombie = &play->zombies[roll(play, WORKERS)];

		if (zombie->incarnation[0] != '\0') {
			work(play, zombie);
		}
		break;
	}
	case 4:
	case 5:
	case 6: live(play, roll(play, WORKERS)); break;
	default: schedule(play, &play->schedulers[roll(play, SCHEDULERS)]); break;
	}
}

static bool all_done(struct play *play)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		struct queue_item item;
		struct err err;

		if (queue_get(&play->queue, &play->sids[i], &item, &err) != ERR_OK ||
		    item.set != QUEUE_DONE ||
		    !session_is_terminal(head_of(play, &play->sids[i]).state)) {
			return false;
		}
	}
	return true;
}

/* For whoever looks at a failure: what has not ended. */
static void tell_the_rest(struct play *play)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		struct log_head head = head_of(play, &play->sids[i]);
		struct queue_item item = { .set = QUEUE_NONE };
		struct err err;

		if (queue_get(&play->queue, &play->sids[i], &item, &err) != ERR_OK ||
		    item.set != QUEUE_DONE) {
			(void)printf("%s: %s, epoch %" PRIu64 ", n %" PRIu64
			             "; %s of %s, attempt %" PRIu64 "\n",
			             play->sids[i].s, session_state_name(head.state), head.at.epoch,
			             head.at.n, queue_set_name(item.set), item.incarnation,
			             item.attempt);
		}
	}
}

static void one_run(uint64_t seed)
{
	struct play play = {
		.dice = { seed },
		.seed = seed,
		.queue = { NULL, 0 },
		.store = { .redis = NULL, .generation = 1, .unarchived_max = 16 * 1024 * 1024 },
		.faults = true
	};
	unsigned quiet = 0;

	model = model_new(1700000000000);
	for (size_t i = 0; i < SESSIONS; i++) {
		unsigned char entropy[10] = { (unsigned char)i, (unsigned char)seed };

		play.sids[i] = id_make(1700000000000, entropy);
		submit(&play, &play.sids[i]);
	}
	for (unsigned i = 0; i < STEPS; i++) {
		step(&play);
		check(&play);
	}
	play.faults = false;
	while (!all_done(&play) && quiet < QUIET_STEPS) {
		step(&play);
		quiet++;
	}
	check(&play);
	tell_the_rest(&play);
	must(&play, all_done(&play), "every session ends once the faults stop");
	model_free(model);
}

static void all_runs(void *arg)
{
	uint64_t seed = dice_seed();
	unsigned runs = getenv("SIM_SEED") != NULL ? 1 : RUNS;

	(void)arg;
	(void)printf("SIM_SEED=%" PRIu64 "\n", seed);
	for (unsigned i = 0; i < runs; i++) {
		one_run(seed + i);
	}
}

static void no_order_of_faults_loses_a_session_or_lets_a_zombie_write(void **state)
{
	struct loop *loop = loop_new();

	(void)state;
	(void)fiber_start(loop, NULL, "sim", all_runs, NULL);
	loop_run(loop);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_order_of_faults_loses_a_session_or_lets_a_zombie_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
