/* Whether a commit of this server survives a power cut; the programs refuse one that does not. */
#pragma once

#include "pg/pg.h"

/* ERR_UNSUPPORTED, and the message names the setting: fsync, full_page_writes or synchronous_commit
 * (as this role gets it) is off. */
enum err_code pg_check_durable(struct pg *pg, struct err *err) MUST_CHECK;
