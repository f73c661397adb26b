/* `fairlead session ...`: list, show, watch and steer sessions. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/id.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/upload.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "cli/watch.h"
#include "json/value.h"
#include "json/write.h"

enum { SESSION_PATH_MAX = 512, SESSION_PROMPT_MAX = 16 * 1024 };

struct session_options {
	struct client *client;
	const char *status, *after, *reason, *cause;
	uint64_t limit;
	bool json;
	const char *id;
	const char *text; /* the rest of the words, joined: a prompt */
};

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

static void cell(const struct json_value *session, const char *name, int width)
{
	struct str s = json_as_str(json_get(session, name));

	(void)printf("%-*.*s ", width, (int)s.n, s.p != NULL ? s.p : "");
}

static void print_list(const struct json_value *items)
{
	(void)printf("%-26s %-12s %-20s %s\n", "SESSION", "STATUS", "CREATED", "PROMPT");
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *session = json_at(items, i);
		struct str created = json_as_str(json_get(session, "createdAt"));
		struct str rest = json_as_str(json_get(session, "prompt"));
		struct str prompt = str_split(&rest, '\n');

		cell(session, "id", 26);
		cell(session, "status", 12);
		(void)printf("%-20.*s ", created.n > 19 ? 19 : (int)created.n, created.p);
		render_text(stdout, str_make(prompt.p, prompt.n > 60 ? 60 : prompt.n));
		(void)putchar('\n');
	}
}

/* One exchange; on success the answer's JSON is printed as it is, or shown by show(). */
static int ask(const struct session_options *o, const char *method, const char *path,
               struct str body, void (*show)(const struct json_value *json))
{
	const struct id key = id_new();
	const struct client_ask asked = {
		.method = method,
		.path = path,
		.body = body,
		.idempotency_key = strcmp(method, "POST") == 0 ? key.s : NULL,
	};
	struct client_reply reply;
	struct err err;
	int status = EXIT_DONE;

	if (client_request(o->client, &asked, &reply, &err) != ERR_OK ||
	    (reply.status >= 400 && client_problem(&reply, &err) != ERR_OK)) {
		status = fail(&err);
	} else if (o->json || show == NULL) {
		if (reply.body.len > 0) {
			render_text(stdout, buf_str(&reply.body));
			(void)putchar('\n');
		}
	} else {
		struct json_value *json = json_parse(buf_str(&reply.body), &err);

		show(json);
		json_value_free(json);
	}
	client_reply_fini(&reply);
	return status;
}

static void show_list(const struct json_value *json)
{
	print_list(json_get(json, "items"));
}

static int run_list(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions?perPage=%llu%s%s",
	               (unsigned long long)(o->limit > 0 ? o->limit : 20),
	               o->status != NULL ? "&status=" : "", o->status != NULL ? o->status : "");
	return ask(o, "GET", path, (struct str){ NULL, 0 }, show_list);
}

static void show_text(const char *name, struct str value)
{
	if (value.n > 0) {
		(void)printf("%-10s ", name);
		render_text(stdout, value);
		(void)putchar('\n');
	}
}

static void show_session(const struct json_value *json)
{
	static const char *const rows[] = { "id",        "status",  "prompt",    "createdAt",
		                            "startedAt", "endedAt", "updatedAt", "worker" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		show_text(rows[i], json_as_str(json_get(json, rows[i])));
	}
	show_text("task", json_as_str(json_get(json_get(json, "task"), "id")));
	if (json_type_of(json_get(json, "exitCode")) == JSON_T_NUMBER) {
		(void)printf("%-10s %lld\n", "exitCode",
		             (long long)json_as_i64(json_get(json, "exitCode")));
	}
}

static int run_show(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s", o->id);
	return ask(o, "GET", path, (struct str){ NULL, 0 }, show_session);
}

static long long number(const struct json_value *of, const char *name)
{
	return (long long)json_as_i64(json_get(of, name));
}

