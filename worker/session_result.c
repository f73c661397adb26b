/* What came of a session's work: changes as events, and its delivery. */

#include "log/log.h"
#include "trace/trace.h"
#include "worker/session_private.h"
#include "worker/session_resume.h"
#include "worker/session_trace.h"

enum { PATCH_MAX = 4 * 1024 * 1024 };

static void add_up(struct session_run *s, const struct changes *changes)
{
	s->totals = (struct event_text_totals){ .files = changes->total };
	for (size_t i = 0; i < changes->count; i++) {
		s->totals.added += changes->list[i].lines_added;
		s->totals.removed += changes->list[i].lines_removed;
	}
}

/* Git lists changes and patches in the same order; a patch that is not there is not shown. */
static void tell_each(struct session_run *s, const struct changes *changes, struct str patches)
{
	struct str patch = event_text_next_patch(&patches);
	struct buf text;
	bool going = true;

	event_text_init(&text);
	for (size_t i = 0; i < changes->count && going; i++) {
		const struct change *change = &changes->list[i];
		struct str shown = { NULL, 0 };

		if (event_text_patch_is_of(patch, change->path)) {
			shown = patch;
			patch = event_text_next_patch(&patches);
		}
		event_text_file_edit(&text, change);
		going = session_say(s, EVENT_TYPE_FILE_EDIT, &text);
		event_text_diff(&text, change, shown);
		going = going && session_say(s, EVENT_TYPE_DIFF, &text);
	}
	buf_fini(&text);
}

/* Against the base, which is what patches are made against: the first time, so mostly the only one.
 */
static void tell_with_patches(struct session_run *s, const struct changes *changes)
{
	bool truncated = false;
	struct buf patch;
	struct err err;

	buf_init(&patch, PATCH_MAX);
	if (changes->count > 0 && workspace_patch(s->host->workspaces, &s->workspace, &patch,
	                                          &truncated, &err) != ERR_OK) {
		log_debug("session.patch", "%s", err.msg);
		buf_reset(&patch); /* the events go without it */
	}
	tell_each(s, changes, buf_str(&patch));
	buf_fini(&patch);
}

static enum err_code look_at(struct session_run *s, const char *since, struct changes **ret,
                             struct err *err)
{
	return workspace_changes(s->host->workspaces, &s->workspace, since, ret, err);
}

enum err_code session_tell_changes(struct session_run *s, struct err *err)
{
	const bool first = s->tree[0] == '\0';
	struct changes *changes = NULL;
	enum err_code code = look_at(s, first ? NULL : s->tree, &changes, err);

	if (code != ERR_OK) {
		return code;
	}
	if (changes->unreadable) {
		log_warn("session.unreadable", "%s", changes->reason);
	}
	(void)str_copy(s->tree, sizeof(s->tree), str_of(changes->tree));
	if (first) {
		add_up(s, changes);
		tell_with_patches(s, changes);
	} else {
		tell_each(s, changes, STR_LIT(""));
	}
	changes_free(changes);
	if (!first && s->exited) {
		code = look_at(s, NULL, &changes, err);
		if (code == ERR_OK) {
			add_up(s, changes);
			changes_free(changes);
		}
	}
	return code;
}

void session_turn_end(void *arg)
{
	struct session_run *s = arg;
	struct buf text;
	struct err err;

	fiber_set_tag("session=%s", s->sid.s);
	event_text_init(&text);
	if (session_tell_changes(s, &err) != ERR_OK) {
		log_warn("session.changes", "%s", err.msg);
	}
	event_text_turn(&text, s->turn, s->exited ? "exit" : "quiet");
	(void)session_say(s, EVENT_TYPE_TURN_FINISHED, &text);
	buf_fini(&text);
	session_snapshot(s, "end of a turn");
	s->turn_open = false;
	session_figures_turn_ended(s);
	s->turn_ending = false;
	fiber_signal_raise(&s->prompted);
	fiber_signal_raise(&s->wake);
}

static enum err_code deliver_branch(struct session_run *s, struct buf *text, struct err *err)
{
	const char *message = arena_printf(s->arena, "Work of session %s", s->sid.s);
	struct workspace_delivery delivery;
	enum err_code code = workspace_deliver_branch(s->host->workspaces, &s->workspace,
	                                              reporter_epoch(s->reporter), str_of(message),
	                                              &delivery, err);

	if (code == ERR_OK) {
		event_text_branch(text, &delivery, s->order.spec.delivery.target_branch);
	}
	return code;
}

static enum err_code deliver_patch(struct session_run *s, struct buf *text, struct err *err)
{
	bool truncated = false;
	struct buf patch;
	enum err_code code;

	buf_init(&patch, PATCH_MAX);
	code = workspace_patch(s->host->workspaces, &s->workspace, &patch, &truncated, err);
	if (code == ERR_OK) {
		event_text_patch(text, buf_str(&patch), truncated);
	}
	buf_fini(&patch);
	return code;
}

/* Nothing was changed: nothing is delivered. */
enum err_code session_deliver(struct session_run *s, struct err *err)
{
	const struct task_spec *spec = &s->order.spec;
	struct trace_span span;
	struct buf text;
	enum err_code code;

	if (!spec->has_delivery || s->totals.files == 0) {
		return ERR_OK;
	}
	trace_begin(&span, session_trace_at(s), "session.deliver", TRACE_INTERNAL);
	/* A push is an effect like an event: not without a lease. */
	while (!lease_keeper_holds(s->host->lease)) {
		code = fiber_sleep(100);
		if (code != ERR_OK) {
			return err_set(err, code, "not delivered");
		}
	}
	event_text_init(&text);
	code = spec->delivery.mode == TASK_DELIVERY_BRANCH ? deliver_branch(s, &text, err)
	                                                   : deliver_patch(s, &text, err);
	if (code == ERR_OK) {
		(void)session_say(s, EVENT_TYPE_DELIVERY, &text);
	}
	buf_fini(&text);
	trace_end(&span, &(struct trace_end){ .failed = code == ERR_OK ? NULL : err_name(code) });
	return code == ERR_OK ? ERR_OK : err_wrap(err, "delivery");
}
