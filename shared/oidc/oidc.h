/*
 * Logging in at a provider: the code flow of OpenID Connect with PKCE (S256), state and nonce, and
 * devices at a provider (RFC 8628).
 *
 * What has to be remembered while a browser is away is in a cookie, sealed, for OIDC_AWAY_S: which
 * provider was meant, state, nonce, PKCE's verifier, and where to go afterwards.  Nothing is kept
 * here, so any node can finish what another one began.  An answer is taken only with that
 * cookie, only from the provider it was meant for (RFC 9207), and its ID token counts only when it
 * is signed with that provider's key, for us, and has the nonce.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cred/digest.h"
#include "oidc/provider.h"

struct fetch;
struct oidc;

enum {
	OIDC_AWAY_S = 600,
	OIDC_COOKIE_MAX = 3072,
	OIDC_ADDRESS_MAX = 4096,
	OIDC_FETCH_MS = 5000,
	OIDC_KEEP_MS = 3600 * 1000,   /* a discovery document */
	OIDC_STALE_MS = 86400 * 1000, /* while there is no newer one */
	OIDC_INTERVAL_S = 5,          /* RFC 8628 section 3.2, when none is given */
	OIDC_INTERVAL_MAX_S = 60,
	OIDC_DEVICE_MAX_S = 1800,
	OIDC_CODE_MAX = 1024,
};

struct oidc_options {
	struct fetch *fetch; /* borrowed */
	struct cred_pepper secret;
	struct oidc_providers providers; /* taken */
	bool plain;                      /* http too, of this machine: for development */
};

struct oidc *oidc_new(const struct oidc_options *options) MUST_CHECK;
void oidc_free(struct oidc *oidc); /* NULL is a no-op; no fiber is inside */
const struct oidc_providers *oidc_providers_of(const struct oidc *oidc);

/* ---- browsers; on a fiber ---- */

/* Where to send the browser, and the cookie's value. ERR_UNAVAILABLE: the provider cannot be
 * asked. ERR_INVALID: it is for devices only. */
enum err_code oidc_begin(struct oidc *oidc, const struct oidc_provider *provider,
                         const char *redirect_uri, struct str return_to, struct buf *ret_address,
                         struct buf *ret_cookie, struct err *err) MUST_CHECK;

/* What the browser brought back; absent: { NULL, 0 }. */
struct oidc_answer {
	struct str code, state, iss, error;
};

/* ERR_INVALID: it does not belong to this browser's login; ERR_FORBIDDEN: refused, there or here;
 * ERR_UNAUTHORIZED: what the provider says is not proven; ERR_UNAVAILABLE. Messages are fit for the
 * client. ret_return_to: of the arena. */
enum err_code oidc_finish(struct oidc *oidc, struct str cookie, const struct oidc_answer *answer,
                          const char *redirect_uri, struct arena *arena, struct oidc_person *ret,
                          struct str *ret_return_to, struct err *err) MUST_CHECK;

/* Where the provider ends its own login (OpenID Connect RP-Initiated Logout 1.0); nothing is added
 * when it has no such place. */
void oidc_end_address(struct oidc *oidc, const struct oidc_provider *provider,
                      const char *return_to, struct buf *out);

/* ---- devices; on a fiber ---- */

struct oidc_device {
	struct str code;                                 /* secret; of the arena, as is the rest */
	struct str user_code, address, address_complete; /* address_complete "": none */
	uint64_t expires_s, interval_s;
};

enum err_code oidc_device_begin(struct oidc *oidc, const struct oidc_provider *provider,
                                struct arena *arena, struct oidc_device *ret,
                                struct err *err) MUST_CHECK;

enum oidc_polled { OIDC_PENDING, OIDC_SLOW_DOWN, OIDC_REFUSED, OIDC_DONE };

/* OIDC_REFUSED: why is in err, for the client; it is over. An error: ask again later. */
enum err_code oidc_device_poll(struct oidc *oidc, const struct oidc_provider *provider,
                               struct str code, struct arena *arena, enum oidc_polled *ret_what,
                               struct oidc_person *ret, struct err *err) MUST_CHECK;
