/*
 * Who vouches for people: identity providers, as a file says (the setting oidc.providers_file).
 *
 *	{"providers": [{"name": "corp", "issuer": "https://id.example.com", "clientId": "fairlead",
 *	  "clientSecretFile": "/run/secrets/corp", "domains": ["example.com"],
 *	  "groupsClaim": "groups", "roles": {"ops": "admin"}, "role": "viewer", "tenant":
 *"default"}]}
 *
 * Who gets in: with emails or domains, whose verified address is one of those; and in which role:
 * with roles, the greatest that their groups have, at each login anew; else role.  Where
 * neither says one, only who is a member of the tenant already.  Pure, but for reading the files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "json/decode.h"
#include "token/issuer.h"
#include "user/user.h"

enum {
	OIDC_PROVIDERS_MAX = 16,
	OIDC_NAME_MAX = 32,
	OIDC_TITLE_MAX = 64,
	OIDC_SECRET_MAX = 512,
	OIDC_SCOPES_MAX = 256,
	OIDC_LIST_MAX = 256,
	OIDC_FILE_MAX = 256 * 1024,
};

enum oidc_kind {
	OIDC_STANDARD, /* OpenID Connect Discovery says where everything is */
	OIDC_GITHUB,   /* as GitHub does it: devices only, and who it is says an API of its own */
	OIDC_FAKE,     /* says yes: for development */
};

/* Strings are the arena's. */
struct oidc_provider {
	char name[OIDC_NAME_MAX + 1];
	struct str title;
	enum oidc_kind kind;
	struct issuer as; /* for its keys: issuer, the client id as audience */
	struct str client_secret, scopes;
	struct json_list emails, domains; /* struct str, in lower case */
	struct str groups_claim;
	struct json_list roles, tenants; /* struct json_pair: a group, and what it stands for */
	bool has_role;
	enum auth_role role;
	struct str tenant;
	struct str device_endpoint, token_endpoint, user_endpoint,
		emails_endpoint; /* OIDC_GITHUB */
};

struct oidc_providers {
	struct arena *arena;
	struct oidc_provider *items;
	size_t count;
};

enum oidc_read_flags { OIDC_WITH_FAKE = 1 };

/* path "": none but, with the flag, the one called fake. Whatever this returns,
 * oidc_providers_fini() is due. */
enum err_code oidc_providers_read(const char *path, unsigned flags, struct oidc_providers *ret,
                                  struct err *err) MUST_CHECK;
enum err_code oidc_providers_parse(struct str text, unsigned flags, struct oidc_providers *ret,
                                   struct err *err) MUST_CHECK;
void oidc_providers_fini(struct oidc_providers *providers);

/* NULL: there is none. */
const struct oidc_provider *oidc_provider_find(const struct oidc_providers *providers,
                                               struct str name);

/* ---- what a provider says of somebody ---- */

struct oidc_person {
	const struct oidc_provider *provider;
	struct str subject; /* of the arena, as is the name */
	struct str name;
	char email[USER_EMAIL_MAX + 1]; /* verified, in lower case; "": none */
	bool listed;                    /* the address is among those that the provider is for */
	struct str tenant;
	bool has_role;
	enum auth_role role;
};

/* Of claims that were verified. ERR_FORBIDDEN and why, fit for the client: they do not get in.
 * Pure. */
enum err_code oidc_person_read(const struct oidc_provider *provider,
                               const struct json_value *claims, struct arena *arena,
                               struct oidc_person *ret, struct err *err) MUST_CHECK;

/* A path of this server, and nothing that a browser takes for another one (RFC 9700 section
 * 4.11). Pure. */
bool oidc_return_ok(struct str path);
