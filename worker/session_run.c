#include "worker/session_run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "queue/queue.h"
#include "queue/words.h"
#include "worker/agent_calls.h"
#include "worker/holds.h"
#include "worker/local_repo.h"
#include "worker/session_limits.h"
#include "worker/session_private.h"
#include "worker/session_resume.h"
#include "worker/session_sandbox.h"
#include "worker/session_secret.h"
#include "worker/session_upload.h"

enum {
	HEAD_TRIES = 50,
	RETRY_MS = 100,
	REFUSE_DELAY_MS = 200,
	GONE_TIMEOUT_MS = 30000,
	LAST_WORDS_MS = 1000,
	STOP_SLACK_MS = 2000,
	TELL_TRIES = 600,
};

/* ---- saying ---- */

bool session_say(struct session_run *s, enum event_type type, struct buf *text)
{
	enum err_code code = reporter_add(s->reporter, type, buf_str(text));

	buf_reset(text);
	return code == ERR_OK;
}

bool session_say_clean(struct session_run *s, enum event_type type, struct buf *text)
{
	enum err_code code = reporter_add_clean(s->reporter, type, buf_str(text));

	buf_reset(text);
	return code == ERR_OK;
}

void session_fail(struct session_run *s, const char *fmt, ...)
{
	va_list ap;

	if (s->fate != FATE_OPEN) {
		return;
	}
	s->fate = FATE_FAILED;
	va_start(ap, fmt);
	(void)vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
}

void session_give_up(struct session_run *s, enum session_fate fate)
{
	if (s->fate == FATE_LOST || s->fate == FATE_LEFT) {
		return;
	}
	s->fate = fate;
	if (fate == FATE_LOST && s->runner != NULL) {
		session_agent_fenced(s);
	}
	fiber_cancel(s->fiber, ERR_CANCELLED);
}

static void on_lost(void *arg)
{
	session_give_up(arg, FATE_LOST);
}

static void on_ours(void *arg)
{
	struct session_run *s = arg;

	s->doubted = false;
	if (s->runner != NULL) {
		session_agent_renew(s, session_lease_until(s));
	}
	fiber_signal_raise(&s->wake);
}

/* ---- is it ours, and is there room ---- */

uint64_t session_epoch_now(const struct session_run *s)
{
	return s->reporter != NULL ? reporter_epoch(s->reporter) : s->epoch;
}

/* An earlier epoch of the same session must have left this host first. */
static bool await_predecessor(struct session_run *s)
{
	struct session_run *other = LIST_FIRST(&s->host->runs);

	while (other != NULL && !fiber_cancelled()) {
		if (other != s && id_eq(&other->sid, &s->sid) &&
		    session_epoch_now(other) < s->epoch) {
			session_give_up(other, FATE_LOST);
			(void)!fiber_signal_wait(&s->host->ended, FIBER_NO_TIMEOUT);
			other = LIST_FIRST(&s->host->runs);
		} else {
			other = LIST_NEXT(other, link);
		}
	}
	return !fiber_cancelled();
}

/* What the order says must still be so: an order may be old, or read twice. */
static bool is_ours(struct session_run *s)
{
	struct log_head head;
	struct err err;

	for (int i = 0; i < HEAD_TRIES && !fiber_cancelled(); i++) {
		enum err_code code = log_head_get(s->host->store, &s->sid, s->tenant, &head, &err);

		if (code == ERR_OK && head.found) {
			if (head.state == SESSION_STOPPING) {
				session_agent_stop(s, FATE_STOPPED, "stop was asked");
			}
			return head.at.epoch == s->epoch && (head.state == SESSION_PROVISIONING ||
			                                     head.state == SESSION_STOPPING);
		}
		(void)fiber_sleep(RETRY_MS);
	}
	return false;
}

unsigned session_shard(const struct session_run *s)
{
	return queue_of_tenant(s->host->redis, str_of(s->tenant)).shard;
}

static struct queue queue_of(const struct session_run *s)
{
	return queue_of_tenant(s->host->redis, str_of(s->tenant));
}

void session_tell_queue(struct session_run *s, session_queue_fn *fn, const struct queue_move *move)
{
	const struct queue queue = queue_of(s);
	enum queue_set set;
	struct err err;

	for (int i = 0; i < TELL_TRIES && !fiber_cancelled(); i++) {
		enum err_code code = fn(&queue, move, &set, &err);

		if (!err_retryable(code)) {
			if (code != ERR_OK && code != ERR_CONFLICT && code != ERR_NOT_FOUND) {
				log_warn("session.queue", "code=%s %s", err_name(code), err.msg);
			}
			return;
		}
		(void)fiber_sleep(RETRY_MS);
	}
}

