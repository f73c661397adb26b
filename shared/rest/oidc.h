/* The bodies and queries of routes for logging in at providers and for devices. Pointers are the
 * arena's. */
#pragma once

#include "json/decode.h"
#include "rest/query.h"

struct rest_oidc_login {
	struct str provider, return_to;
};
extern const struct rest_query_table rest_oidc_login_table;

struct rest_oidc_callback {
	struct str code, state, iss, error;
};
/* For the document: others are ignored (RFC 6749 section 4.1.2), so it is not decoded by this. */
extern const struct rest_query_table rest_oidc_callback_table;

struct rest_auth_device {
	struct str provider;
};
extern const struct rest_query_table rest_auth_device_table;

struct rest_auth_poll {
	struct str device_code;
};
extern const struct json_table rest_auth_poll_table;

struct rest_oauth_device {
	struct str client_id, scope;
};
struct rest_oauth_token {
	struct str grant_type, device_code, refresh_token, client_id;
};
/* Of forms: for the document, and the names that are read. */
extern const struct json_table rest_oauth_device_table, rest_oauth_token_table;
