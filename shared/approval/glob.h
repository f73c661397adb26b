/* Patterns of paths. Pure; its time is bounded by the product of both lengths. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* path: relative, without "." and ".." in it. */
bool approval_glob_fits(struct str pattern, struct str path);

/* The path in its shortest form, relative to the workspace: "" is the workspace itself. A relative
 * one is below it already. False: it leads out of it, or is longer than size. */
bool approval_path_below(struct str workspace, struct str path, char *out, size_t size);
