#include "oidc/provider.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define GITHUB     "https://github.com"
#define GITHUB_API "https://api.github.com"

enum { GROUPS_MAX = 200, RETURN_MAX = 1024 };

/* ---- the file ---- */

struct row {
	struct str name, title, issuer, client_id, client_secret, client_secret_file, scopes;
	unsigned kind; /* enum oidc_kind */
	struct json_list emails, domains, roles, tenants;
	struct str groups_claim, role, tenant, algorithm;
	struct str device_endpoint, token_endpoint, user_endpoint, emails_endpoint;
};

struct file {
	struct json_list providers;
};

#define TEXT(key, member, most)                                                                    \
	{                                                                                          \
		.name = (key), .kind = JSON_STR, .offset = offsetof(struct row, member),           \
		.present = JSON_NO_PRESENT, .min = 1, .max = (most)                                \
	}
#define LIST(key, member)                                                                          \
	{                                                                                          \
		.name = (key), .kind = JSON_STRINGS, .offset = offsetof(struct row, member),       \
		.present = JSON_NO_PRESENT, .max = OIDC_LIST_MAX, .item_max = USER_EMAIL_MAX       \
	}
#define MAP(key, member, most)                                                                     \
	{                                                                                          \
		.name = (key), .kind = JSON_MAP, .offset = offsetof(struct row, member),           \
		.present = JSON_NO_PRESENT, .max = OIDC_LIST_MAX, .item_max = (most),              \
		.name_max = 256                                                                    \
	}

static const char *const kinds[] = { "oidc", "github", NULL };

static const struct json_field row_fields[] = {
	{ .name = "name",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct row, name),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = OIDC_NAME_MAX },
	{ .name = "clientId",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct row, client_id),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = ISSUER_AUDIENCE_MAX },
	{ .name = "kind",
	  .kind = JSON_ENUM,
	  .offset = offsetof(struct row, kind),
	  .present = JSON_NO_PRESENT,
	  .names = kinds },
	TEXT("title", title, OIDC_TITLE_MAX),
	TEXT("issuer", issuer, ISSUER_URL_MAX),
	TEXT("clientSecret", client_secret, OIDC_SECRET_MAX),
	TEXT("clientSecretFile", client_secret_file, OIDC_SECRET_MAX),
	TEXT("scopes", scopes, OIDC_SCOPES_MAX),
	LIST("emails", emails),
	LIST("domains", domains),
	TEXT("groupsClaim", groups_claim, ISSUER_CLAIM_MAX),
	MAP("roles", roles, ISSUER_ROLE_MAX),
	MAP("tenants", tenants, ISSUER_TENANT_MAX),
	TEXT("role", role, ISSUER_ROLE_MAX),
	TEXT("tenant", tenant, ISSUER_TENANT_MAX),
	TEXT("algorithm", algorithm, 8),
	TEXT("deviceEndpoint", device_endpoint, ISSUER_URL_MAX),
	TEXT("tokenEndpoint", token_endpoint, ISSUER_URL_MAX),
	TEXT("userEndpoint", user_endpoint, ISSUER_URL_MAX),
	TEXT("emailsEndpoint", emails_endpoint, ISSUER_URL_MAX),
};
static const struct json_table row_table = { "Provider", sizeof(struct row), row_fields,
	                                     ARRAY_LEN(row_fields) };

static const struct json_field file_fields[] = {
	{ .name = "providers",
	  .kind = JSON_ARRAY,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct file, providers),
	  .present = JSON_NO_PRESENT,
	  .max = OIDC_PROVIDERS_MAX,
	  .table = &row_table },
};
static const struct json_table file_table = { "Providers", sizeof(struct file), file_fields,
	                                      ARRAY_LEN(file_fields) };

/* ---- rows ---- */

static bool name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0))) {
			return false;
		}
	}
	return name.n > 0 && name.n <= OIDC_NAME_MAX;
}

static struct str lower(struct arena *arena, struct str text)
{
	char *made = arena_strdup(arena, str_trim(text));

	for (char *at = made; *at != '\0'; at++) {
		*at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
	}
	return str_of(made);
}

