/* What routes of webhooks and of their messages have in common. */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "http/http.h"
#include "node/node.h"

/* Of a key that is limited to namespaces: no. False: the reply is filled. */
bool webhook_may(struct http_request *req, struct http_reply *reply);
/* The id in the path, of one that may. False: the reply is filled. */
bool webhook_seen_id(struct http_request *req, struct http_reply *reply, struct id *ret);
/* After an error of the store. */
void webhook_refuse(struct http_request *req, struct http_reply *reply, const struct err *err);
/* http: and any port, as the setting webhook.reach has it. */
bool webhook_plain_may(const struct http_request *req);
