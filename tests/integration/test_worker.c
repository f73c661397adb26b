/* fairlead-worker, a real git, a real Redis: what a session's log says when things go as they do.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/prompt_claim.h"
#include "queue/mail.h"
#include "tests/integration/worker_world.h"
#include "tests/support/own_cgroup.h"
#include "tests/support/test.h"

#define SH(script) "\"sh\",\"-c\",\"" script "\""

/* Each is found after the one before. */
static void assert_absent(const struct given *g, const char *needle)
{
	assert_null(strstr(buf_cstr(&g->text), needle));
}

static void work_body(struct worker_world *w)
{
	static const char *const story[] = {
		" epoch {\"epoch\":2,\"cause\":\"lease\"",
		" progress {\"stage\":\"preparing the workspace\"}",
		" status {\"status\":\"running\",\"worker\":\"",
		" log {\"level\":\"info\",\"message\":\"hello do it\",\"stream\":\"stdout\"}",
		" file_edit {\"file_path\":\"README\",\"lines_added\":1,\"lines_removed\":0",
		(" diff {\"path\":\"README\",\"oldText\":\"one\\n\",\"newText\":\"one\\nmore\\n\","
		 "\"patch\":\"diff --git a/README b/README\\n"),
		" file_edit {\"file_path\":\"sub/new.txt\"",
		" diff {\"path\":\"sub/new.txt\"",
		" delivery {\"mode\":\"branch\",\"ref\":\"refs/fairlead/",
		(" status "
		 "{\"status\":\"completed\",\"exitCode\":0,\"changes\":{\"files_changed\":2,"
		 "\"lines_added\":2,\"lines_removed\":0}}"),
	};
	const struct order order = { .argv = SH("echo hello $FAIRLEAD_PROMPT; echo oops >&2; "
		                                "echo more >> README; mkdir sub; "
		                                "echo new > sub/new.txt"),
		                     .repo = w->repo,
		                     .delivery = "branch" };
	char script[512];
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_mail(w, &g, &order); /* a reminder of what it does already */
	given_await_state(w, &g, SESSION_COMPLETED);
	given_mail(w, &g, &order); /* and one that comes late */
	given_in_order(&g, story, ARRAY_LEN(story));
	given_await(w, &g, "\"message\":\"oops\",\"stream\":\"stderr\"");
	given_await_set(w, &g, QUEUE_DONE);
	(void)snprintf(
		script, sizeof(script),
		"cd %s; for i in $(seq 500); do find workspaces private homes "
		"-name '%s*' 2>/dev/null | grep . >/dev/null || exit 0; sleep 0.01; done; exit 1",
		w->state, g.sid.s);
	assert_int_equal(system(script), 0);
	given_fini(&g);
}

static void work_is_done_told_and_delivered(void **state)
{
	(void)state;
	worker_world_run(work_body, false);
}

/* ---- the user's branch ---- */

static void ask_delivery(struct worker_world *w, const char *name, const char *commit,
                         const char *branch, char answer[MAIL_ANSWER_MAX + 1])
{
	char body[1024];
	const int n = snprintf(body, sizeof(body),
	                       "{\"name\":\"%s\",\"url\":\"%s\",\"commit\":\"%s\","
	                       "\"branch\":\"%s\"}",
	                       name, w->repo, commit, branch);
	const struct mail mail = { .kind = STR_LIT("deliver"),
		                   .incarnation = str_of(w->registered.incarnation),
		                   .sid = id_new(),
		                   .body = str_make(body, (size_t)n) };
	uint64_t until = clock_mono_ms() + 20000;
	struct err err;

	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	while (mail_answered(w->redis, name, answer, &err) != ERR_OK) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
	}
}

static void git_line_of(const struct worker_world *w, const char *words, char out[64])
{
	char command[256];
	FILE *git;

	(void)snprintf(command, sizeof(command), "git -C %s %s", w->repo, words);
	git = popen(command, "re");
	assert_non_null(git);
	out[0] = '\0';
	(void)!fgets(out, 64, git);
	assert_int_equal(pclose(git), 0);
	out[strcspn(out, "\n")] = '\0';
}

