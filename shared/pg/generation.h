/* Which Redis this is, in the order in which Fairlead first saw them (design: loss of Redis). */
#pragma once

#include "pg/pg.h"

/* The generation of a server's run id; a run id seen for the first time gets the next one. Every
 * process gets the same answer for the same run id. */
enum err_code pg_generation(struct pg *pg, struct str run_id, uint64_t *ret,
                            struct err *err) MUST_CHECK;

/* Into how many shards the queue is laid out: as many as wanted, if there were not more before. */
enum err_code pg_queue_shards(struct pg *pg, uint64_t wanted, uint64_t *ret,
                              struct err *err) MUST_CHECK;
