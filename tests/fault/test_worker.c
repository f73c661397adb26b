/* fairlead-worker and what happens around it: killed, fenced, without Redis, with too much to say.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/redis.h"
#include "tests/integration/worker_world.h"
#include "tests/support/test.h"

#define SH(script) "\"sh\",\"-c\",\"" script "\""

static const struct order ticks = {
	.argv = SH("trap '' PIPE; i=0; while :; do i=$((i+1)); echo tick $i.; "
	           "sleep 0.05; done")
};

/* The n-th line of the agent, and that none before it is missing or there twice. */
static void assert_each_tick_once(const struct given *g, unsigned last)
{
	const char *at = buf_cstr(&g->text);
	char needle[32];

	for (unsigned i = 1; i <= last; i++) {
		(void)snprintf(needle, sizeof(needle), "\"tick %u.\"", i);
		at = strstr(at, needle);
		assert_non_null(at);
		assert_null(strstr(at + 1, needle));
	}
}

/* How many lines the agent has said so far. */
static unsigned ticks_in(const struct given *g)
{
	const char *at = buf_cstr(&g->text);
	unsigned count = 0;

	while ((at = strstr(at, "\"tick ")) != NULL) {
		count++;
		at++;
	}
	return count;
}

static void await_more_ticks(struct worker_world *w, struct given *g, unsigned more)
{
	char needle[32];

	(void)snprintf(needle, sizeof(needle), "\"tick %u.\"", ticks_in(g) + more);
	given_await(w, g, needle);
}

static void requeue(struct worker_world *w, const struct given *g, const char *incarnation)
{
	const struct queue queue = queue_of_tenant(w->redis, STR_LIT("acme"));
	const struct log_open opening = { .sid = g->sid,
		                          .tenant = "acme",
		                          .how = LOG_RAISE,
		                          .cause = "requeue",
		                          .token = "requeue",
		                          .moves = true,
		                          .to = SESSION_QUEUED };
	struct queue_move move = {
		.sid = g->sid, .attempt = g->attempt, .reason = "worker lost", .lost = incarnation
	};
	struct log_result result = { .outcome = LOG_OK };
	enum queue_set set;
	struct err err;

	assert_int_equal(log_open(&w->store, &opening, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_OK);
	move.epoch = result.epoch;
	assert_int_equal(queue_requeue(&queue, &move, &set, &err), ERR_OK);
}

/* What a process says that goes on as another incarnation. */
static bool was_late(struct worker_world *w, const char *incarnation)
{
	unsigned late = 0;
	struct err err;

	assert_int_equal(lease_late(w->redis, str_of(incarnation), &late, &err), ERR_OK);
	return late == 1;
}

/* ---- the worker is killed ---- */

static void killed_body(struct worker_world *w)
{
	struct lease_worker before;
	struct given g;

	worker_start(w, NULL);
	before = w->registered;
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 3);
	worker_kill(w);
	assert_true(count_processes(g.sid.s) > 0); /* the guard, and its agent */
	worker_start(w, NULL);
	/* The next life begins when nothing of the one before runs any more. */
	assert_int_equal(count_processes(g.sid.s), 0);
	assert_string_equal(w->registered.worker, before.worker);
	assert_false(was_late(w, before.incarnation));
	requeue(w, &g, before.incarnation);
	given_lease(w, &g, &ticks);
	given_await(w, &g, "\"cause\":\"requeue\"");
	given_await(w, &g, "\"previous\"");
	given_await_state(w, &g, SESSION_RUNNING);
	given_cancel(w, &g);
	await_no_process(g.sid.s);
	given_fini(&g);
}

static void a_killed_worker_is_followed_by_one_that_cleans_up_and_takes_the_next_epoch(void **state)
{
	(void)state;
	worker_world_run(killed_body, false);
}

/* ---- the incarnation is lost ---- */

