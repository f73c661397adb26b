/*
 * Webhooks: servers of others that are told what happens to tasks and sessions. Pure: what they
 * can be told of, which addresses they may have, and how a message looks and is signed
 * (https://www.standardwebhooks.com).
 *
 * Secrets are not kept: each is made of the installation's secret, who it is of, and a number that
 * goes up when it is rotated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "cred/digest.h"

enum {
	WEBHOOK_URL_MAX = 2048,
	WEBHOOK_EVENTS_MAX = 32,
	WEBHOOK_EVENT_MAX = 64,
	WEBHOOK_NAME_MAX = 128,
	WEBHOOK_OF_TASK_MAX = 16,
	WEBHOOK_OF_TENANT_MAX = 200,
	WEBHOOK_DATA_MAX = 64 * 1024, /* of an event; what is larger is left out of a message */
	WEBHOOK_BODY_MAX = WEBHOOK_DATA_MAX + 4096,
};

/* The words of the setting webhook.reach. */
enum { WEBHOOK_REACH_PUBLIC, WEBHOOK_REACH_PRIVATE };

enum webhook_event {
#define X(id, name, help) WEBHOOK_##id,
#include "webhook/webhook.def"
#undef X
	WEBHOOK_EVENT_COUNT
};

const char *webhook_event_name(enum webhook_event event);
const char *webhook_event_help(enum webhook_event event);
/* Whether an event of session logs of that type is for webhooks. */
bool webhook_tells(struct str type);

/* What a webhook asks for: an event's name, session.<state>, "task.*", "session.*", "*". NULL, or
 * the rule that it breaks. */
const char *webhook_check_event(struct str asked);
/* Whether what is asked for is nothing that only those who steer sessions see. */
bool webhook_for_observers(struct str asked);
/* A comma list of all that an event of that name answers to, itself first; NUL-terminated. */
enum { WEBHOOK_ASKED_SIZE = 2 * WEBHOOK_EVENT_MAX + 8 };
void webhook_asked(const char *type, char out[WEBHOOK_ASKED_SIZE]);

/* NULL, or the rule that the address breaks; plain: http: may be, and any port. Where it leads is
 * looked at when it is asked. */
const char *webhook_check_url(struct str url, bool plain);

/* ---- messages ---- */

struct webhook_message {
	const char *id, *type;
	struct str tenant, project, task, session, cursor; /* "": none */
	struct str data;                                   /* JSON; "": none, or it was too large */
	bool truncated;
	int64_t at_us;
};
/* The same bytes each time. */
void webhook_body(const struct webhook_message *message, struct buf *out);

/* Who a secret is of: a subscription's id, or the tenant, for what its tasks name. */
enum webhook_secret_kind { WEBHOOK_OF_ID, WEBHOOK_OF_TENANT };
struct webhook_secret_of {
	enum webhook_secret_kind kind;
	struct str owner;
	uint64_t n; /* from 1 */
};
enum { WEBHOOK_SECRET_SIZE = 6 + 44 + 1 };
/* As it is shown, once: "whsec_" and base64. */
void webhook_secret_text(const struct cred_pepper *secret, const struct webhook_secret_of *of,
                         char out[WEBHOOK_SECRET_SIZE]);

/* Appends "v1,<base64>": HMAC-SHA256 of "<id>.<seconds>.<body>". */
void webhook_sign(const struct cred_pepper *secret, const struct webhook_secret_of *of,
                  const char *id, int64_t seconds, struct str body, struct buf *out);
