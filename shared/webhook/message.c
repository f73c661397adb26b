#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cred/base64url.h"
#include "cred/mac.h"
#include "cred/subkey.h"
#include "json/write.h"
#include "webhook/webhook.h"

static void add_given(struct jsonw *w, const char *name, struct str value)
{
	if (value.n > 0) {
		jsonw_str(w, name, value);
	}
}

void webhook_body(const struct webhook_message *message, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", message->type);
	jsonw_time(&w, "timestamp", message->at_us);
	jsonw_object(&w, "data");
	jsonw_str(&w, "tenantId", message->tenant);
	add_given(&w, "projectId", message->project);
	add_given(&w, "taskId", message->task);
	add_given(&w, "sessionId", message->session);
	add_given(&w, "cursor", message->cursor);
	if (message->data.n > 0) {
		jsonw_raw(&w, "event", message->data);
	}
	if (message->truncated) {
		jsonw_bool(&w, "truncated", true);
	}
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}

/* ---- signing ---- */

static struct cred_digest key_of(const struct cred_pepper *secret,
                                 const struct webhook_secret_of *of)
{
	struct cred_pepper all = cred_subkey(secret, "webhooks");
	struct cred_digest key;
	char number[24];

	(void)snprintf(number, sizeof(number), "%" PRIu64, of->n);
	key = cred_mac(&all,
	               (const struct str[]){ of->kind == WEBHOOK_OF_TENANT ? STR_LIT("tasks")
	                                                                   : STR_LIT("webhook"),
	                                     of->owner, str_of(number) },
	               3);
	cred_wipe(&all, sizeof(all));
	return key;
}

void webhook_secret_text(const struct cred_pepper *secret, const struct webhook_secret_of *of,
                         char out[WEBHOOK_SECRET_SIZE])
{
	struct cred_digest key = key_of(secret, of);
	struct buf text;

	buf_init(&text, WEBHOOK_SECRET_SIZE);
	buf_add_cstr(&text, "whsec_");
	cred_base64_encode(cred_digest_str(&key), &text);
	(void)str_copy(out, WEBHOOK_SECRET_SIZE, buf_str(&text));
	cred_wipe(text.data, text.len);
	buf_fini(&text);
	cred_wipe(&key, sizeof(key));
}

void webhook_sign(const struct cred_pepper *secret, const struct webhook_secret_of *of,
                  const char *id, int64_t seconds, struct str body, struct buf *out)
{
	struct cred_digest key = key_of(secret, of);
	struct cred_digest mac;
	char stamp[32];

	(void)snprintf(stamp, sizeof(stamp), ".%" PRId64 ".", seconds);
	mac = cred_hmac_sha256(cred_digest_str(&key),
	                       (const struct str[]){ str_of(id), str_of(stamp), body }, 3);
	buf_add_cstr(out, "v1,");
	cred_base64_encode(cred_digest_str(&mac), out);
	cred_wipe(&key, sizeof(key));
}
