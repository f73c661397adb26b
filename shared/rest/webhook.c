#include "rest/webhook.h"

#include "base/id.h"
#include "webhook/webhook.h"

enum { PROJECT_MAX = 64, PAGE_TEXT_MAX = 20 };

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

static const struct json_field webhook_fields[] = {
	{ .name = "url",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_webhook, url),
	  .min = 1,
	  .max = WEBHOOK_URL_MAX,
	  .help = "Whom to tell: an https address, port 443 or one from 1024 on." },
	{ .name = "events",
	  .kind = JSON_STRINGS,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_webhook, events),
	  .min = 1,
	  .max = WEBHOOK_EVENTS_MAX,
	  .item_max = WEBHOOK_EVENT_MAX,
	  .help = "What to tell: task.accepted, session.completed, session.*, permission_request, "
	          "*, ... (docs/webhooks.md)." },
	{ .name = "projectId",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_webhook, project),
	  .max = PROJECT_MAX,
	  .help = "Only what concerns this project; all unless given." },
	{ .name = "name",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_webhook, name),
	  .max = WEBHOOK_NAME_MAX,
	  .help = "For people." },
};
const struct json_table rest_webhook_table = { "Webhook", sizeof(struct rest_webhook),
	                                       webhook_fields, ARRAY_LEN(webhook_fields) };

static const struct json_field redrive_fields[] = {
	{ .name = "webhookId",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_webhook_redrive, webhook),
	  .min = ID_LEN,
	  .max = ID_LEN,
	  .help = "Only those of this webhook; all of the tenant unless given." },
};
const struct json_table rest_webhook_redrive_table = { "WebhookRedrive",
	                                               sizeof(struct rest_webhook_redrive),
	                                               redrive_fields, ARRAY_LEN(redrive_fields) };

const char *rest_webhook_state(unsigned i)
{
	static const char *const words[] = { "waiting", "delivered", "dead" };

	return i < ARRAY_LEN(words) ? words[i] : NULL;
}

static const struct rest_query_field messages_fields[] = {
	{ .name = "webhook",
	  .kind = REST_TEXT,
	  FIELD(rest_webhook_messages, webhook),
	  .min = ID_LEN,
	  .max = ID_LEN,
	  .help = "Only those to this webhook." },
	{ .name = "session",
	  .kind = REST_TEXT,
	  FIELD(rest_webhook_messages, session),
	  .min = ID_LEN,
	  .max = ID_LEN,
	  .help = "Only those about this session." },
	{ .name = "state",
	  .kind = REST_WORD,
	  FIELD(rest_webhook_messages, state),
	  .names = rest_webhook_state,
	  .help = "Only those; any unless given." },
	{ .name = "page",
	  .kind = REST_TEXT,
	  FIELD(rest_webhook_messages, page),
	  .min = 1,
	  .max = PAGE_TEXT_MAX,
	  .help = "The nextPage of the answer before." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_webhook_messages, per_page),
	  .min = 1,
	  .max = REST_PER_PAGE_MAX,
	  .otherwise = REST_PER_PAGE,
	  .help = "Items on a page." },
};
const struct rest_query_table rest_webhook_messages_table = { sizeof(struct rest_webhook_messages),
	                                                      messages_fields,
	                                                      ARRAY_LEN(messages_fields) };