/* Costs the session nothing: it goes to whoever has room. */
static void refuse(struct session_run *s)
{
	const struct session_step step = { .from = session_bit(SESSION_PROVISIONING),
		                           .to = SESSION_QUEUED,
		                           .reason = "no slot was free" };
	const struct queue_move move = { .sid = s->sid,
		                         .attempt = s->attempt,
		                         .delay_ms = REFUSE_DELAY_MS,
		                         .reason = step.reason };
	enum session_state state;

	(void)session_step(s, &step, &state);
	log_info("session.refused", "used=%u slots=%u", s->host->used, s->host->slots);
	session_tell_queue(s, queue_refuse, &move);
}

/* ---- its life ---- */

static bool open_reporter(struct session_run *s)
{
	struct reporter_options options = {
		.loop = s->host->loop,
		.store = s->host->store,
		.lease = s->host->lease,
		.sid = s->sid,
		.tenant = s->tenant,
		.epoch = s->epoch,
		.redact = s->redact,
		.lost = on_lost,
		.ours = on_ours,
		.arg = s,
	};
	char producer[EVENT_PRODUCER_MAX + 1];
	struct err err;

	session_tail_drop(s->host, &s->sid);
	if (journal_create(s->host->journal_dir, &s->sid, s->tenant, &s->journal, &err) != ERR_OK) {
		log_error("journal.failed", "%s", err.msg);
		session_fail(s, "the worker cannot keep its journal: %.120s", err.msg);
		return false;
	}
	/* An incarnation may run a session twice: each run counts its batches from one. */
	(void)snprintf(producer, sizeof(producer), EVENT_PRODUCER_WORKER "%.40s:%" PRIu64,
	               s->incarnation, s->epoch);
	options.journal = s->journal;
	options.producer = producer;
	s->reporter = reporter_new(&options);
	if (s->doubted) {
		reporter_doubt(s->reporter);
	}
	return true;
}

/* What it took to have a repository that was not here. */
static void tell_held(struct session_run *s, struct str url, uint64_t begun_ms)
{
	struct lease_keeper *lease = s->host->lease;

	holds_repo(url, s->repo_word);
	if (!words_have(lease->options.worker.holds, str_of(s->repo_word))) {
		s->materialise_ms = clock_mono_ms() - begun_ms + 1;
	}
	lease_keeper_hold(lease, str_of(s->repo_word));
}

static void prepare(void *arg)
{
	struct session_run *s = arg;
	const struct task_repo *repo = &s->order.spec.repo;
	const bool git = repo->mode == TASK_REPO_GIT;
	const struct str none = { "", 0 };
	const struct workspace_request request = {
		.session = s->sid,
		.url = git ? repo->url : none,
		.branch = git ? repo->branch : none,
		.commit = git ? repo->commit : none,
	};
	struct turns *turns = git ? &s->host->fetches : &s->host->turns;
	uint64_t begun_ms;
	struct err err = { .code = ERR_OK };

	fiber_set_tag("session=%s", s->sid.s);
	if (turns_take(turns) != ERR_OK) {
		return; /* nobody waits for it any more */
	}
	begun_ms = clock_mono_ms();
	s->prepare_code = local_repo_check(s->host->local_repos, request.url, &err);
	if (s->prepare_code == ERR_OK && !session_resume(s, &request)) {
		s->prepare_code =
			workspace_prepare(s->host->workspaces, &request, &s->workspace, &err);
	}
	turns_give(turns);
	s->has_workspace = s->prepare_code == ERR_OK;
	if (!s->has_workspace) {
		session_fail(s, "workspace: %.160s", err.msg);
	} else if (git) {
		tell_held(s, request.url, begun_ms);
	}
	session_rules_recall(s);
	session_rules_left(s);
	s->prepared = true;
	fiber_signal_raise(&s->wake);
}

static void end_children(struct session_run *s)
{
	fiber_group_cancel(&s->children, ERR_CANCELLED);
	fiber_shield();
	(void)!fiber_group_wait(&s->children, FIBER_NO_TIMEOUT);
	fiber_unshield();
}

