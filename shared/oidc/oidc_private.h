/* Between the files of this folder: what a provider's documents say, and asking it. */
#pragma once

#include "fetch/fetch.h"
#include "json/value.h"
#include "loop/fiber.h"
#include "oidc/oidc.h"
#include "token/issuer_keys.h"

/* OpenID Connect Discovery 1.0 section 3, RFC 8414, RFC 9207. "": not there. */
struct oidc_document {
	char authorization[ISSUER_URL_MAX + 1], token[ISSUER_URL_MAX + 1];
	char userinfo[ISSUER_URL_MAX + 1], device[ISSUER_URL_MAX + 1];
	char end_session[ISSUER_URL_MAX + 1], jwks[ISSUER_URL_MAX + 1];
	bool says_iss;
	bool basic; /* the secret goes into a header, else into the form */
};

struct oidc_known {
	struct oidc_document document;
	uint64_t fetched_ms; /* 0: never */
	uint64_t tried_ms;   /* the last time that failed; 0: it did not */
	struct err failed;   /* of that time */
	bool asking;         /* a fiber does; those who have no document wait for it */
	struct fiber_signal asked;
	struct issuer as; /* with the keys' address */
};

struct oidc {
	struct oidc_options options;
	struct cred_pepper seal;
	struct issuer_keys *keys;
	struct oidc_known known[OIDC_PROVIDERS_MAX + 1];
};

/* On a fiber; lives until the fiber waits. ERR_UNAVAILABLE, fit for the client. */
enum err_code oidc_look(struct oidc *oidc, const struct oidc_provider *provider,
                        struct oidc_document *ret, struct err *err) MUST_CHECK;
const struct issuer *oidc_issuer_of(const struct oidc *oidc, const struct oidc_provider *provider);

/* "&name=value", percent-encoded (application/x-www-form-urlencoded). */
void oidc_form_add(struct buf *form, const char *name, struct str value);

struct oidc_ask {
	const char *url;
	const char *authorization; /* a header line, or NULL */
	struct str form;           /* {NULL, 0}: GET */
};

/* What is answered as JSON, whatever the status. *ret is the caller's to free, NULL on errors. */
enum err_code oidc_ask(const struct oidc *oidc, const struct oidc_ask *ask, int *ret_status,
                       struct json_value **ret, struct err *err) MUST_CHECK;

/* POST to the token endpoint as this client: client_id and the secret are added to the form. */
enum err_code oidc_ask_as_client(const struct oidc *oidc, const struct oidc_provider *provider,
                                 const char *url, bool basic, struct buf *form, int *ret_status,
                                 struct json_value **ret, struct err *err) MUST_CHECK;

/* Who an answer of the token endpoint is about: by its ID token, which has the nonce (NULL: none is
 * expected), and userinfo for what is not in it. */
enum err_code oidc_read_tokens(struct oidc *oidc, const struct oidc_provider *provider,
                               const struct oidc_document *document,
                               const struct json_value *tokens, const char *nonce,
                               struct arena *arena, struct oidc_person *ret,
                               struct err *err) MUST_CHECK;
