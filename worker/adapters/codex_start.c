/* How codex is greeted: the handshake, its thread, what it can. */
#include <stdlib.h>

#include "worker/adapters/codex_private.h"

void codex_begin(struct adapter *a, struct adapter_out *out)
{
	struct codex_line line;

	codex_call_begin(a, &line, "initialize");
	jsonw_object(&line.w, "clientInfo");
	jsonw_cstr(&line.w, "name", "fairlead");
	jsonw_cstr(&line.w, "title", "Fairlead");
	jsonw_cstr(&line.w, "version", FAIRLEAD_VERSION);
	jsonw_end_object(&line.w);
	jsonw_object(&line.w, "capabilities");
	jsonw_bool(&line.w, "experimentalApi", true); /* questions, and background terminals */
	jsonw_bool(&line.w, "requestAttestation", false);
	jsonw_end_object(&line.w);
	codex_call_end(a, &line, CODEX_CALL_INITIALIZE, STR_LIT(""), NULL, out);
}

static void open_thread(struct adapter *a, struct str resume, struct adapter_out *out)
{
	struct str approval = codex_setting(a->place, "approval_policy");
	struct str sandbox = codex_setting(a->place, "sandbox_mode");
	struct codex_line line;

	codex_call_begin(a, &line, resume.n > 0 ? "thread/resume" : "thread/start");
	if (resume.n > 0) {
		jsonw_str(&line.w, "threadId", resume);
		jsonw_bool(&line.w, "excludeTurns", true);
	}
	jsonw_cstr(&line.w, "cwd", a->place->cwd);
	jsonw_str(&line.w, "approvalPolicy", approval.n > 0 ? approval : str_of(a->mode->approval));
	jsonw_str(&line.w, "sandbox", sandbox.n > 0 ? sandbox : str_of(a->mode->sandbox));
	if (a->model != NULL) {
		jsonw_cstr(&line.w, "model", a->model);
	}
	codex_call_end(a, &line, resume.n > 0 ? CODEX_CALL_RESUME : CODEX_CALL_THREAD, STR_LIT(""),
	               NULL, out);
}

void codex_initialized(struct adapter *a, const struct json_value *result, struct adapter_out *out)
{
	struct codex_line line;

	codex_set(&a->version, json_as_str(json_get(result, "userAgent")));
	adapter_out_write(out, STR_LIT("{\"method\":\"initialized\"}\n"));
	codex_call_begin(a, &line, "model/list");
	codex_call_end(a, &line, CODEX_CALL_MODELS, STR_LIT(""), NULL, out);
	open_thread(a, a->place->resume, out);
}

void codex_models(struct adapter *a, const struct json_value *result)
{
	enum { MODELS_MAX = 100, BYTES_MAX = 64 * 1024 };
	const struct json_value *list = json_get(result, "data");
	struct buf text;
	struct jsonw w;

	buf_init(&text, BYTES_MAX);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(list) && i < MODELS_MAX; i++) {
		jsonw_object(&w, NULL);
		jsonw_str(&w, "id", json_as_str(json_get(json_at(list, i), "model")));
		jsonw_str(&w, "name", json_as_str(json_get(json_at(list, i), "displayName")));
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	free(a->models);
	a->models = mem_strdup(buf_failed(&text) ? "[]" : buf_cstr(&text));
	buf_fini(&text);
}

static void add_modes(struct jsonw *w)
{
	jsonw_array(w, "modes");
	for (const struct codex_mode *mode = codex_modes; mode->name != NULL; mode++) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "id", mode->name);
		jsonw_cstr(w, "name", mode->title);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

static void add_commands(struct jsonw *w)
{
	static const char *const commands[][2] = {
		{ "compact", "Shorten what the agent remembers of the session" },
		{ "review", "Review the changes that are not committed, or as told" },
	};

	jsonw_array(w, "commands");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "name", commands[i][0]);
		jsonw_cstr(w, "description", commands[i][1]);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

void codex_get_ready(struct adapter *a, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	if (a->ready || a->thread == NULL || a->models == NULL) {
		return;
	}
	a->ready = true;
	buf_init(&text, EVENT_DATA_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "protocol", CODEX_PROTOCOL);
	jsonw_cstr(&w, "version", a->version);
	jsonw_cstr(&w, "model", a->model != NULL ? a->model : "");
	jsonw_cstr(&w, "mode", a->mode->name);
	jsonw_raw(&w, "models", str_of(a->models));
	add_modes(&w);
	add_commands(&w);
	jsonw_bool(&w, "images", true);
	jsonw_bool(&w, "steer", true);
	jsonw_end_object(&w);
	adapter_out_ready(out, buf_failed(&text) ? STR_LIT("{}") : buf_str(&text));
	buf_fini(&text);
}

void codex_thread_opened(struct adapter *a, const struct json_value *result,
                         struct adapter_out *out)
{
	struct str id = json_as_str(json_get(json_get(result, "thread"), "id"));
	struct str model = json_as_str(json_get(result, "model"));

	if (id.n == 0 || id.n > ADAPTER_ID_MAX) {
		a->failed = true;
		adapter_out_fail(out, STR_LIT("codex named no thread"));
		return;
	}
	codex_set(&a->thread, id);
	if (model.n > 0) {
		codex_set(&a->model, model);
	}
	adapter_out_session(out, id);
	codex_get_ready(a, out);
}

void codex_failed_to(struct adapter *a, const char *what, struct str why, struct adapter_out *out)
{
	struct buf text;

	buf_init(&text, EVENT_DATA_MAX);
	buf_addf(&text, "codex %s: %" STR_FMT, what,
	         STR_ARG(str_make(why.p, why.n < 4096 ? why.n : 4096)));
	a->failed = true;
	adapter_out_fail(out, buf_str(&text));
	buf_fini(&text);
}

void codex_resume_failed(struct adapter *a, struct str why, struct adapter_out *out)
{
	adapter_say_error(out, STR_LIT("resume_failed"), why);
	open_thread(a, STR_LIT(""), out);
}
