/* `fairlead approval ...`, `approvals`, `approve` and `deny`: what agents ask people, and the rules
 * that answer for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/id.h"
#include "cli/client.h"
#include "cli/client_around.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "json/value.h"
#include "json/write.h"

enum { PATH_SIZE = 1024, INPUT_MAX = 64 * 1024 };

/* ---- asking the server ---- */

struct question {
	const char *method;
	struct buf path, body;
	const struct column *columns; /* NULL: nothing is shown */
	size_t column_count;
};

static struct question question_init(const char *method, const char *path)
{
	struct question q = { .method = method };

	buf_init(&q.path, PATH_SIZE);
	buf_init(&q.body, (size_t)2 * INPUT_MAX);
	buf_add_cstr(&q.path, path);
	return q;
}

static void add_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == ',';

		buf_addf(out, plain ? "%c" : "%%%02X", c);
	}
}

static void add_query(struct question *q, const char *name, const char *value)
{
	if (value != NULL) {
		buf_addf(&q->path,
		         "%c%s=", memchr(q->path.data, '?', q->path.len) != NULL ? '&' : '?', name);
		add_escaped(&q->path, str_of(value));
	}
}

/* Its buffers are freed. */
static int put(struct question *q, const struct call *call)
{
	const struct id key = id_new();
	const struct client_ask asked = {
		.method = q->method,
		.path = buf_cstr(&q->path),
		.body = buf_str(&q->body),
		.idempotency_key =
			strcmp(q->method, "POST") == 0 &&
					strcmp(buf_cstr(&q->path), "/api/v1/approval-rules") == 0
				? key.s
				: NULL,
	};
	struct client_reply reply;
	int status = EXIT_DONE;
	struct err err;

	if (buf_failed(&q->path) || buf_failed(&q->body)) {
		(void)fprintf(stderr, "fairlead: that is too long\n");
		status = EXIT_USAGE;
	} else {
		if (client_request(call->host, &asked, &reply, &err) != ERR_OK ||
		    (reply.status >= 400 && client_problem(&reply, &err) != ERR_OK)) {
			status = client_fail(&err);
		} else if (call_has(call, OPTION_JSON) && reply.body.len > 0) {
			render_text(stdout, buf_str(&reply.body));
			(void)putchar('\n');
		} else if (q->columns != NULL) {
			table_print(buf_str(&reply.body), q->columns, q->column_count);
		}
		client_reply_fini(&reply);
	}
	buf_fini(&q->path);
	buf_fini(&q->body);
	return status;
}

#define SHOWN(q, list) ((q).columns = (list), (q).column_count = ARRAY_LEN(list))

/* ---- approvals ---- */

static const struct column list_columns[] = {
	{ "APPROVAL", "id" },   { "STATE", "state" },   { "SESSION", "sessionId" },
	{ "ASKED", "askedAt" }, { "TOOL", "tool" },     { "TITLE", "title" },
	{ NULL, "expiresAt" },  { NULL, "answeredBy" }, { NULL, "answeredAt" },
	{ NULL, "scope" },      { NULL, "ruleId" },
};

static int run_list(struct call *call)
{
	const char *state = call_text(call, OPTION_STATUS);
	struct question q = question_init("GET", "/api/v1/approvals");

	add_query(&q, "state", state != NULL ? state : "open");
	add_query(&q, "session", call_text(call, OPTION_OF_SESSION));
	add_query(&q, "project", call_text(call, OPTION_PROJECT));
	add_query(&q, "tool", call_text(call, OPTION_TOOL));
	add_query(&q, "perPage", call_text(call, OPTION_PAGE));
	SHOWN(q, list_columns);
	return put(&q, call);
}

static int run_show(struct call *call)
{
	struct question q = question_init("GET", "/api/v1/approvals/");

	add_escaped(&q.path, str_of(call->words[0]));
	SHOWN(q, list_columns);
	return put(&q, call);
}

