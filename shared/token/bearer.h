/*
 * Access tokens of ours (RFC 9068: signed, at+jwt, ES256): made, and verified.
 *
 * A token says who, in which tenant, with which scopes at most, and of which login.  That the
 * login, the user and the membership still stand is not its to say: whoever takes it looks that up
 * (auth/auth_token.h).  A signature that was found good is remembered until the token ends or
 * its key goes, by the keyed hash of the token, in a table of fixed size.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "token/signing.h"

enum { BEARER_TENANT_MAX = 64, BEARER_SCOPES_MAX = 256 };

struct bearer {
	char tenant[BEARER_TENANT_MAX + 1];
	struct id user;
	struct id login; /* the refresh token that it hangs on; nil: none */
	char scopes[BEARER_SCOPES_MAX +
	            1]; /* comma list: no more than this; "": what the user may */
	int64_t expires_us;
};

struct bearers;

struct bearer_options {
	struct signing_options signing;
	const char *issuer, *audience; /* borrowed */
};

struct bearers *bearer_new(const struct bearer_options *options) MUST_CHECK;
void bearer_free(struct bearers *bearers); /* NULL is a no-op */
struct signing *bearer_signing(struct bearers *bearers);
const struct bearer_options *bearer_options_of(const struct bearers *bearers);

/* On a fiber. Appends the token; its end is set in *what. */
enum err_code bearer_issue(struct bearers *bearers, struct bearer *what, struct buf *out,
                           struct err *err) MUST_CHECK;

/* On a fiber. Another number as soon as a key is known to have gone, and with it what it signed. */
uint64_t bearer_epoch(struct bearers *bearers);

/* On a fiber. ERR_UNAUTHORIZED and why, fit for the client; *ret_foreign: it is one, but of another
 * issuer (issuer.h). */
enum err_code bearer_verify(struct bearers *bearers, struct str token, struct bearer *ret,
                            bool *ret_foreign, struct err *err) MUST_CHECK;
