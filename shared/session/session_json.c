#include "session/session_json.h"

#include <stdio.h>

#include "json/value.h"
#include "task/task_json.h"

static void write_link(struct jsonw *w, const char *name, const struct id *id, const char *tail)
{
	char path[64 + ID_LEN];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s%s", id->s, tail);
	jsonw_cstr(w, name, path);
}

void session_write_links(struct jsonw *w, const char *name, const struct id *id)
{
	jsonw_object(w, name);
	write_link(w, "self", id, "");
	write_link(w, "events", id, "/events");
	write_link(w, "logs", id, "/logs");
	jsonw_end_object(w);
}

static void write_given(struct jsonw *w, const char *name, struct str value)
{
	if (value.n > 0) {
		jsonw_str(w, name, value);
	}
}

static void write_given_json(struct jsonw *w, const char *name, struct str json)
{
	if (json.n > 0) {
		jsonw_raw(w, name, json);
	}
}

static void write_given_time(struct jsonw *w, const char *name, int64_t at_us)
{
	if (at_us != 0) {
		jsonw_time(w, name, at_us);
	}
}

static void write_work(struct jsonw *w, const struct session *session, struct arena *arena)
{
	jsonw_str(w, "prompt", task_prompt_text(session->prompt, arena));
	jsonw_raw(w, "repo", session->repo);
	jsonw_raw(w, "runtime", session->runtime);
	jsonw_raw(w, "agent", session->agent);
	write_given_json(w, "delivery", session->delivery);
	jsonw_object(w, "task");
	jsonw_cstr(w, "id", session->task.s);
	jsonw_raw(w, "prompt", session->prompt);
	jsonw_object(w, "attachments");
	jsonw_end_object(w);
	jsonw_raw(w, "labels", session->labels);
	jsonw_end_object(w);
	jsonw_raw(w, "labels", session->labels);
	if (session->workers.n > sizeof("{}") - 1) {
		jsonw_raw(w, "workers", session->workers);
	}
	write_given_json(w, "workspace", session->workspace);
}

static void write_course(struct jsonw *w, const struct session *session)
{
	jsonw_u64(w, "epoch", session->epoch);
	jsonw_u64(w, "priority", session->priority);
	jsonw_u64(w, "attempts", session->attempts);
	jsonw_u64(w, "maxAttempts", session->max_attempts);
	write_given(w, "queueAfter", session->queue_after);
	write_given_time(w, "notBefore", session->not_before_us);
	write_given_time(w, "deadline", session->deadline_us);
	write_given(w, "concurrencyKey", session->concurrency_key);
	if (session->has_exit_code) {
		jsonw_i64(w, "exitCode", session->exit_code);
	}
	write_given(w, "reason", session->reason);
	write_given(w, "worker", session->worker);
	if (!id_is_nil(&session->retry_of)) {
		jsonw_cstr(w, "retryOf", session->retry_of.s);
	}
	write_given(w, "createdBy", session->created_by);
	jsonw_time(w, "createdAt", session->created_us);
	jsonw_time(w, "updatedAt", session->updated_us);
	write_given_time(w, "startedAt", session->started_us);
	write_given_time(w, "endedAt", session->ended_us);
	if (session->state == SESSION_COMPLETED) {
		write_given_time(w, "completedAt", session->ended_us);
		write_given_json(w, "changes", session->changes);
	}
}

void session_write(struct jsonw *w, const char *name, const struct session *session,
                   const struct session_live_view *live, struct arena *arena)
{
	jsonw_object(w, name);
	jsonw_cstr(w, "id", session->id.s);
	jsonw_cstr(w, "status", session_state_name(session->state));
	jsonw_str(w, "tenantId", session->tenant);
	write_given(w, "projectId", session->project);
	write_given(w, "namespace", session->namespace);
	write_work(w, session, arena);
	write_course(w, session);
	if (live->snapshot.p != NULL) {
		jsonw_str(w, "resumeFrom", live->resume_from);
		jsonw_raw(w, "snapshot", live->snapshot);
	} else if (session_is_terminal(session->state)) {
		jsonw_raw(w, "recent_events", STR_LIT("[]"));
	} else {
		write_given_json(w, "recent_events", live->recent_events);
	}
	write_given_json(w, "delivered", live->delivered);
	session_write_links(w, "links", &session->id);
	jsonw_end_object(w);
}

void session_write_run(const struct session *session, const struct session_orders *more,
                       struct buf *out)
{
	const struct task_run_parts parts = {
		.session = str_of(session->id.s),
		.tenant = session->tenant,
		.task = str_of(session->task.s),
		.prompt = session->prompt,
		.repo = session->repo,
		.runtime = session->runtime,
		.agent = session->agent,
		.delivery = session->delivery,
		.approvals = more->approvals,
		.secrets = more->secrets,
		.spent = more->spent,
		.traceparent = more->traceparent,
		.begun_us = session->started_us,
		.attempt = (uint64_t)session->failures + 1,
		.max_attempts = session->max_attempts,
	};

	task_run_encode(&parts, out);
}

static struct str type_in(struct str json, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *value = json_parse(json, &err);

	return arena_str(arena, json_as_str(json_get(value, "type")));
}

/* Only a worker that can have sandboxes is given who asks for one. */
static const char *sandbox_word(struct str runtime)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *value = json_parse(runtime, &err);
	struct str sandbox = json_as_str(json_get(value, "sandbox"));

	return sandbox.n > 0 && !str_eq(sandbox, STR_LIT("none")) ? ",sandbox=bwrap" : "";
}

struct session_words session_words(const struct session *session, struct arena *arena)
{
	struct str runtime = type_in(session->runtime, arena);
	struct str agent = type_in(session->agent, arena);
	struct task_words words = task_words_of(session->workers, arena);

	return (struct session_words){
		.needs = arena_printf(arena, "runtime=%" STR_FMT ",agent=%" STR_FMT "%s%s%s",
		                      STR_ARG(runtime), STR_ARG(agent),
		                      sandbox_word(session->runtime),
		                      words.required[0] != '\0' ? "," : "", words.required),
		.prefers = words.preferred,
		.agent = arena_strdup(arena, agent),
	};
}
