/*
 * Tokens of others: identity providers, CI systems, clusters.  A row (issuers) says whose, for whom
 * they have to be, and as whom they act.
 *
 * Keys are found by (issuer, kid, algorithm).  They are fetched over https from the address in the
 * row, or from the one that the issuer's discovery document names; kept as long as the answer says,
 * but 5 minutes to a day; fetched again for a kid that is not known, at most once in 10 s, by
 * one fiber while the others wait; and kept in use for a day after they should have been renewed
 * while the issuer cannot be reached.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "cred/jwt.h"
#include "pg/pg.h"

struct fetch;
struct issuers;

enum {
	ISSUERS_MAX = 100,
	ISSUER_URL_MAX = 512,
	ISSUER_AUDIENCE_MAX = 256,
	ISSUER_CLAIM_MAX = 64,
	ISSUER_ROLES_MAX = 1024,
	ISSUER_ROLE_MAX = 16,
	ISSUER_TENANT_MAX = 64,
	ISSUER_LOOK_MS = 1000, /* rows are looked at this often while they are needed */
	ISSUER_KEEP_MIN_S = 300,
	ISSUER_KEEP_S = 3600, /* when the answer does not say */
	ISSUER_KEEP_MAX_S = 86400,
	ISSUER_STALE_S = 86400,
	ISSUER_MISS_MS = 10000,
	ISSUER_FETCH_MS = 5000,
};

struct issuer {
	struct id id;
	char tenant[ISSUER_TENANT_MAX + 1];
	char issuer[ISSUER_URL_MAX + 1];
	char audience[ISSUER_AUDIENCE_MAX + 1];
	char jwks_uri[ISSUER_URL_MAX + 1]; /* "": by discovery */
	enum cred_alg rsa_alg;             /* of RSA keys that do not say */
	char user_claim[ISSUER_CLAIM_MAX + 1], role_claim[ISSUER_CLAIM_MAX + 1]; /* "": none */
	char roles[ISSUER_ROLES_MAX + 1];                                        /* JSON object */
	char role[ISSUER_ROLE_MAX + 1];                                          /* "": none */
	int64_t created_us;
};

struct issuer_options {
	struct pg *pg;
	struct fetch *fetch; /* borrowed */
	bool plain;          /* http too, of this machine: for development */
};

struct issuers *issuer_new(const struct issuer_options *options) MUST_CHECK;
void issuer_free(struct issuers *issuers); /* NULL is a no-op; no fiber is inside */

/* What a token of theirs says of who it is. */
struct issuer_said {
	struct id issuer;
	char tenant[ISSUER_TENANT_MAX + 1];
	char subject[CRED_CLAIM_MAX + 1];
	char user[CRED_CLAIM_MAX + 1];  /* the id of a member; "": none is named */
	bool by_email;                  /* or the e-mail address, which the issuer has verified */
	char role[ISSUER_ROLE_MAX + 1]; /* when no user is named; "": none */
	int64_t expires_us;
};

/* On a fiber. ERR_UNAUTHORIZED and why, fit for the client; ERR_UNAVAILABLE: there are no keys now.
 */
enum err_code issuer_verify(struct issuers *issuers, struct str token, struct issuer_said *ret,
                            struct err *err) MUST_CHECK;

/* What its claims make of a token that was verified. Pure. ERR_UNAUTHORIZED: nobody. */
enum err_code issuer_read(const struct issuer *issuer, const struct cred_jwt *jwt,
                          struct issuer_said *ret, struct err *err) MUST_CHECK;
/* For how long the keys may be kept, from Cache-Control (RFC 9111 section 5.2.2). Pure. */
uint64_t issuer_keep_s(struct str cache_control);

/* ---- rows ---- */

struct issuer_list {
	struct issuer *items; /* the caller's to free() */
	size_t count;
};

enum err_code issuer_list(struct pg *pg, struct issuer_list *ret, struct err *err) MUST_CHECK;
/* ERR_CONFLICT: there is one for this issuer and audience. ERR_NOT_FOUND: no such tenant.
 * ERR_LIMIT: there are ISSUERS_MAX. */
enum err_code issuer_create(struct pg *pg, const struct issuer *issuer, const char *by,
                            struct err *err) MUST_CHECK;
enum err_code issuer_delete(struct pg *pg, const struct id *id, bool *ret_deleted,
                            struct err *err) MUST_CHECK;
