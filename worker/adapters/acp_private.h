/*
 * What the files of the ACP adapter share; not for others.
 *
 * The Agent Client Protocol, version 1 (agentclientprotocol.com): JSON-RPC 2.0, one object a line,
 * requests in both directions, each side with ids of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "json/value.h"
#include "json/write.h"
#include "worker/adapters/adapter.h"
#include "worker/adapters/adapter_out.h"
#include "worker/adapters/adapter_say.h"

enum {
	ACP_PROMPTS_MAX = 64, /* that wait for their turn */
	ACP_TOOLS_MAX = 256,  /* of one turn, that are remembered */
	ACP_CALLS_MAX = 64,   /* of the agent, that are not answered yet */
	ACP_WANTS_MAX = 256,  /* of ours, that it has not answered yet */
	ACP_MESSAGE_MAX = 256 * 1024,
	ACP_INPUT_MAX = 128 * 1024, /* of one tool, as JSON */
	ACP_DIFF_MAX = 2 * 1024 * 1024,
	ACP_TERMINAL_MAX = 64 * 1024, /* of a terminal's output, its end */
	ACP_LIST_MAX = 48 * 1024,     /* of models, modes, commands, as JSON */
	ACP_NAME_MAX = 512,
	ACP_WRITE_MAX = 48 * 1024 * 1024, /* a prompt with its images, a file that it reads */
};

/* How the agents of one type differ from the others. */
struct acp_kind {
	const char *type;           /* of a task's agent, and of native events */
	const char *fallback_login; /* the method to try when it wants one and nobody named one */
	const char *mode_echo;      /* what a change of mode makes it say, before the mode's name */
	const char *const (*modes)[2]; /* other spellings of modes, ends with NULL */
	bool files;                    /* it reads and writes files through us */
	bool late_replay; /* the answer to session/load comes before all of the history */
	bool tool_in_id;  /* ids of tools are <tool>__<id> */
};

/* What an answer of the agent is the answer to. */
enum acp_want {
	ACP_WANT_INITIALIZE,
	ACP_WANT_LOGIN,
	ACP_WANT_NEW,
	ACP_WANT_RESUMED,
	ACP_WANT_REPLAYED,
	ACP_WANT_PROMPT,
	ACP_WANT_MODEL,
	ACP_WANT_MODE,
};

struct acp_request {
	TAILQ_ENTRY(acp_request) link;
	uint64_t id;
	enum acp_want want;
	char *command; /* whose end it is, NULL: none's */
	char *text;    /* the model or mode that was asked for, else NULL */
};
TAILQ_HEAD(acp_requests, acp_request);

struct acp_prompt {
	TAILQ_ENTRY(acp_prompt) link;
	char *command;
	char *blocks; /* JSON */
	bool images;
};
TAILQ_HEAD(acp_prompts, acp_prompt);

struct acp_tool {
	TAILQ_ENTRY(acp_tool) link;
	char *id, *name, *title, *kind, *path, *terminal; /* NULL: not known */
	char *input;                                      /* JSON, NULL: not known */
	char *diffs; /* its content when that had diffs, JSON */
	bool told, ended;
};
TAILQ_HEAD(acp_tools, acp_tool);

struct acp_terminal {
	TAILQ_ENTRY(acp_terminal) link;
	char *id, *text;
};
TAILQ_HEAD(acp_terminals, acp_terminal);

/* A request of the agent: a question for a person (options), or a call (method). */
struct acp_open {
	TAILQ_ENTRY(acp_open) link;
	char id[32];             /* ours, of the act */
	char *request;           /* the agent's, JSON */
	char *tool;              /* of a question */
	char *options;           /* of a question, JSON */
	char *method, *terminal; /* of a call */
};
TAILQ_HEAD(acp_opens, acp_open);

/* A command that ends with the turn. */
struct acp_waiter {
	TAILQ_ENTRY(acp_waiter) link;
	char *command;
};
TAILQ_HEAD(acp_waiters, acp_waiter);

