#include "worker/event_text.h"

#include <stdio.h>
#include <string.h>

#include "event/event.h"
#include "json/write.h"

void event_text_init(struct buf *out)
{
	/* Escapes make a text up to six times as long: what is too long is seen, not cut. */
	buf_init(out, (size_t)8 * EVENT_DATA_MAX);
}

static struct jsonw begin(struct buf *out)
{
	struct jsonw w;

	buf_reset(out);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	return w;
}

static bool fits(const struct buf *out)
{
	return !buf_failed(out) && out->len <= EVENT_DATA_MAX;
}

void event_text_log(struct buf *out, const struct lines_record *record, enum runner_stream stream)
{
	struct jsonw w = begin(out);

	jsonw_cstr(&w, "level", "info");
	jsonw_str(&w, "message", record->text);
	jsonw_cstr(&w, "stream", stream == RUNNER_STDERR ? "stderr" : "stdout");
	if (record->kind == LINES_PART) {
		jsonw_bool(&w, "partial", true);
	}
	jsonw_end_object(&w);
}

void event_text_egress(struct buf *out, const struct egress_ended *ended)
{
	struct jsonw w = begin(out);
	char text[EGRESS_HOST_MAX + 128];

	(void)snprintf(text, sizeof(text), "connection to %s:%u %s%s", ended->target->host,
	               ended->target->port, ended->why == NULL ? "allowed" : "refused: ",
	               ended->why == NULL ? "" : ended->why);
	jsonw_cstr(&w, "level", ended->why == NULL ? "info" : "warn");
	jsonw_cstr(&w, "message", text);
	jsonw_cstr(&w, "stream", "egress");
	jsonw_object(&w, "egress");
	jsonw_cstr(&w, "host", ended->target->host);
	jsonw_u64(&w, "port", ended->target->port);
	jsonw_bool(&w, "allowed", ended->why == NULL);
	jsonw_u64(&w, "bytes_out", ended->out);
	jsonw_u64(&w, "bytes_in", ended->in);
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}

void event_text_progress(struct buf *out, struct str stage)
{
	struct jsonw w = begin(out);

	jsonw_str(&w, "stage", stage);
	jsonw_end_object(&w);
}

static void add_workspace(struct jsonw *w, const struct workspace *workspace)
{
	jsonw_object(w, "workspace");
	jsonw_cstr(w, "path", workspace->path);
	if (workspace->url[0] != '\0') {
		jsonw_cstr(w, "baseCommit", workspace->base);
		jsonw_cstr(w, "branch", workspace->branch);
	}
	jsonw_end_object(w);
}

/* Limits of ours only: those of the worker's unit or host are not known here. */
static void add_sandbox(struct jsonw *w, const struct event_text_status *status)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = { { "processes", status->sandbox_limits->processes },
		     { "memory_per_process", status->sandbox_limits->memory },
		     { "file_size", status->sandbox_limits->file_size } };

	jsonw_object(w, "sandbox");
	jsonw_cstr(w, "profile", status->sandbox);
	jsonw_object(w, "limits");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].value > 0) {
			jsonw_u64(w, rows[i].name, rows[i].value);
		}
	}
	jsonw_end_object(w);
	jsonw_end_object(w);
}

static void add_limits(struct jsonw *w, const struct event_text_status *status)
{
	jsonw_object(w, "limits");
	for (size_t i = 0; i < status->limit_count; i++) {
		jsonw_object(w, status->limits[i].resource);
		jsonw_u64(w, "max", status->limits[i].max);
		jsonw_cstr(w, "by", status->limits[i].by);
		jsonw_end_object(w);
	}
	jsonw_end_object(w);
}

static void add_why(struct jsonw *w, const struct event_text_status *status)
{
	if (status->reason != NULL && status->reason[0] != '\0') {
		jsonw_cstr(w, "reason", status->reason);
	}
	if (status->has_exit_code) {
		jsonw_i64(w, "exitCode", status->exit_code);
	}
	if (status->signal != NULL) {
		jsonw_cstr(w, "signal", status->signal);
	}
}

void event_text_failure(struct buf *out, const struct event_text_failure *failure)
{
	struct jsonw w = begin(out);

	jsonw_u64(&w, "attempt", failure->attempt);
	jsonw_u64(&w, "maxAttempts", failure->max_attempts);
	add_why(&w, failure->why);
	jsonw_u64(&w, "delayMs", failure->delay_ms);
	jsonw_end_object(&w);
}

