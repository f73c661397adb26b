/* `fairlead session ...`: list, show, watch and steer sessions. */
#include "cli/session.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/id.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/verbs.h"
#include "cli/watch.h"
#include "json/write.h"

int session_fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

void session_cell(const struct json_value *session, const char *name, int width)
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

		session_cell(session, "id", 26);
		session_cell(session, "status", 12);
		(void)printf("%-20.*s ", created.n > 19 ? 19 : (int)created.n, created.p);
		render_text(stdout, str_make(prompt.p, prompt.n > 60 ? 60 : prompt.n));
		(void)putchar('\n');
	}
}

/* One exchange; on success the answer's JSON is printed as it is, or shown by show(). */
int session_ask(const struct session_options *o, const char *method, const char *path,
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
		status = session_fail(&err);
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
	return session_ask(o, "GET", path, (struct str){ NULL, 0 }, show_list);
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
	return session_ask(o, "GET", path, (struct str){ NULL, 0 }, show_session);
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
	return session_ask(o, "GET", path, (struct str){ NULL, 0 }, show_why);
}

static int run_watch(struct call *call)
{
	const struct session_options *o = call->host;
	const struct watch_options options = { .session = o->id,
		                               .after = o->after,
		                               .json = o->json };

	return watch(o->client, &options);
}

void session_show_accepted(const struct json_value *json)
{
	struct str status = json_as_str(json_get(json, "status"));

	(void)printf("%" STR_FMT "\n", STR_ARG(status.n > 0 ? status : STR_LIT("accepted")));
}

int session_post(const struct session_options *o, const char *verb, const char *member,
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
	status = session_ask(o, "POST", path, buf_str(&body), session_show_accepted);
	buf_fini(&body);
	return status;
}

static int run_stop(struct call *call)
{
	const struct session_options *o = call->host;
	return session_post(o, "stop", "reason", o->reason);
}

static int run_pause(struct call *call)
{
	const struct session_options *o = call->host;
	return session_post(o, "pause", "reason", o->reason);
}

static int run_resume(struct call *call)
{
	const struct session_options *o = call->host;
	return session_post(o, "resume", "reason", o->reason);
}

static int run_delete(struct call *call)
{
	const struct session_options *o = call->host;
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s", o->id);
	return session_ask(o, "DELETE", path, (struct str){ NULL, 0 }, NULL);
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
	return session_ask(o, "POST", path, (struct str){ NULL, 0 }, show_retry);
}

static void show_dead(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	(void)printf("%-26s %-9s %-20s %s\n", "SESSION", "CAUSE", "FAILED", "REASON");
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *letter = json_at(items, i);
		struct str failed = json_as_str(json_get(letter, "failedAt"));

		session_cell(letter, "id", 26);
		session_cell(letter, "cause", 9);
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
	return session_ask(o, "GET", path, (struct str){ NULL, 0 }, show_dead);
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
	status = session_ask(o, "POST", "/api/v1/dead-letters/redrive", buf_str(&body),
	                     show_redriven);
	buf_fini(&body);
	return status;
}

/* Ids go into a path, so they are checked here and not only by the server. */
struct session_ids {
	struct id session, prompt;
};

static bool take_id(const char *word, const char *what, struct id *ret)
{
	bool is_one = id_parse(str_of(word), ret);

	if (!is_one) {
		(void)fprintf(stderr, "fairlead: \"%s\" is not %s\n", word, what);
	}
	return is_one;
}

static bool takes_prompt(const struct verb *verb)
{
	return verb->words != NULL && str_starts(str_of(verb->words), STR_LIT("ID PROMPT"));
}

static bool take_words(const struct call *call, struct session_options *o, struct session_ids *ids,
                       struct buf *text)
{
	int first = takes_prompt(call->verb) ? 2 : 1;

	if ((call->word_count > 0 && !take_id(call->words[0], "a session id", &ids->session)) ||
	    (first == 2 && !take_id(call->words[1], "a prompt's id", &ids->prompt))) {
		return false;
	}
	for (int i = first; i < call->word_count; i++) {
		buf_addf(text, "%s%s", i > first ? " " : "", call->words[i]);
	}
	if (buf_failed(text)) {
		(void)fprintf(stderr, "fairlead: the prompt is longer than %d bytes\n",
		              SESSION_PROMPT_MAX);
		return false;
	}
	o->id = ids->session.s;
	o->prompt = ids->prompt.s;
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
	struct session_ids ids = { .prompt = { "" } };

	buf_init(&text, SESSION_PROMPT_MAX);
	if (take_words(call, &options, &ids, &text)) {
		if (client_open(&client, call_text(call, OPTION_URL), call_text(call, OPTION_KEY),
		                &err) != ERR_OK) {
			status = session_fail(&err);
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
	  session_prompt,
	  "Tell the agent something.",
	  { OPTION_STEER, OPTION_IMAGE, OPTION_ATTACH, AT_SERVER } },
	{ "prompts",
	  "ID",
	  1,
	  1,
	  session_prompts,
	  "Those that wait for their turn.",
	  { AT_SERVER } },
	{ "prompt-edit",
	  "ID PROMPT TEXT...",
	  3,
	  VERB_WORDS_ANY,
	  session_prompt_edit,
	  "Other words for one that waits.",
	  { OPTION_STEER, OPTION_IMAGE, OPTION_ATTACH, AT_SERVER } },
	{ "prompt-cancel",
	  "ID PROMPT",
	  2,
	  2,
	  session_prompt_cancel,
	  "Take one back that waits.",
	  { AT_SERVER } },
	{ "model", "ID MODEL", 2, 2, session_model, "Have the agent use it.", { AT_SERVER } },
	{ "mode",
	  "ID MODE",
	  2,
	  2,
	  session_mode,
	  "How the agent asks for permissions.",
	  { AT_SERVER } },
	{ "interrupt",
	  "ID",
	  1,
	  1,
	  session_interrupt,
	  "End the turn that runs; the session goes on.",
	  { OPTION_REASON, AT_SERVER } },
	{ "slash",
	  "ID COMMAND...",
	  2,
	  VERB_WORDS_ANY,
	  session_slash,
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
