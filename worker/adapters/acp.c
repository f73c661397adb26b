/* Agents that speak ACP: any program, its words are in the settings of the task's agent. */
#include "worker/adapters/acp.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/acp_private.h"

enum { WORDS_MAX = 256, WORD_MAX = 128 * 1024 };

static const struct json_value *login_of(const struct json_value *settings)
{
	return json_get(json_get(settings, "config"), "auth");
}

/* ---- one of them ---- */

struct adapter *acp_make(const struct acp_kind *kind, const struct adapter_place *place)
{
	const struct json_value *login = login_of(place->settings);
	struct adapter *a = mem_calloc(1, sizeof(*a));

	a->kind = kind;
	a->place = *place;
	a->wanted_mode = place->mode;
	a->login = json_as_str(json_get(login, "method"));
	a->login_meta = json_get(login, "meta");
	TAILQ_INIT(&a->requests);
	TAILQ_INIT(&a->prompts);
	TAILQ_INIT(&a->interrupts);
	TAILQ_INIT(&a->tools);
	TAILQ_INIT(&a->terminals);
	TAILQ_INIT(&a->asks);
	TAILQ_INIT(&a->calls);
	buf_init(&a->message, ACP_MESSAGE_MAX);
	return a;
}

static void free_choice(struct acp_choice *choice)
{
	free(choice->list);
	free(choice->now);
	free(choice->config);
}

static void free_lists(struct adapter *a)
{
	struct acp_request *request;
	struct acp_prompt *prompt;
	struct acp_waiter *waiter;

	while ((request = TAILQ_FIRST(&a->requests)) != NULL) {
		TAILQ_REMOVE(&a->requests, request, link);
		acp_free_request(request);
	}
	while ((prompt = TAILQ_FIRST(&a->prompts)) != NULL) {
		TAILQ_REMOVE(&a->prompts, prompt, link);
		acp_free_prompt(prompt);
	}
	while ((waiter = TAILQ_FIRST(&a->interrupts)) != NULL) {
		TAILQ_REMOVE(&a->interrupts, waiter, link);
		free(waiter->command);
		free(waiter);
	}
	acp_tools_close(a, STR_LIT(""), NULL);
	acp_opens_free(&a->asks);
	acp_opens_free(&a->calls);
}

void acp_free(struct adapter *a)
{
	if (a == NULL) {
		return;
	}
	free_lists(a);
	free_choice(&a->model);
	free_choice(&a->mode);
	free(a->commands);
	free(a->told);
	free(a->agent_name);
	free(a->agent_version);
	free(a->session);
	free(a->turn);
	free(a->message_id);
	buf_fini(&a->message);
	free(a);
}

/* ---- what it says ---- */

static void answered(struct adapter *a, const struct json_value *json, struct adapter_out *out)
{
	struct acp_request *request = acp_take_request(a, json_get(json, "id"));
	const struct json_value *error = json_get(json, "error");
	const struct json_value *result = json_get(json, "result");

	if (request == NULL) {
		adapter_say_native(out, a->kind->type, STR_LIT(""), json);
		return;
	}
	switch (request->want) {
	case ACP_WANT_PROMPT: acp_turn_answered(a, result, error, out); break;
	case ACP_WANT_MODEL:
	case ACP_WANT_MODE: acp_chosen(a, request, result, error, out); break;
	case ACP_WANT_INITIALIZE:
	case ACP_WANT_LOGIN:
	case ACP_WANT_NEW:
	case ACP_WANT_RESUMED:
	case ACP_WANT_REPLAYED: acp_started(a, request, result, error, out); break;
	}
	acp_free_request(request);
}

static void heard(struct adapter *a, const struct json_value *json, struct adapter_out *out)
{
	struct str method = json_as_str(json_get(json, "method"));
	const struct json_value *id = json_get(json, "id");
	const struct json_value *params = json_get(json, "params");

	if (method.n == 0) {
		answered(a, json, out);
	} else if (id == NULL && str_eq(method, STR_LIT("session/update"))) {
		acp_updated(a, params, json, out);
	} else if (id == NULL && str_eq(method, STR_LIT("$/cancel_request"))) {
		acp_uncalled(a, json_get(params, "requestId"), out);
	} else if (id == NULL) {
		adapter_say_native(out, a->kind->type, STR_LIT(""), json);
	} else if (str_eq(method, STR_LIT("session/request_permission"))) {
		acp_asked(a, id, params, out);
	} else {
		acp_called(a, id, method, params, out);
	}
}

/* Output of a command may have NULs, which our texts cannot hold. */
static struct json_value *parse_without_nul(struct str line)
{
	char *copy = mem_strndup(line);
	struct json_value *json;
	struct err err;

	for (size_t i = 0; i + 6 <= line.n; i++) {
		if (copy[i] == '\\' && memcmp(copy + i, "\\u0000", 6) == 0) {
			memcpy(copy + i, "\\ufffd", 6);
		}
		i += copy[i] == '\\';
	}
	json = json_parse(str_make(copy, line.n), &err);
	free(copy);
	return json;
}

