/*
 * GET /api/v1/sessions/{id}/why: what a session waits for, its place, its tenant's share, and when
 * it will probably start.  The queue and the workers are asked once each; nothing is changed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/live.h"
#include "api/seen.h"
#include "cost/budget.h"
#include "cost/price.h"
#include "json/write.h"
#include "queue/eta.h"
#include "queue/queue_why.h"
#include "queue/staff.h"
#include "queue/words.h"
#include "steer/notify.h"
#include "steer/publish.h"

enum { MISSING_MAX = 16 };

/* What is known of one session. */
struct picture {
	struct http_request *req;
	struct session row;
	struct queue_why why;
	bool queued; /* why is filled */
	struct staff staff;
	size_t fitting; /* workers */
	struct eta_slots slots;
};

/* What it waits for, in words; details that are not there are empty. */
struct answer_why {
	const char *code, *text;
	int64_t until_ms; /* 0: not known */
	struct str missing[MISSING_MAX];
	size_t missing_count;
};

#define SAY(p, ...) arena_printf((p)->req->arena, __VA_ARGS__)

/* ---- words that no worker has ---- */

/* Of the worker that comes closest; none when one fits. */
static void find_missing(const struct picture *p, struct answer_why *a)
{
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < p->staff.count; i++) {
		struct str rest = str_of(p->why.needs), word, words[MISSING_MAX];
		size_t count = 0;

		while ((word = words_missing(p->staff.workers[i].has, &rest)).p != NULL) {
			if (count < MISSING_MAX) {
				words[count] = word;
			}
			count++;
		}
		if (count < least) {
			least = count;
			a->missing_count = count < MISSING_MAX ? count : MISSING_MAX;
			for (size_t k = 0; k < a->missing_count; k++) {
				a->missing[k] = words[k];
			}
		}
	}
}

static const char *joined(const struct picture *p, const struct answer_why *a)
{
	const char *text = "";

	for (size_t i = 0; i < a->missing_count; i++) {
		text = SAY(p, "%s%s%" STR_FMT, text, i > 0 ? ", " : "", STR_ARG(a->missing[i]));
	}
	return text;
}

/* True: no worker may take it. */
static bool explain_workers(const struct picture *p, struct answer_why *a)
{
	if (p->fitting > 0 || p->staff.more) {
		return false;
	}
	if (p->staff.count == 0) {
		a->code = "no_worker";
		a->text = "No worker is alive.";
		return true;
	}
	find_missing(p, a);
	if (a->missing_count == 0) {
		a->code = "draining";
		a->text = "The workers that have what it needs take no new sessions.";
		return true;
	}
	a->code = "needs";
	a->text = SAY(p, "No worker has all that it needs; the closest lacks %s.", joined(p, a));
	return true;
}

/* ---- limits ---- */

static const char *limit_kind(const char *limit)
{
	switch (limit[0]) {
	case 't': return "tenant";
	case 'u': return "user";
	case 'p': return "project";
	case 'a': return "agent";
	default: return "concurrencyKey";
	}
}

static const char *limit_words(const char *limit)
{
	switch (limit[0]) {
	case 't': return "the tenant";
	case 'u': return "its user";
	case 'p': return "its project";
	case 'a': return "its type of agent";
	default: return "its concurrency key";
	}
}

static void explain_limit(const struct picture *p, struct answer_why *a)
{
	a->code = "limit";
	a->text = SAY(p, "As many sessions of %s run as may: %" PRIu64 " of %" PRIu64 ".",
	              limit_words(p->why.limit), p->why.used, p->why.most);
}

/* ---- gates ---- */

