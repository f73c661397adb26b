/* `fairlead worker ...`: which workers there are, and which get no new sessions. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"
#include "json/value.h"

enum { WORKER_PATH_MAX = 256, WORKER_NAME_MAX = 64 };

struct worker_options {
	const char *url, *key;
	bool json;
};

static const char worker_usage[] =
	"usage: fairlead worker list\n"
	"       fairlead worker cordon|uncordon|drain NAME\n"
	"\n"
	"Each takes --json, --url URL and --key KEY. A cordoned worker gets no new sessions, also\n"
	"after it was restarted; a drained one hands those it has over to others as well.\n";

static void cell(const struct json_value *worker, const char *name, int width)
{
	struct str s = json_as_str(json_get(worker, name));

	(void)printf("%-*.*s ", width, (int)s.n, s.p != NULL ? s.p : "");
}

static void show_list(const struct json_value *json)
{
	const struct json_value *items = json_get(json, "items");

	(void)printf("%-24s %-10s %-8s %s\n", "WORKER", "STATUS", "SESSIONS", "ID");
	for (size_t i = 0; i < json_count(items); i++) {
		const struct json_value *worker = json_at(items, i);

		cell(worker, "name", 24);
		cell(worker, "status", 10);
		if (json_as_bool(json_get(worker, "alive"))) {
			char use[32];

			(void)snprintf(use, sizeof(use), "%lld/%lld",
			               (long long)json_as_i64(json_get(worker, "sessions")),
			               (long long)json_as_i64(json_get(worker, "slots")));
			(void)printf("%-8s ", use);
			(void)printf("%" STR_FMT "\n",
			             STR_ARG(json_as_str(json_get(worker, "id"))));
		} else {
			(void)printf("gone\n");
		}
	}
}

static void show_decided(const struct json_value *json)
{
	long long alive = (long long)json_as_i64(json_get(json, "alive"));

	cell(json, "name", 0);
	(void)printf("%" STR_FMT "%s\n", STR_ARG(json_as_str(json_get(json, "status"))),
	             alive > 0 ? "" : " (none of that name is alive now)");
}

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

static int ask(const struct worker_options *o, const char *method, const char *path,
               void (*show)(const struct json_value *json))
{
	const struct client_ask asked = { .method = method, .path = path };
	struct client client;
	struct client_reply reply;
	struct err err;
	int status = EXIT_DONE;

	if (client_open(&client, o->url, o->key, &err) != ERR_OK) {
		return fail(&err);
	}
	if (client_request(&client, &asked, &reply, &err) != ERR_OK ||
	    (reply.status >= 400 && client_problem(&reply, &err) != ERR_OK)) {
		status = fail(&err);
	} else if (o->json) {
		render_text(stdout, buf_str(&reply.body));
		(void)putchar('\n');
	} else {
		struct json_value *json = json_parse(buf_str(&reply.body), &err);

		show(json);
		json_value_free(json);
	}
	client_reply_fini(&reply);
	client_close(&client);
	return status;
}

static bool parse(int argc, char **argv, struct worker_options *o)
{
	static const struct option known[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "key", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'u': o->url = optarg; break;
		case 'k': o->key = optarg; break;
		case 'j': o->json = true; break;
		case 'h': (void)fputs(worker_usage, stdout); exit(EXIT_DONE);
		default: return false;
		}
	}
	return true;
}

/* A name goes into a path as it is. */
static bool is_name(const char *word)
{
	size_t n =
		strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

	return n > 0 && n <= WORKER_NAME_MAX && word[n] == '\0';
}

static int run_verb(const struct worker_options *o, const char *verb, const char *name)
{
	char path[WORKER_PATH_MAX];

	if (!is_name(name)) {
		(void)fprintf(stderr, "fairlead: \"%s\" is not the name of a worker\n", name);
		return EXIT_USAGE;
	}
	(void)snprintf(path, sizeof(path), "/api/v1/workers/%s/%s", name, verb);
	return ask(o, "POST", path, show_decided);
}

int command_worker(int argc, char **argv)
{
	static const char *const verbs[] = { "cordon", "uncordon", "drain" };
	struct worker_options options = { .url = NULL };
	int words;

	if (!parse(argc, argv, &options)) {
		(void)fputs(worker_usage, stderr);
		return EXIT_USAGE;
	}
	words = argc - optind;
	if (words == 1 && strcmp(argv[optind], "list") == 0) {
		return ask(&options, "GET", "/api/v1/workers", show_list);
	}
	for (size_t i = 0; words == 2 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[optind], verbs[i]) == 0) {
			return run_verb(&options, verbs[i], argv[optind + 1]);
		}
	}
	(void)fputs(worker_usage, stderr);
	return EXIT_USAGE;
}
