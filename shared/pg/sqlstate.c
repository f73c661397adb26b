#include <string.h>

#include "base/attr.h"
#include "pg/conn.h"

/*
 * https://www.postgresql.org/docs/15/errcodes-appendix.html
 * The first row whose prefix matches holds, so a code stands before its class.
 */
static const struct {
	const char *prefix;
	enum err_code code;
} states[] = {
	{ "23505", ERR_CONFLICT },    /* unique_violation */
	{ "23P01", ERR_CONFLICT },    /* exclusion_violation */
	{ "23503", ERR_NOT_FOUND },   /* foreign_key_violation: what it points at is not there */
	{ "23", ERR_INVALID },        /* other integrity constraints */
	{ "22", ERR_INVALID },        /* data exception */
	{ "57014", ERR_TIMEOUT },     /* query_canceled: statement_timeout */
	{ "40001", ERR_UNAVAILABLE }, /* serialization_failure */
	{ "40P01", ERR_UNAVAILABLE }, /* deadlock_detected */
	{ "55P03", ERR_UNAVAILABLE }, /* lock_not_available */
	{ "0A000", ERR_UNAVAILABLE }, /* cached plan must not change result type */
	{ "26000", ERR_UNAVAILABLE }, /* the prepared statement is gone */
	{ "25006", ERR_UNAVAILABLE }, /* read only: this is a standby now */
	{ "25P03", ERR_UNAVAILABLE }, /* idle in transaction for too long */
	{ "08", ERR_UNAVAILABLE },    /* connection exception */
	{ "28", ERR_UNAVAILABLE },    /* authorization: at connect */
	{ "3D", ERR_UNAVAILABLE },    /* no such database: at connect */
	{ "53", ERR_UNAVAILABLE },    /* insufficient resources */
	{ "57P", ERR_UNAVAILABLE },   /* shutting down, starting, crashed */
	{ "42501", ERR_FORBIDDEN },   /* insufficient_privilege: row level security, too */
	{ "42", ERR_INTERNAL },       /* our SQL does not fit the schema */
};

static const char *const retiring[] = { "0A000", "26000", "25006", "25P03", "08", "57P" };

enum err_code pg_state_code(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (strncmp(sqlstate, states[i].prefix, strlen(states[i].prefix)) == 0) {
			return states[i].code;
		}
	}
	return ERR_BACKEND;
}

bool pg_state_retires(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(retiring); i++) {
		if (strncmp(sqlstate, retiring[i], strlen(retiring[i])) == 0) {
			return true;
		}
	}
	return false;
}
