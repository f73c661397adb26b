#include "token/bearer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cred/jwt.h"
#include "cred/subkey.h"
#include "json/write.h"

enum { SLOTS = 1024, CLAIMS_MAX = 2048, MICRO = 1000000 };

struct slot {
	struct cred_digest token;
	uint64_t epoch;    /* of the signing keys */
	int64_t expires_s; /* 0: empty */
	struct bearer bearer;
};

struct bearers {
	struct bearer_options options;
	struct signing *signing;
	struct cred_pepper key; /* of the hashes below */
	struct slot slots[SLOTS];
};

struct bearers *bearer_new(const struct bearer_options *options)
{
	struct bearers *bearers = mem_calloc(1, sizeof(*bearers));

	bearers->options = *options;
	bearers->signing = signing_new(&options->signing);
	bearers->key = cred_subkey(&options->signing.secret, "bearers");
	return bearers;
}

void bearer_free(struct bearers *bearers)
{
	if (bearers != NULL) {
		signing_free(bearers->signing);
		cred_wipe(bearers, sizeof(*bearers));
		free(bearers);
	}
}

struct signing *bearer_signing(struct bearers *bearers)
{
	return bearers->signing;
}

const struct bearer_options *bearer_options_of(const struct bearers *bearers)
{
	return &bearers->options;
}

/* ---- making ---- */

/* RFC 9068 section 2.2.3: scopes with spaces between them. */
static void swap(char *text, char from, char to)
{
	for (; *text != '\0'; text++) {
		*text = *text == from ? to : *text;
	}
}

static void write_claims(const struct bearers *bearers, const struct bearer *what, int64_t now_s,
                         struct buf *out)
{
	const struct id jti = id_new();
	char scopes[BEARER_SCOPES_MAX + 1];
	struct jsonw w;

	(void)str_copy(scopes, sizeof(scopes), str_of(what->scopes));
	swap(scopes, ',', ' ');
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "iss", bearers->options.issuer);
	jsonw_cstr(&w, "aud", bearers->options.audience);
	jsonw_cstr(&w, "sub", what->user.s);
	jsonw_cstr(&w, "tenant", what->tenant);
	jsonw_cstr(&w, "sid", what->login.s);
	if (scopes[0] != '\0') {
		jsonw_cstr(&w, "scope", scopes);
	}
	jsonw_cstr(&w, "jti", jti.s);
	jsonw_i64(&w, "iat", now_s);
	jsonw_i64(&w, "nbf", now_s);
	jsonw_i64(&w, "exp", what->expires_us / MICRO);
	jsonw_end_object(&w);
}

enum err_code bearer_issue(struct bearers *bearers, struct bearer *what, struct buf *out,
                           struct err *err)
{
	CLEANUP(buf_fini) struct buf claims = { 0 };
	const struct cred_jwk *key;
	enum err_code code = signing_look(bearers->signing, false, err);
	int64_t now_us = clock_wall_us();

	if (code != ERR_OK) {
		return code;
	}
	key = signing_current(bearers->signing, now_us);
	if (key == NULL) {
		return err_set(err, ERR_UNAVAILABLE, "no signing key is active");
	}
	what->expires_us = (now_us / MICRO + (int64_t)bearers->options.signing.access_s) * MICRO;
	buf_init(&claims, CLAIMS_MAX);
	write_claims(bearers, what, now_us / MICRO, &claims);
	if (buf_failed(&claims) || !cred_jws_sign(key, CRED_TYP_ACCESS, buf_str(&claims), out)) {
		return err_set(err, ERR_INTERNAL, "a token could not be signed");
	}
	return ERR_OK;
}

/* ---- verifying ---- */

static enum err_code refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHORIZED, "%s", why);
}

static enum err_code read_claims(const struct cred_jwt *jwt, struct bearer *ret, struct err *err)
{
	struct str login = cred_jwt_text(jwt, "sid");

	*ret = (struct bearer){ .expires_us = jwt->expires_s * MICRO };
	if (!id_parse(jwt->subject, &ret->user) || !id_parse(login, &ret->login) ||
	    !str_copy(ret->tenant, sizeof(ret->tenant), cred_jwt_text(jwt, "tenant")) ||
	    ret->tenant[0] == '\0' ||
	    !str_copy(ret->scopes, sizeof(ret->scopes), cred_jwt_text(jwt, "scope"))) {
		return refuse(err, "the claims of the token are not ours");
	}
	swap(ret->scopes, ' ', ',');
	return ERR_OK;
}

/* The key is looked for twice: it may be newer than what we know. */
static enum err_code find_key(struct bearers *bearers, const struct cred_jws *jws,
                              const struct cred_jwk **ret, struct err *err)
{
	enum err_code code = signing_look(bearers->signing, false, err);

	if (code != ERR_OK) {
		return code;
	}
	*ret = signing_find(bearers->signing, jws->kid, jws->alg, clock_wall_us());
	if (*ret == NULL) {
		code = signing_look(bearers->signing, true, err);
		*ret = signing_find(bearers->signing, jws->kid, jws->alg, clock_wall_us());
	}
	return code != ERR_OK || *ret != NULL
	               ? code
	               : refuse(err, "the token is signed with a key that is not known");
}

static enum err_code verify(struct bearers *bearers, const struct cred_jwt *jwt, struct bearer *ret,
                            struct err *err)
{
	const struct cred_jwt_expected expected = { .issuer = bearers->options.issuer,
		                                    .audience = bearers->options.audience,
		                                    .access = true,
		                                    .now_s = clock_wall_us() / MICRO };
	const struct cred_jwk *key = NULL;
	enum err_code code;

	code = find_key(bearers, &jwt->jws, &key, err);
	if (code == ERR_OK) {
		code = cred_jwt_verify(jwt, key, &expected, err);
	}
	return code == ERR_OK ? read_claims(jwt, ret, err) : code;
}

uint64_t bearer_epoch(struct bearers *bearers)
{
	struct err ignored;

	/* Also while the database is away, so that a token that is known is not refused for that.
	 */
	(void)!signing_look(bearers->signing, false, &ignored);
	return signing_epoch(bearers->signing);
}

enum err_code bearer_verify(struct bearers *bearers, struct str token, struct bearer *ret,
                            bool *ret_foreign, struct err *err)
{
	struct cred_digest digest = cred_digest(&token, 1, &bearers->key);
	struct slot *slot = &bearers->slots[(digest.bytes[0] | digest.bytes[1] << 8) % SLOTS];
	struct cred_jwt jwt;
	struct bearer found;
	enum err_code code;

	*ret_foreign = false;
	if (slot->epoch == bearer_epoch(bearers) &&
	    slot->expires_s + CRED_LEEWAY_S > clock_wall_us() / MICRO &&
	    cred_digest_eq(&slot->token, &digest)) {
		*ret = slot->bearer;
		return ERR_OK;
	}
	code = cred_jwt_parse(token, &jwt, err);
	*ret_foreign = code == ERR_OK && !str_eq(jwt.issuer, str_of(bearers->options.issuer));
	if (code != ERR_OK) {
		err->code = code = ERR_UNAUTHORIZED;
	} else if (*ret_foreign) {
		code = refuse(err, "the token is of another issuer");
	} else {
		code = verify(bearers, &jwt, &found, err);
	}
	if (code == ERR_OK) {
		*slot = (struct slot){ digest, signing_epoch(bearers->signing), jwt.expires_s,
			               found };
		*ret = found;
	}
	cred_jwt_fini(&jwt);
	return code;
}
