/*
 * What an agent says on its socket (docs/agents.md): one JSON object a line, {"op": ...}, each
 * answered by one line.  Pure.
 *
 * An agent is not trusted: whatever it sends, the answer is a line that names the member and the
 * rule.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

struct json_value;

enum {
	AGENT_LINE_MAX = 64 * 1024,
	AGENT_TEXT_MAX = 16 * 1024, /* of a title, a message, a stage... */
	AGENT_KEY_MAX = 64,
	AGENT_WAIT_MAX_S = 30 * 24 * 3600,
};

enum agent_op {
	AGENT_PERMISSION_REQUEST,
	AGENT_WAIT_UNTIL,
	AGENT_WAIT_FOR_SESSION,
	AGENT_NOTE,
	AGENT_PROGRESS,
	AGENT_OP_COUNT
};

struct agent_request {
	enum agent_op op;
	struct json_value *json; /* of which the texts are views */
	struct str key;          /* of a permission request that outlives the agent; "": none */
	struct str text;         /* of a note; the stage of progress */
	int64_t progress;        /* 0 to 100, -1: not given */
	int64_t until_us;        /* wall clock; WAIT_UNTIL, or when another wait is given up; 0 */
	bool limit;              /* WAIT_UNTIL: for a provider's limit */
	struct id session;
};

/* now_us: wall clock. ERR_INVALID: err's message is fit for the answer. After ERR_OK
 * agent_request_fini(). */
enum err_code agent_request_parse(struct str line, int64_t now_us, struct agent_request *ret,
                                  struct err *err) MUST_CHECK;
void agent_request_fini(struct agent_request *request);

/* The data of the event that tells of it: permission_request, note or progress. A log takes it.
 * expires_us: of a permission request, wall clock; 0: never. */
void agent_request_event(const struct agent_request *request, const struct id *id,
                         int64_t expires_us, struct buf *out);

/* Answers, with their line break. */
void agent_answer_ok(struct buf *out);
void agent_answer_error(struct buf *out, const char *message);
void agent_answer_state(struct buf *out, const char *state);
/* payload: of the approval command, with its request_id. */
void agent_answer_approval(struct buf *out, struct str payload);
