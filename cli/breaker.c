/* `fairlead breaker ...`: agents of which none is started because too many failed. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/client.h"
#include "cli/client_around.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/verbs.h"

enum { BREAKER_PATH_MAX = 256, BREAKER_NAME_MAX = 64 };

static void show(struct str json, const void *arg)
{
	static const struct column columns[] = {
		{ "TENANT", "tenant" }, { "AGENT", "agent" }, { "STATE", "state" },
		{ "UNTIL", "until" },   { "TRIAL", "trial" },
	};

	(void)arg;
	table_print(json, columns, ARRAY_LEN(columns));
}

static int ask(const struct call *call, const char *method, const char *path)
{
	return client_show(call, &(struct client_ask){ .method = method, .path = path }, show,
	                   NULL);
}

static int run_list(struct call *call)
{
	return ask(call, "GET", "/api/v1/scheduling/breakers");
}

/* A name goes into a path as it is. */
static bool is_name(const char *word)
{
	size_t n =
		strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

	return n > 0 && n <= BREAKER_NAME_MAX && word[n] == '\0';
}

static int run_reset(struct call *call)
{
	char path[BREAKER_PATH_MAX];

	for (int i = 0; i < 2; i++) {
		if (!is_name(call->words[i])) {
			(void)fprintf(stderr, "fairlead: \"%s\" is not the name of a %s\n",
			              call->words[i], i == 0 ? "tenant" : "type of agents");
			return EXIT_USAGE;
		}
	}
	(void)snprintf(path, sizeof(path), "/api/v1/scheduling/breakers/%s/%s/reset",
	               call->words[0], call->words[1]);
	return ask(call, "POST", path);
}

#define AT_SERVER OPTION_JSON, OPTION_URL, OPTION_KEY

static const struct verb verbs[] = {
	{ "list", NULL, 0, 0, run_list, "Those that are not closed.", { AT_SERVER } },
	{ "reset",
	  "TENANT AGENT",
	  2,
	  2,
	  run_reset,
	  "Start a tenant's agents of that type again at once.",
	  { AT_SERVER } },
};

const struct verb_group verbs_breaker = {
	.command = "breaker",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.notes = "When too many of a tenant's agents of one type fail as they are started no more "
		 "are for a while,\nthen one at a time; sessions wait.\n",
};

int command_breaker(int argc, char **argv)
{
	return verb_main("breaker", argc, argv);
}
