#include "rest/token.h"

#include "auth/auth.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

static const struct json_field token_fields[] = {
	{ .name = "scopes",
	  .kind = JSON_STRINGS,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct rest_token, scopes),
	  .present = offsetof(struct rest_token, has_scopes),
	  .min = 1,
	  .max = AUTH_SCOPE_COUNT,
	  .item_max = 64,
	  .help = "What its tokens may do, no more than who asks; all of that unless given." },
	{ .name = "client",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_token, client),
	  .max = REST_CLIENT_MAX,
	  .help = "What it is for, as the list of logins shows it; User-Agent unless given." },
};
const struct json_table rest_token_table = { "TokenRequest", sizeof(struct rest_token),
	                                     token_fields, ARRAY_LEN(token_fields) };

static const struct json_field refresh_fields[] = {
	{ .name = "refreshToken",
	  .alias = "refresh_token",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_refresh, token),
	  .min = 1,
	  .max = REST_REFRESH_MAX,
	  .help = "The last one that was given." },
};
const struct json_table rest_refresh_table = { "RefreshRequest", sizeof(struct rest_refresh),
	                                       refresh_fields, ARRAY_LEN(refresh_fields) };

static const struct rest_query_field tokens_fields[] = {
	{ .name = "user",
	  .kind = REST_TEXT,
	  FIELD(rest_tokens, user),
	  .min = 1,
	  .max = 64,
	  .help = "Of this user; another's needs admin. Who asks unless given." },
};
const struct rest_query_table rest_tokens_table = { sizeof(struct rest_tokens), tokens_fields,
	                                            ARRAY_LEN(tokens_fields) };

static const char *name_of_when(unsigned i)
{
	static const char *const names[] = { "later", "now", NULL };

	return names[i < ARRAY_LEN(names) ? i : ARRAY_LEN(names) - 1];
}

static const struct rest_query_field signing_fields[] = {
	{ .name = "when",
	  .kind = REST_WORD,
	  FIELD(rest_signing, when),
	  .names = name_of_when,
	  .help = "later: after everybody could learn of the next key, and tokens stay good; now: "
	          "the "
	          "others are void at once, and all access tokens with them." },
};
const struct rest_query_table rest_signing_table = { sizeof(struct rest_signing), signing_fields,
	                                             ARRAY_LEN(signing_fields) };

static const struct json_field issuer_fields[] = {
	{ .name = "tenant",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_issuer, tenant),
	  .min = 1,
	  .max = 64,
	  .help = "Where those it vouches for act." },
	{ .name = "issuer",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_issuer, issuer),
	  .min = 1,
	  .max = 512,
	  .help = "What its tokens have as iss: an https address." },
	{ .name = "audience",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_issuer, audience),
	  .min = 1,
	  .max = 256,
	  .help = "What they have among aud." },
	{ .name = "jwksUri",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_issuer, jwks_uri),
	  .max = 512,
	  .help = "Where its keys are; found in its discovery document unless given." },
	{ .name = "algorithm",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_issuer, algorithm),
	  .max = 8,
	  .help = "Of RSA keys that do not say themselves: RS256 unless given." },
	{ .name = "userClaim",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_issuer, user_claim),
	  .max = 64,
	  .help = "The claim with the id of a member; with email its address, which has to be "
	          "verified (email_verified). They act as that user." },
	{ .name = "roleClaim",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_issuer, role_claim),
	  .max = 64,
	  .help = "Without userClaim: the claim whose values roles are given for." },
	{ .name = "roles",
	  .kind = JSON_MAP,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_issuer, roles),
	  .max = REST_ISSUER_ROLES,
	  .item_max = 16,
	  .name_max = 40,
	  .help = "The role that a value of roleClaim stands for; the greatest counts." },
	{ .name = "role",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_issuer, role),
	  .max = 16,
	  .help = "Without userClaim: the role of everybody else; none unless given." },
};
const struct json_table rest_issuer_table = { "Issuer", sizeof(struct rest_issuer), issuer_fields,
	                                      ARRAY_LEN(issuer_fields) };
