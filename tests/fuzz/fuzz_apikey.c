/* Any bytes as an API key: what is accepted is exactly what would be written. */
#include <stdint.h>
#include <stdlib.h>

#include "cred/apikey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	char again[CRED_KEY_MAX + 1];
	struct cred_key key;

	if (cred_key_parse(text, &key) == CRED_KEY_OK) {
		cred_key_format(&key, again);
		if (!str_eq(text, str_of(again))) {
			abort();
		}
	}
	return 0;
}
