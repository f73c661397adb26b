/* Secrets in the keyring of this user's desktop, by secret-tool (libsecret), where there is one:
 * a session bus, the tool, and FAIRLEAD_NO_KEYRING not set.  One secret for each server. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum { KEYRING_TIMEOUT_MS = 5000 };

bool keyring_store(const char *server, struct str secret) MUST_CHECK;
bool keyring_find(const char *server, struct buf *out) MUST_CHECK;
void keyring_clear(const char *server);
