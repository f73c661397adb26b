#include "api/command.h"

#include "api/answer.h"
#include "api/app.h"
#include "api/notify.h"
#include "command/command_store.h"
#include "json/write.h"
#include "queue/mail.h"

bool command_write(struct http_request *req, struct http_reply *reply, struct once *once,
                   const struct id *session, struct command_sent *sent)
{
	const struct command_new row = { .tenant = app_tenant(req),
		                         .session = *session,
		                         .kind = sent->kind,
		                         .payload = sent->payload,
		                         .created_by = app_who(req)->key.s };
	struct err err;

	if (command_add(once->tx, &row, &sent->id, &sent->seq, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	return true;
}

void command_notify(struct http_request *req, const struct id *session,
                    const struct command_sent *sent)
{
	struct jsonw w;
	struct buf body;

	buf_init(&body, MAIL_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "id", sent->id.s);
	jsonw_u64(&w, "seq", sent->seq);
	jsonw_cstr(&w, "kind", sent->kind);
	jsonw_raw(&w, "payload", sent->payload);
	jsonw_end_object(&w);
	if (!buf_failed(&body)) {
		notify_worker(node_of(req), &(struct notice){ .tenant = app_tenant(req),
		                                              .sid = *session,
		                                              .kind = "command",
		                                              .body = buf_str(&body) });
	}
	buf_fini(&body);
}

struct str command_reason(struct str reason, struct arena *arena)
{
	struct jsonw w;
	struct buf out;
	struct str text;

	buf_init(&out, MAIL_BODY_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	if (reason.n > 0) {
		jsonw_str(&w, "reason", reason);
	}
	jsonw_end_object(&w);
	text = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return text;
}
