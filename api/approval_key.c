/* What answers to permission requests are signed with (steer/signature.h). */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/seen.h"
#include "cred/base64url.h"
#include "cred/subkey.h"
#include "json/write.h"
#include "steer/signature.h"

enum { KEY_TEXT_MAX = 64 };

void serve_session_approval_key(struct http_request *req, struct http_reply *reply)
{
	const struct app *app = node_of(req)->app;
	const char *participant = auth_actor(app_who(req));
	struct cred_pepper secret, key;
	struct session session;
	struct buf text;
	struct jsonw w;
	struct id id;

	if (!seen_id(req, reply, &id) || !seen_row(req, reply, &id, &session)) {
		return;
	}
	secret = cred_subkey(&auth_options_of(app->auth)->pepper, "permissions");
	key = steer_signing_key(&secret, &session.id, str_of(participant));
	buf_init(&text, KEY_TEXT_MAX);
	cred_base64url_encode(str_make((const char *)key.bytes, sizeof(key.bytes)), &text);
	http_reply_header(reply, "Cache-Control", "no-store");
	jsonw_init(&w, &reply->body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "sessionId", session.id.s);
	jsonw_cstr(&w, "participant", participant);
	jsonw_cstr(&w, "algorithm", "HMAC-SHA-512-256");
	jsonw_str(&w, "key", buf_str(&text));
	jsonw_u64(&w, "windowMs", SIGNATURE_WINDOW_MS);
	jsonw_end_object(&w);
	cred_wipe(text.data, text.size);
	cred_wipe(&key, sizeof(key));
	cred_wipe(&secret, sizeof(secret));
	buf_fini(&text);
}
