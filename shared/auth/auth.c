#include "auth/auth.h"

#include <assert.h>
#include <stdlib.h>

#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "base/mem.h"

enum { CACHE_SLOTS = 1024, CACHE_MS_MAX = 1000 };

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

/* A slot is overwritten by the next key that falls into it: bounded, and never in the way. */
struct slot {
	struct cred_digest key; /* of the whole text that was presented */
	uint64_t until_ms;      /* 0: empty */
	bool known;
	struct principal principal;
};

struct auth {
	struct auth_options options;
	struct slot slots[CACHE_SLOTS];
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

bool auth_allows(const struct principal *principal, enum auth_scope scope)
{
	return (auth_scopes_meant(principal->scopes) & auth_bit(scope)) != 0;
}

bool auth_allows_namespace(const struct principal *principal, struct str name)
{
	struct str rest = str_of(principal->namespaces);

	if (principal->any_namespace) {
		return true;
	}
	while (name.n > 0 && rest.n > 0) {
		if (str_eq(str_split(&rest, ','), name)) {
			return true;
		}
	}
	return false;
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
	if (before.lent != AUTH_ALL) {
		principal->scopes = before.lent & auth_scopes_meant(key->scopes);
	}
}

bool auth_same_user(const struct principal *a, const struct principal *b)
{
	return strcmp(a->tenant, b->tenant) == 0 && id_eq(&a->user, &b->user) &&
	       (!id_is_nil(&a->user) || strcmp(a->owner, b->owner) == 0);
}

const struct auth_options *auth_options_of(const struct auth *auth)
{
	return &auth->options;
}

struct auth *auth_new(const struct auth_options *options)
{
	struct auth *auth = mem_calloc(1, sizeof(*auth));

	assert(options->cache_ms <= CACHE_MS_MAX);
	auth->options = *options;
	return auth;
}

void auth_free(struct auth *auth)
{
	if (auth != NULL) {
		cred_wipe(auth, sizeof(*auth));
		free(auth);
	}
}

static enum err_code refuse(struct err *err)
{
	return err_set(err, ERR_UNAUTHORIZED, "this key is unknown, expired or revoked");
}

static struct slot *slot_of(struct auth *auth, const struct cred_digest *digest)
{
	unsigned index = (unsigned)digest->bytes[0] | (unsigned)digest->bytes[1] << 8;

	return &auth->slots[index % CACHE_SLOTS];
}

/* Ask the database. ERR_OK with slot->known false: not a key that may be used. secret NULL: it was
 * shown before. */
static enum err_code look_up(struct auth *auth, const struct id *id, const struct cred_key *secret,
                             struct slot *slot, struct err *err)
{
	struct auth_key_found found;
	struct cred_digest hash;
	enum err_code code = auth_key_find(auth->options.pg, id, &found, err);

	if (code == ERR_NOT_FOUND) {
		slot->known = false;
		return ERR_OK;
	}
	if (code != ERR_OK) {
		return err_wrap(err, "key look-up");
	}
	slot->known = found.usable;
	if (secret != NULL) {
		hash = cred_key_hash(secret, &auth->options.pepper);
		slot->known = cred_digest_eq(&hash, &found.hash) && found.usable;
	}
	slot->principal = found.principal;
	return ERR_OK;
}

/* What is remembered under the digest, else what the database says. */
static enum err_code check(struct auth *auth, const struct cred_digest *digest, const struct id *id,
                           const struct cred_key *secret, struct principal *ret, struct err *err)
{
	struct slot fresh = { .key = *digest };
	struct slot *slot = slot_of(auth, digest);
	enum err_code code;

	if (clock_mono_ms() >= slot->until_ms || !cred_digest_eq(&slot->key, digest)) {
		code = look_up(auth, id, secret, &fresh, err);
		if (code != ERR_OK) {
			return code;
		}
		fresh.until_ms = clock_mono_ms() + auth->options.cache_ms;
		*slot = fresh;
	}
	if (!slot->known ||
	    (slot->principal.expires_us != 0 && slot->principal.expires_us <= clock_wall_us())) {
		return refuse(err);
	}
	*ret = slot->principal;
	return ERR_OK;
}

enum err_code auth_check(struct auth *auth, struct str key, struct principal *ret, struct err *err)
{
	struct cred_digest digest;
	struct cred_key parsed;
	enum err_code code;

	switch (cred_key_parse(key, &parsed)) {
	case CRED_KEY_OK: break;
	case CRED_KEY_FOREIGN:
		return err_set(err, ERR_UNAUTHORIZED, "this is not a key of Fairlead");
	case CRED_KEY_MISTYPED:
		return err_set(err, ERR_UNAUTHORIZED, "this key is cut short or mistyped");
	}
	digest = cred_digest(&key, 1, &auth->options.pepper);
	code = check(auth, &digest, &parsed.id, &parsed, ret, err);
	cred_wipe(&parsed, sizeof(parsed));
	return code;
}

enum err_code auth_check_id(struct auth *auth, const struct id *key, struct principal *ret,
                            struct err *err)
{
	/* Two parts: the digest of no key that somebody could show. */
	const struct str parts[] = { STR_LIT("id"), str_of(key->s) };
	struct cred_digest digest = cred_digest(parts, ARRAY_LEN(parts), &auth->options.pepper);

	return check(auth, &digest, key, NULL, ret, err);
}
