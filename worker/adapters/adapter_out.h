/*
 * What an adapter wants done, in order (adapter.h).  Adding never fails; texts are copied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/str.h"
#include "event/event.h"

enum adapter_act_kind {
	ADAPTER_EVENT,   /* append: type, text is its data */
	ADAPTER_WRITE,   /* to its standard input: text */
	ADAPTER_REQUEST, /* to its HTTP server: id is the tag, name "METHOD /path", text the body */
	ADAPTER_READY,   /* it takes prompts now; text: what it can (JSON object), for the session's
	                    state */
	ADAPTER_SESSION_ID, /* id: the agent's own session id, to resume by */
	ADAPTER_TURN,       /* a turn began */
	ADAPTER_TURN_END,   /* name: stop reason (end_turn, interrupted, error, max_turns, refusal,
	                       ...) */
	ADAPTER_ASK,        /* a person is asked: id, text: the question (JSON object, see below) */
	ADAPTER_WITHDRAW,   /* the agent does not wait for the answer to id any more */
	ADAPTER_CALL,  /* id, name (fs/read_text_file...), text: the parameters; done by the host */
	ADAPTER_USAGE, /* text: {"model","input_tokens","output_tokens","cache_read_tokens",
	                  "cache_write_tokens","reasoning_tokens","usd"?,"source"}: added since the
	                  last */
	ADAPTER_DONE,  /* the command id is done; text: why it failed, "" when it did not */
	ADAPTER_FAIL,  /* the agent cannot go on: text says why (a handshake that failed) */
};

/*
 * The question of ADAPTER_ASK: {"title","description"?,"tool_name"?,"tool_use_id"?,"input"?,
 * "options":[{"id","name","kind": allow_once | allow_always | reject_once | reject_always}],
 * "suggestions"?,"agent_id"?,"questions"?}; it becomes the data of permission_request.
 */

struct adapter_act {
	STAILQ_ENTRY(adapter_act) link;
	enum adapter_act_kind kind;
	enum event_type type;
	struct str id, name, text; /* end with a NUL that is not counted */
};

struct adapter_out {
	STAILQ_HEAD(adapter_acts, adapter_act) acts;
	size_t count, bytes;
};

void adapter_out_init(struct adapter_out *out);
void adapter_out_fini(struct adapter_out *out);

/* The oldest, which the caller frees; NULL: none is left. */
struct adapter_act *adapter_out_next(struct adapter_out *out);
void adapter_act_free(struct adapter_act *act);

void adapter_out_event(struct adapter_out *out, enum event_type type, const struct buf *data);
void adapter_out_write(struct adapter_out *out, struct str bytes);
void adapter_out_request(struct adapter_out *out, struct str tag, struct str method_path,
                         struct str body);
void adapter_out_ready(struct adapter_out *out, struct str capabilities);
void adapter_out_session(struct adapter_out *out, struct str id);
void adapter_out_turn(struct adapter_out *out);
void adapter_out_turn_end(struct adapter_out *out, struct str stop_reason);
void adapter_out_ask(struct adapter_out *out, struct str id, const struct buf *question);
void adapter_out_withdraw(struct adapter_out *out, struct str id);
void adapter_out_call(struct adapter_out *out, struct str id, struct str method, struct str params);
void adapter_out_usage(struct adapter_out *out, const struct buf *usage);
void adapter_out_done(struct adapter_out *out, struct str command, struct str why);
void adapter_out_fail(struct adapter_out *out, struct str why);
