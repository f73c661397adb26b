#include "worker/egress_rule.h"

#include <string.h>

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

/* "host:port", "[v6]:port", or without the port. */
static bool split_port(struct str text, struct str *ret_host, uint64_t *ret_port)
{
	const char *close = text.n > 0 && text.p[0] == '[' ? memchr(text.p, ']', text.n) : NULL;
	const char *from = close != NULL ? close : text.p;
	const char *colon = text.n > 0 ? memchr(from, ':', text.n - (size_t)(from - text.p)) : NULL;

	*ret_port = 0;
	*ret_host = text;
	if (colon != NULL) {
		ret_host->n = (size_t)(colon - text.p);
		if (!parse_u64(str_make(colon + 1, text.n - ret_host->n - 1), UINT16_MAX,
		               ret_port) ||
		    *ret_port == 0) {
			return false;
		}
	}
	if (close != NULL) {
		if ((size_t)(close - text.p) + 1 != ret_host->n) {
			return false;
		}
		*ret_host = str_make(text.p + 1, ret_host->n - 2);
	}
	return ret_host->n > 0;
}

bool egress_rule_fits(struct str rule, struct str tenant, const struct egress_target *target)
{
	struct str host = str_of(target->host), name = str_trim(rule);
	const char *equals = name.n > 0 ? memchr(name.p, '=', name.n) : NULL;
	uint64_t port;

	if (equals != NULL) {
		size_t n = (size_t)(equals - name.p);

		if (!str_eq(str_make(name.p, n), tenant)) {
			return false;
		}
		name = str_make(equals + 1, name.n - n - 1);
	}
	if (!split_port(name, &name, &port) ||
	    (port != 0 ? target->port != port
	               : target->port != PORT_HTTP && target->port != PORT_HTTPS)) {
		return false;
	}
	if (str_eq(name, STR_LIT("*"))) {
		return true;
	}
	if (str_starts(name, STR_LIT("*."))) {
		name = str_make(name.p + 1, name.n - 1);
		return host.n > name.n &&
		       str_eq_nocase(str_make(host.p + host.n - name.n, name.n), name);
	}
	return str_eq_nocase(name, host);
}

bool egress_rules_fit(const char *rules, struct str tenant, const struct egress_target *target)
{
	struct str rest = str_of(rules);

	while (rest.n > 0) {
		if (egress_rule_fits(str_split(&rest, ','), tenant, target)) {
			return true;
		}
	}
	return false;
}

/* ---- a request ---- */

static bool is_of_host(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == ':';
}

static bool set_target(struct str authority, unsigned otherwise, struct egress_target *ret)
{
	struct str host;
	uint64_t port;

	if (!split_port(authority, &host, &port) || host.n > EGRESS_HOST_MAX) {
		return false;
	}
	ret->port = port != 0 ? (unsigned)port : otherwise;
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		ret->host[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (!is_of_host(ret->host[i])) {
			return false;
		}
	}
	if (host.n > 1 && ret->host[host.n - 1] == '.') { /* the same name, fully qualified */
		host.n--;
	}
	ret->host[host.n] = '\0';
	return ret->port != 0;
}

/* Of one connection with the proxy, not of the request (RFC 9110 section 7.6.1). */
static bool is_ours(struct str name)
{
	return str_eq_nocase(name, STR_LIT("connection")) ||
	       str_eq_nocase(name, STR_LIT("keep-alive")) ||
	       str_eq_nocase(name, STR_LIT("proxy-connection")) ||
	       str_eq_nocase(name, STR_LIT("proxy-authorization"));
}

static void add_fields(struct str rest, struct buf *out)
{
	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n'), name;
		struct str after = line;

		if (line.n > 0 && line.p[line.n - 1] == '\r') {
			line.n--;
		}
		name = str_split(&after, ':');
		if (line.n > 0 && !is_ours(name)) {
			buf_add_str(out, line);
			buf_add_cstr(out, "\r\n");
		}
	}
	buf_add_cstr(out, "Connection: close\r\n\r\n");
}

bool egress_parse(struct str head, struct egress_request *ret, struct buf *ret_head)
{
	static const struct str scheme = STR_LIT("http://");
	struct str line = str_split(&head, '\n'), method, target, authority;
	const char *slash;

	if (line.n > 0 && line.p[line.n - 1] == '\r') {
		line.n--;
	}
	method = str_split(&line, ' ');
	target = str_split(&line, ' ');
	*ret = (struct egress_request){ .connects = str_eq(method, STR_LIT("CONNECT")) };
	if (method.n == 0 || target.n == 0 || !str_starts(line, STR_LIT("HTTP/1."))) {
		return false;
	}
	if (ret->connects) {
		return set_target(target, 0, &ret->target);
	}
	if (target.n <= scheme.n || !str_eq_nocase(str_make(target.p, scheme.n), scheme)) {
		return false;
	}
	target = str_make(target.p + scheme.n, target.n - scheme.n);
	slash = memchr(target.p, '/', target.n);
	authority = slash != NULL ? str_make(target.p, (size_t)(slash - target.p)) : target;
	buf_add_str(ret_head, method);
	buf_add_char(ret_head, ' ');
	buf_add_str(ret_head,
	            slash != NULL ? str_make(slash, target.n - authority.n) : STR_LIT("/"));
	buf_add_char(ret_head, ' ');
	buf_add_str(ret_head, line);
	buf_add_cstr(ret_head, "\r\n");
	add_fields(head, ret_head);
	return set_target(authority, PORT_HTTP, &ret->target);
}
