/* What the routes of webhooks take. */
#pragma once

#include "json/decode.h"
#include "rest/query.h"

struct rest_webhook {
	struct str name, url, project;
	struct json_list events; /* struct str */
};
extern const struct json_table rest_webhook_table;

struct rest_webhook_redrive {
	struct str webhook;
};
extern const struct json_table rest_webhook_redrive_table;

struct rest_webhook_messages {
	struct str webhook, session, page;
	unsigned state; /* 0: any; else 1 + its place in the row of words */
	uint64_t per_page;
};
extern const struct rest_query_table rest_webhook_messages_table;
/* "waiting", "delivered", "dead"; NULL after the last. */
const char *rest_webhook_state(unsigned i);
