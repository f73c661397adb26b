/* `fairlead session ...`: list, show, watch and steer sessions. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/id.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/watch.h"
#include "json/value.h"
#include "json/write.h"

enum { SESSION_PATH_MAX = 512, SESSION_PROMPT_MAX = 16 * 1024 };

struct session_options {
	const char *url, *key, *status, *after, *reason, *cause;
	uint64_t limit;
	bool json;
	const char *id;
	const char *text; /* the rest of the words, joined: a prompt */
};

static const char session_usage[] = "usage: fairlead session list [--status S] [--limit N]\n"
				    "       fairlead session show ID\n"
				    "       fairlead session why ID\n"
				    "       fairlead session watch ID [--after CURSOR]\n"
				    "       fairlead session stop|pause|resume ID [--reason TEXT]\n"
				    "       fairlead session prompt ID TEXT...\n"
				    "       fairlead session delete ID\n"
				    "       fairlead session retry ID\n"
				    "       fairlead session dead [--cause C] [--limit N]\n"
				    "       fairlead session redrive [--cause C] [--limit N]\n"
				    "\n"
				    "Each takes --json, --url URL and --key KEY. stop lets the "
				    "agent wrap up; delete ends it now.\n"
				    "retry tries one that has ended once more, as a new session; "
				    "dead lists what failed\nfor good (cause: attempts, poison or "
				    "deadline), redrive retries all of that.\n";

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
static int ask(struct client *client, const struct session_options *o, const char *method,
               const char *path, struct str body, void (*show)(const struct json_value *json))
{
	const struct id key = id_new();
	const struct client_ask asked = { method, path, body,
		                          strcmp(method, "POST") == 0 ? key.s : NULL };
	struct client_reply reply;
	struct err err;
	int status = EXIT_DONE;

	if (client_request(client, &asked, &reply, &err) != ERR_OK ||
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

static int run_list(struct client *client, const struct session_options *o)
{
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions?perPage=%llu%s%s",
	               (unsigned long long)(o->limit > 0 ? o->limit : 20),
	               o->status != NULL ? "&status=" : "", o->status != NULL ? o->status : "");
	return ask(client, o, "GET", path, (struct str){ NULL, 0 }, show_list);
}

static void show_session(const struct json_value *json)
{
	static const char *const rows[] = { "id",        "status",  "prompt",    "createdAt",
		                            "startedAt", "endedAt", "updatedAt", "taskId" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str value = json_as_str(json_get(json, rows[i]));

		if (value.n > 0) {
			(void)printf("%-10s ", rows[i]);
			render_text(stdout, value);
			(void)putchar('\n');
		}
	}
	if (json_type_of(json_get(json, "exitCode")) == JSON_T_NUMBER) {
		(void)printf("%-10s %lld\n", "exitCode",
		             (long long)json_as_i64(json_get(json, "exitCode")));
	}
}

static int run_show(struct client *client, const struct session_options *o)
{
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s", o->id);
	return ask(client, o, "GET", path, (struct str){ NULL, 0 }, show_session);
}

static void show_text(const char *name, struct str value)
{
	if (value.n > 0) {
		(void)printf("%-10s ", name);
		render_text(stdout, value);
		(void)putchar('\n');
	}
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
	if (!str_eq(place, STR_LIT("none"))) {
		(void)printf("share      %lld leases, weight %lld, %lld turns beyond its share\n",
		             number(share, "leases"), number(share, "weight"),
		             number(share, "turns"));
	}
	show_text("starts by", json_as_str(json_get(eta, "p50")));
	show_text("90 % by", json_as_str(json_get(eta, "p90")));
}

static int run_why(struct client *client, const struct session_options *o)
{
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/why", o->id);
	return ask(client, o, "GET", path, (struct str){ NULL, 0 }, show_why);
}

static int run_watch(struct client *client, const struct session_options *o)
{
	const struct watch_options options = { .session = o->id,
		                               .after = o->after,
		                               .json = o->json };

	return watch(client, &options);
}

static void show_accepted(const struct json_value *json)
{
	struct str status = json_as_str(json_get(json, "status"));

	(void)printf("%" STR_FMT "\n", STR_ARG(status.n > 0 ? status : STR_LIT("accepted")));
}

static int post(struct client *client, const struct session_options *o, const char *verb,
                const char *member, const char *text)
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
	status = ask(client, o, "POST", path, buf_str(&body), show_accepted);
	buf_fini(&body);
	return status;
}

static int run_stop(struct client *client, const struct session_options *o)
{
	return post(client, o, "stop", "reason", o->reason);
}

static int run_pause(struct client *client, const struct session_options *o)
{
	return post(client, o, "pause", "reason", o->reason);
}

static int run_resume(struct client *client, const struct session_options *o)
{
	return post(client, o, "resume", "reason", o->reason);
}

static int run_prompt(struct client *client, const struct session_options *o)
{
	return post(client, o, "prompt", "message", o->text);
}

static int run_delete(struct client *client, const struct session_options *o)
{
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s", o->id);
	return ask(client, o, "DELETE", path, (struct str){ NULL, 0 }, NULL);
}

