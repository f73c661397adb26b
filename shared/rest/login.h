/* The bodies of routes about logins and passwords. Pointers are the arena's. */
#pragma once

#include "json/decode.h"

enum { REST_PASSWORD_MAX = 512 };

struct rest_login {
	struct str email, password;
	struct str tenant; /* "": the person's home */
};
extern const struct json_table rest_login_table;

struct rest_setup {
	struct str pin, email, name, password;
};
extern const struct json_table rest_setup_table;

struct rest_password_change {
	struct str current, password;
};
extern const struct json_table rest_password_change_table;

struct rest_password_code {
	struct str code, password;
};
extern const struct json_table rest_password_code_table;
