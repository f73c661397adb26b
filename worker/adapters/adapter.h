/*
 * How one agent CLI is spoken to: the interface that each protocol implements once, in a file of
 * its own, and the table of them (adapter.c).
 *
 * An adapter is pure.  It is given what the agent said (a line, an answer of its HTTP server) and
 * what a client wants of it (a prompt, an answer, a control); it puts what shall be done into an
 * adapter_out (adapter_out.h): events for the session's log, bytes for the agent, questions for
 * people.  It does no input or output, knows no clock and never waits, so that a recorded
 * transcript replayed byte by byte is a complete test.  Whoever runs it (session_adapter.c) does
 * what stands in the adapter_out, in order, before it calls again.
 *
 * An agent is not trusted: whatever it says is an event, a `native` event or an `error` event, and
 * memory that an adapter keeps of it is bounded.
 *
 * Commands carry the id by which their end is told (adapter_out_done), exactly once each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct adapter; /* of one running agent; each file's own */
struct adapter_out;
struct json_value;

enum {
	ADAPTER_LINE_MAX =
		16 * 1024 * 1024, /* a longer line of an agent is dropped with an error event */
	ADAPTER_ID_MAX = 256,     /* of the agent's own ids: session, request, tool */
	ADAPTER_ASKS_MAX = 64,    /* open questions of one agent */
};

enum adapter_transport {
	ADAPTER_PIPES, /* what it prints are log events, prompts are lines on its standard input */
	ADAPTER_LINES, /* JSON objects, one a line, on its standard input and output */
	ADAPTER_HTTP,  /* a server of its own on a loopback port, requests and one stream of events
	                */
};

/* What a client can ask of it; shown as capabilities, and refused with a reason where it is not. */
enum adapter_feature {
	ADAPTER_INTERRUPT = 1U << 0,
	ADAPTER_SET_MODEL = 1U << 1,
	ADAPTER_SET_MODE = 1U << 2,
	ADAPTER_IMAGES = 1U << 3,
	ADAPTER_RESUME = 1U << 4, /* its own session, by its id, with its own files */
	ADAPTER_STEER = 1U << 5,  /* a prompt while a turn runs joins that turn */
	ADAPTER_SLASH = 1U << 6,  /* slash commands */
};

/* ---- how it is started ---- */

/* Everything lives as long as the adapter. */
struct adapter_place {
	const char *cwd;                   /* the workspace */
	const char *home;                  /* its HOME, its user's own */
	const char *program;               /* NULL: the adapter's usual one, looked up in PATH */
	struct str model, mode;            /* "": the agent's default */
	struct str resume;                 /* the agent's own session id of before; "": none */
	struct str password;               /* of its HTTP server, made for this start */
	const struct json_value *settings; /* of the task's agent; its own are in "config" */
	bool as_root;
};

struct adapter_pair {
	struct str name, value;
};

struct adapter_file {
	const char *path; /* below home */
	struct str text;
};

/* argv goes to execve(2) as it is, never through a shell. */
struct adapter_launch {
	const char *const *argv; /* ends with NULL */
	const struct adapter_pair *env;
	size_t env_count;
	const struct adapter_file *files; /* written before the start, 0600 */
	size_t file_count;
};

/* ---- what it is given while it runs ---- */

/* An answer of its HTTP server, to the request of that tag; status 0: there was none, body says
 * why. */
struct adapter_reply {
	struct str tag, body;
	unsigned status;
};

/* blocks: content blocks, [{"type":"text","text"} | {"type":"image","media_type","data"(base64)}].
 */
struct adapter_prompt {
	struct str id; /* of the command */
	const struct json_value *blocks;
};

enum adapter_scope { ADAPTER_ONCE, ADAPTER_SESSION, ADAPTER_ALWAYS };

/* What a person (or a rule) said. */
struct adapter_answer {
	struct str ask; /* the adapter's own id of the question: adapter_ask.id */
	bool allow;
	enum adapter_scope scope;
	struct str option;              /* the native option's id, when one was chosen by it; "" */
	struct str message;             /* for the agent, with a denial */
	bool interrupt;                 /* with a denial: end the turn too */
	const struct json_value *input; /* edited input of the tool, NULL: as it was */
	const struct json_value *answers; /* of a question of the agent to the person, NULL */
};

enum adapter_control_kind {
	ADAPTER_DO_INTERRUPT,
	ADAPTER_DO_SET_MODEL,
	ADAPTER_DO_SET_MODE,
	ADAPTER_DO_SLASH
};

struct adapter_control {
	enum adapter_control_kind kind;
	struct str id;   /* of the command */
	struct str text; /* the model, the mode, the slash command with its arguments */
};

/* What became of an adapter_call: result NULL: it failed, message says why. */
struct adapter_result {
	struct str call;
	const struct json_value *result;
	struct str message;
};

/* ---- an adapter ---- */

struct adapter_ops {
	const char *type;     /* of a task's agent: "claude-code" */
	const char *protocol; /* of its `native` events */
	const char *program;  /* looked up in PATH; NULL: its task names one */
	enum adapter_transport transport;
	const char *http_user, *http_events; /* of ADAPTER_HTTP: of Basic; its stream's path */
	unsigned features; /* enum adapter_feature, those that every version has */

	/* What it needs to resume elsewhere: files and folders below its HOME; ends with NULL. */
	const char *const *keeps;
	/* What a folder in these is called after a workspace; NULL: none is. */
	const char *(*folder)(const char *cwd, struct arena *arena);
	/* What a file of that name is called for a lease of that epoch; NULL: as it was. */
	const char *(*file)(struct str name, uint64_t epoch, struct arena *arena);

	/* ERR_INVALID: the settings, or a model or mode that it cannot have. Results are of the
	 * arena. */
	enum err_code (*launch)(const struct adapter_place *place, struct arena *arena,
	                        struct adapter_launch *ret, struct err *err);
	struct adapter *(*make)(const struct adapter_place *place);
	void (*free)(struct adapter *adapter); /* NULL is fine */

	void (*begin)(struct adapter *adapter, struct adapter_out *out); /* it runs: shake hands */
	/* A line without its break; the data of an event of its HTTP server. */
	void (*line)(struct adapter *adapter, struct str line, struct adapter_out *out);
	void (*reply)(struct adapter *adapter, const struct adapter_reply *reply,
	              struct adapter_out *out); /* NULL but for ADAPTER_HTTP */
	/* Whoever asks twice waits for the end of the turn that the first begins, so that is told
	 * before, or with, the command's end. */
	void (*prompt)(struct adapter *adapter, const struct adapter_prompt *prompt,
	               struct adapter_out *out);
	void (*answer)(struct adapter *adapter, const struct adapter_answer *answer,
	               struct adapter_out *out);
	void (*control)(struct adapter *adapter, const struct adapter_control *control,
	                struct adapter_out *out);
	void (*result)(struct adapter *adapter, const struct adapter_result *result,
	               struct adapter_out *out); /* NULL: it makes no calls */
	/* It has ended, or is about to be killed: close what is open (turn, tools, questions,
	 * commands). */
	void (*end)(struct adapter *adapter, struct str why, struct adapter_out *out);
};

/* NULL: no adapter has that type. */
const struct adapter_ops *adapter_find(struct str type);
const struct adapter_ops *const *adapter_all(void); /* ends with NULL */