static void show_why(const struct json_value *json)
{
	const struct json_value *reason = json_get(json, "reason"), *rank = json_get(json, "rank");
	const struct json_value *share = json_get(json, "share"), *eta = json_get(json, "eta");
	struct str place = json_as_str(json_get(json, "place"));

	show_text("status", json_as_str(json_get(json, "status")));
	show_text("place", place);
	show_text("why", json_as_str(json_get(reason, "text")));
	show_text("until", json_as_str(json_get(reason, "until")));
	show_text("worker", json_as_str(json_get(json, "worker")));
	if (str_eq(place, STR_LIT("ready"))) {
		(void)printf("rank       %lld of %lld of its user, user %lld of %lld, tenant %lld "
		             "of %lld\n",
		             number(rank, "ahead") + 1, number(rank, "ofUser"),
		             number(rank, "usersAhead") + 1, number(rank, "users"),
		             number(rank, "tenantsAhead") + 1, number(rank, "tenants"));
	}
	if (!str_eq(place, STR_LIT("none")) && !str_eq(place, STR_LIT("done"))) {
		long long leases = number(share, "leases"), turns = number(share, "turns");

		(void)printf("share      %lld %s, weight %lld, %lld %s %s its share\n", leases,
		             leases == 1 ? "lease" : "leases", number(share, "weight"),
		             turns < 0 ? -turns : turns,
		             turns == 1 || turns == -1 ? "turn" : "turns",
		             turns < 0 ? "behind" : "beyond");
	}
	show_text("starts by", json_as_str(json_get(eta, "p50")));
	show_text("90 % by", json_as_str(json_get(eta, "p90")));
}

static int run_why(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/why", o->id);
	return ask(o, "GET", path, (struct str){ NULL, 0 }, show_why);
}

static int run_watch(struct call *call)
{
	const struct session_options *o = call->host;
	const struct watch_options options = { .session = o->id,
		                               .after = o->after,
		                               .json = o->json };

	return watch(o->client, &options);
}

static void show_accepted(const struct json_value *json)
{
	struct str status = json_as_str(json_get(json, "status"));

	(void)printf("%" STR_FMT "\n", STR_ARG(status.n > 0 ? status : STR_LIT("accepted")));
}

static int post(const struct session_options *o, const char *verb, const char *member,
                const char *text)
{
	char path[SESSION_PATH_MAX];
	struct buf body;
	struct jsonw w;
	int status;

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/%s", o->id, verb);
	buf_init(&body, (size_t)SESSION_PROMPT_MAX * 2);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	if (text != NULL) {
		jsonw_cstr(&w, member, text);
	}
	jsonw_end_object(&w);
	status = ask(o, "POST", path, buf_str(&body), show_accepted);
	buf_fini(&body);
	return status;
}

static int run_stop(struct call *call)
{
	const struct session_options *o = call->host;
	return post(o, "stop", "reason", o->reason);
}

static int run_pause(struct call *call)
{
	const struct session_options *o = call->host;
	return post(o, "pause", "reason", o->reason);
}

static int run_resume(struct call *call)
{
	const struct session_options *o = call->host;
	return post(o, "resume", "reason", o->reason);
}

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

static int post_blocks(const struct call *call, const struct session_options *o)
{
	char path[SESSION_PATH_MAX];
	enum err_code code;
	struct buf body;
	struct jsonw w;
	struct err err;
	int status;

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/prompt", o->id);
	buf_init(&body, (size_t)SESSION_PROMPT_MAX * 8);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "prompt");
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "text");
	jsonw_cstr(&w, "text", o->text);
	jsonw_end_object(&w);
	code = add_uploads(call, OPTION_IMAGE, o->client, &w, &err);
	if (code == ERR_OK) {
		code = add_uploads(call, OPTION_ATTACH, o->client, &w, &err);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	status = code == ERR_OK ? ask(o, "POST", path, buf_str(&body), show_accepted) : fail(&err);
	buf_fini(&body);
	return status;
}

