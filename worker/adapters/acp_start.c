/*
 * From the start to the first prompt: initialize, a login when one was told, the session (new, or
 * the agent's own of before), the model and the mode that the task wants.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/adapters/acp_private.h"

enum { VERSION = 1, LOGIN_REQUIRED = -32000 };

static void fail(struct adapter *a, struct adapter_out *out, struct str what, struct str why)
{
	struct buf text;

	buf_init(&text, 2 * ACP_NAME_MAX + 64);
	buf_addf(&text, "%.*s: %.*s", (int)(what.n < ACP_NAME_MAX ? what.n : ACP_NAME_MAX), what.p,
	         (int)(why.n < ACP_NAME_MAX ? why.n : ACP_NAME_MAX), why.p);
	a->failed = true;
	adapter_out_fail(out, buf_str(&text));
	buf_fini(&text);
}

void acp_begin(struct adapter *a, struct adapter_out *out)
{
	struct acp_line line;

	acp_request(a, &line, "initialize", ACP_WANT_INITIALIZE, NULL, STR_LIT(""));
	jsonw_i64(&line.w, "protocolVersion", VERSION);
	jsonw_object(&line.w, "clientCapabilities");
	jsonw_object(&line.w, "fs");
	jsonw_bool(&line.w, "readTextFile", a->kind->files);
	jsonw_bool(&line.w, "writeTextFile", a->kind->files);
	jsonw_end_object(&line.w);
	jsonw_bool(&line.w, "terminal", true);
	jsonw_end_object(&line.w);
	jsonw_object(&line.w, "clientInfo");
	jsonw_cstr(&line.w, "name", "fairlead");
	jsonw_cstr(&line.w, "title", "Fairlead");
	jsonw_cstr(&line.w, "version", "1");
	jsonw_end_object(&line.w);
	acp_send(out, &line);
}

static void log_in(struct adapter *a, struct str method, struct adapter_out *out)
{
	struct acp_line line;

	a->logged_in = true;
	acp_request(a, &line, "authenticate", ACP_WANT_LOGIN, NULL, STR_LIT(""));
	jsonw_str(&line.w, "methodId", method);
	if (a->login_meta != NULL) {
		struct buf meta;

		buf_init(&meta, ACP_INPUT_MAX);
		json_format(a->login_meta, &meta);
		if (!buf_failed(&meta)) {
			jsonw_raw(&line.w, "_meta", buf_str(&meta));
		}
		buf_fini(&meta);
	}
	acp_send(out, &line);
}

static void send_place(struct adapter *a, struct acp_line *line, struct adapter_out *out)
{
	jsonw_cstr(&line->w, "cwd", a->place.cwd);
	jsonw_array(&line->w, "mcpServers");
	jsonw_end_array(&line->w);
	acp_send(out, line);
}

static void open_new(struct adapter *a, struct adapter_out *out)
{
	struct acp_line line;

	a->spent_known = true;
	acp_request(a, &line, "session/new", ACP_WANT_NEW, NULL, STR_LIT(""));
	send_place(a, &line, out);
}

static void say_not_resumed(struct str id, struct str why, struct adapter_out *out)
{
	struct buf text;

	buf_init(&text, (size_t)4 * ACP_NAME_MAX);
	buf_addf(&text, "the agent's own session %.*s cannot be continued, it begins anew: %.*s",
	         (int)id.n, id.p, (int)(why.n < ACP_NAME_MAX ? why.n : ACP_NAME_MAX), why.p);
	adapter_say_error(out, STR_LIT("resume_failed"), buf_str(&text));
	buf_fini(&text);
}

/* session/resume tells nothing again; session/load tells the whole history, which is in the log. */
static void open_session(struct adapter *a, struct adapter_out *out)
{
	const struct str id = a->place.resume;
	struct acp_line line;

	if (id.n == 0) {
		open_new(a, out);
		return;
	}
	if (!a->can_resume && !a->can_load) {
		say_not_resumed(id, STR_LIT("the agent cannot continue sessions"), out);
		open_new(a, out);
		return;
	}
	a->replaying = true;
	acp_request(a, &line, a->can_resume ? "session/resume" : "session/load", ACP_WANT_RESUMED,
	            NULL, STR_LIT(""));
	jsonw_str(&line.w, "sessionId", id);
	send_place(a, &line, out);
}

static void initialized(struct adapter *a, const struct json_value *result, struct adapter_out *out)
{
	const struct json_value *can = json_get(result, "agentCapabilities");
	const struct json_value *info = json_get(result, "agentInfo");

	if (json_as_i64(json_get(result, "protocolVersion")) != VERSION) {
		fail(a, out, STR_LIT("initialize"),
		     STR_LIT("the agent does not speak version 1 of the protocol"));
		return;
	}
	a->can_load = json_as_bool(json_get(can, "loadSession"));
	a->can_resume = json_type_of(json_get(json_get(can, "sessionCapabilities"), "resume")) ==
	                JSON_T_OBJECT;
	a->can_images = json_as_bool(json_get(json_get(can, "promptCapabilities"), "image"));
	acp_set(&a->agent_name, json_as_str(json_get(info, "name")));
	acp_set(&a->agent_version, json_as_str(json_get(info, "version")));
	if (a->login.n > 0) {
		log_in(a, a->login, out);
	} else {
		open_session(a, out);
	}
}

/* ---- the model and the mode ---- */

static struct str spelled(const struct adapter *a, struct str mode)
{
	for (size_t i = 0; a->kind->modes != NULL && a->kind->modes[i][0] != NULL; i++) {
		if (str_eq(mode, str_of(a->kind->modes[i][0]))) {
			return str_of(a->kind->modes[i][1]);
		}
	}
	return mode;
}

