/* The keys of issuers, fetched and kept; private to this folder. */
#pragma once

#include "token/issuer.h"

struct issuer_keys;

struct issuer_keys *issuer_keys_new(const struct issuer_options *options) MUST_CHECK;
void issuer_keys_free(struct issuer_keys *keys);

/* On a fiber. The key lives until the fiber waits. ERR_UNAUTHORIZED: there is none of that name;
 * ERR_UNAVAILABLE: the issuer cannot be asked. */
enum err_code issuer_keys_find(struct issuer_keys *keys, const struct issuer *issuer,
                               const char *kid, enum cred_alg alg, const struct cred_jwk **ret,
                               struct err *err) MUST_CHECK;
