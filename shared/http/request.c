#include <string.h>

#include "http/http.h"
#include "http/parse.h"
#include "http/uri.h"

struct str http_header(const struct http_request *req, const char *name)
{
	struct str wanted = str_of(name);

	for (size_t i = 0; i < req->header_count; i++) {
		if (str_eq_nocase(req->headers[i].name, wanted)) {
			return req->headers[i].value;
		}
	}
	return (struct str){ NULL, 0 };
}

/* The next "name=value" of the query that is not empty, raw. */
static bool next_pair(struct str *rest, struct str *ret_name, struct str *ret_value)
{
	while (rest->p != NULL) {
		struct str pair = str_split(rest, '&');

		if (pair.n > 0) {
			*ret_value = pair;
			*ret_name = str_split(ret_value, '=');
			return true;
		}
	}
	return false;
}

static bool decode_pair(const struct http_request *req, struct str name, struct str value,
                        struct str *ret_name, struct str *ret_value)
{
	return http_uri_decode(req->arena, name, HTTP_URI_QUERY, ret_name) &&
	       http_uri_decode(req->arena, value, HTTP_URI_QUERY, ret_value);
}

bool http_query(const struct http_request *req, const char *name, struct str *ret)
{
	struct str rest = req->query, raw_name, raw_value, found, value, wanted = str_of(name);

	while (next_pair(&rest, &raw_name, &raw_value)) {
		if (decode_pair(req, raw_name, raw_value, &found, &value) &&
		    str_eq(found, wanted)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

bool http_query_at(const struct http_request *req, size_t i, struct str *ret_name,
                   struct str *ret_value)
{
	struct str rest = req->query, name, value;

	while (next_pair(&rest, &name, &value)) {
		if (i-- == 0) {
			return decode_pair(req, name, value, ret_name, ret_value);
		}
	}
	return false;
}

/* RFC 9110 section 12.4.2, in thousandths; what is no weight counts as not acceptable. */
static unsigned weight_of(struct str params)
{
	struct str param, digits;
	unsigned weight = 0, unit = 1000;

	while (params.p != NULL) {
		param = str_trim(str_split(&params, ';'));
		if (param.n < 3 || (param.p[0] | 0x20) != 'q' || param.p[1] != '=') {
			continue;
		}
		digits = str_make(param.p + 2, param.n - 2);
		for (size_t i = 0; i < digits.n; i++) {
			if (i == 1 && digits.p[i] == '.') {
				continue;
			}
			if (digits.p[i] < '0' || digits.p[i] > '9' || unit == 0) {
				return 0;
			}
			weight += (unsigned)(digits.p[i] - '0') * unit;
			unit /= 10;
		}
		return weight <= 1000 ? weight : 0;
	}
	return 1000;
}

/* How closely a media range names the type: 0 not at all, 1 by a wildcard, 2 by its main type, 3
 * exactly. */
static unsigned match_of(struct str range, struct str type)
{
	struct str main_range, main_type;

	if (str_eq_nocase(range, type)) {
		return 3;
	}
	if (str_eq(range, STR_LIT("*/*"))) {
		return 1;
	}
	main_range = str_split(&range, '/');
	main_type = str_split(&type, '/');
	return str_eq(range, STR_LIT("*")) && str_eq_nocase(main_range, main_type) ? 2 : 0;
}

/* The weight that the Accept fields give a type: the closest range decides. */
static unsigned accepted_weight(const struct http_request *req, struct str type)
{
	unsigned best = 0, weight = 0;
	bool asked = false;

	for (size_t i = 0; i < req->header_count; i++) {
		struct str rest = req->headers[i].value, element;

		if (!str_eq_nocase(req->headers[i].name, STR_LIT("Accept"))) {
			continue;
		}
		while (http_list_next(&rest, &element)) {
			struct str range = str_trim(str_split(&element, ';'));
			unsigned match = match_of(range, type);

			asked = true;
			if (match > best) {
				best = match;
				weight = weight_of(element);
			}
		}
	}
	return asked ? weight : 1000;
}

bool http_accepts_coding(const struct http_request *req, const char *coding)
{
	for (size_t i = 0; i < req->header_count; i++) {
		struct str rest = req->headers[i].value, element;

		if (!str_eq_nocase(req->headers[i].name, STR_LIT("Accept-Encoding"))) {
			continue;
		}
		while (http_list_next(&rest, &element)) {
			struct str name = str_trim(str_split(&element, ';'));

			if (str_eq_nocase(name, str_of(coding))) {
				return weight_of(element) > 0;
			}
		}
	}
	return false;
}

bool http_accepts(const struct http_request *req, const char *media_type)
{
	return accepted_weight(req, str_of(media_type)) > 0;
}

const char *http_negotiate(const struct http_request *req, const char *const *media_types)
{
	const char *best = NULL;
	unsigned best_weight = 0;

	for (; *media_types != NULL; media_types++) {
		unsigned weight = accepted_weight(req, str_of(*media_types));

		if (weight > best_weight) {
			best = *media_types;
			best_weight = weight;
		}
	}
	return best;
}
