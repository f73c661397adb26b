/* All sessions of this worker: how they come, and what concerns all of them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/value.h"
#include "log/log.h"
#include "metric/metric.h"
#include "worker/redact.h"
#include "worker/session_limits.h"
#include "worker/session_private.h"
#include "worker/session_secret.h"
#include "worker/session_trace.h"

/* At a time; see turns.h. */
enum { TURNS_MAX = 8, FETCHES_MAX = 32 };

void session_host_init(struct session_host *host)
{
	turns_init(&host->turns, TURNS_MAX);
	turns_init(&host->fetches, FETCHES_MAX);
	host->redact = redact_new(NULL, 0);
	LIST_INIT(&host->runs);
	TAILQ_INIT(&host->tails);
	fiber_signal_init(&host->ended);
	metric_set(METRIC_WORKER_SLOTS, NULL, (double)host->slots);
	metric_set(METRIC_WORKER_SLOTS_USED, NULL, 0);
}

void session_host_fini(struct session_host *host)
{
	redact_free(host->redact);
	session_tails_free(host);
	session_rule_notes_free(host);
}

static void set_used(struct session_host *host, unsigned used)
{
	host->used = used;
	metric_set(METRIC_WORKER_SLOTS_USED, NULL, (double)used);
}

void session_leave_slot(struct session_run *s)
{
	if (s->in_slot) {
		s->in_slot = false;
		set_used(s->host, s->host->used - 1);
	}
}

void session_enter_slot(struct session_run *s)
{
	if (!s->in_slot) {
		s->in_slot = true;
		set_used(s->host, s->host->used + 1);
	}
}

void session_retire(struct session_run *s)
{
	struct session_host *host = s->host;

	LIST_REMOVE(s, link);
	session_leave_slot(s);
	session_adapter_free(s);
	session_asks_free(s);
	session_notes_free(s);
	session_rules_free(s);
	session_secrets_free(s);
	session_limits_free(s);
	session_trace_free(s);
	arena_free(s->arena);
	free(s);
	fiber_signal_raise(&host->ended);
}

struct session_run *session_find(struct session_host *host, const struct id *sid)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (id_eq(&s->sid, sid)) {
			return s;
		}
	}
	return NULL;
}

/* Whose session it is, if nothing else can be made of the order. */
static const char *tenant_in(struct str body, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *root = json_parse(body, &err);
	struct str tenant = json_as_str(json_get(root, "tenant"));

	return tenant.n > 0 ? arena_strdup(arena, tenant) : NULL;
}

/* One that cannot be read leaves .agent NULL, and says why: this worker is older than whoever
 * wrote it, or newer. */
static void read_order(struct session_run *s, struct str body)
{
	struct err err;
	enum err_code code = task_run_decode(arena_str(s->arena, body), &s->order, s->arena, &err);

	if (code == ERR_OK && s->order.spec.agents.count != 1) {
		code = err_set(&err, ERR_INVALID, "it must have one agent");
	}
	if (code == ERR_OK) {
		s->agent = s->order.spec.agents.items;
		s->tenant = arena_strdup(s->arena, s->order.tenant);
		session_rules_load(s, s->order.approvals);
		session_budget_load(s);
		return;
	}
	log_error("session.order", "session=%s %s", s->sid.s, err.msg);
	s->tenant = tenant_in(body, s->arena);
	session_fail(s, "the worker cannot read its order: %.120s", err.msg);
}

static struct session_run *make_run(struct session_host *host, const struct mail *mail)
{
	struct session_run *s = mem_calloc(1, sizeof(*s));

	s->host = host;
	s->redact = host->redact;
	s->about = "";
	s->workspace.url = "";
	s->sid = mail->sid;
	s->epoch = mail->epoch;
	s->attempt = mail->attempt;
	(void)str_copy(s->incarnation, sizeof(s->incarnation), mail->incarnation);
	s->arena = arena_new();
	s->seen = map_new();
	TAILQ_INIT(&s->notes);
	TAILQ_INIT(&s->prompts);
	TAILQ_INIT(&s->waits);
	TAILQ_INIT(&s->asks);
	fiber_signal_init(&s->park_wake);
	fiber_signal_init(&s->working);
	fiber_signal_init(&s->wake);
	fiber_signal_init(&s->prompted);
	read_order(s, mail->body);
	return s;
}

void session_order(struct session_host *host, const struct mail *mail)
{
	struct session_run *known = session_find(host, &mail->sid), *s;

	if (known != NULL && session_epoch_now(known) >= mail->epoch) {
		return;
	}
	s = make_run(host, mail);
	LIST_INSERT_HEAD(&host->runs, s, link);
	if (s->tenant == NULL) {
		session_retire(s); /* not even whose it is */
		return;
	}
	session_enter_slot(s);
	s->fiber = fiber_start(host->loop, &host->fibers, "session", session_main, s);
}