static void explain_budget(const struct picture *p, struct answer_why *a)
{
	static const char *const periods[BUDGET_PERIOD_COUNT] = {
		[BUDGET_DAY] = " for this day (UTC)",
		[BUDGET_MONTH] = " for this month (UTC)",
		[BUDGET_TOTAL] = "",
	};
	const struct queue_gate *gate = &p->why.gate;
	char used[COST_TEXT_SIZE], hard[COST_TEXT_SIZE];
	const struct budget_limits *limits;
	struct budget budget;

	a->code = "budget";
	a->until_ms = gate->until_ms;
	if (!budget_text_parse(str_of(gate->more), &budget)) {
		a->text = "A budget is spent.";
		return;
	}
	limits = &budget.limits;
	if (limits->hard_nano != BUDGET_NONE && budget.nano >= limits->hard_nano) {
		a->text = SAY(
			p, "The budget of %s%s is spent: %" STR_FMT " of %" STR_FMT " US dollars.",
			limit_words(gate->name), periods[budget.period],
			STR_ARG(cost_usd(budget.nano, used)),
			STR_ARG(cost_usd(limits->hard_nano, hard)));
	} else {
		a->text = SAY(p, "The budget of %s%s is spent: %" PRId64 " of %" PRId64 " tokens.",
		              limit_words(gate->name), periods[budget.period], budget.tokens,
		              limits->hard_tokens);
	}
}

/* True: nothing of its kind is started now. */
static bool explain_gate(const struct picture *p, struct answer_why *a)
{
	const struct queue_gate *gate = &p->why.gate;
	struct str agent = str_of(gate->name);

	if (gate->kind == QUEUE_GATE_BUDGET) {
		explain_budget(p, a);
		return true;
	}
	if (gate->kind != QUEUE_GATE_BREAKER) {
		return false;
	}
	(void)str_split(&agent, ':');
	(void)str_split(&agent, ':');
	a->code = "breaker";
	if (gate->until_ms > p->why.now_ms) {
		a->until_ms = gate->until_ms;
		a->text = SAY(p,
		              "Too many agents of type %" STR_FMT
		              " failed as they were started; then one is tried.",
		              STR_ARG(agent));
	} else {
		a->text = SAY(p,
		              "Too many agents of type %" STR_FMT
		              " failed as they were started; session %s is tried first.",
		              STR_ARG(agent), gate->trial.s);
	}
	return true;
}

/* ---- where it is ---- */

static void explain_ready(const struct picture *p, struct answer_why *a)
{
	const struct queue_rank *rank = &p->why.rank;

	if (explain_workers(p, a)) {
		return;
	}
	if (explain_gate(p, a)) {
		return;
	}
	if (p->why.limit[0] != '\0') {
		explain_limit(p, a);
	} else if (p->slots.free == 0) {
		a->code = "slots";
		a->text = SAY(p, "All %" PRIu64 " slots of the %zu workers that fit are taken.",
		              p->slots.all, p->fitting);
	} else if (rank->ahead + rank->users_ahead + rank->tenants_ahead > 0) {
		a->code = "turn";
		a->text = SAY(p,
		              "Others are before it: %" PRIu64 " sessions of its user, %" PRIu64
		              " users, %" PRIu64 " tenants.",
		              rank->ahead, rank->users_ahead, rank->tenants_ahead);
	} else {
		a->code = "next";
		a->text = "It is the next to start.";
	}
}

/* A reason with what it is about behind it. */
static struct str behind(const char *reason, struct str prefix)
{
	struct str text = str_of(reason);

	return str_starts(text, prefix) ? str_make(text.p + prefix.n, text.n - prefix.n)
	                                : (struct str){ NULL, 0 };
}

static void explain_delayed(const struct picture *p, struct answer_why *a)
{
	struct str worker = behind(p->why.reason, STR_LIT("wait:"));

	a->until_ms = p->why.due_ms;
	if (worker.p != NULL) {
		a->code = "prefers";
		a->text =
			"A worker that has what it needs at hand will be free sooner than another "
			"one had it.";
	} else if (p->why.reason[0] != '\0') {
		a->code = "delayed";
		a->text = SAY(p, "It is put off: %s.", p->why.reason);
	} else {
		a->code = "delayed";
		a->text = "It is not to start before that time.";
	}
}

