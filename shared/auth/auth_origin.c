#include "auth/auth_origin.h"

#include "http/parse.h"

enum { HOST_MAX = 262 }; /* RFC 1035: 253, and a port, and brackets */

/* Without the port that the scheme has anyway. */
static struct str without_port(struct str authority, bool tls)
{
	struct str port = tls ? STR_LIT(":443") : STR_LIT(":80");

	if (str_ends(authority, port)) {
		authority.n -= port.n;
	}
	return authority;
}

bool auth_origin_same(struct str origin, struct str host, bool https)
{
	bool tls = str_starts(origin, STR_LIT("https://"));
	size_t scheme = tls ? sizeof("https://") - 1 : sizeof("http://") - 1;
	struct str authority;

	if ((!tls && !str_starts(origin, STR_LIT("http://"))) || (https && !tls) || host.n == 0 ||
	    host.n > HOST_MAX) {
		return false;
	}
	authority = str_make(origin.p + scheme, origin.n - scheme);
	return str_eq_nocase(without_port(authority, tls), without_port(host, tls));
}

static bool is_listed(const char *origins, struct str origin)
{
	struct str rest = str_of(origins), one;

	while (http_list_next(&rest, &one)) {
		if (str_eq(one, origin)) {
			return true;
		}
	}
	return false;
}

/* The origin of an address. */
static struct str origin_of(struct str address)
{
	size_t slashes = 0, n = 0;

	for (; n < address.n; n++) {
		slashes += address.p[n] == '/';
		if (slashes == 3) {
			break;
		}
	}
	return str_make(address.p, n);
}

static size_t count_of(const struct http_request *req, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < req->header_count; i++) {
		count += str_eq_nocase(req->headers[i].name, str_of(name));
	}
	return count;
}

enum auth_site auth_site_of(const struct http_request *req, const char *origins)
{
	struct str host = http_header(req, "Host"), origin = http_header(req, "Origin");
	struct str site = http_header(req, "Sec-Fetch-Site"), referer = http_header(req, "Referer");

	if (count_of(req, "Origin") > 1 || count_of(req, "Host") > 1) {
		return AUTH_SITE_FOREIGN;
	}
	if (count_of(req, "Origin") == 1) {
		if (auth_origin_same(origin, host, req->https) || is_listed(origins, origin)) {
			return AUTH_SITE_OURS;
		}
		return str_eq(str_of(origins), STR_LIT("*")) ? AUTH_SITE_ANY : AUTH_SITE_FOREIGN;
	}
	if (site.n > 0) {
		return str_eq(site, STR_LIT("same-origin")) ? AUTH_SITE_OURS : AUTH_SITE_FOREIGN;
	}
	if (referer.n > 0) {
		return auth_origin_same(origin_of(referer), host, req->https) ? AUTH_SITE_OURS
		                                                              : AUTH_SITE_FOREIGN;
	}
	return AUTH_SITE_UNTOLD;
}
