#include "ws/extension.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

#include "http/parse.h"

enum {
	SERVER_NO_TAKEOVER = 1,
	CLIENT_NO_TAKEOVER = 2,
	SERVER_BITS = 4,
	CLIENT_BITS = 8,
};

enum { VALUE_MAX = 2, OFFERED_BITS_MIN = 8 };

struct param {
	struct str name;
	char value[VALUE_MAX + 1];
	bool has_value;
	bool long_value; /* cut: no value we know is so long */
};

struct offer {
	unsigned seen; /* SERVER_... | CLIENT_... */
	unsigned server_bits, client_bits;
	bool declined;
};

/* A token, or a quoted-string that is one once its escapes are gone (RFC 6455 section 9.1). */
static bool take_value(struct str s, struct param *param)
{
	bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
	size_t n = 0;

	if (quoted) {
		s = str_make(s.p + 1, s.n - 2);
	}
	for (size_t i = 0; i < s.n; i++, n++) {
		if (quoted && s.p[i] == '\\') {
			i++;
		}
		if (i == s.n || !http_is_token(str_make(s.p + i, 1))) {
			return false;
		}
		if (n < VALUE_MAX) {
			param->value[n] = s.p[i];
			param->value[n + 1] = '\0';
		}
	}
	param->has_value = true;
	param->long_value = n > VALUE_MAX;
	return n > 0;
}

static bool take_param(struct str s, struct param *ret)
{
	*ret = (struct param){ .name = str_trim(str_split(&s, '=')) };
	return http_is_token(ret->name) && (s.p == NULL || take_value(str_trim(s), ret));
}

/* Decimal without leading zeros, 8 to 15 (RFC 7692 section 7.1.2). */
static bool read_bits(const struct param *param, unsigned *ret)
{
	uint64_t bits;

	if (param->long_value || param->value[0] == '0' ||
	    !parse_u64(str_of(param->value), WS_BITS_MAX, &bits) || bits < OFFERED_BITS_MIN) {
		return false;
	}
	*ret = (unsigned)bits;
	return true;
}

/* Which parameter it is; 0: unknown, or with a value that it cannot have. */
static unsigned read_param(const struct param *param, struct offer *offer)
{
	if (str_eq(param->name, STR_LIT("server_no_context_takeover"))) {
		return param->has_value ? 0 : SERVER_NO_TAKEOVER;
	}
	if (str_eq(param->name, STR_LIT("client_no_context_takeover"))) {
		return param->has_value ? 0 : CLIENT_NO_TAKEOVER;
	}
	if (str_eq(param->name, STR_LIT("server_max_window_bits"))) {
		return read_bits(param, &offer->server_bits) ? SERVER_BITS : 0;
	}
	if (str_eq(param->name, STR_LIT("client_max_window_bits"))) {
		return !param->has_value || read_bits(param, &offer->client_bits) ? CLIENT_BITS : 0;
	}
	return 0;
}

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void format_reply(struct ws_deflate_terms *terms, unsigned client_bits)
{
	char server_text[40] = "", client_text[40] = "";

	/* Said even when nobody asked: it spares the client memory (RFC 7692 section 7.1.2.1). */
	if (terms->server_bits < WS_BITS_MAX) {
		(void)snprintf(server_text, sizeof(server_text), "; server_max_window_bits=%u",
		               terms->server_bits);
	}
	if (client_bits < WS_BITS_MAX) {
		(void)snprintf(client_text, sizeof(client_text), "; client_max_window_bits=%u",
		               client_bits);
	}
	(void)snprintf(terms->reply, sizeof(terms->reply), "permessage-deflate%s%s%s%s",
	               terms->server_no_takeover ? "; server_no_context_takeover" : "",
	               terms->client_no_takeover ? "; client_no_context_takeover" : "", server_text,
	               client_text);
}

static void consider(const struct offer *offer, const struct ws_deflate_policy *policy,
                     struct ws_deflate_terms *terms)
{
	unsigned client_bits = WS_BITS_MAX;

	if (offer->declined || offer->server_bits < WS_BITS_MIN) {
		return;
	}
	/* Only a client that named it can be told (RFC 7692 section 7.1.2.2). */
	if (offer->seen & CLIENT_BITS) {
		client_bits = lesser(offer->client_bits, policy->client_bits);
	}
	*terms = (struct ws_deflate_terms){
		.enabled = true,
		.server_bits = lesser(offer->server_bits, policy->server_bits),
		/* A larger window reads what was written with a smaller one. */
		.client_bits = client_bits < WS_BITS_MIN ? WS_BITS_MIN : client_bits,
		.server_no_takeover =
			policy->server_no_takeover || (offer->seen & SERVER_NO_TAKEOVER) != 0,
		.client_no_takeover =
			policy->client_no_takeover || (offer->seen & CLIENT_NO_TAKEOVER) != 0,
	};
	format_reply(terms, client_bits);
}

static bool take_offer(struct str s, struct offer *ret)
{
	struct str name = str_trim(str_split(&s, ';'));

	*ret = (struct offer){ .server_bits = WS_BITS_MAX, .client_bits = WS_BITS_MAX };
	ret->declined = !str_eq(name, STR_LIT("permessage-deflate"));
	if (!http_is_token(name)) {
		return false;
	}
	while (s.p != NULL) {
		struct param param;
		unsigned which;

		if (!take_param(str_split(&s, ';'), &param)) {
			return false;
		}
		which = read_param(&param, ret);
		if (which == 0 || (ret->seen & which) != 0) {
			ret->declined = true; /* unknown, invalid or twice: RFC 7692 section 7.1 */
		}
		ret->seen |= which;
	}
	return true;
}

bool ws_extension_offer(struct str value, const struct ws_deflate_policy *policy,
                        struct ws_deflate_terms *terms)
{
	struct str element;

	assert(!policy->enabled ||
	       (policy->server_bits >= WS_BITS_MIN && policy->server_bits <= WS_BITS_MAX &&
	        policy->client_bits >= WS_BITS_MIN && policy->client_bits <= WS_BITS_MAX));
	while (http_list_next(&value, &element)) {
		struct offer offer;

		/* No comma can be inside: a quoted value is a token too. */
		if (!take_offer(element, &offer)) {
			return false;
		}
		if (policy->enabled && !terms->enabled) {
			consider(&offer, policy, terms);
		}
	}
	return true;
}
