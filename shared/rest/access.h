/* The bodies of routes about who may do what: users, keys, projects, tenants. Pointers are the
 * arena's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "json/decode.h"

enum { REST_NAMESPACES_MAX = 64, REST_ID_MAX = 64, REST_NAME_MAX = 128, REST_EMAIL_MAX = 254 };

struct rest_user {
	struct str name, email; /* email "": none */
	unsigned role;          /* enum auth_role */
	struct json_list namespaces;
	bool has_namespaces;
};
extern const struct json_table rest_user_table;
extern const struct json_table rest_service_table; /* the same struct, without email */

struct rest_user_change {
	struct str name;
	unsigned role;
	struct json_list namespaces;
	bool disabled, system;
	bool has_name, has_role, has_namespaces, has_disabled, has_system;
};
extern const struct json_table rest_user_change_table;

struct rest_key {
	struct str name, owner; /* owner "": none */
	struct json_list scopes, namespaces;
	bool has_namespaces;
	int64_t expires_us; /* 0: never */
};
extern const struct json_table rest_key_table;

struct rest_rotate {
	uint64_t grace_s;
	bool has_grace;
};
extern const struct json_table rest_rotate_table;

struct rest_project {
	struct str id, name; /* id "": one is made */
};
extern const struct json_table rest_project_table;
extern const struct json_table rest_rename_table; /* the same struct, without id */

struct rest_tenant {
	struct str id, name; /* name "": as the id */
};
extern const struct json_table rest_tenant_table;