static struct json_list all_lower(struct arena *arena, struct json_list list)
{
	struct str *items = list.items;

	for (size_t i = 0; i < list.count; i++) {
		items[i] = lower(arena, items[i]);
	}
	return list;
}

static struct str either(struct str given, struct str otherwise)
{
	return given.n > 0 ? given : otherwise;
}

static enum err_code read_secret(struct arena *arena, const struct row *row, struct str *ret,
                                 struct err *err)
{
	char text[OIDC_SECRET_MAX + 2];
	FILE *file;
	size_t n;

	*ret = row->client_secret;
	if (row->client_secret_file.n == 0) {
		return ERR_OK;
	}
	file = fopen(arena_strdup(arena, row->client_secret_file), "re");
	if (file == NULL) {
		return err_set(err, ERR_INVALID, "clientSecretFile cannot be read");
	}
	n = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	*ret = arena_str(arena, str_make(text, strcspn(text, "\r\n")));
	return ret->n > 0 && ret->n <= OIDC_SECRET_MAX
	               ? ERR_OK
	               : err_set(err, ERR_INVALID, "clientSecretFile holds no secret");
}

static enum err_code check_roles(const struct json_list *roles, struct err *err)
{
	const struct json_pair *pairs = roles->items;
	enum auth_role role;

	for (size_t i = 0; i < roles->count; i++) {
		if (!auth_role_parse(pairs[i].value, &role)) {
			return err_set(err, ERR_INVALID, "roles names a role that there is not");
		}
	}
	return ERR_OK;
}

/* A made-up id: keys are kept by it, next to nobody else's. */
static enum err_code set_issuer(const struct row *row, struct issuer *ret, struct err *err)
{
	struct str base =
		row->kind == OIDC_GITHUB ? either(row->issuer, STR_LIT(GITHUB)) : row->issuer;

	*ret = (struct issuer){ .id = id_new(), .rsa_alg = CRED_RS256 };
	if (!str_copy(ret->issuer, sizeof(ret->issuer), base) || base.n == 0) {
		return err_set(err, ERR_INVALID, "issuer is required");
	}
	if (row->algorithm.n > 0 && !cred_alg_parse(row->algorithm, &ret->rsa_alg)) {
		return err_set(err, ERR_INVALID, "algorithm is none that there is");
	}
	(void)str_copy(ret->audience, sizeof(ret->audience), row->client_id);
	return ERR_OK;
}

static enum err_code take_row(struct arena *arena, const struct row *row, struct oidc_provider *ret,
                              struct err *err)
{
	bool github = row->kind == OIDC_GITHUB;
	enum err_code code = set_issuer(row, &ret->as, err);

