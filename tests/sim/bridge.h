/* From the driver's commands to the model and back to the driver's replies. */
#pragma once

#include "redis/redis.h"
#include "tests/sim/model.h"

/* Deterministic choices; the same seed gives the same run on every machine. */
struct dice {
	uint64_t state;
};
uint64_t dice_roll(struct dice *dice, uint64_t sides); /* 0 to sides - 1 */
uint64_t dice_seed(void);                              /* SIM_SEED, or one of the clock's */

/* script NULL: an ordinary command. */
struct model_reply *bridge_run(struct model *model, const struct redis_cmd *cmd,
                               const struct text *script);
/* ERR_BACKEND for an error, else a reply for redis_reply_free(). */
enum err_code bridge_reply(const struct model_reply *reply, struct redis_reply **ret,
                           struct err *err) MUST_CHECK;
void bridge_format(const struct redis_reply *reply, struct buf *out); /* as model_reply_format() */
