/*
 * A task: a request for work, as it was accepted.  It makes one session per agent and count.
 * Pure: the struct, its bounds and the rules of its strings.  task_json.h reads and writes it,
 * task_store.h keeps it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "json/decode.h"

enum {
	TASK_PROMPT_MAX = 16 * 1024, /* bytes of text, all blocks together */
	TASK_BLOCKS_MAX = 64,
	TASK_AGENTS_MAX = 16,
	TASK_SESSIONS_MAX = 100,
	TASK_ARGV_MAX = 256,
	TASK_ENV_MAX = 256,
	TASK_COMMAND_BYTES_MAX = 24 * 1024, /* settings of one agent, as JSON */
	TASK_MODEL_MAX = 128,
	TASK_MODE_MAX = 64,
	TASK_LABELS_MAX = 32,
	TASK_LABEL_NAME_MAX = 63,
	TASK_LABEL_VALUE_MAX = 255,
	TASK_TIMEOUT_MAX_S = 7 * 24 * 3600,
	TASK_PRIORITY_DEFAULT = 5,
	TASK_PRIORITY_MAX = 9, /* 9 is served first */
	TASK_ATTEMPTS_MAX = 10,
	TASK_WORDS_MAX = 16, /* labels of workers that it needs, or would like */
	TASK_WORD_MAX = 64,
	TASK_WORDS_BYTES_MAX = 384, /* of what it needs, joined by commas */
	TASK_KEY_MAX = 255,         /* bytes of a concurrency key */
	TASK_EGRESS_MAX = 32,       /* hosts */
	TASK_EGRESS_NAME_MAX = 255,
	TASK_PTY_COLS = 120,
	TASK_PTY_ROWS = 32,
	TASK_NAMESPACE_MAX = 64,
	TASK_WEBHOOKS_MAX = 16,
	TASK_WEBHOOK_EVENT_MAX = 64,
	TASK_WEBHOOK_URL_MAX = 2048,
	TASK_RUN_MAX = 56 * 1024, /* bytes of the order that a worker gets (task_json.h) */
};

/* In each of these the first is supported; task_json.c says which others are. */
enum task_repo_mode { TASK_REPO_GIT, TASK_REPO_UPLOAD, TASK_REPO_NONE };
enum task_runtime_type { TASK_RUNTIME_LOCAL, TASK_RUNTIME_DISABLED, TASK_RUNTIME_DEVCONTAINER };
enum task_delivery_mode { TASK_DELIVERY_BRANCH, TASK_DELIVERY_PATCH, TASK_DELIVERY_PR };

struct task_repo {
	unsigned mode; /* enum task_repo_mode */
	bool has_mode;
	struct str url, branch, commit; /* "": not given */
};

/* Of its agents, by how much they keep out; the worker's own minimum holds in any case. */
enum task_sandbox {
	TASK_SANDBOX_DEFAULT, /* the worker's */
	TASK_SANDBOX_NONE,
	TASK_SANDBOX_WORKSPACE_WRITE,
	TASK_SANDBOX_READ_ONLY,
};

/* What limits each of its sessions; 0: what its worker says. */
struct task_resources {
	uint64_t cpu; /* hundredths of one processor */
	uint64_t memory_mib, processes, disk_mib, io_mibps;
};

struct task_runtime {
	unsigned type;           /* enum task_runtime_type */
	unsigned sandbox;        /* enum task_sandbox */
	struct json_list egress; /* struct str: hosts that it would like to reach: host[:port] */
	struct task_resources resources;
};

struct task_delivery {
	unsigned mode;            /* enum task_delivery_mode */
	struct str target_branch; /* "": the worker's choice */
};

struct task_pty {
	bool wanted;
	uint64_t cols, rows;
};

/* A secret of the tenant or project, in the agent's environment or in a file of its home. */
struct task_secret {
	struct str name;
	struct str as;   /* the variable; "": as it is called */
	struct str file; /* below its home; "": none, it is in the environment */
};

/* Billionths of a US dollar (cost/price.h); 0: none. */
struct task_budget {
	int64_t soft, hard;
};

/* Settings of an agent: of a command its argv and pty, of one with a protocol of its own the rest;
 * env and timeout_s of both. */
struct task_command {
	struct json_list argv; /* struct str, at least one; of "acp" too, of others none */
	struct json_list env;  /* struct json_pair */
	uint64_t timeout_s;    /* 0: none of its own */
	uint64_t life_s, idle_s, progress_s; /* the same */
	struct task_budget budget;
	struct task_pty pty;
	struct str model, mode;   /* "": the agent's default */
	bool interactive;         /* it waits for further prompts when a turn has ended */
	struct str config;        /* JSON object for its adapter; "": none */
	struct json_list secrets; /* struct task_secret: what it is given by name */
};

struct task_agent {
	unsigned type; /* index into task_agent_types; TASK_AGENT_COMMAND... */
	struct str version;
	uint64_t count;
	struct task_command command;
};

extern const char *const task_agent_types[]; /* NULL-terminated */
enum {
	TASK_AGENT_COMMAND,
	TASK_AGENT_ACP,
	TASK_AGENT_SDK,
	TASK_AGENT_NAMED
}; /* from NAMED on:
     CLIs by name */
bool task_agent_supported(unsigned type);

/* What is said to an agent. */
struct task_prompt {
	struct json_list texts;   /* struct str: its text blocks */
	struct json_list uploads; /* struct upload_ref: those it refers to */
	struct str blocks;        /* all of it as JSON; {NULL, 0}: there are no uploads */
};

/* Labels of workers, as the queue spells them ("gpu", "zone=eu"): struct str. */
struct task_workers {
	struct json_list required, preferred;
};

/* Who is told what becomes of it: what may be asked for, and where, is for webhook/webhook.h. */
struct task_webhook {
	struct str event, url;
};

struct task_spec {
	struct str tenant, project, namespace; /* "": not given */
	struct task_prompt prompt;
	struct task_repo repo;
	struct task_runtime runtime;
	struct json_list agents; /* struct task_agent, at least one */
	bool has_agents, has_agent;
	struct task_delivery delivery;
	bool has_delivery;
	struct json_list labels;   /* struct json_pair */
	struct json_list webhooks; /* struct task_webhook */
	uint64_t priority;
	bool has_priority;
	uint64_t max_attempts;
	struct task_workers workers;
	struct str concurrency_key; /* "": none */
	struct str queue_after;     /* id of the session or task that must have ended; "": none */
	int64_t not_before_us, deadline_us; /* 0: none */
};

uint64_t task_session_count(const struct task_spec *spec);

/* How long the attempt after the failures-th failure waits: full jitter, [0, base * 2^(failures -
 * 1)], never beyond max_ms. */
uint64_t task_backoff_ms(uint64_t failures, uint64_t base_ms, uint64_t max_ms, uint64_t random);

/* NULL, or the rule that the string breaks. */
const char *task_check_url(struct str url);
const char *task_check_ref(struct str ref); /* git check-ref-format, for a branch's short name */
const char *task_check_commit(struct str commit);
const char *task_check_env_name(struct str name);
/* What a secret of that name is good for without a word of the task's: NULL-terminated. */
const char *const *task_default_secrets(unsigned type);
const char *task_check_namespace(struct str name);
const char *task_check_egress(struct str host); /* host[:port], *.domain[:port] */
const char *task_check_label(struct str label); /* of a worker */
