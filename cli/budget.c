/* `fairlead budget ...`: what a tenant, its projects and its users may use. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/client.h"
#include "cli/client_around.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "json/write.h"

enum { BUDGET_BYTES = 4096 };

static const struct column columns[] = {
	{ "KIND", "kind" },       { "NAME", "name" },       { "PERIOD", "period" },
	{ "LEVEL", "level" },     { "USD", "usd" },         { "SOFT", "softUsd" },
	{ "HARD", "hardUsd" },    { "TOKENS", "tokens" },   { "SOFT", "softTokens" },
	{ "HARD", "hardTokens" }, { "UNTIL", "periodEnd" },
};

static void show(struct str json, const void *arg)
{
	(void)arg;
	if (json.n == 0) {
		(void)printf("deleted\n");
	} else {
		table_print(json, columns, ARRAY_LEN(columns));
	}
}

static int ask(const struct call *call, const struct client_ask *asked)
{
	return client_show(call, asked, show, NULL);
}

static int run_list(struct call *call)
{
	return ask(call, &(struct client_ask){ .method = "GET", .path = "/api/v1/budgets" });
}

/* KIND NAME PERIOD as a path; a user's name is any text. */
static void make_path(const struct call *call, struct buf *path)
{
	buf_init(path, BUDGET_BYTES);
	buf_add_cstr(path, "/api/v1/budgets");
	for (int i = 0; i < 3; i++) {
		buf_add_char(path, '/');
		for (const char *p = call->words[i]; *p != '\0'; p++) {
			unsigned char c = (unsigned char)*p;
			bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			             (c >= '0' && c <= '9') || c == '-' || c == '_';

			buf_addf(path, plain ? "%c" : "%%%02X", c);
		}
	}
}

/* The server says what is wrong with a number. */
static void add_number(const struct call *call, struct jsonw *w, enum option_id option,
                       const char *name)
{
	const char *text = call_text(call, option);

	if (text != NULL && text[0] != '\0' && strspn(text, "0123456789.") == strlen(text)) {
		jsonw_raw(w, name, str_of(text));
	} else if (text != NULL) {
		jsonw_cstr(w, name, text);
	}
}

static int run_set(struct call *call)
{
	struct buf path, body;
	struct jsonw w;
	int status;

	make_path(call, &path);
	buf_init(&body, BUDGET_BYTES);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	add_number(call, &w, OPTION_SOFT_USD, "softUsd");
	add_number(call, &w, OPTION_HARD_USD, "hardUsd");
	add_number(call, &w, OPTION_SOFT_TOKENS, "softTokens");
	add_number(call, &w, OPTION_HARD_TOKENS, "hardTokens");
	jsonw_end_object(&w);
	if (buf_failed(&path) || buf_failed(&body)) {
		(void)fprintf(stderr, "fairlead: that is too long\n");
		status = EXIT_USAGE;
	} else {
		status = ask(call, &(struct client_ask){ .method = "PUT",
		                                         .path = buf_cstr(&path),
		                                         .body = buf_str(&body) });
	}
	buf_fini(&path);
	buf_fini(&body);
	return status;
}

static int run_delete(struct call *call)
{
	struct buf path;
	int status;

	make_path(call, &path);
	if (buf_failed(&path)) {
		(void)fprintf(stderr, "fairlead: that is too long\n");
		status = EXIT_USAGE;
	} else {
		status = ask(call,
		             &(struct client_ask){ .method = "DELETE", .path = buf_cstr(&path) });
	}
	buf_fini(&path);
	return status;
}

#define AT_SERVER OPTION_JSON, OPTION_URL, OPTION_KEY

static const struct verb verbs[] = {
	{ "list", NULL, 0, 0, run_list, "All of them, and what is used.", { AT_SERVER } },
	{ "set",
	  "KIND NAME PERIOD",
	  3,
	  3,
	  run_set,
	  "What it may use; a limit that is not said is none.",
	  { OPTION_SOFT_USD, OPTION_HARD_USD, OPTION_SOFT_TOKENS, OPTION_HARD_TOKENS, AT_SERVER } },
	{ "delete", "KIND NAME PERIOD", 3, 3, run_delete, "It has no limits.", { AT_SERVER } },
};

const struct verb_group verbs_budget = {
	.command = "budget",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.notes = "KIND is tenant, project or user; NAME the id of your tenant, a project, or the "
		 "owner of keys;\nPERIOD is day or month (UTC), or total. At a hard limit no "
		 "session of it starts.\n",
};

int command_budget(int argc, char **argv)
{
	return verb_main("budget", argc, argv);
}
