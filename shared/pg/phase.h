/*
 * The phase of a migration, as its file says in its first lines:
 *	-- phase: expand
 * nodes of the version before can live with it; or
 *	-- phase: contract
 *	-- protocol: N
 * only those can that speak protocol N or a later one.  Files from before there were phases are of
 * the first.
 */
#pragma once

#include "base/text.h"

/* The protocol of a contract; 0: it is none. */
unsigned pg_phase_contract(const struct text *file);