static void branch_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("echo more >> README"),
		                     .repo = w->repo,
		                     .delivery = "branch" };
	char answer[MAIL_ANSWER_MAX + 1], commit[64], at[64], later[64], words[128];
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_COMPLETED);
	/* Nothing but its own ref: the branch waits for a scheduler. */
	git_line_of(w, "for-each-ref --format='%(refname)' refs/heads", at);
	assert_string_equal(at, "refs/heads/main");
	(void)snprintf(words, sizeof(words), "rev-parse refs/fairlead/%s/2", g.sid.s);
	git_line_of(w, words, commit);

	ask_delivery(w, "one", commit, "topic/done", answer);
	assert_string_equal(answer, "done");
	git_line_of(w, "rev-parse refs/heads/topic/done", at);
	assert_string_equal(at, commit);
	ask_delivery(w, "again", commit, "topic/done", answer);
	assert_string_equal(answer, "done");

	/* Somebody else put work there meanwhile: it stays. */
	git_line_of(w, "-c user.name=t -c user.email=t@t commit -q --allow-empty -m theirs", at);
	git_line_of(w, "branch theirs", at);
	git_line_of(w, "rev-parse theirs", at);
	ask_delivery(w, "two", commit, "theirs", answer);
	assert_memory_equal(answer, "failed ", 7);
	git_line_of(w, "rev-parse theirs", later);
	assert_string_equal(later, at);
	ask_delivery(w, "three", commit, "-x", answer);
	assert_memory_equal(answer, "failed ", 7);
	ask_delivery(w, "four", "0123456789012345678901234567890123456789", "other", answer);
	assert_memory_equal(answer, "again ", 6);
	given_fini(&g);
}

static void a_branch_is_moved_forward_when_a_scheduler_asks_and_never_otherwise(void **state)
{
	(void)state;
	worker_world_run(branch_body, false);
}

static void failures_body(struct worker_world *w)
{
	const struct order fails = { .argv = SH("echo bye; exit 3") },
			   missing = { .argv = "\"/no/such/program\"" },
			   no_repo = { .argv = "\"true\"", .repo = "/no/such/repository" },
			   killed = { .argv = SH("kill -SEGV $$") };
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &fails);
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "{\"status\":\"failed\",\"reason\":\"exit code 3\",\"exitCode\":3");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);

	given_run(w, &g, &missing);
	given_await_state(w, &g, SESSION_FAILED);
	assert_absent(&g, "\"running\"");
	assert_absent(&g, "exitCode");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);

	given_run(w, &g, &no_repo);
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "\"reason\":\"workspace: ");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);

	given_run(w, &g, &killed);
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "\"reason\":\"ended by signal SEGV\",\"signal\":\"SEGV\"");
	given_fini(&g);
}

static void failures_end_with_their_reason(void **state)
{
	(void)state;
	worker_world_run(failures_body, false);
}

static void retry_body(struct worker_world *w)
{
	const struct order first = { .argv = SH("exit 3"), .attempt = 1, .of = 2 },
			   second = { .argv = SH("exit 4"), .attempt = 2, .of = 2 },
			   stopped = { .argv = SH("sleep 60"), .attempt = 1, .of = 2 };
	struct given g;

	worker_start(w, "FAIRLEAD_RETRY_BASE=200ms");
	given_run(w, &g, &first);
	given_await(w, &g,
	            "attempt_failed {\"attempt\":1,\"maxAttempts\":2,\"reason\":\"exit code 3\","
	            "\"exitCode\":3,\"delayMs\":");
	given_await(w, &g, "{\"status\":\"queued\",\"reason\":\"the attempt failed\"}");
	/* The place in the queue is there again, and the slot is free. */
	given_lease(w, &g, &second);
	given_await(w, &g, "\"attempt\":2}");
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "{\"status\":\"failed\",\"reason\":\"exit code 4\",\"exitCode\":4");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);

	given_run(w, &g, &stopped);
	given_await_state(w, &g, SESSION_RUNNING);
	given_move(w, &g, SESSION_STOPPING);
	given_command(w, &g, "stop", "{\"reason\":\"deadline\"}");
	given_await_state(w, &g, SESSION_STOPPED);
	given_await(w, &g, "{\"status\":\"stopped\",\"reason\":\"deadline\"");
	assert_absent(&g, "attempt_failed");
	given_fini(&g);
}

