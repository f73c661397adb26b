/* Frames of /api/v1/ws that ask something of a session: their bodies (docs/socket.md). */
#pragma once

#include "streamer/follow.h"
#include "streamer/inbound.h"

/* {sessionId, prompt} */
extern const struct json_table follow_prompt_table;
inbound_fn follow_prompt;

/* {sessionId, message} prompts and follows; {sessionId, resume_after_seq} follows from there. */
extern const struct json_table follow_chat_table;
inbound_fn follow_chat;

/* {approvalId, action, sessionId?}: without a session the only one that is followed. */
extern const struct json_table follow_approval_table;
inbound_fn follow_approval;

/* stop, pause, resume, interrupt: {sessionId, reason?} */
extern const struct json_table follow_control_table;
inbound_fn follow_control;
/* The same body: the session is cancelled. */
inbound_fn follow_cancel;
