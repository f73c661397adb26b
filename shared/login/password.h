/* Passwords of people: what one may be, and their rows. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "cred/digest.h"
#include "cred/password.h"
#include "pg/pg.h"

enum { PASSWORD_MIN = 10, PASSWORD_MAX_BYTES = 512 };

/* What is wrong with it, as a rule ("must ..."); NULL: nothing. Pure. */
const char *password_problem(struct str password, struct str email);

struct password_row {
	struct id user;
	bool has_password, disabled;
	char stored[CRED_STORED_SIZE];
};

/* Of the person with that address. ERR_NOT_FOUND: nobody has it. */
enum err_code password_find(struct pg *pg, const char *email, struct password_row *ret,
                            struct err *err) MUST_CHECK;
/* Of a person who may log in; *ret_email is the arena's. ERR_NOT_FOUND: there is none. */
enum err_code password_get(struct pg *pg, const struct id *user, struct arena *arena,
                           struct password_row *ret, struct str *ret_email,
                           struct err *err) MUST_CHECK;
/* In a transaction across tenants; ends nothing by itself. */
enum err_code password_set(struct pg_tx *tx, const struct id *user, const char *stored,
                           struct err *err) MUST_CHECK;
/* The same password at another cost, unless it was changed meanwhile. */
enum err_code password_rehash(struct pg *pg, const struct id *user, const char *stored,
                              const char *again, struct err *err) MUST_CHECK;

/*
 * A code by which a person sets a password once: four times five characters of 32.  There is no
 * mail: an administrator hands it over.
 */
enum { PASSWORD_CODE_LEN = 23, PASSWORD_CODE_S = 86400 };

struct password_code_new {
	const char *tenant;
	const struct id *user;
	const char *by;
	bool any; /* also whoever has more than this tenant gives: for those with system */
};

/* ERR_FORBIDDEN: no person of whom this tenant is the home and all. */
enum err_code password_code_create(struct pg *pg, const struct cred_pepper *secret,
                                   const struct password_code_new *what,
                                   char ret_code[PASSWORD_CODE_LEN + 1], int64_t *ret_ends_us,
                                   struct err *err) MUST_CHECK;
/* In a transaction across tenants: it is gone with that. *ret_email is the arena's. ERR_NOT_FOUND:
 * it does not count. */
enum err_code password_code_use(struct pg_tx *tx, const struct cred_pepper *secret, struct str code,
                                struct arena *arena, struct id *ret_user, struct str *ret_email,
                                struct err *err) MUST_CHECK;
