#include "secret/secret.h"

#include <string.h>

const char *secret_check_name(struct str name)
{
	static const char rule[] =
		"must be capital letters, digits and underscores, at most 64, no digit first";

	if (name.n == 0 || name.n > SECRET_NAME_MAX || (name.p[0] >= '0' && name.p[0] <= '9')) {
		return rule;
	}
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_') {
			return rule;
		}
	}
	return NULL;
}

const char *secret_check_value(struct str value)
{
	if (value.n < SECRET_VALUE_MIN || value.n > SECRET_VALUE_MAX) {
		return "must have 8 to 16384 bytes";
	}
	return memchr(value.p, '\0', value.n) != NULL || !str_is_utf8(value)
	               ? "must be text, without NUL"
	               : NULL;
}
