#include "token/issuer_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/fetch.h"
#include "json/value.h"
#include "loop/fiber.h"

enum { MS = 1000, DISCOVERY_MAX = 64 * 1024 };

#define DISCOVERY "/.well-known/openid-configuration"

/* Of one row; a row never changes, it goes and another one comes. */
struct keyset {
	struct id issuer; /* nil: empty */
	struct cred_jwks *set;
	uint64_t fetched_ms, fresh_ms; /* when, and until when */
	uint64_t tried_ms;             /* 0: never */
	uint64_t used_ms;
	bool busy; /* a fiber fetches: others wait for done */
	struct fiber_signal done;
	unsigned waiting;
};

struct issuer_keys {
	struct issuer_options options;
	struct keyset sets[ISSUERS_MAX];
};

struct issuer_keys *issuer_keys_new(const struct issuer_options *options)
{
	struct issuer_keys *keys = mem_calloc(1, sizeof(*keys));

	keys->options = *options;
	for (size_t i = 0; i < ISSUERS_MAX; i++) {
		fiber_signal_init(&keys->sets[i].done);
	}
	return keys;
}

void issuer_keys_free(struct issuer_keys *keys)
{
	if (keys != NULL) {
		for (size_t i = 0; i < ISSUERS_MAX; i++) {
			cred_jwks_free(keys->sets[i].set);
		}
		free(keys);
	}
}

/* The set of that row; else the one that was not used for the longest time makes room. NULL: all
 * are in use. */
static struct keyset *set_of(struct issuer_keys *keys, const struct id *issuer)
{
	struct keyset *oldest = NULL;

	for (size_t i = 0; i < ISSUERS_MAX; i++) {
		struct keyset *set = &keys->sets[i];

		if (id_eq(&set->issuer, issuer)) {
			return set;
		}
		if (!set->busy && set->waiting == 0 &&
		    (oldest == NULL || set->used_ms < oldest->used_ms)) {
			oldest = set;
		}
	}
	if (oldest != NULL) {
		cred_jwks_free(oldest->set);
		*oldest = (struct keyset){ .issuer = *issuer };
		fiber_signal_init(&oldest->done);
	}
	return oldest;
}

/* ---- fetching ---- */

static enum err_code get(const struct issuer_keys *keys, const char *url, size_t max,
                         struct fetch_response *ret, struct err *err)
{
	const struct fetch_request request = {
		.method = "GET",
		.url = url,
		.headers = { "Accept: application/json" },
		.timeout_ms = ISSUER_FETCH_MS,
		.response_max = max,
		.flags = keys->options.plain ? FETCH_PLAIN_LOOPBACK : 0,
	};
	enum err_code code = fetch(keys->options.fetch, &request, ret, err);

	if (code == ERR_OK && ret->status != 200) {
		code = err_set(err, ERR_BACKEND, "it answers %d", ret->status);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "%s", url);
}

/* OpenID Connect Discovery 1.0 section 4.3: it has to name the issuer that was asked. */
static enum err_code read_discovery(const struct issuer *issuer, struct str text,
                                    char ret[ISSUER_URL_MAX + 1], struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *document = json_parse(text, err);

	if (document == NULL) {
		return err_wrap(err, "discovery document of %s", issuer->issuer);
	}
	if (!str_eq(json_as_str(json_get(document, "issuer")), str_of(issuer->issuer))) {
		return err_set(err, ERR_BACKEND, "the discovery document of %s is another issuer's",
		               issuer->issuer);
	}
	if (!str_copy(ret, ISSUER_URL_MAX + 1, json_as_str(json_get(document, "jwks_uri"))) ||
	    ret[0] == '\0') {
		return err_set(err, ERR_BACKEND, "the discovery document of %s has no jwks_uri",
		               issuer->issuer);
	}
	return ERR_OK;
}

static enum err_code discover(const struct issuer_keys *keys, const struct issuer *issuer,
                              char ret[ISSUER_URL_MAX + 1], struct err *err)
{
	char url[ISSUER_URL_MAX + sizeof(DISCOVERY)];
	struct str base = str_of(issuer->issuer);
	struct fetch_response response;
	enum err_code code;

	if (str_ends(base, STR_LIT("/"))) {
		base.n--;
	}
	(void)snprintf(url, sizeof(url), "%" STR_FMT DISCOVERY, STR_ARG(base));
	code = get(keys, url, DISCOVERY_MAX, &response, err);
	if (code == ERR_OK) {
		code = read_discovery(issuer, buf_str(&response.body), ret, err);
	}
	fetch_response_fini(&response);
	return code;
}

