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

static const char task_usage[] =
	"usage: fairlead task run [--repo URL|PATH] [--branch B] [--commit C] [--label K=V]...\n"
	"                         [--env K=V]... [--prompt TEXT] [--timeout SECONDS] [--pty]\n"
	"                         [--count N] [--deliver branch|patch] [--detach] [--json]\n"
	"                         [--after ID] [--not-before TIME] [--deadline TIME]\n"
	"                         [--priority 0-9] [--attempts N] [--concurrency KEY]\n"
	"                         [--needs LABEL]... [--prefers LABEL]...\n"
	"                         [--url URL] [--key KEY] -- COMMAND [ARG]...\n"
	"\n"
	"Runs COMMAND in a workspace prepared from the repository (an empty one without --repo)\n"
	"and shows what happens. Ctrl-C detaches, twice cancels. Exits with the command's code.\n"
	"--detach prints the session ids and returns at once.\n"
	"--after waits for a session or task to end; times are as in 2026-01-31T12:00:00Z; of the\n"
	"sessions with the same --concurrency key one runs at a time; --needs and --prefers name\n"
	"labels of workers.\n";

static int usage(FILE *to, int status)
{
	(void)fputs(task_usage, to);
	return status;
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
			return usage(stderr, EXIT_USAGE);
		}
		if (!task_options_take(o, c)) {
			return EXIT_USAGE;
		}
	}
	o->argv = argv + optind;
	o->argc = argc - optind;
	if (o->argc == 0) {
		(void)fprintf(stderr,
		              "fairlead task run: say what to run: -- COMMAND [ARG]...\n\n");
		return usage(stderr, EXIT_USAGE);
	}
	return EXIT_DONE;
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