static void an_attempt_that_fails_goes_back_while_one_is_left(void **state)
{
	(void)state;
	worker_world_run(retry_body, false);
}

static void pause_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("i=0; while :; do i=$((i+1)); echo tick $i; "
		                                "sleep 0.05; done") };
	struct given g;
	uint64_t n;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await(w, &g, "tick 3\"");
	given_move(w, &g, SESSION_PAUSING);
	given_command(w, &g, "pause", NULL);
	given_await_state(w, &g, SESSION_PAUSED);
	given_await(w, &g, "command_finished");
	(void)fiber_sleep(300); /* that nothing happens can only be waited for */
	given_await(w, &g, "tick");
	n = g.last_n;
	(void)fiber_sleep(300);
	given_await(w, &g, "tick");
	assert_int_equal(g.last_n, n);
	given_move(w, &g, SESSION_RESUMING);
	given_command(w, &g, "resume", NULL);
	given_await_state(w, &g, SESSION_RUNNING);
	given_move(w, &g, SESSION_STOPPING);
	given_command(w, &g, "stop", NULL);
	given_await_state(w, &g, SESSION_STOPPED);
	given_await(w, &g,
	            "\"status\":\"stopped\",\"reason\":\"stop was asked\",\"signal\":\"TERM\"");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);
}

static void a_paused_agent_is_silent_until_it_is_resumed(void **state)
{
	(void)state;
	worker_world_run(pause_body, false);
}

static void stop_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("trap '' TERM; setsid sleep 7777 & echo up; "
		                                "while :; do sleep 1; done") };
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await(w, &g, "\"up\"");
	given_move(w, &g, SESSION_STOPPING);
	given_command(w, &g, "stop", NULL);
	given_await_state(w, &g, SESSION_STOPPED);
	given_await(w, &g, "\"signal\":\"KILL\"");
	await_no_process(g.sid.s);
	assert_int_equal(count_processes("7777"), 0);
	given_fini(&g);
}

static void an_agent_that_ignores_the_stop_is_killed_with_all_it_started(void **state)
{
	(void)state;
	worker_world_run(stop_body, false);
}

static void cancel_body(struct worker_world *w)
{
	const struct order loud = { .argv = SH("while :; do echo loud; sleep 0.05; done") },
			   quiet = { .argv = SH("echo quiet; sleep 7778") };
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &loud); /* its next append tells it */
	given_await(w, &g, "loud");
	given_cancel(w, &g);
	await_no_process(g.sid.s);
	given_await_state(w, &g, SESSION_CANCELLED);
	given_fini(&g);

	given_run(w, &g,
	          &quiet); /* nothing is appended, and the note is lost: heads are looked at */
	given_await(w, &g, "\"quiet\"");
	given_cancel(w, &g);
	await_no_process("7778");
	given_await_state(w, &g, SESSION_CANCELLED);
	given_await(w, &g, "cancelled\"}\n");
	assert_string_equal(strstr(buf_cstr(&g.text), "cancelled\"}\n"), "cancelled\"}\n");
	given_fini(&g);
}

static void a_cancelled_session_is_killed_and_says_nothing_more(void **state)
{
	(void)state;
	worker_world_run(cancel_body, false);
}

/* What its clients did with the prompt: another version is there, or (0) it is taken back. */
static void change_prompt(struct worker_world *w, const struct given *g, const struct id *id,
                          uint64_t version)
{
	struct err err;
	bool changed = false;

	assert_int_equal(prompt_claim_change(w->redis, &g->sid, id, version, &changed, &err),
	                 ERR_OK);
	assert_true(changed);
}

