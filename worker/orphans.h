/*
 * What a killed worker leaves on its host: guards with frozen agents.  Whoever starts in the same
 * state directory holds its lock, so they are nobody's: their sessions have been, or will be,
 * given to others.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

/* Take the lock of a state directory, for as long as the process lives. ERR_CONFLICT: another
 * worker has it. */
enum err_code orphans_lock(const char *state_dir, struct err *err) MUST_CHECK;

/* End every guard whose agent works below `dir`, and wait until they are gone: grace_ms is what
 * they give their agents. On a fiber. */
enum err_code orphans_end(const char *dir, uint64_t grace_ms, struct err *err) MUST_CHECK;