static bool provide_workspace(struct session_run *s)
{
	struct buf text;

	event_text_init(&text);
	event_text_progress(&text, STR_LIT("preparing the workspace"));
	(void)session_say(s, EVENT_TYPE_PROGRESS, &text);
	buf_fini(&text);
	(void)fiber_start(s->host->loop, &s->children, "workspace", prepare, s);
	while (!s->prepared && s->fate == FATE_OPEN && !fiber_cancelled()) {
		session_notes_perform(s);
		(void)!fiber_signal_wait(&s->wake, FIBER_NO_TIMEOUT);
	}
	end_children(s);
	return s->has_workspace && s->fate == FATE_OPEN;
}

bool session_await_right(struct session_run *s)
{
	while (s->fate == FATE_OPEN && !fiber_cancelled() &&
	       (s->doubted || !lease_keeper_holds(s->host->lease))) {
		session_notes_perform(s);
		(void)!fiber_signal_wait(&s->wake, RETRY_MS);
	}
	return s->fate == FATE_OPEN && !fiber_cancelled();
}

static bool start_agent(struct session_run *s)
{
	struct event_text_status status = { .state = SESSION_RUNNING,
		                            .worker = s->host->worker,
		                            .workspace = &s->workspace,
		                            .restored = s->restored,
		                            .attempt = s->order.attempt,
		                            .repo = s->repo_word,
		                            .materialise_ms = s->materialise_ms };
	struct event_text_limit limits[SESSION_LIMITS_MAX];
	enum session_state state = SESSION_PROVISIONING;
	struct buf text;
	struct err err;
	enum err_code code;

	session_uploads_before(s);
	if (turns_take(&s->host->turns) != ERR_OK) {
		return false;
	}
	code = session_agent_start(s, &err);
	session_figures_started(s, code);
	turns_give(&s->host->turns);
	if (code != ERR_OK) {
		session_fail(s, "%s", err.msg);
		return false;
	}
	if (s->sandbox_words != NULL) {
		status.sandbox = sandbox_profile_name(session_sandbox_profile(s));
		status.sandbox_limits = &s->host->sandbox.limits;
	}
	status.limits = limits;
	status.limit_count = session_limits_list(s, limits);
	event_text_init(&text);
	event_text_status(&text, &status);
	code = reporter_move(s->reporter, session_bit(SESSION_PROVISIONING), SESSION_RUNNING,
	                     buf_str(&text), &state);
	buf_fini(&text);
	session_limits_say_missing(s);
	if (code == ERR_ILLEGAL_MOVE) {
		session_agent_stop(s, FATE_STOPPED, "stop was asked");
	}
	return !fiber_cancelled();
}

void session_clock_stop(struct session_run *s)
{
	uint64_t now = clock_mono_ms();

	if (s->clock_stops++ == 0) {
		s->timeout_left_ms = s->timeout_at_ms > now ? s->timeout_at_ms - now : 0;
	}
}

void session_clock_start(struct session_run *s)
{
	if (--s->clock_stops == 0 && s->timeout_at_ms != 0) {
		s->timeout_at_ms = clock_mono_ms() + s->timeout_left_ms;
		fiber_signal_raise(&s->wake);
	}
}

static void check_timeout(struct session_run *s, uint64_t now)
{
	char reason[64];

	if (s->timeout_at_ms == 0 || s->clock_stops > 0 || now < s->timeout_at_ms) {
		return;
	}
	s->timeout_at_ms = 0;
	(void)snprintf(reason, sizeof(reason), "timed out after %" PRIu64 " s",
	               s->agent->command.timeout_s);
	session_agent_stop(s, FATE_TIMED_OUT, reason);
}

static void check_turn(struct session_run *s, uint64_t now)
{
	if (s->adapter == NULL && s->turn_open && !s->turn_ending && !s->prompting && !s->paused &&
	    TAILQ_EMPTY(&s->prompts) && TAILQ_EMPTY(&s->waits) &&
	    now >= s->output_ms + SESSION_QUIET_MS) {
		s->turn_ending = true;
		(void)fiber_start(s->host->loop, &s->children, "turn", session_turn_end, s);
	}
}

