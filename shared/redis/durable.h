/* Whether this Redis keeps what it was given. */
#pragma once

#include "redis/redis.h"

/* ERR_UNSUPPORTED, and the message names the settings: it may evict keys, because maxmemory is set
 * and maxmemory-policy is not noeviction. */
enum err_code redis_check_durable(struct redis *redis, struct err *err) MUST_CHECK;
