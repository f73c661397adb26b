/* What the files of this folder share; not for others. */
#pragma once

#include <stdbool.h>

#include "presence/presence.h"

bool presence_role_parse(struct str name, enum presence_role *ret) MUST_CHECK;
int presence_order(const void *a, const void *b); /* for qsort(): user, then role */
