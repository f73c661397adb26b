/* Verbs that ask a server: what surrounds each of them (struct verb_group). */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "cli/verb.h"

struct client_ask;

/* Runs the verb with call->host a struct client of the server that --url and --key name. */
int client_around(struct call *call);

/* Says why on stderr, and is the exit status of what failed. */
int client_fail(const struct err *err);

/* Asks the server that --url and --key name, and prints its answer: as it is with --json, else by
 * show(), which has arg. Returns the exit status. */
int client_show(const struct call *call, const struct client_ask *asked,
                void (*show)(struct str json, const void *arg), const void *arg);
