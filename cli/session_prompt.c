/* `fairlead session prompt`, and what else is said to an agent. */
#include <stdio.h>

#include "base/buf.h"
#include "base/id.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/upload.h"
#include "json/write.h"

/* Uploads what was named and refers to it. */
static enum err_code add_uploads(const struct call *call, enum option_id option,
                                 struct client *client, struct jsonw *w, struct err *err)
{
	const struct said *said = &call->said[option];
	enum err_code code = ERR_OK;
	struct id id;

	for (size_t i = 0; code == ERR_OK && i < said->count; i++) {
		code = upload_file(client, said->values[i], &id, err);
		if (code == ERR_OK) {
			jsonw_object(w, NULL);
			jsonw_cstr(w, "type", option == OPTION_IMAGE ? "image" : "file");
			jsonw_cstr(w, "upload", id.s);
			jsonw_end_object(w);
		}
	}
	return code;
}

static enum err_code add_blocks(const struct call *call, const struct session_options *o,
                                struct jsonw *w, struct err *err)
{
	enum err_code code;

	jsonw_array(w, "prompt");
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", "text");
	jsonw_cstr(w, "text", o->text);
	jsonw_end_object(w);
	code = add_uploads(call, OPTION_IMAGE, o->client, w, err);
	if (code == ERR_OK) {
		code = add_uploads(call, OPTION_ATTACH, o->client, w, err);
	}
	jsonw_end_array(w);
	return code;
}

/* The words of the call, and what goes with them. */
static int say(const struct call *call, const char *method, const char *path)
{
	const struct session_options *o = call->host;
	enum err_code code = ERR_OK;
	struct buf body;
	struct jsonw w;
	struct err err;
	int status;

	buf_init(&body, (size_t)SESSION_PROMPT_MAX * 8);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	if (call_has(call, OPTION_IMAGE) || call_has(call, OPTION_ATTACH)) {
		code = add_blocks(call, o, &w, &err);
	} else {
		jsonw_cstr(&w, "prompt", o->text);
	}
	if (call_has(call, OPTION_STEER)) {
		jsonw_cstr(&w, "mode", "steer");
	}
	jsonw_end_object(&w);
	status = code == ERR_OK
	                 ? session_ask(o, method, path, buf_str(&body), session_show_accepted)
	                 : session_fail(&err);
	buf_fini(&body);
	return status;
}

int session_prompt(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/prompt", o->id);
	return say(call, "POST", path);
}

/* ---- those that wait ---- */

static struct str text_of(const struct json_value *prompt)
{
	return json_type_of(prompt) == JSON_T_ARRAY
	               ? json_as_str(json_get(json_at(prompt, 0), "text"))
	               : json_as_str(prompt);
}

static void show_prompts(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	(void)printf("%-26s %-6s %s\n", "PROMPT", "MODE", "TEXT");
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *item = json_at(items, i);
		struct str rest = text_of(json_get(item, "prompt"));

		session_cell(item, "id", 26);
		session_cell(item, "mode", 6);
		render_text(stdout, str_split(&rest, '\n'));
		(void)putchar('\n');
	}
}

int session_prompts(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/prompts", o->id);
	return session_ask(o, "GET", path, (struct str){ NULL, 0 }, show_prompts);
}

static void path_of_prompt(const struct session_options *o, char path[SESSION_PATH_MAX])
{
	(void)snprintf(path, SESSION_PATH_MAX, "/api/v1/sessions/%s/prompts/%s", o->id, o->prompt);
}

int session_prompt_edit(struct call *call)
{
	char path[SESSION_PATH_MAX];

	path_of_prompt(call->host, path);
	return say(call, "PATCH", path);
}

int session_prompt_cancel(struct call *call)
{
	char path[SESSION_PATH_MAX];

	path_of_prompt(call->host, path);
	return session_ask(call->host, "DELETE", path, (struct str){ NULL, 0 }, NULL);
}

/* ---- what else ---- */

int session_interrupt(struct call *call)
{
	const struct session_options *o = call->host;
	return session_post(o, "interrupt", "reason", o->reason);
}

int session_slash(struct call *call)
{
	const struct session_options *o = call->host;
	return session_post(o, "slash", "command", o->text);
}

int session_model(struct call *call)
{
	const struct session_options *o = call->host;
	return session_post(o, "model", "model", o->text);
}

int session_mode(struct call *call)
{
	const struct session_options *o = call->host;
	return session_post(o, "mode", "mode", o->text);
}
