#include "cli/watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

struct watching {
	struct render render;
	const struct watch_options *options;
	uint64_t interrupted_ms; /* clock_mono_ms of the first Ctrl-C, 0: none */
	bool cancel;
	bool retrying;
};

static volatile sig_atomic_t interrupts;

static void on_interrupt(int signo)
{
	(void)signo;
	interrupts++;
}

static enum client_next on_event(void *arg, const struct client_event *event)
{
	struct watching *w = arg;

	w->retrying = false;
	render_event(&w->render, event->type, event->data);
	return CLIENT_MORE;
}

static void on_retry(void *arg, const char *why, unsigned in_ms)
{
	struct watching *w = arg;

	(void)in_ms;
	if (!w->retrying) {
		render_note(&w->render, "-- connection lost (%s); resuming", why);
		w->retrying = true;
	}
}

/* The first Ctrl-C detaches, unless a second one follows soon: that one cancels. */
static bool on_look(void *arg)
{
	struct watching *w = arg;

	if (interrupts == 0) {
		return false;
	}
	if (!w->options->cancel_on_second) {
		return true;
	}
	if (w->interrupted_ms == 0) {
		w->interrupted_ms = clock_mono_ms();
		render_note(&w->render, "-- detaching; Ctrl-C again now cancels the session");
	}
	w->cancel = interrupts > 1;
	return w->cancel || clock_mono_ms() - w->interrupted_ms > WATCH_TWICE_MS;
}

static int interrupted(struct client *client, struct watching *w)
{
	struct client_reply reply;
	char path[128];
	const struct client_ask ask = { .method = "DELETE", .path = path };
	struct err err;

	if (!w->cancel) {
		render_note(&w->render,
		            "-- detached; it goes on. Watch again: fairlead session watch %s",
		            w->options->session);
		return WATCH_DETACHED;
	}
	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s", w->options->session);
	if (client_request(client, &ask, &reply, &err) != ERR_OK ||
	    (reply.status >= 400 && client_problem(&reply, &err) != ERR_OK)) {
		(void)fprintf(stderr, "fairlead: cannot cancel: %s\n", err.msg);
		client_reply_fini(&reply);
		return EXIT_FAILED;
	}
	client_reply_fini(&reply);
	render_note(&w->render, "-- cancelled");
	return WATCH_DETACHED;
}

static int exit_status(const struct render *render)
{
	if (strcmp(render->status, "completed") == 0) {
		return render->exit_code > 0 ? render->exit_code : EXIT_DONE;
	}
	return render->exit_code > 0 ? render->exit_code : WATCH_NO_CODE;
}

int watch(struct client *client, const struct watch_options *options)
{
	struct watching w = { .options = options };
	const struct client_follow follow = { .session = options->session,
		                              .after = options->after,
		                              .event = on_event,
		                              .interrupted = on_look,
		                              .retrying = on_retry,
		                              .arg = &w };
	const struct sigaction action = { .sa_handler = on_interrupt };
	struct err err;
	enum err_code code;

	interrupts = 0;
	render_init(&w.render, options->json);
	(void)sigaction(SIGINT, &action, NULL);
	code = client_follow(client, &follow, &err);
	if (code == ERR_CANCELLED) {
		return interrupted(client, &w);
	}
	if (code != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	return exit_status(&w.render);
}
