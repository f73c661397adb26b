/* fairlead-worker and agents that speak a protocol of their own, well and badly. The agent is
 * tests/support/lines_agent.c. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "queue/mail.h"
#include "queue/queue_gate.h"
#include "tests/integration/worker_world.h"
#include "tests/support/test.h"

#define AGENT(word)                                                                                \
	{                                                                                          \
		.type = "agent-sdk", .argv = "\"" AGENT_PATH "\",\"" word "\""                     \
	}

enum {
	STALL_MS = 700,           /* less than a lease: that its agent is frozen is another test */
	GROWN_KIB_MAX = 64 * 1024 /* a sanitizer keeps what is freed for a while */
};

static void request_of(const struct given *g, char out[ID_LEN + 1])
{
	static const char mark[] = " permission_request {\"request_id\":\"";
	const char *at = strstr(buf_cstr(&g->text), mark);

	assert_non_null(at);
	memcpy(out, at + sizeof(mark) - 1, ID_LEN);
	out[ID_LEN] = '\0';
}

static void answer(struct worker_world *w, const struct given *g, const char *behavior)
{
	char request[ID_LEN + 1], payload[256];

	request_of(g, request);
	(void)snprintf(payload, sizeof(payload),
	               "{\"request_id\":\"%s\",\"behavior\":\"%s\",\"scope\":\"once\"}", request,
	               behavior);
	given_command(w, g, "approval", payload);
}

/* ---- turns ---- */

static void talk_body(struct worker_world *w)
{
	static const char *const story[] = {
		" status {\"status\":\"running\"",
		" capabilities {",
		" message {\"role\":\"user\",\"content\":\"do it\"}",
		" turn_started {\"turn\":1}",
		" agent_session {\"agent\":\"agent-sdk\",\"session_id\":\"S1\"}",
		" message_delta {\"message_id\":\"m1\",\"delta\":\"Hel\"}",
		" message_delta {\"message_id\":\"m1\",\"delta\":\"lo.\"}",
		" message {\"role\":\"assistant\",\"message_id\":\"m1\",\"content\":\"Hello.\"}",
		" turn_finished {\"turn\":1,\"stop_reason\":\"end_turn\"}",
		" status {\"status\":\"completed\",\"exitCode\":0",
	};
	const struct order order = AGENT("talk");
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);
}

static void a_turn_is_told_from_its_first_word_to_its_end(void **state)
{
	(void)state;
	worker_world_run(talk_body, false);
}

/* Two prompts come while the turn is open; the agent says so if it is given one too early. */
static void answered(struct worker_world *w)
{
	static const char *const story[] = {
		" permission_request {",
		" parked {\"for\":\"person\"",
		" unparked {}",
		"\"content\":\"allowed\"}",
		" turn_finished {\"turn\":1",
		" message {\"role\":\"user\",\"content\":\"next 1\"}",
		" turn_started {\"turn\":2}",
		"\"content\":\"first\"}",
		" turn_finished {\"turn\":2",
		" message {\"role\":\"user\",\"content\":\"next 2\"}",
		"\"content\":\"second\"}",
		" status {\"status\":\"completed\"",
	};
	const struct order order = AGENT("ask");
	struct given g;

	given_run(w, &g, &order);
	given_await(w, &g, " parked ");
	given_command(w, &g, "prompt", "{\"prompt\":\"next 1\"}");
	given_command(w, &g, "prompt", "{\"prompt\":\"next 2\"}");
	answer(w, &g, "allow");
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	assert_null(strstr(buf_cstr(&g.text), "overtaken"));
	given_fini(&g);
}

/* An interrupt makes the agent take its question back; who answers then is told. */
static void withdrawn(struct worker_world *w)
{
	static const char *const story[] = {
		" permission_request {",
		" permission_resolved {\"request_id\":\"",
		"withdrawn",
		" turn_finished {\"turn\":1,\"stop_reason\":\"interrupted\"}",
		"\"outcome\":\"failed\"",
		"\"content\":\"second\"}",
	};
	const struct order order = AGENT("ask");
	struct given g;

	given_run(w, &g, &order);
	given_await(w, &g, " parked ");
	given_command(w, &g, "interrupt", NULL);
	given_await(w, &g, " turn_finished {\"turn\":1");
	answer(w, &g, "allow");
	given_await(w, &g, "\"outcome\":\"failed\"");
	given_command(w, &g, "prompt", "{\"prompt\":\"next 2\"}");
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_fini(&g);
}

static void question_body(struct worker_world *w)
{
	worker_start(w, NULL);
	answered(w);
	withdrawn(w);
}

static void a_question_is_answered_or_withdrawn_and_prompts_wait_for_the_turn(void **state)
{
	(void)state;
	worker_world_run(question_body, false);
}

