/* Budgets as rows, with what was used of them: sums by day, made as the ledger is. */
#pragma once

#include "base/err.h"
#include "cost/budget.h"
#include "pg/pg.h"

/* Of a tenant (NULL: any), as of now_us, in their order; after: the last of the page before, NULL:
 * from the first. */
enum err_code budget_list(struct pg *pg, const char *tenant, const struct budget *after,
                          int64_t now_us, struct budget *items, size_t max, size_t *ret_count,
                          struct err *err) MUST_CHECK;
/* ERR_LIMIT: its tenant has BUDGETS_MAX. */
enum err_code budget_set(struct pg *pg, const struct budget *budget, bool *ret_new,
                         struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND */
enum err_code budget_delete(struct pg *pg, const struct budget *budget, struct err *err) MUST_CHECK;
