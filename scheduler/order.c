#include "scheduler/order.h"

#include "approval/approval_store.h"
#include "approval/rule_store.h"
#include "base/buf.h"
#include "json/write.h"
#include "queue/mail.h"
#include "scheduler/app.h"
#include "scheduler/follow.h"
#include "scheduler/order_secret.h"
#include "scheduler/rules.h"
#include "scheduler/spend.h"
#include "session/session_json.h"
#include "task/task.h"

enum {
	COMMANDS_MAX = 128,
	FIRST_LEASE_EPOCH = 2,
	ORDER_MAX =
		TASK_RUN_MAX + APPROVAL_ORDER_MAX + APPROVAL_GRANTED_MAX + ORDER_SECRET_MAX + 4096,
};
_Static_assert((int)ORDER_MAX <= (int)MAIL_BODY_MAX, "an order fits into a note");

static struct mail note_of(const struct id *sid, const char *kind, struct str body,
                           const struct order_to *to)
{
	return (struct mail){ .kind = str_of(kind),
		              .incarnation = str_of(to->incarnation),
		              .sid = *sid,
		              .epoch = to->epoch,
		              .attempt = to->attempt,
		              .body = body };
}

static enum err_code send(struct app *app, const struct id *sid, const char *kind, struct str body,
                          const struct order_to *to, struct err *err)
{
	const struct mail mail = note_of(sid, kind, body, to);

	return mail_send(app->node->redis, to->worker, &mail, err);
}

enum err_code order_command(struct app *app, const struct command *command,
                            const struct order_to *to, struct err *err)
{
	enum err_code code;
	struct buf body;
	struct jsonw w;

	buf_init(&body, MAIL_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "id", command->id.s);
	jsonw_u64(&w, "seq", command->seq);
	jsonw_str(&w, "kind", command->kind);
	jsonw_raw(&w, "payload", command->payload);
	jsonw_end_object(&w);
	code = buf_failed(&body) ? err_set(err, ERR_TOO_LARGE, "command %s", command->id.s)
	                         : send(app, &command->session, "command", buf_str(&body), to, err);
	buf_fini(&body);
	return code;
}

enum err_code order_waiting(struct app *app, const struct id *sid, const char *tenant,
                            const struct order_to *to, struct err *err)
{
	const struct command_query query = { tenant, *sid, 0, COMMANDS_MAX };
	struct arena *arena = arena_new();
	struct command_list list;
	enum err_code code = command_open(app->node->pg, &query, arena, &list, err);

	for (size_t i = 0; code == ERR_OK && i < list.count; i++) {
		if (list.items[i].state == COMMAND_QUEUED) {
			code = order_command(app, &list.items[i], to, err);
		}
	}
	arena_free(arena);
	return code;
}

static enum err_code write_run(struct app *app, const struct session *session,
                               const struct order_to *to, struct buf *body, struct err *err)
{
	struct arena *arena = arena_new();
	struct session_orders more = { .approvals = STR_LIT("") };
	enum err_code code = rules_for_order(app, session, to->epoch > FIRST_LEASE_EPOCH, arena,
	                                     &more.approvals, err);
	char trace[TRACEPARENT_LEN + 1];

	if (code == ERR_OK) {
		code = order_secrets(app, session, to, arena, &more.secrets, err);
	}
	if (code == ERR_OK) {
		code = spend_before(app, session, &more.spent, err);
	}
	more.traceparent = session->traceparent;
	if (to->trace != NULL && to->trace->sampled) {
		traceparent_format(to->trace, trace);
		more.traceparent = str_of(trace);
	}
	if (code == ERR_OK) {
		session_write_run(session, &more, body);
		if (buf_failed(body)) {
			code = err_set(err, ERR_TOO_LARGE, "the order for %s", session->id.s);
		}
	}
	arena_free(arena);
	return code;
}

static enum err_code send_run(struct app *app, const struct session *session,
                              const struct order_to *to, struct err *err)
{
	enum err_code code;
	struct buf body;

	buf_init(&body, ORDER_MAX);
	code = write_run(app, session, to, &body, err);
	if (code == ERR_OK) {
		code = send(app, &session->id, "run", buf_str(&body), to, err);
	}
	buf_fini(&body);
	return code;
}

bool order_aloud(struct app *app, const struct session *row, const struct order_to *to,
                 struct buf *out)
{
	bool fits = false;
	struct buf body;
	struct err err;

	if (to->epoch > FIRST_LEASE_EPOCH) {
		return false;
	}
	buf_init(&body, ORDER_MAX);
	if (write_run(app, row, to, &body, &err) == ERR_OK) {
		const struct mail mail = note_of(&row->id, "run", buf_str(&body), to);

		fits = mail_aloud_write(&mail, out);
	}
	buf_fini(&body);
	return fits;
}

enum err_code order_word(struct app *app, const struct id *sid, const char *word,
                         const struct order_to *to, struct err *err)
{
	return send(app, sid, word, STR_LIT("{}"), to, err);
}

/* What the log says of earlier attempts may be missing in the row. */
static enum err_code send_fresh(struct app *app, const struct session *row,
                                const struct order_to *to, struct err *err)
{
	struct arena *arena = arena_new();
	struct session fresh;
	enum err_code code =
		session_get(app->node->pg, row->tenant.p, &row->id, arena, &fresh, err);

	if (code == ERR_OK) {
		code = send_run(app, &fresh, to, err);
	}
	arena_free(arena);
	return code;
}

enum err_code order_run_row(struct app *app, const struct session *row, const struct order_to *to,
                            struct err *err)
{
	bool behind = false;
	enum err_code code = to->epoch > FIRST_LEASE_EPOCH
	                             ? follow_before_lease(app, row, &behind, err)
	                             : ERR_OK;

	if (code == ERR_OK) {
		code = behind ? send_fresh(app, row, to, err) : send_run(app, row, to, err);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "order %s", row->id.s);
}

enum err_code order_run(struct app *app, const struct queue_item *item, const struct order_to *to,
                        struct err *err)
{
	struct arena *arena = arena_new();
	struct session session;
	enum err_code code =
		session_get(app->node->pg, item->tenant, &item->sid, arena, &session, err);

	if (code == ERR_OK) {
		code = order_run_row(app, &session, to, err);
	}
	if (code == ERR_OK) {
		code = order_waiting(app, &item->sid, item->tenant, to, err);
	}
	arena_free(arena);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "order %s", item->sid.s);
}
