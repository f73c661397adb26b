#include "pg/environ.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char tenants[] = "-c fairlead.tenant=*";

enum { VALUE_MAX = 8192 };

static void add(struct pg_environ *environ, const char *name, const char *value, const char *more)
{
	struct buf pair;

	assert(environ->count < PG_ENVIRON_MAX);
	buf_init(&pair, VALUE_MAX);
	buf_addf(&pair, "%s=%s%s%s", name, value, value[0] != '\0' && more[0] != '\0' ? " " : "",
	         more);
	environ->pairs[environ->count++] = buf_take(&pair);
}

enum err_code pg_environ(const char *url, struct pg_environ *ret, struct err *err)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &why);

	*ret = (struct pg_environ){ .count = 0 };
	if (options == NULL) {
		(void)err_set(err, ERR_INVALID, "the database's address: %s",
		              why != NULL ? why : "it cannot be read");
		PQfreemem(why);
		return err->code;
	}
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
		bool is_options = strcmp(o->keyword, "options") == 0;

		if (o->envvar != NULL && (o->val != NULL || is_options)) {
			add(ret, o->envvar, o->val != NULL ? o->val : "",
			    is_options ? tenants : "");
		}
	}
	PQconninfoFree(options);
	return ERR_OK;
}

void pg_environ_fini(struct pg_environ *environ)
{
	for (size_t i = 0; i < environ->count; i++) {
		free(environ->pairs[i]);
	}
	environ->count = 0;
}
