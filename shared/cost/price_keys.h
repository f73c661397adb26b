/* Prices as rows, where workers find them: one text in Redis, which schedulers keep. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "cost/price.h"

struct redis;

enum err_code cost_prices_write(struct redis *redis, const struct cost_prices *prices,
                                struct err *err) MUST_CHECK;
/* None where there is none yet. */
enum err_code cost_prices_read(struct redis *redis, struct arena *arena, struct cost_prices *ret,
                               struct err *err) MUST_CHECK;