void event_text_status(struct buf *out, const struct event_text_status *status)
{
	struct jsonw w = begin(out);

	jsonw_cstr(&w, "status", session_state_name(status->state));
	add_why(&w, status);
	if (status->totals != NULL) {
		jsonw_object(&w, "changes");
		jsonw_u64(&w, "files_changed", status->totals->files);
		jsonw_u64(&w, "lines_added", status->totals->added);
		jsonw_u64(&w, "lines_removed", status->totals->removed);
		jsonw_end_object(&w);
	}
	if (status->worker != NULL) {
		jsonw_cstr(&w, "worker", status->worker);
	}
	if (status->workspace != NULL) {
		add_workspace(&w, status->workspace);
	}
	if (status->sandbox != NULL) {
		add_sandbox(&w, status);
	}
	if (status->limit_count > 0) {
		add_limits(&w, status);
	}
	if (status->evicted) {
		jsonw_bool(&w, "evicted", true);
	}
	if (status->restored) {
		jsonw_bool(&w, "restored", true);
	}
	if (status->attempt > 0) {
		jsonw_u64(&w, "attempt", status->attempt);
	}
	if (status->materialise_ms > 0) {
		jsonw_object(&w, "materialise");
		jsonw_cstr(&w, "repo", status->repo);
		jsonw_u64(&w, "ms", status->materialise_ms);
		jsonw_end_object(&w);
	}
	jsonw_end_object(&w);
}

void event_text_limit_reached(struct buf *out, const struct event_text_limit_reached *reached)
{
	struct jsonw w = begin(out);

	jsonw_cstr(&w, "resource", reached->limit.resource);
	jsonw_u64(&w, "max", reached->limit.max);
	jsonw_cstr(&w, "by", reached->limit.by);
	jsonw_u64(&w, reached->unit, reached->count);
	jsonw_cstr(&w, "message", reached->message);
	jsonw_end_object(&w);
}

void event_text_parked(struct buf *out, const struct event_text_wait *wait)
{
	struct jsonw w = begin(out);

	jsonw_cstr(&w, "for", wait->what);
	if (wait->request != NULL) {
		jsonw_cstr(&w, "request_id", wait->request);
	}
	if (wait->session != NULL) {
		jsonw_cstr(&w, "session", wait->session);
	}
	if (wait->until_us != 0) {
		jsonw_time(&w, "until", wait->until_us);
	}
	jsonw_end_object(&w);
}

static const char *change_word(enum change_status status)
{
	switch (status) {
	case CHANGE_ADDED: return "added";
	case CHANGE_MODIFIED: return "modified";
	case CHANGE_DELETED: return "deleted";
	case CHANGE_TYPE_CHANGED: return "type changed";
	}
	return "";
}

void event_text_file_edit(struct buf *out, const struct change *change)
{
	struct jsonw w = begin(out);

	jsonw_str(&w, "file_path", change->path);
	jsonw_u64(&w, "lines_added", change->lines_added);
	jsonw_u64(&w, "lines_removed", change->lines_removed);
	jsonw_cstr(&w, "description", change_word(change->status));
	if (change->binary) {
		jsonw_bool(&w, "binary", true);
	}
	jsonw_end_object(&w);
}

/* AH-API 2.1: the texts, or heads and tails of them. */
enum diff_detail { DIFF_ALL, DIFF_TEXTS, DIFF_ENDS, DIFF_NAME };

static void add_side(struct jsonw *w, const struct change_side *side, const char *const names[2],
                     enum diff_detail detail, bool large)
{
	if (detail == DIFF_NAME) {
		return;
	}
	if (!large && detail != DIFF_ENDS) {
		jsonw_str(w, names[0], side->text);
	} else if (large) {
		jsonw_str(w, names[0], side->head);
		jsonw_str(w, names[1], side->tail);
	}
}

static void write_diff(struct buf *out, const struct change *change, struct str patch,
                       enum diff_detail detail)
{
	static const char *const texts[2][2] = { { "oldText", "oldText" },
		                                 { "newText", "newText" } };
	static const char *const ends[2][2] = { { "oldTextHead", "oldTextTail" },
		                                { "newTextHead", "newTextTail" } };
	struct jsonw w = begin(out);

	jsonw_str(&w, "path", change->path);
	if (change->has_text) {
		add_side(&w, &change->before, change->large ? ends[0] : texts[0], detail,
		         change->large);
		add_side(&w, &change->after, change->large ? ends[1] : texts[1], detail,
		         change->large);
	}
	if (!change->has_text || change->large || detail >= DIFF_ENDS) {
		jsonw_bool(&w, "truncated", true);
	}
	if (change->binary) {
		jsonw_bool(&w, "binary", true);
	}
	if (detail == DIFF_ALL && patch.n > 0 && patch.n <= EVENT_TEXT_PATCH_MAX) {
		jsonw_str(&w, "patch", patch);
	}
	jsonw_end_object(&w);
}