static void lost_body(struct worker_world *w)
{
	struct lease_worker before;
	struct given g;
	struct err err;

	worker_start(w, NULL);
	before = w->registered;
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 3);
	assert_int_equal(lease_end(w->redis, before.incarnation, &err), ERR_OK);
	worker_await(w);
	assert_true(was_late(w, before.incarnation));
	await_no_process(g.sid.s);
	assert_int_equal(given_set(w, &g), QUEUE_LEASED); /* it is the schedulers' to place */
	given_await(w, &g, "tick 1.");
	assert_int_equal(g.state, SESSION_RUNNING);
	given_fini(&g);
}

static void a_worker_whose_lease_was_lost_kills_and_begins_another_life(void **state)
{
	(void)state;
	worker_world_run(lost_body, false);
}

/* ---- the worker stands still ---- */

/* Events of an epoch after one of a later epoch. */
static unsigned stale_events(const struct given *g, uint64_t epoch)
{
	struct str rest = buf_str(&g->text);
	unsigned stale = 0;
	uint64_t highest = 0;

	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');
		uint64_t at;

		if (parse_u64(str_split(&line, '-'), UINT64_MAX, &at)) {
			highest = at > highest ? at : highest;
			stale += at == epoch && highest > epoch;
		}
	}
	return stale;
}

static void await_lost(struct worker_world *w, const char *incarnation)
{
	uint64_t until = clock_mono_ms() + 20000;
	bool lives = true;
	struct err err;

	while (lives) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
		assert_int_equal(lease_lives(w->redis, incarnation, &lives, &err), ERR_OK);
	}
}

static void await_frozen(const struct given *g)
{
	uint64_t until = clock_mono_ms() + 20000;

	while (!agents_are_frozen(g->sid.s)) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
	}
}

static void stopped_body(struct worker_world *w)
{
	struct lease_worker before;
	struct given g;
	uint64_t epoch;

	worker_start(w, NULL);
	before = w->registered;
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 3);
	epoch = g.epoch;
	worker_signal(w, SIGSTOP);
	await_lost(w, before.incarnation);
	await_frozen(&g); /* by the guard alone */
	requeue(w, &g, before.incarnation);
	worker_signal(w, SIGCONT);
	worker_await(w); /* in another life */
	await_no_process(g.sid.s);
	given_lease(w, &g, &ticks);
	given_await_state(w, &g, SESSION_RUNNING);
	given_await(w, &g, "\"cause\":\"requeue\"");
	given_cancel(w, &g);
	given_await_state(w, &g, SESSION_CANCELLED);
	assert_true(g.epoch > epoch);
	assert_int_equal(stale_events(&g, epoch), 0);
	await_no_process(g.sid.s);
	given_fini(&g);
}

static void a_worker_that_stood_still_past_its_lease_has_no_effect_any_more(void **state)
{
	(void)state;
	worker_world_run(stopped_body, false);
}

/* ---- Redis stands still, dies, forgets ---- */

static void orphan_body(struct worker_world *w)
{
	char before[QUEUE_WORKER_MAX + 1];
	struct given g;
	uint64_t begun;

	worker_start(w, "FAIRLEAD_WORKER_ORPHAN=1s");
	memcpy(before, w->registered.incarnation, sizeof(before));
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 3);
	redis_server_signal(&w->server, SIGSTOP);
	begun = clock_mono_ms();
	await_frozen(&g);
	await_no_process(g.sid.s);
	assert_true(clock_mono_ms() >= begun + 1000);
	redis_server_signal(&w->server, SIGCONT);
	worker_await(w); /* in another life: the one before is not renewed */
	await_lost(w, before);
	assert_int_equal(given_set(w, &g), QUEUE_LEASED); /* it is the schedulers' to place */
	given_fini(&g);
}

static void a_worker_kills_what_is_frozen_for_too_long(void **state)
{
	(void)state;
	worker_world_run(orphan_body, false);
}