void acp_line(struct adapter *a, struct str line, struct adapter_out *out)
{
	struct err err;
	struct json_value *json;

	if (line.n == 0) {
		return;
	}
	if (line.p[0] != '{') { /* some print a greeting */
		adapter_say_log(out, "info", line);
		return;
	}
	json = json_parse(line, &err);
	if (json == NULL) {
		json = parse_without_nul(line);
	}
	if (json_type_of(json) == JSON_T_OBJECT) {
		heard(a, json, out);
	} else {
		adapter_say_native(out, a->kind->type, line, NULL);
	}
	json_value_free(json);
}

/* ---- its end ---- */

void acp_end(struct adapter *a, struct str why, struct adapter_out *out)
{
	struct acp_request *request;
	struct acp_prompt *prompt;

	a->over = true;
	a->ready = false;
	acp_end_turn(a, STR_LIT("error"), why, out);
	acp_asks_cancel(a, out);
	while ((prompt = TAILQ_FIRST(&a->prompts)) != NULL) {
		TAILQ_REMOVE(&a->prompts, prompt, link);
		adapter_out_done(out, str_of(prompt->command), why);
		acp_free_prompt(prompt);
	}
	a->prompt_count = 0;
	while ((request = TAILQ_FIRST(&a->requests)) != NULL) {
		TAILQ_REMOVE(&a->requests, request, link);
		if (request->command != NULL) {
			adapter_out_done(out, str_of(request->command), why);
		}
		acp_free_request(request);
	}
	acp_opens_free(&a->calls);
	a->wants = a->call_count = 0;
}

/* ---- its settings ---- */

enum err_code acp_check_login(const struct json_value *settings, struct err *err)
{
	const struct json_value *login = login_of(settings);
	const struct json_value *meta = json_get(login, "meta");
	struct str method = json_as_str(json_get(login, "method"));

	if (login == NULL) {
		return ERR_OK;
	}
	if (method.n == 0 || method.n > ADAPTER_ID_MAX) {
		return err_set(err, ERR_INVALID, "config.auth.method must be 1 to %d bytes",
		               ADAPTER_ID_MAX);
	}
	if (meta != NULL && json_type_of(meta) != JSON_T_OBJECT) {
		return err_set(err, ERR_INVALID, "config.auth.meta must be an object");
	}
	return ERR_OK;
}

enum err_code acp_words(const struct json_value *words, const char *name, struct arena *arena,
                        const char ***ret, struct err *err)
{
	size_t count = json_count(words);
	bool ok = json_type_of(words) == JSON_T_ARRAY && count > 0 && count <= WORDS_MAX;

	*ret = arena_take(arena, (WORDS_MAX + ACP_WORDS_FRONT + 1) * sizeof(**ret));
	for (size_t i = 0; i < count && ok; i++) {
		struct str word = json_as_str(json_at(words, i));

		ok = json_type_of(json_at(words, i)) == JSON_T_STRING && word.n <= WORD_MAX &&
		     (i > 0 || word.n > 0);
		(*ret)[ACP_WORDS_FRONT + i] = arena_strdup(arena, word);
	}
	if (!ok) {
		return err_set(err, ERR_INVALID,
		               "%s must be an array of 1 to %d strings of at most %d bytes", name,
		               WORDS_MAX, WORD_MAX);
	}
	return ERR_OK;
}

static enum err_code launch(const struct adapter_place *place, struct arena *arena,
                            struct adapter_launch *ret, struct err *err)
{
	const char **words;
	enum err_code code =
		acp_words(json_get(place->settings, "argv"), "argv", arena, &words, err);

	*ret = (struct adapter_launch){ .argv = words + ACP_WORDS_FRONT };
	return code != ERR_OK ? code : acp_check_login(place->settings, err);
}

/* ---- its row ---- */

static const struct acp_kind kind = { .type = "acp", .files = true };

static struct adapter *make(const struct adapter_place *place)
{
	return acp_make(&kind, place);
}

/* Nobody knows what it keeps where. */
static const char *const keeps[] = { ".", NULL };

const struct adapter_ops adapter_acp = {
	.type = "acp",
	.protocol = "acp",
	.transport = ADAPTER_LINES,
	/* Who has them differs: what it was asked and cannot is told by the adapter. */
	.features = ADAPTER_INTERRUPT | ADAPTER_SET_MODEL | ADAPTER_SET_MODE | ADAPTER_IMAGES |
	            ADAPTER_RESUME | ADAPTER_SLASH,
	.keeps = keeps,
	.launch = launch,
	.make = make,
	.free = acp_free,
	.begin = acp_begin,
	.line = acp_line,
	.prompt = acp_prompt,
	.answer = acp_answer,
	.control = acp_control,
	.result = acp_call_result,
	.end = acp_end,
};
