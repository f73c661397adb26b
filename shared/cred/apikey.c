#include "cred/apikey.h"

#include <sodium.h>
#include <stdint.h>

static const char prefix[] = CRED_KEY_PREFIX;
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* CRC-32C (RFC 3720 appendix B.4): reflected polynomial 0x82F63B78. */
static uint32_t crc32c(struct str s)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= (unsigned char)s.p[i];
		for (int bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
		}
	}
	return ~crc;
}

static void format_check(struct str covered, char out[CRED_CHECK_LEN + 1])
{
	uint32_t crc = crc32c(covered);

	for (int i = CRED_CHECK_LEN - 1; i >= 0; i--) {
		out[i] = alphabet[crc & 31];
		crc >>= 5;
	}
	out[CRED_CHECK_LEN] = '\0';
}

static bool in_alphabet(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || strchr(alphabet, s.p[i]) == NULL) {
			return false;
		}
	}
	return true;
}

bool cred_env_ok(struct str env)
{
	static const char *const others[] = { "ticket", "stream" };

	for (size_t i = 0; i < env.n; i++) {
		if (!((env.p[i] >= 'a' && env.p[i] <= 'z') ||
		      (env.p[i] >= '0' && env.p[i] <= '9'))) {
			return false;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (str_eq(env, str_of(others[i]))) {
			return false;
		}
	}
	return env.n >= 1 && env.n <= CRED_ENV_MAX;
}

struct cred_key cred_key_new(const char *env)
{
	struct cred_key key = { .id = id_new() };
	unsigned char random[CRED_SECRET_LEN];

	(void)str_copy(key.env, sizeof(key.env), str_of(env));
	/* Five of each byte's bits: 260 random bits, uniform without any carry. */
	randombytes_buf(random, sizeof(random));
	for (size_t i = 0; i < CRED_SECRET_LEN; i++) {
		key.secret[i] = alphabet[random[i] & 31];
	}
	sodium_memzero(random, sizeof(random));
	return key;
}

void cred_key_format(const struct cred_key *key, char out[CRED_KEY_MAX + 1])
{
	struct str env = str_of(key->env[0] != '\0' ? key->env : CRED_ENV_USUAL);
	size_t n = sizeof(prefix) - 1;

	memcpy(out, prefix, n);
	memcpy(out + n, env.p, env.n);
	n += env.n;
	out[n++] = '_';
	for (size_t i = 0; i < ID_LEN; i++) {
		char c = key->id.s[i];

		out[n++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	out[n++] = '_';
	memcpy(out + n, key->secret, CRED_SECRET_LEN);
	n += CRED_SECRET_LEN;
	format_check(str_make(out, n), out + n);
}

/* What stands before and after the env; false: it is nothing of ours. A key of another env that is
 * cut short is known by its id only, since so much begins with fl_. */
static bool cut_env(struct str text, struct str *ret_env, struct str *ret_rest)
{
	struct str rest = text, start = STR_LIT(prefix);
	struct id id;

	if (!str_starts(text, start)) {
		return false;
	}
	rest = str_make(text.p + start.n, text.n - start.n);
	*ret_env = str_split(&rest, '_');
	*ret_rest = rest;
	return rest.p != NULL && cred_env_ok(*ret_env) &&
	       (str_eq(*ret_env, STR_LIT(CRED_ENV_USUAL)) ||
	        (rest.n >= ID_LEN && id_parse(str_make(rest.p, ID_LEN), &id)));
}

enum cred_key_flaw cred_key_parse(struct str text, struct cred_key *ret)
{
	char check[CRED_CHECK_LEN + 1];
	struct str env, rest, id, secret;
	struct cred_key key;

	if (!cut_env(text, &env, &rest)) {
		return CRED_KEY_FOREIGN;
	}
	if (rest.n != ID_LEN + 1 + CRED_SECRET_LEN + CRED_CHECK_LEN) {
		return CRED_KEY_MISTYPED;
	}
	id = str_make(rest.p, ID_LEN);
	secret = str_make(id.p + ID_LEN + 1, CRED_SECRET_LEN);
	if (!in_alphabet(id) || id.p[ID_LEN] != '_' || !in_alphabet(secret) ||
	    !id_parse(id, &key.id)) {
		return CRED_KEY_MISTYPED;
	}
	format_check(str_make(text.p, text.n - CRED_CHECK_LEN), check);
	if (!str_eq(str_of(check), str_make(secret.p + secret.n, CRED_CHECK_LEN))) {
		return CRED_KEY_MISTYPED;
	}
	(void)str_copy(key.env, sizeof(key.env), env);
	(void)str_copy(key.secret, sizeof(key.secret), secret);
	*ret = key;
	return CRED_KEY_OK;
}

struct cred_digest cred_key_hash(const struct cred_key *key, const struct cred_pepper *pepper)
{
	const struct str parts[] = { str_of(key->id.s), str_of(key->secret) };

	return cred_digest(parts, ARRAY_LEN(parts), pepper);
}
