/* `fairlead completion`. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/verb.h"
#include "cli_text_gen.h"

enum { MADE_MAX = 1024 * 1024 };

const char completion_usage[] =
	"usage: fairlead completion bash\n\n"
	"Load it with: source <(fairlead completion bash)\n"
	"zsh: autoload -U +X bashcompinit && bashcompinit, then the same.\n";

static const struct {
	const char *names, *usage;
} written[] = {
	/* those without a table */
	{ "up", up_usage },
	{ "status, fairlead down", status_usage },
	{ "task", task_usage },
	{ "schedule", schedule_usage },
	{ "migrate", migrate_usage },
	{ "health", health_usage },
	{ "completion", completion_usage },
};

static void document(struct buf *out)
{
	buf_add_cstr(out, "# Commands\n\nMade from the tables of `cli/` by `tools/docs-update`. "
	                  "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
	                  "`fairlead task run` ends with the command's own.\n");
	for (size_t i = 0; i < ARRAY_LEN(written); i++) {
		buf_addf(out, "\n## fairlead %s\n\n```\n%s```\n", written[i].names,
		         written[i].usage);
	}
	verb_document(out);
}

/* Words for the script, and for docs/cli.md: made from the tables. */
static int print_made(int argc, char **argv)
{
	struct buf out;

	buf_init(&out, MADE_MAX);
	if (strcmp(argv[1], "markdown") == 0) {
		document(&out);
	} else {
		verb_complete(argc - 2, argv + 2, &out);
	}
	(void)fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	return EXIT_DONE;
}

int command_completion(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "bash") == 0) {
		(void)fputs(cli_text_texts[CLI_TEXT_COMPLETION].text, stdout);
		return EXIT_DONE;
	}
	if (argc >= 2 && (strcmp(argv[1], "words") == 0 || strcmp(argv[1], "markdown") == 0)) {
		return print_made(argc, argv);
	}
	(void)fputs(completion_usage,
	            argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
	return argc == 2 && strcmp(argv[1], "--help") == 0 ? EXIT_DONE : EXIT_USAGE;
}
