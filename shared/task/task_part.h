/* Private to this folder: the decoders of agents, for the tables of task_json.c. */
#pragma once

#include "json/decode.h"
#include "task/task.h"
#include "upload/upload.h"

void task_decode_agents(const struct json_value *value, const char *path, void *out,
                        struct arena *arena, struct json_problems *problems);
void task_decode_agent(const struct json_value *value, const char *path, void *out,
                       struct arena *arena, struct json_problems *problems);

/* Into a struct json_list of struct task_secret. */
void task_decode_secrets(const struct json_value *value, const char *path, void *out,
                         struct arena *arena, struct json_problems *problems);

/* For fields that the API knows and this version refuses. */
void task_decode_unsupported(const struct json_value *value, const char *path, void *out,
                             struct arena *arena, struct json_problems *problems);

/* What limits a task's sessions. Writing: a member, unless there is none. */
struct jsonw;
extern const struct json_table task_resources_table;
void task_resources_write(struct jsonw *w, const struct task_resources *resources);

/* A moment, RFC 3339, as microseconds. */
void task_decode_time(const struct json_value *value, const char *path, void *out,
                      struct arena *arena, struct json_problems *problems);
/* The id of a session or a task. */
void task_decode_id(const struct json_value *value, const char *path, void *out,
                    struct arena *arena, struct json_problems *problems);

extern const char task_time_schema[], task_id_schema[];
extern const struct json_table task_workers_table;

/* What the table cannot say. */
void task_check_workers(const struct task_workers *workers, struct arena *arena,
                        struct json_problems *problems);

extern const char task_agents_schema[], task_agent_schema[], task_unsupported_schema[];
