/*
 * A worker: the shipped lease keeper, a mailbox, and for each session a fiber that does what
 * worker/session_run.c and worker/reporter.c do: nothing leaves while the lease is not held, an
 * append is repeated until it is answered, a fenced one ends the session here, and after a loss of
 * Redis the journal is given back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "queue/mail.h"
#include "queue/queue_gate.h"
#include "steer/notify.h"
#include "tests/sim/world.h"

enum { RETRY_MS = 60, OUTPUT_MAX = 3, GIVE_BACK_MS = 300, LOOK_MS = 20 };

static struct queue queue_of(const struct job *job)
{
	return steer_queue(job->player->node.redis, record_of(&job->sid)->tenant);
}

static bool is_over(const struct job *job)
{
	return job->gone || fiber_cancelled();
}

static void wait_for_right(const struct job *job)
{
	struct lease_keeper *keeper = &job->player->keeper;

	while (!is_over(job) && !lease_keeper_holds(keeper)) {
		(void)fiber_sleep(RETRY_MS);
	}
}

/* ---- its journal ---- */

static void keep(struct job *job, const struct log_event *event)
{
	struct kept *kept = job->kept + job->kept_count;

	if (job->kept == NULL || (job->kept_count > 0 && event->at.n <= kept[-1].at.n)) {
		return;
	}
	if (job->kept_count == KEPT_MAX ||
	    (job->kept_count > 0 && event->at.n != kept[-1].at.n + 1) ||
	    !str_copy(kept->type, sizeof(kept->type), event->type) ||
	    !str_copy(kept->data, sizeof(kept->data), event->data) ||
	    !str_copy(kept->producer, sizeof(kept->producer), event->producer) ||
	    !str_copy(kept->state, sizeof(kept->state), event->state)) {
		job->whole = false;
		return;
	}
	kept->at = event->at;
	kept->seq = event->seq;
	kept->ts_ms = event->ts_ms;
	job->kept_count++;
}

/* An id, not its n alone: where the log was rebuilt without this journal others are there. */
static struct cursor after_kept(const struct job *job)
{
	struct cursor base = { CURSOR_EPOCH_ANY, job->base };
	struct cursor last = job->kept_count > 0 ? job->kept[job->kept_count - 1].at : base;

	if (world->bug == BUG_ADOPTS_BY_N) {
		last.epoch = CURSOR_EPOCH_ANY;
	}
	return last;
}

/* What the log has beyond it. *ret_ours: all that raised the epoch were rebuilds. */
static enum err_code read_on(struct job *job, bool *ret_ours, struct err *err)
{
	const struct record *record = record_of(&job->sid);
	const struct log_range range = { .sid = job->sid,
		                         .tenant = record->tenant,
		                         .after = after_kept(job),
		                         .max_count = LOG_READ_MAX,
		                         .max_bytes = 65536 };
	struct log_page page = { 0 };
	enum err_code code = log_read(&job->player->node.store, &range, &page, err);

	if (code != ERR_OK) {
		return code;
	}
	*ret_ours = !session_is_terminal(page.head.state) && page.head.state != SESSION_QUEUED &&
	            page.caught_up;
	for (size_t i = 0; i < page.count; i++) {
		const struct log_event *event = &page.events[i];

		if (event->at.epoch > job->epoch && str_eq(event->type, STR_LIT("epoch")) &&
		    memmem(event->data.p, event->data.n, "rebuild", 7) == NULL) {
			*ret_ours = false;
		}
		keep(job, event);
	}
	if (*ret_ours) {
		job->epoch = page.head.at.epoch;
	}
	log_page_fini(&page);
	return ERR_OK;
}

