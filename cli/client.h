/*
 * The CLI's side of the API: one server, one key, requests and followed streams over
 * libcurl.  Blocks; the client commands have nothing else to do.
 *
 * Where the server and the key come from, first hit: --url/--key, FAIRLEAD_URL/FAIRLEAD_KEY, what
 * `fairlead login` saved, the system that `fairlead up` runs on this machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct tokens;

enum { CLIENT_URL_MAX = 256, CLIENT_KEY_MAX = 256, CLIENT_BODY_MAX = 32 * 1024 * 1024 };

struct client {
	void *curl; /* CURL * */
	char url[CLIENT_URL_MAX];
	char key[CLIENT_KEY_MAX];
	bool by_token;         /* of a login, which is renewed when its time comes */
	struct tokens *tokens; /* of that login; owned */
};

struct client_reply {
	long status; /* 0: no answer */
	struct buf body;
};

/* A client of that server which has nothing to show. */
enum err_code client_open_bare(struct client *client, const char *url, struct err *err) MUST_CHECK;
/* url and key may be NULL. */
enum err_code client_open(struct client *client, const char *url, const char *key,
                          struct err *err) MUST_CHECK;
void client_close(struct client *client);

enum client_ask_flags {
	CLIENT_FORM = 1, /* the body is a form */
	CLIENT_OPEN = 2, /* nothing that proves who asks */
};

struct client_ask {
	const char *method;
	const char *path;
	struct str body; /* {NULL, 0}: none; JSON unless flags say else */
	FILE *file;      /* in place of a body: bytes, sent as they are read; NULL: none */
	uint64_t file_size;
	unsigned flags;
	const char *idempotency_key; /* NULL: none; with one, a lost answer is asked for again */
};

/* One exchange. ERR_UNAVAILABLE: no answer. An answer of 400 and more is not an error here. */
enum err_code client_request(struct client *client, const struct client_ask *ask,
                             struct client_reply *ret, struct err *err) MUST_CHECK;
void client_reply_fini(struct client_reply *reply);

/* The sentence of a problem+json answer, with its fields; into err. Returns ERR_BACKEND. */
enum err_code client_problem(const struct client_reply *reply, struct err *err);

/* "Authorization: ..." as it is now: renews a login whose access token is about to end. */
enum err_code client_proof(struct client *client, char *out, size_t size,
                           struct err *err) MUST_CHECK;
enum { CLIENT_PROOF_MAX = 4096 + 64 };

/* The server of a name, the environment, or this machine; "" is none. Nothing of what is saved. */
void client_server(const char *named, char out[CLIENT_URL_MAX]);

/* ---- following ---- */

struct client_event {
	struct str id, type, data; /* data: the event's JSON */
};

enum client_next { CLIENT_MORE, CLIENT_ENOUGH };

struct client_follow {
	const char *session;
	const char *after; /* cursor to begin after; NULL: from the beginning */
	enum client_next (*event)(void *arg, const struct client_event *event);
	bool (*interrupted)(void *arg); /* asked several times a second */
	void (*retrying)(void *arg, const char *why, unsigned in_ms);
	void *arg;
};

/* Follow to the session's end, resuming by cursor through lost connections and restarted nodes.
 * ERR_OK: the end was reached or event() had enough; ERR_CANCELLED: interrupted; ERR_NOT_FOUND,
 * ERR_UNAUTHORIZED... otherwise. */
enum err_code client_follow(struct client *client, const struct client_follow *follow,
                            struct err *err) MUST_CHECK;