void event_text_diff(struct buf *out, const struct change *change, struct str patch)
{
	static const enum diff_detail details[] = { DIFF_ALL, DIFF_TEXTS, DIFF_ENDS, DIFF_NAME };

	for (size_t i = 0; i < ARRAY_LEN(details); i++) {
		write_diff(out, change, patch, details[i]);
		if (fits(out)) {
			return;
		}
	}
}

void event_text_branch(struct buf *out, const struct workspace_delivery *delivery,
                       struct str target_branch)
{
	struct jsonw w = begin(out);

	jsonw_cstr(&w, "mode", "branch");
	jsonw_cstr(&w, "ref", delivery->ref);
	jsonw_cstr(&w, "commit", delivery->commit);
	if (target_branch.n > 0) {
		jsonw_str(&w, "targetBranch", target_branch);
	}
	jsonw_end_object(&w);
}

void event_text_patch(struct buf *out, struct str patch, bool truncated)
{
	bool shown = patch.n <= EVENT_TEXT_PATCH_MAX && !truncated;

	for (unsigned i = 0; i < 2; i++) {
		struct jsonw w = begin(out);

		jsonw_cstr(&w, "mode", "patch");
		jsonw_u64(&w, "bytes", patch.n);
		if (shown) {
			jsonw_str(&w, "patch", patch);
		} else {
			jsonw_bool(&w, "truncated", true);
		}
		jsonw_end_object(&w);
		if (fits(out)) {
			return;
		}
		shown = false;
	}
}

void event_text_command(struct buf *out, struct str command_id, struct str kind)
{
	struct jsonw w = begin(out);

	jsonw_str(&w, "command_id", command_id);
	jsonw_str(&w, "kind", kind);
	jsonw_end_object(&w);
}

void event_text_command_end(struct buf *out, const struct event_text_command_end *end)
{
	struct jsonw w = begin(out);

	jsonw_str(&w, "command_id", end->id);
	jsonw_cstr(&w, "outcome", end->outcome);
	if (end->message != NULL && end->message[0] != '\0') {
		jsonw_cstr(&w, "message", end->message);
	}
	if (end->result.n > 0) {
		jsonw_raw(&w, "result", end->result);
	}
	jsonw_end_object(&w);
}

void event_text_message(struct buf *out, const char *role, struct str content)
{
	struct jsonw w = begin(out);

	jsonw_cstr(&w, "role", role);
	jsonw_str(&w, "content", content);
	jsonw_end_object(&w);
}

void event_text_prompt(struct buf *out, struct str content, struct str attachments)
{
	struct jsonw w = begin(out);

	jsonw_cstr(&w, "role", "user");
	jsonw_str(&w, "content", content);
	if (attachments.n > 0) {
		jsonw_raw(&w, "attachments", attachments);
	}
	jsonw_end_object(&w);
}

void event_text_turn(struct buf *out, uint64_t turn, const char *stop_reason)
{
	struct jsonw w = begin(out);

	jsonw_u64(&w, "turn", turn);
	if (stop_reason != NULL) {
		jsonw_cstr(&w, "stop_reason", stop_reason);
	}
	jsonw_end_object(&w);
}

/* ---- patches ---- */

struct str event_text_next_patch(struct str *rest)
{
	static const char mark[] = "\ndiff --git ";
	struct str part = *rest;
	const char *end = part.n > 0 ? memmem(part.p, part.n, mark, sizeof(mark) - 1) : NULL;

	if (end != NULL) {
		part.n = (size_t)(end - part.p) + 1;
	}
	rest->p = part.n > 0 ? part.p + part.n : NULL;
	rest->n -= part.n;
	return part;
}

bool event_text_patch_is_of(struct str patch, struct str path)
{
	const char *end = patch.n > 0 ? memchr(patch.p, '\n', patch.n) : NULL;
	struct str line = { patch.p, end != NULL ? (size_t)(end - patch.p) : 0 };

	/* A path with unusual bytes is quoted in the line and not recognised: no patch is shown. */
	return str_starts(line, STR_LIT("diff --git ")) && line.n > path.n + 2 &&
	       str_ends(line, path) && memcmp(line.p + line.n - path.n - 2, "b/", 2) == 0;
}
