/* The migrations of Fairlead's own database, in order; shared/pg/migrations/. */
#pragma once

#include "pg/pg.h"

extern const struct pg_migrations pg_schema;
