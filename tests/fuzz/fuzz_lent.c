/* Any bytes as what Redis kept of a ticket, as a ticket, a bell or an origin: what is read of a
 * grant is exactly what would be written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_bell.h"
#include "auth/auth_grant.h"
#include "auth/auth_origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Scopes that this version does not know are not written again. */
static void check_grant(struct str text)
{
	struct auth_grant grant, again;
	struct buf out;

	if (!auth_grant_decode(text, &grant)) {
		return;
	}
	buf_init(&out, AUTH_GRANT_SIZE_MAX);
	auth_grant_encode(&grant, &out);
	if (buf_failed(&out) || !auth_grant_decode(buf_str(&out), &again) ||
	    strcmp(grant.tenant, again.tenant) != 0 || grant.scopes != again.scopes ||
	    grant.observes != again.observes || !id_eq(&grant.session, &again.session) ||
	    strcmp(grant.path, again.path) != 0) {
		abort();
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size), origin = text, host = text;
	struct auth_bell bell;
	struct id key;

	check_grant(text);
	(void)!auth_lent_parse(text, AUTH_TICKET_PREFIX, &key);
	(void)!auth_lent_parse(text, AUTH_COOKIE_PREFIX, &key);
	(void)!auth_bell_decode(text, &bell);
	(void)auth_grant_path(text);
	origin = str_split(&host, '\n');
	(void)auth_origin_same(origin, host, false);
	(void)auth_origin_same(origin, host, true);
	return 0;
}