static void explain_held(const struct picture *p, struct answer_why *a)
{
	struct str after = behind(p->why.reason, STR_LIT(STEER_HOLD_AFTER));

	if (str_eq(str_of(p->why.reason), STR_LIT(QUEUE_EVICTED))) {
		a->code = "evicted";
		a->text = "It waits for an answer, and made room for others meanwhile.";
	} else if (behind(p->why.reason, STR_LIT("limit:")).p != NULL) {
		if (explain_gate(p, a)) {
			return;
		}
		if (p->why.limit[0] != '\0') {
			explain_limit(p, a);
		} else {
			a->code = "limit";
			a->text = "The limit that it waited for has room again.";
		}
	} else if (after.p != NULL) {
		a->code = "after";
		a->text = SAY(p, "It waits for the end of %" STR_FMT ".", STR_ARG(after));
	} else if (str_eq(str_of(p->why.reason), STR_LIT("poison"))) {
		a->code = "poison";
		a->text = SAY(p, "%d workers were lost on it.", QUEUE_LOST_MAX);
	} else {
		a->code = "held";
		a->text = SAY(p, "It is held: %s.", p->why.reason);
	}
}

/* The reason is the word of what it waits for, and "@" with a time in ms if that is known. */
static void explain_parked(const struct picture *p, struct answer_why *a)
{
	struct str until = str_of(p->why.reason), what = str_split(&until, '@');
	static const struct {
		struct str what;
		const char *text;
	} all[] = {
		{ STR_LIT("person"), "It waits for the answer of a person, without a slot." },
		{ STR_LIT("prompt"), "It waits for the next prompt, without a slot." },
		{ STR_LIT("limit"), "It waits for a provider's limit, without a slot." },
		{ STR_LIT("timer"), "It waits for a time, without a slot." },
		{ STR_LIT("session"), "It waits for another session, without a slot." },
	};
	uint64_t until_ms;

	a->code = "parked";
	a->text = SAY(p, "It waits without a slot: %" STR_FMT ".", STR_ARG(what));
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (str_eq(what, all[i].what)) {
			a->text = all[i].text;
		}
	}
	if (until.p != NULL && parse_u64(until, INT64_MAX, &until_ms)) {
		a->until_ms = (int64_t)until_ms;
	}
}

static const char *worker_of(const struct picture *p)
{
	for (size_t i = 0; p->queued && i < p->staff.count; i++) {
		if (strcmp(p->staff.workers[i].incarnation, p->why.incarnation) == 0) {
			return p->staff.workers[i].worker;
		}
	}
	return NULL;
}

static void explain(const struct picture *p, struct answer_why *a)
{
	const char *worker = worker_of(p);

	*a = (struct answer_why){ .code = "unqueued",
		                  .text = "It is accepted, and not in the queue yet." };
	if (session_is_terminal(p->row.state) || p->why.set == QUEUE_DONE) {
		a->code = "ended";
		a->text = SAY(p, "It has ended: %s.", session_state_name(p->row.state));
		return;
	}
	switch (p->why.set) {
	case QUEUE_READY: explain_ready(p, a); break;
	case QUEUE_DELAYED: explain_delayed(p, a); break;
	case QUEUE_HELD: explain_held(p, a); break;
	case QUEUE_PARKED: explain_parked(p, a); break;
	case QUEUE_LEASING:
		a->code = "starting";
		a->text = "It is being handed to a worker.";
		break;
	case QUEUE_LEASED:
		a->code = "running";
		a->text = worker != NULL ? SAY(p, "Worker %s has it.", worker)
		                         : "Its worker is lost; it goes to another one.";
		break;
	case QUEUE_NONE:
	case QUEUE_DONE:
	case QUEUE_SET_COUNT: break;
	}
}

/* ---- the answer ---- */

static void write_time(struct jsonw *w, const char *name, int64_t ms)
{
	if (ms > 0) {
		jsonw_time(w, name, ms * 1000);
	} else {
		jsonw_null(w, name);
	}
}

static void write_words(struct jsonw *w, const char *name, const char *words)
{
	struct str rest = str_of(words);

	jsonw_array(w, name);
	while (rest.n > 0) {
		jsonw_str(w, NULL, str_split(&rest, ','));
	}
	jsonw_end_array(w);
}