static uint64_t until_next(const struct session_run *s, uint64_t now)
{
	uint64_t due = session_times_due(s);

	if (s->timeout_at_ms != 0 && s->clock_stops == 0 && s->timeout_at_ms < due) {
		due = s->timeout_at_ms;
	}
	if (s->adapter == NULL && s->turn_open && !s->turn_ending && TAILQ_EMPTY(&s->waits) &&
	    s->output_ms + SESSION_QUIET_MS < due) {
		due = s->output_ms + SESSION_QUIET_MS;
	}
	if (due == UINT64_MAX) {
		return FIBER_NO_TIMEOUT;
	}
	/* What keeps a turn open past its time wakes us too; a look now and then is enough. */
	return due > now ? due - now : RETRY_MS;
}

static void supervise(struct session_run *s)
{
	while (!s->exited && !fiber_cancelled()) {
		uint64_t now;

		session_notes_perform(s);
		if (s->evict_asked) {
			session_make_room(s);
		}
		now = clock_mono_ms();
		check_timeout(s, now);
		session_times_check(s, now);
		session_limits_tell(s, false);
		check_turn(s, now);
		session_leave_if_idle(s);
		if (!s->exited) {
			(void)!fiber_signal_wait(&s->wake, until_next(s, now));
		}
	}
}

/* Freeing waits, and others look at the session meanwhile: it is out of sight first. */
static void drop_runner(struct session_run *s)
{
	struct runner *runner = s->runner;
	struct agent_calls *calls = s->calls;

	session_figures_gone(s);
	s->runner = NULL;
	s->calls = NULL;
	agent_calls_free(calls);
	runner_free(runner);
	session_limits_end(s);
}

/* The agent has ended: hear it out, see what it left. */
static void settle(struct session_run *s)
{
	struct err err = { .code = ERR_OK };

	while (!s->output_ended && !fiber_cancelled()) {
		session_notes_perform(s);
		(void)!fiber_signal_wait(&s->wake, FIBER_NO_TIMEOUT);
	}
	(void)!runner_wait_gone(s->runner, GONE_TIMEOUT_MS);
	session_limits_tell(s, true);
	session_talk_stop(s);
	fiber_signal_raise(&s->prompted);
	if (fiber_cancelled() || fiber_group_wait(&s->children, FIBER_NO_TIMEOUT) != ERR_OK) {
		return;
	}
	drop_runner(s);
	if (s->turn_open) {
		session_turn_end(s);
	} else if (session_tell_changes(s, &err) != ERR_OK && !fiber_cancelled()) {
		log_warn("session.changes", "%s", err.msg);
	}
	if (s->fate != FATE_STOPPED && !fiber_cancelled() && session_deliver(s, &err) != ERR_OK) {
		session_fail(s, "%s", err.msg);
	}
}

/* ---- its end ---- */

static void judge(const struct session_run *s, struct event_text_status *status, char *room,
                  size_t size)
{
	const struct runner_exit *exit = &s->exit;

	status->state = SESSION_FAILED;
	status->reason = s->reason;
	if (s->exited && !s->guard_died) {
		status->has_exit_code = !exit->by_signal;
		status->exit_code = exit->code;
		status->signal = exit->by_signal ? sigabbrev_np(exit->code) : NULL;
	}
	if (s->fate == FATE_STOPPED) {
		status->state = SESSION_STOPPED;
	} else if (s->fate == FATE_OPEN && !s->guard_died && s->closed) {
		/* It was told to go: how it went says nothing. */
		status->state = session_adapter_failed(s) ? SESSION_FAILED : SESSION_COMPLETED;
		status->reason = session_adapter_failed(s) ? "its last turn failed" : NULL;
	} else if (s->fate == FATE_OPEN && s->guard_died) {
		status->reason = "its guard ended";
	} else if (s->fate == FATE_OPEN && session_limits_killed(s)) {
		status->reason = "it was killed: its session had no more memory";
	} else if (s->fate == FATE_OPEN && exit->by_signal) {
		(void)snprintf(room, size, "ended by signal %s",
		               status->signal != NULL ? status->signal : "?");
		status->reason = room;
	} else if (s->fate == FATE_OPEN && exit->code != 0) {
		(void)snprintf(room, size, "exit code %d", exit->code);
		status->reason = room;
	} else if (s->fate == FATE_OPEN) {
		status->state = SESSION_COMPLETED;
		status->reason = NULL;
	}
}

/* A stop passes through `stopping`; who asked for it has normally moved it there. */
static enum err_code move_to(struct session_run *s, const struct event_text_status *status,
                             enum session_state *ret_state, struct buf *text)
{
	event_text_status(text, status);
	return reporter_move(s->reporter, SESSION_ANY, status->state, buf_str(text), ret_state);
}

