/*
 * Our side of the talk with another implementation of signed tokens: one request a line on standard
 * input, one answer a line on standard output.
 *
 *	verify <jwk> <token>                        good | bad
 *	sign <alg> <private key, DER> <payload>     <token>; bytes in base64url
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cred/base64url.h"
#include "cred/jws.h"

enum { BYTES_MAX = 64 * 1024 };

static void verify(struct str rest)
{
	struct str jwk = str_split(&rest, ' ');
	struct err err;
	struct cred_jwk *key = cred_jwk_parse(jwk, CRED_RS256, &err);
	struct cred_jws jws = { .alg = CRED_ALG_COUNT };
	bool good = key != NULL && cred_jws_parse(rest, &jws, &err) == ERR_OK &&
	            cred_jws_verify(&jws, key);

	puts(good ? "good" : "bad");
	cred_jws_fini(&jws);
	cred_jwk_free(key);
}

static void sign(struct str rest)
{
	struct str name = str_split(&rest, ' '), key_text = str_split(&rest, ' ');
	struct buf der, payload, token;
	struct cred_jwk *key = NULL;
	enum cred_alg alg;

	buf_init(&der, BYTES_MAX);
	buf_init(&payload, BYTES_MAX);
	buf_init(&token, BYTES_MAX);
	if (cred_alg_parse(name, &alg) && cred_base64url_decode(key_text, &der) &&
	    cred_base64url_decode(rest, &payload)) {
		key = cred_jwk_import(buf_str(&der), alg, "k1");
	}
	if (key != NULL && cred_jws_sign(key, CRED_TYP_JWT, buf_str(&payload), &token)) {
		puts(buf_cstr(&token));
	} else {
		puts("bad");
	}
	cred_jwk_free(key);
	buf_fini(&der);
	buf_fini(&payload);
	buf_fini(&token);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		struct str rest = str_make(line, (size_t)n - 1);
		struct str verb = str_split(&rest, ' ');

		if (str_eq(verb, STR_LIT("verify"))) {
			verify(rest);
		} else {
			sign(rest);
		}
		(void)fflush(stdout);
	}
	free(line);
	return 0;
}