static void stall_body(struct worker_world *w)
{
	const uint64_t stall_ms = 2000;
	uint64_t until;
	unsigned before;
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 3);
	redis_server_signal(&w->server, SIGSTOP);
	until = clock_mono_ms() + stall_ms;
	while (clock_mono_ms() < until) {
		(void)fiber_sleep(100);
	}
	assert_true(agents_are_frozen(g.sid.s));
	redis_server_signal(&w->server, SIGCONT);
	await_more_ticks(w, &g, 3);
	assert_false(agents_are_frozen(g.sid.s));
	before = ticks_in(&g);
	await_more_ticks(w, &g, 10);
	assert_each_tick_once(&g, before + 10);
	given_move(w, &g, SESSION_STOPPING);
	given_command(w, &g, "stop", NULL);
	given_await_state(w, &g, SESSION_STOPPED);
	given_fini(&g);
}

static void a_redis_that_stands_still_kills_nobody_and_loses_nothing(void **state)
{
	(void)state;
	worker_world_run(stall_body, false);
}

/* What a scheduler does after a loss of Redis: here without PostgreSQL. */
static void recover(struct worker_world *w, const struct given *g, uint64_t generation)
{
	struct log_open opening = { .sid = g->sid,
		                    .tenant = "acme",
		                    .how = LOG_RECOVER,
		                    .cause = "rebuild",
		                    .epoch = g->epoch,
		                    .to = SESSION_RUNNING };
	struct log_result result = { .outcome = LOG_OK };
	char token[32];
	struct err err;

	(void)snprintf(token, sizeof(token), "recover-%" PRIu64, generation);
	opening.token = token;
	assert_int_equal(log_open(&w->store, &opening, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_OK);
}

static void await_reconnect(struct worker_world *w, const char *run_id)
{
	uint64_t until = clock_mono_ms() + 20000;

	while (!redis_connected(w->redis) || strcmp(redis_run_id(w->redis), run_id) == 0) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
	}
}

static void crash_redis(struct worker_world *w)
{
	char run_id[64];

	(void)snprintf(run_id, sizeof(run_id), "%s", redis_run_id(w->redis));
	redis_server_kill(&w->server);
	redis_server_start(&w->server, NULL);
	await_reconnect(w, run_id);
}

static void restart_body(struct worker_world *w)
{
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 3);
	crash_redis(w);
	announce_generation(w, 2);
	recover(w, &g, 2);
	given_await(w, &g, "\"cause\":\"rebuild\"");
	await_more_ticks(w, &g, 10);
	assert_each_tick_once(&g, ticks_in(&g));
	given_move(w, &g, SESSION_STOPPING);
	given_command(w, &g, "stop", NULL);
	given_await_state(w, &g, SESSION_STOPPED);
	given_fini(&g);
}

static void a_redis_that_restarts_kills_nobody(void **state)
{
	(void)state;
	worker_world_run(restart_body, true);
}

static void assert_stays_frozen(const struct given *g)
{
	for (unsigned i = 0; i < 50; i++) {
		assert_true(agents_are_frozen(g->sid.s));
		(void)fiber_sleep(20);
	}
}

static void await_said(const struct worker_world *w, const char *needle)
{
	uint64_t until = clock_mono_ms() + 20000;
	char line[1024];
	bool said = false;

	while (!said) {
		FILE *file = fopen(w->log_path, "re");

		assert_non_null(file);
		while (fgets(line, sizeof(line), file) != NULL) {
			said = said || strstr(line, needle) != NULL;
		}
		(void)fclose(file);
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
	}
}

/* The lease was over when Redis was lost: what came back may not know who got the session next. Its
 * agent waits for the rebuild, which reads that in PostgreSQL and in everybody's journals. */
static void doubt_body(struct worker_world *w)
{
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 3);
	/* What Redis knew of the end of the lease is in the tail that it loses. */
	fiber_group_cancel(&w->duties, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&w->duties, FIBER_NO_TIMEOUT), ERR_OK);
	worker_signal(w, SIGSTOP);
	await_frozen(&g);
	crash_redis(w);
	worker_signal(w, SIGCONT);
	assert_stays_frozen(&g); /* nobody has said which history this is */
	announce_generation(w, 2);
	await_said(w, "worker.rejoined");
	assert_stays_frozen(&g);
	given_await_set(w, &g, QUEUE_LEASED);
	recover(w, &g, 2);
	given_await(w, &g, "\"cause\":\"rebuild\"");
	await_more_ticks(w, &g, 5);
	assert_each_tick_once(&g, ticks_in(&g));
	given_fini(&g);
}

