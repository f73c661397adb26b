/* `fairlead top`: the system live on a terminal, which is as it was before whatever ends it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/top_view.h"
#include "cli/verbs.h"

enum { EVERY_MS = 2000, SCREEN_MAX = 1024 * 1024, COLS = 80, ROWS = 24, KEYS_SIZE = 64 };

static const char *const paths[TOP_TABS] = {
	[TOP_NODES] = "/api/v1/nodes",
	[TOP_WORKERS] = "/api/v1/workers",
	[TOP_QUEUE] = "/api/v1/scheduling/demand",
	[TOP_WAITS] = "/api/v1/scheduling/waits",
	[TOP_FAILURES] = "/api/v1/dead-letters?perPage=100",
};

struct top {
	struct client client;
	struct top_view view;
	struct json_value *lists[TOP_TABS];
	char problem[sizeof(((struct err *)0)->msg)];
	char keys[KEYS_SIZE]; /* bytes that are not yet a key */
	size_t key_bytes;
	uint64_t asked_ms;
};

/* ---- asking ---- */

static enum err_code ask(struct top *top, enum top_tab tab, struct err *err)
{
	const struct client_ask asked = { .method = "GET", .path = paths[tab] };
	struct client_reply reply;
	struct json_value *list;
	enum err_code code = client_request(&top->client, &asked, &reply, err);

	if (code == ERR_OK && reply.status >= 400) {
		code = client_problem(&reply, err);
	}
	if (code == ERR_OK) {
		list = json_parse(buf_str(&reply.body), err);
		code = list != NULL ? ERR_OK : err->code;
	}
	if (code == ERR_OK) {
		json_value_free(top->lists[tab]);
		top->view.lists[tab] = top->lists[tab] = list;
	}
	client_reply_fini(&reply);
	return code;
}

static enum err_code ask_all(struct top *top, struct err *err)
{
	enum err_code code = ERR_OK;

	for (enum top_tab tab = 0; tab < TOP_TABS && code == ERR_OK; tab++) {
		code = ask(top, tab, err);
	}
	top->view.now_us = clock_wall_us();
	top->asked_ms = clock_mono_ms();
	(void)snprintf(top->problem, sizeof(top->problem), "%s", code == ERR_OK ? "" : err->msg);
	return code;
}

/* ---- the terminal ---- */

static struct termios before;
static volatile sig_atomic_t resized, ended;

static void on_signal(int signo)
{
	if (signo == SIGWINCH) {
		resized = 1;
	} else {
		ended = signo;
	}
}

static void write_all(const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDOUT_FILENO, bytes, n);

		if (done < 0 && errno != EINTR) {
			return;
		}
		bytes += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
}

static void say(const char *codes)
{
	write_all(codes, strlen(codes));
}

static void leave_screen(void)
{
	say("\033[?25h\033[?1049l");
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Without SA_RESTART: a signal ends the wait for a key. */
static bool enter_screen(void)
{
	static const int signals[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const struct sigaction action = { .sa_handler = on_signal };
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before) != 0) {
		return false;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void)sigaction(signals[i], &action, NULL);
	}
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	(void)atexit(leave_screen);
	say("\033[?1049h\033[?25l");
	return true;
}

static unsigned bounded(unsigned n, unsigned otherwise, unsigned least, unsigned most)
{
	n = n == 0 ? otherwise : n;
	return n < least ? least : n > most ? most : n;
}

static void measure(struct top_view *view)
{
	struct winsize size = { 0 };

	resized = 0;
	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	view->cols = bounded(size.ws_col, COLS, TOP_COLS_MIN, TOP_COLS_MAX);
	view->rows = bounded(size.ws_row, ROWS, TOP_ROWS_MIN, TOP_ROWS_MAX);
	say("\033[2J");
}

static void show(struct top *top)
{
	struct buf out;

	buf_init(&out, SCREEN_MAX);
	buf_add_cstr(&out, "\033[H");
	top_draw(&top->view, &out);
	write_all(out.data, out.len);
	buf_fini(&out);
}

/* ---- keys ---- */

