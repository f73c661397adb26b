/* The workers for operators: which there are, and which get no new sessions. */
#include <string.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "cordon/cordon_store.h"
#include "json/write.h"
#include "log/log.h"
#include "queue/keys.h"
#include "queue/lease.h"
#include "redis/redis.h"

enum { WORKERS_MAX = 1024 };

/* Who lives, and what is decided. */
struct seen {
	struct lease_worker *workers;
	size_t count;
	struct cordon_list cordons;
};

static enum err_code look(struct http_request *req, struct seen *ret, struct err *err)
{
	enum err_code code = cordon_list(node_of(req)->pg, req->arena, &ret->cordons, err);

	ret->workers = arena_take(req->arena, WORKERS_MAX * sizeof(*ret->workers));
	ret->count = 0;
	return code == ERR_OK ? lease_list(node_of(req)->redis, ret->workers, WORKERS_MAX,
	                                   &ret->count, err)
	                      : code;
}

static const struct lease_cordon *cordon_of(const struct seen *seen, const char *name)
{
	for (size_t i = 0; i < seen->cordons.count; i++) {
		if (strcmp(seen->cordons.items[i].name, name) == 0) {
			return &seen->cordons.items[i];
		}
	}
	return NULL;
}

/* What it has now, of all shards; more than a page is not counted. */
static enum err_code count_sessions(struct http_request *req, const char *incarnation,
                                    uint64_t *ret, struct err *err)
{
	struct queue_item *items = arena_take(req->arena, QUEUE_BATCH_MAX * sizeof(*items));
	enum err_code code = ERR_OK;

	*ret = 0;
	for (unsigned shard = 0; code == ERR_OK && shard < redis_shards(node_of(req)->redis);
	     shard++) {
		const struct queue queue = queue_at(node_of(req)->redis, shard);
		struct queue_page page = { items, QUEUE_BATCH_MAX, 0 };

		code = queue_of_worker(&queue, incarnation, &page, err);
		*ret += code == ERR_OK ? page.count : 0;
	}
	return code;
}

static const char *status_of(const struct lease_cordon *cordon, const struct lease_worker *living)
{
	if ((cordon != NULL && cordon->drain) || (living != NULL && living->leaving)) {
		return "draining";
	}
	return cordon != NULL ? "cordoned" : "online";
}

static enum err_code write_living(struct http_request *req, struct jsonw *w,
                                  const struct seen *seen, const struct lease_worker *worker,
                                  struct err *err)
{
	uint64_t sessions;
	enum err_code code = count_sessions(req, worker->incarnation, &sessions, err);

	jsonw_object(w, NULL);
	jsonw_cstr(w, "name", worker->name);
	jsonw_cstr(w, "id", worker->worker);
	jsonw_bool(w, "alive", true);
	jsonw_cstr(w, "status", status_of(cordon_of(seen, worker->name), worker));
	jsonw_u64(w, "slots", worker->slots);
	jsonw_u64(w, "sessions", code == ERR_OK ? sessions : 0);
	jsonw_cstr(w, "version", worker->version);
	jsonw_time(w, "since", worker->since_ms * 1000);
	jsonw_end_object(w);
	return code;
}

static bool lives(const struct seen *seen, const char *name)
{
	for (size_t i = 0; i < seen->count; i++) {
		if (strcmp(seen->workers[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void write_absent(struct jsonw *w, const struct lease_cordon *cordon)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "name", cordon->name);
	jsonw_bool(w, "alive", false);
	jsonw_cstr(w, "status", status_of(cordon, NULL));
	jsonw_end_object(w);
}

void serve_worker_list(struct http_request *req, struct http_reply *reply)
{
	struct seen seen;
	struct err err;
	struct jsonw w;
	enum err_code code = look(req, &seen, &err);

	items_begin(reply, &w);
	for (size_t i = 0; code == ERR_OK && i < seen.count; i++) {
		code = write_living(req, &w, &seen, &seen.workers[i], &err);
	}
	for (size_t i = 0; code == ERR_OK && i < seen.cordons.count; i++) {
		if (!lives(&seen, seen.cordons.items[i].name)) {
			write_absent(&w, &seen.cordons.items[i]);
		}
	}
	items_end(&w, STR_LIT(""));
	if (code != ERR_OK) {
		buf_reset(&reply->body);
		answer_error(req, reply, &err);
	}
}

/* ---- deciding ---- */

/* False: the reply is filled. */
static bool take_name(struct http_request *req, struct http_reply *reply, struct lease_cordon *ret)
{
	*ret = (struct lease_cordon){ .drain = false };
	if (!str_copy(ret->name, sizeof(ret->name), req->params[0]) || !queue_name_ok(ret->name)) {
		answer_problem(req, reply, "name",
		               "must be 1 to 64 letters, digits, dots, colons, dashes and "
		               "underscores");
		return false;
	}
	return true;
}

/* What was decided holds from here on, whether its workers live or come later. */
static void answer_decided(struct http_request *req, struct http_reply *reply,
                           const struct lease_cordon *cordon, const char *status)
{
	struct lease_worker *workers = arena_take(req->arena, WORKERS_MAX * sizeof(*workers));
	size_t count = 0, alive = 0;
	struct err err;
	struct jsonw w;

	if (lease_list(node_of(req)->redis, workers, WORKERS_MAX, &count, &err) != ERR_OK) {
		log_debug("workers.unlisted", "code=%s %s", err_name(err.code), err.msg);
	}
	for (size_t i = 0; i < count; i++) {
		alive += strcmp(workers[i].name, cordon->name) == 0;
	}
	log_info("worker.decided", "name=%s status=%s by=%s", cordon->name, status,
	         auth_actor(app_who(req)));
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "name", cordon->name);
	jsonw_cstr(&w, "status", status);
	jsonw_u64(&w, "alive", alive);
	jsonw_end_object(&w);
}

/* The row first; the copy is brought by a scheduler if we do not get to it. */
static void decide(struct http_request *req, struct http_reply *reply, bool drain)
{
	struct lease_cordon cordon;
	struct once once;
	struct err err;

	if (!take_name(req, reply, &cordon) || !once_begin(req, reply, &once)) {
		return;
	}
	cordon.drain = drain;
	if (cordon_set(node_of(req)->pg, &cordon, auth_actor(app_who(req)), &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	if (!once_commit(req, reply, &once)) {
		return;
	}
	if (lease_cordon_set(node_of(req)->redis, &cordon, &err) != ERR_OK) {
		log_warn("worker.undecided", "name=%s code=%s %s", cordon.name, err_name(err.code),
		         err.msg);
	}
	answer_decided(req, reply, &cordon, drain ? "draining" : "cordoned");
}

void serve_worker_cordon(struct http_request *req, struct http_reply *reply)
{
	decide(req, reply, false);
}

void serve_worker_drain(struct http_request *req, struct http_reply *reply)
{
	decide(req, reply, true);
}

void serve_worker_uncordon(struct http_request *req, struct http_reply *reply)
{
	struct lease_cordon cordon;
	struct once once;
	struct err err;

	if (!take_name(req, reply, &cordon) || !once_begin(req, reply, &once)) {
		return;
	}
	if (cordon_clear(node_of(req)->pg, cordon.name, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	if (!once_commit(req, reply, &once)) {
		return;
	}
	if (lease_cordon_clear(node_of(req)->redis, cordon.name, &err) != ERR_OK) {
		log_warn("worker.undecided", "name=%s code=%s %s", cordon.name, err_name(err.code),
		         err.msg);
	}
	answer_decided(req, reply, &cordon, "online");
}
