/* `fairlead webhook ...`: servers that are told what happens, and what they were told. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/id.h"
#include "cli/client.h"
#include "cli/client_around.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "json/write.h"

enum { PATH_SIZE = 512, BODY_SIZE = 16 * 1024 };

#define HOOKS "/api/v1/webhooks"

struct columns {
	const struct column *items;
	size_t count;
};

static const struct column hook_columns[] = {
	{ "WEBHOOK", "id" },        { "NAME", "name" },     { "STATE", "state" },
	{ "EVENTS", "events" },     { "URL", "url" },       { "PROJECT", "projectId" },
	{ "FAILURES", "failures" }, { "REASON", "reason" }, { NULL, "failingSince" },
	{ NULL, "secret" },         { NULL, "createdBy" },  { NULL, "createdAt" },
	{ NULL, "updatedAt" },
};
static const struct columns hooks = { hook_columns, ARRAY_LEN(hook_columns) };

static const struct column message_columns[] = {
	{ "MESSAGE", "id" },        { "TYPE", "type" },     { "STATE", "state" },
	{ "TRIES", "attempts" },    { "STATUS", "status" }, { "ERROR", "error" },
	{ "SESSION", "sessionId" }, { "AT", "at" },         { "NEXT", "nextAttemptAt" },
};
static const struct columns messages = { message_columns, ARRAY_LEN(message_columns) };

static const struct column count_columns[] = { { "REDRIVEN", "redriven" } };
static const struct columns counts = { count_columns, ARRAY_LEN(count_columns) };

static const struct column test_columns[] = { { "MESSAGE", "messageId" } };
static const struct columns tests = { test_columns, ARRAY_LEN(test_columns) };

static void show_columns(struct str json, const void *arg)
{
	const struct columns *columns = arg;

	if (json.n > 0) {
		table_print(json, columns->items, columns->count);
	}
}

static int ask(const struct call *call, const struct client_ask *asked,
               const struct columns *columns)
{
	return client_print(call, call->host, asked, show_columns, columns);
}

/* What is not of a name's letters goes nowhere in a path. */
static bool is_name(const char *word)
{
	return word[0] != '\0' && strspn(word, "0123456789abcdefghijklmnopqrstuvwxyz"
	                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(word);
}

/* Asks for before + the first word + after. */
static int ask_of(struct call *call, const char *method, const char *before, const char *after,
                  const struct columns *columns)
{
	struct client_ask asked = { .method = method };
	char path[PATH_SIZE];

	if (!is_name(call->words[0])) {
		return call_misused(call);
	}
	(void)snprintf(path, sizeof(path), "%s/%s%s", before, call->words[0], after);
	asked.path = path;
	return ask(call, &asked, columns);
}

static int run_list(struct call *call)
{
	return ask(call, &(struct client_ask){ .method = "GET", .path = HOOKS }, &hooks);
}

static int run_create(struct call *call)
{
	const struct said *events = &call->said[OPTION_EVENT];
	const char *name = call_text(call, OPTION_NAME), *project = call_text(call, OPTION_PROJECT);
	struct client_ask asked = { .method = "POST", .path = HOOKS };
	const struct id key = id_new();
	struct buf body;
	struct jsonw w;
	int status;

	buf_init(&body, BODY_SIZE);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "url", call->words[0]);
	jsonw_array(&w, "events");
	for (size_t i = 0; i < events->count; i++) {
		jsonw_cstr(&w, NULL, events->values[i]);
	}
	if (events->count == 0) {
		jsonw_cstr(&w, NULL, "*");
	}
	jsonw_end_array(&w);
	if (name != NULL) {
		jsonw_cstr(&w, "name", name);
	}
	if (project != NULL) {
		jsonw_cstr(&w, "projectId", project);
	}
	jsonw_end_object(&w);
	asked.body = buf_str(&body);
	asked.idempotency_key = key.s;
	status = ask(call, &asked, &hooks);
	buf_fini(&body);
	return status;
}

static int run_rm(struct call *call)
{
	return ask_of(call, "DELETE", HOOKS, "", &hooks);
}

static int run_pause(struct call *call)
{
	return ask_of(call, "POST", HOOKS, "/pause", &hooks);
}

