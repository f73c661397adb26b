#include "worker/session_budget.h"

#include <string.h>

#include "base/clock.h"
#include "cost/budget.h"
#include "cost/cost_json.h"
#include "json/value.h"
#include "log/log.h"
#include "metric/metric.h"
#include "worker/session_adapter.h"

enum { LOOK_MS = 1000 };

void session_budget_load(struct session_run *s)
{
	const struct task_budget *given = &s->agent->command.budget;

	s->budget = (struct session_budget){ .spent = (int64_t)s->order.spent,
		                             .soft = given->soft,
		                             .hard = given->hard,
		                             .step = given->hard };
	fiber_signal_init(&s->budget.heard);
	s->budget.told = s->budget.soft > 0 && s->budget.spent >= s->budget.soft;
}

static bool is_over(const struct session_budget *budget)
{
	return budget->hard > 0 && budget->spent >= budget->hard;
}

static bool is_same(const struct queue_gate *a, const struct queue_gate *b)
{
	return a->kind == b->kind && a->until_ms == b->until_ms && strcmp(a->name, b->name) == 0;
}

/* A budget that is not its own. */
static bool is_spent(const struct session_budget *budget)
{
	return budget->outside.kind != QUEUE_GATE_NONE &&
	       !is_same(&budget->outside, &budget->let_past);
}

/* ---- what is said ---- */

static void write_facts(const struct session_budget *budget, struct jsonw *w)
{
	cost_write_usd(w, "usd", budget->spent);
	if (budget->soft > 0) {
		cost_write_usd(w, "soft_usd", budget->soft);
	}
	if (budget->hard > 0) {
		cost_write_usd(w, "hard_usd", budget->hard);
	}
}

/* As far as its gate tells. */
static void write_others(const struct queue_gate *gate, struct jsonw *w)
{
	const char kind = gate->name[gate->kind == QUEUE_GATE_SOFT ? 2 : 0];
	struct budget budget;

	if (!budget_text_parse(str_of(gate->more), &budget)) {
		jsonw_u64(w, "usd", 0);
		return;
	}
	cost_write_usd(w, "usd", budget.nano);
	if (budget.limits.hard_nano != BUDGET_NONE) {
		cost_write_usd(w, "hard_usd", budget.limits.hard_nano);
	}
	jsonw_cstr(w, "of", kind == 't' ? "tenant" : kind == 'u' ? "user" : "project");
	jsonw_cstr(w, "period", budget_period_name(budget.period));
	jsonw_i64(w, "tokens", budget.tokens);
}

static void write_what(const struct session_run *s, const struct queue_gate *gate, struct jsonw *w)
{
	if (gate != NULL) {
		write_others(gate, w);
	} else {
		write_facts(&s->budget, w);
	}
}

/* gate NULL: of its own budget. */
static void tell(struct session_run *s, const char *level, const struct queue_gate *gate)
{
	struct jsonw w;
	struct buf text;

	event_text_init(&text);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "level", level);
	write_what(s, gate, &w);
	jsonw_end_object(&w);
	(void)session_say(s, EVENT_TYPE_BUDGET, &text);
	buf_fini(&text);
	metric_inc(METRIC_BUDGETS_REACHED, level);
}

static void write_option(struct jsonw *w, const char *id, const char *name, const char *kind)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", id);
	jsonw_cstr(w, "name", name);
	jsonw_cstr(w, "kind", kind);
	jsonw_end_object(w);
}

static void ask(struct session_run *s, const struct session_wait *wait,
                const struct queue_gate *gate)
{
	struct jsonw w;
	struct buf text;

	event_text_init(&text);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "request_id", wait->request.s);
	jsonw_cstr(&w, "title", "The budget is spent: go on?");
	jsonw_cstr(&w, "tool_name", "budget");
	if (wait->until_us > 0) {
		jsonw_time(&w, "expires_at", wait->until_us);
	}
	jsonw_object(&w, "input");
	write_what(s, gate, &w);
	jsonw_end_object(&w);
	jsonw_array(&w, "options");
	write_option(&w, "raise",
	             gate != NULL ? "Let this session go on until the period ends"
	                          : "Raise it once, by as much again",
	             "allow_once");
	write_option(&w, "stop", "Stop the session", "reject_once");
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	(void)session_say(s, EVENT_TYPE_PERMISSION_REQUEST, &text);
	buf_fini(&text);
}

static void tell_unanswered(struct session_run *s, const struct id *request, const char *why)
{
	struct buf text;

	event_text_init(&text);
	session_unanswered_event(request, why, &text);
	(void)session_say(s, EVENT_TYPE_PERMISSION_RESOLVED, &text);
	buf_fini(&text);
}

/* ---- asking ---- */

static bool is_allowed(const struct session_note *note)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *json = json_parse(str_of(note->answer), &err);

	return str_eq(json_as_str(json_get(json, "behavior")), STR_LIT("allow"));
}

/* So that what was spent is covered, too. */
static void raise_limit(struct session_budget *budget)
{
	while (is_over(budget)) {
		budget->hard = budget->hard > INT64_MAX - budget->step
		                       ? INT64_MAX
		                       : budget->hard + budget->step;
		if (budget->hard == INT64_MAX) {
			return;
		}
	}
}

/* True: it goes on. gate: of another's budget, NULL: its own; when that has room again nobody need
 * answer. */
