/* `fairlead login` and `fairlead completion`. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/verb.h"
#include "cli_text_gen.h"

static const char login_usage[] =
	"usage: fairlead login --key KEY [--url URL]\n"
	"\n"
	"Checks the key at the server and remembers both for the other commands.\n"
	"KEY may be - to read it from standard input.\n";

static bool read_key(char *out, size_t size)
{
	if (fgets(out, (int)size, stdin) == NULL) {
		return false;
	}
	out[strcspn(out, "\r\n")] = '\0';
	return out[0] != '\0';
}

static enum err_code check_and_save(const char *url, const char *key, struct client *client,
                                    struct err *err)
{
	static const struct client_ask ask = { .method = "GET",
		                               .path = "/api/v1/sessions?perPage=1" };
	struct client_reply reply;
	enum err_code code = client_open(client, url, key, err);

	if (code != ERR_OK) {
		return code;
	}
	code = client_request(client, &ask, &reply, err);
	if (code == ERR_OK && reply.status != 200) {
		code = client_problem(&reply, err);
	}
	client_reply_fini(&reply);
	if (code == ERR_OK) {
		code = client_save_login(client->url, client->key, err);
	}
	client_close(client);
	return code;
}

int command_login(int argc, char **argv)
{
	static const struct option known[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "key", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *url = NULL, *key = NULL;
	char typed[CLIENT_KEY_MAX];
	struct client client;
	struct err err;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'u': url = optarg; break;
		case 'k': key = optarg; break;
		case 'h': (void)fputs(login_usage, stdout); return EXIT_DONE;
		default: (void)fputs(login_usage, stderr); return EXIT_USAGE;
		}
	}
	if (key != NULL && strcmp(key, "-") == 0) {
		key = read_key(typed, sizeof(typed)) ? typed : NULL;
	}
	if (key == NULL || optind != argc) {
		(void)fputs(login_usage, stderr);
		return EXIT_USAGE;
	}
	if (check_and_save(url, key, &client, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	(void)printf("logged in to %s\n", client.url);
	return EXIT_DONE;
}

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
