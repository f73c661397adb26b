/* `fairlead secret ...`: what agents get by name. A value comes from standard input or a file,
 * never from the command line, where every user of the machine could read it. */
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

enum { PATH_SIZE = 1024, VALUE_MAX = 16 * 1024 };

static const struct column columns[] = {
	{ "SECRET", "name" },  { "PROJECT", "project" },      { "SET", "updatedAt" },
	{ "BY", "updatedBy" }, { "LAST USED", "lastUsedAt" }, { NULL, "createdBy" },
	{ NULL, "createdAt" },
};

static void show_secrets(struct str json, const void *arg)
{
	(void)arg;
	table_print(json, columns, ARRAY_LEN(columns));
}

static int ask(const struct call *call, const struct client_ask *asked)
{
	return client_print(call, call->host, asked,
	                    strcmp(asked->method, "GET") == 0 ? show_secrets : NULL, NULL);
}

static void add_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';

		buf_addf(out, plain ? "%c" : "%%%02X", c);
	}
}

static void add_query(struct buf *path, const char *name, const char *value)
{
	if (value != NULL) {
		buf_addf(path, "%c%s=", memchr(path->data, '?', path->len) != NULL ? '&' : '?',
		         name);
		add_escaped(path, value);
	}
}

static int run_list(struct call *call)
{
	struct client_ask asked = { .method = "GET" };
	struct buf path;
	int status;

	buf_init(&path, PATH_SIZE);
	buf_add_cstr(&path, "/api/v1/secrets");
	add_query(&path, "project", call_text(call, OPTION_PROJECT));
	add_query(&path, "perPage", call_text(call, OPTION_PAGE));
	asked.path = buf_cstr(&path);
	status = ask(call, &asked);
	buf_fini(&path);
	return status;
}

/* The value as it is there, but for one line break at its end. */
static bool read_value(const char *file, struct buf *out)
{
	FILE *in = file == NULL || strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char chunk[4096];
	size_t n;

	if (in == NULL) {
		(void)fprintf(stderr, "fairlead: %s cannot be read\n", file);
		return false;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0) {
		buf_add(out, chunk, n);
	}
	if (in != stdin) {
		(void)fclose(in);
	}
	if (out->len > 0 && out->data[out->len - 1] == '\n') {
		out->len--;
	}
	if (buf_failed(out) || out->len == 0) {
		(void)fprintf(stderr, "fairlead: a secret has 8 to %d bytes\n", VALUE_MAX);
		return false;
	}
	return true;
}

static int run_set(struct call *call)
{
	struct client_ask asked = { .method = "PUT" };
	const char *project = call_text(call, OPTION_PROJECT);
	struct buf path, value, body;
	int status = EXIT_USAGE;
	struct jsonw w;

	buf_init(&path, PATH_SIZE);
	buf_init(&value, VALUE_MAX + 1);
	buf_init(&body, (size_t)8 * VALUE_MAX);
	buf_add_cstr(&path, "/api/v1/secrets/");
	add_escaped(&path, call->words[0]);
	if (read_value(call_text(call, OPTION_FROM_FILE), &value)) {
		jsonw_init(&w, &body);
		jsonw_object(&w, NULL);
		jsonw_str(&w, "value", buf_str(&value));
		if (project != NULL) {
			jsonw_cstr(&w, "project", project);
		}
		jsonw_end_object(&w);
		asked.path = buf_cstr(&path);
		asked.body = buf_str(&body);
		status = ask(call, &asked);
	}
	buf_fini(&path);
	buf_fini(&value);
	buf_fini(&body);
	return status;
}

static int run_rm(struct call *call)
{
	struct client_ask asked = { .method = "DELETE" };
	struct buf path;
	int status;

	buf_init(&path, PATH_SIZE);
	buf_add_cstr(&path, "/api/v1/secrets/");
	add_escaped(&path, call->words[0]);
	add_query(&path, "project", call_text(call, OPTION_PROJECT));
	asked.path = buf_cstr(&path);
	status = ask(call, &asked);
	buf_fini(&path);
	return status;
}

#define AT_SERVER OPTION_JSON, OPTION_URL, OPTION_KEY

static const struct verb verbs[] = {
	{ "set",
	  "NAME",
	  1,
	  1,
	  run_set,
	  "Set it, from standard input or a file.",
	  { OPTION_FROM_FILE, OPTION_PROJECT, AT_SERVER } },
	{ "list",
	  NULL,
	  0,
	  0,
	  run_list,
	  "Which there are; their values are never shown.",
	  { OPTION_PROJECT, OPTION_PAGE, AT_SERVER } },
	{ "rm", "NAME", 1, 1, run_rm, "Remove it.", { OPTION_PROJECT, AT_SERVER } },
};

const struct verb_group verbs_secret = {
	.command = "secret",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = client_around,
	.notes = "A value is never an argument: `fairlead secret set NAME < FILE`.\n",
};

int command_secret(int argc, char **argv)
{
	return verb_main("secret", argc, argv);
}