static void interrupt_body(struct worker_world *w)
{
	static const char *const story[] = {
		" message_delta {\"message_id\":\"m1\",\"delta\":\"@",
		" command_started ",
		" turn_finished {\"turn\":1,\"stop_reason\":\"interrupted\"}",
		"\"content\":\"go on\"}",
		" turn_started {\"turn\":2}",
		" message_delta ",
	};
	const struct order order = AGENT("stream");
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await(w, &g, " message_delta ");
	given_command(w, &g, "interrupt", NULL);
	given_await(w, &g, " turn_finished {\"turn\":1");
	given_command(w, &g, "prompt", "{\"prompt\":\"go on\"}");
	given_await(w, &g, " turn_started {\"turn\":2}");
	given_command(w, &g, "stop", NULL);
	given_await_state(w, &g, SESSION_STOPPED);
	given_in_order(&g, story, ARRAY_LEN(story) - 1);
	given_fini(&g);
}

static void a_turn_is_interrupted_and_the_next_prompt_has_one_of_its_own(void **state)
{
	(void)state;
	worker_world_run(interrupt_body, false);
}

/* ---- those that behave badly ---- */

static void dies(struct worker_world *w)
{
	static const char *const story[] = {
		"\"delta\":\"Hel\"}",
		" turn_finished {\"turn\":1,\"stop_reason\":\"exit\"}",
		" status {\"status\":\"failed\",\"reason\":\"exit code 3\",\"exitCode\":3",
	};
	const struct order order = AGENT("die");
	struct given g;

	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_FAILED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_await_set(w, &g, QUEUE_DONE);
	given_fini(&g);
}

/* Whatever it said before, its turn is heard. */
static void is_heard_after(struct worker_world *w, const struct order *order, const char *what)
{
	const char *const story[] = { " turn_started ", what, "\"content\":\"Hello.\"}",
		                      " turn_finished {\"turn\":1,\"stop_reason\":\"end_turn\"}",
		                      " status {\"status\":\"completed\"" };
	struct given g;

	given_run(w, &g, order);
	given_await_state(w, &g, SESSION_COMPLETED);
	given_in_order(&g, story, ARRAY_LEN(story));
	given_fini(&g);
}

static void mute(struct worker_world *w)
{
	const struct order order = AGENT("mute");
	struct given g;

	given_run(w, &g, &order);
	given_await_state(w, &g, SESSION_FAILED);
	given_await(w, &g, "\"reason\":\"the agent did not get ready\"");
	assert_null(strstr(buf_cstr(&g.text), " turn_started "));
	given_fini(&g);
}

/* Of two that ended badly, one that did not get ready, and those that now end as soon as they are
 * begun the fifth opens the breaker; the two that ended well do not count. */
static void opens_breaker(struct worker_world *w)
{
	const struct queue queue = queue_at(w->redis, 0);
	struct queue_gate gates[2];
	size_t count = 0;
	struct err err;

	for (int i = 0; i < 2; i++) {
		dies(w);
		assert_int_equal(queue_gates(&queue, QUEUE_GATE_BREAKER, gates, 2, &count, &err),
		                 ERR_OK);
		assert_int_equal(count, 0);
	}
	dies(w);
	while (count == 0) {
		assert_int_equal(queue_gates(&queue, QUEUE_GATE_BREAKER, gates, 2, &count, &err),
		                 ERR_OK);
		(void)fiber_sleep(count == 0 ? 10 : 0);
	}
	assert_string_equal(gates[0].name, "a:acme:agent-sdk");
}

static void bad_body(struct worker_world *w)
{
	const struct order long_line = AGENT("long"), garbage = AGENT("garbage");

	worker_start(w, "FAIRLEAD_WORKER_AGENT_READY=1s");
	dies(w);
	is_heard_after(w, &long_line, " error {\"code\":\"line_too_long\"");
	is_heard_after(w, &garbage, " native ");
	mute(w);
	opens_breaker(w);
}

static void what_an_agent_does_badly_ends_its_turn_or_nothing(void **state)
{
	(void)state;
	worker_world_run(bad_body, false);
}

static void flood_body(struct worker_world *w)
{
	const struct order order = AGENT("flood");
	uint64_t before;
	struct given g;

	worker_start(w, NULL);
	given_run(w, &g, &order);
	given_await(w, &g, "\"delta\":\"yyy");
	before = rss_kib(w->worker);
	redis_server_signal(&w->server, SIGSTOP);
	(void)fiber_sleep(STALL_MS); /* that nothing is taken can only be waited for */
	redis_server_signal(&w->server, SIGCONT);
	assert_true(rss_kib(w->worker) - before < GROWN_KIB_MAX);
	given_cancel(w, &g); /* whatever of it waits: its log may have as much as it takes */
	await_no_process(g.sid.s);
	given_fini(&g);
}

static void an_agent_that_floods_waits_for_the_log_and_fills_no_memory(void **state)
{
	(void)state;
	worker_world_run(flood_body, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_is_told_from_its_first_word_to_its_end),
		cmocka_unit_test(a_question_is_answered_or_withdrawn_and_prompts_wait_for_the_turn),
		cmocka_unit_test(a_turn_is_interrupted_and_the_next_prompt_has_one_of_its_own),
		cmocka_unit_test(what_an_agent_does_badly_ends_its_turn_or_nothing),
		cmocka_unit_test(an_agent_that_floods_waits_for_the_log_and_fills_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
