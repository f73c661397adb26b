/*
 * Programs that wait for a person to let them in: Fairlead as an authorization server for devices
 * (RFC 8628), such as its own CLI.
 *
 * The user code has 8 letters of 20 that are not mistaken for one another (section 6.1), 34 bits;
 * who types wrong ones is stopped after DEVICE_GUESSES_MAX of them.  Both codes are kept as keyed
 * hashes, and what a code was worth is taken with the row: it counts once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/id.h"
#include "cred/digest.h"
#include "oidc/device_login.h"
#include "pg/pg.h"

enum {
	DEVICE_USER_LEN = 9, /* with the dash */
	DEVICE_CODE_LIFE_S = 600,
	DEVICE_CODE_INTERVAL_S = 5,
	DEVICE_GUESSES_MAX = 10,
	DEVICE_GUESSES_S = 600,
};

/* "bcdf ghjk" to "BCDF-GHJK". False: it is none. Pure. */
bool device_user_code_parse(struct str text, char ret[DEVICE_USER_LEN + 1]) MUST_CHECK;

struct device_code_new {
	const char *client, *address;
	const char *scopes; /* comma list: what it asks for; NULL: all */
};

struct device_code_made {
	char device[DEVICE_CODE_LEN + 1];
	char user[DEVICE_USER_LEN + 1];
};

/* ERR_LIMIT: too many wait. */
enum err_code device_code_create(struct pg *pg, const struct cred_pepper *secret,
                                 const struct device_code_new *what, struct device_code_made *ret,
                                 struct err *err) MUST_CHECK;

enum device_code_state {
	DEVICE_UNKNOWN,
	DEVICE_PENDING,
	DEVICE_TOO_OFTEN,
	DEVICE_EXPIRED,
	DEVICE_DENIED,
	DEVICE_ALLOWED,
};

/* Of the arena. */
struct device_code_won {
	struct id user;
	const char *tenant, *scopes, *namespaces; /* scopes, namespaces NULL: all of the user's */
	const char *client;
};

enum err_code device_code_poll(struct pg *pg, const struct cred_pepper *secret, struct str device,
                               struct arena *arena, enum device_code_state *ret_state,
                               struct device_code_won *ret, struct err *err) MUST_CHECK;

/* What a person is asked about. Of the arena. */
struct device_code_shown {
	struct str client, address, scopes; /* scopes: comma list; "": all */
	int64_t created_us, expires_us;
};

/* ERR_NOT_FOUND: no such code waits; ERR_LIMIT: that user typed too many that were none. */
enum err_code device_code_look(struct pg *pg, const struct cred_pepper *secret,
                               const struct id *user, const char *code, struct arena *arena,
                               struct device_code_shown *ret, struct err *err) MUST_CHECK;

struct device_code_decision {
	bool allow;
	const char *tenant;
	const struct id *user;
	const char *scopes, *namespaces; /* comma lists; NULL: all */
};

/* The same errors. */
enum err_code device_code_decide(struct pg *pg, const struct cred_pepper *secret, const char *code,
                                 const struct device_code_decision *decision,
                                 struct err *err) MUST_CHECK;
