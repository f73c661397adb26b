#include "rest/oidc.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

enum { NAME_MAX_N = 32, PATH_MAX_N = 1024, CODE_MAX_N = 1024, TOKEN_MAX_N = 256 };

static const struct rest_query_field login_fields[] = {
	{ .name = "provider",
	  .kind = REST_TEXT,
	  FIELD(rest_oidc_login, provider),
	  .min = 1,
	  .max = NAME_MAX_N,
	  .help = "One of /auth/config; may be left out when there is only one." },
	{ .name = "return_to",
	  .kind = REST_TEXT,
	  FIELD(rest_oidc_login, return_to),
	  .min = 1,
	  .max = PATH_MAX_N,
	  .help = "Where to go afterwards: a path of this server; / unless given." },
};
const struct rest_query_table rest_oidc_login_table = { sizeof(struct rest_oidc_login),
	                                                login_fields, ARRAY_LEN(login_fields) };

static const struct rest_query_field callback_fields[] = {
	{ .name = "code",
	  .kind = REST_TEXT,
	  FIELD(rest_oidc_callback, code),
	  .max = CODE_MAX_N,
	  .help = "What the provider gives." },
	{ .name = "state",
	  .kind = REST_TEXT,
	  FIELD(rest_oidc_callback, state),
	  .max = CODE_MAX_N,
	  .help = "As it was sent there; the browser's cookie has it too." },
	{ .name = "iss",
	  .kind = REST_TEXT,
	  FIELD(rest_oidc_callback, iss),
	  .max = CODE_MAX_N,
	  .help = "Which provider it is (RFC 9207)." },
	{ .name = "error",
	  .kind = REST_TEXT,
	  FIELD(rest_oidc_callback, error),
	  .max = CODE_MAX_N,
	  .help = "Why there is no code." },
};
const struct rest_query_table rest_oidc_callback_table = { sizeof(struct rest_oidc_callback),
	                                                   callback_fields,
	                                                   ARRAY_LEN(callback_fields) };

static const struct rest_query_field device_fields[] = {
	{ .name = "provider",
	  .kind = REST_TEXT,
	  FIELD(rest_auth_device, provider),
	  .min = 1,
	  .max = NAME_MAX_N,
	  .help = "One of /auth/config; github unless given." },
};
const struct rest_query_table rest_auth_device_table = { sizeof(struct rest_auth_device),
	                                                 device_fields, ARRAY_LEN(device_fields) };

static const struct json_field poll_fields[] = {
	{ .name = "device_code",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_auth_poll, device_code),
	  .min = 1,
	  .max = CODE_MAX_N,
	  .help = "That of /auth/device." },
};
const struct json_table rest_auth_poll_table = { "DevicePoll", sizeof(struct rest_auth_poll),
	                                         poll_fields, ARRAY_LEN(poll_fields) };

static const struct json_field oauth_device_fields[] = {
	{ .name = "client_id",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_oauth_device, client_id),
	  .max = NAME_MAX_N,
	  .help = "fairlead-cli." },
	{ .name = "scope",
	  .kind = JSON_STR,
	  FIELD(rest_oauth_device, scope),
	  .max = TOKEN_MAX_N,
	  .help = "What it wants to be allowed, with spaces between; all unless given." },
};
const struct json_table rest_oauth_device_table = { "DeviceAuthorization",
	                                            sizeof(struct rest_oauth_device),
	                                            oauth_device_fields,
	                                            ARRAY_LEN(oauth_device_fields) };

static const struct json_field oauth_token_fields[] = {
	{ .name = "grant_type",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_oauth_token, grant_type),
	  .max = 64,
	  .help = "urn:ietf:params:oauth:grant-type:device_code or refresh_token." },
	{ .name = "device_code",
	  .kind = JSON_STR,
	  FIELD(rest_oauth_token, device_code),
	  .max = CODE_MAX_N },
	{ .name = "refresh_token",
	  .kind = JSON_STR,
	  FIELD(rest_oauth_token, refresh_token),
	  .max = TOKEN_MAX_N },
	{ .name = "client_id",
	  .kind = JSON_STR,
	  FIELD(rest_oauth_token, client_id),
	  .max = NAME_MAX_N,
	  .help = "fairlead-cli; needed with a device code." },
};
const struct json_table rest_oauth_token_table = { "TokenGrant", sizeof(struct rest_oauth_token),
	                                           oauth_token_fields,
	                                           ARRAY_LEN(oauth_token_fields) };