static int run_prompt(struct call *call)
{
	const struct session_options *o = call->host;

	return call_has(call, OPTION_IMAGE) || call_has(call, OPTION_ATTACH)
	               ? post_blocks(call, o)
	               : post(o, "prompt", "message", o->text);
}

static int run_interrupt(struct call *call)
{
	const struct session_options *o = call->host;
	return post(o, "interrupt", "reason", o->reason);
}

static int run_slash(struct call *call)
{
	const struct session_options *o = call->host;
	return post(o, "slash", "command", o->text);
}

static void show_prompts(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	(void)printf("%-26s %-6s %s\n", "PROMPT", "MODE", "TEXT");
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *item = json_at(items, i);
		struct str rest = json_as_str(json_get(item, "prompt"));

		cell(item, "id", 26);
		cell(item, "mode", 6);
		render_text(stdout, str_split(&rest, '\n'));
		(void)putchar('\n');
	}
}

static int run_prompts(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/prompts", o->id);
	return ask(o, "GET", path, (struct str){ NULL, 0 }, show_prompts);
}

static int run_delete(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s", o->id);
	return ask(o, "DELETE", path, (struct str){ NULL, 0 }, NULL);
}

static void show_retry(const struct json_value *json)
{
	(void)printf("%" STR_FMT "\n", STR_ARG(json_as_str(json_get(json, "id"))));
}

static int run_retry(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/retry", o->id);
	return ask(o, "POST", path, (struct str){ NULL, 0 }, show_retry);
}

static void show_dead(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	(void)printf("%-26s %-9s %-20s %s\n", "SESSION", "CAUSE", "FAILED", "REASON");
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *letter = json_at(items, i);
		struct str failed = json_as_str(json_get(letter, "failedAt"));

		cell(letter, "id", 26);
		cell(letter, "cause", 9);
		(void)printf("%-20.*s ", failed.n > 19 ? 19 : (int)failed.n, failed.p);
		render_text(stdout, json_as_str(json_get(letter, "reason")));
		(void)putchar('\n');
	}
}

static int run_dead(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/dead-letters?perPage=%llu%s%s",
	               (unsigned long long)(o->limit > 0 ? o->limit : 20),
	               o->cause != NULL ? "&cause=" : "", o->cause != NULL ? o->cause : "");
	return ask(o, "GET", path, (struct str){ NULL, 0 }, show_dead);
}

static void show_redriven(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	for (size_t i = 0; i < json_count(items); i++) {
		show_retry(json_at(items, i));
	}
	if (json_count(items) == 0) {
		(void)fprintf(stderr, "nothing to redrive\n");
	}
	if (json_as_bool(json_get(json, "more"))) {
		(void)fprintf(stderr, "there may be more: redrive again\n");
	}
}