static void give_back(struct job *job)
{
	const struct log_store *store = &job->player->node.store;
	struct log_event events[KEPT_MAX];
	struct log_restore restore = { .sid = job->sid,
		                       .tenant = record_of(&job->sid)->tenant,
		                       .state = SESSION_RUNNING,
		                       .events = events,
		                       .count = job->kept_count };
	uint64_t generation = store->generation;
	struct log_result result;
	struct err err;

	if (job->taken == generation || !job->whole || job->kept_count == 0) {
		return;
	}
	for (size_t i = 0; i < job->kept_count; i++) {
		const struct kept *kept = &job->kept[i];

		events[i] = (struct log_event){ .at = kept->at,
			                        .type = str_of(kept->type),
			                        .level = STR_LIT(""),
			                        .data = str_of(kept->data),
			                        .ts_ms = kept->ts_ms,
			                        .producer = str_of(kept->producer),
			                        .seq = kept->seq,
			                        .state = str_of(kept->state) };
	}
	restore.base = job->kept[0].at.n - 1;
	if (log_restore(store, &restore, &result, &err) == ERR_OK) {
		job->taken = generation;
		world_tell("journal of %s: %s", job->sid.s, log_outcome_name(result.outcome));
	}
}

/* ---- appending ---- */

struct sending {
	enum event_type type;
	const char *data;
	unsigned from;
	bool moves;
	enum session_state to;
};

static void on_sent(struct job *job, const struct sending *what, const char *producer,
                    const struct log_result *result)
{
	const struct log_event event = { .at = result->first,
		                         .type = str_of(event_type_info(what->type)->name),
		                         .data = str_of(what->data),
		                         .ts_ms = clock_wall_us() / 1000,
		                         .producer = str_of(producer),
		                         .seq = job->seq,
		                         .state = str_of(what->moves ? session_state_name(what->to)
		                                                     : "") };

	keep(job, &event);
}

static void on_refused(struct job *job, const struct log_result *result)
{
	bool ours = false;
	struct err err;

	switch (result->outcome) {
	case LOG_FENCED:
		if (read_on(job, &ours, &err) == ERR_OK && !ours) {
			job->gone = true;
		}
		break;
	case LOG_SEQUENCE: /* as begin_anew() of reporter.c */
		job->anew++;
		job->seq = 1;
		break;
	case LOG_REBUILD: give_back(job); break;
	case LOG_DUPLICATE:
		if (world->generation == 1) {
			world_fail("%s: a batch that was not answered is a duplicate", job->sid.s);
		}
		break;
	case LOG_MISSING:
	case LOG_ENDED: job->gone = true; break;
	case LOG_STALE:
	case LOG_MOVED:
	case LOG_PRODUCERS:
	case LOG_LIMIT:
	case LOG_OK:
	case LOG_OUTCOME_COUNT: break;
	}
}

/* The lease was away: whose the session is now its log says. */
static void look_again(struct job *job)
{
	bool ours = true;
	struct err err;

	if (job->doubted && !is_over(job)) {
		job->doubted = false;
		if (read_on(job, &ours, &err) == ERR_OK && !ours) {
			job->gone = true;
		}
	}
}

/* True: it is in the log, or the state it was for is over. */
static bool append(struct job *job, const struct sending *what)
{
	const struct record *record = record_of(&job->sid);
	const struct log_new event = { what->type, str_of(what->data) };
	struct log_batch batch = { .sid = job->sid,
		                   .tenant = record->tenant,
		                   .from = what->from,
		                   .events = &event,
		                   .count = 1,
		                   .moves = what->moves,
		                   .to = what->to };
	char producer[96];

	batch.producer = producer;
	job->too_late = false;
	job->seq++;
	for (;;) {
		struct log_result result = { .outcome = LOG_STALE };
		struct err err;

		wait_for_right(job);
		look_again(job);
		if (is_over(job)) {
			return false;
		}
		batch.epoch = world->bug == BUG_NO_EPOCH_SENT ? 0 : job->epoch;
		batch.seq = job->seq;
		(void)snprintf(producer, sizeof(producer), "w:%s:%" PRIu64 ".%u", job->incarnation,
		               job->run, job->anew);
		if (log_append(&job->player->node.store, &batch, &result, &err) == ERR_OK) {
			if (result.outcome == LOG_OK) {
				on_sent(job, what, producer, &result);
				return !job->gone;
			}
			on_refused(job, &result);
			job->too_late = result.outcome == LOG_MOVED;
			if (result.outcome == LOG_MOVED || result.outcome == LOG_DUPLICATE) {
				return !job->gone;
			}
		}
		(void)fiber_sleep(RETRY_MS);
	}
}

