/* Private to worker/session_*.c: an agent with a protocol of its own. */
#pragma once

#include "worker/adapters/adapter.h"
#include "worker/adapters/adapter_lines.h"
#include "worker/adapters/adapter_out.h"
#include "worker/agent_files.h"
#include "worker/agent_http.h"
#include "worker/session_private.h"

struct session_asking; /* a question of it: session_asking.c */
TAILQ_HEAD(session_askings, session_asking);

struct session_usage { /* of this agent, since it began */
	uint64_t input, output, cache_read, cache_write, reasoning;
	double usd;
	bool priced;   /* the agent says what it costs: nothing of it is looked up */
	bool unpriced; /* it was said that its budget does not know of its tokens */
};

struct session_adapter {
	struct session_run *run;
	const struct adapter_ops *ops;
	struct adapter_place place;
	struct json_value *settings; /* of place */
	struct adapter_launch launch;
	struct adapter *adapter; /* NULL: it could not be launched */

	bool busy; /* somebody is between enter and leave */
	struct fiber_signal idle;
	struct adapter_out acts;
	struct adapter_lines lines;
	struct buf writes;        /* for its standard input */
	bool writing, unwritable; /* a fiber does; nobody can any more */
	struct fiber_signal to_write;

	struct agent_http *http; /* of an agent that is a server; NULL */
	unsigned port;           /* that it said it listens at; 0: not yet */

	bool ready, ended;
	char *capabilities;         /* as it was last told, a JSON object; NULL: not yet */
	bool first_done;            /* the task's own prompt */
	char stop_reason[64];       /* of its last turn */
	struct session_notes given; /* commands that it has */
	struct session_askings asks;
	struct session_usage usage;
	struct team *team; /* NULL: it has led nobody yet */
};

/* Whoever calls the adapter does it between these; leaving does what the adapter wants done. */
bool session_adapter_enter(struct session_adapter *a); /* false: the fiber was cancelled */
void session_adapter_leave(struct session_adapter *a);

/* There is something to write, or nothing will follow. */
void session_adapter_rouse(struct session_adapter *a);

/* session_asking.c: acts of the adapter, carried out between enter and leave */
void session_asking_begin(struct session_adapter *a, struct str id, struct str question);
void session_asking_withdraw(struct session_adapter *a, struct str id);

/* session_calls.c: does what the agent asks its client to do; results come back by themselves */
void session_calling_begin(struct session_adapter *a, const struct adapter_act *act);

/* session_http.c: of an agent that is a server */
void session_http_line(struct session_adapter *a, struct str line); /* of its standard output */
/* Waits until it listens, and connects. False: it failed, and is being stopped, or has ended. */
bool session_http_open(struct session_adapter *a, uint64_t until_ms);
void session_http_request(struct session_adapter *a, const struct adapter_act *act);
void session_http_close(struct session_adapter *a); /* harmless when repeated */

/* session_usage.c */
void session_usage_add(struct session_adapter *a, struct str usage);

/* session_team.c: an event of the agent, after it was added */
void session_team_hear(struct session_adapter *a, enum event_type type, struct str data);
