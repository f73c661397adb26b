/*
 * What a key lends to a stream, for clients that cannot send headers (EventSource, a browser's
 * WebSocket).  Each is a random text of which Redis has only the keyed hash; the key it was lent by
 * is looked up at every use, so that revoking the key ends them all.
 *
 *	ticket  for one use within AUTH_TICKET_S, in the address: ?ticket=
 *	cookie  given to whoever opened a stream with a ticket, since browsers reconnect by
 *	        themselves: for the path of that stream only, until it is not used for its life
 *
 * Redis: {k:<key id>}:ticket:<hash>   a grant, expires
 *        {k:<key id>}:tickets         how many in this minute, expires
 *        {k:<key id>}:cookies         hash -> until (ms), a bar, a grant; the oldest go first
 */
#pragma once

#include "auth/auth.h"
#include "base/buf.h"

#define AUTH_TICKET_PREFIX "fl_ticket_"
#define AUTH_COOKIE_PREFIX "fl_stream_"

enum {
	AUTH_TICKET_S = 60,
	AUTH_GRANT_PATH_MAX = 256,
	AUTH_GRANT_SIZE_MAX = 1024,
	AUTH_COOKIES_OF_KEY = 256,
	AUTH_SECRET_LEN = 64, /* 256 bits */
	AUTH_LENT_LEN = sizeof(AUTH_TICKET_PREFIX) - 1 + ID_LEN + 1 + AUTH_SECRET_LEN,
};

struct auth_grant {
	char tenant[AUTH_TENANT_MAX + 1];
	unsigned scopes; /* set of auth_bit(): never more than the key has when it is used */
	bool observes;
	struct id session;                  /* nil: any */
	char path[AUTH_GRANT_PATH_MAX + 1]; /* without /stream; "": any that is streamed */
};

/* Pure: one line each. False: not a grant of ours. */
void auth_grant_encode(const struct auth_grant *grant, struct buf *out);
bool auth_grant_decode(struct str text, struct auth_grant *ret) MUST_CHECK;
/* The same path with and without the prefix for load balancers. Pure. */
struct str auth_grant_path(struct str path);
/* The key id in a ticket or cookie. Pure. */
bool auth_lent_parse(struct str text, const char *prefix, struct id *ret_key) MUST_CHECK;

/* On a fiber. ERR_LIMIT: too many of this key within a minute. */
enum err_code auth_ticket_issue(struct auth *auth, const struct principal *by,
                                const struct auth_grant *grant, char ret[AUTH_LENT_LEN + 1],
                                struct err *err) MUST_CHECK;
/* ERR_UNAUTHORIZED with a reason for the client: used before, too old, of a key that is no good, or
 * not for this path. Any other error before it was spent leaves it as it was. */
enum err_code auth_ticket_use(struct auth *auth, struct str ticket, struct str path,
                              struct principal *ret, struct err *err) MUST_CHECK;

/* For the path, as far as the principal goes. */
enum err_code auth_cookie_give(struct auth *auth, const struct principal *by, struct str path,
                               char ret[AUTH_LENT_LEN + 1], struct err *err) MUST_CHECK;
/* The same refusals; its life begins anew. */
enum err_code auth_cookie_use(struct auth *auth, struct str cookie, struct str path,
                              struct principal *ret, struct err *err) MUST_CHECK;
