#include "rest/access.h"

#include "auth/auth_key_store.h"
#include "task/task_part.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT
#define FIELD_SEEN(type, member)                                                                   \
	.offset = offsetof(struct type, member), .present = offsetof(struct type, has_##member)

static const char *const roles[] = {
#define X(id, name, scopes, help) [AUTH_ROLE_##id] = (name),
#include "auth/role.def"
#undef X
	NULL,
};

static const char namespaces_help[] =
	"Only sessions in these namespaces; [\"*\"] for all of them. Unless given, those of "
	"whoever asks.";

#define NAME_FIELD(type)                                                                           \
	{                                                                                          \
		.name = "name", .kind = JSON_STR, .flags = JSON_REQUIRED, FIELD(type, name),       \
		.min = 1, .max = REST_NAME_MAX                                                     \
	}
#define ROLE_FIELD                                                                                 \
	{                                                                                          \
		.name = "role", .kind = JSON_ENUM, .flags = JSON_REQUIRED, FIELD(rest_user, role), \
		.names = roles,                                                                    \
		.help = "What it may do; docs/permissions.md says which routes that is."           \
	}
#define NAMESPACES_FIELD(type)                                                                     \
	{                                                                                          \
		.name = "namespaces", .kind = JSON_STRINGS, .flags = JSON_NULLABLE,                \
		FIELD_SEEN(type, namespaces), .min = 1, .max = REST_NAMESPACES_MAX,                \
		.item_max = AUTH_NAMESPACES_MAX, .help = namespaces_help                           \
	}

static const struct json_field user_fields[] = {
	NAME_FIELD(rest_user),
	{ .name = "email",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_user, email),
	  .min = 3,
	  .max = REST_EMAIL_MAX,
	  .help = "Who has it already joins as the person that it is, with the name that it has." },
	ROLE_FIELD,
	NAMESPACES_FIELD(rest_user),
};
const struct json_table rest_user_table = { "User", sizeof(struct rest_user), user_fields,
	                                    ARRAY_LEN(user_fields) };

static const struct json_field service_fields[] = {
	NAME_FIELD(rest_user),
	ROLE_FIELD,
	NAMESPACES_FIELD(rest_user),
};
const struct json_table rest_service_table = { "ServiceAccount", sizeof(struct rest_user),
	                                       service_fields, ARRAY_LEN(service_fields) };

static const struct json_field user_change_fields[] = {
	{ .name = "name",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD_SEEN(rest_user_change, name),
	  .min = 1,
	  .max = REST_NAME_MAX },
	{ .name = "role",
	  .kind = JSON_ENUM,
	  .flags = JSON_NULLABLE,
	  FIELD_SEEN(rest_user_change, role),
	  .names = roles },
	NAMESPACES_FIELD(rest_user_change),
	{ .name = "disabled",
	  .kind = JSON_BOOL,
	  .flags = JSON_NULLABLE,
	  FIELD_SEEN(rest_user_change, disabled),
	  .help = "Gets in nowhere, nor do its keys." },
	{ .name = "system",
	  .kind = JSON_BOOL,
	  .flags = JSON_NULLABLE,
	  FIELD_SEEN(rest_user_change, system),
	  .help = "May do what concerns all tenants; for a person, by somebody who may." },
};
const struct json_table rest_user_change_table = { "UserChange", sizeof(struct rest_user_change),
	                                           user_change_fields,
	                                           ARRAY_LEN(user_change_fields) };

static const struct json_field key_fields[] = {
	NAME_FIELD(rest_key),
	{ .name = "scopes",
	  .kind = JSON_STRINGS,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_key, scopes),
	  .min = 1,
	  .max = AUTH_SCOPE_COUNT,
	  .item_max = 32,
	  .help = "None that whoever asks has not." },
	NAMESPACES_FIELD(rest_key),
	{ .name = "ownerId",
	  .alias = "owner_id",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_key, owner),
	  .min = 26,
	  .max = 26,
	  .help = "The user, a member of the tenant, that it acts for; it never may do more than "
	          "that user's role, and nothing once that is gone." },
	{ .name = "expiresAt",
	  .alias = "expires_at",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_key, expires_us),
	  .decode = task_decode_time,
	  .schema = task_time_schema,
	  .help = "Never unless given." },
};
const struct json_table rest_key_table = { "Key", sizeof(struct rest_key), key_fields,
	                                   ARRAY_LEN(key_fields) };

static const struct json_field rotate_fields[] = {
	{ .name = "gracePeriodSeconds",
	  .alias = "grace_period_seconds",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct rest_rotate, grace_s),
	  .present = offsetof(struct rest_rotate, has_grace),
	  .min = 0,
	  .max = AUTH_KEY_GRACE_MAX_S,
	  .help = "How long the old key stays good; a day unless given." },
};
const struct json_table rest_rotate_table = { "Rotation", sizeof(struct rest_rotate), rotate_fields,
	                                      ARRAY_LEN(rotate_fields) };

static const struct json_field project_fields[] = {
	{ .name = "id",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_project, id),
	  .min = 1,
	  .max = REST_ID_MAX,
	  .help = "What tasks call it: letters, digits, dots, dashes and underscores. One is made "
	          "unless given." },
	NAME_FIELD(rest_project),
};
const struct json_table rest_project_table = { "Project", sizeof(struct rest_project),
	                                       project_fields, ARRAY_LEN(project_fields) };

static const struct json_field rename_fields[] = { NAME_FIELD(rest_project) };
const struct json_table rest_rename_table = { "Rename", sizeof(struct rest_project), rename_fields,
	                                      ARRAY_LEN(rename_fields) };

static const struct json_field tenant_fields[] = {
	{ .name = "id",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_tenant, id),
	  .min = 1,
	  .max = REST_ID_MAX,
	  .help = "Letters, digits, dashes and underscores." },
	{ .name = "name",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_tenant, name),
	  .min = 1,
	  .max = REST_NAME_MAX },
};
const struct json_table rest_tenant_table = { "Tenant", sizeof(struct rest_tenant), tenant_fields,
	                                      ARRAY_LEN(tenant_fields) };
