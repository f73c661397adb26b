/* Inside the driver: what INFO says. Pure. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "redis/redis.h"

/* The value of the line of that name, "" when there is none. */
struct str redis_info_value(struct str info, struct str name);

/* redis_history() of who says that. ERR_UNAVAILABLE: it is a replica, or no Redis. */
enum err_code redis_info_history(struct str info, char out[REDIS_HISTORY_SIZE],
                                 struct err *err) MUST_CHECK;