/* ---- the queue ---- */

typedef enum err_code(queue_fn)(const struct queue *queue, const struct queue_move *move,
                                enum queue_set *ret, struct err *err);

/* Until it is answered, whatever becomes of the job. */
static enum err_code ask(const struct job *job, queue_fn *fn, const struct queue_move *move,
                         enum queue_set *ret)
{
	const struct queue queue = queue_of(job);
	enum err_code code = ERR_UNAVAILABLE;
	struct err err;

	for (unsigned i = 0; i < 30 && err_retryable(code) && !fiber_cancelled(); i++) {
		code = fn(&queue, move, ret, &err);
		if (err_retryable(code)) {
			(void)fiber_sleep(RETRY_MS);
		}
	}
	return code;
}

static void leave_for_another(struct job *job, queue_fn *fn, const char *reason)
{
	const struct sending back = { EVENT_TYPE_STATUS, "{\"status\":\"queued\"}", SESSION_ANY,
		                      true, SESSION_QUEUED };
	const struct queue_move move = { .sid = job->sid,
		                         .attempt = job->attempt,
		                         .delay_ms = fn == queue_refuse ? 100 : 0,
		                         .reason = reason };
	enum queue_set set;

	if (append(job, &back)) {
		(void)!ask(job, fn, &move, &set);
	}
}

/* ---- waiting for a person ---- */

/* As tell_queue() of session_park.c: it may have another attempt after a loss. */
static enum err_code ask_anew(const struct job *job, queue_fn *fn, struct queue_move *move,
                              enum queue_set *ret)
{
	enum err_code code;

	do {
		move->attempt = job->attempt;
		code = ask(job, fn, move, ret);
	} while (code == ERR_CONFLICT && move->attempt != job->attempt && !is_over(job));
	return code;
}

/* False: the job is over here. */
static bool park(struct job *job)
{
	struct queue_move move = { .sid = job->sid, .slots = job->player->slots };
	uint64_t until = clock_mono_ms() + 50 + roll(900);
	enum queue_set set = QUEUE_NONE;

	job->parked = true;
	if (ask_anew(job, queue_park, &move, &set) != ERR_OK) {
		job->parked = false;
		return !is_over(job);
	}
	world_tell("parked %s", job->sid.s);
	job->unpark = job->evict = false;
	while (!is_over(job) && clock_mono_ms() < until) {
		if (job->evict) {
			leave_for_another(job, queue_evict, "evicted");
			return false;
		}
		(void)!fiber_signal_wait(&job->told, until - clock_mono_ms());
	}
	while (!is_over(job)) {
		enum err_code code;

		code = ask_anew(job, queue_unpark, &move, &set);
		if (code != ERR_OK || set == QUEUE_LEASED) {
			job->parked = false;
			return code == ERR_OK || code == ERR_NOT_FOUND;
		}
		if (!job->unpark) {
			(void)!fiber_signal_wait(&job->told, 1000);
		}
		job->unpark = false;
	}
	return false;
}

/* ---- a session ---- */

static bool is_ours(struct job *job)
{
	const struct record *record = record_of(&job->sid);
	struct log_head head;
	struct err err;
	bool ours;

	for (unsigned i = 0; i < 5 && !is_over(job); i++) {
		if (log_head_get(&job->player->node.store, &job->sid, record->tenant, &head,
		                 &err) == ERR_OK &&
		    head.found) {
			job->base = head.watermark;
			return head.at.epoch == job->epoch && head.state == SESSION_PROVISIONING &&
			       (!world->shape.loses_redis ||
			        (read_on(job, &ours, &err) == ERR_OK && ours));
		}
		(void)fiber_sleep(RETRY_MS);
	}
	return false;
}

static unsigned working(const struct player *player)
{
	unsigned count = 0;

	for (unsigned i = 0; i < JOBS_MAX; i++) {
		count += player->jobs[i].active && !player->jobs[i].gone;
	}
	return count;
}

