/* JSON-RPC 2.0 towards the agent, and what its errors mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/acp_private.h"

void acp_set(char **at, struct str text)
{
	size_t n = text.n < ACP_NAME_MAX ? text.n : ACP_NAME_MAX;

	while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xC0) == 0x80) {
		n--;
	}
	free(*at);
	*at = n > 0 ? mem_strndup(str_make(text.p, n)) : NULL;
}

struct str acp_text(const char *text)
{
	return text != NULL ? str_of(text) : STR_LIT("");
}

static void begin_line(struct acp_line *line)
{
	buf_init(&line->text, ACP_WRITE_MAX);
	jsonw_init(&line->w, &line->text);
	jsonw_object(&line->w, NULL);
	jsonw_cstr(&line->w, "jsonrpc", "2.0");
}

static void end_line(struct adapter_out *out, struct acp_line *line)
{
	jsonw_end_object(&line->w);
	buf_add_char(&line->text, '\n');
	if (!buf_failed(&line->text)) {
		adapter_out_write(out, buf_str(&line->text));
	}
	buf_fini(&line->text);
}

void acp_request(struct adapter *a, struct acp_line *line, const char *method, enum acp_want want,
                 const char *command, struct str text)
{
	struct acp_request *request = mem_calloc(1, sizeof(*request));

	request->id = ++a->next_id;
	request->want = want;
	request->command = command != NULL ? mem_strdup(command) : NULL;
	request->text = text.n > 0 ? mem_strndup(text) : NULL;
	TAILQ_INSERT_TAIL(&a->requests, request, link);
	a->wants++;
	begin_line(line);
	jsonw_u64(&line->w, "id", request->id);
	jsonw_cstr(&line->w, "method", method);
	jsonw_object(&line->w, "params");
}

void acp_notify(struct acp_line *line, const char *method)
{
	begin_line(line);
	jsonw_cstr(&line->w, "method", method);
	jsonw_object(&line->w, "params");
}

void acp_send(struct adapter_out *out, struct acp_line *line)
{
	jsonw_end_object(&line->w);
	end_line(out, line);
}

void acp_result(struct adapter_out *out, const char *request, struct str result)
{
	struct acp_line line;

	begin_line(&line);
	jsonw_raw(&line.w, "id", str_of(request));
	jsonw_raw(&line.w, "result", result);
	if (buf_failed(&line.text)) {
		buf_fini(&line.text);
		acp_error(out, request, -32603, STR_LIT("the result is too large"));
		return;
	}
	end_line(out, &line);
}

void acp_error(struct adapter_out *out, const char *request, int code, struct str message)
{
	struct acp_line line;

	begin_line(&line);
	jsonw_raw(&line.w, "id", str_of(request));
	jsonw_object(&line.w, "error");
	jsonw_i64(&line.w, "code", code);
	jsonw_str(&line.w, "message", message);
	jsonw_end_object(&line.w);
	end_line(out, &line);
}

struct acp_request *acp_take_request(struct adapter *a, const struct json_value *id)
{
	struct acp_request *request;

	TAILQ_FOREACH (request, &a->requests, link) {
		if (json_is_int(id) && json_as_i64(id) == (int64_t)request->id) {
			TAILQ_REMOVE(&a->requests, request, link);
			a->wants--;
			return request;
		}
	}
	return NULL;
}

void acp_free_request(struct acp_request *request)
{
	free(request->command);
	free(request->text);
	free(request);
}

/* ---- errors ---- */

/* Some pass on the body that their model's server sent. */
static struct str inner_message(struct str text, struct buf *room)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *body = str_starts(text, STR_LIT("{")) ? json_parse(text, &err) : NULL;
	struct str message = json_as_str(json_get(json_get(body, "error"), "message"));

	if (message.n == 0) {
		return text;
	}
	buf_add_str(room, message);
	return buf_str(room);
}

struct str acp_error_text(const struct json_value *error, struct buf *room)
{
	struct str message = json_as_str(json_get(error, "message"));
	struct str details = json_as_str(json_get(json_get(error, "data"), "details"));

	if (details.n > 0) {
		return details;
	}
	return message.n > 0 ? inner_message(message, room) : STR_LIT("it gives no reason");
}

/* By the number, which is JSON-RPC's, ACP's (-32000: it wants a login) or that of HTTP; by words
 * where it says nothing. */
const char *acp_error_class(const struct json_value *error, struct str text)
{
	static const struct {
		int64_t code;
		const char *word, *and;
		const char *class;
	} rows[] = {
		{ -32000, NULL, NULL, "provider_auth" },
		{ 401, NULL, NULL, "provider_auth" },
		{ 403, NULL, NULL, "provider_auth" },
		{ 429, NULL, NULL, "rate_limit" },
		{ 0, "rate limit", NULL, "rate_limit" },
		{ 0, "quota", NULL, "rate_limit" },
		{ 0, "api key", NULL, "provider_auth" },
		{ 0, "unauthorized", NULL, "provider_auth" },
		{ 0, "authentication", NULL, "provider_auth" },
		{ 0, "verify your account", NULL, "provider_auth" },
		{ 0, "context", "overflow", "context_overflow" },
		{ 0, "context", "exceed", "context_overflow" },
		{ 0, "token count", "exceed", "context_overflow" },
	};
	int64_t code = json_as_i64(json_get(error, "code"));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].word == NULL ? code == rows[i].code
		                         : adapter_mentions(text, rows[i].word) &&
		                                   (rows[i].and == NULL ||
		                                    adapter_mentions(text, rows[i].and))) {
			return rows[i].class;
		}
	}
	return code >= -32700 && code <= -32600 ? "execution_error" : "api_error";
}
