/* fairlead-worker and agents that wait: for a person, a time, another session; and what is asked of
 * agents while they do. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "queue/mail.h"
#include "tests/integration/worker_world.h"
#include "tests/support/test.h"

#define SH(script) "\"sh\",\"-c\",\"" script "\""
#define AGENT      "exec 2>&1; a() { " CLI_PATH " agent \\\"$@\\\"; }; "

static const char tenant[] = "acme";

static struct queue queue_of(struct worker_world *w)
{
	return queue_of_tenant(w->redis, str_of(tenant));
}

/* The n-th permission request's id, n from 0. */
static void request_of(const struct given *g, unsigned n, char out[ID_LEN + 1])
{
	static const char mark[] = " permission_request {\"request_id\":\"";
	const char *at = buf_cstr(&g->text);

	for (unsigned i = 0; i <= n; i++) {
		at = strstr(at, mark);
		assert_non_null(at);
		at += sizeof(mark) - 1;
	}
	memcpy(out, at, ID_LEN);
	out[ID_LEN] = '\0';
}

static void answer(struct worker_world *w, const struct given *g, const char *request,
                   const char *behavior)
{
	char payload[256];

	(void)snprintf(payload, sizeof(payload),
	               "{\"request_id\":\"%s\",\"behavior\":\"%s\",\"scope\":\"once\","
	               "\"message\":\"as you like\"}",
	               request, behavior);
	given_command(w, g, "approval", payload);
}

/* ---- a person ---- */

static void person_body(struct worker_world *w)
{
	static const char *const story[] = {
		" permission_request {\"request_id\":\"",
		("\"title\":\"rm -rf\",\"description\":\"all of it\",\"input\":{\"path\":\"/\"},"
		 "\"options\":[\"yes\",\"no\"],\"expires_at\":\""),
		" parked {\"for\":\"person\",\"request_id\":\"",
		" command_started ",
		" unparked {}",
		"\"message\":\"allow\"",
		"\"message\":\"allowed 0\"",
		"\"title\":\"again\"",
		" parked ",
		" unparked ",
		"\"message\":\"denied 3\"",
		" status {\"status\":\"completed\"",
	};
	const struct order asks = { .argv = SH(AGENT
		                               "a ask 'rm -rf' --description 'all of it' "
		                               "--input '{\\\"path\\\":\\\"/\\\"}' --option yes "
		                               "--option no; echo allowed $?; "
		                               "a ask again >/dev/null; echo denied $?") },
			   quick = { .argv = SH("echo quick") };
	struct given g, other;
	char request[ID_LEN + 1];

	worker_start(w, "FAIRLEAD_WORKER_SLOTS=1");
	given_run(w, &g, &asks);
	given_await(w, &g, " parked ");
	given_await_set(w, &g, QUEUE_PARKED);
	assert_int_equal(g.state, SESSION_RUNNING);
	given_run(w, &other, &quick); /* in the one slot */
	given_await_state(w, &other, SESSION_COMPLETED);
	given_await_set(w, &other, QUEUE_DONE);
	assert_int_equal(given_set(w, &g), QUEUE_PARKED);

	request_of(&g, 0, request);
	answer(w, &g, request, "allow");
	given_await(w, &g, "\"title\":\"again\"");
	given_await(w, &g, "\"outcome\":\"done\"");
	given_await_set(w, &g, QUEUE_PARKED);
	request_of(&g, 1, request);
	answer(w, &g, request, "deny");
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);
	given_fini(&other);
}

static void an_agent_that_asks_a_person_gives_its_slot_away_until_the_answer(void **state)
{
	(void)state;
	worker_world_run(person_body, false);
}