const char *acp_choose(struct adapter *a, enum acp_want want, struct str what, const char *command,
                       struct adapter_out *out)
{
	const bool is_model = want == ACP_WANT_MODEL;
	const struct acp_choice *choice = is_model ? &a->model : &a->mode;
	struct acp_line line;

	what = is_model ? what : spelled(a, what);
	if (choice->list == NULL) {
		return is_model ? "the agent offers no choice of models"
		                : "the agent offers no choice of modes";
	}
	/* Models may be more than it lists; a mode decides what it may do without asking. */
	if (!is_model && !acp_offers(choice, what)) {
		return "the agent has no such mode";
	}
	if (a->wants >= ACP_WANTS_MAX) {
		return "the agent does not answer";
	}
	acp_request(a, &line,
	            choice->config != NULL ? "session/set_config_option"
	            : is_model             ? "session/set_model"
	                                   : "session/set_mode",
	            want, command, what);
	jsonw_str(&line.w, "sessionId", acp_text(a->session));
	if (choice->config != NULL) {
		jsonw_cstr(&line.w, "configId", choice->config);
		jsonw_str(&line.w, "value", what);
	} else {
		jsonw_str(&line.w, is_model ? "modelId" : "modeId", what);
	}
	acp_send(out, &line);
	return NULL;
}

/* One after the other; ready when both are as the task wants them. */
static void settle(struct adapter *a, struct adapter_out *out)
{
	const struct str model = a->place.model, mode = spelled(a, a->wanted_mode);
	const char *why = NULL;

	if (model.n > 0 && !str_eq(acp_text(a->model.now), model)) {
		why = acp_choose(a, ACP_WANT_MODEL, model, NULL, out);
	} else if (mode.n > 0 && !str_eq(acp_text(a->mode.now), mode)) {
		why = acp_choose(a, ACP_WANT_MODE, mode, NULL, out);
	} else {
		a->ready = true;
		acp_tell_ready(a, out);
		acp_next_turn(a, out);
		return;
	}
	if (why != NULL) {
		fail(a, out, model.n > 0 && !str_eq(acp_text(a->model.now), model) ? model : mode,
		     str_of(why));
	}
}

void acp_chosen(struct adapter *a, const struct acp_request *request,
                const struct json_value *result, const struct json_value *error,
                struct adapter_out *out)
{
	struct acp_choice *choice = request->want == ACP_WANT_MODEL ? &a->model : &a->mode;
	struct buf room;

	buf_init(&room, ADAPTER_LINE_MAX);
	if (error != NULL && !a->ready) {
		fail(a, out, acp_text(request->text), acp_error_text(error, &room));
	} else if (error == NULL) {
		acp_set(&choice->now, acp_text(request->text));
		acp_take_options(a, json_get(result, "configOptions"));
		if (a->ready) {
			acp_tell_ready(a, out);
		} else {
			acp_set(&choice->now, acp_text(request->text));
			settle(a, out);
		}
	}
	if (request->command != NULL) {
		adapter_out_done(out, str_of(request->command),
		                 error != NULL ? acp_error_text(error, &room) : STR_LIT(""));
	}
	buf_fini(&room);
}

/* ---- the session ---- */

static void take_session(struct adapter *a, struct str id, const struct json_value *result,
                         struct adapter_out *out)
{
	if (id.n == 0 || id.n > ADAPTER_ID_MAX) {
		fail(a, out, STR_LIT("session/new"), STR_LIT("the agent gives no session id"));
		return;
	}
	acp_set(&a->session, id);
	acp_take_modes(a, json_get(result, "modes"));
	acp_take_models(a, json_get(result, "models"));
	acp_take_options(a, json_get(result, "configOptions"));
	adapter_out_session(out, id);
	if (a->replaying && a->kind->late_replay) {
		struct acp_line line;

		/* Whatever it answers, it does so after the rest of the history. */
		acp_request(a, &line, "_fairlead/replayed", ACP_WANT_REPLAYED, NULL, STR_LIT(""));
		acp_send(out, &line);
		return;
	}
	a->replaying = false;
	settle(a, out);
}

static void not_opened(struct adapter *a, const struct acp_request *request,
                       const struct json_value *error, struct adapter_out *out)
{
	struct str method = acp_text(a->kind->fallback_login);
	struct buf room;

	buf_init(&room, ADAPTER_LINE_MAX);
	if (json_as_i64(json_get(error, "code")) == LOGIN_REQUIRED && !a->logged_in &&
	    method.n > 0) {
		log_in(a, method, out);
	} else if (request->want == ACP_WANT_RESUMED) {
		a->replaying = false;
		say_not_resumed(a->place.resume, acp_error_text(error, &room), out);
		open_new(a, out);
	} else {
		fail(a, out,
		     request->want == ACP_WANT_LOGIN ? STR_LIT("authenticate")
		     : request->want == ACP_WANT_NEW ? STR_LIT("session/new")
		                                     : STR_LIT("initialize"),
		     acp_error_text(error, &room));
	}
	buf_fini(&room);
}

void acp_started(struct adapter *a, const struct acp_request *request,
                 const struct json_value *result, const struct json_value *error,
                 struct adapter_out *out)
{
	if (error != NULL && request->want != ACP_WANT_REPLAYED) {
		not_opened(a, request, error, out);
	} else if (request->want == ACP_WANT_INITIALIZE) {
		initialized(a, result, out);
	} else if (request->want == ACP_WANT_LOGIN) {
		open_session(a, out);
	} else if (request->want == ACP_WANT_NEW) {
		take_session(a, json_as_str(json_get(result, "sessionId")), result, out);
	} else if (request->want == ACP_WANT_RESUMED) {
		take_session(a, a->place.resume, result, out);
	} else {
		a->replaying = false;
		settle(a, out);
	}
}
