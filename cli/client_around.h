/* Verbs that ask a server: what surrounds each of them (struct verb_group). */
#pragma once

#include "base/err.h"
#include "cli/verb.h"

/* Runs the verb with call->host a struct client of the server that --url and --key name. */
int client_around(struct call *call);

/* Says why on stderr, and is the exit status of what failed. */
int client_fail(const struct err *err);
