#include "redis/url.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/str.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* NULL when an escape is malformed or gives a NUL, which no C string can hold. */
static char *percent_decode(struct str s)
{
	char *out = mem_calloc(s.n + 1, 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '%') {
			int hi = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int lo = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			c = hi < 0 || lo < 0 ? 0 : hi * 16 + lo;
			i += 2;
		}
		if (c == 0) {
			free(out);
			return NULL;
		}
		out[n++] = (char)c;
	}
	return out;
}

static enum err_code bad(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "redis URL: %s", what);
}

static enum err_code take(struct str s, const char *name, char **ret, struct err *err)
{
	free(*ret);
	*ret = percent_decode(s);
	if (*ret == NULL) {
		return err_set(err, ERR_INVALID, "redis URL: the %s has a malformed %%-escape",
		               name);
	}
	return ERR_OK;
}

static enum err_code take_db(struct str s, struct redis_url *url, struct err *err)
{
	uint64_t db;

	if (!parse_u64(s, REDIS_DB_MAX, &db)) {
		return bad(err, "the database is a number from 0 to 65535");
	}
	url->db = (unsigned)db;
	return ERR_OK;
}

static enum err_code take_userinfo(struct str info, struct redis_url *url, struct err *err)
{
	struct str user = str_split(&info, ':');
	enum err_code code = ERR_OK;

	if (info.p == NULL) {
		return bad(err, "credentials are user:password@ or :password@");
	}
	if (user.n > 0) {
		code = take(user, "user", &url->user, err);
	}
	return code != ERR_OK ? code : take(info, "password", &url->password, err);
}

static enum err_code take_host(struct str s, struct redis_url *url, struct err *err)
{
	struct str host;
	uint64_t port = REDIS_PORT;

	if (s.n > 0 && s.p[0] == '[') {
		host = str_split(&s, ']');
		host = str_make(host.p + 1, host.n - 1);
		if (s.p == NULL || (s.n > 0 && s.p[0] != ':')) {
			return bad(err, "an IPv6 address is written [address]:port");
		}
		s = s.n > 0 ? str_make(s.p + 1, s.n - 1) : (struct str){ NULL, 0 };
	} else {
		host = str_split(&s, ':');
	}
	if (host.n == 0) {
		return bad(err, "the host is missing");
	}
	if (s.p != NULL && (!parse_u64(s, 65535, &port) || port == 0)) {
		return bad(err, "the port is a number from 1 to 65535");
	}
	url->port = (unsigned)port;
	return take(host, "host", &url->host, err);
}

static enum err_code parse_tcp(struct str rest, struct redis_url *url, struct err *err)
{
	struct str authority = str_split(&rest, '/');
	const char *at = authority.n > 0 ? memrchr(authority.p, '@', authority.n) : NULL;
	enum err_code code = ERR_OK;

	if (at != NULL) {
		struct str info = str_make(authority.p, (size_t)(at - authority.p));

		code = take_userinfo(info, url, err);
		authority = str_make(at + 1, authority.n - info.n - 1);
	}
	if (code == ERR_OK) {
		code = take_host(authority, url, err);
	}
	if (code == ERR_OK && rest.n > 0) {
		code = take_db(rest, url, err);
	}
	return code;
}

static enum err_code parse_parameter(struct str value, struct redis_url *url, struct err *err)
{
	struct str name = str_split(&value, '=');

	if (str_eq(name, STR_LIT("db"))) {
		return take_db(value, url, err);
	}
	if (str_eq(name, STR_LIT("user")) && value.n > 0) {
		return take(value, "user", &url->user, err);
	}
	if (str_eq(name, STR_LIT("password"))) {
		return take(value, "password", &url->password, err);
	}
	return bad(err, "the parameters are db, user and password");
}

static enum err_code parse_unix(struct str rest, struct redis_url *url, struct err *err)
{
	struct str path = str_split(&rest, '?');
	enum err_code code;

	if (path.n < 2 || path.p[0] != '/') {
		return bad(err, "a unix socket is an absolute path");
	}
	code = take(path, "path", &url->path, err);
	if (code == ERR_OK && strlen(url->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		return bad(err, "the path of the unix socket is too long");
	}
	while (code == ERR_OK && rest.n > 0) {
		code = parse_parameter(str_split(&rest, '&'), url, err);
	}
	if (code == ERR_OK && url->user != NULL && url->password == NULL) {
		return bad(err, "a user needs a password");
	}
	return code;
}

enum err_code redis_url_parse(const char *text, struct redis_url *ret, struct err *err)
{
	static const struct str tcp = { "redis://", 8 }, tls = { "rediss://", 9 },
				un = { "unix://", 7 };
	struct str s = str_of(text);
	struct redis_url url = { .port = REDIS_PORT };
	enum err_code code;

	if (str_starts(s, tcp)) {
		code = parse_tcp(str_make(s.p + tcp.n, s.n - tcp.n), &url, err);
	} else if (str_starts(s, un)) {
		code = parse_unix(str_make(s.p + un.n, s.n - un.n), &url, err);
	} else if (str_starts(s, tls)) {
		code = err_set(err, ERR_UNSUPPORTED,
		               "redis URL: rediss:// (TLS) is not supported yet");
	} else {
		code = bad(err, "it starts with redis:// or unix://");
	}
	if (code != ERR_OK) {
		redis_url_fini(&url);
		return code;
	}
	*ret = url;
	return ERR_OK;
}

void redis_url_fini(struct redis_url *url)
{
	free(url->host);
	free(url->path);
	free(url->user);
	free(url->password);
	*url = (struct redis_url){ .host = NULL };
}
