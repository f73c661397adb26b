/* `fairlead agent ...`: for scripts that are agents. Speaks to the worker on FAIRLEAD_AGENT_SOCKET
 * (docs/agents.md). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/render.h"
#include "json/value.h"
#include "json/write.h"

enum { LINE_MAX_BYTES = 64 * 1024, CHUNK = 4096, EXIT_DENIED = 3, OPTIONS_MAX = 16 };

struct agent_options {
	const char *description, *input, *key, *timeout, *seconds, *until;
	const char *options[OPTIONS_MAX];
	size_t option_count;
	bool limit, json;
};

static const char agent_usage[] =
	"usage: fairlead agent ask TITLE [--description TEXT] [--input JSON] [--option NAME]...\n"
	"                          [--key KEY] [--timeout SECONDS]\n"
	"       fairlead agent wait --seconds N | --until TIME [--limit]\n"
	"       fairlead agent wait-session ID [--timeout SECONDS]\n"
	"       fairlead agent note TEXT...\n"
	"       fairlead agent progress PERCENT [STAGE...]\n"
	"\n"
	"For agents: each speaks to the worker that runs them and waits for its answer; while an\n"
	"agent does nothing but wait, others have its slot. --json prints the whole answer.\n"
	"ask ends with 0 when it is allowed and 3 when it is denied.\n";

/* ---- the socket ---- */

/* Through its directory: the path may be longer than an address. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *slash = strrchr(path, '/');
	char folder[4096];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir, n;

	if (slash == NULL ||
	    !str_copy(folder, sizeof(folder), str_make(path, (size_t)(slash - path) + 1))) {
		errno = EINVAL;
		return -1;
	}
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	n = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d%s", dir, slash);
	if (fd < 0 || dir < 0 || n < 0 || (size_t)n >= sizeof(address.sun_path) ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		return -1;
	}
	(void)close(dir);
	return fd;
}

static bool send_all(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		if (n > 0) {
			bytes.p += n;
			bytes.n -= (size_t)n;
		}
	}
	return true;
}

/* One line; false when there is none. */
static bool receive(int fd, struct buf *out)
{
	char chunk[CHUNK];
	ssize_t n;

	while (out->len == 0 || out->data[out->len - 1] != '\n') {
		n = recv(fd, chunk, sizeof(chunk), 0);
		if (n == 0 || (n < 0 && errno != EINTR)) {
			return false;
		}
		buf_add(out, chunk, n > 0 ? (size_t)n : 0);
		if (buf_failed(out)) {
			return false;
		}
	}
	return true;
}

static bool exchange(struct buf *line, struct buf *answer)
{
	const char *path = getenv("FAIRLEAD_AGENT_SOCKET");
	int fd;
	bool ok;

	if (path == NULL || path[0] == '\0') {
		(void)fprintf(stderr, "fairlead: FAIRLEAD_AGENT_SOCKET is not set: this is for "
		                      "agents that a worker runs\n");
		return false;
	}
	fd = connect_to(path);
	if (fd < 0) {
		(void)fprintf(stderr, "fairlead: %s: %s\n", path, strerror(errno));
		return false;
	}
	buf_add_char(line, '\n');
	ok = !buf_failed(line) && send_all(fd, buf_str(line)) && receive(fd, answer);
	(void)close(fd);
	if (!ok) {
		(void)fprintf(stderr, "fairlead: the worker did not answer\n");
	}
	return ok;
}

/* ---- answers ---- */

static int show(const struct json_value *json, bool quiet)
{
	static const char *const members[] = { "behavior", "state" };
	struct str error = json_as_str(json_get(json, "error"));

	if (!json_as_bool(json_get(json, "ok"))) {
		(void)fprintf(stderr, "fairlead: %" STR_FMT "\n", STR_ARG(error));
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct str value = json_as_str(json_get(json, members[i]));

		if (value.n > 0 && !quiet) {
			render_text(stdout, value);
			(void)putchar('\n');
		}
	}
	return EXIT_DONE;
}

/* What is asked; line is freed. */
static int ask(struct buf *line, const struct agent_options *o)
{
	struct buf answer;
	int status = EXIT_FAILED;

	buf_init(&answer, (size_t)2 * LINE_MAX_BYTES);
	if (exchange(line, &answer)) {
		struct err err;
		struct json_value *json = json_parse(buf_str(&answer), &err);

		status = show(json, o->json);
		if (o->json) {
			render_text(stdout, buf_str(&answer));
		}
		if (str_eq(json_as_str(json_get(json, "behavior")), STR_LIT("deny"))) {
			status = EXIT_DENIED;
		}
		json_value_free(json);
	}
	buf_fini(&answer);
	buf_fini(line);
	return status;
}

/* ---- each of them ---- */

static struct jsonw begin(struct buf *line, const char *op)
{
	struct jsonw w;

	buf_init(line, LINE_MAX_BYTES);
	jsonw_init(&w, line);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "op", op);
	return w;
}

/* False: it is no number; line is freed. */
static bool add_number(struct jsonw *w, const char *name, const char *text)
{
	uint64_t n;

	if (text == NULL) {
		return true;
	}
	if (!parse_u64(str_of(text), UINT32_MAX, &n)) {
		(void)fprintf(stderr, "fairlead: %s must be a whole number\n", text);
		buf_fini(w->out);
		return false;
	}
	jsonw_u64(w, name, n);
	return true;
}

