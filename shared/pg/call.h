/* What migrations need beyond pg.h; private to this folder. */
#pragma once

#include "pg/pg.h"

/* No statement of this transaction is waited for longer than this. */
void pg_tx_set_timeout(struct pg_tx *tx, unsigned timeout_ms);
/* Run a file of several statements. The transaction must have run a query before. */
enum err_code pg_tx_script(struct pg_tx *tx, const struct text *text, struct err *err) MUST_CHECK;
