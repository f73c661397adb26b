/*
 * A task as JSON: the body of POST /api/v1/tasks, the columns of its row, and the order that
 * a worker gets for one of its sessions (a "run").  Older spellings are accepted on input: a
 * prompt as plain text, a single `agent`, `instances`, and names with underscores.
 */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "task/task.h"

/* For json_schema(); decode with task_decode(), which checks more than the table says. */
extern const struct json_table task_table;

/* The settings of an agent of type "command", for its published schema. */
extern const struct json_table task_command_table;
/* Of an agent of any type that is supported. */
const struct json_table *task_settings_table(unsigned type);

/* ERR_INVALID: see problems; that includes what is known but not supported yet. */
enum err_code task_decode(struct str body, struct task_spec *ret, struct arena *arena,
                          struct json_problems *problems) MUST_CHECK;

/* A prompt, text or content blocks, as a field of other bodies: JSON_CUSTOM into a struct
 * task_prompt. Whether its uploads are there is for upload_check(). */
void task_decode_prompt(const struct json_value *value, const char *path, void *out,
                        struct arena *arena, struct json_problems *problems);
extern const char task_prompt_schema[];

/* Compact JSON, in the arena, as it is stored and as it may be decoded again. */
struct str task_prompt_json(const struct task_spec *spec, struct arena *arena); /* blocks */
struct str task_repo_json(const struct task_spec *spec, struct arena *arena);
struct str task_runtime_json(const struct task_spec *spec, struct arena *arena);
struct str task_delivery_json(const struct task_spec *spec, struct arena *arena); /* {NULL, 0} */
struct str task_workers_json(const struct task_spec *spec, struct arena *arena);
struct str task_labels_json(const struct task_spec *spec, struct arena *arena);
struct str task_webhooks_json(const struct task_spec *spec, struct arena *arena);
struct str task_agent_json(const struct task_agent *agent, struct arena *arena); /* count 1 */
struct str task_settings_json(const struct task_command *command, struct arena *arena);
struct str task_agents_json(const struct task_spec *spec, struct arena *arena);

/* Stored labels of workers, as words of the queue: "gpu,zone=eu"; "" when there are none. */
struct task_words {
	char *required, *preferred; /* of the arena */
};
struct task_words task_words_of(struct str workers_json, struct arena *arena);

/* The text of stored prompt blocks, joined by newlines: what people see in lists. */
struct str task_prompt_text(struct str prompt_json, struct arena *arena);

/* ---- the order for one session ---- */

#define TASK_SECRETS_NONE "!"

struct task_run {
	struct str session, tenant, task;
	struct task_spec spec;  /* prompt, repo, runtime, one agent, delivery, max_attempts */
	uint64_t attempt;       /* from 1: how many have failed before */
	uint64_t spent;         /* nano USD, by it and those that it retries (cost/price.h) */
	int64_t begun_us;       /* when its first agent began; 0: none has */
	struct str approvals;   /* JSON: what is answered without asking (scheduler/rules.h); "" */
	struct str secrets;     /* sealed to the worker (scheduler/order_secret.h); "": none; or
	                           TASK_SECRETS_NONE and why there are none */
	struct str traceparent; /* "": it is not traced */
};

/* The parts are stored JSON; delivery may be empty. Without approvals it has at most
 * TASK_RUN_MAX bytes. */
struct task_run_parts {
	struct str session, tenant, task, prompt, repo, runtime, agent, delivery;
	struct str approvals, secrets, traceparent; /* "": none */
	uint64_t spent;
	int64_t begun_us;
	uint64_t attempt, max_attempts;
};
void task_run_encode(const struct task_run_parts *parts, struct buf *out);

enum err_code task_run_decode(struct str json, struct task_run *ret, struct arena *arena,
                              struct err *err) MUST_CHECK;
