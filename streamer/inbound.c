#include "streamer/inbound.h"

#include <stdlib.h>

#include "audit/audit_http.h"
#include "audit/denials.h"
#include "log/log.h"
#include "metric/metric.h"
#include "steer/steer.h"
#include "streamer/consumer.h"
#include "streamer/feed.h"
#include "streamer/follow.h"
#include "streamer/follow_ask.h"
#include "streamer/socket.h"
#include "streamer/viewer.h"

static const char invalid[] = "the frame is not valid";

static const struct inbound_row rows[] = {
#define X(which, name, table, handler, whose, text)                                                \
	{ .face = INBOUND_##which,                                                                 \
	  .type = (name),                                                                          \
	  .body = &(table),                                                                        \
	  .run = (handler),                                                                        \
	  .who = INBOUND_##whose,                                                                  \
	  .help = (text) },
#include "streamer/inbound.def"
#undef X
};

static const struct json_field head_fields[] = { INBOUND_HEAD };

const struct json_table inbound_head_table = { "Frame", sizeof(struct inbound_head), head_fields,
	                                       ARRAY_LEN(head_fields) };

_Static_assert(ARRAY_LEN(head_fields) == INBOUND_HEAD_FIELDS, "every table begins so");

const struct inbound_row *inbound_next(const struct inbound_row *row)
{
	const struct inbound_row *next = row != NULL ? row + 1 : rows;

	return next < rows + ARRAY_LEN(rows) ? next : NULL;
}

/* ---- decoding ---- */

static const struct inbound_row *find_row(enum inbound_face face, struct str type)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].face == face && str_eq(str_of(rows[i].type), type)) {
			return &rows[i];
		}
	}
	return NULL;
}

static const struct inbound_row *decode_type(enum inbound_face face, const struct json_value *type,
                                             struct arena *arena, struct json_problems *problems)
{
	const struct inbound_row *row = NULL;

	if (type == NULL) {
		json_problem_add(problems, arena, "type", "is required");
	} else if (json_type_of(type) != JSON_T_STRING) {
		json_problem_add(problems, arena, "type", "must be a string");
	} else {
		row = find_row(face, json_as_str(type));
		if (row == NULL) {
			json_problem_add(problems, arena, "type",
			                 "is not a type of frame that is understood here");
		}
	}
	return row;
}

static void decode_value(enum inbound_face face, const struct json_value *value,
                         struct arena *arena, const struct inbound_row **ret_row, void **ret_body,
                         struct str *ret_ref, struct json_problems *problems)
{
	struct str ref = json_as_str(json_get(value, "ref"));

	if (json_type_of(value) != JSON_T_OBJECT) {
		json_problem_add(problems, arena, "frame", "must be an object");
		return;
	}
	if (ref.n <= INBOUND_REF_MAX) {
		*ret_ref = arena_str(arena, ref);
	}
	*ret_row = decode_type(face, json_get(value, "type"), arena, problems);
	if (*ret_row != NULL) {
		*ret_body = arena_take(arena, (*ret_row)->body->size);
		json_decode_value(value, (*ret_row)->body, "", *ret_body, arena, problems);
	}
}

enum err_code inbound_decode(enum inbound_face face, struct str text, struct arena *arena,
                             const struct inbound_row **ret_row, void **ret_body,
                             struct str *ret_ref, struct json_problems *problems)
{
	struct json_value *value;
	struct err err;

	problems->count = 0;
	*ret_row = NULL;
	*ret_body = NULL;
	*ret_ref = STR_LIT("");
	value = json_parse(text, &err);
	if (value == NULL) {
		json_problem_add(problems, arena, "frame", "%s", err.msg);
		return ERR_INVALID;
	}
	decode_value(face, value, arena, ret_row, ret_body, ret_ref, problems);
	json_value_free(value);
	return problems->count > 0 ? ERR_INVALID : ERR_OK;
}

/* ---- answers ---- */

void inbound_begin(struct inbound *inbound, const char *type, struct buf *json, struct jsonw *w)
{
	buf_init(json, SOCKET_FRAME_MAX);
	jsonw_init(w, json);
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", type);
	if (inbound->ref.n > 0) {
		jsonw_str(w, "ref", inbound->ref);
	}
}

void inbound_say(struct inbound *inbound, struct buf *json, struct jsonw *w)
{
	jsonw_end_object(w);
	(void)socket_say(inbound->socket, buf_str(json));
	buf_fini(json);
	inbound->answered = true;
}