/* Whether its agent starts well; told once or not at all, as by session_breaker.c. */
static void tell_breaker(struct job *job)
{
	const struct queue_breaker_rule rule = { 2, 2000, 500, 2 };
	const struct queue_agents of = { record_of(&job->sid)->tenant, "command" };
	const struct queue queue = queue_of(job);
	char token[QUEUE_WORKER_MAX + 1];
	bool moved = false;
	struct err err;

	(void)snprintf(token, sizeof(token), "%s-%" PRIu64, job->sid.s, job->attempt);
	if (chance(2)) {
		(void)!queue_gate_fail(&queue, &of, token, &rule, &moved, &err);
	} else {
		(void)!queue_gate_pass(&queue, &of, &job->sid, &rule, &moved, &err);
	}
}

static bool work(struct job *job)
{
	const struct sending runs = { EVENT_TYPE_STATUS, "{\"status\":\"running\"}", SESSION_ANY,
		                      true, SESSION_RUNNING };
	unsigned outputs = (unsigned)roll(OUTPUT_MAX);
	bool going = append(job, &runs);

	if (going && !world->shape.fair && (world->seed & 2) == 0) {
		tell_breaker(job);
	}
	for (unsigned i = 0; going && i < outputs; i++) {
		char data[64];
		const struct sending output = { EVENT_TYPE_NOTE, data, SESSION_ANY, false,
			                        SESSION_RUNNING };

		(void)snprintf(data, sizeof(data), "{\"text\":\"%" PRIu64 "\"}", roll(1000000));
		(void)fiber_sleep(world->shape.fair ? 5 : 20 + roll(500));
		going = (world->shape.fair || roll(world->shape.offers ? 2 : 3) > 0 || park(job)) &&
		        append(job, &output);
	}
	return going;
}

/* As finish_as() of session_run.c: a log that a loss took back to before it ran ends as failed, and
 * the queue hears of no other end than the log has. */
static void end(struct job *job)
{
	bool well = roll(3) > 0;
	const struct sending failed = { EVENT_TYPE_STATUS, "{\"status\":\"failed\"}", SESSION_ANY,
		                        true, SESSION_FAILED };
	const struct sending last = {
		EVENT_TYPE_STATUS, well ? "{\"status\":\"completed\"}" : "{\"status\":\"failed\"}",
		session_bit(SESSION_RUNNING), true, well ? SESSION_COMPLETED : SESSION_FAILED
	};
	const struct queue_move done = { .sid = job->sid, .attempt = job->attempt };
	enum queue_set set;

	if (append(job, &last) && (!job->too_late || (append(job, &failed) && !job->too_late))) {
		(void)!ask(job, queue_finish, &done, &set);
	}
}

/* As is_on_record() of session_run.c: from then on a loss finds it here. */
static bool is_on_record(struct job *job)
{
	const struct queue queue = queue_of(job);
	enum err_code code = ERR_UNAVAILABLE;
	struct err err;

	while (world->shape.loses_redis && err_retryable(code) && !is_over(job)) {
		code = queue_about(&queue, &job->sid, &job->about, &err);
		if (err_retryable(code)) {
			(void)fiber_sleep(RETRY_MS);
		}
	}
	return !is_over(job);
}

/* What the queue still believes to be ours would wait for us for ever. */
static void disown(const struct job *job)
{
	const struct lease_keeper *keeper = &job->player->keeper;
	const struct queue_move move = { .sid = job->sid,
		                         .attempt = job->attempt,
		                         .reason = "given up" };
	struct log_head head;
	enum queue_set set;
	struct err err;

	if (keeper->registered &&
	    strcmp(keeper->options.worker.incarnation, job->incarnation) == 0 &&
	    log_head_get(&job->player->node.store, &job->sid, record_of(&job->sid)->tenant, &head,
	                 &err) == ERR_OK &&
	    head.found && !session_is_terminal(head.state)) {
		(void)!ask(job, queue_requeue, &move, &set);
	}
}