/* The scheduler's part: the slot goes to who was parked, and the worker is told. */
static void give_back(struct worker_world *w, const struct given *g, bool tell)
{
	const struct queue queue = queue_of(w);
	const struct queue_claim claim = { w->registered.incarnation, w->registered.has, 1, 4, 1 };
	const struct mail mail = { .kind = STR_LIT("unpark"),
		                   .incarnation = str_of(w->registered.incarnation),
		                   .sid = g->sid,
		                   .epoch = g->epoch,
		                   .attempt = g->attempt };
	struct queue_item item;
	size_t count = 0;
	struct err err;

	assert_int_equal(queue_claim(&queue, &claim, &item, &count, &err), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(item.claimed, QUEUE_CLAIMED_BACK);
	assert_true(id_eq(&item.sid, &g->sid));
	if (tell) {
		assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
	}
}

static void full_once(struct worker_world *w, bool tell)
{
	const struct order asks = { .argv = SH(AGENT "a ask ok; echo on") },
			   holds = { .argv = SH("echo up; sleep 60") };
	struct given g, other;
	char request[ID_LEN + 1];

	given_run(w, &g, &asks);
	given_await_set(w, &g, QUEUE_PARKED);
	given_await(w, &g, " permission_request ");
	given_run(w, &other, &holds);
	given_await(w, &other, "\"up\"");
	request_of(&g, 0, request);
	answer(w, &g, request, "allow");
	given_await(w, &g, "command_started");
	(void)fiber_sleep(300); /* that nothing happens can only be waited for */
	given_await(w, &g, "command_started");
	assert_null(strstr(buf_cstr(&g.text), "unparked"));
	assert_null(strstr(buf_cstr(&g.text), "command_finished"));
	assert_int_equal(given_set(w, &g), QUEUE_PARKED);
	given_command(w, &other, "stop", NULL);
	given_await_set(w, &other, QUEUE_DONE);
	give_back(w, &g, tell);
	given_await(w, &g, "\"on\"");
	given_await(w, &g, "\"outcome\":\"done\"");
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);
	given_fini(&other);
}

static void full_body(struct worker_world *w)
{
	worker_start(w, "FAIRLEAD_WORKER_SLOTS=1");
	full_once(w, true);
	full_once(w, false); /* the note is lost */
}

static void an_answer_waits_for_a_slot_and_comes_back_first(void **state)
{
	(void)state;
	worker_world_run(full_body, false);
}

static void leave_body(struct worker_world *w)
{
	const struct order leaves = { .argv = SH(AGENT "timeout 1 " CLI_PATH
		                                       " agent ask x; a ask late --timeout 1; "
		                                       "echo late $?; a ask third; echo never") };
	struct given g;
	char request[ID_LEN + 1];

	worker_start(w, NULL);
	given_run(w, &g, &leaves);
	given_await(w, &g, "\"outcome\":\"withdrawn\"");
	given_await(w, &g, "\"outcome\":\"expired\",\"by\":\"expiry\"");
	given_await(w, &g, "late 3");
	given_await(w, &g, "\"title\":\"third\"");
	request_of(&g, 0, request);
	answer(w, &g, request, "allow"); /* too late */
	given_await(w, &g,
	            "\"outcome\":\"failed\",\"message\":\"no such permission request waits\"");
	given_await(w, &g, "permission_resolved {\"request_id\":\"");
	request_of(&g, 1, request);
	given_await(w, &g, request);
	given_await_set(w, &g, QUEUE_PARKED);
	given_move(w, &g, SESSION_STOPPING);
	given_command(w, &g, "stop", NULL);
	given_await_state(w, &g, SESSION_STOPPED);
	given_await_set(w, &g, QUEUE_DONE);
	await_no_process(g.sid.s);
	assert_null(strstr(buf_cstr(&g.text), "never"));
	given_fini(&g);
}

static void an_asker_that_leaves_takes_its_question_along(void **state)
{
	(void)state;
	worker_world_run(leave_body, false);
}

/* ---- making room ---- */

static void send_evict(struct worker_world *w, const struct given *g)
{
	const struct mail mail = { .kind = STR_LIT("evict"),
		                   .incarnation = str_of(w->registered.incarnation),
		                   .sid = g->sid,
		                   .epoch = g->epoch,
		                   .attempt = g->attempt };
	struct err err;

	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
}

