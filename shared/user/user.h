/*
 * Who works with an installation: a user is a person or a service (a program with keys of its own),
 * known everywhere by its id; what it may do in a tenant its membership there says.
 *
 * The tenant that made a user is its home: only there it is renamed or disabled. Others see a user
 * as long as it is a member with them, and can only end that.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/id.h"
#include "base/str.h"

struct arena;
struct jsonw;

enum user_kind { USER_PERSON, USER_SERVICE };

enum { USER_NAME_MAX = 128, USER_EMAIL_MAX = 254 };

/* As a tenant sees it. Strings are the arena's. */
struct user {
	struct id id;
	enum user_kind kind;
	struct str name, email; /* email "": none */
	struct str home;        /* a tenant */
	bool system, disabled;
	enum auth_role role;
	bool any_namespace;
	struct str namespaces; /* comma list, when not any */
	int64_t created_us, joined_us;
};

const char *user_kind_name(enum user_kind kind); /* "person" */

/* 1 to 128 bytes of UTF-8 without control characters. */
bool user_name_ok(struct str name);
/* Trimmed and in lower case; false: nobody could get mail there (something, one @, something, no
 * spaces), or it is too long. How addresses are compared; RFC 5321 leaves that to their hosts,
 * which do not tell them apart by case. */
bool user_email_parse(struct str text, char ret[USER_EMAIL_MAX + 1]) MUST_CHECK;

void user_write(struct jsonw *w, const struct user *user);
/* "namespaces": an array; ["*"] for all of them. */
void user_write_namespaces(struct jsonw *w, bool any, struct str list);
