/* Breakers of tenants' types of agents: /api/v1/scheduling/breakers. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "base/clock.h"
#include "log/log.h"
#include "queue/queue_gate.h"
#include "redis/redis.h"

enum { BREAKERS_MAX = 512, MILLI = 1000 };

static void write_time(struct jsonw *w, const char *name, bool known, int64_t ms)
{
	if (known) {
		jsonw_time(w, name, ms * MILLI);
	} else {
		jsonw_null(w, name);
	}
}

static void write_breaker(struct jsonw *w, const struct queue_gate *gate, int64_t now_ms)
{
	struct str agent = str_of(gate->name), tenant;
	bool open = now_ms < gate->until_ms, tried = !id_is_nil(&gate->trial);

	(void)str_split(&agent, ':');
	tenant = str_split(&agent, ':');
	jsonw_object(w, NULL);
	jsonw_str(w, "tenant", tenant);
	jsonw_str(w, "agent", agent);
	jsonw_cstr(w, "state", open ? "open" : "trying");
	write_time(w, "until", open, gate->until_ms);
	if (tried) {
		jsonw_cstr(w, "trial", gate->trial.s);
	} else {
		jsonw_null(w, "trial");
	}
	write_time(w, "trialUntil", tried, gate->trial_until_ms);
	jsonw_u64(w, "successes", gate->well);
	jsonw_end_object(w);
}

void serve_breaker_list(struct http_request *req, struct http_reply *reply)
{
	struct queue_gate *gates = arena_take(req->arena, BREAKERS_MAX * sizeof(*gates));
	struct redis *redis = node_of(req)->redis;
	const int64_t now_ms = clock_wall_us() / MILLI;
	size_t left = BREAKERS_MAX;
	enum err_code code = ERR_OK;
	struct err err;
	struct jsonw w;

	items_begin(reply, &w);
	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(redis); shard++) {
		const struct queue queue = queue_at(redis, shard);
		size_t count = 0;

		code = queue_gates(&queue, QUEUE_GATE_BREAKER, gates, left, &count, &err);
		for (size_t i = 0; i < count; i++) {
			write_breaker(&w, &gates[i], now_ms);
		}
		left -= count;
	}
	items_end(&w, STR_LIT(""));
	if (code != ERR_OK) {
		buf_reset(&reply->body);
		answer_error(req, reply, &err);
	}
}

/* One that is closed stays so; what failed lately is forgotten too. */
void serve_breaker_reset(struct http_request *req, struct http_reply *reply)
{
	const struct queue_agents of = { arena_strdup(req->arena, req->params[0]),
		                         arena_strdup(req->arena, req->params[1]) };
	const struct queue queue = queue_of_tenant(node_of(req)->redis, str_of(of.tenant));
	bool was_open = false;
	struct err err;
	struct jsonw w;

	if (!queue_agents_ok(&of)) {
		answer_problem(req, reply, "agent", "must be a type of agents, of a tenant");
		return;
	}
	if (!once_tell(req, reply, arena_printf(req->arena, "%s/%s", of.tenant, of.agent))) {
		return;
	}
	if (queue_gate_reset(&queue, &of, &was_open, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	log_info("breaker.reset", "tenant=%s agent=%s by=%s", of.tenant, of.agent,
	         auth_actor(app_who(req)));
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "tenant", of.tenant);
	jsonw_cstr(&w, "agent", of.agent);
	jsonw_cstr(&w, "state", "closed");
	jsonw_bool(&w, "wasOpen", was_open);
	jsonw_end_object(&w);
}