/* What can be chosen of one thing, and what is. */
struct acp_choice {
	char *list;   /* JSON array of {"id","name","description"?}, NULL: none is offered */
	char *now;    /* NULL: not known */
	char *config; /* id of the configuration option that it is, NULL: it has a method of its own
	               */
};

struct adapter {
	const struct acp_kind *kind;
	struct adapter_place place;
	struct str wanted_mode, login; /* of the settings; "" */
	const struct json_value *login_meta;

	uint64_t next_id, next_open;
	struct acp_requests requests;
	unsigned wants;

	/* What it can. */
	bool can_load, can_resume, can_images;
	char *agent_name, *agent_version;
	struct acp_choice model, mode;
	char *commands; /* JSON array, NULL: none */
	char *told;     /* what it can, as it was last told */

	char *session;
	bool logged_in, replaying, ready, failed, over;

	struct acp_prompts prompts;
	unsigned prompt_count;
	char *turn; /* the command whose turn runs, NULL: none does */
	uint64_t turns;
	struct acp_waiters interrupts; /* that end with it */

	struct buf message;
	char *message_id;  /* the agent's, NULL: it gives none */
	unsigned messages; /* of this turn */

	struct acp_tools tools;
	unsigned tool_count;
	struct acp_terminals terminals;
	unsigned terminal_count;
	struct acp_opens asks, calls;
	unsigned ask_count, call_count;
	double spent;     /* in dollars, as it last said */
	bool spent_known; /* not of a session that is continued: it tells what that cost before */
};

/* acp_wire.c: what goes to the agent */
/* A line is begun as an object; acp_send() ends and writes it. */
struct acp_line {
	struct buf text;
	struct jsonw w;
};
/* Begins params; for a request with the next id and what its answer is. */
void acp_request(struct adapter *a, struct acp_line *line, const char *method, enum acp_want want,
                 const char *command, struct str text);
void acp_notify(struct acp_line *line, const char *method);
void acp_send(struct adapter_out *out, struct acp_line *line); /* ends params too */
/* To a request of the agent; request and result are JSON. */
void acp_result(struct adapter_out *out, const char *request, struct str result);
void acp_error(struct adapter_out *out, const char *request, int code, struct str message);
/* The oldest with that id, taken from the list; NULL: it was not asked. */
struct acp_request *acp_take_request(struct adapter *a, const struct json_value *id);
void acp_free_request(struct acp_request *request);
void acp_set(char **at, struct str text); /* at most ACP_NAME_MAX bytes of it; "" becomes NULL */
struct str acp_text(const char *text);    /* "" for NULL */
/* What is wrong, for people; an agent that passes on its server's words is looked into. */
struct str acp_error_text(const struct json_value *error, struct buf *room);
const char *acp_error_class(const struct json_value *error, struct str text);

/* acp_start.c: from its start to its first prompt */
void acp_begin(struct adapter *a, struct adapter_out *out);
void acp_started(struct adapter *a, const struct acp_request *request,
                 const struct json_value *result, const struct json_value *error,
                 struct adapter_out *out);
/* Of the model or the mode that was asked for. */
void acp_chosen(struct adapter *a, const struct acp_request *request,
                const struct json_value *result, const struct json_value *error,
                struct adapter_out *out);
/* NULL: it was sent; else why it cannot be. */
const char *acp_choose(struct adapter *a, enum acp_want want, struct str what, const char *command,
                       struct adapter_out *out);

/* acp_caps.c: what it can */
void acp_take_modes(struct adapter *a, const struct json_value *modes);
void acp_take_models(struct adapter *a, const struct json_value *models);
void acp_take_options(struct adapter *a, const struct json_value *options);
void acp_take_commands(struct adapter *a, const struct json_value *commands);
bool acp_offers(const struct acp_choice *choice, struct str id);
void acp_tell_ready(struct adapter *a, struct adapter_out *out);