static enum err_code finish_as(struct session_run *s, struct event_text_status *status)
{
	const struct event_text_status stopping = { .state = SESSION_STOPPING };
	enum session_state state = SESSION_RUNNING;
	struct buf text;
	enum err_code code;

	event_text_init(&text);
	if (status->state == SESSION_STOPPED) {
		(void)!move_to(s, &stopping, &state, &text);
	}
	code = move_to(s, status, &state, &text);
	if (code == ERR_ILLEGAL_MOVE) {
		status->state = SESSION_FAILED;
		code = move_to(s, status, &state, &text);
	}
	buf_fini(&text);
	return code;
}

static uint64_t random_number(void)
{
	uint64_t number;

	return getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number) ? number
	                                                                        : clock_mono_us();
}

/*
 * An attempt that failed, with one left: the log has it, then the session is queued again in the
 * log, then in the queue.  Whoever finds it half done (the worker was lost) queues it again too,
 * and the count of failures is the log's, so no attempt is had twice.  False: the session cannot go
 * back, it is being stopped.
 */
static bool try_again(struct session_run *s, const struct event_text_status *why,
                      enum err_code *ret_code)
{
	const struct event_text_failure failure = {
		.why = why,
		.attempt = s->order.attempt,
		.max_attempts = s->order.spec.max_attempts,
		.delay_ms = task_backoff_ms(s->order.attempt, s->host->retry_base_ms,
		                            s->host->retry_max_ms, random_number()),
	};
	struct event_text_status status = { .state = SESSION_QUEUED,
		                            .reason = "the attempt failed" };
	const unsigned from = session_moves_to(SESSION_QUEUED);
	enum session_state state = SESSION_RUNNING;
	struct queue_move move = { .sid = s->sid,
		                   .attempt = s->attempt,
		                   .delay_ms = failure.delay_ms,
		                   .reason = status.reason };
	struct buf text;

	if (why->state != SESSION_FAILED || failure.attempt >= failure.max_attempts) {
		return false;
	}
	event_text_init(&text);
	event_text_failure(&text, &failure);
	(void)session_say(s, EVENT_TYPE_ATTEMPT_FAILED, &text);
	event_text_status(&text, &status);
	*ret_code = reporter_move(s->reporter, from, SESSION_QUEUED, buf_str(&text), &state);
	buf_fini(&text);
	if (*ret_code == ERR_ILLEGAL_MOVE) {
		return false;
	}
	if (*ret_code == ERR_OK) {
		log_info("session.attempt_failed", "attempt=%" PRIu64 " of=%" PRIu64 " reason=%s",
		         failure.attempt, failure.max_attempts,
		         why->reason != NULL ? why->reason : "");
		move.epoch = session_epoch_now(s);
		session_figures_ended(s, session_state_name(status.state));
		session_leave_slot(s);
		session_tell_queue(s, queue_requeue, &move);
	}
	return true;
}

static void finish(struct session_run *s)
{
	char room[64];
	struct event_text_status status = { .totals = &s->totals };
	struct queue_move move = { .sid = s->sid, .attempt = s->attempt };
	enum err_code code = ERR_OK;

	s->ending = true;
	judge(s, &status, room, sizeof(room));
	if (try_again(s, &status, &code)) {
		return;
	}
	code = finish_as(s, &status);
	if (code != ERR_OK) {
		if (!fiber_cancelled()) {
			log_error("session.unfinished", "code=%s", err_name(code));
		}
		return;
	}
	session_figures_ended(s, session_state_name(status.state));
	log_info("session.ended", "state=%s exit=%d reason=%s", session_state_name(status.state),
	         status.has_exit_code ? status.exit_code : -1,
	         status.reason != NULL ? status.reason : "");
	move.reason = session_state_name(status.state);
	/* The queue gives its place away at once; what is left to do here is only cleaning. */
	session_leave_slot(s);
	session_tell_queue(s, queue_finish, &move);
}

/* No agent begins before the journal has its lease and we know what the queue knows: from then on a
 * loss of Redis takes neither, and nobody begins it a second time. */