/* False: to quit. */
static bool take_keys(struct top *top)
{
	struct str bytes = str_make(top->keys, top->key_bytes);
	enum top_key key;
	bool goes_on = true;
	size_t n;

	while (goes_on && (n = top_key(bytes, &key)) > 0) {
		bytes = str_make(bytes.p + n, bytes.n - n);
		goes_on = top_press(&top->view, key);
	}
	memmove(top->keys, bytes.p, bytes.n);
	top->key_bytes = bytes.n;
	return goes_on;
}

/* Until a key, a signal, or the time to ask again. False: to quit. */
static bool await_key(struct top *top)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now = clock_mono_ms(), next = top->asked_ms + EVERY_MS;
	ssize_t n;

	if (ended != 0 || resized != 0 || next <= now) {
		return ended == 0;
	}
	if (poll(&in, 1, (int)(next - now)) <= 0) {
		return ended == 0;
	}
	n = read(STDIN_FILENO, top->keys + top->key_bytes, sizeof(top->keys) - top->key_bytes);
	if (n == 0 || (n < 0 && errno != EINTR)) {
		return false; /* the terminal is gone */
	}
	top->key_bytes += n > 0 ? (size_t)n : 0;
	return take_keys(top);
}

static int run_live(struct top *top)
{
	struct err err;

	top->view.styled = true;
	if (!enter_screen()) {
		(void)fprintf(stderr, "fairlead: this is no terminal; --once prints it once\n");
		return EXIT_USAGE;
	}
	measure(&top->view);
	do {
		if (resized != 0) {
			measure(&top->view);
		}
		if (clock_mono_ms() >= top->asked_ms + EVERY_MS) {
			(void)!ask_all(top, &err); /* what was known is shown, and why it is old */
		}
		show(top);
	} while (await_key(top));
	return EXIT_DONE;
}

/* ---- once ---- */

static int run_once(struct top *top, bool json)
{
	struct err err;
	struct buf out;

	if (ask_all(top, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	top->view.cols = TOP_COLS_MAX;
	buf_init(&out, CLIENT_BODY_MAX);
	if (json) {
		static const char *const names[TOP_TABS] = { "nodes", "workers", "queue", "waits",
			                                     "failures" };

		for (enum top_tab tab = 0; tab < TOP_TABS; tab++) {
			buf_addf(&out, "%s\"%s\":", tab == 0 ? "{" : ",", names[tab]);
			json_format(top->lists[tab], &out);
		}
		buf_add_cstr(&out, "}\n");
	} else {
		top_print(&top->view, &out);
	}
	(void)fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
	return EXIT_DONE;
}

static int run_top(struct call *call)
{
	bool once = call_has(call, OPTION_ONCE) || call_has(call, OPTION_JSON);
	struct top top = { .asked_ms = 0 };
	struct err err;
	int status;

	if (client_open(&top.client, call_text(call, OPTION_URL), call_text(call, OPTION_KEY),
	                &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	top.view.server = top.client.url;
	top.view.problem = top.problem;
	status = once ? run_once(&top, call_has(call, OPTION_JSON)) : run_live(&top);
	for (enum top_tab tab = 0; tab < TOP_TABS; tab++) {
		json_value_free(top.lists[tab]);
	}
	client_close(&top.client);
	return status;
}

static const struct verb verbs[] = {
	{ NULL,
	  NULL,
	  0,
	  0,
	  run_top,
	  "Nodes, workers, queue, who waits for what, and the latest failures, live; for a key "
	  "with the scope system.",
	  { OPTION_ONCE, OPTION_JSON, OPTION_URL, OPTION_KEY } },
};

const struct verb_group verbs_top = {
	.command = "top",
	.verbs = verbs,
	.count = sizeof(verbs) / sizeof(verbs[0]),
	.notes = "Keys: tab shows the next list, up and down move it, < and > (or s) choose the "
		 "column it is "
		 "sorted by,\nr turns the order round, q quits.\n",
};

int command_top(int argc, char **argv)
{
	return verb_main("top", argc, argv);
}
