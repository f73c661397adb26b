/*
 * Keys of a test, and what is opened with them.  The world's second place is an API node.
 */
#pragma once

#include "auth/auth.h"
#include "tests/integration/tap.h"

enum {
	KEYRING_STREAMER,
	KEYRING_API,
	KEYRING_SOON_MS = 1000, /* what a node remembers of a key */
	KEYRING_BOTH = 1U << AUTH_SESSION_READ | 1U << AUTH_SESSION_WRITE,
};

#define KEYRING_WS "/api/v1/ws"

void keyring_start_api(struct world *world);

struct key_made {
	char text[CRED_KEY_MAX + 1];
	struct id id;
};

/* owner: NULL: nobody is named; life_us 0: for ever. */
struct key_made keyring_make(struct world *world, unsigned scopes, const char *owner,
                             int64_t life_us);
void keyring_take_back(struct world *world, const struct key_made *key);
void keyring_restrict(struct world *world, const struct key_made *key, unsigned scopes);

/* Follow a session with these header lines, or with a key. */
struct tap *keyring_follow(struct world *world, const struct id *sid, const char *query,
                           const char *headers);
struct tap *keyring_follow_by(struct world *world, const struct id *sid, const char *key,
                              const char *query);
/* What a request to follow is answered with. */
void keyring_expect(struct world *world, const struct id *sid, const char *query,
                    const char *headers, int status);
/* The status of a handshake, and the head of its answer. */
int keyring_shake(struct world *world, const char *target, const char *query, const char *headers,
                  char head[TAP_HEAD_MAX]);
