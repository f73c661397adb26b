/*
 * The first administrator of an installation: whoever shows the PIN.
 *
 * It is made when nobody has system, the same for all API nodes, and written to the log of the node
 * that made it; the database keeps a keyed hash.  It ends with the first administrator, after
 * SETUP_LIFE_S, or after SETUP_ATTEMPTS wrong ones; then a restart of an API node or `fairlead
 * admin setup-pin` makes another, while nobody has system.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "cred/digest.h"
#include "pg/pg.h"

enum { SETUP_PIN_LEN = 10, SETUP_LIFE_S = 86400, SETUP_ATTEMPTS = 20 };

/* Is there nobody yet? */
enum err_code setup_needed(struct pg *pg, bool *ret, struct err *err) MUST_CHECK;
/* *ret_made false: there is a PIN that counts (unless anew), or none is needed. */
enum err_code setup_make(struct pg *pg, const struct cred_pepper *secret, bool anew,
                         char ret_pin[SETUP_PIN_LEN + 1], bool *ret_made,
                         struct err *err) MUST_CHECK;
/* One attempt. ERR_FORBIDDEN: it is wrong; ERR_GONE: no PIN counts. */
enum err_code setup_try(struct pg *pg, const struct cred_pepper *secret, struct str pin,
                        struct err *err) MUST_CHECK;
/* In the transaction across tenants that makes the administrator, before it does. ERR_CONFLICT:
 * somebody was faster. */
enum err_code setup_done(struct pg_tx *tx, const struct cred_pepper *secret, struct str pin,
                         struct err *err) MUST_CHECK;
