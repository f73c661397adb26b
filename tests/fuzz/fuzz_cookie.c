/* Any bytes as a Cookie header, as the cookie of a login, and as the plain bytes of one that we
 * sealed: nothing but what we made is a login, and what is one is exactly that. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_shown.h"
#include "cred/seal.h"
#include "login/login.h"

enum { PLAIN_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now_us = INT64_C(1800000000000000);

/* The value is a piece of the header, without what ends it. */
static void check_header(struct str text, bool https)
{
	struct http_header header = { STR_LIT("Cookie"), text };
	struct http_request req = { .headers = &header, .header_count = 1, .https = https };
	struct auth_shown_set set;
	struct err err;

	if (auth_shown_find(&req, true, &set, &err) != ERR_OK || set.is_given ||
	    set.sent_count > 2) {
		abort();
	}
	for (size_t i = 0; i < set.sent_count; i++) {
		struct str value = set.sent[i].text;

		if (value.n == 0 || value.p < text.p || value.p + value.n > text.p + text.n ||
		    memchr(value.p, ';', value.n) != NULL) {
			abort();
		}
	}
}

static void check_sealed(const struct cred_pepper *secret, struct str plain)
{
	struct login_shown shown;
	struct buf text, again;

	if (plain.n > PLAIN_MAX) {
		return;
	}
	buf_init(&text, 4 * (size_t)PLAIN_MAX);
	buf_init(&again, PLAIN_MAX);
	cred_seal_text(secret, "login", now_us, plain, &text);
	if (!cred_unseal_text(secret, "login", now_us, buf_str(&text), &again) ||
	    !str_eq(buf_str(&again), plain)) {
		abort();
	}
	if (login_cookie_parse(buf_str(&text), secret, now_us, &shown) &&
	    strncasecmp(shown.login.s, plain.p, ID_LEN) != 0) {
		abort();
	}
	buf_fini(&text);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cred_pepper secret = cred_pepper_from(STR_LIT("a pepper for fuzzing"));
	struct str text = str_make((const char *)data, size);
	struct login_shown shown;

	check_header(text, false);
	check_header(text, true);
	if (login_cookie_parse(text, &secret, now_us, &shown)) {
		abort(); /* a seal that was guessed */
	}
	check_sealed(&secret, text);
	(void)!login_csrf_ok(&secret, &(struct id){ "01JD0M6T3RHN4P6S8TAVCXEZ1B" }, text);
	return 0;
}
