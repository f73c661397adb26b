/* Uploads: /api/v1/uploads. What is uploaded is for prompts to refer to (docs/chat.md). */
#include "api/upload.h"

#include <inttypes.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "json/write.h"
#include "rest/query.h"

static void write_upload(struct jsonw *w, const struct upload *upload)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", upload->id.s);
	jsonw_str(w, "name", upload->name);
	jsonw_str(w, "mediaType", upload->media_type);
	jsonw_u64(w, "size", upload->size);
	jsonw_str(w, "sha256", upload->sha256);
	jsonw_str(w, "createdBy", upload->created_by);
	jsonw_time(w, "createdAt", upload->created_us);
	jsonw_end_object(w);
}

/* ---- looking ---- */

struct upload_filter upload_seen(const struct http_request *req)
{
	return upload_filter_of(app_who(req));
}

bool uploads_are_there(struct http_request *req, struct http_reply *reply,
                       const struct json_list *refs, const char *prefix)
{
	const struct upload_filter filter = upload_seen(req);
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct err err;

	problems->count = 0;
	if (upload_check(node_of(req)->pg, &filter, refs, req->arena, problems, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return false;
	}
	for (size_t i = 0; i < problems->count; i++) {
		problems->items[i].field =
			arena_printf(req->arena, "%s%s", prefix, problems->items[i].field);
	}
	if (problems->count > 0) {
		answer_problems(req, reply, problems);
	}
	return problems->count == 0;
}

bool upload_find(struct http_request *req, struct http_reply *reply, struct upload *ret)
{
	const struct upload_filter filter = upload_seen(req);
	enum err_code code = ERR_NOT_FOUND;
	struct err err;
	struct id id;

	if (id_parse(req->params[0], &id)) {
		code = upload_get(node_of(req)->pg, &filter, &id, req->arena, ret, &err);
	}
	if (code == ERR_NOT_FOUND) {
		answer_code(req, reply, code, "no such upload");
	} else if (code != ERR_OK) {
		answer_error(req, reply, &err);
	}
	return code == ERR_OK;
}

void serve_upload_get(struct http_request *req, struct http_reply *reply)
{
	struct upload upload;
	struct jsonw w;

	if (upload_find(req, reply, &upload)) {
		jsonw_init(&w, &reply->body);
		write_upload(&w, &upload);
	}
}

void serve_upload_list(struct http_request *req, struct http_reply *reply)
{
	struct upload_filter filter = upload_seen(req);
	struct upload_list list;
	struct jsonw w;
	struct err err;

	if (!items_asked_before(req, reply, &filter.before, &filter.max)) {
		return;
	}
	if (upload_list(node_of(req)->pg, &filter, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		write_upload(&w, &list.items[i]);
	}
	items_end(&w, list.more ? str_of(list.items[list.count - 1].id.s) : STR_LIT(""));
}

void serve_upload_delete(struct http_request *req, struct http_reply *reply)
{
	const struct upload_filter filter = upload_seen(req);
	struct upload upload;
	struct once once;
	struct err err;

	if (!upload_find(req, reply, &upload) || !once_begin(req, reply, &once)) {
		return;
	}
	if (upload_delete(once.tx, &filter, &upload.id, &err) != ERR_OK) {
		once_abandon(&once);
		if (err.code == ERR_NOT_FOUND) {
			answer_code(req, reply, ERR_NOT_FOUND, "no such upload");
		} else {
			answer_error(req, reply, &err);
		}
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	(void)once_commit(req, reply, &once);
}

/* ---- uploading ---- */

struct intake {
	struct http_request *req;
	struct http_reply *reply;
	struct upload_writer writer;
	struct str name;
	char type[UPLOAD_TYPE_MAX + 1];
};

static bool take_name(struct http_request *req, struct http_reply *reply, struct str *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_upload query;
	const char *rule;

	if (rest_query(req, &rest_upload_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = query.name.n > 0 ? query.name : STR_LIT("upload");
	rule = upload_check_name(*ret);
	if (rule != NULL) {
		answer_problem(req, reply, "name", rule);
	}
	return rule == NULL;
}

/* Errors of the body say all there is to say; what the store answers with does not. */
static void refuse(struct intake *in, const struct err *err)
{
	switch ((int)err->code) {
	case ERR_CONFLICT:
	case ERR_INVALID:
	case ERR_MEDIA_TYPE:
	case ERR_SLOW:
	case ERR_TOO_LARGE: answer_code(in->req, in->reply, err->code, err->msg); break;
	default: answer_error(in->req, in->reply, err); break;
	}
}

static enum err_code open_writer(struct intake *in, struct err *err)
{
	const struct conf *conf = &node_of(in->req)->conf;
	struct upload_room room = { .size = conf->upload_max,
		                    .tenant_max = conf->upload_tenant_max };
	uint64_t length;

	if (http_body_length(in->req, &length)) {
		room.size = length < room.size ? length : room.size;
	}
	return upload_writer_open(&in->writer, node_of(in->req)->pg, app_tenant(in->req), &room,
	                          err);
}

/* Nothing is kept of one whose first bytes say that it is refused. */
static enum err_code begin(struct intake *in, struct str head, struct err *err)
{
	enum err_code code = upload_type(http_header(in->req, "Content-Type"), head, in->type, err);

	if (code == ERR_OK) {
		code = open_writer(in, err);
	}
	return code == ERR_OK ? upload_writer_add(&in->writer, head, err) : code;
}

static enum err_code take_head(struct intake *in, struct err *err)
{
	CLEANUP(buf_fini) struct buf head = { 0 };
	enum err_code code = ERR_OK;
	struct str part;

	buf_init(&head, UPLOAD_HEAD + HTTP_BODY_STEP);
	do {
		code = http_body_read(in->req, &part, err);
		if (code == ERR_OK) {
			buf_add_str(&head, part);
		}
	} while (code == ERR_OK && part.n > 0 && head.len < UPLOAD_HEAD);
	if (code == ERR_OK && head.len == 0) {
		return err_set(err, ERR_INVALID,
		               "the body must be the bytes of the file, at least one");
	}
	return code == ERR_OK ? begin(in, buf_str(&head), err) : code;
}

static enum err_code take_bytes(struct intake *in, struct err *err)
{
	struct str part = STR_LIT("");
	enum err_code code = take_head(in, err);

	while (code == ERR_OK && (code = http_body_read(in->req, &part, err)) == ERR_OK &&
	       part.n > 0) {
		code = upload_writer_add(&in->writer, part, err);
	}
	return code == ERR_OK ? upload_writer_flush(&in->writer, err) : code;
}

static bool commit(struct intake *in)
{
	const struct upload_new given = { in->name, in->type, auth_actor(app_who(in->req)) };
	struct upload upload;
	struct once once;
	struct jsonw w;
	struct err err;

	if (!once_begin(in->req, in->reply, &once)) {
		return false;
	}
	if (upload_writer_end(&in->writer, once.tx, &given, in->req->arena, &upload, &err) !=
	    ERR_OK) {
		once_abandon(&once);
		refuse(in, &err);
		return false;
	}
	in->reply->status = 201;
	http_reply_header(in->reply, "Location", "/api/v1/uploads/%s", upload.id.s);
	jsonw_init(&w, &in->reply->body);
	write_upload(&w, &upload);
	once.object = arena_strdup(in->req->arena, str_of(upload.id.s));
	return once_commit(in->req, in->reply, &once);
}

void serve_upload_create(struct http_request *req, struct http_reply *reply)
{
	struct intake in = { .req = req, .reply = reply };
	uint64_t max = node_of(req)->conf.upload_max, length;
	struct err err;

	if (!take_name(req, reply, &in.name)) {
		return;
	}
	if (http_body_length(req, &length) && length > max) {
		answer_code(req, reply, ERR_TOO_LARGE,
		            arena_printf(req->arena, "an upload may have at most %" PRIu64 " bytes",
		                         max));
		return;
	}
	if (take_bytes(&in, &err) != ERR_OK) {
		refuse(&in, &err);
		upload_writer_abandon(&in.writer);
	} else if (commit(&in)) {
		upload_writer_close(&in.writer);
	} else {
		upload_writer_abandon(&in.writer);
	}
}
