/*
 * Events from outside of a worker: POST /api/v1/sessions/{id}/events, and POST /api/v1/events for
 * many sessions, where each batch is answered by itself.
 */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/seen.h"
#include "json/write.h"
#include "redis/redis.h"
#include "redis/replicas.h"
#include "rest/body.h"

enum { APPEND_FIBERS = 16 };

/* One batch on its way, with what became of it. */
struct appending {
	struct http_request *req;
	struct rest_append *append;
	struct id id;
	bool if_match; /* its epoch came in If-Match */
	struct log_result result;
	struct err err;
};

/* The caller wants it traced, or it is one in so many: the same for every node that sees it. */
static const char *trace_of(const struct http_request *req)
{
	uint64_t rate = node_of(req)->conf.stream_trace_rate, number = 0;

	if (rate == 0) {
		return NULL;
	}
	for (const char *digit = req->trace_id + 16; *digit != '\0'; digit++) {
		number = number << 4 | (uint64_t)(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
	}
	return req->sampled || number % rate == 0 ? req->trace_id : NULL;
}

static enum err_code try_append(const struct appending *a, struct log_result *ret, struct err *err)
{
	const struct node *node = node_of(a->req);
	const struct rest_append *append = a->append;
	const struct log_batch batch = {
		.sid = a->id,
		.tenant = app_tenant(a->req),
		.epoch = append->epoch,
		.producer = append->producer.n > 0 ? arena_strdup(a->req->arena, append->producer)
		                                   : NULL,
		.seq = append->sequence,
		.from = append->from,
		.events = append->events.items,
		.count = append->events.count,
		.trace = trace_of(a->req),
	};

	if (node->store.generation == 0) {
		return err_set(err, ERR_UNAVAILABLE, "the generation of Redis is not known yet");
	}
	return log_append(&node->store, &batch, ret, err);
}

/* Keys that are limited to namespaces need the row; for others the head's tenant decides. */
static enum err_code check_namespace(const struct appending *a, struct err *err)
{
	const struct http_request *req = a->req;
	const struct steer steer = seen_steer(req);
	struct session row;

	return app_who(req)->any_namespace ? ERR_OK : steer_find_row(&steer, &a->id, &row, err);
}

static enum err_code append_once(struct appending *a)
{
	const struct steer steer = seen_steer(a->req);
	enum err_code code = check_namespace(a, &a->err);
	struct session row;

	if (code == ERR_OK) {
		code = try_append(a, &a->result, &a->err);
	}
	if (code == ERR_OK &&
	    (a->result.outcome == LOG_REBUILD || a->result.outcome == LOG_MISSING)) {
		code = steer_find_log(&steer, &a->id, &row, &a->err);
		if (code == ERR_OK) {
			code = try_append(a, &a->result, &a->err);
		}
	}
	return code == ERR_OK ? log_result_err(&a->result, &a->err) : code;
}

/* What is repeated is waited for again: who repeats was not told that it is safe. */
static enum err_code append_safely(struct appending *a)
{
	const struct node *node = node_of(a->req);
	const struct app *app = node->app;
	const uint64_t server = redis_server(node->redis);
	enum err_code code = append_once(a);

	if (code == ERR_OK && app->replicas != NULL) {
		code = redis_replicas_wait(app->replicas, node->redis, server, &a->err);
	}
	return code;
}

static void append(struct appending *a)
{
	enum err_code code = append_safely(a);

	if (code == ERR_FENCED && a->if_match) {
		code = ERR_PRECONDITION;
	} else if (code == ERR_ILLEGAL_MOVE) {
		code = ERR_CONFLICT; /* it moves nothing: the guard on the state did not hold */
	}
	a->err.code = code;
}

static void write_cursor(struct jsonw *w, const char *name, uint64_t epoch, uint64_t n)
{
	const struct cursor cursor = { epoch, n };
	char text[CURSOR_SIZE];

	cursor_format(&cursor, text);
	jsonw_cstr(w, name, text);
}

static void write_appended(struct jsonw *w, const struct appending *a)
{
	const struct log_result *result = &a->result;

	jsonw_cstr(w, "sessionId", a->id.s);
	jsonw_array(w, "cursors");
	for (uint64_t n = result->first.n; n <= result->last.n; n++) {
		write_cursor(w, NULL, result->first.epoch, n);
	}
	jsonw_end_array(w);
	write_cursor(w, "last", result->last.epoch, result->last.n);
	jsonw_cstr(w, "state", session_state_name(result->state));
	jsonw_bool(w, "repeated", result->repeated);
	jsonw_cstr(w, "durability", "fast");
}

static void answer_refused(struct http_reply *reply, const struct appending *a)
{
	if (a->err.code == ERR_NOT_FOUND) {
		answer_code(a->req, reply, ERR_NOT_FOUND, "no such session");
		return;
	}
	answer_error(a->req, reply, &a->err);
	if (a->err.code == ERR_SEQUENCE) {
		answer_extend(reply, "expected", a->result.expected);
	} else if (a->err.code == ERR_FENCED || a->err.code == ERR_PRECONDITION) {
		answer_extend(reply, "epoch", a->result.epoch);
	}
}

/* ---- one session ---- */

/* If-Match: "<epoch>", RFC 9110 section 13.1.1; "*" is any. */
static bool take_if_match(struct http_request *req, struct http_reply *reply, struct appending *a)
{
	struct str tag = http_header(req, "If-Match");

	if (tag.p == NULL || str_eq(tag, STR_LIT("*"))) {
		return true;
	}
	a->if_match = true;
	if (tag.n > 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"' &&
	    parse_u64(str_make(tag.p + 1, tag.n - 2), CURSOR_EPOCH_MAX, &a->append->epoch) &&
	    a->append->epoch > 0) {
		return true;
	}
	answer_problem(req, reply, "If-Match", "must be an epoch in quotes, like \"3\"");
	return false;
}

void serve_event_append(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_append body;
	struct appending a = { .req = req, .append = &body, .err = { .code = ERR_OK } };
	struct jsonw w;

	if (json_decode(req->body, &rest_append_table, &body, req->arena, problems) == ERR_OK) {
		rest_append_check(&body, "", req->arena, problems);
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return;
	}
	if (!take_if_match(req, reply, &a) || !seen_id(req, reply, &a.id)) {
		return;
	}
	append(&a);
	if (a.err.code != ERR_OK) {
		answer_refused(reply, &a);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	write_appended(&w, &a);
	jsonw_end_object(&w);
}

/* ---- many ---- */

struct crowd {
	struct appending *items;
	size_t count, next;
};

static void append_on(void *arg)
{
	struct crowd *crowd = arg;

	while (crowd->next < crowd->count) {
		struct appending *a = &crowd->items[crowd->next++];

		if (!id_is_nil(&a->id)) {
			append(a);
		}
	}
}

/* Two batches of one session would race each other. */
static void check_distinct(struct http_request *req, const struct rest_appends *body,
                           struct json_problems *problems)
{
	const struct rest_append *items = body->batches.items;

	for (size_t i = 0; i < body->batches.count; i++) {
		rest_append_check(&items[i], arena_printf(req->arena, "batches[%zu].", i),
		                  req->arena, problems);
		for (size_t k = 0; k < i; k++) {
			if (str_eq_nocase(items[i].session, items[k].session)) {
				json_problem_add(
					problems, req->arena,
					arena_printf(req->arena, "batches[%zu].sessionId", i),
					"must be another than in batches[%zu]", k);
				break;
			}
		}
	}
}

static void append_all(const struct node *node, struct crowd *crowd)
{
	struct fiber_group group = { .count = 0 };

	/* This fiber is one of them: a single batch, the usual, waits for no other. */
	for (size_t i = 1; i < crowd->count && i < APPEND_FIBERS; i++) {
		(void)fiber_start(node->loop, &group, "append", append_on, crowd);
	}
	/* They write to the request's arena: wait whatever happens to the client. Every wait of
	 * theirs has the deadline of its driver. */
	fiber_shield();
	append_on(crowd);
	while (fiber_group_wait(&group, FIBER_NO_TIMEOUT) != ERR_OK) {
	}
	fiber_unshield();
}

static void write_result(struct jsonw *w, struct http_reply *part, const struct appending *a)
{
	jsonw_object(w, NULL);
	if (a->err.code == ERR_OK) {
		jsonw_u64(w, "status", 200);
		write_appended(w, a);
	} else {
		buf_reset(&part->body);
		buf_reset(&part->headers);
		answer_refused(part, a);
		jsonw_u64(w, "status", (uint64_t)part->status);
		jsonw_str(w, "sessionId", a->append->session);
		jsonw_raw(w, "problem", buf_str(&part->body));
	}
	jsonw_end_object(w);
}

static void write_results(struct http_reply *reply, const struct crowd *crowd)
{
	struct http_reply part = { .status = 200 };
	struct jsonw w;

	buf_init(&part.body, UINT16_MAX);
	buf_init(&part.headers, UINT16_MAX);
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "results");
	for (size_t i = 0; i < crowd->count; i++) {
		write_result(&w, &part, &crowd->items[i]);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	buf_fini(&part.body);
	buf_fini(&part.headers);
}

void serve_event_append_many(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_appends body;
	struct rest_append *appends;
	struct crowd crowd = { .next = 0 };

	if (json_decode(req->body, &rest_appends_table, &body, req->arena, problems) == ERR_OK) {
		check_distinct(req, &body, problems);
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
		return;
	}
	appends = body.batches.items;
	crowd.count = body.batches.count;
	crowd.items = arena_take(req->arena, crowd.count * sizeof(*crowd.items));
	for (size_t i = 0; i < crowd.count; i++) {
		struct appending *a = &crowd.items[i];

		*a = (struct appending){ .req = req,
			                 .append = &appends[i],
			                 .err = { .code = ERR_OK } };
		if (!id_parse(appends[i].session, &a->id)) {
			(void)err_set(&a->err, ERR_NOT_FOUND, "no such session");
		}
	}
	append_all(node_of(req), &crowd);
	write_results(reply, &crowd);
}
