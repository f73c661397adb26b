#include "api/seen.h"

#include "api/answer.h"
#include "api/app.h"

struct steer seen_steer(const struct http_request *req)
{
	const struct node *node = node_of(req);

	return (struct steer){
		.store = &node->store, .pg = node->pg, .who = app_who(req), .arena = req->arena
	};
}

bool seen_id(struct http_request *req, struct http_reply *reply, struct id *ret)
{
	if (!id_parse(req->params[0], ret)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such session");
		return false;
	}
	return true;
}

static bool find_row(const struct steer *steer, struct http_request *req, struct http_reply *reply,
                     const struct id *id, struct session *ret)
{
	struct err err;

	if (steer_find_row(steer, id, ret, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

bool seen_row(struct http_request *req, struct http_reply *reply, const struct id *id,
              struct session *ret)
{
	const struct steer steer = seen_steer(req);

	return find_row(&steer, req, reply, id, ret);
}

bool seen_row_with_others(struct http_request *req, struct http_reply *reply, const struct id *id,
                          struct session *ret)
{
	struct app *app = node_of(req)->app;
	struct steer steer = seen_steer(req);

	steer.rows = &app->rows;
	return find_row(&steer, req, reply, id, ret);
}

bool seen_now(struct http_request *req, struct http_reply *reply, struct steer_session *ret)
{
	const struct steer steer = seen_steer(req);
	struct id id;
	struct err err;

	if (!seen_id(req, reply, &id)) {
		return false;
	}
	if (steer_find(&steer, &id, ret, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}