/* A file of JSON; "-" is standard input. False: it said why. */
static bool add_input(struct jsonw *w, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	struct json_value *json = NULL;
	struct err err = { .msg = "it cannot be read" };
	struct buf text;
	char *room;
	size_t n;

	buf_init(&text, INPUT_MAX + 1);
	room = buf_reserve(&text, INPUT_MAX);
	if (file != NULL && room != NULL) {
		n = fread(room, 1, INPUT_MAX, file);
		buf_commit(&text, n);
		json = json_parse(buf_str(&text), &err);
	}
	if (json != NULL) {
		jsonw_raw(w, "input", buf_str(&text));
	} else {
		(void)fprintf(stderr, "fairlead: --input %s: %s\n", path, err.msg);
	}
	if (file != NULL && file != stdin) {
		(void)fclose(file);
	}
	buf_fini(&text);
	json_value_free(json);
	return json != NULL;
}

static void add_given(struct jsonw *w, const struct call *call, const char *name,
                      enum option_id option)
{
	if (call_has(call, option)) {
		jsonw_cstr(w, name, call_text(call, option));
	}
}

static int answer(struct call *call, const char *verb)
{
	const char *input = call_text(call, OPTION_INSTEAD);
	struct question q = question_init("POST", "/api/v1/approvals/");
	struct jsonw w;

	if (!call_either(call, OPTION_ALWAYS, OPTION_SESSION_LIFE)) {
		return EXIT_USAGE;
	}
	add_escaped(&q.path, str_of(call->words[0]));
	buf_addf(&q.path, "/%s", verb);
	jsonw_init(&w, &q.body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "scope",
	           call_has(call, OPTION_ALWAYS)         ? "always"
	           : call_has(call, OPTION_SESSION_LIFE) ? "session"
	                                                 : "once");
	add_given(&w, call, "message", OPTION_MESSAGE);
	add_given(&w, call, "option", OPTION_CHOSEN);
	if (call_has(call, OPTION_INTERRUPT)) {
		jsonw_bool(&w, "interrupt", true);
	}
	if (input != NULL && !add_input(&w, input)) {
		buf_fini(&q.path);
		buf_fini(&q.body);
		return EXIT_FAILED;
	}
	jsonw_end_object(&w);
	SHOWN(q, list_columns);
	return put(&q, call);
}

static int run_approve(struct call *call)
{
	return answer(call, "approve");
}

static int run_deny(struct call *call)
{
	return answer(call, "deny");
}

/* ---- rules ---- */

static const struct column rule_columns[] = {
	{ "RULE", "id" },         { "BEHAVIOR", "behavior" }, { "USER", "user" },
	{ "PROJECT", "project" }, { "TOOL", "tool" },         { "COMMAND", "command" },
	{ "PATH", "path" },       { "HOST", "host" },
};

static int run_rules(struct call *call)
{
	struct question q = question_init("GET", "/api/v1/approval-rules");

	add_query(&q, "project", call_text(call, OPTION_PROJECT));
	add_query(&q, "user", call_text(call, OPTION_OF_USER));
	add_query(&q, "perPage", call_text(call, OPTION_PAGE));
	SHOWN(q, rule_columns);
	return put(&q, call);
}

static int run_rule_add(struct call *call)
{
	struct question q = question_init("POST", "/api/v1/approval-rules");
	struct jsonw w;

	jsonw_init(&w, &q.body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "behavior", call->words[0]);
	add_given(&w, call, "tool", OPTION_TOOL);
	add_given(&w, call, "command", OPTION_PREFIX);
	add_given(&w, call, "path", OPTION_FILES);
	add_given(&w, call, "host", OPTION_HOST);
	add_given(&w, call, "project", OPTION_PROJECT);
	add_given(&w, call, "user", OPTION_OF_USER);
	if (call_has(call, OPTION_EVERYBODY)) {
		jsonw_bool(&w, "everybody", true);
	}
	jsonw_end_object(&w);
	SHOWN(q, rule_columns);
	return put(&q, call);
}

