/*
 * Inside the driver: which Redis is the master now, as its Sentinels say
 * (https://redis.io/docs/latest/develop/reference/sentinel-clients/).
 *
 * A connection to each Sentinel asks it once a second, and at once when it announces a switch.
 * Sentinels may differ for a moment: the answer of the latest configuration epoch counts.  It is
 * advice: who connects there looks for himself whether it is a master.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "redis/address.h"
#include "redis/redis.h"
#include "redis/url.h"

struct redis_sentinel;

/* url: one with Sentinels, copied, as are the timings; moved(arg) runs from the loop when the
 * master is another one than before, also the first time. NULL: TLS is not to be had with that. */
struct redis_sentinel *redis_sentinel_new(struct loop *loop, const struct redis_url *url,
                                          const struct redis_options *options,
                                          void (*moved)(void *arg), void *arg,
                                          struct err *err) MUST_CHECK;
void redis_sentinel_free(struct redis_sentinel *sentinel);

/* ERR_UNAVAILABLE: none has told yet. host: an address or, where Sentinels announce those, a name.
 */
enum err_code redis_sentinel_master(const struct redis_sentinel *sentinel,
                                    char host[REDIS_HOST_SIZE], unsigned *port,
                                    struct err *err) MUST_CHECK;
/* Do not wait for the next second. */
void redis_sentinel_ask(struct redis_sentinel *sentinel);
