/* `fairlead completion`. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/verb.h"
#include "cli_text_gen.h"

enum { MADE_MAX = 1024 * 1024 };

/* Words for the script, and for docs/cli.md: made from the tables. */
static int print_made(int argc, char **argv)
{
	struct buf out;

	buf_init(&out, MADE_MAX);
	if (strcmp(argv[1], "markdown") == 0) {
		verb_document(&out);
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
	(void)fputs("usage: fairlead completion bash\n\n"
	            "Load it with: source <(fairlead completion bash)\n"
	            "zsh: autoload -U +X bashcompinit && bashcompinit, then the same.\n",
	            argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
	return argc == 2 && strcmp(argv[1], "--help") == 0 ? EXIT_DONE : EXIT_USAGE;
}
