/* The next version as tests/e2e/upgrade.py knows it: this one, with the next protocol and some
 * migrations more.  It takes the place of shared/pg/schema.c. */
#include "pg/schema.h"

#include "next_migrations_gen.h"

const struct pg_migrations pg_schema = { next_migrations_texts, NEXT_MIGRATIONS_COUNT,
	                                 FAIRLEAD_PROTOCOL };
