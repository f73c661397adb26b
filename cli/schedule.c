/* `fairlead schedule ...`: tasks that are made again and again, or later. */
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
#include "cli/task_options.h"
#include "json/value.h"
#include "json/write.h"

enum {
	PATH_SIZE = 512,
	BODY_MAX = 1024 * 1024,
	LIMIT_MAX = 200,
	COUNT_MAX = 100,
	EVERY_MAX_S = 366 * 86400,
	TIME_SHOWN = 19, /* 2026-01-31T12:00:00 */
};

enum { /* beyond the letters of task options */
       OPTION_CRON = 256,
       OPTION_TIMEZONE,
       OPTION_EVERY,
       OPTION_AT,
       OPTION_NAME,
       OPTION_OVERLAP,
       OPTION_CATCH_UP,
       OPTION_PAUSED,
       OPTION_LIMIT,
       OPTION_COUNT,
       OPTION_AFTER,
};

struct schedule_options {
	struct task_options task;
	const char *cron, *timezone, *at, *name, *overlap, *catch_up, *after;
	uint64_t every_s, limit, count;
	bool paused;
	const char *id; /* checked: it goes into a path */
};

const char schedule_usage[] =
	"usage: fairlead schedule create (--cron EXPR [--timezone ZONE] | --every N[s|m|h|d] |\n"
	"                                 --at TIME) [--name NAME] [--overlap skip|queue|cancel]\n"
	"                                [--catch-up none|one|all] [--paused]\n"
	"                                [options of fairlead task run] -- WORD...\n"
	"       fairlead schedule list [--limit N]\n"
	"       fairlead schedule show|pause|resume|run|delete ID\n"
	"       fairlead schedule preview ID [--count N] [--after TIME]\n"
	"       fairlead schedule preview (--cron EXPR [--timezone ZONE] | --every N | --at TIME)\n"
	"                                 [--count N] [--after TIME]\n"
	"\n"
	"Each takes --json, --url URL and --key KEY. EXPR is minute, hour, day of the month, "
	"month,\n"
	"day of the week, with seconds in front if there are six; TIME is as in "
	"2026-01-31T12:00:00Z.\n";

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

/* ---- what is printed ---- */

static void line(const char *name, struct str value)
{
	if (value.n > 0) {
		(void)printf("%-11s ", name);
		render_text(stdout, value);
		(void)putchar('\n');
	}
}

static struct str text_of(const struct json_value *json, const char *name)
{
	return json_as_str(json_get(json, name));
}

/* "0 9 * * * Europe/Berlin", "every 900 s", "at 2026-..." */
static void add_when(const struct json_value *json, struct buf *out)
{
	struct str cron = text_of(json, "cron"), at = text_of(json, "at");

	if (cron.n > 0) {
		buf_addf(out, "%" STR_FMT " %" STR_FMT, STR_ARG(cron),
		         STR_ARG(text_of(json, "timezone")));
	} else if (at.n > 0) {
		buf_addf(out, "at %" STR_FMT, STR_ARG(at));
	} else {
		buf_addf(out, "every %lld s",
		         (long long)json_as_i64(json_get(json, "everySeconds")));
	}
}

static void show_list(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	(void)printf("%-26s %-7s %-20s %-32s %s\n", "SCHEDULE", "STATUS", "NEXT", "WHEN", "NAME");
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *item = json_at(items, i);
		struct str next = text_of(item, "nextAt"), status = text_of(item, "status");
		struct buf when;

		buf_init(&when, BODY_MAX);
		add_when(item, &when);
		(void)printf("%-26.*s %-7.*s %-20.*s %-32s ", STR_ARG(text_of(item, "id")),
		             STR_ARG(status), next.n > TIME_SHOWN ? TIME_SHOWN : (int)next.n,
		             next.n > 0 ? next.p : "", buf_cstr(&when));
		render_text(stdout, text_of(item, "name"));
		(void)putchar('\n');
		buf_fini(&when);
	}
}

