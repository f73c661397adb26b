#include "redis/url.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/str.h"
#include "redis/address.h"

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

/* host[:port]; the port given is kept when s has none. */
static enum err_code take_host(struct str s, char **host_name, unsigned *port, struct err *err)
{
	struct str host;
	uint64_t number = *port;

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
	if (s.p != NULL && (!parse_u64(s, REDIS_PORT_MAX, &number) || number == 0)) {
		return bad(err, "the port is a number from 1 to 65535");
	}
	*port = (unsigned)number;
	return take(host, "host", host_name, err);
}

/* [user:password@] at the start of *authority is taken off it. */
static enum err_code split_userinfo(struct str *authority, struct redis_url *url, struct err *err)
{
	const char *at = authority->n > 0 ? memrchr(authority->p, '@', authority->n) : NULL;
	struct str info;

	if (at == NULL) {
		return ERR_OK;
	}
	info = str_make(authority->p, (size_t)(at - authority->p));
	*authority = str_make(at + 1, authority->n - info.n - 1);
	return take_userinfo(info, url, err);
}

/* ---- TLS ---- */

static enum err_code parse_tls_parameter(struct str name, struct str value, struct redis_url *url,
                                         struct err *err)
{
	const struct {
		const char *name;
		char **field;
	} known[] = {
		{ "ca", &url->ca },
		{ "certificate", &url->certificate },
		{ "key", &url->key },
		{ "name", &url->name },
	};

	for (size_t i = 0; url->tls && value.n > 0 && i < ARRAY_LEN(known); i++) {
		if (str_eq(name, str_of(known[i].name))) {
			return take(value, known[i].name, known[i].field, err);
		}
	}
	return bad(err, url->tls ? "of parameters there are ca, certificate, key and name, and "
	                           "with Sentinels those of sentinel://"
	                         : "of parameters there are db, and sentinel_user and "
	                           "sentinel_password with Sentinels");
}

static enum err_code check_tls(const struct redis_url *url, struct err *err)
{
	if ((url->certificate == NULL) != (url->key == NULL)) {
		return bad(err, "a certificate needs a key, and a key a certificate");
	}
	if (url->name != NULL && strlen(url->name) >= REDIS_HOST_SIZE) {
		return bad(err, "the name is too long");
	}
	return ERR_OK;
}

static enum err_code parse_tcp(struct str rest, struct redis_url *url, struct err *err)
{
	struct str parameters = rest, path = str_split(&parameters, '?');
	struct str authority = str_split(&path, '/');
	enum err_code code = split_userinfo(&authority, url, err);

	if (code == ERR_OK) {
		code = take_host(authority, &url->host, &url->port, err);
	}
	if (code == ERR_OK && path.n > 0) {
		code = take_db(path, url, err);
	}
	while (code == ERR_OK && parameters.p != NULL) {
		struct str value = str_split(&parameters, '&'), name = str_split(&value, '=');

		code = parse_tls_parameter(name, value, url, err);
	}
	return code;
}

/* ---- Sentinels ---- */

/* What a Sentinel's configuration allows for the name of a master. */
static bool master_name_ok(struct str s)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || strchr(allowed, s.p[i]) == NULL) {
			return false;
		}
	}
	return s.n > 0;
}

static enum err_code take_sentinels(struct str hosts, struct redis_url *url, struct err *err)
{
	enum err_code code = ERR_OK;

	while (code == ERR_OK && hosts.p != NULL) {
		struct redis_host *host = &url->sentinels[url->sentinel_count];

		if (url->sentinel_count == REDIS_SENTINELS_MAX) {
			return bad(err, "at most 9 Sentinels can be named");
		}
		url->sentinel_count++;
		host->port = REDIS_SENTINEL_PORT;
		code = take_host(str_split(&hosts, ','), &host->name, &host->port, err);
	}
	return code;
}

static enum err_code parse_sentinel_parameter(struct str value, struct redis_url *url,
                                              struct err *err)
{
	struct str name = str_split(&value, '=');

	if (str_eq(name, STR_LIT("db"))) {
		return take_db(value, url, err);
	}
	if (str_eq(name, STR_LIT("sentinel_user")) && value.n > 0) {
		return take(value, "sentinel_user", &url->sentinel_user, err);
	}
	if (str_eq(name, STR_LIT("sentinel_password"))) {
		return take(value, "sentinel_password", &url->sentinel_password, err);
	}
	return parse_tls_parameter(name, value, url, err);
}

static enum err_code parse_sentinel(struct str rest, struct redis_url *url, struct err *err)
{
	struct str parameters = rest, path = str_split(&parameters, '?');
	struct str hosts = str_split(&path, '/');
	enum err_code code = split_userinfo(&hosts, url, err);

	if (code == ERR_OK) {
		code = take_sentinels(hosts, url, err);
	}
	if (code == ERR_OK && !master_name_ok(path)) {
		code = bad(
			err,
			"Sentinels are followed by /master, of letters, digits, '.', '_' and '-'");
	}
	if (code == ERR_OK) {
		url->master = mem_strndup(path);
	}
	while (code == ERR_OK && parameters.n > 0) {
		code = parse_sentinel_parameter(str_split(&parameters, '&'), url, err);
	}
	if (code == ERR_OK && url->sentinel_user != NULL && url->sentinel_password == NULL) {
		return bad(err, "a sentinel_user needs a sentinel_password");
	}
	return code;
}

/* ---- unix sockets ---- */

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

static const struct {
	struct str begins;
	bool tls;
	enum err_code (*parse)(struct str rest, struct redis_url *url, struct err *err);
} schemes[] = {
	{ { "redis://", 8 }, false, parse_tcp },
	{ { "rediss://", 9 }, true, parse_tcp },
	{ { "unix://", 7 }, false, parse_unix },
	{ { "sentinel://", 11 }, false, parse_sentinel },
	{ { "sentinels://", 12 }, true, parse_sentinel },
};

enum err_code redis_url_parse(const char *text, struct redis_url *ret, struct err *err)
{
	struct redis_url url = { .port = REDIS_PORT };
	struct str s = str_of(text);
	enum err_code code = ERR_NOT_FOUND;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = schemes[i].begins.n;

		if (str_starts(s, schemes[i].begins)) {
			url.tls = schemes[i].tls;
			code = schemes[i].parse(str_make(s.p + n, s.n - n), &url, err);
		}
	}
	if (code == ERR_NOT_FOUND) {
		code = bad(err, "it starts with redis://, rediss://, unix://, sentinel:// or "
		                "sentinels://");
	}
	code = code == ERR_OK ? check_tls(&url, err) : code;
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
	free(url->master);
	free(url->sentinel_user);
	free(url->sentinel_password);
	free(url->ca);
	free(url->certificate);
	free(url->key);
	free(url->name);
	for (size_t i = 0; i < url->sentinel_count; i++) {
		free(url->sentinels[i].name);
	}
	*url = (struct redis_url){ .host = NULL };
}

static char *copy_of(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

void redis_url_of_sentinel(const struct redis_url *url, size_t i, struct redis_url *ret)
{
	*ret = (struct redis_url){ .host = copy_of(url->sentinels[i].name),
		                   .port = url->sentinels[i].port,
		                   .user = copy_of(url->sentinel_user),
		                   .password = copy_of(url->sentinel_password),
		                   .tls = url->tls,
		                   .ca = copy_of(url->ca),
		                   .certificate = copy_of(url->certificate),
		                   .key = copy_of(url->key),
		                   .name = copy_of(url->name) };
}