static void run_job(void *arg)
{
	struct job *job = arg;

	if (is_ours(job) && is_on_record(job)) {
		if (working(job->player) > job->player->slots + 1 && chance(2)) {
			leave_for_another(job, queue_refuse, "full");
		} else if (work(job)) {
			end(job);
		}
	}
	if (job->gone) {
		disown(job);
	}
	free(job->kept);
	job->kept = NULL;
	job->active = false;
}

/* ---- the host ---- */

static struct job *find_job(struct player *player, const struct id *sid, uint64_t attempt)
{
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		struct job *job = &player->jobs[i];

		if (job->active && id_eq(&job->sid, sid) && job->attempt == attempt) {
			return job;
		}
	}
	return NULL;
}

static void begin_job(struct player *player, const struct mail *mail)
{
	struct job *job = NULL;

	for (unsigned i = 0; i < JOBS_MAX && job == NULL; i++) {
		job = player->jobs[i].active ? NULL : &player->jobs[i];
	}
	if (job == NULL) {
		return; /* told again later */
	}
	*job = (struct job){ .active = true,
		             .player = player,
		             .sid = mail->sid,
		             .epoch = mail->epoch,
		             .attempt = mail->attempt,
		             .run = mail->attempt,
		             .whole = true };
	if (world->shape.loses_redis) {
		job->kept = mem_calloc(KEPT_MAX, sizeof(*job->kept));
	}
	fiber_signal_init(&job->told);
	memcpy(job->incarnation, player->keeper.options.worker.incarnation,
	       sizeof(job->incarnation));
	(void)player_spawn(player, "job", run_job, job);
}

static void on_mail(struct player *player, const struct mail *mail)
{
	struct job *job = find_job(player, &mail->sid, mail->attempt);

	if (!player->keeper.registered ||
	    !str_eq(mail->incarnation, str_of(player->keeper.options.worker.incarnation))) {
		return;
	}
	if (str_eq(mail->kind, STR_LIT("run")) && job == NULL) {
		begin_job(player, mail);
	} else if (job != NULL) {
		job->unpark |= str_eq(mail->kind, STR_LIT("unpark"));
		job->evict |= str_eq(mail->kind, STR_LIT("evict"));
		fiber_signal_raise(&job->told);
		world->woken = true;
	}
}

static void hear_all(struct player *player)
{
	struct mail mail;

	for (size_t i = 0; i < player->aloud_count; i++) {
		if (mail_aloud_read(str_make(player->aloud[i].payload, player->aloud[i].n),
		                    &mail)) {
			on_mail(player, &mail);
		}
	}
	player->aloud_count = 0;
}

static void read_mail(void *arg)
{
	struct player *player = arg;

	while (!fiber_cancelled()) {
		struct mail_page page;
		struct err err;

		hear_all(player);
		if (mail_read(player->node.redis, player->keeper.options.worker.worker,
		              player->read, &page, &err) == ERR_OK) {
			for (size_t i = 0; i < page.count; i++) {
				memcpy(player->read, page.mails[i].id, sizeof(player->read));
				on_mail(player, &page.mails[i]);
			}
			mail_page_fini(&page);
		}
		(void)!fiber_signal_wait(&player->mail, 1000);
	}
}

/* ---- after a loss ---- */

static bool is_here(const struct job *job)
{
	return job->active && !job->gone && job->about.text[0] != '\0';
}

static bool all_gave_back(const struct player *player)
{
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		const struct job *job = &player->jobs[i];

		if (is_here(job) && job->whole && job->kept_count > 0 &&
		    job->taken != player->node.store.generation) {
			return false;
		}
	}
	return true;
}

static enum err_code attest_job(struct job *job, const char *incarnation, struct err *err)
{
	const struct queue queue = queue_of(job);
	struct queue_attest item = { .sid = job->sid,
		                     .about = &job->about,
		                     .epoch = job->epoch,
		                     .attempt = job->attempt,
		                     .parked = job->parked };
	enum err_code code = queue_attest(&queue, incarnation, &item, 1, err);
	bool ours;

