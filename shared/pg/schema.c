#include "pg/schema.h"

#include "pg_migrations_gen.h"

const struct pg_migrations pg_schema = { pg_migrations_texts, PG_MIGRATIONS_COUNT,
	                                 FAIRLEAD_PROTOCOL };