static int run_resume(struct call *call)
{
	return ask_of(call, "POST", HOOKS, "/resume", &hooks);
}

static int run_rotate(struct call *call)
{
	return ask_of(call, "POST", HOOKS, "/rotate", &hooks);
}

static int run_test(struct call *call)
{
	return ask_of(call, "POST", HOOKS, "/test", &tests);
}

static int run_task_secret(struct call *call)
{
	return ask(call,
	           &(struct client_ask){ .method = "POST",
	                                 .path = "/api/v1/webhook-task-secret/rotate" },
	           &hooks);
}

static int run_log(struct call *call)
{
	const char *webhook = call_text(call, OPTION_OF_WEBHOOK);
	const char *session = call_text(call, OPTION_OF_SESSION);
	struct client_ask asked = { .method = "GET" };
	char path[PATH_SIZE];

	if ((webhook != NULL && !is_name(webhook)) || (session != NULL && !is_name(session))) {
		return call_misused(call);
	}
	(void)snprintf(path, sizeof(path), "/api/v1/webhook-messages?perPage=100%s%s%s%s%s",
	               call_has(call, OPTION_DEAD) ? "&state=dead" : "",
	               webhook != NULL ? "&webhook=" : "", webhook != NULL ? webhook : "",
	               session != NULL ? "&session=" : "", session != NULL ? session : "");
	asked.path = path;
	return ask(call, &asked, &messages);
}

static int redrive_dead(struct call *call)
{
	const char *webhook = call_text(call, OPTION_OF_WEBHOOK);
	struct client_ask asked = { .method = "POST", .path = "/api/v1/webhook-messages/redrive" };
	struct buf body;
	struct jsonw w;
	int status;

	buf_init(&body, BODY_SIZE);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	if (webhook != NULL) {
		jsonw_cstr(&w, "webhookId", webhook);
	}
	jsonw_end_object(&w);
	asked.body = buf_str(&body);
	status = ask(call, &asked, &counts);
	buf_fini(&body);
	return status;
}

static int run_redrive(struct call *call)
{
	return call->word_count > 0
	               ? ask_of(call, "POST", "/api/v1/webhook-messages", "/redrive", &counts)
	               : redrive_dead(call);
}

#define AT_SERVER OPTION_JSON, OPTION_URL, OPTION_KEY

static const struct verb verbs[] = {
	{ "create",
	  "URL",
	  1,
	  1,
	  run_create,
	  "Have a server told what happens from now on; what signs it is shown once.",
	  { OPTION_EVENT, OPTION_NAME, OPTION_PROJECT, AT_SERVER } },
	{ "list", NULL, 0, 0, run_list, "Who is told what.", { AT_SERVER } },
	{ "rm", "ID", 1, 1, run_rm, "Remove it, and its messages.", { AT_SERVER } },
	{ "pause", "ID", 1, 1, run_pause, "Tell it nothing.", { AT_SERVER } },
	{ "resume",
	  "ID",
	  1,
	  1,
	  run_resume,
	  "Tell it what happens again, also after it was disabled.",
	  { AT_SERVER } },
	{ "rotate",
	  "ID",
	  1,
	  1,
	  run_rotate,
	  "Give it a new secret, shown once; the one before signs too for a day.",
	  { AT_SERVER } },
	{ "test", "ID", 1, 1, run_test, "Send it a message to try it out.", { AT_SERVER } },
	{ "task-secret",
	  NULL,
	  0,
	  0,
	  run_task_secret,
	  "A new secret for the webhooks that tasks name, shown once; the one before signs too for "
	  "a "
	  "day.",
	  { AT_SERVER } },
	{ "log",
	  NULL,
	  0,
	  0,
	  run_log,
	  "What was told, and how it went.",
	  { OPTION_OF_WEBHOOK, OPTION_OF_SESSION, OPTION_DEAD, AT_SERVER } },
	{ "redrive",
	  "[MESSAGE]",
	  0,
	  1,
	  run_redrive,
	  "Tell it again: one message, or the oldest dead letters.",
	  { OPTION_OF_WEBHOOK, AT_SERVER } },
};

const struct verb_group verbs_webhook = {
	.command = "webhook",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = client_around,
};

int command_webhook(int argc, char **argv)
{
	return verb_main("webhook", argc, argv);
}
