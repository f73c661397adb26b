#include "worker/agent_request.h"

#include <string.h>

#include "base/clock.h"
#include "event/event.h"
#include "json/value.h"
#include "json/write.h"

enum { US_PER_S = 1000000 };

static const char *const op_names[AGENT_OP_COUNT] = {
	[AGENT_PERMISSION_REQUEST] = "permission_request",
	[AGENT_WAIT_UNTIL] = "wait_until",
	[AGENT_WAIT_FOR_SESSION] = "wait_for_session",
	[AGENT_NOTE] = "note",
	[AGENT_PROGRESS] = "progress",
};

/* ---- members ---- */

static enum err_code invalid(struct err *err, const char *name, const char *rule)
{
	return err_set(err, ERR_INVALID, "%s %s", name, rule);
}

/* "" when it is not there. */
static enum err_code take_text(const struct json_value *json, const char *name, size_t max,
                               struct str *ret, struct err *err)
{
	const struct json_value *value = json_get(json, name);

	*ret = json_as_str(value);
	if (value != NULL && json_type_of(value) != JSON_T_STRING) {
		return invalid(err, name, "must be a string");
	}
	return ret->n <= max ? ERR_OK : invalid(err, name, "is too long");
}

/* 0 when it is not there. */
static enum err_code take_seconds(const struct json_value *json, const char *name, int64_t *ret,
                                  struct err *err)
{
	const struct json_value *value = json_get(json, name);

	*ret = json_as_i64(value);
	if (value != NULL && (!json_is_int(value) || *ret < 1 || *ret > AGENT_WAIT_MAX_S)) {
		return invalid(err, name, "must be a whole number of seconds, 1 to 2592000");
	}
	return ERR_OK;
}

static enum err_code take_timeout(struct agent_request *r, int64_t now_us, struct err *err)
{
	int64_t seconds;
	enum err_code code = take_seconds(r->json, "timeout_s", &seconds, err);

	if (code == ERR_OK && seconds > 0) {
		r->until_us = now_us + seconds * US_PER_S;
	}
	return code;
}

/* ---- each of them ---- */

static const char *const asked_texts[] = { "title", "description", "tool_name", "tool_use_id",
	                                   "agent_id" };
static const char *const asked_values[] = { "input", "options", "permission_suggestions" };

static enum err_code take_ask(struct agent_request *r, int64_t now_us, struct err *err)
{
	struct str texts[ARRAY_LEN(asked_texts)];
	enum err_code code = take_text(r->json, "key", AGENT_KEY_MAX, &r->key, err);

	for (size_t i = 0; code == ERR_OK && i < ARRAY_LEN(asked_texts); i++) {
		code = take_text(r->json, asked_texts[i], AGENT_TEXT_MAX, &texts[i], err);
	}
	if (code == ERR_OK && texts[0].n == 0 && texts[2].n == 0) {
		return invalid(err, "title", "is required (or tool_name)");
	}
	return code == ERR_OK ? take_timeout(r, now_us, err) : code;
}

static enum err_code take_until(struct agent_request *r, int64_t now_us, struct err *err)
{
	struct str at, reason;
	int64_t seconds;
	enum err_code code = take_text(r->json, "at", AGENT_TEXT_MAX, &at, err);