static void an_agent_whose_lease_was_over_waits_for_the_log_after_a_loss(void **state)
{
	(void)state;
	worker_world_run(doubt_body, true);
}

static void await_tail(struct worker_world *w, const struct given *g, uint64_t n)
{
	uint64_t until = clock_mono_ms() + 20000;
	struct log_head head = { .found = false };
	struct err err;

	while (log_head_get(&w->store, &g->sid, "acme", &head, &err) != ERR_OK || !head.found ||
	       head.at.n < n) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
	}
}

/* Redis comes back empty: the log is there again as it was, from the worker's journal alone. */
static void amnesia_body(struct worker_world *w)
{
	struct given g, again = { .last_n = 0 };
	struct lease_worker before;

	worker_start(w, NULL);
	before = w->registered;
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 5);
	crash_redis(w);
	announce_generation(w, 2);
	await_tail(w, &g, g.last_n);
	again.sid = g.sid;
	buf_init(&again.text, 1 << 20);
	given_await(w, &again, "\"tick 5.\"");
	assert_memory_equal(buf_cstr(&again.text), buf_cstr(&g.text), g.text.len);
	recover(w, &g, 2);
	given_await(w, &again, "\"cause\":\"rebuild\"");
	/* The registry of workers is gone too, and the queue: the worker has told both. */
	assert_string_equal(w->registered.incarnation, before.incarnation);
	given_await_set(w, &g, QUEUE_LEASED);
	await_more_ticks(w, &g, 10);
	assert_each_tick_once(&g, ticks_in(&g));
	given_move(w, &g, SESSION_STOPPING);
	given_command(w, &g, "stop", NULL);
	given_await_state(w, &g, SESSION_STOPPED);
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&again);
	given_fini(&g);
}

static void a_redis_that_forgot_gets_the_log_back_from_the_journal(void **state)
{
	(void)state;
	worker_world_run(amnesia_body, false);
}

/* Meanwhile the log was rebuilt without its journal, and is no longer than it was: what is there
 * instead of the worker's entries is the lease of another. */
static void overtaken_body(struct worker_world *w)
{
	struct log_open lease = {
		.tenant = "acme", .how = LOG_RAISE, .cause = "lease", .token = "lease-of-another"
	};
	struct log_result result = { .outcome = LOG_OK };
	struct log_head head;
	struct given g;
	struct err err;

	worker_start(w, NULL);
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 5);
	worker_signal(w, SIGSTOP);
	await_frozen(&g);
	crash_redis(w);
	announce_generation(w, 2);
	recover(w, &g, 2);
	lease.sid = g.sid;
	assert_int_equal(log_open(&w->store, &lease, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_OK);
	assert_true(result.last.n < g.last_n);
	worker_signal(w, SIGCONT);
	await_no_process(g.sid.s);
	assert_int_equal(log_head_get(&w->store, &g.sid, "acme", &head, &err), ERR_OK);
	assert_int_equal(head.at.epoch, result.epoch);
	assert_int_equal(head.at.n, result.last.n);
	given_fini(&g);
}

static void a_worker_does_not_adopt_the_lease_of_another_after_a_loss(void **state)
{
	(void)state;
	worker_world_run(overtaken_body, false);
}

/* Redis forgets, the log is rebuilt without its journal, and the worker goes on there, without its
 * numbers; then Redis forgets again, and the log is what the journal has. */
static void begin_twice(struct worker_world *w, struct given *g)
{
	char argv[512];
	struct order order = { .argv = argv };

	(void)snprintf(
		argv, sizeof(argv),
		SH("i=0; while [ $i -lt 12 ]; do i=$((i+1)); echo tick $i.; sleep 0.05; done; "
	           "until [ -e %s/second ]; do sleep 0.05; done; echo second.; "
	           "until [ -e %s/third ]; do sleep 0.05; done; echo third."),
		w->dir, w->dir);
	worker_start(w, NULL);
	given_run(w, g, &order);
	given_await(w, g, "\"tick 12.\"");
}