	if (code == ERR_OK) {
		code = check_roles(&row->roles, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	(void)str_copy(ret->name, sizeof(ret->name), row->name);
	ret->kind = (enum oidc_kind)row->kind;
	ret->title = either(row->title, row->name);
	ret->scopes = either(row->scopes, github ? STR_LIT("read:user user:email")
	                                         : STR_LIT("openid email profile"));
	ret->emails = all_lower(arena, row->emails);
	ret->domains = all_lower(arena, row->domains);
	ret->groups_claim = either(row->groups_claim, STR_LIT("groups"));
	ret->roles = row->roles;
	ret->tenants = row->tenants;
	ret->tenant = either(row->tenant, STR_LIT("default"));
	ret->device_endpoint = either(row->device_endpoint, STR_LIT(GITHUB "/login/device/code"));
	ret->token_endpoint =
		either(row->token_endpoint, STR_LIT(GITHUB "/login/oauth/access_token"));
	ret->user_endpoint = either(row->user_endpoint, STR_LIT(GITHUB_API "/user"));
	ret->emails_endpoint = either(row->emails_endpoint, STR_LIT(GITHUB_API "/user/emails"));
	ret->has_role = row->role.n > 0;
	if (ret->has_role && !auth_role_parse(row->role, &ret->role)) {
		return err_set(err, ERR_INVALID, "role is none that there is");
	}
	return read_secret(arena, row, &ret->client_secret, err);
}

static void add_fake(struct oidc_providers *providers)
{
	struct oidc_provider *fake = &providers->items[providers->count++];

	*fake = (struct oidc_provider){
		.name = "fake",
		.title = STR_LIT("fake"),
		.kind = OIDC_FAKE,
		.as = { .id = id_new(), .issuer = "fairlead:fake", .audience = "fake" },
		.tenant = STR_LIT("default"),
		.has_role = true,
		.role = AUTH_ROLE_OPERATOR,
	};
}

static enum err_code take_rows(const struct file *file, struct oidc_providers *ret, struct err *err)
{
	const struct row *rows = file->providers.items;

	for (size_t i = 0; i < file->providers.count; i++) {
		if (!name_ok(rows[i].name) || oidc_provider_find(ret, rows[i].name) != NULL) {
			return err_set(err, ERR_INVALID,
			               "providers[%zu].name must be lower-case letters, digits and "
			               "dashes, and no other's",
			               i);
		}
		if (take_row(ret->arena, &rows[i], &ret->items[ret->count], err) != ERR_OK) {
			return err_wrap(err, "providers[%zu]", i);
		}
		ret->count++;
	}
	return ERR_OK;
}

enum err_code oidc_providers_parse(struct str text, unsigned flags, struct oidc_providers *ret,
                                   struct err *err)
{
	struct json_problems *problems;
	struct file file = { .providers = { NULL, 0 } };

	ret->arena = arena_new();
	ret->items = arena_take(ret->arena, (OIDC_PROVIDERS_MAX + 1) * sizeof(*ret->items));
	ret->count = 0;
	if ((flags & OIDC_WITH_FAKE) != 0) {
		add_fake(ret);
	}
	problems = arena_take(ret->arena, sizeof(*problems));
	if (text.n > 0 && json_decode(text, &file_table, &file, ret->arena, problems) != ERR_OK) {
		return err_set(err, ERR_INVALID, "%s: %s", problems->items[0].field,
		               problems->items[0].rule);
	}
	return take_rows(&file, ret, err);
}

enum err_code oidc_providers_read(const char *path, unsigned flags, struct oidc_providers *ret,
                                  struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { 0 };
	char piece[4096];
	FILE *file;
	size_t n;

	*ret = (struct oidc_providers){ .arena = NULL };
	buf_init(&text, OIDC_FILE_MAX);
	if (path[0] != '\0') {
		file = fopen(path, "re");
		if (file == NULL) {
			return err_set(err, ERR_INVALID, "oidc.providers_file cannot be read: %s",
			               path);
		}
		while ((n = fread(piece, 1, sizeof(piece), file)) > 0) {
			buf_add(&text, piece, n);
		}
		(void)fclose(file);
		if (buf_failed(&text) || text.len == 0) {
			return err_set(err, ERR_INVALID,
			               "oidc.providers_file is empty or too large");
		}
	}
	if (oidc_providers_parse(buf_str(&text), flags, ret, err) != ERR_OK) {
		return err_wrap(err, "oidc.providers_file");
	}
	return ERR_OK;
}

void oidc_providers_fini(struct oidc_providers *providers)
{
	if (providers->arena != NULL) {
		arena_free(providers->arena);
	}
	*providers = (struct oidc_providers){ .arena = NULL };
}

const struct oidc_provider *oidc_provider_find(const struct oidc_providers *providers,
                                               struct str name)
{
	for (size_t i = 0; i < providers->count; i++) {
		if (str_eq(str_of(providers->items[i].name), name)) {
			return &providers->items[i];
		}
	}
	return NULL;
}

/* ---- people ---- */

/* A claim is a text or a list of them. */
static bool has_group(const struct json_value *groups, struct str name)
{
	size_t count = json_count(groups);

	if (json_type_of(groups) == JSON_T_STRING) {
		return str_eq(json_as_str(groups), name);
	}
	if (json_type_of(groups) != JSON_T_ARRAY) {
		return false;
	}
	for (size_t i = 0; i < count && i < GROUPS_MAX; i++) {
		if (str_eq(json_as_str(json_at(groups, i)), name)) {
			return true;
		}
	}
	return false;
}

static bool among(const struct json_list *list, struct str what)
{
	const struct str *items = list->items;

	for (size_t i = 0; i < list->count; i++) {
		if (str_eq(items[i], what)) {
			return true;
		}
	}
	return false;
}

/* The address has one @ (user_email_parse()). */
static bool is_listed(const struct oidc_provider *provider, const char *email)
{
	const char *at = strchr(email, '@');

	return at != NULL && (among(&provider->emails, str_of(email)) ||
	                      among(&provider->domains, str_of(at + 1)));
}

/* Some providers write booleans as texts. */
static bool is_true(const struct json_value *value)
{
	return json_as_bool(value) || str_eq(json_as_str(value), STR_LIT("true"));
}

static enum err_code read_email(const struct oidc_provider *provider,
                                const struct json_value *claims, struct oidc_person *ret,
                                struct err *err)
{
	struct str email = json_as_str(json_get(claims, "email"));
	bool verified = is_true(json_get(claims, "email_verified"));

	if (!verified || !user_email_parse(email, ret->email)) {
		ret->email[0] = '\0';
	}
	ret->listed = ret->email[0] != '\0' && is_listed(provider, ret->email);
	if (ret->listed || provider->emails.count + provider->domains.count == 0) {
		return ERR_OK;
	}
	return err_set(err, ERR_FORBIDDEN,
	               ret->email[0] == '\0'
	                       ? "the provider does not say that your address is yours"
	                       : "your address is none of those that may log in");
}

static enum err_code read_role(const struct oidc_provider *provider,
                               const struct json_value *groups, struct oidc_person *ret,
                               struct err *err)
{
	const struct json_pair *roles = provider->roles.items;

	ret->has_role = provider->has_role;
	ret->role = provider->role;
	for (size_t i = 0; i < provider->roles.count; i++) {
		enum auth_role role;

		if (has_group(groups, roles[i].name) && auth_role_parse(roles[i].value, &role) &&
		    (!ret->has_role || role > ret->role)) {
			ret->has_role = true;
			ret->role = role;
		}
	}
	return ret->has_role || provider->roles.count == 0
	               ? ERR_OK
	               : err_set(err, ERR_FORBIDDEN, "none of your groups has a role here");
}

enum err_code oidc_person_read(const struct oidc_provider *provider,
                               const struct json_value *claims, struct arena *arena,
                               struct oidc_person *ret, struct err *err)
{
	const struct json_value *groups =
		json_get(claims, arena_strdup(arena, provider->groups_claim));
	const struct json_pair *tenants = provider->tenants.items;
	struct str name = json_as_str(json_get(claims, "name"));
	struct str subject = json_as_str(json_get(claims, "sub"));
	enum err_code code;

	*ret = (struct oidc_person){ .provider = provider, .tenant = provider->tenant };
	if (subject.n == 0 || subject.n > 255) {
		return err_set(err, ERR_FORBIDDEN, "the provider does not say who you are");
	}
	code = read_email(provider, claims, ret, err);
	if (code == ERR_OK) {
		code = read_role(provider, groups, ret, err);
	}
	for (size_t i = provider->tenants.count; i-- > 0;) {
		if (has_group(groups, tenants[i].name)) {
			ret->tenant = tenants[i].value;
		}
	}
	if (!user_name_ok(name)) {
		name = json_as_str(json_get(claims, "preferred_username"));
	}
	if (!user_name_ok(name)) {
		name = ret->email[0] != '\0' ? str_of(ret->email) : STR_LIT("somebody");
	}
	ret->tenant = arena_str(arena, ret->tenant);
	ret->subject = arena_str(arena, subject);
	ret->name = str_of(arena_printf(
		arena, "%.*s", (int)(name.n < USER_NAME_MAX ? name.n : USER_NAME_MAX), name.p));
	return code;
}

bool oidc_return_ok(struct str path)
{
	if (path.n == 0 || path.n > RETURN_MAX || path.p[0] != '/' ||
	    (path.n > 1 && path.p[1] == '/')) {
		return false;
	}
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] >= 0x7f || path.p[i] == '\\') {
			return false;
		}
	}
	return true;
}
