/* The bodies of routes that no other noun has: what they decode into. Pointers are the arena's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "event/log.h"
#include "json/decode.h"
#include "task/task.h"

enum {
	REST_REASON_MAX = 1024,
	REST_BATCHES_MAX = 64, /* of one POST /api/v1/events */
};

struct rest_reason {
	struct str reason; /* "": none given */
};
extern const struct json_table rest_reason_table;

enum { REST_REDRIVE_MAX = 100 };

struct rest_redrive {
	unsigned cause; /* index into session_causes, when has_cause */
	bool has_cause, has_ids, has_limit;
	struct str project, agent, label; /* "": any */
	struct json_list ids;             /* struct str: of sessions */
	uint64_t limit;
};
extern const struct json_table rest_redrive_table;

enum rest_prompt_mode { REST_PROMPT_QUEUE, REST_PROMPT_STEER };

struct rest_prompt {
	struct task_prompt prompt;
	unsigned mode; /* enum rest_prompt_mode */
};
extern const struct json_table rest_prompt_table;

struct rest_word {
	struct str word;
};
extern const struct json_table rest_model_table, rest_mode_table, rest_slash_table;

enum { REST_PATH_MAX = 256 };

struct rest_ticket {
	struct str session, path; /* "": any */
	unsigned role;            /* enum auth_part, when has_role */
	bool has_role;
};
extern const struct json_table rest_ticket_table;

/* A batch of events for one session. */
struct rest_append {
	struct str session;      /* only of rest_appends */
	struct json_list events; /* struct log_new */
	struct str producer;     /* "": none */
	uint64_t sequence;
	bool has_sequence;
	unsigned from;  /* set of session_bit(); 0: any */
	uint64_t epoch; /* 0: whatever it is */
};
extern const struct json_table rest_append_table;

struct rest_appends {
	struct json_list batches; /* struct rest_append */
};
extern const struct json_table rest_appends_table;

/* What the table cannot say about a batch; path is "" or the batch's place with a dot. */
void rest_append_check(const struct rest_append *append, const char *path, struct arena *arena,
                       struct json_problems *problems);
