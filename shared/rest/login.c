#include "rest/login.h"

#include "rest/access.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

/* The rules of a new password are told by login/password.h, all at once. */
#define PASSWORD(type, member, text, words)                                                        \
	{                                                                                          \
		.name = (text), .kind = JSON_STR, .flags = JSON_REQUIRED, FIELD(type, member),     \
		.min = 1, .max = REST_PASSWORD_MAX, .help = (words)                                \
	}
#define EMAIL(type)                                                                                \
	{                                                                                          \
		.name = "email", .kind = JSON_STR, .flags = JSON_REQUIRED, FIELD(type, email),     \
		.min = 1, .max = REST_EMAIL_MAX, .help = "The person's address."                   \
	}
#define NEW_PASSWORD "At least 10 characters, and none of those that everybody tries first."

static const struct json_field login_fields[] = {
	EMAIL(rest_login),
	PASSWORD(rest_login, password, "password", "The person's password."),
	{ .name = "tenant",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_login, tenant),
	  .max = 64,
	  .help = "Where to act; the person's home unless given." },
};
const struct json_table rest_login_table = { "Login", sizeof(struct rest_login), login_fields,
	                                     ARRAY_LEN(login_fields) };

static const struct json_field setup_fields[] = {
	{ .name = "pin",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_setup, pin),
	  .min = 1,
	  .max = 64,
	  .help = "Of the log of an API node, or of `fairlead admin setup-pin`." },
	EMAIL(rest_setup),
	{ .name = "name",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_setup, name),
	  .min = 1,
	  .max = 128,
	  .help = "What the person is called." },
	PASSWORD(rest_setup, password, "password", NEW_PASSWORD),
};
const struct json_table rest_setup_table = { "Setup", sizeof(struct rest_setup), setup_fields,
	                                     ARRAY_LEN(setup_fields) };

static const struct json_field password_change_fields[] = {
	PASSWORD(rest_password_change, current, "current", "The password until now."),
	PASSWORD(rest_password_change, password, "password", NEW_PASSWORD),
};
const struct json_table rest_password_change_table = { "PasswordChange",
	                                               sizeof(struct rest_password_change),
	                                               password_change_fields,
	                                               ARRAY_LEN(password_change_fields) };

static const struct json_field password_code_fields[] = {
	{ .name = "code",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_password_code, code),
	  .min = 1,
	  .max = 64,
	  .help = "That an administrator handed over." },
	PASSWORD(rest_password_code, password, "password", NEW_PASSWORD),
};
const struct json_table rest_password_code_table = { "PasswordByCode",
	                                             sizeof(struct rest_password_code),
	                                             password_code_fields,
	                                             ARRAY_LEN(password_code_fields) };
