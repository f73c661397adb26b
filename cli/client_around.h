/* Verbs that ask a server: what surrounds each of them (struct verb_group). */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "cli/verb.h"

struct client;
struct client_ask;

/* Runs the verb with call->host a struct client of the server that --url and --key name. */
int client_around(struct call *call);

/* Says why on stderr, and is the exit status of what failed. */
int client_fail(const struct err *err);

/* How an answer is shown to people; json is empty where there is none. */
typedef void client_show_fn(struct str json, const void *arg);

/* Asks the server, and prints its answer: as it is with --json, else by show() (NULL: not), which
 * has arg. Returns the exit status. */
int client_print(const struct call *call, struct client *client, const struct client_ask *asked,
                 client_show_fn *show, const void *arg);

/* The same of the server that --url and --key name. */
int client_show(const struct call *call, const struct client_ask *asked, client_show_fn *show,
                const void *arg);