static void prompt_body(struct worker_world *w)
{
	static const char *const story[] = {
		"\"result\":{\"source\":\"local\",\"text\":\"/help: ",
		"\"outcome\":\"cancelled\"",
		"command_started {\"command_id\":\"",
		"message {\"role\":\"user\",\"content\":\"write it\"}",
		"turn_started {\"turn\":1}",
		"command_finished",
		"\"message\":\"got write it\"",
		"file_edit {\"file_path\":\"note\"",
		"turn_finished {\"turn\":1,\"stop_reason\":\"quiet\"}",
		"content\":\"again\"",
		"turn_started {\"turn\":2}",
		"\"oldText\":\"write it\\n\",\"newText\":\"write it\\nagain\\n\"",
		"turn_finished {\"turn\":2",
		"delivery {\"mode\":\"patch\",\"bytes\":",
		"\"completed\"",
		"\"files_changed\":1,\"lines_added\":2",
	};
	const struct order order = { .argv = SH("for i in 1 2; do read l; echo $l >> note; "
		                                "echo got $l; done; read l"),
		                     .delivery = "patch" };
	const struct id gone = id_new(), edited = id_new();
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_RUNNING);
	given_command(w, &g, "slash", "{\"command\":\"/help\"}");
	given_await(w, &g, "\"source\":\"local\"");
	change_prompt(w, &g, &gone, 0);
	given_command_of(w, &g, &gone, "prompt", "{\"prompt\":\"taken back\"}");
	given_await(w, &g, "\"outcome\":\"cancelled\"");
	change_prompt(w, &g, &edited, 2);
	given_command_of(w, &g, &edited, "prompt", "{\"prompt\":\"write that\"}");
	given_command_of(w, &g, &edited, "prompt", "{\"prompt\":\"write it\",\"version\":2}");
	given_await(w, &g, "turn_finished {\"turn\":1");
	given_command(w, &g, "prompt", "{\"prompt\":[{\"type\":\"text\",\"text\":\"again\"}]}");
	given_await(w, &g, "turn_finished {\"turn\":2");
	given_command(w, &g, "prompt", "{\"prompt\":\"end\"}");
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_fini(&g);
}

static void prompts_reach_standard_input_and_each_turn_tells_its_changes(void **state)
{
	(void)state;
	worker_world_run(prompt_body, false);
}

/* However much was asked of it before. */
static void many_commands_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("cat >/dev/null; sleep 60") };
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_RUNNING);
	for (unsigned i = 0; i < 11; i++) {
		char prompt[32], last[32];

		for (unsigned k = 0; k < 100; k++) {
			(void)snprintf(prompt, sizeof(prompt), "{\"prompt\":\"%u.%u\"}", i, k);
			given_command(w, &g, "prompt", prompt);
		}
		(void)snprintf(last, sizeof(last), "\"content\":\"%u.99\"", i);
		given_await(w, &g, last);
	}
	given_command(w, &g, "stop", "{}");
	given_await_state(w, &g, SESSION_STOPPED);
	given_fini(&g);
}

static void a_session_obeys_after_more_than_a_thousand_commands(void **state)
{
	(void)state;
	worker_world_run(many_commands_body, false);
}

static void early_stop_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("echo never"), .repo = w->repo };
	struct given g;

	worker_start(w, NULL);
	given_submit(w, &g);
	given_lease(w, &g, NULL);
	given_move(w, &g, SESSION_STOPPING);
	given_mail(w, &g, &order);
	given_await_state(w, &g, SESSION_STOPPED);
	assert_absent(&g, "running");
	assert_absent(&g, "never");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);
}

static void a_session_that_was_stopped_early_never_starts(void **state)
{
	(void)state;
	worker_world_run(early_stop_body, false);
}

