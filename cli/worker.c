/* `fairlead worker ...`: which workers there are, and which get no new sessions. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/client.h"
#include "cli/client_around.h"
#include "cli/command.h"
#include "cli/verbs.h"
#include "json/value.h"

enum { WORKER_PATH_MAX = 256, WORKER_NAME_MAX = 64 };

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

struct form {
	void (*show)(const struct json_value *json);
};

static void show(struct str text, const void *arg)
{
	const struct form *form = arg;
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(text, &err);

	form->show(json);
}

static int ask(const struct call *call, const char *method, const char *path,
               const struct form *form)
{
	return client_show(call, &(struct client_ask){ .method = method, .path = path }, show,
	                   form);
}

/* A name goes into a path as it is. */
static bool is_name(const char *word)
{
	size_t n =
		strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

	return n > 0 && n <= WORKER_NAME_MAX && word[n] == '\0';
}

static int run_list(struct call *call)
{
	return ask(call, "GET", "/api/v1/workers", &(struct form){ show_list });
}

/* The verb is the last word of the path. */
static int run_decide(struct call *call)
{
	const char *name = call->words[0];
	char path[WORKER_PATH_MAX];

	if (!is_name(name)) {
		(void)fprintf(stderr, "fairlead: \"%s\" is not the name of a worker\n", name);
		return EXIT_USAGE;
	}
	(void)snprintf(path, sizeof(path), "/api/v1/workers/%s/%s", name, call->verb->name);
	return ask(call, "POST", path, &(struct form){ show_decided });
}

#define AT_SERVER OPTION_JSON, OPTION_URL, OPTION_KEY

static const struct verb verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_list,
	  "The workers, with what was decided about them.",
	  { AT_SERVER } },
	{ "cordon", "NAME", 1, 1, run_decide, "Give it no new sessions.", { AT_SERVER } },
	{ "drain",
	  "NAME",
	  1,
	  1,
	  run_decide,
	  "The same, and hand its sessions over to others.",
	  { AT_SERVER } },
	{ "uncordon", "NAME", 1, 1, run_decide, "Give it sessions again.", { AT_SERVER } },
};

const struct verb_group verbs_worker = {
	.command = "worker",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.notes = "What was decided about a name stands after its worker was restarted.\n",
};

int command_worker(int argc, char **argv)
{
	return verb_main("worker", argc, argv);
}
