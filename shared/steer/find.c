#include "session/session_gather.h"
#include "steer/publish.h"
#include "steer/steer.h"

static enum err_code refuse(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "no such session");
}

enum err_code steer_find_row(const struct steer *steer, const struct id *id, struct session *ret,
                             struct err *err)
{
	const struct principal *who = steer->who;
	enum err_code code;

	if (!auth_allows_session(who, id)) {
		return refuse(err);
	}
	code = steer->rows != NULL
	               ? session_gather_get(steer->rows, who->tenant, id, steer->arena, ret, err)
	               : session_get(steer->pg, who->tenant, id, steer->arena, ret, err);
	if (code == ERR_NOT_FOUND || (code == ERR_OK && !who->any_namespace &&
	                              !auth_allows_namespace(who, ret->namespace))) {
		return refuse(err);
	}
	return code;
}

static enum err_code publish_row(const struct steer *steer, const struct session *row,
                                 struct err *err)
{
	struct steer_publication publication;
	bool unmade = false, stored = false;
	enum err_code code = steer_is_unmade(steer->store, steer->pg, steer->who->tenant, &row->id,
	                                     &unmade, &stored, err);

	if (code == ERR_OK && !unmade) {
		return err_set(err, ERR_REBUILD, "the log of %s is not in this Redis", row->id.s);
	}
	if (code != ERR_OK) {
		return code;
	}
	steer_publication_of(row, steer->arena, &publication);
	return steer_publish(steer->store, steer->pg, &publication, stored, err);
}

enum err_code steer_find_log(const struct steer *steer, const struct id *id,
                             struct session *ret_row, struct err *err)
{
	enum err_code code = steer_find_row(steer, id, ret_row, err);

	if (code == ERR_OK && session_is_terminal(ret_row->state)) {
		return err_set(err, ERR_GONE, "the session is %s",
		               session_state_name(ret_row->state));
	}
	return code == ERR_OK ? publish_row(steer, ret_row, err) : code;
}

static enum err_code find_head(const struct steer *steer, const struct id *id, struct log_head *ret,
                               struct err *err)
{
	if (steer->store->generation == 0) {
		return err_set(err, ERR_UNAVAILABLE, "the generation of Redis is not known yet");
	}
	return log_head_get(steer->store, id, steer->who->tenant, ret, err);
}

/* It has no head: it has ended and left Redis, or its log is still to be made. */
static enum err_code find_without_head(const struct steer *steer, struct steer_session *session,
                                       struct err *err)
{
	enum err_code code = steer_find_log(steer, &session->id, &session->row, err);

	session->has_row = code == ERR_OK || code == ERR_GONE;
	if (code == ERR_GONE) {
		session->state = session->row.state;
		return ERR_OK;
	}
	if (code == ERR_OK) {
		code = find_head(steer, &session->id, &session->head, err);
	}
	if (code == ERR_OK && !session->head.found) {
		return err_set(err, ERR_REBUILD, "no log of %s", session->id.s);
	}
	session->state = session->head.state;
	return code;
}

enum err_code steer_find(const struct steer *steer, const struct id *id, struct steer_session *ret,
                         struct err *err)
{
	struct steer_session session = { .id = *id };
	enum err_code code;

	if (!auth_allows_session(steer->who, id)) {
		return refuse(err);
	}
	code = find_head(steer, id, &session.head, err);
	if (code == ERR_OK && !session.head.found) {
		code = find_without_head(steer, &session, err);
	} else if (code == ERR_OK) {
		session.state = session.head.state;
		if (!steer->who->any_namespace) {
			code = steer_find_row(steer, id, &session.row, err);
			session.has_row = code == ERR_OK;
		}
	}
	if (code == ERR_OK) {
		*ret = session;
	}
	return code;
}

enum err_code steer_only_read(struct err *err)
{
	if (err->code == ERR_TIMEOUT || err->code == ERR_UNKNOWN) {
		err->code = ERR_UNAVAILABLE;
	}
	return err->code;
}
