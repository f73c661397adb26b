/* Inside the driver: what INFO says. Pure. */
#pragma once

#include "base/str.h"

/* The value of the line of that name, "" when there is none. */
struct str redis_info_value(struct str info, struct str name);