static void release(struct worker_world *w, const struct given *g)
{
	const struct queue queue = queue_of(w);
	const struct queue_move move = { .sid = g->sid };
	enum queue_set set;
	struct err err;

	assert_int_equal(queue_release(&queue, &move, &set, &err), ERR_OK);
	assert_int_equal(set, QUEUE_READY);
}

/* As the scheduler does: the order, and at once what is open. */
static void room_body(struct worker_world *w)
{
	static const char *const story[] = {
		" permission_request ",
		" parked ",
		(" status {\"status\":\"queued\",\"reason\":\"others need its place while it "
		 "waits\",\"evicted\":true}"),
		"\"cause\":\"lease\"",
		"\"restored\":true",
		" command_started ",
		"\"message\":\"allow\"",
		"\"message\":\"runs 2 homes 2 restored 1\"",
		" file_edit {\"file_path\":\"runs\"",
		" status {\"status\":\"completed\"",
	};
	const struct order asks = { .argv = SH(
					    AGENT
					    "echo run >> runs; echo run >> $HOME/runs; "
					    "a ask deploy --key deploy; echo runs $(wc -l < runs) "
					    "homes $(wc -l < $HOME/runs) restored "
					    "$FAIRLEAD_RESTORED"),
		                    .repo = w->repo },
			   quick = { .argv = SH("echo quick") };
	char request[ID_LEN + 1];
	struct given g, other;

	worker_start(w, "FAIRLEAD_WORKER_SLOTS=1");
	given_run(w, &g, &asks);
	given_await_set(w, &g, QUEUE_PARKED);
	given_await(w, &g, " parked ");
	send_evict(w, &g);
	send_evict(w, &g); /* it is asked again and again */
	given_await_state(w, &g, SESSION_QUEUED);
	given_await_set(w, &g, QUEUE_HELD);
	await_no_process(g.sid.s);
	given_run(w, &other, &quick);
	given_await_state(w, &other, SESSION_COMPLETED);
	worker_kill(w); /* what is kept survives that */
	worker_start(w, "FAIRLEAD_WORKER_SLOTS=1");

	release(w, &g);
	request_of(&g, 0, request);
	given_lease(w, &g, &asks);
	answer(w, &g, request, "allow"); /* before it has its files, and asks again */
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	assert_null(strstr(strstr(buf_cstr(&g.text), " parked "), " permission_request "));
	given_fini(&g);
	given_fini(&other);
}

static void a_session_that_can_come_back_makes_room_and_goes_on_with_its_files(void **state)
{
	(void)state;
	worker_world_run(room_body, false);
}

/* A worker that stops in order keeps it too, for its next life. */
static void stopped_body(struct worker_world *w)
{
	const struct order asks = { .argv = SH(AGENT "echo run >> runs; a ask deploy --key deploy; "
		                                     "echo runs $(wc -l < runs)") };
	char request[ID_LEN + 1];
	struct given g;

	worker_start(w, "FAIRLEAD_DRAIN_TIMEOUT=10s");
	given_run(w, &g, &asks);
	given_await_set(w, &g, QUEUE_PARKED);
	given_await(w, &g, " parked ");
	worker_signal(w, SIGTERM);
	assert_int_equal(worker_reap(w), 0);
	given_await(w, &g, "\"reason\":\"its worker is being drained\",\"evicted\":true}");
	assert_int_equal(given_set(w, &g), QUEUE_HELD);
	worker_start(w, NULL);
	release(w, &g);
	request_of(&g, 0, request);
	given_lease(w, &g, &asks);
	answer(w, &g, request, "allow");
	given_await_state(w, &g, SESSION_COMPLETED);
	given_await(w, &g, "\"message\":\"runs 2\"");
	given_fini(&g);
}

static void a_worker_that_stops_keeps_what_can_come_back(void **state)
{
	(void)state;
	worker_world_run(stopped_body, false);
}

