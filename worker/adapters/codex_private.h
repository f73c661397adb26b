/* What the files of the codex adapter share; not for others (but their unit test). */
#pragma once

#include <sys/queue.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/adapters/adapter.h"
#include "worker/adapters/adapter_out.h"
#include "worker/adapters/adapter_say.h"

#define CODEX_PROTOCOL "codex"

enum {
	CODEX_CALLS_MAX = 64,        /* requests of ours without an answer */
	CODEX_ITEMS_MAX = 128,       /* open items */
	CODEX_ASK_MAX = 256 * 1024,  /* bytes of a question of it, and of what a tool is to do */
	CODEX_TEXT_MAX = 256 * 1024, /* kept of a message that is being written */
	CODEX_WRITE_MAX = 64 * 1024 * 1024,
};

/* ---- what was asked of it (codex.c) ---- */

enum codex_call_kind {
	CODEX_CALL_INITIALIZE,
	CODEX_CALL_MODELS,
	CODEX_CALL_THREAD,
	CODEX_CALL_RESUME,
	CODEX_CALL_TURN,
	CODEX_CALL_STEER,
	CODEX_CALL_REMARK, /* a steer of our own */
	CODEX_CALL_INTERRUPT,
	CODEX_CALL_CLEAN,
	CODEX_CALL_REVIEW,
	CODEX_CALL_COMPACT,
};

struct codex_call {
	TAILQ_ENTRY(codex_call) link;
	enum codex_call_kind kind;
	int64_t id;
	char *command; /* whose end its answer is; "" */
	char *input;   /* of a steer: what to begin a turn with if there is none to join */
};

/* ---- what it works on (codex_item.c) ---- */

struct codex_item {
	TAILQ_ENTRY(codex_item) link;
	char *id, *name, *agent; /* name: of the tool, "" when it is none */
	struct json_value *args; /* of the tool; NULL: none, or too large to be kept */
	struct buf text;         /* of a message, so far */
	bool streamed;
};

/* ---- what it asks (codex_ask.c) ---- */

struct codex_ask {
	TAILQ_ENTRY(codex_ask) link;
	char *id;                /* of the request, as JSON */
	struct json_value *line; /* all of it */
	const struct codex_asking *how;
};

struct codex_mode {
	const char *name, *title, *approval, *sandbox, *policy;
};

struct codex_tokens {
	int64_t input, cached, cache_write, output, reasoning;
};

struct adapter {
	const struct adapter_place *place;
	const struct codex_mode *mode; /* NULL: as the settings have it */
	int64_t last_id;
	char *thread, *turn, *last_turn, *model, *version;
	char *compacting; /* the command, until its turn begins; NULL */
	char *models;     /* a JSON array; NULL: not known yet */
	bool ready, turn_open, failed;
	bool turned;     /* a turn has begun since the start */
	bool error_told; /* of this turn */
	bool mode_set;   /* to be told with the next turn */
	struct codex_tokens tokens;
	TAILQ_HEAD(codex_calls, codex_call) calls;
	TAILQ_HEAD(codex_items, codex_item) items;
	TAILQ_HEAD(codex_asks, codex_ask) asks;
	size_t call_count, item_count, ask_count;
};

/* A line to it: begin, fill w, end. */
struct codex_line {
	struct buf text;
	struct jsonw w;
};

/* {"id":N,"method":M,"params":{ */
void codex_call_begin(struct adapter *a, struct codex_line *line, const char *method);
/* }} and it is remembered. input may be NULL. */
void codex_call_end(struct adapter *a, struct codex_line *line, enum codex_call_kind kind,
                    struct str command, const char *input, struct adapter_out *out);
/* {"id":ID, and the caller adds result or error */
void codex_reply_begin(struct codex_line *line, const char *id);
void codex_line_end(struct codex_line *line, struct adapter_out *out);
/* Text into the turn that runs; nothing when none does. */
void codex_remark(struct adapter *a, struct str text, struct adapter_out *out);

void codex_set(char **at, struct str text); /* a copy, at most ADAPTER_ID_MAX bytes of it */
/* "" when it is the agent's own thread, else the sub-agent's. */
struct str codex_agent(const struct adapter *a, const struct json_value *params);

/* codex_start.c */
void codex_begin(struct adapter *a, struct adapter_out *out);
void codex_initialized(struct adapter *a, const struct json_value *result, struct adapter_out *out);
void codex_models(struct adapter *a, const struct json_value *result); /* NULL: it has no list */
void codex_thread_opened(struct adapter *a, const struct json_value *result,
                         struct adapter_out *out);
void codex_get_ready(struct adapter *a, struct adapter_out *out); /* if all is known */
void codex_failed_to(struct adapter *a, const char *what, struct str why, struct adapter_out *out);
void codex_resume_failed(struct adapter *a, struct str why, struct adapter_out *out);

/* codex_launch.c */
extern const struct codex_mode codex_modes[]; /* the last has no name */
const struct codex_mode *codex_mode_find(struct str name);
/* Of its configuration; "" when it is not set. */
struct str codex_setting(const struct adapter_place *place, const char *name);
enum err_code codex_launch(const struct adapter_place *place, struct arena *arena,
                           struct adapter_launch *ret, struct err *err) MUST_CHECK;

/* codex_item.c */
void codex_item_started(struct adapter *a, const struct json_value *params,
                        struct adapter_out *out);
void codex_item_completed(struct adapter *a, const struct json_value *params,
                          struct adapter_out *out);
void codex_message_delta(struct adapter *a, const struct json_value *params,
                         struct adapter_out *out);
void codex_plan_delta(struct adapter *a, const struct json_value *params, struct adapter_out *out);
void codex_thought_delta(struct adapter *a, const struct json_value *params,
                         struct adapter_out *out);
void codex_thought_part(struct adapter *a, const struct json_value *params,
                        struct adapter_out *out);
void codex_tool_delta(struct adapter *a, const struct json_value *params, struct adapter_out *out);
void codex_patch_updated(struct adapter *a, const struct json_value *params,
                         struct adapter_out *out);
void codex_plan_updated(struct adapter *a, const struct json_value *params,
                        struct adapter_out *out);
const struct codex_item *codex_item_find(const struct adapter *a, struct str id);
/* The turn is over: messages that were not finished; all: tools too. */
void codex_items_close(struct adapter *a, bool all, struct adapter_out *out);
/* What a shell was given to run, when command is `bash -lc <one word>`; else the command itself.
 * Into *ret, which the caller frees. */
void codex_command_of(struct str command, struct buf *ret);

/* codex_ask.c */
/* Takes line, which is a request of that method. */
void codex_ask(struct adapter *a, struct json_value *line, struct adapter_out *out);
void codex_answer(struct adapter *a, const struct adapter_answer *answer, struct adapter_out *out);
void codex_ask_resolved(struct adapter *a, const struct json_value *params,
                        struct adapter_out *out);
void codex_asks_withdraw(struct adapter *a, struct str turn, struct adapter_out *out); /* "": all */

/* Their names end with NULL: what is handled, and what is told by other messages and left out. */
const char *const *codex_notifications(struct arena *arena);
const char *const *codex_requests(struct arena *arena);
const char *const *codex_item_types(struct arena *arena);