static bool is_on_record(struct session_run *s)
{
	const struct queue queue = queue_of(s);
	enum err_code code = reporter_flush(s->reporter, FIBER_NO_TIMEOUT);
	struct queue_about about = { .text = "" };
	struct err err;

	while (code == ERR_OK && about.text[0] == '\0' && !fiber_cancelled()) {
		code = queue_about(&queue, &s->sid, &about, &err);
		if (code != ERR_OK && err_retryable(code)) {
			code = fiber_sleep(RETRY_MS);
		}
	}
	s->about = arena_strdup(s->arena, str_of(about.text));
	return code == ERR_OK || code == ERR_NOT_FOUND;
}

static void live(struct session_run *s)
{
	session_figures_ordered(s);
	log_info("session.begun", "epoch=%" PRIu64 " attempt=%" PRIu64, s->epoch, s->attempt);
	if (s->fate == FATE_OPEN && provide_workspace(s) && is_on_record(s) &&
	    session_await_right(s) && start_agent(s)) {
		supervise(s);
		session_breaker_ended(s);
		settle(s);
	}
	if (!fiber_cancelled()) {
		finish(s);
	}
	if (s->fate == FATE_LOST || s->fate == FATE_LEFT) {
		session_figures_ended(s, s->fate == FATE_LOST ? "lost" : "left");
	}
}

/* ---- leaving ---- */

static void end_agent(struct session_run *s)
{
	if (s->runner == NULL) {
		return;
	}
	if (s->fate == FATE_LEFT && !s->exited) {
		struct runner_exit ignored;

		runner_stop(s->runner, s->host->leave_ms);
		(void)!runner_wait_exit(s->runner, s->host->leave_ms + STOP_SLACK_MS, &ignored);
		(void)!reporter_flush(s->reporter, LAST_WORDS_MS);
	}
}

/* Whoever took it has it in another attempt, and then this does nothing; what the queue still
 * believes to be ours would wait for us for ever. Of a lost incarnation nothing is ours: schedulers
 * see to it. */
static void disown(struct session_run *s)
{
	const struct lease_keeper *lease = s->host->lease;
	const struct queue_move move = { .sid = s->sid,
		                         .attempt = s->attempt,
		                         .reason = "its worker gave it up" };
	struct log_head head;
	struct err err;

	if (s->tenant != NULL && lease->registered &&
	    strcmp(lease->options.worker.incarnation, s->incarnation) == 0 &&
	    log_head_get(s->host->store, &s->sid, s->tenant, &head, &err) == ERR_OK && head.found &&
	    !session_is_terminal(head.state)) {
		session_tell_queue(s, queue_requeue, &move);
	}
}

static void remove_files(struct session_run *s)
{
	struct err err;

	if ((!s->prepared && !s->has_home) || turns_take(&s->host->turns) != ERR_OK) {
		return;
	}
	if (s->prepared && workspace_remove(s->host->workspaces, &s->sid, &err) != ERR_OK) {
		log_warn("session.workspace", "%s", err.msg);
	}
	if (s->has_home) {
		session_home_remove(s);
	}
	turns_give(&s->host->turns);
}

static void clean_up(struct session_run *s)
{
	struct reporter *reporter;

	fiber_shield();
	end_agent(s);
	session_talk_stop(s);
	end_children(s);
	drop_runner(s);
	s->epoch = session_epoch_now(s);
	if (s->fate == FATE_LEFT || s->fate == FATE_EVICTED) {
		session_snapshot(s, "it leaves its worker");
	}
	reporter = s->reporter;
	s->reporter = NULL;
	reporter_free(reporter);
	if (s->fate == FATE_LEFT) {
		session_hand_over(s);
	} else if (s->fate == FATE_EVICTED) {
		session_keep(s, session_home_path(s));
	}
	/* The log's tail is only needed while the log may still have to be given back. */
	if (s->fate == FATE_LOST) {
		journal_discard(s->journal);
		disown(s);
	} else {
		session_tail_keep(s);
	}
	remove_files(s);
	fiber_unshield();
}

void session_main(void *arg)
{
	struct session_run *s = arg;

	fiber_set_tag("session=%s", s->sid.s);
	if (await_predecessor(s) && is_ours(s)) {
		if (s->host->leaving || s->host->used > s->host->slots) {
			refuse(s);
		} else if (s->agent != NULL && session_secrets_open(s) && open_reporter(s)) {
			live(s);
		} else {
			session_fail_unbegun(s);
		}
	}
	clean_up(s);
	session_retire(s);
}