	if (code == ERR_OK) {
		code = take_seconds(r->json, "seconds", &seconds, err);
	}
	if (code == ERR_OK) {
		code = take_text(r->json, "reason", AGENT_TEXT_MAX, &reason, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if ((at.n == 0) == (seconds == 0)) {
		return invalid(err, "at", "or seconds is required, not both");
	}
	r->until_us = now_us + seconds * US_PER_S;
	if (at.n > 0 && !clock_parse(at, &r->until_us)) {
		return invalid(err, "at", "must be a time as RFC 3339 has it");
	}
	if (r->until_us > now_us + (int64_t)AGENT_WAIT_MAX_S * US_PER_S) {
		return invalid(err, "at", "is too far away");
	}
	r->limit = str_eq(reason, STR_LIT("limit"));
	return reason.n == 0 || r->limit || str_eq(reason, STR_LIT("timer"))
	               ? ERR_OK
	               : invalid(err, "reason", "must be timer or limit");
}

static enum err_code take_session(struct agent_request *r, int64_t now_us, struct err *err)
{
	if (!id_parse(json_as_str(json_get(r->json, "session")), &r->session)) {
		return invalid(err, "session", "must be the id of a session");
	}
	return take_timeout(r, now_us, err);
}

static enum err_code take_note(struct agent_request *r, struct err *err)
{
	enum err_code code = take_text(r->json, "message", AGENT_TEXT_MAX, &r->text, err);

	return code == ERR_OK && r->text.n == 0 ? invalid(err, "message", "is required") : code;
}

static enum err_code take_progress(struct agent_request *r, struct err *err)
{
	const struct json_value *value = json_get(r->json, "progress");
	enum err_code code = take_text(r->json, "stage", AGENT_TEXT_MAX, &r->text, err);

	r->progress = value != NULL ? json_as_i64(value) : -1;
	if (code != ERR_OK) {
		return code;
	}
	if (value != NULL && (!json_is_int(value) || r->progress < 0 || r->progress > 100)) {
		return invalid(err, "progress", "must be a whole number, 0 to 100");
	}
	return value != NULL || r->text.n > 0 ? ERR_OK
	                                      : invalid(err, "progress", "or stage is required");
}

static enum err_code take(struct agent_request *r, int64_t now_us, struct err *err)
{
	struct str name = json_as_str(json_get(r->json, "op"));
	unsigned op = 0;

	if (json_type_of(r->json) != JSON_T_OBJECT) {
		return err_set(err, ERR_INVALID, "a line must be a JSON object");
	}
	while (op < AGENT_OP_COUNT && !str_eq(name, str_of(op_names[op]))) {
		op++;
	}
	r->op = (enum agent_op)op;
	switch (r->op) {
	case AGENT_PERMISSION_REQUEST: return take_ask(r, now_us, err);
	case AGENT_WAIT_UNTIL: return take_until(r, now_us, err);
	case AGENT_WAIT_FOR_SESSION: return take_session(r, now_us, err);
	case AGENT_NOTE: return take_note(r, err);
	case AGENT_PROGRESS: return take_progress(r, err);
	case AGENT_OP_COUNT: break;
	}
	return invalid(err, "op",
	               "must be permission_request, wait_until, wait_for_session, note or "
	               "progress");
}

enum err_code agent_request_parse(struct str line, int64_t now_us, struct agent_request *ret,
                                  struct err *err)
{
	enum err_code code;

	*ret = (struct agent_request){ .progress = -1 };
	ret->json = json_parse(line, err);
	if (ret->json == NULL) {
		return err_wrap(err, "a line");
	}
	code = take(ret, now_us, err);
	if (code != ERR_OK) {
		agent_request_fini(ret);
	}
	return code;
}

void agent_request_fini(struct agent_request *request)
{
	json_value_free(request->json);
	request->json = NULL;
}

/* ---- events ---- */

static void copy_value(struct jsonw *w, const struct json_value *json, const char *name)
{
	const struct json_value *value = json_get(json, name);
	struct buf text;

	if (value == NULL) {
		return;
	}
	buf_init(&text, EVENT_DATA_MAX);
	json_format(value, &text);
	if (!buf_failed(&text)) {
		jsonw_raw(w, name, buf_str(&text));
	}
	buf_fini(&text);
}

static void write_ask(const struct agent_request *r, const struct id *id, struct jsonw *w)
{
	jsonw_cstr(w, "request_id", id->s);
	for (size_t i = 0; i < ARRAY_LEN(asked_texts); i++) {
		struct str text = json_as_str(json_get(r->json, asked_texts[i]));

		if (text.n > 0) {
			jsonw_str(w, asked_texts[i], text);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(asked_values); i++) {
		copy_value(w, r->json, asked_values[i]);
	}
}

void agent_request_event(const struct agent_request *r, const struct id *id, int64_t expires_us,
                         struct buf *out)
{
	struct jsonw w;

	buf_reset(out);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	if (r->op == AGENT_PERMISSION_REQUEST) {
		write_ask(r, id, &w);
		if (expires_us != 0) {
			jsonw_time(&w, "expires_at", expires_us);
		}
	} else if (r->op == AGENT_NOTE) {
		jsonw_str(&w, "message", r->text);
	} else if (r->op == AGENT_PROGRESS) {
		if (r->progress >= 0) {
			jsonw_i64(&w, "progress", r->progress);
		}
		if (r->text.n > 0) {
			jsonw_str(&w, "stage", r->text);
		}
	}
	jsonw_end_object(&w);
}

/* ---- answers ---- */

static struct jsonw begin(struct buf *out, bool ok)
{
	struct jsonw w;

	buf_reset(out);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "ok", ok);
	return w;
}

static void end(struct jsonw *w)
{
	jsonw_end_object(w);
	buf_add_char(w->out, '\n');
}

void agent_answer_ok(struct buf *out)
{
	struct jsonw w = begin(out, true);

	end(&w);
}

void agent_answer_error(struct buf *out, const char *message)
{
	struct jsonw w = begin(out, false);

	jsonw_cstr(&w, "error", message);
	end(&w);
}

void agent_answer_state(struct buf *out, const char *state)
{
	struct jsonw w = begin(out, true);

	jsonw_cstr(&w, "state", state);
	end(&w);
}

void agent_answer_approval(struct buf *out, struct str payload)
{
	struct jsonw w = begin(out, true);
	struct err err;
	struct json_value *json = json_parse(payload, &err);
	const struct json_value *value;
	struct str name;
	void *at = NULL;
	struct buf text;

	buf_init(&text, AGENT_LINE_MAX);
	while (json_next(json, &at, &name, &value)) {
		if (!str_eq(name, STR_LIT("ok"))) {
			buf_reset(&text);
			json_format(value, &text);
			jsonw_raw(&w, name.p, buf_str(&text));
		}
	}
	buf_fini(&text);
	json_value_free(json);
	end(&w);
}
