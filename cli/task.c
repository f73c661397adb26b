/* `fairlead task run`: submit a command as a task and follow it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/id.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/task_options.h"
#include "cli/watch.h"
#include "json/value.h"

const char task_usage[] =
	"usage: fairlead task run [OPTION]... -- COMMAND [ARG]...\n"
	"       fairlead task run --agent TYPE [OPTION]... -- TEXT...\n"
	"\n"
	"Runs COMMAND, or has an agent do what TEXT says, in a workspace of its own, and shows\n"
	"what happens. Ctrl-C detaches, twice cancels. Exits with the command's code.\n"
	"\n"
	"  --repo URL|PATH          what is in the workspace; unless given, nothing\n"
	"  --branch B, --commit C   where it begins\n"
	"  --deliver branch|patch   how the work is handed over\n"
	"  --agent TYPE             claude-code, codex, gemini or opencode; of acp and agent-sdk\n"
	"                           COMMAND is the program, and --prompt says what to do\n"
	"  --model M, --mode M      as the agent names them\n"
	"  --config JSON            for the agent's adapter: docs/adapters.md\n"
	"  --interactive            it waits for further prompts until it is stopped\n"
	"  --secret NAME            it gets this secret, by name; may be said again\n"
	"  --env NAME=VALUE         a variable; may be said again\n"
	"  --prompt TEXT            what it is about\n"
	"  --sandbox S              read-only, workspace-write or none, where the worker allows "
	"it\n"
	"  --pty                    the command gets a terminal\n"
	"  --timeout SECONDS        then it has failed\n"
	"  --count N                so many sessions of the same\n"
	"  --label NAME=VALUE       a label of the task; may be said again\n"
	"  --after ID               when this session or task has ended\n"
	"  --not-before TIME        as 2026-01-31T12:00:00Z\n"
	"  --deadline TIME          not started by then it fails, running it is stopped\n"
	"  --priority 0-9           9 is first; unless given, 5\n"
	"  --attempts N             how often it is tried\n"
	"  --concurrency KEY        of the sessions with the same one runs at a time\n"
	"  --needs LABEL            only workers with this label; may be said again\n"
	"  --prefers LABEL          such workers first; may be said again\n"
	"  --detach                 print the ids of the sessions and return at once\n"
	"  --json                   print JSON, for programs\n"
	"  --url URL, --key KEY     the server and the key\n";

static int usage(FILE *to, int status)
{
	(void)fputs(task_usage, to);
	return status;
}

/* What is wrong was said; a page of options would hide it. */
static int wrong(void)
{
	(void)fputs("fairlead task run --help says more\n", stderr);
	return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct task_options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "+", task_options_known, NULL)) != -1) {
		if (c == 'h') {
			(void)usage(stdout, EXIT_DONE);
			return -1;
		}
		if (c == '?') {
			return wrong();
		}
		if (!task_options_take(o, c)) {
			return EXIT_USAGE;
		}
	}
	o->argv = argv + optind;
	o->argc = argc - optind;
	return task_options_check(o, "fairlead task run") ? EXIT_DONE : wrong();
}

static enum err_code submit(struct client *client, const struct task_options *o,
                            struct client_reply *reply, struct err *err)
{
	const struct id key = id_new();
	struct client_ask ask = { .method = "POST",
		                  .path = "/api/v1/tasks",
		                  .idempotency_key = key.s };
	struct buf body;
	enum err_code code;

	buf_init(&body, TASK_BODY_MAX);
	task_options_write(o, &body);
	if (buf_failed(&body)) {
		buf_init(&reply->body, 0);
		buf_fini(&body);
		return err_set(err, ERR_TOO_LARGE, "the command line is too long");
	}
	ask.body = buf_str(&body);
	code = client_request(client, &ask, reply, err);
	buf_fini(&body);
	if (code == ERR_OK && reply->status != 201) {
		return client_problem(reply, err);
	}
	return code;
}

/* Follow the first session; of several the rest is only named. */
static int follow(struct client *client, const struct task_options *o,
                  const struct json_value *task)
{
	const struct json_value *ids = json_get(task, "session_ids");
	struct watch_options options = { .json = o->json, .cancel_on_second = true };
	char session[ID_LEN + 1];

	if (!str_copy(session, sizeof(session), json_as_str(json_at(ids, 0)))) {
		(void)fprintf(stderr, "fairlead: the server's answer has no session\n");
		return EXIT_FAILED;
	}
	for (size_t i = 1; i < json_count(ids); i++) {
		(void)fprintf(stderr, "also: fairlead session watch %" STR_FMT "\n",
		              STR_ARG(json_as_str(json_at(ids, i))));
	}
	if (!o->json) {
		(void)fprintf(stderr, "session %s\n", session);
	}
	options.session = session;
	return watch(client, &options);
}

static int run(struct client *client, const struct task_options *o)
{
	struct client_reply reply;
	struct err err;
	int status = EXIT_FAILED;

	if (submit(client, o, &reply, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
	} else {
		struct json_value *task = json_parse(buf_str(&reply.body), &err);
		const struct json_value *ids = json_get(task, "session_ids");

		if (!o->detach) {
			status = follow(client, o, task);
		} else if (o->json) {
			render_text(stdout, buf_str(&reply.body));
			(void)putchar('\n');
			status = EXIT_DONE;
		} else {
			for (size_t i = 0; i < json_count(ids); i++) {
				(void)printf("%" STR_FMT "\n",
				             STR_ARG(json_as_str(json_at(ids, i))));
			}
			status = EXIT_DONE;
		}
		json_value_free(task);
	}
	client_reply_fini(&reply);
	return status;
}

int command_task(int argc, char **argv)
{
	struct task_options options = { .repo = NULL };
	struct client client;
	struct err err;
	int status;

	if (argc < 2 || strcmp(argv[1], "run") != 0) {
		bool help = argc > 1 && strcmp(argv[1], "--help") == 0;

		if (argc > 1 && !help) {
			(void)fprintf(stderr, "fairlead task: there is no \"%s\"\n\n", argv[1]);
		}
		return usage(help ? stdout : stderr, help ? EXIT_DONE : EXIT_USAGE);
	}
	argv[1] = argv[0];
	status = parse(argc - 1, argv + 1, &options);
	if (status != EXIT_DONE) {
		return status < 0 ? EXIT_DONE : status;
	}
	if (client_open(&client, options.url, options.key, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	status = run(&client, &options);
	client_close(&client);
	return status;
}
