/* What scopes, roles and namespaces are, and what they allow. Pure. */
#include <string.h>

#include "auth/auth.h"
#include "base/buf.h"

static const struct {
	const char *name, *help;
} scopes[AUTH_SCOPE_COUNT] = {
#define X(id, name, help) [AUTH_##id] = { name, help },
#include "auth/scope.def"
#undef X
};

#define AUTH_BIT(id) (1U << AUTH_##id)
static const struct {
	const char *name, *help;
	unsigned scopes;
} roles[AUTH_ROLE_COUNT] = {
#define X(id, name, scopes, help) [AUTH_ROLE_##id] = { name, help, scopes },
#include "auth/role.def"
#undef X
};

const char *auth_scope_name(enum auth_scope scope)
{
	return scopes[scope].name;
}

const char *auth_scope_help(enum auth_scope scope)
{
	return scopes[scope].help;
}

bool auth_scope_parse(struct str name, enum auth_scope *ret)
{
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		if (str_eq(name, str_of(scopes[i].name))) {
			*ret = (enum auth_scope)i;
			return true;
		}
	}
	return false;
}

bool auth_scopes_parse(struct str list, unsigned *ret)
{
	unsigned set = 0;

	if (list.n == 0 || list.p[list.n - 1] == ',') {
		return false;
	}
	while (list.p != NULL) {
		enum auth_scope scope;

		if (!auth_scope_parse(str_trim(str_split(&list, ',')), &scope)) {
			return false;
		}
		set |= auth_bit(scope);
	}
	*ret = set;
	return true;
}

const char *auth_role_name(enum auth_role role)
{
	return roles[role].name;
}

const char *auth_role_help(enum auth_role role)
{
	return roles[role].help;
}

unsigned auth_role_scopes(enum auth_role role)
{
	return roles[role].scopes;
}

bool auth_role_parse(struct str name, enum auth_role *ret)
{
	for (unsigned i = 0; i < AUTH_ROLE_COUNT; i++) {
		if (str_eq(name, str_of(roles[i].name))) {
			*ret = (enum auth_role)i;
			return true;
		}
	}
	return false;
}

unsigned auth_scopes_meant(unsigned set)
{
	return (set & auth_bit(AUTH_ADMIN)) != 0 ? set | AUTH_SCOPES_OF_TENANT : set;
}

void auth_scopes_format(unsigned set, struct buf *out)
{
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		if ((set & auth_bit((enum auth_scope)i)) != 0) {
			buf_addf(out, "%s%s", out->len > 0 ? "," : "", scopes[i].name);
		}
	}
}

/* ---- namespaces ---- */

static bool is_listed(struct str list, struct str name)
{
	while (list.n > 0) {
		if (str_eq(str_split(&list, ','), name)) {
			return true;
		}
	}
	return false;
}

/* Adds the name, in lower case. False: it is none, or there is no room. */
static bool add_namespace(struct str name, char *list, size_t *n)
{
	size_t start = *n > 0 ? *n + 1 : 0;

	if (name.n == 0 || start + name.n > AUTH_NAMESPACES_MAX) {
		return false;
	}
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c >= 'A' && c <= 'Z') {
			c = (char)(c - 'A' + 'a');
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		      c == '-')) {
			return false;
		}
		list[start + i] = c;
	}
	if (is_listed(str_make(list, *n), str_make(list + start, name.n))) {
		return true;
	}
	if (start > 0) {
		list[*n] = ',';
	}
	*n = start + name.n;
	return true;
}

bool auth_namespaces_parse(struct str list, char ret[AUTH_NAMESPACES_MAX + 1])
{
	char made[AUTH_NAMESPACES_MAX + 1];
	size_t n = 0;

	do {
		if (!add_namespace(str_trim(str_split(&list, ',')), made, &n)) {
			return false;
		}
	} while (list.p != NULL);
	made[n] = '\0';
	memcpy(ret, made, n + 1);
	return true;
}

bool auth_namespaces_cut(struct principal *principal, struct str list)
{
	char kept[AUTH_NAMESPACES_MAX + 1];
	struct str rest = str_of(principal->namespaces);
	size_t n = 0;

	if (principal->any_namespace) {
		principal->any_namespace = false;
		return str_copy(principal->namespaces, sizeof(principal->namespaces), list);
	}
	while (rest.n > 0) {
		struct str name = str_split(&rest, ',');

		if (is_listed(list, name) && !add_namespace(name, kept, &n)) {
			return false;
		}
	}
	return str_copy(principal->namespaces, sizeof(principal->namespaces), str_make(kept, n));
}

/* ---- what is allowed ---- */

bool auth_may_give(const struct principal *principal, unsigned set, const char *namespaces)
{
	struct str rest = str_of(namespaces);

	if ((auth_scopes_meant(set) & ~auth_scopes_meant(principal->scopes)) != 0) {
		return false;
	}
	if (principal->any_namespace) {
		return true;
	}
	while (rest.n > 0) {
		if (!auth_allows_namespace(principal, str_split(&rest, ','))) {
			return false;
		}
	}
	return namespaces != NULL;
}

const char *auth_actor(const struct principal *principal)
{
	if (!id_is_nil(&principal->key)) {
		return principal->key.s;
	}
	return id_is_nil(&principal->user) ? principal->owner : principal->user.s;
}

const struct id *auth_lender(const struct principal *principal)
{
	return id_is_nil(&principal->key) ? &principal->login : &principal->key;
}

bool auth_allows(const struct principal *principal, enum auth_scope scope)
{
	return (auth_scopes_meant(principal->scopes) & auth_bit(scope)) != 0;
}

bool auth_allows_namespace(const struct principal *principal, struct str name)
{
	return principal->any_namespace ||
	       (name.n > 0 && is_listed(str_of(principal->namespaces), name));
}

bool auth_allows_session(const struct principal *principal, const struct id *session)
{
	return id_is_nil(&principal->session) || id_eq(&principal->session, session);
}

enum auth_part auth_part_of(const struct principal *principal)
{
	return auth_allows(principal, AUTH_SESSION_WRITE) && !principal->observes ? AUTH_PARTICIPANT
	                                                                          : AUTH_OBSERVER;
}

const char *auth_part_name(enum auth_part part)
{
	return part == AUTH_PARTICIPANT ? "participant" : "observer";
}

bool auth_part_parse(struct str name, enum auth_part *ret)
{
	*ret = str_eq(name, STR_LIT("participant")) ? AUTH_PARTICIPANT : AUTH_OBSERVER;
	return *ret == AUTH_PARTICIPANT || str_eq(name, STR_LIT("observer"));
}

void auth_renew(struct principal *principal, const struct principal *key)
{
	struct principal before = *principal;

	*principal = *key;
	principal->means = before.means;
	principal->lent = before.lent;
	principal->observes = before.observes;
	principal->session = before.session;
	if (before.means == AUTH_BY_TOKEN) {
		principal->expires_us = before.expires_us; /* a token has an end of its own */
	}
	if (before.lent != AUTH_ALL) {
		principal->scopes = before.lent & auth_scopes_meant(key->scopes);
	}
}

bool auth_same_user(const struct principal *a, const struct principal *b)
{
	return strcmp(a->tenant, b->tenant) == 0 && id_eq(&a->user, &b->user) &&
	       (!id_is_nil(&a->user) || strcmp(a->owner, b->owner) == 0);
}