static bool ask_people(struct session_run *s, const struct queue_gate *gate)
{
	const uint64_t expiry_ms = s->host->ask_expiry_ms;
	struct session_wait wait = { .what = "person", .request = id_new() };
	bool allowed = false;

	wait.until_us = expiry_ms > 0 ? clock_wall_us() + (int64_t)expiry_ms * 1000 : 0;
	tell(s, "hard", gate);
	session_wait_begin(s, &wait);
	ask(s, &wait, gate);
	while (wait.answer == NULL && (gate == NULL || is_spent(&s->budget)) && !s->exited &&
	       !fiber_cancelled() && s->fate == FATE_OPEN &&
	       (wait.until_us == 0 || clock_wall_us() < wait.until_us)) {
		(void)!fiber_signal_wait(&wait.changed, LOOK_MS);
	}
	session_wait_end(s, &wait, s->fate == FATE_OPEN && !s->exited);
	if (wait.answer != NULL) {
		allowed = is_allowed(wait.answer);
		session_note_end(s, wait.answer, NULL);
	} else if (!fiber_cancelled() && s->fate == FATE_OPEN && !s->exited) {
		allowed = gate != NULL && !is_spent(&s->budget);
		tell_unanswered(s, &wait.request, allowed ? "withdrawn" : "expired");
	}
	return allowed;
}

static bool goes_on(const struct session_run *s)
{
	return !fiber_cancelled() && s->fate == FATE_OPEN && !s->exited;
}

static void settle(struct session_run *s, const struct queue_gate *gate)
{
	bool allowed = ask_people(s, gate);

	if (!goes_on(s)) {
		return;
	}
	if (!allowed) {
		session_agent_stop(s, FATE_STOPPED, "the budget is spent");
	} else if (gate != NULL && is_same(gate, &s->budget.outside)) {
		s->budget.let_past = *gate; /* else it has room again: nobody said anything */
	} else if (gate == NULL) {
		raise_limit(&s->budget);
		log_info("session.budget_raised", "session=%s", s->sid.s);
	}
}

/* Its own first. */
static void settle_all(struct session_run *s)
{
	if (is_over(&s->budget)) {
		settle(s, NULL);
	}
	while (goes_on(s) && is_spent(&s->budget)) {
		const struct queue_gate gate = s->budget.outside;

		settle(s, &gate);
	}
}

/* In the middle of a turn: the body of a fiber. What ended the turn is not asked about before the
 * next prompt. */
static void ask_frozen(void *arg)
{
	struct session_run *s = arg;
	bool frozen = false;

	fiber_set_tag("session=%s", s->sid.s);
	/* Not before all is done that the report came with: the turn's end, perhaps. */
	if (session_adapter_enter(s->adapter)) {
		session_adapter_leave(s->adapter);
	}
	if (s->turn_open && !s->exited && s->fate == FATE_OPEN) {
		frozen = !s->paused && session_agent_freeze(s) == ERR_OK;
		session_clock_stop(s);
		settle_all(s);
		session_clock_start(s);
	}
	s->budget.holds = false;
	fiber_signal_raise(&s->budget.heard);
	if (frozen && !s->paused && !s->exited && s->fate == FATE_OPEN && !fiber_cancelled()) {
		while (session_agent_thaw(s) == ERR_CONFLICT &&
		       fiber_sleep(LOOK_MS / 10) == ERR_OK) {
		}
	}
	s->progress_ms = clock_mono_ms();
	s->budget.asking = false;
	fiber_signal_raise(&s->prompted);
	fiber_signal_raise(&s->wake);
}

void session_budget_use(struct session_run *s, int64_t nano)
{
	struct session_budget *budget = &s->budget;

	budget->spent = budget->spent > INT64_MAX - nano ? INT64_MAX : budget->spent + nano;
	if (budget->soft > 0 && budget->spent >= budget->soft && !budget->told) {
		budget->told = true;
		tell(s, "soft", NULL);
	}
	session_budget_check(s);
}

void session_budget_check(struct session_run *s)
{
	struct session_budget *budget = &s->budget;

	if ((is_over(budget) || is_spent(budget)) && !budget->asking) {
		budget->asking = budget->holds = true;
		(void)fiber_start(s->host->loop, &s->talks, "budget", ask_frozen, s);
	}
}

void session_budget_hear_of(struct session_run *s, const struct queue_gate *hard,
                            const struct queue_gate *soft)
{
	s->budget.outside = *hard;
	if (soft->kind != QUEUE_GATE_NONE && !is_same(soft, &s->budget.told_of)) {
		s->budget.told_of = *soft;
		tell(s, "soft", soft);
	}
}

bool session_budget_hear(struct session_run *s)
{
	while (s->budget.holds && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&s->budget.heard, LOOK_MS);
	}
	return !fiber_cancelled();
}

bool session_budget_await(struct session_run *s)
{
	while (s->budget.asking && !s->exited && !fiber_cancelled()) {
		(void)!fiber_signal_wait(&s->prompted, LOOK_MS);
	}
	if ((is_over(&s->budget) || is_spent(&s->budget)) && goes_on(s)) {
		s->budget.asking = true;
		settle_all(s);
		s->budget.asking = false;
	}
	return s->fate == FATE_OPEN && !s->exited && !fiber_cancelled();
}
