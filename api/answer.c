#include "api/answer.h"

#include <string.h>

#include "json/write.h"

enum { PROBLEMS_MAX = 64 * 1024, RETRY_S = 1 };

void answer_problems(const struct http_request *req, struct http_reply *reply,
                     const struct json_problems *problems)
{
	struct buf errors;

	buf_init(&errors, PROBLEMS_MAX);
	json_problems_format(problems, &errors);
	http_problem_fields(reply, req, ERR_INVALID, NULL,
	                    buf_failed(&errors) ? (struct str){ NULL, 0 } : buf_str(&errors));
	buf_fini(&errors);
}

void answer_problem(const struct http_request *req, struct http_reply *reply, const char *field,
                    const char *rule)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));

	json_problem_add(problems, req->arena, field, "%s", rule);
	answer_problems(req, reply, problems);
}

void answer_code(const struct http_request *req, struct http_reply *reply, enum err_code code,
                 const char *detail)
{
	http_problem(reply, req, code, detail);
	if (err_retryable(code)) {
		http_retry_after(reply, RETRY_S);
	}
}

void answer_error(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	struct err told = *err;

	if (told.code == ERR_TIMEOUT) {
		bool reads = req->method == HTTP_GET || req->method == HTTP_HEAD;

		told.code = reads ? ERR_UNAVAILABLE : ERR_UNKNOWN;
	}
	node_problem(req, reply, &told);
}

void answer_extend(struct http_reply *reply, const char *name, uint64_t value)
{
	struct buf *body = &reply->body;

	if (body->len > 0 && body->data[body->len - 1] == '}') {
		body->len--;
		buf_addf(body, ",\"%s\":", name);
		buf_add_u64(body, value);
		buf_add_char(body, '}');
	}
}

void answer_extend_text(struct http_reply *reply, const char *name, struct str value)
{
	struct buf *body = &reply->body;
	struct buf member;
	struct jsonw w;

	if (body->len == 0 || body->data[body->len - 1] != '}') {
		return;
	}
	buf_init(&member, PROBLEMS_MAX);
	jsonw_init(&w, &member);
	jsonw_object(&w, NULL);
	jsonw_str(&w, name, value);
	jsonw_end_object(&w);
	if (!buf_failed(&member)) {
		body->len--;
		buf_add_char(body, ',');
		buf_add(body, member.data + 1, member.len - 1);
	}
	buf_fini(&member);
}

void answer_text(struct http_reply *reply, const char *media_type, struct str text)
{
	reply->content_type = media_type;
	buf_add_str(&reply->body, text);
}
