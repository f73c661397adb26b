/*
 * What processes tell each other about credentials while streams live, on the Redis channel
 * AUTH_BELL.  Bells may be lost: what a key may do is read from its row anyway, soon.
 *
 *	key <id>                          its row has changed: look again
 *	user <id>                         so has this user, or a membership of it
 *	login <id>                        so has this login
 *	stream <stream> <id> <asked> [<expires>]
 *	                                  give that stream this key or login, until then at most
 *(us, 0: no end of its own), and say how it went
 */
#pragma once

#include "auth/auth.h"

#define AUTH_BELL "auth"

enum { AUTH_STREAM_LEN = 16, AUTH_ASK_MS = 1000 };

enum auth_bell_kind { AUTH_BELL_KEY, AUTH_BELL_USER, AUTH_BELL_LOGIN, AUTH_BELL_STREAM };

struct auth_bell {
	enum auth_bell_kind kind;
	uint64_t stream;
	struct id id;       /* of the key, user or login; for a stream: of its new key or login */
	int64_t expires_us; /* of a stream: 0: as long as the key or login */
	struct id asked;    /* of a stream: who waits for the answer */
};

/* Pure. False: none of ours. */
bool auth_bell_decode(struct str payload, struct auth_bell *ret) MUST_CHECK;

/* The name of a stream, as clients know it. Pure. */
void auth_stream_format(uint64_t stream, char out[AUTH_STREAM_LEN + 1]);
bool auth_stream_parse(struct str text, uint64_t *ret) MUST_CHECK;

/* On a fiber. */
enum err_code auth_bell_ring(struct redis *redis, enum auth_bell_kind kind, const struct id *id,
                             struct err *err) MUST_CHECK;

/* Ask whoever has the stream to go on for this principal. ERR_NOT_FOUND: nobody said within
 * AUTH_ASK_MS that the stream is there. ERR_FORBIDDEN: it is somebody else's. */
enum err_code auth_stream_ask(struct redis *redis, uint64_t stream,
                              const struct principal *principal, struct err *err) MUST_CHECK;
/* The answer: ERR_OK, ERR_FORBIDDEN or what else it was. */
enum err_code auth_stream_answer(struct redis *redis, const struct id *asked, enum err_code outcome,
                                 struct err *err) MUST_CHECK;