/* What was kept for a session that ends elsewhere goes when the worker looks. */
static void sweep_body(struct worker_world *w)
{
	const struct order asks = { .argv = SH(AGENT "a ask deploy --key deploy") };
	char kept[192];
	struct given g;
	uint64_t until = clock_mono_ms() + 20000;

	worker_start(w, NULL);
	given_run(w, &g, &asks);
	given_await(w, &g, " parked ");
	send_evict(w, &g);
	given_await_set(w, &g, QUEUE_HELD);
	(void)snprintf(kept, sizeof(kept), "%s/kept/%s/session.json", w->state, g.sid.s);
	assert_int_equal(access(kept, F_OK), 0);
	given_cancel(w, &g);
	worker_kill(w);
	worker_start(w, NULL);
	while (access(kept, F_OK) == 0) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(20);
	}
	given_fini(&g);
}

static void what_is_kept_of_an_ended_session_is_removed(void **state)
{
	(void)state;
	worker_world_run(sweep_body, false);
}

static void stay_body(struct worker_world *w)
{
	const struct order asks = { .argv = SH(AGENT "a ask deploy") };
	char request[ID_LEN + 1];
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &asks);
	given_await_set(w, &g, QUEUE_PARKED);
	given_await(w, &g, " parked ");
	send_evict(w, &g);
	request_of(&g, 0, request);
	answer(w, &g, request, "deny");
	given_await(w, &g, "\"message\":\"deny\"");
	given_await_state(w, &g, SESSION_FAILED); /* what a denied ask ends with */
	assert_null(strstr(buf_cstr(&g.text), "evicted"));
	given_fini(&g);
}

static void a_session_that_cannot_come_back_stays(void **state)
{
	(void)state;
	worker_world_run(stay_body, false);
}

/* ---- a time, another session ---- */

static void others_body(struct worker_world *w)
{
	static const char *const story[] = {
		" parked {\"for\":\"limit\",\"until\":\"20",
		" unparked ",
		"\"message\":\"waited 0\"",
		" parked {\"for\":\"session\",\"session\":\"",
		" unparked ",
		"\"message\":\"failed\"",
		"\"message\":\"child 0\"",
		" status {\"status\":\"completed\"",
	};
	const struct order child = { .argv = SH("sleep 0.5; exit 3") };
	char script[512];
	struct order waits = { .argv = script };
	struct given g, other;

	worker_start(w, "FAIRLEAD_WORKER_SLOTS=2");
	given_submit(w, &other);
	given_lease(w, &other, NULL);
	(void)snprintf(script, sizeof(script),
	               SH(AGENT "a wait --seconds 1 --limit; echo waited $?; a wait-session %s; "
	                        "echo child $?"),
	               other.sid.s);
	given_run(w, &g, &waits);
	given_await(w, &g, "\"for\":\"session\"");
	given_await_set(w, &g, QUEUE_PARKED);
	given_mail(w, &other, &child);
	given_await_state(w, &other, SESSION_FAILED);
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_fini(&g);
	given_fini(&other);
}

static void agents_wait_for_times_and_sessions_without_a_slot(void **state)
{
	(void)state;
	worker_world_run(others_body, false);
}

/* The time it waits is not the time it has. */
static void clock_body(struct worker_world *w)
{
	const struct order waits = { .argv = SH(AGENT "a wait --seconds 3; echo still here"),
		                     .settings = ",\"timeout_s\":2" };
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &waits);
	given_await_state(w, &g, SESSION_COMPLETED);
	given_await(w, &g, "still here");
	given_fini(&g);
}

static void the_time_that_an_agent_waits_does_not_count(void **state)
{
	(void)state;
	worker_world_run(clock_body, false);
}

/* ---- what is not asked well ---- */