static enum err_code fetch_set(const struct issuer_keys *keys, const struct issuer *issuer,
                               struct cred_jwks **ret, uint64_t *ret_keep_s, struct err *err)
{
	char url[ISSUER_URL_MAX + 1];
	struct fetch_response response;
	enum err_code code = ERR_OK;

	(void)str_copy(url, sizeof(url), str_of(issuer->jwks_uri));
	if (url[0] == '\0') {
		code = discover(keys, issuer, url, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	code = get(keys, url, CRED_JWKS_TEXT_MAX, &response, err);
	if (code == ERR_OK) {
		*ret = cred_jwks_parse(buf_str(&response.body), issuer->rsa_alg, NULL, err);
		*ret_keep_s = issuer_keep_s(fetch_header(&response, "Cache-Control"));
		code = *ret != NULL ? ERR_OK : err_wrap(err, "%s", url);
	}
	fetch_response_fini(&response);
	return code;
}

/* What there was stays when nothing better comes. */
static enum err_code renew(struct issuer_keys *keys, const struct issuer *issuer,
                           struct keyset *set, struct err *err)
{
	struct cred_jwks *fresh = NULL;
	uint64_t keep_s = 0;
	enum err_code code;

	set->busy = true;
	set->tried_ms = clock_mono_ms();
	code = fetch_set(keys, issuer, &fresh, &keep_s, err);
	if (code == ERR_OK) {
		cred_jwks_free(set->set);
		set->set = fresh;
		set->fetched_ms = clock_mono_ms();
		set->fresh_ms = set->fetched_ms + keep_s * MS;
	}
	set->busy = false;
	if (set->waiting > 0) {
		fiber_signal_raise(&set->done);
	}
	return code;
}

/* One asks, the others wait for what it gets. */
static enum err_code renew_once(struct issuer_keys *keys, const struct issuer *issuer,
                                struct keyset *set, struct err *err)
{
	enum err_code code;

	if (!set->busy) {
		return renew(keys, issuer, set, err);
	}
	set->waiting++;
	code = fiber_signal_wait(&set->done, 2 * ISSUER_FETCH_MS);
	set->waiting--;
	return code == ERR_OK ? ERR_OK : err_set(err, code, "keys of %s", issuer->issuer);
}

/* ---- finding ---- */

static bool may_try(const struct keyset *set)
{
	return set->busy || set->tried_ms == 0 || clock_mono_ms() - set->tried_ms >= ISSUER_MISS_MS;
}

static const struct cred_jwk *look(const struct keyset *set, const char *kid, enum cred_alg alg)
{
	uint64_t over_ms = set->fresh_ms + (uint64_t)ISSUER_STALE_S * MS;

	return set->set != NULL && clock_mono_ms() < over_ms ? cred_jwks_find(set->set, kid, alg)
	                                                     : NULL;
}

enum err_code issuer_keys_find(struct issuer_keys *keys, const struct issuer *issuer,
                               const char *kid, enum cred_alg alg, const struct cred_jwk **ret,
                               struct err *err)
{
	struct keyset *set = set_of(keys, &issuer->id);
	bool is_fresh;
	enum err_code code = ERR_OK;

	if (set == NULL) {
		return err_set(err, ERR_LIMIT, "too many issuers are asked at the same time");
	}
	set->used_ms = clock_mono_ms();
	is_fresh = set->set != NULL && clock_mono_ms() < set->fresh_ms;
	*ret = is_fresh ? look(set, kid, alg) : NULL;
	if (*ret == NULL && may_try(set)) {
		code = renew_once(keys, issuer, set, err);
	}
	if (*ret == NULL) {
		*ret = look(set, kid, alg);
	}
	if (*ret != NULL) {
		return ERR_OK;
	}
	if (code != ERR_OK || set->set == NULL) {
		return err_set(err, ERR_UNAVAILABLE,
		               "the keys of the token's issuer cannot be had");
	}
	return err_set(err, ERR_UNAUTHORIZED, "the token is signed with a key that is not known");
}