void session_fence(struct session_host *host, const struct id *sid, uint64_t epoch)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (id_eq(&s->sid, sid) && (epoch == 0 || epoch > session_epoch_now(s))) {
			session_give_up(s, FATE_LOST);
		}
	}
}

void session_evict(struct session_host *host, const struct id *sid)
{
	struct session_run *s = session_find(host, sid);

	if (s != NULL) {
		s->evict_asked = true;
		fiber_signal_raise(&s->wake);
	}
}

/* The queue gave it a slot: the fiber that parks asks again, and then knows. */
void session_unpark(struct session_host *host, const struct id *sid)
{
	struct session_run *s = session_find(host, sid);

	if (s != NULL) {
		session_park_rouse(s);
	}
}

void session_renew_all(struct session_host *host, uint64_t until_ms)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (s->runner != NULL && !s->doubted) {
			session_agent_renew(s, until_ms);
		}
	}
}

/* Its agent freezes when the lease that it had is over, and stays so. */
void session_doubt(struct session_run *s)
{
	s->doubted = true;
	if (s->reporter != NULL) {
		reporter_doubt(s->reporter);
	}
}

void session_doubt_all(struct session_host *host)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		session_doubt(s);
	}
}

void session_lose_all(struct session_host *host)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		session_give_up(s, FATE_LOST);
	}
}

void session_redis_back_all(struct session_host *host)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (s->reporter != NULL) {
			reporter_redis_back(s->reporter);
		}
	}
}

/* The list may change while the head is read. */
static void look_after(struct session_host *host, const struct id *sid)
{
	struct session_run *s = session_find(host, sid);
	char tenant[JOURNAL_TENANT_MAX + 1]; /* the session may end while its head is read */
	struct log_head head;
	struct err err;

	if (s == NULL || s->reporter == NULL ||
	    !str_copy(tenant, sizeof(tenant), str_of(s->tenant)) ||
	    log_head_get(host->store, sid, tenant, &head, &err) != ERR_OK || !head.found) {
		return;
	}
	s = session_find(host, sid);
	if (s == NULL || s->reporter == NULL || s->ending) {
		return;
	}
	reporter_archived(s->reporter, head.watermark);
	if (session_is_terminal(head.state)) {
		session_give_up(s, FATE_LOST);
	} else if (head.at.epoch > reporter_epoch(s->reporter)) {
		reporter_look(s->reporter);
	}
}

struct id *session_ids(const struct session_host *host, size_t *ret_count)
{
	const struct session_run *s;
	size_t all = 0, count = 0;
	struct id *ids;

	LIST_FOREACH(s, &host->runs, link)
	{
		all++;
	}
	ids = mem_calloc(all + 1, sizeof(*ids));
	LIST_FOREACH(s, &host->runs, link)
	{
		ids[count++] = s->sid;
	}
	*ret_count = count;
	return ids;
}

void session_look_after_all(struct session_host *host)
{
	size_t count;
	struct id *ids = session_ids(host, &count);

	for (size_t i = 0; i < count && !fiber_cancelled(); i++) {
		look_after(host, &ids[i]);
	}
	free(ids);
}

/* ---- budgets of others ---- */

enum { BUDGETS_MS = 1000, BUDGETS_AT_ONCE = 256 };

/* Those that may use something: what waits without a slot is looked at when it goes on. */
static size_t list_working(const struct session_host *host, struct id out[BUDGETS_AT_ONCE])
{
	const struct session_run *s;
	size_t count = 0;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (count < BUDGETS_AT_ONCE && s->adapter != NULL && !s->ending &&
		    s->about[0] != '\0') {
			out[count++] = s->sid;
		}
	}
	return count;
}

/* It may end while Redis is asked. */
static enum err_code look_at_budgets(struct session_host *host, const struct id *sid)
{
	struct session_run *s = session_find(host, sid);
	struct queue_gate hard, soft;
	struct queue_about about;
	struct queue queue;
	struct err err;
	enum err_code code;

	if (s == NULL || s->adapter == NULL) {
		return ERR_OK;
	}
	queue = queue_of_tenant(host->redis, str_of(s->tenant));
	(void)str_copy(about.text, sizeof(about.text), str_of(s->about));
	code = queue_gates_of(&queue, str_of(about.text), &hard, &soft, &err);
	s = session_find(host, sid);
	if (code == ERR_OK && s != NULL && s->adapter != NULL && !s->ending) {
		session_budget_hear_of(s, &hard, &soft);
	}
	return code;
}

void session_budgets_run(void *arg)
{
	struct session_host *host = arg;

	while (!fiber_cancelled()) {
		struct id sids[BUDGETS_AT_ONCE];
		size_t count = list_working(host, sids);
		enum err_code code = ERR_OK;

		for (size_t i = 0; code == ERR_OK && i < count && !fiber_cancelled(); i++) {
			code = look_at_budgets(host, &sids[i]);
		}
		(void)fiber_sleep(BUDGETS_MS);
	}
}