static const char rude[] =
	"import os, socket, json\n"
	"def ask(data, n=1):\n"
	"    s = socket.socket(socket.AF_UNIX); s.connect(os.environ['FAIRLEAD_AGENT_SOCKET'])\n"
	"    s.sendall(data); f = s.makefile('rb')\n"
	"    return [f.readline().decode().strip() for _ in range(n)]\n"
	"print(*ask(b'{\"op\":\"note\",\"message\":\"one\"}\\n{\"op\":\"note\",\"message\":\"two\"}"
	"\\n"
	"nonsense\\n', 3))\n"
	"print(*ask(b'x' * 70000))\n"
	"print(*ask(json.dumps({'op': 'permission_request', 'title': 'x', 'input': "
	"json.loads('[' * 40 + ']' * 40)}).encode() + b'\\n'))\n"
	"many = [socket.socket(socket.AF_UNIX) for _ in range(17)]\n"
	"for s in many: s.connect(os.environ['FAIRLEAD_AGENT_SOCKET'])\n"
	"print(many[16].makefile('rb').readline().decode().strip())\n";

static void rude_body(struct worker_world *w)
{
	char path[128], argv[256];
	struct order order = { .argv = argv };
	struct given g;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/rude.py", w->dir);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(rude, file) >= 0);
	assert_int_equal(fclose(file), 0);
	(void)snprintf(argv, sizeof(argv), "\"python3\",\"%s\"", path);
	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_COMPLETED);
	given_await(w, &g, " note {\"message\":\"one\"}");
	given_await(w, &g, " note {\"message\":\"two\"}");
	given_await(w, &g, "{\\\"ok\\\":true} {\\\"ok\\\":true} {\\\"ok\\\":false");
	given_await(w, &g, "a line is too long");
	given_await(w, &g, "a line: must");
	given_await(w, &g, "too many connections");
	given_fini(&g);
}

static void what_an_agent_says_wrong_is_answered_and_harms_nobody(void **state)
{
	(void)state;
	worker_world_run(rude_body, false);
}

static void words_body(struct worker_world *w)
{
	const struct order order = { .argv = SH(AGENT "a progress 40 half of it; a note hello; "
		                                      "a progress 101; echo bad $?; a wait-session "
		                                      "$FAIRLEAD_SESSION_ID; read l") };
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await(w, &g, " progress {\"progress\":40,\"stage\":\"half of it\"}");
	given_await(w, &g, " note {\"message\":\"hello\"}");
	given_await(w, &g, "progress must be a whole number, 0 to 100");
	given_await(w, &g, "\"bad 1\"");
	given_await(w, &g, "session is the one that asks");
	given_command(w, &g, "set_model", "{\"model\":\"best\"}");
	given_await(w, &g,
	            "\"outcome\":\"failed\",\"message\":\"an agent of type command has no model");
	given_command(w, &g, "set_permission_mode", "{\"mode\":\"plan\"}");
	given_await(w, &g, "\"message\":\"an agent of type command has no permission mode");
	given_command(w, &g, "interrupt", NULL);
	given_await(w, &g, "\"message\":\"an agent of type command has no turn to interrupt");
	given_command(w, &g, "dance", NULL);
	given_await(w, &g, "\"message\":\"this worker does not know the command\"");
	given_command(w, &g, "prompt", "{\"prompt\":\"end\"}");
	given_await_state(w, &g, SESSION_COMPLETED);
	given_fini(&g);
}

static void what_a_command_agent_cannot_do_is_refused_with_its_reason(void **state)
{
	(void)state;
	worker_world_run(words_body, false);
}

/* ---- in order ---- */

static void send_prompt(struct worker_world *w, const struct given *g, const struct id *id,
                        unsigned seq, const struct id *after)
{
	char body[256];
	const int n = snprintf(body, sizeof(body),
	                       "{\"id\":\"%s\",\"seq\":%u,\"after\":\"%s\",\"kind\":\"prompt\","
	                       "\"payload\":{\"prompt\":\"%u\"}}",
	                       id->s, seq, after->s, seq);
	const struct mail mail = { .kind = STR_LIT("command"),
		                   .incarnation = str_of(w->registered.incarnation),
		                   .sid = g->sid,
		                   .epoch = g->epoch,
		                   .body = str_make(body, (size_t)n) };
	struct err err;

	assert_int_equal(mail_send(w->redis, w->registered.worker, &mail, &err), ERR_OK);
}

