/*
 * Keys made of the one secret of an installation, one for each purpose: what is encrypted or hashed
 * for one of them is nothing for another, and the secret itself is used for nothing but API keys.
 */
#pragma once

#include "cred/digest.h"

/* The word names the purpose and never changes: "tokens", "signing keys", "cookies", ... */
struct cred_pepper cred_subkey(const struct cred_pepper *secret, const char *word);