static void show_one(const struct json_value *json)
{
	static const char *const rows[] = { "id",        "name",      "status",   "overlap",
		                            "catchUp",   "nextAt",    "lastAt",   "lastTaskId",
		                            "namespace", "createdAt", "updatedAt" };
	const struct json_value *runs = json_get(json, "runs");
	struct buf when;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		line(rows[i], text_of(json, rows[i]));
	}
	buf_init(&when, BODY_MAX);
	add_when(json, &when);
	line("when", buf_str(&when));
	buf_fini(&when);
	for (size_t i = 0; i < json_count(runs); i++) {
		const struct json_value *run = json_at(runs, i);
		struct str note = text_of(run, "taskId");

		note = note.n > 0 ? note : text_of(run, "reason");
		(void)printf("%-11s %" STR_FMT " %-8.*s ", i == 0 ? "runs" : "",
		             STR_ARG(text_of(run, "at")), STR_ARG(text_of(run, "outcome")));
		render_text(stdout, note);
		(void)printf("%s\n", json_as_bool(json_get(run, "byHand")) ? " (by hand)" : "");
	}
}

static void show_made(const struct json_value *json)
{
	struct str next = text_of(json, "nextAt");

	(void)printf("%" STR_FMT "\n", STR_ARG(text_of(json, "id")));
	if (next.n > 0) {
		(void)fprintf(stderr, "-- next at %" STR_FMT "\n", STR_ARG(next));
	}
}

static void show_status(const struct json_value *json)
{
	(void)printf("%" STR_FMT "\n", STR_ARG(text_of(json, "status")));
}

static void show_run(const struct json_value *json)
{
	const struct json_value *ids = json_get(json, "session_ids");

	for (size_t i = 0; i < json_count(ids); i++) {
		(void)printf("%" STR_FMT "\n", STR_ARG(json_as_str(json_at(ids, i))));
	}
}

static void show_times(const struct json_value *json)
{
	const struct json_value *times = json_get(json, "times");

	for (size_t i = 0; i < json_count(times); i++) {
		(void)printf("%" STR_FMT "\n", STR_ARG(json_as_str(json_at(times, i))));
	}
}

/* ---- what is asked ---- */

struct question {
	const char *method, *path;
	struct str body;
	void (*show)(const struct json_value *json);
};

static int ask(const struct schedule_options *o, const struct question *question)
{
	const struct id key = id_new();
	const struct client_ask asked = {
		.method = question->method,
		.path = question->path,
		.body = question->body,
		.idempotency_key = strcmp(question->method, "POST") == 0 ? key.s : NULL,
	};
	struct client_reply reply;
	struct client client;
	struct err err;
	int status = EXIT_DONE;

	if (client_open(&client, o->task.url, o->task.key, &err) != ERR_OK) {
		return fail(&err);
	}
	if (client_request(&client, &asked, &reply, &err) != ERR_OK ||
	    (reply.status >= 400 && client_problem(&reply, &err) != ERR_OK)) {
		status = fail(&err);
	} else if (o->task.json || question->show == NULL) {
		if (reply.body.len > 0) {
			render_text(stdout, buf_str(&reply.body));
			(void)putchar('\n');
		}
	} else {
		struct json_value *json = json_parse(buf_str(&reply.body), &err);

		question->show(json);
		json_value_free(json);
	}
	client_reply_fini(&reply);
	client_close(&client);
	return status;
}

static void write_given(struct jsonw *w, const char *name, const char *value)
{
	if (value != NULL) {
		jsonw_cstr(w, name, value);
	}
}

static void write_timing(struct jsonw *w, const struct schedule_options *o)
{
	write_given(w, "cron", o->cron);
	write_given(w, "timezone", o->timezone);
	write_given(w, "at", o->at);
	if (o->every_s > 0) {
		jsonw_u64(w, "everySeconds", o->every_s);
	}
}

static int send(const struct schedule_options *o, struct question *question, struct buf *body)
{
	int status = EXIT_FAILED;

	if (buf_failed(body)) {
		(void)fprintf(stderr, "fairlead: the command line is too long\n");
	} else {
		question->body = buf_str(body);
		status = ask(o, question);
	}
	buf_fini(body);
	return status;
}

static int run_create(const struct schedule_options *o)
{
	struct question question = { "POST", "/api/v1/schedules", { NULL, 0 }, show_made };
	struct buf body, task;
	struct jsonw w;

	buf_init(&body, BODY_MAX);
	buf_init(&task, BODY_MAX);
	task_options_write(&o->task, &task);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	write_timing(&w, o);
	write_given(&w, "name", o->name);
	write_given(&w, "overlap", o->overlap);
	write_given(&w, "catchUp", o->catch_up);
	if (o->paused) {
		jsonw_bool(&w, "paused", true);
	}
	jsonw_raw(&w, "task", buf_str(&task));
	jsonw_end_object(&w);
	body.failed = body.failed || task.failed;
	buf_fini(&task);
	return send(o, &question, &body);
}

