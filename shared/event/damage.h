/* What is wrong with the archive is met at every read of it: it is counted each time, and told once
 * a minute for a session. */
#pragma once

#include <stdint.h>

#include "base/id.h"

void damage_tell(const struct id *sid, uint64_t first_n, const char *what);
