/* What a query answered; private to this folder, the rest is in pg.h. */
#pragma once

#include <libpq-fe.h>

#include "pg/pg.h"

struct pg_rows *pg_rows_new(PGresult *result) MUST_CHECK; /* takes result */