static int run_list(const struct schedule_options *o)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "/api/v1/schedules?perPage=%llu",
	               (unsigned long long)(o->limit > 0 ? o->limit : 20));
	return ask(o, &(struct question){ "GET", path, { NULL, 0 }, show_list });
}

static int about(const struct schedule_options *o, const char *method, const char *tail,
                 void (*show)(const struct json_value *json))
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "/api/v1/schedules/%s%s", o->id, tail);
	return ask(o, &(struct question){ method, path, { NULL, 0 }, show });
}

static int run_show(const struct schedule_options *o)
{
	return about(o, "GET", "", show_one);
}

static int run_pause(const struct schedule_options *o)
{
	return about(o, "POST", "/pause", show_status);
}

static int run_resume(const struct schedule_options *o)
{
	return about(o, "POST", "/resume", show_status);
}

static int run_run(const struct schedule_options *o)
{
	return about(o, "POST", "/run", show_run);
}

static int run_delete(const struct schedule_options *o)
{
	return about(o, "DELETE", "", NULL);
}

/* A time goes into a query: what it may have besides digits and letters is written as it must be.
 */
static void add_query(const struct schedule_options *o, struct buf *path)
{
	buf_addf(path, "?count=%llu", (unsigned long long)(o->count > 0 ? o->count : 10));
	if (o->after != NULL) {
		buf_add_cstr(path, "&after=");
		for (const char *c = o->after; *c != '\0'; c++) {
			buf_addf(path, "%%%02X", (unsigned)(unsigned char)*c);
		}
	}
}

static int run_preview(const struct schedule_options *o)
{
	struct question question = {
		o->id != NULL ? "GET" : "POST", NULL, { NULL, 0 }, show_times
	};
	struct buf body, path;
	struct jsonw w;
	int status;

	buf_init(&path, BODY_MAX);
	buf_addf(&path, "/api/v1/schedules/%s%spreview", o->id != NULL ? o->id : "",
	         o->id != NULL ? "/" : "");
	add_query(o, &path);
	question.path = buf_cstr(&path);
	buf_init(&body, BODY_MAX);
	if (o->id == NULL) {
		jsonw_init(&w, &body);
		jsonw_object(&w, NULL);
		write_timing(&w, o);
		jsonw_end_object(&w);
	}
	status = send(o, &question, &body);
	buf_fini(&path);
	return status;
}

/* ---- the command line ---- */

enum words { WORDS_NONE, WORDS_ID, WORDS_MAYBE_ID, WORDS_COMMAND };

static const struct {
	const char *verb;
	enum words words;
	int (*run)(const struct schedule_options *options);
} verbs[] = {
	{ "create", WORDS_COMMAND, run_create },
	{ "list", WORDS_NONE, run_list },
	{ "show", WORDS_ID, run_show },
	{ "pause", WORDS_ID, run_pause },
	{ "resume", WORDS_ID, run_resume },
	{ "run", WORDS_ID, run_run },
	{ "preview", WORDS_MAYBE_ID, run_preview },
	{ "delete", WORDS_ID, run_delete },
};

static bool number(const char *what, const char *text, uint64_t max, uint64_t *ret)
{
	if (parse_u64(str_of(text), max, ret) && *ret > 0) {
		return true;
	}
	(void)fprintf(stderr, "fairlead: --%s must be 1 to %llu\n", what, (unsigned long long)max);
	return false;
}

static bool take_every(const char *text, uint64_t *ret_s)
{
	static const struct {
		const char *unit;
		uint64_t s;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	struct str rest = str_of(text);
	uint64_t unit = 1, n;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (str_ends(rest, str_of(units[i].unit))) {
			unit = units[i].s;
			rest.n--;
			break;
		}
	}
	if (!parse_u64(rest, EVERY_MAX_S / unit, &n) || n == 0) {
		(void)fprintf(stderr,
		              "fairlead: --every must be a number of seconds, or one with s, "
		              "m, h or d, up to 366d\n");
		return false;
	}
	*ret_s = n * unit;
	return true;
}