static void acknowledge(struct inbound *inbound)
{
	struct buf json;
	struct jsonw w;

	if (inbound->ref.n > 0 && !inbound->answered) {
		inbound_begin(inbound, "ack", &json, &w);
		inbound_say(inbound, &json, &w);
	}
}

/* A backend's words are for operators; a client's own mistake is for the client. */
static void refuse(struct inbound *inbound, const struct err *err)
{
	bool ours = err_http_status(err->code) >= 500;
	struct buf json, errors;
	struct jsonw w;

	if (ours) {
		log_warn("frame.failed", "code=%s %s", err_name(err->code), err->msg);
	}
	inbound_begin(inbound, "error", &json, &w);
	jsonw_cstr(&w, "code", err_name(err->code));
	jsonw_cstr(&w, "message", ours || err->msg[0] == '\0' ? err_text(err->code) : err->msg);
	if (inbound->problems->count > 0) {
		buf_init(&errors, SOCKET_FRAME_MAX / 2);
		json_problems_format(inbound->problems, &errors);
		if (!buf_failed(
			    &errors)) { /* else the client's names are too long to be repeated */
			jsonw_raw(&w, "errors", buf_str(&errors));
		}
		buf_fini(&errors);
	}
	inbound_say(inbound, &json, &w);
}

enum err_code inbound_problem(struct inbound *inbound, const char *field, const char *rule,
                              struct err *err)
{
	json_problem_add(inbound->problems, inbound->arena, field, "%s", rule);
	return err_set(err, ERR_INVALID, "%s", invalid);
}

/* ---- running ---- */

enum err_code inbound_participate(const struct inbound *inbound, struct err *err)
{
	const struct principal *who = &inbound->socket->outlet.viewer->principal;

	return auth_part_of(who) == AUTH_PARTICIPANT
	               ? ERR_OK
	               : err_set(err, ERR_FORBIDDEN,
	                         "this is for participants: it needs a key with the scope %s",
	                         auth_scope_name(AUTH_SESSION_WRITE));
}

static enum err_code run(struct inbound *inbound, const struct inbound_row *row, const void *body,
                         struct err *err)
{
	if (row->who == INBOUND_PARTICIPANT && inbound_participate(inbound, err) != ERR_OK) {
		return err->code;
	}
	return row->run(inbound, body, err);
}

/* Who was not allowed what is for the audit. */
static void note(const struct inbound *inbound, const struct inbound_row *row)
{
	const struct outlet *outlet = &inbound->socket->outlet;
	const struct steer_trail *trail = outlet->feed->options.trail;
	struct audit_entry entry;

	if (trail == NULL || trail->denials == NULL) {
		return;
	}
	entry = (struct audit_entry){
		.chain = inbound->who.tenant,
		.who = audit_who_is(&inbound->who),
		.action = str_of(arena_printf(inbound->arena, "frame.%s", row->type)),
		.outcome = AUDIT_DENIED,
	};
	entry.who.address = str_of(http_conn_peer(outlet->conn));
	denials_add(trail->denials, &entry);
}

static bool may_send(struct socket *socket)
{
	return socket->face->spend == NULL || socket->face->spend(socket);
}

void inbound_run(struct socket *socket, enum inbound_face face, struct str text)
{
	struct inbound inbound = { .socket = socket,
		                   .who = socket->outlet.viewer->principal,
		                   .arena = arena_new() };
	const struct inbound_row *row;
	struct err err = { .code = ERR_OK };
	void *body;

	inbound.problems = arena_take(inbound.arena, sizeof(*inbound.problems));
	if (inbound_decode(face, text, inbound.arena, &row, &body, &inbound.ref,
	                   inbound.problems) != ERR_OK) {
		(void)err_set(&err, ERR_INVALID, "%s", invalid);
	}
	if (!may_send(socket)) {
		inbound.problems->count = 0;
		(void)err_set(&err, ERR_LIMIT, "too many frames in too short a time");
	}
	if (err.code != ERR_OK) {
		refuse(&inbound, &err);
	} else if (run(&inbound, row, body, &err) == ERR_OK) {
		acknowledge(&inbound);
	} else if (err.code != ERR_CANCELLED) {
		refuse(&inbound, &err);
		if (err.code == ERR_FORBIDDEN) {
			note(&inbound, row);
		}
	}
	metric_inc(METRIC_SOCKET_FRAMES, err.code == ERR_OK ? "ok" : err_name(err.code));
	arena_free(inbound.arena);
}