static void go_on(const struct worker_world *w, const char *word)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", w->dir, word);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static void twice_body(struct worker_world *w)
{
	struct given g, second = { .last_n = 0 }, third = { .last_n = 0 };

	begin_twice(w, &g);
	worker_signal(w, SIGSTOP);
	crash_redis(w);
	announce_generation(w, 2);
	recover(w, &g, 2);
	worker_signal(w, SIGCONT);
	second.sid = third.sid = g.sid;
	buf_init(&second.text, 1 << 20);
	buf_init(&third.text, 1 << 20);
	go_on(w, "second");
	given_await(w, &second, "\"second.\"");
	crash_redis(w);
	announce_generation(w, 3);
	await_tail(w, &g, g.last_n);
	recover(w, &g, 3);
	go_on(w, "third");
	given_await(w, &third, "\"third.\"");
	given_await_state(w, &third, SESSION_COMPLETED);
	assert_each_tick_once(&third, 12);
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&second);
	given_fini(&third);
	given_fini(&g);
}

static void what_is_said_after_redis_forgot_twice_is_in_the_log(void **state)
{
	(void)state;
	worker_world_run(twice_body, false);
}

/* The worker dies, then Redis forgets: what the worker left on its disk is given back by the next.
 */
static void both_body(struct worker_world *w)
{
	struct given g, again = { .last_n = 0 };
	size_t kept;

	worker_start(w, NULL);
	given_run(w, &g, &ticks);
	await_more_ticks(w, &g, 6);
	worker_kill(w);
	crash_redis(w);
	announce_generation(w, 2);
	worker_start(w, NULL);
	again.sid = g.sid;
	buf_init(&again.text, 1 << 20);
	given_await(w, &again, "\"tick 4.\"");
	/* What was acknowledged at the very end may not have been written down. */
	kept = (size_t)(strstr(buf_cstr(&g.text), "\"tick 4.\"") - buf_cstr(&g.text));
	assert_memory_equal(buf_cstr(&again.text), buf_cstr(&g.text), kept);
	given_fini(&again);
	given_fini(&g);
}

static void a_journal_outlives_its_worker(void **state)
{
	(void)state;
	worker_world_run(both_body, false);
}

/* ---- more output than anybody can keep ---- */

/* The log takes little of it: what is left would not fit into what the worker may grow by. */
#define LOG_TAKES "FAIRLEAD_SESSION_UNARCHIVED_MAX=2MiB"
enum { MUCH_MIB = 20, LOG_TAKES_MIB = 2, KEEP_BYTES = 4 * 1024 * 1024, GROWTH_MAX_MIB = 14 };

struct archive_duty {
	struct worker_world *world;
	struct given *given;
	uint64_t events, bytes, largest;
};

/* Takes everything away as an archiver would, and looks at what it takes. */
static void archive_all(void *arg)
{
	struct archive_duty *a = arg;
	struct worker_world *w = a->world;

	while (!fiber_cancelled()) {
		struct log_trim trim = { .sid = a->given->sid, .tenant = "acme" };
		const struct log_range range = { .sid = a->given->sid,
			                         .tenant = "acme",
			                         .after = { 0, a->events },
			                         .max_count = LOG_READ_MAX,
			                         .max_bytes = KEEP_BYTES };
		struct log_page page = { 0 };
		struct log_result result;
		struct err err;

		if (log_read(&w->store, &range, &page, &err) == ERR_OK && page.count > 0) {
			for (size_t i = 0; i < page.count; i++) {
				assert_int_equal(page.events[i].at.n, a->events + 1 + i);
				trim.bytes += log_event_cost(&page.events[i]);
				a->bytes += page.events[i].data.n;
			}
			a->largest = page.head.unarchived > a->largest ? page.head.unarchived
			                                               : a->largest;
			trim.from = a->events;
			trim.to = a->events + page.count;
			trim.trim = page.events[page.count - 1].at;
			if (log_trim(&w->store, &trim, &result, &err) == ERR_OK &&
			    result.outcome == LOG_OK) {
				a->events = trim.to;
			}
		} else {
			(void)fiber_sleep(10);
		}
		log_page_fini(&page);
	}
}