static void timeout_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("echo up; sleep 60"),
		                     .settings = ",\"timeout_s\":1,\"pty\":true" };
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "\"message\":\"up\",\"stream\":\"stdout\"");
	given_await(w, &g, "\"reason\":\"timed out after 1 s\"");
	given_fini(&g);
}

static void a_command_that_takes_too_long_fails(void **state)
{
	(void)state;
	worker_world_run(timeout_body, false);
}

static void refuse_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("echo up; sleep 60") };
	struct given first, second;

	worker_start(w, "FAIRLEAD_WORKER_SLOTS=1");
	given_run(w, &first, &order);
	given_await(w, &first, "\"up\"");
	given_run(w, &second, &order);
	given_await_state(w, &second, SESSION_QUEUED);
	given_await(w, &second, "{\"status\":\"queued\",\"reason\":\"no slot was free\"}");
	given_await_set(w, &second, QUEUE_DELAYED);
	given_cancel(w, &first);
	await_no_process(first.sid.s);
	do { /* the slot is free when the files of the first are gone too */
		given_lease(w, &second, &order);
		given_await_change(w, &second, SESSION_PROVISIONING);
	} while (second.state == SESSION_QUEUED);
	given_await(w, &second, "\"up\"");
	given_fini(&first);
	given_fini(&second);
}

/* The queue gives the place of a session that has finished to the next one at once. */
static void next_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("mkdir d; cd d; seq 2000 | xargs touch"),
		                     .repo = w->repo };
	struct given before, after;

	worker_start(w, "FAIRLEAD_WORKER_SLOTS=1");
	given_run(w, &before, &order);
	for (int i = 0; i < 5; i++) {
		given_submit(w, &after);
		given_await_set(w, &before, QUEUE_DONE);
		given_lease(w, &after, &order);
		given_await_change(w, &after, SESSION_PROVISIONING);
		assert_int_not_equal(after.state, SESSION_QUEUED);
		given_fini(&before);
		before = after;
	}
	given_fini(&before);
}

static void a_session_that_has_finished_makes_room_before_the_queue_knows(void **state)
{
	(void)state;
	worker_world_run(next_body, false);
}

static void a_session_without_a_slot_goes_back_unharmed(void **state)
{
	(void)state;
	worker_world_run(refuse_body, false);
}

