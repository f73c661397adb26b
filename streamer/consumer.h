/*
 * GET /ws/consumer/{id}: one session on one WebSocket, in the frames of agent bridges
 * (docs/consumer.md).
 *
 * A client is greeted with who it is, the session's state, the newest messages or, when it resumes,
 * what it missed, the permission requests that wait, who else looks, and whether an agent runs.
 */
#pragma once

#include "http/http.h"
#include "streamer/inbound.h"
#include "streamer/socket.h"

extern const struct socket_face consumer_face;

void consumer_get(struct http_request *req, struct http_reply *reply);

/* ---- its frames (inbound.def) ---- */

extern const struct json_table consumer_message_table;
inbound_fn consumer_user_message;
extern const struct json_table consumer_permission_table;
inbound_fn consumer_permission;
extern const struct json_table consumer_model_table;
inbound_fn consumer_set_model;
extern const struct json_table consumer_mode_table;
inbound_fn consumer_set_mode;
extern const struct json_table consumer_interrupt_table;
inbound_fn consumer_interrupt;
extern const struct json_table consumer_slash_table;
inbound_fn consumer_slash;
extern const struct json_table consumer_adapter_table;
inbound_fn consumer_set_adapter;
/* Of a message that waits. */
extern const struct json_table consumer_update_table, consumer_take_back_table;
inbound_fn consumer_update, consumer_take_back;
inbound_fn consumer_presence_query;
extern const struct json_table consumer_history_table;
inbound_fn consumer_history;
