/*
 * What `fairlead login` remembers: a server, and an API key or the tokens of a login.
 *
 * $XDG_CONFIG_HOME/fairlead/login.json (0600) has it; the tokens themselves are in the keyring
 * where there is one (cli/keyring.h).  A refresh token counts once and ends the login when it comes
 * back, so those who renew do it one after the other, under a lock, and look first whether somebody
 * else just did.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "cli/client.h"

enum { TOKENS_ACCESS_MAX = 4096, TOKENS_REFRESH_MAX = 256, TOKENS_AHEAD_S = 60 };

struct tokens {
	char url[CLIENT_URL_MAX];
	char key[CLIENT_KEY_MAX]; /* "": tokens */
	char access[TOKENS_ACCESS_MAX], refresh[TOKENS_REFRESH_MAX];
	int64_t ends_s; /* of the access token, wall clock */
};

/* False: nothing is remembered. */
bool tokens_load(struct tokens *tokens) MUST_CHECK;
enum err_code tokens_save(const struct tokens *tokens, struct err *err) MUST_CHECK;
void tokens_forget(const struct tokens *tokens);

/* From an answer of /oauth/token. False: it is none. */
bool tokens_take(struct tokens *tokens, struct str json) MUST_CHECK;

/* An access token that is good for a while. ERR_UNAUTHORIZED: the login has ended; it is
 * forgotten. */
enum err_code tokens_renew(struct tokens *tokens, struct err *err) MUST_CHECK;
