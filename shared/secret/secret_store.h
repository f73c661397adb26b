/* Secrets as rows, sealed with a key made of the installation's secret. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "cred/digest.h"
#include "pg/pg.h"
#include "secret/secret.h"

/* All but its value. */
struct secret_row {
	struct str project, name; /* project "": all */
	struct str created_by, updated_by;
	int64_t created_us, updated_us, used_us; /* used_us 0: never */
};

struct secret_list {
	struct secret_row *items; /* of the arena */
	size_t count;
	bool more;
};

struct secret_filter {
	const char *tenant, *project;         /* project NULL: any */
	struct str after_project, after_name; /* "": from the first */
	unsigned max;
};

struct secret_key {
	struct str project, name;
};

enum err_code secret_list(struct pg *pg, const struct secret_filter *filter, struct arena *arena,
                          struct secret_list *ret, struct err *err) MUST_CHECK;

struct secret_new {
	const char *tenant, *by;
	struct cred_pepper secret; /* of the installation */
	struct secret_key key;
	struct str value;
};
/* In place of what it was. ERR_CONFLICT: the tenant has too many. */
enum err_code secret_put(struct pg_tx *tx, const struct secret_new *given, struct arena *arena,
                         struct secret_row *ret, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err_code secret_delete(struct pg_tx *tx, const char *tenant, const struct secret_key *key,
                            struct err *err) MUST_CHECK;

struct secret_value {
	struct str name, value; /* of the arena, which is not wiped */
};
struct secret_values {
	struct secret_value items[SECRET_OF_SESSION_MAX];
	size_t count;
};
struct secret_wanted {
	const char *tenant;
	struct cred_pepper secret;
	struct str project, names; /* names: a JSON array */
};
/* Those that there are, for a session of that project; notes that they were used. ERR_INVALID: one
 * was sealed by another installation. */
enum err_code secret_use(struct pg *pg, const struct secret_wanted *wanted, struct arena *arena,
                         struct secret_values *ret, struct err *err) MUST_CHECK;