static void drain_body(struct worker_world *w)
{
	const struct order order = { .argv = SH("trap 'echo goodbye; exit 0' TERM; echo up; "
		                                "while :; do sleep 0.1; done") };
	struct lease_worker living[4];
	size_t count = 4;
	struct given g;
	struct err err;
	int status;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await(w, &g, "\"up\"");
	worker_signal(w, SIGTERM);
	status = worker_reap(w);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	given_await(w, &g, "goodbye"); /* what it said last is kept */
	given_await(w, &g,
	            "{\"status\":\"queued\","
	            "\"reason\":\"its worker is being drained\"}");
	assert_int_equal(g.state, SESSION_QUEUED);
	assert_int_equal(given_set(w, &g), QUEUE_READY);
	assert_int_equal(given_lost(w, &g), 0); /* it was no worker's loss */
	assert_int_equal(lease_list(w->redis, living, 4, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
	assert_int_equal(count_processes(g.sid.s), 0);
	given_fini(&g);
}

static void a_worker_that_stops_leaves_nothing_running_and_hands_its_sessions_over(void **state)
{
	(void)state;
	worker_world_run(drain_body, false);
}

/* A session between turns is handed over at once; one in a turn when that has ended; one that is
 * paused stays paused; and the worker takes sessions again when it is told to. */
static void turn_body(struct worker_world *w)
{
	const struct order reads = { .argv = SH("while read l; do echo got $l; done") },
			   works = { .argv = SH("while read l; do for i in 1 2 3 4 5 6; do "
		                                "echo $l $i; sleep 0.2; done; done") },
			   ticks = { .argv = SH("while :; do echo tick; sleep 0.1; done") };
	struct mail mail = { .kind = STR_LIT("drain") };
	struct given idle, busy, paused;
	struct err err;

	worker_start(w, "FAIRLEAD_DRAIN_TIMEOUT=15s");
	given_run(w, &idle, &reads);
	given_await_state(w, &idle, SESSION_RUNNING);
	given_command(w, &idle, "prompt", "{\"prompt\":\"first\"}");
	given_await(w, &idle, "turn_finished {\"turn\":1");
	given_run(w, &paused, &ticks);
	given_await(w, &paused, "tick");
	given_command(w, &paused, "pause", NULL);
	given_await_state(w, &paused, SESSION_PAUSED);
	given_run(w, &busy, &works);
	given_await_state(w, &busy, SESSION_RUNNING);
	given_command(w, &busy, "prompt", "{\"prompt\":\"work\"}");
	given_await(w, &busy, "work 1");
	mail.incarnation = str_of(w->registered.incarnation);
	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	given_await_state(w, &idle, SESSION_QUEUED);
	given_await_set(w, &idle, QUEUE_READY);
	given_await_set(w, &paused, QUEUE_READY);
	given_await_state(w, &paused, SESSION_PAUSED);
	given_await_state(w, &busy, SESSION_QUEUED);
	given_in_order(&busy, (const char *const[]){ "work 6", "turn_finished", "queued" }, 3);
	given_await_set(w, &busy, QUEUE_READY);
	mail.kind = STR_LIT("undrain");
	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	given_cancel(w, &busy);
	given_done(w, &busy);
	given_cancel(w, &paused);
	given_done(w, &paused);
	do { /* what is given to it before it has read the note is refused */
		given_lease(w, &idle, &reads);
		given_await_change(w, &idle, SESSION_PROVISIONING);
	} while (idle.state == SESSION_QUEUED);
	assert_int_equal(idle.state, SESSION_RUNNING);
	given_cancel(w, &idle); /* or the end of its turn is waited for */
	await_no_process(idle.sid.s);
	given_fini(&idle);
	given_fini(&busy);
	given_fini(&paused);
}

static void a_drained_worker_hands_over_at_the_end_of_turns(void **state)
{
	(void)state;
	worker_world_run(turn_body, false);
}

/* ---- what it cannot begin ---- */

static void unreadable_body(struct worker_world *w)
{
	const struct order damaged = { .argv = "7" }, fine = { .argv = "\"true\"" };
	struct given g;
	char path[256];

	worker_start(w, NULL);
	given_run(w, &g, &damaged);
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "\"reason\":\"the worker cannot read its order: ");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);

	(void)snprintf(path, sizeof(path), "rmdir %s/journal && echo > %s/journal", w->state,
	               w->state);
	assert_int_equal(system(path), 0);
	given_run(w, &g, &fine);
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "\"reason\":\"the worker cannot keep its journal: ");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);
}

static void what_a_worker_cannot_begin_fails_with_the_reason(void **state)
{
	(void)state;
	worker_world_run(unreadable_body, false);
}

static void note_body(struct worker_world *w)
{
	struct mail mail = { .kind = STR_LIT("drain"), .incarnation = STR_LIT("a life before") };
	uint64_t until = clock_mono_ms() + 20000;
	struct lease_worker living[4] = { { .slots = 0 } };
	size_t count = 0;
	struct err err;

	worker_start(w, "FAIRLEAD_WORKER_LABELS=zone=a");
	/* And those agents whose programs are on this host. */
	assert_true(str_starts(str_of(w->registered.has),
	                       STR_LIT("runtime=local,runtime=disabled,agent=command,agent=acp")));
	assert_true(str_ends(str_of(w->registered.has), STR_LIT(",zone=a")));
	assert_non_null(strstr(w->registered.has, ",protocol=1,"));
	assert_false(w->registered.draining);
	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	mail.kind = STR_LIT("no such kind");
	mail.incarnation = str_of(w->registered.incarnation);
	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	mail.kind = STR_LIT("run");
	mail.sid = id_new();
	mail.body = STR_LIT("{");
	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	mail.kind = STR_LIT("drain");
	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	while (!living[0].draining) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
		assert_int_equal(lease_list(w->redis, living, 4, &count, &err), ERR_OK);
	}
	assert_int_equal(count, 1);
	assert_string_equal(living[0].incarnation, w->registered.incarnation);
}

