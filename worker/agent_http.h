/*
 * An agent that is a server on a loopback port (ADAPTER_HTTP): requests to it, and its one stream
 * of events.  Loopback only; what comes back is bounded.
 *
 * Each request has a fiber of its own, because some are answered only at the end of a turn; they
 * are sent in their order.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/adapters/adapter.h"

struct agent_http;
struct loop;

enum { AGENT_HTTP_REQUESTS_MAX = 64, AGENT_HTTP_CONNECT_MS = 10000 };

struct agent_http_options {
	unsigned port;
	const char *socket; /* that leads to its port, when that is in a network of its own; NULL:
	                       the port is on ours */
	uid_t uid;          /* whose socket it has to be */
	const char *user, *events_path; /* of Basic (RFC 7617); "/event" */
	struct str password;
	void *arg;
	/* On fibers of its own; they may wait. */
	void (*event)(void *arg, struct str data);
	void (*reply)(void *arg, const struct adapter_reply *reply);
	void (*over)(void *arg, const char *why); /* the stream of events has ended by itself */
};

/* Connects, and waits for the head of the stream of events: whatever the agent does from here on is
 * told. On a fiber. ERR_FORBIDDEN: the port is somebody else's; ERR_UNAVAILABLE, ERR_TIMEOUT,
 * ERR_BACKEND (it is no stream). Strings of the options live as long as it does. */
enum err_code agent_http_open(struct loop *loop, const struct agent_http_options *options,
                              struct agent_http **ret, struct err *err) MUST_CHECK;
/* Ends its fibers and waits for them; not on one of them. NULL is fine. */
void agent_http_close(struct agent_http *http);

/* method_path: "POST /session". The reply comes to options.reply, status 0 when there was none. */
void agent_http_request(struct agent_http *http, struct str tag, struct str method_path,
                        struct str body);
