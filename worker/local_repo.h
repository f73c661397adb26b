/*
 * Which repositories of this host a task may use.  Git reads them with the worker's rights, which
 * may be root's, and whoever may submit tasks chooses the path: so only those below the folders of
 * the setting worker.local_repos, and none unless it names any.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

/* folders: a comma list of absolute paths. Links are followed on both sides before they are
 * compared. Blocks as stat() does. ERR_FORBIDDEN with the reason; ERR_OK for a URL that is not
 * local. */
enum err_code local_repo_check(const char *folders, struct str url, struct err *err) MUST_CHECK;