/* For as long as something is added to the log now and then, however slowly. */
static void look_again(struct worker_world *w, const struct given *g, struct log_head *head)
{
	const uint64_t until = clock_mono_ms() + 60000, n = head->at.n;
	const enum session_state before = head->state;
	struct err err;

	do {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(50);
		assert_int_equal(log_head_get(&w->store, &g->sid, "acme", head, &err), ERR_OK);
	} while (head->at.n == n && head->state == before);
}

static void much_body(struct worker_world *w)
{
	char argv[160];
	struct order order = { .argv = argv };
	struct archive_duty duty = { .world = w };
	struct log_head head = { .found = false };
	uint64_t begun, before_kib;
	struct given g;

	(void)snprintf(argv, sizeof(argv),
	               SH("echo begin; head -c %dM /dev/zero | tr '\\\\0' 'x'; echo; echo end"),
	               MUCH_MIB);
	worker_start(w, LOG_TAKES);
	before_kib = rss_kib(w->worker);
	given_run(w, &g, &order);
	given_await(w, &g, "\"status\":\"running\"");
	begun = clock_mono_ms();
	duty.given = &g;
	/* Nobody archives yet: the log takes what its limit allows, and the agent waits. */
	while (head.unarchived < (LOG_TAKES_MIB * 1024 - 512) * 1024) {
		look_again(w, &g, &head);
	}
	(void)fiber_start(w->loop, &w->duties, "archive", archive_all, &duty);
	while (head.state != SESSION_COMPLETED) {
		look_again(w, &g, &head);
	}
	while (duty.events < head.at.n) {
		(void)fiber_sleep(20);
	}
	fiber_group_cancel(&w->duties, ERR_CANCELLED); /* it has what is ours */
	assert_int_equal(fiber_group_wait(&w->duties, FIBER_NO_TIMEOUT), ERR_OK);
	assert_int_equal(g.epoch, head.at.epoch); /* nor does it cost the worker its lease */
	print_message("%d MiB in %.1f s, worker at most %" PRIu64 " MiB more, log at most %" PRIu64
	              " KiB beyond the archive\n",
	              MUCH_MIB, (double)(clock_mono_ms() - begun) / 1000.0,
	              (rss_kib(w->worker) - before_kib) / 1024, duty.largest / 1024);
	assert_true(duty.bytes > (uint64_t)MUCH_MIB * 1024 * 1024);
	assert_true(duty.largest <= (LOG_TAKES_MIB + 1) * 1024 * 1024);
	assert_true(rss_kib(w->worker) < before_kib + (uint64_t)GROWTH_MAX_MIB * 1024);
	given_fini(&g);
}

static void a_flood_of_output_flows_through_bounded_memory(void **state)
{
	(void)state;
	worker_world_run(much_body, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_killed_worker_is_followed_by_one_that_cleans_up_and_takes_the_next_epoch),
		cmocka_unit_test(a_worker_whose_lease_was_lost_kills_and_begins_another_life),
		cmocka_unit_test(a_worker_that_stood_still_past_its_lease_has_no_effect_any_more),
		cmocka_unit_test(a_worker_kills_what_is_frozen_for_too_long),
		cmocka_unit_test(a_redis_that_stands_still_kills_nobody_and_loses_nothing),
		cmocka_unit_test(a_redis_that_restarts_kills_nobody),
		cmocka_unit_test(an_agent_whose_lease_was_over_waits_for_the_log_after_a_loss),
		cmocka_unit_test(a_redis_that_forgot_gets_the_log_back_from_the_journal),
		cmocka_unit_test(a_worker_does_not_adopt_the_lease_of_another_after_a_loss),
		cmocka_unit_test(what_is_said_after_redis_forgot_twice_is_in_the_log),
		cmocka_unit_test(a_journal_outlives_its_worker),
		cmocka_unit_test(a_flood_of_output_flows_through_bounded_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