static void damaged_notes_are_passed_over_and_a_drain_is_obeyed(void **state)
{
	(void)state;
	worker_world_run(note_body, false);
}

/* ---- sandboxes ---- */

static void in_a_sandbox(struct worker_world *w)
{
	static const char script[] =
		"\"sh\",\"-c\",\"touch made 2>/dev/null && echo made it; "
		"ls -A $HOME/.. | wc -l; echo $HTTPS_PROXY; tail -n +3 /proc/net/dev | wc -l; "
		"echo '{\\\"op\\\":\\\"note\\\",\\\"message\\\":\\\"heard\\\"}' | "
		"python3 -c 'import os,socket,sys; s=socket.socket(1); "
		"s.connect(os.environ[\\\"FAIRLEAD_AGENT_SOCKET\\\"]); "
		"s.sendall(sys.stdin.buffer.read()); print(s.recv(99))'\"";
	struct given write = { .attempt = 0 }, read = { .attempt = 0 };
	struct order order = { .argv = script, .runtime = ",\"sandbox\":\"workspace-write\"" };

	worker_start(w, NULL);
	if (strstr(w->registered.has, "sandbox=bwrap") == NULL) {
		print_message("no sandboxes here\n");
		return;
	}
	given_run(w, &write, &order);
	given_await(w, &write,
	            "\"sandbox\":{\"profile\":\"workspace-write\",\"limits\":{\"processes\":512}}");
	given_await(w, &write, "\"message\":\"made it\"");
	given_await(w, &write, "\"message\":\"3\""); /* its home, its two sockets */
	given_await(w, &write, "http://127.0.0.1:3128");
	given_await(w, &write, "\"message\":\"1\"");
	given_await(w, &write, "\\\"ok\\\":true");
	given_await_state(w, &write, SESSION_COMPLETED);
	order.runtime = ",\"sandbox\":\"read-only\"";
	given_run(w, &read, &order);
	given_await_state(w, &read, SESSION_COMPLETED);
	given_await(w, &read, "http://127.0.0.1:3128");
	assert_null(strstr(buf_cstr(&read.text), "made it"));
	given_fini(&write);
	given_fini(&read);
}

static void an_agent_in_a_sandbox_has_its_own_and_its_sockets(void **state)
{
	(void)state;
	worker_world_run(in_a_sandbox, false);
}

/* ---- limits ---- */

static void configure(const struct worker_world *w, const char *text, char setting[128])
{
	char path[96];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/conf", w->dir);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	(void)snprintf(setting, 128, "FAIRLEAD_CONFIG=%s", path);
}

static void limits_body(struct worker_world *w)
{
	static const char asks[] = ",\"resources\":{\"cpu\":0.5,\"memoryMiB\":2048,"
				   "\"processes\":9,\"diskMiB\":1}";
	const struct order fills = { .argv = SH("head -c 3000000 /dev/zero >big; sleep 600"),
		                     .runtime = asks };
	struct given g;
	char setting[128];

	configure(w,
	          "worker.cgroup = none\nworker.session_memory = 1GiB\n"
	          "worker.session_processes = 7\nworker.session_processes_max = 8\n"
	          "worker.session_io = 5MiB\nworker.session_disk = 3GiB\n",
	          setting);
	worker_start(w, setting);
	given_run(w, &g, &fills);
	given_await(w, &g,
	            "\"limits\":{\"memory\":{\"max\":1073741824,\"by\":\"nothing\"},"
	            "\"processes\":{\"max\":8,\"by\":\"nothing\"},"
	            "\"cpu\":{\"max\":50,\"by\":\"nothing\"},"
	            "\"io\":{\"max\":5242880,\"by\":\"nothing\"},"
	            "\"disk\":{\"max\":1048576,\"by\":\"looks\"}}");
	given_await(w, &g,
	            "note {\"message\":\"its worker cannot hold limits that its task asks for: "
	            "memory, processes, cpu\"}");
	given_await(w, &g,
	            "note {\"message\":\"its task asks for more than its worker allows: memory, "
	            "processes\"}");
	given_await(w, &g,
	            "limit {\"resource\":\"disk\",\"max\":1048576,\"by\":\"looks\",\"bytes\":");
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "{\"status\":\"failed\",\"reason\":\"its files take ");
	given_fini(&g);
}