static bool take(struct schedule_options *o, int c)
{
	switch (c) {
	case OPTION_CRON: o->cron = optarg; return true;
	case OPTION_TIMEZONE: o->timezone = optarg; return true;
	case OPTION_EVERY: return take_every(optarg, &o->every_s);
	case OPTION_AT: o->at = optarg; return true;
	case OPTION_NAME: o->name = optarg; return true;
	case OPTION_OVERLAP: o->overlap = optarg; return true;
	case OPTION_CATCH_UP: o->catch_up = optarg; return true;
	case OPTION_PAUSED: o->paused = true; return true;
	case OPTION_LIMIT: return number("limit", optarg, LIMIT_MAX, &o->limit);
	case OPTION_COUNT: return number("count", optarg, COUNT_MAX, &o->count);
	case OPTION_AFTER: o->after = optarg; return true;
	case 'd':
		(void)fprintf(stderr,
		              "fairlead: a schedule does not wait: --detach is not for it\n");
		return false;
	default: return task_options_take(&o->task, c);
	}
}

static const struct option own_options[] = {
	{ "cron", required_argument, NULL, OPTION_CRON },
	{ "timezone", required_argument, NULL, OPTION_TIMEZONE },
	{ "every", required_argument, NULL, OPTION_EVERY },
	{ "at", required_argument, NULL, OPTION_AT },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "overlap", required_argument, NULL, OPTION_OVERLAP },
	{ "catch-up", required_argument, NULL, OPTION_CATCH_UP },
	{ "paused", no_argument, NULL, OPTION_PAUSED },
};

/* Those that have another meaning for a task, or none. */
static const struct option other_options[] = {
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "after", required_argument, NULL, OPTION_AFTER },
	{ "url", required_argument, NULL, 'u' },
	{ "key", required_argument, NULL, 'k' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What is wrong was said; a page of options would hide it. */
static bool wrong(void)
{
	(void)fputs("fairlead schedule --help says more\n", stderr);
	return false;
}

static bool parse(int argc, char **argv, bool makes, struct schedule_options *o)
{
	struct option known[ARRAY_LEN(own_options) + ARRAY_LEN(other_options) + TASK_OPTIONS_MAX];
	size_t own = ARRAY_LEN(own_options);
	int c;

	memcpy(known, own_options, sizeof(own_options));
	if (makes) {
		memcpy(known + own, task_options_known, sizeof(task_options_known));
	} else {
		memcpy(known + own, other_options, sizeof(other_options));
	}
	while ((c = getopt_long(argc, argv, makes ? "+" : "", known, NULL)) != -1) {
		if (c == 'h') {
			(void)fputs(schedule_usage, stdout);
			exit(EXIT_DONE);
		}
		if (c == '?') {
			return wrong();
		}
		if (!take(o, c)) {
			return false;
		}
	}
	return true;
}

static bool take_id(struct schedule_options *o, const char *word)
{
	static char kept[ID_LEN + 1];
	struct id id;

	if (!id_parse(str_of(word), &id)) {
		(void)fprintf(stderr, "fairlead: \"%s\" is not a schedule id\n", word);
		return false;
	}
	memcpy(kept, id.s, sizeof(kept));
	o->id = kept;
	return true;
}

static bool take_words(int argc, char **argv, enum words words, struct schedule_options *o)
{
	bool fits = true;

	switch (words) {
	case WORDS_NONE: fits = argc == 0; break;
	case WORDS_ID: fits = argc == 1; break;
	case WORDS_MAYBE_ID: fits = argc <= 1; break;
	case WORDS_COMMAND:
		o->task.argv = argv;
		o->task.argc = argc;
		if (!task_options_check(&o->task, "fairlead schedule create")) {
			return wrong();
		}
		break;
	}
	if (!fits) {
		(void)fprintf(stderr, "fairlead schedule: %s\n",
		              words == WORDS_NONE ? "there is a word too many"
		                                  : "it takes the id of one schedule");
		return wrong();
	}
	return words == WORDS_COMMAND || argc == 0 || take_id(o, argv[0]);
}

static int run(int argc, char **argv, size_t verb)
{
	struct schedule_options options = { .id = NULL };

	if (!parse(argc, argv, verbs[verb].words == WORDS_COMMAND, &options) ||
	    !take_words(argc - optind, argv + optind, verbs[verb].words, &options)) {
		return EXIT_USAGE;
	}
	return verbs[verb].run(&options);
}

int command_schedule(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].verb) == 0) {
			argv[1] = argv[0];
			return run(argc - 1, argv + 1, i);
		}
	}
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(schedule_usage, stdout);
		return EXIT_DONE;
	}
	if (argc > 1) {
		(void)fprintf(stderr, "fairlead schedule: there is no \"%s\"\n\n", argv[1]);
	}
	(void)fputs(schedule_usage, stderr);
	return EXIT_USAGE;
}