/* acp_turn.c */
void acp_prompt(struct adapter *a, const struct adapter_prompt *prompt, struct adapter_out *out);
void acp_control(struct adapter *a, const struct adapter_control *control, struct adapter_out *out);
void acp_next_turn(struct adapter *a, struct adapter_out *out);
void acp_free_prompt(struct acp_prompt *prompt);
void acp_turn_answered(struct adapter *a, const struct json_value *result,
                       const struct json_value *error, struct adapter_out *out);
void acp_interrupt(struct adapter *a, struct adapter_out *out);
/* Closes all that belongs to the turn. why: of its command, "" */
void acp_end_turn(struct adapter *a, struct str stop_reason, struct str why,
                  struct adapter_out *out);
void acp_usage(struct adapter *a, const struct json_value *update, struct adapter_out *out);

/* acp_update.c */
void acp_updated(struct adapter *a, const struct json_value *params, const struct json_value *line,
                 struct adapter_out *out);
void acp_end_message(struct adapter *a, struct adapter_out *out);

/* acp_tool.c */
enum acp_tool_step { ACP_TOOL_BEGINS, ACP_TOOL_GOES_ON, ACP_TOOL_ASKED };
/* A tool_call, a tool_call_update, or the toolCall of a question; NULL: it has no id. */
struct acp_tool *acp_tool(struct adapter *a, const struct json_value *update,
                          enum acp_tool_step step, struct adapter_out *out);
void acp_tool_input(const struct acp_tool *tool, struct jsonw *w, const char *name);
/* The first of its diffs, as far as a question has room for it; nothing when it has none. */
void acp_tool_diff(const struct adapter *a, const struct acp_tool *tool, struct jsonw *w,
                   const char *name);
void acp_tool_end(struct adapter *a, struct acp_tool *tool, struct str output, bool failed,
                  struct adapter_out *out);
void acp_tools_close(struct adapter *a, struct str why, struct adapter_out *out);
struct acp_tool *acp_tool_find(struct adapter *a, struct str id);
/* What a terminal of it has printed. */
void acp_terminal_said(struct adapter *a, struct str terminal, struct str text,
                       struct adapter_out *out);
/* The texts of content, joined. */
void acp_content_text(const struct json_value *content, struct buf *out);

/* acp_ask.c: requests of the agent */
void acp_asked(struct adapter *a, const struct json_value *id, const struct json_value *params,
               struct adapter_out *out);
void acp_called(struct adapter *a, const struct json_value *id, struct str method,
                const struct json_value *params, struct adapter_out *out);
void acp_answer(struct adapter *a, const struct adapter_answer *answer, struct adapter_out *out);
void acp_call_result(struct adapter *a, const struct adapter_result *result,
                     struct adapter_out *out);
/* The agent does not wait for the request of that id any more. */
void acp_uncalled(struct adapter *a, const struct json_value *id, struct adapter_out *out);
void acp_asks_cancel(struct adapter *a, struct adapter_out *out);
void acp_opens_free(struct acp_opens *opens);

/* Places that acp_words() leaves free in front of the words. */
enum { ACP_WORDS_FRONT = 4 };

/* acp.c: the functions of adapter_ops */
struct adapter *acp_make(const struct acp_kind *kind, const struct adapter_place *place);
void acp_free(struct adapter *a);
void acp_line(struct adapter *a, struct str line, struct adapter_out *out);
void acp_end(struct adapter *a, struct str why, struct adapter_out *out);
/* "config.auth" of the settings. */
enum err_code acp_check_login(const struct json_value *settings, struct err *err) MUST_CHECK;
/* An array of strings as words for execve(2), behind ACP_WORDS_FRONT free places. ERR_INVALID: it
 * is none. */
enum err_code acp_words(const struct json_value *words, const char *name, struct arena *arena,
                        const char ***ret, struct err *err) MUST_CHECK;
