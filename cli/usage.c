/* `fairlead usage`: what was used, and what it cost. */
#include <stdio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/client.h"
#include "cli/client_around.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/verbs.h"

enum { PATH_SIZE = 1024 };

static void add_query(struct buf *path, const char *name, const char *value)
{
	struct str text = str_of(value);

	if (value == NULL) {
		return;
	}
	buf_addf(path, "&%s=", name);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';

		buf_addf(path, plain ? "%c" : "%%%02X", c);
	}
}

static void show(struct str json, const void *arg)
{
	const char *by = arg;
	const struct column columns[] = {
		{ by, by },
		{ "USD", "usd" },
		{ "IN", "inputTokens" },
		{ "OUT", "outputTokens" },
		{ "CACHE-READ", "cacheReadTokens" },
		{ "CACHE-WRITE", "cacheWriteTokens" },
		{ "UNPRICED", "unpricedTokens" },
		{ "SESSIONS", "sessions" },
	};

	table_print(json, columns, ARRAY_LEN(columns));
}

static int run(struct call *call)
{
	const char *by = call_text(call, OPTION_BY);
	struct buf path;
	int status;

	by = by != NULL ? by : "project";
	buf_init(&path, PATH_SIZE);
	buf_add_cstr(&path, "/api/v1/usage?perPage=200");
	add_query(&path, "by", by);
	add_query(&path, "from", call_text(call, OPTION_FROM_DAY));
	add_query(&path, "to", call_text(call, OPTION_TO_DAY));
	add_query(&path, "session", call_text(call, OPTION_OF_SESSION));
	add_query(&path, "project", call_text(call, OPTION_PROJECT));
	add_query(&path, "user", call_text(call, OPTION_USED_BY));
	if (buf_failed(&path)) {
		(void)fprintf(stderr, "fairlead: that is too long\n");
		status = EXIT_USAGE;
	} else {
		status = client_show(
			call, &(struct client_ask){ .method = "GET", .path = buf_cstr(&path) },
			show, by);
	}
	buf_fini(&path);
	return status;
}

static const struct verb verbs[] = {
	{ NULL,
	  NULL,
	  0,
	  0,
	  run,
	  "What was used, and what it cost.",
	  { OPTION_BY, OPTION_FROM_DAY, OPTION_TO_DAY, OPTION_OF_SESSION, OPTION_PROJECT,
	    OPTION_USED_BY, OPTION_JSON, OPTION_URL, OPTION_KEY } },
};

const struct verb_group verbs_usage = {
	.command = "usage",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.notes = "Where no price of a model is known its tokens are unpriced, and not in USD.\n",
};

int command_usage(int argc, char **argv)
{
	return verb_main("usage", argc, argv);
}
