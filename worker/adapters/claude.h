/*
 * Claude Code in its stream-json mode: one JSON object a line each way, control requests and
 * responses beside messages.  Private to claude*.c.
 *
 * Source: what @anthropic-ai/claude-code 2.1.197 says and takes; tests/fixtures/claude-code has
 * recorded runs.
 */
#pragma once

#include "base/buf.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/adapters/adapter.h"
#include "worker/adapters/adapter_out.h"
#include "worker/adapters/adapter_say.h"

enum {
	CLAUDE_TOOLS_MAX = 32,      /* open ones; of more the oldest is forgotten */
	CLAUDE_REQUESTS_MAX = 16,   /* controls without an answer */
	CLAUDE_MODELS_MAX = 8,      /* of which the use is counted */
	CLAUDE_ID_MAX = 128,        /* of tools, messages, sub-agents; a longer one is "" */
	CLAUDE_SPEAKERS_MAX = 8,    /* the agent and its sub-agents, whose messages are streamed */
	CLAUDE_INPUT_MAX = 1 << 20, /* bytes of a tool's input that is asked about */
};

struct claude_ask {
	struct json_value *line; /* its control request; NULL: free */
};

struct claude_request {
	uint64_t number; /* 0: free */
	char *command;   /* that it is done for */
};

struct claude_tool {
	char id[CLAUDE_ID_MAX + 1];
	char name[CLAUDE_ID_MAX + 1];
	char agent[CLAUDE_ID_MAX + 1];
};

/* Whose message of which id is being streamed; by parent_tool_use_id, "" is the agent's own. */
struct claude_speaker {
	char agent[CLAUDE_ID_MAX + 1];
	char message[CLAUDE_ID_MAX + 1];
	bool streamed; /* its deltas were told */
	unsigned turn; /* when it spoke last */
};

struct claude_model {
	char name[128];
	uint64_t input, output, cache_read, cache_write;
	double usd;
};

struct adapter {
	const char *cwd; /* of its place */
	char session[ADAPTER_ID_MAX + 1];
	char model[128], mode[64], version[64];
	bool ready, turn, ended;
	uint64_t requests; /* numbered from 1 */
	uint64_t initialize;
	struct json_value *initialized; /* what initialize was answered with */

	struct claude_ask asks[ADAPTER_ASKS_MAX];
	struct claude_request open[CLAUDE_REQUESTS_MAX];
	struct claude_tool *tools; /* while there are any */
	size_t tool_count, tool_room;
	struct claude_speaker *speakers[CLAUDE_SPEAKERS_MAX]; /* NULL: not needed yet */
	unsigned clock;
	struct claude_model *models;
	size_t model_count;
};

static inline struct str claude_member(const struct json_value *json, const char *name)
{
	return json_as_str(json_get(json, name));
}

/* claude_say.c: what its lines mean as events */
void claude_stream_event(struct adapter *c, const struct json_value *line, struct adapter_out *out);
void claude_assistant(struct adapter *c, const struct json_value *line, struct adapter_out *out);
void claude_user(struct adapter *c, const struct json_value *line, struct adapter_out *out);
void claude_tool_progress(struct adapter *c, const struct json_value *line,
                          struct adapter_out *out);
void claude_tools_end(struct adapter *c, struct str why, struct adapter_out *out);

/* claude_result.c: the end of a turn, and what it cost */
void claude_result(struct adapter *c, const struct json_value *line, struct adapter_out *out);

/* claude_ask.c: permissions and questions */
void claude_ask(struct adapter *c, struct json_value *line, struct adapter_out *out); /* takes it */
void claude_ask_cancelled(struct adapter *c, const struct json_value *line,
                          struct adapter_out *out);
void claude_answer(struct adapter *c, const struct adapter_answer *answer, struct adapter_out *out);
void claude_asks_end(struct adapter *c, struct adapter_out *out);
