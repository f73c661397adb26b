/* Follow a session on the terminal: shared by `task run` and `session watch`. */
#pragma once

#include <stdbool.h>

struct client;

struct watch_options {
	const char *session;
	const char *after; /* cursor or NULL */
	bool json;
	bool cancel_on_second; /* a second Ctrl-C within WATCH_TWICE_MS cancels the session */
};

enum { WATCH_TWICE_MS = 2000, WATCH_DETACHED = 130, WATCH_NO_CODE = 125 };

/* Exit status: the agent's code; 0 completed, WATCH_NO_CODE when it ended otherwise without one,
 * WATCH_DETACHED after Ctrl-C, EXIT_FAILED with a message when it cannot be followed. */
int watch(struct client *client, const struct watch_options *options);
