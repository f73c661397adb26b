/*
 * Files that an adapter wants in its agent's home before the agent starts.
 *
 * The home may be one that an agent had before: nothing in it is followed out of it.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "worker/adapters/adapter.h"
#include "worker/process.h"

/* Each 0600 in directories of 0700, all the user's own; what stands there is replaced. Blocks
 * shortly. ERR_UNAVAILABLE: err says which and why. */
enum err_code agent_files_write(const char *home, const struct process_user *user,
                                const struct adapter_file *files, size_t count,
                                struct err *err) MUST_CHECK;
