#include "api/seen.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/publish.h"

bool seen_allowed(const struct http_request *req, const struct session *row)
{
	return app_who(req)->any_namespace || auth_allows_namespace(app_who(req), row->namespace);
}

static enum err_code get_row(const struct http_request *req, const struct id *id,
                             struct session *ret, struct err *err)
{
	enum err_code code =
		session_get(node_of(req)->pg, app_tenant(req), id, req->arena, ret, err);

	if (code == ERR_OK && !seen_allowed(req, ret)) {
		return err_set(err, ERR_NOT_FOUND, "no session %s", id->s);
	}
	return code;
}

/* Whatever was wrong with the id, the answer is the same. */
static void answer_unseen(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such session");
	} else {
		answer_error(req, reply, err);
	}
}

bool seen_id(struct http_request *req, struct http_reply *reply, struct id *ret)
{
	if (!id_parse(req->params[0], ret)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such session");
		return false;
	}
	return true;
}

bool seen_row(struct http_request *req, struct http_reply *reply, const struct id *id,
              struct session *ret)
{
	struct err err;

	if (get_row(req, id, ret, &err) != ERR_OK) {
		answer_unseen(req, reply, &err);
		return false;
	}
	return true;
}

enum err_code seen_without_log(const struct http_request *req, const struct id *id,
                               struct session *ret_row, struct err *err)
{
	enum err_code code = get_row(req, id, ret_row, err);

	if (code == ERR_OK && session_is_terminal(ret_row->state)) {
		return err_set(err, ERR_GONE, "the session is %s",
		               session_state_name(ret_row->state));
	}
	return code == ERR_OK ? publish_row(node_of(req), ret_row, req->arena, err) : code;
}

static enum err_code find_head(const struct http_request *req, const struct id *id,
                               struct log_head *ret, struct err *err)
{
	const struct node *node = node_of(req);

	if (node->store.generation == 0) {
		return err_set(err, ERR_UNAVAILABLE, "the generation of Redis is not known yet");
	}
	return log_head_get(&node->store, id, app_tenant(req), ret, err);
}

static enum err_code look(const struct http_request *req, struct seen *seen, struct err *err)
{
	enum err_code code = find_head(req, &seen->id, &seen->head, err);

	if (code != ERR_OK) {
		return code;
	}
	if (!seen->head.found) {
		code = seen_without_log(req, &seen->id, &seen->row, err);
		seen->has_row = code == ERR_OK || code == ERR_GONE;
		if (code == ERR_GONE) {
			seen->state = seen->row.state;
			return ERR_OK;
		}
		if (code == ERR_OK) {
			code = find_head(req, &seen->id, &seen->head, err);
		}
		if (code == ERR_OK && !seen->head.found) {
			code = err_set(err, ERR_REBUILD, "no log of %s", seen->id.s);
		}
	} else if (!app_who(req)->any_namespace) {
		code = get_row(req, &seen->id, &seen->row, err);
		seen->has_row = code == ERR_OK;
	}
	seen->state = seen->head.state;
	return code;
}

bool seen_now(struct http_request *req, struct http_reply *reply, struct seen *ret)
{
	struct seen seen = { .has_row = false };
	struct err err;

	if (!seen_id(req, reply, &seen.id)) {
		return false;
	}
	if (look(req, &seen, &err) != ERR_OK) {
		answer_unseen(req, reply, &err);
		return false;
	}
	*ret = seen;
	return true;
}
