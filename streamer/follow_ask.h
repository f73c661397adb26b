/* Frames of /api/v1/ws that ask something of a session: their bodies (docs/socket.md). */
#pragma once

#include "streamer/follow.h"
#include "streamer/inbound.h"

/* {sessionId, prompt, mode?} */
extern const struct json_table follow_prompt_table;
inbound_fn follow_prompt;

/* {sessionId, promptId, prompt, mode?} and {sessionId, promptId}: of one that waits. */
extern const struct json_table follow_edit_table, follow_take_back_table;
inbound_fn follow_edit, follow_take_back;

/* {sessionId, model}, {sessionId, mode}, {sessionId, command} */
extern const struct json_table follow_model_table, follow_mode_table, follow_slash_table;
inbound_fn follow_model, follow_mode, follow_slash;

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
