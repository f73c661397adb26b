/*
 * An agent for tests and benches: speaks the protocol of type agent-sdk, does what its first word
 * says, and has no model behind it.  It is small, so that what a session costs beside it shows.
 *
 * usage: lines_agent WORD [NUMBER]
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX = 64 * 1024,
	ID_MAX = 64,
	LONG_BYTES = 20 * 1000 * 1000,
	PAUSE_MS = 20,
	NS_PER_MS = 1000 * 1000,
	EXIT_DIED = 3,
};

static const char *word;
static uint64_t number; /* stream: events a second */

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

static void say(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n <= 0) {
			_exit(0); /* nobody listens */
		}
		text += n;
		len -= (size_t)n;
	}
}

static void say_line(const char *line)
{
	char text[LINE_MAX];
	const int n = snprintf(text, sizeof(text), "%s\n", line);

	say(text, (size_t)n);
}

static void say_delta(const char *delta)
{
	char line[LINE_MAX];

	(void)snprintf(line, sizeof(line),
	               "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\","
	               "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}},"
	               "\"parent_tool_use_id\":null}",
	               delta);
	say_line(line);
}

static void say_message(const char *text)
{
	char line[LINE_MAX];

	(void)snprintf(line, sizeof(line),
	               "{\"type\":\"assistant\",\"message\":{\"id\":\"m1\",\"role\":\"assistant\","
	               "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]},"
	               "\"parent_tool_use_id\":null}",
	               text);
	say_line(line);
}

static void begin_turn(void)
{
	say_line("{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"S1\",\"model\":\"m\","
	         "\"tools\":[],\"permissionMode\":\"default\"}");
	say_line("{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{"
	         "\"id\":\"m1\",\"role\":\"assistant\",\"content\":[]}},"
	         "\"parent_tool_use_id\":null}");
}

static void end_turn(void)
{
	say_line("{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"\","
	         "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}");
}

static void end_interrupted(void)
{
	say_line("{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,"
	         "\"terminal_reason\":\"aborted_streaming\"}");
}

static void ask(void)
{
	say_line("{\"type\":\"control_request\",\"request_id\":\"ask-1\",\"request\":{"
	         "\"subtype\":\"can_use_tool\",\"tool_name\":\"Bash\","
	         "\"input\":{\"command\":\"rm it\"},\"tool_use_id\":\"t1\"}}");
}

/* ---- what it is told ---- */

/* The next line, valid until the next call; it ends when its input does. NULL: nothing came in
 * time (ms, -1 without end). */
static const char *next_line(int timeout_ms)
{
	static char text[LINE_MAX];
	static size_t len, taken;
	char *end;

	memmove(text, text + taken, len - taken);
	len -= taken;
	taken = 0;
	while ((end = memchr(text, '\n', len)) == NULL) {
		struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
		ssize_t n;

		if (poll(&in, 1, timeout_ms) == 0) {
			return NULL;
		}
		n = len < sizeof(text) ? read(STDIN_FILENO, text + len, sizeof(text) - len) : 0;
		if (n <= 0) {
			exit(0);
		}
		len += (size_t)n;
	}
	*end = '\0';
	taken = (size_t)(end + 1 - text);
	return text;
}

static bool has(const char *line, const char *what)
{
	return line != NULL && strstr(line, what) != NULL;
}

static void agree(const char *line)
{
	static const char mark[] = "\"request_id\":\"";
	const char *at = strstr(line, mark);
	char answer[LINE_MAX], id[ID_MAX] = "";

	for (size_t i = 0; at != NULL && i + 1 < sizeof(id); i++) {
		const char c = at[sizeof(mark) - 1 + i];

		if (c == '"') {
			break;
		}
		id[i] = c;
	}
	(void)snprintf(answer, sizeof(answer),
	               "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\","
	               "\"request_id\":\"%s\",\"response\":{\"commands\":[],\"models\":[]}}}",
	               id);
	say_line(answer);
}

/* ---- turns ---- */

