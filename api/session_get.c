/* GET /api/v1/sessions/{id} and /info. Where a session is now is the head's to say. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/live.h"
#include "api/seen.h"
#include "delivery/delivery_store.h"
#include "event/snapshot.h"
#include "json/write.h"
#include "rest/query.h"
#include "steer/notify.h"

enum {
	SNAPSHOT_MAX = 4 * 1024 * 1024, /* more than it can be */
	BODY_USUAL = 4 * 1024,
};

/* The row, with what Redis knows. False: the reply is filled. */
static bool look_up(struct http_request *req, struct http_reply *reply, struct session *row,
                    struct session_live_view *view)
{
	struct id id;
	struct err err;

	*view = (struct session_live_view){ .recent_events = { NULL, 0 } };
	if (!seen_id(req, reply, &id) || !seen_row_with_others(req, reply, &id, row)) {
		return false;
	}
	if (live_fill(req, row, view, 1, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

/* State and cursor are of one moment, which is not earlier than what is known so far. False: the
 * reply is filled. */
static bool take_snapshot(struct http_request *req, struct http_reply *reply, struct session *row,
                          struct session_live_view *view)
{
	uint64_t classes = app_sees(req);
	const struct node *node = node_of(req);
	char *at = arena_take(req->arena, CURSOR_SIZE);
	struct snapshot snapshot;
	struct buf text;
	struct jsonw w;
	struct err err;

	if (snapshot_read(&node->store, node->pg, &row->id, app_tenant(req), &snapshot, &err) !=
	    ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	row->state = snapshot.state;
	row->epoch = snapshot.at.epoch;
	cursor_format(&snapshot.at, at);
	buf_init(&text, SNAPSHOT_MAX);
	jsonw_init(&w, &text);
	snapshot_write(&snapshot, str_of(row->id.s), classes, &w);
	*view = (struct session_live_view){ .snapshot = arena_str(req->arena, buf_str(&text)),
		                            .resume_from = str_of(at) };
	buf_fini(&text);
	snapshot_fini(&snapshot);
	return true;
}

/* What became of its branch. False: the reply is filled. */
static bool take_delivery(struct http_request *req, struct http_reply *reply,
                          const struct session *row, struct session_live_view *view)
{
	struct err err;

	if (row->delivery.n > 0 && delivery_get(node_of(req)->pg, app_tenant(req), &row->id,
	                                        req->arena, &view->delivered, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

void serve_session_get(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct session_live_view view;
	struct rest_session query;
	struct session row;
	struct jsonw w;

	if (rest_query(req, &rest_session_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return;
	}
	if (look_up(req, reply, &row, &view) &&
	    (query.snapshot == 0 || take_snapshot(req, reply, &row, &view)) &&
	    take_delivery(req, reply, &row, &view)) {
		(void)buf_reserve(&reply->body, BODY_USUAL); /* else it grows to that in steps */
		jsonw_init(&w, &reply->body);
		session_write(&w, NULL, &row, &view, req->arena);
	}
}

static void write_fleet(struct jsonw *w, const struct steer_holder *holder)
{
	jsonw_object(w, "fleet");
	if (holder != NULL) {
		jsonw_cstr(w, "leader", holder->worker);
	} else {
		jsonw_null(w, "leader");
	}
	jsonw_array(w, "followers");
	jsonw_end_array(w);
	jsonw_end_object(w);
}

void serve_session_info(struct http_request *req, struct http_reply *reply)
{
	struct session_live_view view;
	struct steer_holder holder;
	struct session row;
	struct err err;
	enum err_code code;
	struct jsonw w;

	if (!look_up(req, reply, &row, &view)) {
		return;
	}
	code = session_is_terminal(row.state)
	               ? ERR_NOT_FOUND
	               : steer_find_holder(node_of(req)->redis, app_tenant(req), &row.id, &holder,
	                                   &err);
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "id", row.id.s);
	jsonw_cstr(&w, "status", session_state_name(row.state));
	write_fleet(&w, code == ERR_OK ? &holder : NULL);
	jsonw_object(&w, "endpoints");
	jsonw_cstr(&w, "events", arena_printf(req->arena, "/api/v1/sessions/%s/events", row.id.s));
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}