static void limits_that_hold_are_told_and_files_beyond_theirs_end_a_session(void **state)
{
	(void)state;
	worker_world_run(limits_body, false);
}

static bool has_cgroup(const char *folder, const struct worker_world *w, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/fairlead-%s/%s", folder, w->registered.worker, name);
	return access(path, F_OK) == 0;
}

static void cgroup_body(struct worker_world *w)
{
	const struct order ends = { .argv = SH("cat /proc/self/cgroup; (setsid sleep 600 &); "
		                               "read go") };
	char folder[200], text[256], setting[128];
	struct given g;

	if (!own_cgroup_make(folder, sizeof(folder))) {
		/* Most users may make no cgroup, and older hosts have no version 2. */
		print_message("no cgroups to try here\n");
		return;
	}
	(void)snprintf(text, sizeof(text), "worker.cgroup = %s\n", folder);
	configure(w, text, setting);
	worker_start(w, setting);
	given_run(w, &g, &ends);
	given_await(w, &g, g.sid.s);
	given_await(w, &g, "/g"); /* its guard's own */
	assert_true(has_cgroup(folder, w, g.sid.s));
	given_command(w, &g, "stop", "{}");
	given_await_set(w, &g, QUEUE_DONE);
	worker_signal(w, SIGTERM);
	assert_int_equal(worker_reap(w), 0);
	assert_false(has_cgroup(folder, w, g.sid.s));
	assert_true(own_cgroup_remove(folder, w->registered.worker));
	given_fini(&g);
}

static void a_session_has_a_cgroup_for_as_long_as_it_runs(void **state)
{
	(void)state;
	worker_world_run(cgroup_body, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_is_done_told_and_delivered),
		cmocka_unit_test(
			a_branch_is_moved_forward_when_a_scheduler_asks_and_never_otherwise),
		cmocka_unit_test(failures_end_with_their_reason),
		cmocka_unit_test(an_attempt_that_fails_goes_back_while_one_is_left),
		cmocka_unit_test(a_paused_agent_is_silent_until_it_is_resumed),
		cmocka_unit_test(an_agent_that_ignores_the_stop_is_killed_with_all_it_started),
		cmocka_unit_test(a_cancelled_session_is_killed_and_says_nothing_more),
		cmocka_unit_test(prompts_reach_standard_input_and_each_turn_tells_its_changes),
		cmocka_unit_test(a_session_obeys_after_more_than_a_thousand_commands),
		cmocka_unit_test(a_session_that_was_stopped_early_never_starts),
		cmocka_unit_test(a_command_that_takes_too_long_fails),
		cmocka_unit_test(a_session_without_a_slot_goes_back_unharmed),
		cmocka_unit_test(a_session_that_has_finished_makes_room_before_the_queue_knows),
		cmocka_unit_test(a_drained_worker_hands_over_at_the_end_of_turns),
		cmocka_unit_test(what_a_worker_cannot_begin_fails_with_the_reason),
		cmocka_unit_test(damaged_notes_are_passed_over_and_a_drain_is_obeyed),
		cmocka_unit_test(an_agent_in_a_sandbox_has_its_own_and_its_sockets),
		cmocka_unit_test(limits_that_hold_are_told_and_files_beyond_theirs_end_a_session),
		cmocka_unit_test(a_session_has_a_cgroup_for_as_long_as_it_runs),
		cmocka_unit_test(
			a_worker_that_stops_leaves_nothing_running_and_hands_its_sessions_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