static int run_rule_delete(struct call *call)
{
	struct question q = question_init("DELETE", "/api/v1/approval-rules/");

	add_escaped(&q.path, str_of(call->words[0]));
	return put(&q, call);
}

/* ---- the command ---- */

#define AT_SERVER OPTION_JSON, OPTION_URL, OPTION_KEY
#define LISTED                                                                                     \
	{                                                                                          \
		OPTION_STATUS, OPTION_OF_SESSION, OPTION_PROJECT, OPTION_TOOL, OPTION_PAGE,        \
			AT_SERVER                                                                  \
	}
#define ALLOWING                                                                                   \
	{                                                                                          \
		OPTION_ALWAYS, OPTION_SESSION_LIFE, OPTION_INSTEAD, OPTION_MESSAGE, OPTION_CHOSEN, \
			AT_SERVER                                                                  \
	}
#define DENYING                                                                                    \
	{                                                                                          \
		OPTION_ALWAYS, OPTION_SESSION_LIFE, OPTION_MESSAGE, OPTION_CHOSEN,                 \
			OPTION_INTERRUPT, AT_SERVER                                                \
	}

static const struct verb verbs[] = {
	{ "list", NULL, 0, 0, run_list, "What agents ask; the open ones unless --status says else.",
	  LISTED },
	{ "show", "ID", 1, 1, run_show, "One question, and its answer.", { AT_SERVER } },
	{ "approve", "ID", 1, 1, run_approve, "Allow it.", ALLOWING },
	{ "deny", "ID", 1, 1, run_deny, "Deny it.", DENYING },
	{ "rules",
	  NULL,
	  0,
	  0,
	  run_rules,
	  "The rules that answer for people.",
	  { OPTION_PROJECT, OPTION_OF_USER, OPTION_PAGE, AT_SERVER } },
	{ "rule-add",
	  "allow|deny",
	  1,
	  1,
	  run_rule_add,
	  "Have a rule answer from now on.",
	  { OPTION_TOOL, OPTION_PREFIX, OPTION_FILES, OPTION_HOST, OPTION_PROJECT, OPTION_OF_USER,
	    OPTION_EVERYBODY, AT_SERVER } },
	{ "rule-delete", "ID", 1, 1, run_rule_delete, "Have people asked again.", { AT_SERVER } },
};

const struct verb_group verbs_approval = {
	.command = "approval",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = client_around,
	.notes = "`fairlead approvals` is the list, `fairlead approve ID` and `fairlead deny ID` "
		 "are "
		 "the\n"
		 "answers. The first answer stands.\n",
};

int command_approval(int argc, char **argv)
{
	return verb_main("approval", argc, argv);
}

/* ---- the same by one word ---- */

static const struct verb lists[] = {
	{ NULL, NULL, 0, 0, run_list, "What agents ask; the open ones unless --status says else.",
	  LISTED },
};
static const struct verb approves[] = {
	{ NULL, "ID", 1, 1, run_approve, "Allow what an agent asks.", ALLOWING },
};
static const struct verb denies[] = {
	{ NULL, "ID", 1, 1, run_deny, "Deny what an agent asks.", DENYING },
};

const struct verb_group verbs_approvals = {
	.command = "approvals", .verbs = lists, .count = ARRAY_LEN(lists), .around = client_around
};
const struct verb_group verbs_approve = { .command = "approve",
	                                  .verbs = approves,
	                                  .count = ARRAY_LEN(approves),
	                                  .around = client_around };
const struct verb_group verbs_deny = {
	.command = "deny", .verbs = denies, .count = ARRAY_LEN(denies), .around = client_around
};

int command_approvals(int argc, char **argv)
{
	return verb_main("approvals", argc, argv);
}

int command_approve(int argc, char **argv)
{
	return verb_main("approve", argc, argv);
}

int command_deny(int argc, char **argv)
{
	return verb_main("deny", argc, argv);
}
