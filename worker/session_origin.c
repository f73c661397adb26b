#include "worker/session_origin.h"

#include "log/log.h"
#include "worker/local_repo.h"
#include "worker/snapshot.h"

/* The next prompt waits for a push, and a worker that leaves has others to hand over too. */
enum { PUSH_MS = 60000, PUSH_LEAVING_MS = 8000, FETCH_MS = 10 * 60 * 1000 };

bool session_origin_wanted(const struct session_run *s)
{
	return s->host->snapshot_place != SNAPSHOT_IN_FOLDER && s->workspace.url[0] != '\0' &&
	       snapshot_provider()->is_pack;
}

bool session_origin_asked(const struct session_run *s, const struct workspace_request *request)
{
	return s->host->snapshot_place != SNAPSHOT_IN_FOLDER && request->url.n > 0;
}

static struct snapshot_origin origin_of(const struct session_run *s)
{
	return (struct snapshot_origin){ .all = s->host->workspaces,
		                         .sid = s->sid,
		                         .tenant = s->tenant,
		                         .epoch = session_epoch_now(s),
		                         .timeout_ms =
		                                 s->fate == FATE_OPEN ? PUSH_MS : PUSH_LEAVING_MS,
		                         .max_bytes = s->host->snapshot_max };
}

enum err_code session_origin_put(struct session_run *s, int fd, const struct snapshot_image *image,
                                 struct str facts, char ret_ref[SNAPSHOT_REF_SIZE], struct err *err)
{
	const struct snapshot_origin origin = origin_of(s);
	enum err_code code = turns_take(&s->host->fetches);

	if (code != ERR_OK) {
		return err_set(err, code, "the task's repository: %s", err_text(code));
	}
	code = lease_keeper_holds(s->host->lease)
	               ? snapshot_origin_put(&origin, &s->workspace, fd, image, image->has_home,
	                                     facts, ret_ref, err)
	               : err_set(err, ERR_UNAVAILABLE, "this worker has no lease");
	turns_give(&s->host->fetches);
	return code;
}

enum err_code session_origin_find(struct session_run *s, const struct workspace_request *request,
                                  struct snapshot_found *ret, struct buf *facts, struct err *err)
{
	struct snapshot_origin origin = origin_of(s);

	origin.timeout_ms = FETCH_MS;
	return snapshot_origin_find(&origin, request, ret, facts, err);
}

/* ---- what is left when they have ended ---- */

static bool is_wanted(struct session_host *host, const struct snapshot_left *left, uint64_t keep_ms)
{
	struct log_head head;
	struct err err;
	enum err_code code;

	if (session_find(host, &left->sid) != NULL) {
		return true;
	}
	code = log_head_get(host->store, &left->sid, left->tenant, &head, &err);
	if (code != ERR_OK) {
		return true;
	}
	return head.found ? !session_is_terminal(head.state) : left->age_ms < keep_ms;
}

void session_origins_sweep(struct session_host *host, uint64_t keep_ms)
{
	struct snapshot_left left = { .url = "" };
	struct err err;

	while (!fiber_cancelled() && snapshot_origin_next(host->workspaces, &left)) {
		enum err_code code;

		if (is_wanted(host, &left, keep_ms)) {
			continue;
		}
		code = local_repo_check(host->local_repos, str_of(left.url), &err);
		if (code == ERR_OK || left.age_ms >= keep_ms) {
			code = snapshot_origin_drop(host->workspaces, &left, left.age_ms >= keep_ms,
			                            PUSH_MS, &err);
		}
		if (code != ERR_OK && !fiber_cancelled()) {
			log_warn("snapshot.left", "session=%s refs in %s: %s", left.sid.s, left.url,
			         err.msg);
		}
	}
}
