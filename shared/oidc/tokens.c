/* What a provider answers with: ID tokens, and what userinfo adds. */
#include <stdio.h>

#include "base/clock.h"
#include "oidc/oidc_private.h"

enum { MICRO = 1000000, BEARER_LINE_MAX = CRED_TOKEN_MAX + 32 };

static enum err_code refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHORIZED, "the provider's ID token is not good: %s", why);
}

/* OpenID Connect Core 1.0 section 3.1.3.7. */
static enum err_code check_claims(const struct cred_jwt *jwt, const char *client, const char *nonce,
                                  struct err *err)
{
	const struct json_value *audience = json_get(jwt->claims, "aud");
	const struct json_value *azp = json_get(jwt->claims, "azp");
	struct str said = json_as_str(json_get(jwt->claims, "nonce"));

	if (jwt->jws.typ == CRED_TYP_ACCESS) {
		return refuse(err, "it is an access token");
	}
	if ((json_count(audience) > 1 && azp == NULL) ||
	    (azp != NULL && !str_eq(json_as_str(azp), str_of(client)))) {
		return refuse(err, "it is for somebody else");
	}
	if (nonce != NULL && !str_eq(said, str_of(nonce))) {
		return refuse(err, "it is of another login");
	}
	return jwt->subject.n > 0 ? ERR_OK : refuse(err, "it is about nobody");
}

static enum err_code verify(struct oidc *oidc, const struct oidc_provider *provider,
                            const struct cred_jwt *jwt, const char *nonce, struct err *err)
{
	const struct issuer *as = oidc_issuer_of(oidc, provider);
	const struct cred_jwt_expected expected = { .issuer = as->issuer,
		                                    .audience = as->audience,
		                                    .now_s = clock_wall_us() / MICRO };
	const struct cred_jwk *key;
	enum err_code code =
		issuer_keys_find(oidc->keys, as, jwt->jws.kid, jwt->jws.alg, &key, err);

	if (code == ERR_OK) {
		code = cred_jwt_verify(jwt, key, &expected, err);
	}
	return code == ERR_OK ? check_claims(jwt, as->audience, nonce, err) : code;
}

static bool lacks(const struct oidc_provider *provider, const struct json_value *claims,
                  struct arena *arena)
{
	bool wants_groups = provider->roles.count + provider->tenants.count > 0;

	return json_get(claims, "email") == NULL || json_get(claims, "email_verified") == NULL ||
	       (wants_groups &&
	        json_get(claims, arena_strdup(arena, provider->groups_claim)) == NULL);
}

/* Section 5.3.2: only what it says of the same subject counts. What the ID token says goes first:
 * it is signed. */
static enum err_code ask_userinfo(const struct oidc *oidc, const char *url, struct str access,
                                  struct str subject, struct json_value **ret, struct err *err)
{
	char line[BEARER_LINE_MAX];
	enum err_code code;
	int status = 0;

	*ret = NULL;
	for (size_t i = 0; i < access.n; i++) {
		if (access.p[i] <= ' ' || access.p[i] >= 0x7f) {
			return refuse(err, "the access token beside it is none");
		}
	}
	if (access.n == 0 || access.n > CRED_TOKEN_MAX) {
		return refuse(err, "there is no access token beside it");
	}
	(void)snprintf(line, sizeof(line), "Authorization: Bearer %" STR_FMT, STR_ARG(access));
	code = oidc_ask(oidc, &(struct oidc_ask){ .url = url, .authorization = line }, &status, ret,
	                err);
	cred_wipe(line, sizeof(line));
	if (code == ERR_OK && status != 200) {
		return err_set(err, ERR_UNAVAILABLE, "the provider does not say who it is");
	}
	if (code == ERR_OK && !str_eq(json_as_str(json_get(*ret, "sub")), subject)) {
		return refuse(err, "userinfo is about somebody else");
	}
	return code;
}

/* That an address was verified is about that address. */
static bool belongs(const struct json_value *first, const struct json_value *second,
                    const char *name)
{
	const struct json_value *email = json_get(first, "email");

	return json_get(first, name) == NULL &&
	       (strcmp(name, "email_verified") != 0 || email == NULL ||
	        str_eq(json_as_str(email), json_as_str(json_get(second, "email"))));
}

/* One object of both, the first one's members first. */
static struct json_value *merged(const struct json_value *first, const struct json_value *second,
                                 struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { 0 };
	const struct json_value *both[] = { first, second }, *value;
	struct json_value *made;
	struct str name;
	char key[CRED_CLAIM_MAX];
	bool any = false;

	buf_init(&text, (size_t)256 * 1024);
	buf_add_char(&text, '{');
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		void *at = NULL;

		while (json_next(both[i], &at, &name, &value)) {
			/* Names that need escapes are no claims of ours. */
			bool plain =
				str_copy(key, sizeof(key), name) && strpbrk(key, "\"\\") == NULL;

			if (!plain || (i > 0 && !belongs(first, second, key))) {
				continue;
			}
			buf_addf(&text, "%s\"%s\":", any ? "," : "", key);
			json_format(value, &text);
			any = true;
		}
	}
	buf_add_char(&text, '}');
	made = buf_failed(&text) ? NULL : json_parse(buf_str(&text), err);
	if (made == NULL) {
		(void)err_set(err, ERR_UNAUTHORIZED, "what the provider says makes no sense");
	}
	return made;
}

static enum err_code read_person(struct oidc *oidc, const struct oidc_provider *provider,
                                 const struct oidc_document *document,
                                 const struct json_value *tokens, const struct cred_jwt *jwt,
                                 struct arena *arena, struct oidc_person *ret, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *said = NULL;
	CLEANUP(json_value_cleanup) struct json_value *all = NULL;
	enum err_code code;

	if (document->userinfo[0] == '\0' || !lacks(provider, jwt->claims, arena)) {
		return oidc_person_read(provider, jwt->claims, arena, ret, err);
	}
	code = ask_userinfo(oidc, document->userinfo, json_as_str(json_get(tokens, "access_token")),
	                    jwt->subject, &said, err);
	if (code != ERR_OK) {
		return code;
	}
	all = merged(jwt->claims, said, err);
	return all != NULL ? oidc_person_read(provider, all, arena, ret, err) : err->code;
}

enum err_code oidc_read_tokens(struct oidc *oidc, const struct oidc_provider *provider,
                               const struct oidc_document *document,
                               const struct json_value *tokens, const char *nonce,
                               struct arena *arena, struct oidc_person *ret, struct err *err)
{
	struct cred_jwt jwt;
	enum err_code code = cred_jwt_parse(json_as_str(json_get(tokens, "id_token")), &jwt, err);

	if (code != ERR_OK) {
		code = refuse(err, "it is none");
	} else {
		code = verify(oidc, provider, &jwt, nonce, err);
	}
	if (code == ERR_OK) {
		code = read_person(oidc, provider, document, tokens, &jwt, arena, ret, err);
	}
	cred_jwt_fini(&jwt);
	return code;
}