static void talk(const char *prompt)
{
	(void)prompt;
	say_delta("Hel");
	say_delta("lo.");
	say_message("Hello.");
	end_turn();
}

/* Until it is answered; a prompt in between would be one too early. */
static void question(const char *prompt)
{
	const char *line;

	if (has(prompt, "next")) {
		say_message(has(prompt, "next 1") ? "first" : "second");
		end_turn();
		return;
	}
	ask();
	line = next_line(-1);
	if (has(line, "\"subtype\":\"interrupt\"")) {
		say_line("{\"type\":\"control_cancel_request\",\"request_id\":\"ask-1\"}");
		agree(line);
		end_interrupted();
		return;
	}
	say_message(has(line, "\"behavior\":\"allow\"")  ? "allowed"
	            : has(line, "\"behavior\":\"deny\"") ? "denied"
	                                                 : "overtaken");
	end_turn();
}

static void die(const char *prompt)
{
	(void)prompt;
	say_delta("Hel");
	say("{\"type\":\"stream_ev", 18);
	_exit(EXIT_DIED);
}

static void long_line(const char *prompt)
{
	char *text = malloc(LONG_BYTES);

	memset(text, 'x', LONG_BYTES);
	text[LONG_BYTES - 1] = '\n';
	say(text, LONG_BYTES);
	free(text);
	talk(prompt);
}

static void garbage(const char *prompt)
{
	static const char bytes[] =
		"\xff\xfe\0\x01 not JSON\n"
		"[[[[[[[[\n"
		"null\n"
		"{\"type\":7}\n"
		"{\"type\":\"stream_event\",\"event\":[]}\n"
		"{\"type\":\"assistant\",\"message\":\"no object\"}\n"
		"{\"type\":\"control_response\",\"response\":{\"request_id\":"
		"\"fl-99\"}}\n"
		"{\"type\":\"control_request\",\"request_id\":\"\",\"request\":1}\n";

	say(bytes, sizeof(bytes) - 1);
	talk(prompt);
}

/* As fast as it is read. */
static void flood(const char *prompt)
{
	char text[1024];

	(void)prompt;
	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (;;) {
		say_delta(text);
	}
}

/* Until it is interrupted: what time it is. `stream`: number of times a second. */
static void stream(const char *prompt)
{
	const uint64_t period =
		1000 * (uint64_t)NS_PER_MS / (number > 0 ? number : 1000 / PAUSE_MS);
	uint64_t due = now_ns() + (uint64_t)getpid() * 7919 % 1000 * period / 1000;

	(void)prompt;
	for (;;) {
		uint64_t now = now_ns();
		const char *line = next_line(due > now ? (int)((due - now) / NS_PER_MS) : 0);
		char text[64];

		if (has(line, "\"subtype\":\"interrupt\"")) {
			agree(line);
			end_interrupted();
			return;
		}
		now = now_ns();
		if (now < due) {
			const struct timespec left = { .tv_nsec = (long)((due - now) % NS_PER_MS) };

			(void)nanosleep(&left, NULL);
		}
		(void)snprintf(text, sizeof(text), "@%020" PRIu64, now_ns());
		say_delta(text);
		due += period;
	}
}

static const struct {
	const char *word;
	void (*turn)(const char *prompt);
} rows[] = {
	{ "talk", talk },       { "ask", question }, { "die", die },       { "long", long_line },
	{ "garbage", garbage }, { "flood", flood },  { "stream", stream },
};

static void obey(const char *line)
{
	if (has(line, "\"type\":\"control_request\"")) {
		if (strcmp(word, "mute") != 0) {
			agree(line);
		}
		return;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (has(line, "\"type\":\"user\"") && strcmp(word, rows[i].word) == 0) {
			begin_turn();
			rows[i].turn(line);
		}
	}
}

int main(int argc, char **argv)
{
	word = argc > 1 ? argv[1] : "talk";
	number = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	for (;;) {
		obey(next_line(-1));
	}
}
