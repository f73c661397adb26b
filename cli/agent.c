/* `fairlead agent ...`: for scripts that are agents. Speaks to the worker on FAIRLEAD_AGENT_SOCKET
 * (docs/agents.md). */
#include <errno.h>
#include <fcntl.h>
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
#include "cli/verb.h"
#include "cli/verbs.h"
#include "json/value.h"
#include "json/write.h"

enum { LINE_MAX_BYTES = 64 * 1024, CHUNK = 4096, EXIT_DENIED = 3 };

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
static int ask(struct buf *line, const struct call *call)
{
	struct buf answer;
	int status = EXIT_FAILED;

	buf_init(&answer, (size_t)2 * LINE_MAX_BYTES);
	if (exchange(line, &answer)) {
		struct err err;
		struct json_value *json = json_parse(buf_str(&answer), &err);

		status = show(json, call_has(call, OPTION_JSON));
		if (call_has(call, OPTION_JSON)) {
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

static int run_ask(struct call *call)
{
	const struct said *choices = &call->said[OPTION_CHOICE];
	struct buf line;
	struct jsonw w = begin(&line, "permission_request");

	jsonw_cstr(&w, "title", call->host);
	if (call_has(call, OPTION_DESCRIPTION)) {
		jsonw_cstr(&w, "description", call_text(call, OPTION_DESCRIPTION));
	}
	if (call_has(call, OPTION_TOOL)) {
		jsonw_cstr(&w, "tool_name", call_text(call, OPTION_TOOL));
	}
	if (call_has(call, OPTION_ASK_KEY)) {
		jsonw_cstr(&w, "key", call_text(call, OPTION_ASK_KEY));
	}
	if (choices->count > 0) {
		jsonw_array(&w, "options");
		for (size_t i = 0; i < choices->count; i++) {
			jsonw_cstr(&w, NULL, choices->values[i]);
		}
		jsonw_end_array(&w);
	}
	if (!add_input(&w, call_text(call, OPTION_INPUT)) ||
	    !add_number(&w, "timeout_s", call_text(call, OPTION_TIMEOUT))) {
		return EXIT_USAGE;
	}
	jsonw_end_object(&w);
	return ask(&line, call);
}

static int run_wait(struct call *call)
{
	struct buf line;
	struct jsonw w = begin(&line, "wait_until");

	if (call_has(call, OPTION_UNTIL)) {
		jsonw_cstr(&w, "at", call_text(call, OPTION_UNTIL));
	}
	if (!add_number(&w, "seconds", call_text(call, OPTION_SECONDS))) {
		return EXIT_USAGE;
	}
	jsonw_cstr(&w, "reason", call_has(call, OPTION_AT_LIMIT) ? "limit" : "timer");
	jsonw_end_object(&w);
	return ask(&line, call);
}

static int run_wait_session(struct call *call)
{
	struct buf line;
	struct jsonw w = begin(&line, "wait_for_session");

	jsonw_cstr(&w, "session", call->words[0]);
	if (!add_number(&w, "timeout_s", call_text(call, OPTION_TIMEOUT))) {
		return EXIT_USAGE;
	}
	jsonw_end_object(&w);
	return ask(&line, call);
}

static int run_note(struct call *call)
{
	struct buf line;
	struct jsonw w = begin(&line, "note");

	jsonw_cstr(&w, "message", call->host);
	jsonw_end_object(&w);
	return ask(&line, call);
}

static int run_progress(struct call *call)
{
	const char *stage = strchr(call->host, ' ');
	struct buf line;
	struct jsonw w = begin(&line, "progress");

	if (!add_number(&w, "progress", call->words[0])) {
		return EXIT_USAGE;
	}
	if (stage != NULL) {
		jsonw_cstr(&w, "stage", stage + 1);
	}
	jsonw_end_object(&w);
	return ask(&line, call);
}

/* The words as one text are what the verbs run beside. */
static int around(struct call *call)
{
	struct buf text;
	int status;

	buf_init(&text, LINE_MAX_BYTES);
	for (int i = 0; i < call->word_count; i++) {
		buf_addf(&text, "%s%s", i > 0 ? " " : "", call->words[i]);
	}
	buf_add_char(&text, '\0');
	if (buf_failed(&text)) {
		(void)fprintf(stderr, "fairlead: that is too much text\n");
		status = EXIT_USAGE;
	} else {
		call->host = text.data;
		status = call->verb->run(call);
	}
	buf_fini(&text);
	return status;
}

static const struct verb verbs[] = {
	{ "ask",
	  "TITLE",
	  1,
	  VERB_WORDS_ANY,
	  run_ask,
	  "Ask the people who follow; ends with 0 when it is allowed and 3 when it is denied.",
	  { OPTION_DESCRIPTION, OPTION_INPUT, OPTION_TOOL, OPTION_CHOICE, OPTION_ASK_KEY,
	    OPTION_TIMEOUT, OPTION_JSON } },
	{ "wait",
	  NULL,
	  0,
	  VERB_WORDS_ANY,
	  run_wait,
	  "Wait; others have the slot meanwhile.",
	  { OPTION_SECONDS, OPTION_UNTIL, OPTION_AT_LIMIT, OPTION_JSON } },
	{ "wait-session",
	  "ID",
	  1,
	  1,
	  run_wait_session,
	  "Wait for another session's end.",
	  { OPTION_TIMEOUT, OPTION_JSON } },
	{ "note",
	  "TEXT...",
	  1,
	  VERB_WORDS_ANY,
	  run_note,
	  "Tell those who follow something.",
	  { OPTION_JSON } },
	{ "progress",
	  "PERCENT [STAGE...]",
	  1,
	  VERB_WORDS_ANY,
	  run_progress,
	  "Tell them how far it is.",
	  { OPTION_JSON } },
};

const struct verb_group verbs_agent = {
	.command = "agent",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = around,
	.notes = "For agents: each speaks to the worker that runs them and waits for its answer; "
		 "while an\n"
		 "agent does nothing but wait, others have its slot. --json prints the whole "
		 "answer.\n"
		 "wait takes --seconds or --until.\n",
};

int command_agent(int argc, char **argv)
{
	return verb_main("agent", argc, argv);
}