	if (code != ERR_OK || !is_here(job) || job->attempt != item.attempt) {
		return code;
	}
	if (item.taken) {
		job->attempt = item.attempt_now;
	} else if (read_on(job, &ours, err) == ERR_OK && !ours) {
		job->gone = true;
	}
	return ERR_OK;
}

static enum err_code attest(void *arg, struct err *err)
{
	struct player *player = arg;
	uint64_t until = clock_mono_ms() + GIVE_BACK_MS;
	enum err_code code = ERR_OK;

	for (unsigned i = 0; i < JOBS_MAX; i++) {
		if (is_here(&player->jobs[i])) {
			give_back(&player->jobs[i]);
		}
	}
	while (!all_gave_back(player) && clock_mono_ms() < until &&
	       fiber_sleep(LOOK_MS) == ERR_OK) {
	}
	for (unsigned i = 0; i < JOBS_MAX && code == ERR_OK; i++) {
		if (is_here(&player->jobs[i])) {
			code = attest_job(&player->jobs[i],
			                  player->keeper.options.worker.incarnation, err);
		}
	}
	return code;
}

static enum err_code is_same(void *arg, struct err *err)
{
	const struct player *player = arg;

	return player->node.store.generation == world->generation
	               ? ERR_OK
	               : err_set(err, ERR_STALE, "another Redis");
}

static void on_begun(void *arg, const char *incarnation)
{
	struct player *player = arg;

	world_tell("%u is %s", player->number, incarnation);
}

static void on_renewed(void *arg, uint64_t until_ms)
{
	(void)arg;
	(void)until_ms;
}

static void on_lost(void *arg)
{
	struct player *player = arg;

	for (unsigned i = 0; i < JOBS_MAX; i++) {
		player->jobs[i].gone = true;
		if (player->jobs[i].active) {
			fiber_signal_raise(&player->jobs[i].told);
		}
	}
}

static void on_doubted(void *arg)
{
	struct player *player = arg;

	for (unsigned i = 0; i < JOBS_MAX; i++) {
		player->jobs[i].doubted = true;
	}
}

void worker_ring(struct player *player)
{
	lease_keeper_redis_back(&player->keeper);
	fiber_signal_raise(&player->mail);
	world->woken = true;
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		if (player->jobs[i].active) {
			fiber_signal_raise(&player->jobs[i].told);
		}
	}
}

void worker_hear(struct player *player, struct str payload)
{
	size_t i = player->aloud_count;

	if (i < ALOUD_MAX && payload.n <= sizeof(player->aloud[i].payload)) {
		memcpy(player->aloud[i].payload, payload.p, payload.n);
		player->aloud[i].n = payload.n;
		player->aloud_count++;
		if (player->frozen_until <= world->now_us) {
			fiber_signal_raise(&player->mail);
			world->woken = true;
		}
	}
}

void worker_start(struct player *player)
{
	struct lease_keeper_options options = { .redis = player->node.redis,
		                                .renew_ms = 500,
		                                .begun = on_begun,
		                                .renewed = on_renewed,
		                                .lost = on_lost,
		                                .generation = &player->node.store.generation,
		                                .server = &player->node.store.server,
		                                .is_same = is_same,
		                                .attest = attest,
		                                .doubted = on_doubted,
		                                .arg = player };

	options.worker.slots = player->slots;
	(void)snprintf(options.worker.worker, sizeof(options.worker.worker), "w%u", player->number);
	(void)snprintf(options.worker.name, sizeof(options.worker.name), "w%u", player->number);
	memcpy(options.worker.has, "runtime=local,agent=command",
	       sizeof("runtime=local,agent=command"));
	memset(player->jobs, 0, sizeof(player->jobs));
	memcpy(player->read, "0", 2);
	player->aloud_count = 0;
	fiber_signal_init(&player->mail);
	lease_keeper_init(&player->keeper, &options);
	(void)player_spawn(player, "keeper", lease_keeper_run, &player->keeper);
	(void)player_spawn(player, "mail", read_mail, player);
}