static void show_retry(const struct json_value *json)
{
	(void)printf("%" STR_FMT "\n", STR_ARG(json_as_str(json_get(json, "id"))));
}

static int run_retry(struct client *client, const struct session_options *o)
{
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/retry", o->id);
	return ask(client, o, "POST", path, (struct str){ NULL, 0 }, show_retry);
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

static int run_dead(struct client *client, const struct session_options *o)
{
	char path[SESSION_PATH_MAX];

	(void)snprintf(path, sizeof(path), "/api/v1/dead-letters?perPage=%llu%s%s",
	               (unsigned long long)(o->limit > 0 ? o->limit : 20),
	               o->cause != NULL ? "&cause=" : "", o->cause != NULL ? o->cause : "");
	return ask(client, o, "GET", path, (struct str){ NULL, 0 }, show_dead);
}

static void show_redriven(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	for (size_t i = 0; i < json_count(items); i++) {
		show_retry(json_at(items, i));
	}
	if (json_as_bool(json_get(json, "more"))) {
		(void)fprintf(stderr, "there may be more: redrive again\n");
	}
}

static int run_redrive(struct client *client, const struct session_options *o)
{
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
	status = ask(client, o, "POST", "/api/v1/dead-letters/redrive", buf_str(&body),
	             show_redriven);
	buf_fini(&body);
	return status;
}

static const struct {
	const char *verb;
	int words; /* after the verb: 0, 1 (id), 2 (id and text) */
	int (*run)(struct client *client, const struct session_options *options);
} verbs[] = {
	{ "list", 0, run_list },     { "show", 1, run_show },     { "why", 1, run_why },
	{ "watch", 1, run_watch },   { "stop", 1, run_stop },     { "pause", 1, run_pause },
	{ "resume", 1, run_resume }, { "prompt", 2, run_prompt }, { "delete", 1, run_delete },
	{ "retry", 1, run_retry },   { "dead", 0, run_dead },     { "redrive", 0, run_redrive },
};

static bool parse(int argc, char **argv, struct session_options *o)
{
	static const struct option known[] = {
		{ "status", required_argument, NULL, 's' },
		{ "limit", required_argument, NULL, 'n' },
		{ "after", required_argument, NULL, 'a' },
		{ "reason", required_argument, NULL, 'r' },
		{ "cause", required_argument, NULL, 'c' },
		{ "url", required_argument, NULL, 'u' },
		{ "key", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's': o->status = optarg; break;
		case 'a': o->after = optarg; break;
		case 'r': o->reason = optarg; break;
		case 'c': o->cause = optarg; break;
		case 'u': o->url = optarg; break;
		case 'k': o->key = optarg; break;
		case 'j': o->json = true; break;
		case 'h': (void)fputs(session_usage, stdout); exit(EXIT_DONE);
		case 'n':
			if (!parse_u64(str_of(optarg), 200, &o->limit)) {
				(void)fprintf(stderr, "fairlead: --limit must be 1 to 200\n");
				return false;
			}
			break;
		default: return false;
		}
	}
	return true;
}

/* An id goes into a path, so it is checked here and not only by the server. */
static bool check_id(struct session_options *o, const char *word)
{
	static char kept[ID_LEN + 1];
	struct id id;

	if (!id_parse(str_of(word), &id)) {
		(void)fprintf(stderr, "fairlead: \"%s\" is not a session id\n", word);
		return false;
	}
	memcpy(kept, id.s, sizeof(kept));
	o->id = kept;
	return true;
}

static bool take_words(int argc, char **argv, int words, struct session_options *o,
                       struct buf *text)
{
	if (argc < words || (words < 2 && argc != words)) {
		(void)fputs(session_usage, stderr);
		return false;
	}
	for (int i = 1; i < argc; i++) {
		buf_addf(text, "%s%s", i > 1 ? " " : "", argv[i]);
	}
	o->text = buf_cstr(text);
	if (buf_failed(text)) {
		(void)fprintf(stderr, "fairlead: the prompt is longer than %d bytes\n",
		              SESSION_PROMPT_MAX);
		return false;
	}
	return words == 0 || check_id(o, argv[0]);
}

static int run(int argc, char **argv, size_t verb)
{
	struct session_options options = { .url = NULL };
	struct client client;
	struct buf text;
	struct err err;
	int status = EXIT_USAGE;

	buf_init(&text, SESSION_PROMPT_MAX);
	if (parse(argc, argv, &options) &&
	    take_words(argc - optind, argv + optind, verbs[verb].words, &options, &text)) {
		if (client_open(&client, options.url, options.key, &err) != ERR_OK) {
			status = fail(&err);
		} else {
			status = verbs[verb].run(&client, &options);
			client_close(&client);
		}
	}
	buf_fini(&text);
	return status;
}

int command_session(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].verb) == 0) {
			argv[1] = argv[0];
			return run(argc - 1, argv + 1, i);
		}
	}
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(session_usage, stdout);
		return EXIT_DONE;
	}
	if (argc > 1) {
		(void)fprintf(stderr, "fairlead session: there is no \"%s\"\n\n", argv[1]);
	}
	(void)fputs(session_usage, stderr);
	return EXIT_USAGE;
}