static void write_reason(struct jsonw *w, const struct picture *p)
{
	struct answer_why a;

	explain(p, &a);
	jsonw_object(w, "reason");
	jsonw_cstr(w, "code", a.code);
	jsonw_cstr(w, "text", a.text);
	write_time(w, "until", a.until_ms);
	jsonw_array(w, "missing");
	for (size_t i = 0; i < a.missing_count; i++) {
		jsonw_str(w, NULL, a.missing[i]);
	}
	jsonw_end_array(w);
	if (p->queued && p->why.limit[0] != '\0') {
		jsonw_object(w, "limit");
		jsonw_cstr(w, "kind", limit_kind(p->why.limit));
		jsonw_u64(w, "used", p->why.used);
		jsonw_u64(w, "most", p->why.most);
		jsonw_end_object(w);
	} else {
		jsonw_null(w, "limit");
	}
	jsonw_end_object(w);
}

static void write_rank(struct jsonw *w, const struct queue_rank *rank)
{
	jsonw_object(w, "rank");
	jsonw_u64(w, "ahead", rank->ahead);
	jsonw_u64(w, "ofUser", rank->of_user);
	jsonw_u64(w, "usersAhead", rank->users_ahead);
	jsonw_u64(w, "users", rank->users);
	jsonw_u64(w, "tenantsAhead", rank->tenants_ahead);
	jsonw_u64(w, "tenants", rank->tenants);
	jsonw_end_object(w);
}

static void write_share(struct jsonw *w, const struct queue_why *why)
{
	jsonw_object(w, "share");
	jsonw_u64(w, "leases", why->leases);
	jsonw_u64(w, "weight", why->weight);
	jsonw_i64(w, "turns", why->turns);
	jsonw_end_object(w);
}

static void write_eta(struct jsonw *w, const struct picture *p)
{
	struct eta eta = { .basis = ETA_NONE };

	if (p->queued && !session_is_terminal(p->row.state)) {
		eta = eta_of(&p->why, &p->slots);
	}
	if (eta.basis == ETA_NONE) {
		jsonw_null(w, "eta");
		return;
	}
	jsonw_object(w, "eta");
	write_time(w, "p10", p->why.now_ms + (int64_t)eta.p10_ms);
	write_time(w, "p50", p->why.now_ms + (int64_t)eta.p50_ms);
	write_time(w, "p90", p->why.now_ms + (int64_t)eta.p90_ms);
	jsonw_cstr(w, "basis", eta_basis_name(eta.basis));
	jsonw_end_object(w);
}

static void write_picture(struct jsonw *w, const struct picture *p)
{
	const char *worker = worker_of(p);

	jsonw_object(w, NULL);
	jsonw_cstr(w, "sessionId", p->row.id.s);
	jsonw_cstr(w, "status", session_state_name(p->row.state));
	jsonw_cstr(w, "place", p->queued ? queue_set_name(p->why.set) : "none");
	write_time(w, "since", p->why.since_ms);
	write_reason(w, p);
	write_words(w, "needs", p->why.needs);
	if (worker != NULL) {
		jsonw_cstr(w, "worker", worker);
	} else {
		jsonw_null(w, "worker");
	}
	write_rank(w, &p->why.rank);
	write_share(w, &p->why);
	write_eta(w, p);
	jsonw_end_object(w);
}

static enum err_code look(struct picture *p, struct err *err)
{
	struct redis *redis = node_of(p->req)->redis;
	const struct queue queue = steer_queue(redis, app_tenant(p->req));
	struct session_live_view view = { .recent_events = { NULL, 0 } };
	enum err_code code = live_fill(p->req, &p->row, &view, 1, err);

	if (code == ERR_OK) {
		code = queue_explain(&queue, &p->row.id, &p->why, err);
		p->queued = code == ERR_OK;
	}
	if (code == ERR_OK) {
		code = staff_read(redis, &p->staff, err);
	}
	if (code == ERR_OK) {
		p->slots = staff_slots(&p->staff, p->why.needs, &p->fitting);
	}
	return code == ERR_NOT_FOUND ? ERR_OK : code;
}

void serve_session_why(struct http_request *req, struct http_reply *reply)
{
	struct picture p = { .req = req };
	struct id id;
	struct err err;
	struct jsonw w;

	if (!seen_id(req, reply, &id) || !seen_row(req, reply, &id, &p.row)) {
		return;
	}
	if (look(&p, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	write_picture(&w, &p);
	staff_fini(&p.staff);
}