static void order_body(struct worker_world *w)
{
	static const char *const story[] = { "\"got 1\"", "\"got 2\"", "\"got 3\"", "\"got 4\"" };
	const struct order order = { .argv = SH("for i in 1 2 3 4; do read l; echo got $l; done") };
	const struct id ids[4] = { id_new(), id_new(), id_new(), id_new() }, lost = id_new();
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_RUNNING);
	send_prompt(w, &g, &ids[2], 3, &ids[1]);
	send_prompt(w, &g, &ids[1], 2, &ids[0]);
	(void)fiber_sleep(200); /* that nothing happens can only be waited for */
	send_prompt(w, &g, &ids[0], 1, &(struct id){ "" });
	given_await(w, &g, "\"got 3\"");
	send_prompt(w, &g, &ids[3], 4, &lost); /* which never comes */
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_fini(&g);
}

static void prompts_come_in_order_whichever_note_is_late(void **state)
{
	(void)state;
	worker_world_run(order_body, false);
}

/* ---- a worker that never answers ---- */

static void frozen_body(struct worker_world *w)
{
	const struct order loud = { .argv = SH("while :; do echo loud; sleep 0.02; done") };
	const struct log_new event = { EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"stale\"}") };
	struct log_batch batch = { .tenant = tenant, .events = &event, .count = 1 };
	struct log_result result = { .outcome = LOG_OK };
	uint64_t began_us, took_us;
	struct given g;
	struct err err;

	worker_start(w, NULL);
	given_run(w, &g, &loud);
	given_await(w, &g, "loud");
	worker_signal(w, SIGSTOP);
	batch.sid = g.sid;
	batch.epoch = g.epoch;
	began_us = clock_mono_us();
	given_cancel(w, &g);
	assert_int_equal(log_append(&w->store, &batch, &result, &err), ERR_OK);
	took_us = clock_mono_us() - began_us;
	assert_int_equal(result.outcome, LOG_FENCED);
	print_message("cancelled and fenced within %" PRIu64 " us\n", took_us);
	worker_signal(w, SIGCONT);
	await_no_process(g.sid.s);
	given_await_state(w, &g, SESSION_CANCELLED);
	given_await(w, &g, "cancelled\"}\n");
	assert_string_equal(strstr(buf_cstr(&g.text), "cancelled\"}\n"), "cancelled\"}\n");
	given_fini(&g);
}

static void a_cancel_fences_a_worker_that_does_not_answer(void **state)
{
	(void)state;
	worker_world_run(frozen_body, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_that_asks_a_person_gives_its_slot_away_until_the_answer),
		cmocka_unit_test(an_answer_waits_for_a_slot_and_comes_back_first),
		cmocka_unit_test(an_asker_that_leaves_takes_its_question_along),
		cmocka_unit_test(
			a_session_that_can_come_back_makes_room_and_goes_on_with_its_files),
		cmocka_unit_test(a_worker_that_stops_keeps_what_can_come_back),
		cmocka_unit_test(what_is_kept_of_an_ended_session_is_removed),
		cmocka_unit_test(a_session_that_cannot_come_back_stays),
		cmocka_unit_test(agents_wait_for_times_and_sessions_without_a_slot),
		cmocka_unit_test(the_time_that_an_agent_waits_does_not_count),
		cmocka_unit_test(what_an_agent_says_wrong_is_answered_and_harms_nobody),
		cmocka_unit_test(what_a_command_agent_cannot_do_is_refused_with_its_reason),
		cmocka_unit_test(prompts_come_in_order_whichever_note_is_late),
		cmocka_unit_test(a_cancel_fences_a_worker_that_does_not_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
