#include "cred/subkey.h"

struct cred_pepper cred_subkey(const struct cred_pepper *secret, const char *word)
{
	const struct str parts[] = { STR_LIT("subkey"), str_of(word) };
	struct cred_digest digest = cred_digest(parts, ARRAY_LEN(parts), secret);
	struct cred_pepper key;

	memcpy(key.bytes, digest.bytes, sizeof(key.bytes));
	cred_wipe(&digest, sizeof(digest));
	return key;
}
