#include "http/forwarded.h"

#include <string.h>

#include "http/parse.h"

/* Cut off what follows the last comma. Commas in quotes do not count, and since nothing that is of
 * use here needs one, a backslash is refused before this is asked. */
static struct str cut_last(struct str *rest, bool quotes)
{
	bool quoted = false;
	struct str last;

	for (size_t i = rest->n; i-- > 0;) {
		quoted ^= quotes && rest->p[i] == '"';
		if (rest->p[i] == ',' && !quoted) {
			last = str_make(rest->p + i + 1, rest->n - i - 1);
			rest->n = i;
			return str_trim(last);
		}
	}
	last = str_trim(*rest);
	*rest = (struct str){ NULL, 0 };
	return last;
}

static bool is_port(struct str port)
{
	uint64_t n;

	return parse_u64(port, UINT16_MAX, &n);
}

/* "1.2.3.4", "1.2.3.4:5", "[::1]", "[::1]:5", and "::1", as X-Forwarded-For has it. */
static bool cut_address(struct str text, struct str *ret)
{
	struct str port = text, address;

	if (text.n > 0 && text.p[0] == '[') {
		address = str_split(&port, ']');
		if (port.p == NULL ||
		    (port.n > 0 &&
		     (port.p[0] != ':' || !is_port(str_make(port.p + 1, port.n - 1))))) {
			return false;
		}
		*ret = str_make(address.p + 1, address.n - 1);
		return ret->n > 0;
	}
	address = str_split(&port, ':');
	if (port.p == NULL || memchr(port.p, ':', port.n) != NULL) {
		*ret = text;
		return text.n > 0;
	}
	*ret = address;
	return address.n > 0 && is_port(port);
}

static bool unquote(struct str text, struct str *ret)
{
	*ret = text;
	if (text.n > 0 && text.p[0] == '"') {
		if (text.n < 2 || text.p[text.n - 1] != '"') {
			return false;
		}
		*ret = str_make(text.p + 1, text.n - 2);
	} else if (!http_is_token(text)) {
		return false;
	}
	return memchr(ret->p, '"', ret->n) == NULL;
}

/* for=, proto=; others do not matter. A name comes once. */
static bool take_pair(struct str pair, struct http_hop *hop)
{
	struct str value = pair, name = str_split(&value, '='), text;

	if (!http_is_token(name) || value.n == 0 || !unquote(value, &text)) {
		return false;
	}
	if (str_eq_nocase(name, STR_LIT("for"))) {
		return hop->address.p == NULL && cut_address(text, &hop->address);
	}
	if (str_eq_nocase(name, STR_LIT("proto"))) {
		bool first = hop->proto.p == NULL;

		hop->proto = text;
		return first;
	}
	return true;
}

bool http_forwarded_last(struct str *rest, struct http_hop *ret)
{
	struct http_hop hop = { .address = { NULL, 0 } };
	struct str element = cut_last(rest, true);

	if (element.n == 0 || memchr(element.p, '\\', element.n) != NULL) {
		return false;
	}
	while (element.p != NULL) {
		if (!take_pair(str_trim(str_split(&element, ';')), &hop)) {
			return false;
		}
	}
	*ret = hop;
	return true;
}

bool http_x_forwarded_last(struct str *rest, struct http_hop *ret)
{
	struct str element = cut_last(rest, false), address;

	if (!cut_address(element, &address)) {
		return false;
	}
	*ret = (struct http_hop){ .address = address };
	return true;
}
