/* The bodies and queries of routes about tokens. Pointers are the arena's. */
#pragma once

#include <stdbool.h>

#include "json/decode.h"
#include "rest/query.h"

enum { REST_CLIENT_MAX = 256, REST_REFRESH_MAX = 256 };

struct rest_token {
	struct json_list scopes; /* struct str */
	bool has_scopes;
	struct str client; /* "": none given */
};
extern const struct json_table rest_token_table;

struct rest_refresh {
	struct str token;
};
extern const struct json_table rest_refresh_table;

struct rest_tokens {
	struct str user; /* "": whoever asks */
};
extern const struct rest_query_table rest_tokens_table;

struct rest_signing {
	unsigned when; /* 1 + index of "later", "now"; 0: later */
};
extern const struct rest_query_table rest_signing_table;

enum { REST_ISSUER_ROLES = 16 };

struct rest_issuer {
	struct str tenant, issuer, audience, jwks_uri, algorithm, user_claim, role_claim;
	struct json_list roles; /* struct json_pair: value of roleClaim, role */
	struct str role;
};
extern const struct json_table rest_issuer_table;