static bool add_input(struct jsonw *w, const char *text)
{
	struct err err;
	struct json_value *json = text != NULL ? json_parse(str_of(text), &err) : NULL;

	if (text != NULL && json == NULL) {
		(void)fprintf(stderr, "fairlead: --input %s\n", err.msg);
		buf_fini(w->out);
		return false;
	}
	if (json != NULL) {
		jsonw_raw(w, "input", str_of(text));
	}
	json_value_free(json);
	return true;
}

static int run_ask(const struct agent_options *o, const char *first, const char *text)
{
	struct buf line;
	struct jsonw w = begin(&line, "permission_request");

	(void)first;
	jsonw_cstr(&w, "title", text);
	if (o->description != NULL) {
		jsonw_cstr(&w, "description", o->description);
	}
	if (o->key != NULL) {
		jsonw_cstr(&w, "key", o->key);
	}
	if (o->option_count > 0) {
		jsonw_array(&w, "options");
		for (size_t i = 0; i < o->option_count; i++) {
			jsonw_cstr(&w, NULL, o->options[i]);
		}
		jsonw_end_array(&w);
	}
	if (!add_input(&w, o->input) || !add_number(&w, "timeout_s", o->timeout)) {
		return EXIT_USAGE;
	}
	jsonw_end_object(&w);
	return ask(&line, o);
}

static int run_wait(const struct agent_options *o, const char *first, const char *text)
{
	struct buf line;
	struct jsonw w = begin(&line, "wait_until");

	(void)first;
	(void)text;
	if (o->until != NULL) {
		jsonw_cstr(&w, "at", o->until);
	}
	if (!add_number(&w, "seconds", o->seconds)) {
		return EXIT_USAGE;
	}
	jsonw_cstr(&w, "reason", o->limit ? "limit" : "timer");
	jsonw_end_object(&w);
	return ask(&line, o);
}

static int run_wait_session(const struct agent_options *o, const char *first, const char *text)
{
	struct buf line;
	struct jsonw w = begin(&line, "wait_for_session");

	(void)text;
	jsonw_cstr(&w, "session", first);
	if (!add_number(&w, "timeout_s", o->timeout)) {
		return EXIT_USAGE;
	}
	jsonw_end_object(&w);
	return ask(&line, o);
}

static int run_note(const struct agent_options *o, const char *first, const char *text)
{
	struct buf line;
	struct jsonw w = begin(&line, "note");

	(void)first;
	jsonw_cstr(&w, "message", text);
	jsonw_end_object(&w);
	return ask(&line, o);
}

static int run_progress(const struct agent_options *o, const char *first, const char *text)
{
	const char *stage = strchr(text, ' ');
	struct buf line;
	struct jsonw w = begin(&line, "progress");

	if (!add_number(&w, "progress", first)) {
		return EXIT_USAGE;
	}
	if (stage != NULL) {
		jsonw_cstr(&w, "stage", stage + 1);
	}
	jsonw_end_object(&w);
	return ask(&line, o);
}

static const struct {
	const char *verb;
	int words; /* at least */
	int (*run)(const struct agent_options *options, const char *first, const char *text);
} verbs[] = {
	{ "ask", 1, run_ask },
	{ "wait", 0, run_wait },
	{ "wait-session", 1, run_wait_session },
	{ "note", 1, run_note },
	{ "progress", 1, run_progress },
};

static bool parse(int argc, char **argv, struct agent_options *o)
{
	static const struct option known[] = {
		{ "description", required_argument, NULL, 'd' },
		{ "input", required_argument, NULL, 'i' },
		{ "option", required_argument, NULL, 'o' },
		{ "key", required_argument, NULL, 'k' },
		{ "timeout", required_argument, NULL, 't' },
		{ "seconds", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' },
		{ "limit", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'd': o->description = optarg; break;
		case 'i': o->input = optarg; break;
		case 'k': o->key = optarg; break;
		case 't': o->timeout = optarg; break;
		case 's': o->seconds = optarg; break;
		case 'u': o->until = optarg; break;
		case 'l': o->limit = true; break;
		case 'j': o->json = true; break;
		case 'h': (void)fputs(agent_usage, stdout); exit(EXIT_DONE);
		case 'o':
			if (o->option_count == OPTIONS_MAX) {
				(void)fprintf(stderr, "fairlead: too many options\n");
				return false;
			}
			o->options[o->option_count++] = optarg;
			break;
		default: return false;
		}
	}
	return true;
}

int command_agent(int argc, char **argv)
{
	struct agent_options o = { .json = false };
	const char *verb = argc > 1 ? argv[1] : "";
	struct buf text;
	int status = EXIT_USAGE;

	if (strcmp(verb, "--help") == 0) {
		(void)fputs(agent_usage, stdout);
		return EXIT_DONE;
	}
	if (argc > 1) {
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	if (!parse(argc, argv, &o)) {
		return EXIT_USAGE;
	}
	buf_init(&text, LINE_MAX_BYTES);
	for (int i = optind; i < argc; i++) {
		buf_add_cstr(&text, i > optind ? " " : "");
		buf_add_cstr(&text, argv[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verb, verbs[i].verb) == 0 && argc - optind >= verbs[i].words) {
			status = verbs[i].run(&o, argv[optind], buf_cstr(&text));
			break;
		}
	}
	if (status == EXIT_USAGE) {
		(void)fputs(agent_usage, stderr);
	}
	buf_fini(&text);
	return status;
}