static int run_redrive(struct call *call)
{
	const struct session_options *o = call->host;
	struct buf body;
	struct jsonw w;
	int status;

	buf_init(&body, SESSION_PATH_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	if (o->cause != NULL) {
		jsonw_cstr(&w, "cause", o->cause);
	}
	if (o->limit > 0) {
		jsonw_u64(&w, "limit", o->limit);
	}
	jsonw_end_object(&w);
	status = ask(o, "POST", "/api/v1/dead-letters/redrive", buf_str(&body), show_redriven);
	buf_fini(&body);
	return status;
}

/* An id goes into a path, so it is checked here and not only by the server. */
static bool take_words(const struct call *call, struct session_options *o, struct id *id,
                       struct buf *text)
{
	if (call->word_count > 0 && !id_parse(str_of(call->words[0]), id)) {
		(void)fprintf(stderr, "fairlead: \"%s\" is not a session id\n", call->words[0]);
		return false;
	}
	for (int i = 1; i < call->word_count; i++) {
		buf_addf(text, "%s%s", i > 1 ? " " : "", call->words[i]);
	}
	if (buf_failed(text)) {
		(void)fprintf(stderr, "fairlead: the prompt is longer than %d bytes\n",
		              SESSION_PROMPT_MAX);
		return false;
	}
	o->id = id->s;
	o->text = buf_cstr(text);
	return true;
}

static int around(struct call *call)
{
	struct client client;
	struct session_options options = {
		.client = &client,
		.status = call_text(call, OPTION_STATUS),
		.after = call_text(call, OPTION_AFTER),
		.reason = call_text(call, OPTION_REASON),
		.cause = call_text(call, OPTION_CAUSE),
		.limit = call->said[OPTION_PAGE].number,
		.json = call_has(call, OPTION_JSON),
	};
	int status = EXIT_USAGE;
	struct buf text;
	struct err err;
	struct id id = { "" };

	buf_init(&text, SESSION_PROMPT_MAX);
	if (take_words(call, &options, &id, &text)) {
		if (client_open(&client, call_text(call, OPTION_URL), call_text(call, OPTION_KEY),
		                &err) != ERR_OK) {
			status = fail(&err);
		} else {
			call->host = &options;
			status = call->verb->run(call);
			client_close(&client);
		}
	}
	buf_fini(&text);
	return status;
}

#define AT_SERVER OPTION_JSON, OPTION_URL, OPTION_KEY

static const struct verb verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_list,
	  "The newest sessions.",
	  { OPTION_STATUS, OPTION_PAGE, AT_SERVER } },
	{ "show", "ID", 1, 1, run_show, "One session.", { AT_SERVER } },
	{ "why", "ID", 1, 1, run_why, "Why it waits, and for how long.", { AT_SERVER } },
	{ "watch", "ID", 1, 1, run_watch, "Follow it to its end.", { OPTION_AFTER, AT_SERVER } },
	{ "stop", "ID", 1, 1, run_stop, "Let the agent wrap up.", { OPTION_REASON, AT_SERVER } },
	{ "pause", "ID", 1, 1, run_pause, "Have it wait.", { OPTION_REASON, AT_SERVER } },
	{ "resume", "ID", 1, 1, run_resume, "Have it go on.", { OPTION_REASON, AT_SERVER } },
	{ "prompt",
	  "ID TEXT...",
	  2,
	  VERB_WORDS_ANY,
	  run_prompt,
	  "Tell the agent something.",
	  { OPTION_IMAGE, OPTION_ATTACH, AT_SERVER } },
	{ "prompts", "ID", 1, 1, run_prompts, "Those that wait for their turn.", { AT_SERVER } },
	{ "interrupt",
	  "ID",
	  1,
	  1,
	  run_interrupt,
	  "End the turn that runs; the session goes on.",
	  { OPTION_REASON, AT_SERVER } },
	{ "slash",
	  "ID COMMAND...",
	  2,
	  VERB_WORDS_ANY,
	  run_slash,
	  "A slash command: /help, or one of the agent's own.",
	  { AT_SERVER } },
	{ "delete", "ID", 1, 1, run_delete, "End it now.", { AT_SERVER } },
	{ "retry",
	  "ID",
	  1,
	  1,
	  run_retry,
	  "Try one that has ended once more, as a new session.",
	  { AT_SERVER } },
	{ "dead",
	  NULL,
	  0,
	  0,
	  run_dead,
	  "Those that failed for good.",
	  { OPTION_CAUSE, OPTION_PAGE, AT_SERVER } },
	{ "redrive",
	  NULL,
	  0,
	  0,
	  run_redrive,
	  "Retry all of them.",
	  { OPTION_CAUSE, OPTION_PAGE, AT_SERVER } },
};

const struct verb_group verbs_session = {
	.command = "session",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = around,
	.notes = "stop lets the agent wrap up; delete ends it now. retry tries one that has ended "
		 "once\n"
		 "more, as a new session; dead lists what failed for good (cause: attempts, poison "
		 "or\n"
		 "deadline), redrive retries all of that.\n",
};

int command_session(int argc, char **argv)
{
	return verb_main("session", argc, argv);
}
