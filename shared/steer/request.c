#include "event/snapshot.h"
#include "steer/steer.h"

enum err_code steer_is_asked(const struct steer *steer, const struct steer_session *session,
                             struct str request, bool *ret, struct str *ret_question,
                             struct err *err)
{
	struct snapshot snapshot;
	const struct snapshot_event *kept;
	struct str question = STR_LIT("");
	enum err_code code = snapshot_read(steer->store, steer->pg, &session->id,
	                                   steer->who->tenant, &snapshot, err);

	if (code != ERR_OK) {
		return code;
	}
	*ret = snapshot.pending_from > 1; /* it may be one of those that were not looked for */
	TAILQ_FOREACH (kept, &snapshot.pending, link) {
		if (str_eq(str_of(kept->request), request)) {
			*ret = true;
			question = arena_str(steer->arena, kept->event.data);
		}
	}
	if (ret_question != NULL) {
		*ret_question = question;
	}
	snapshot_fini(&snapshot);
	return ERR_OK;
}
