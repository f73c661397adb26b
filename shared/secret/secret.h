/* Credentials that agents get by name: what one is called, and what it may be. */
#pragma once

#include "base/str.h"

enum {
	SECRET_NAME_MAX = 64,
	SECRET_VALUE_MIN = 8, /* bytes; what is shorter could not be taken out of events */
	SECRET_VALUE_MAX = 16 * 1024,
	SECRET_OF_SESSION_MAX = 32,          /* names that an agent may want */
	SECRET_OF_SESSION_BYTES = 32 * 1024, /* of their values together */
	SECRET_OF_TENANT_MAX = 1000,
};

/* NULL, or the rule that it breaks. */
const char *secret_check_name(struct str name);
const char *secret_check_value(struct str value);
