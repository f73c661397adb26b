/* Money and what was used, as JSON. */
#pragma once

#include "base/arena.h"
#include "cost/cost_store.h"
#include "json/decode.h"
#include "json/write.h"

/* JSON_CUSTOM into an int64_t: a number of US dollars, from 0, as nano. */
void cost_decode_usd(const struct json_value *value, const char *path, void *out,
                     struct arena *arena, struct json_problems *problems);
extern const char cost_usd_schema[];

void cost_write_usd(struct jsonw *w, const char *name, int64_t nano);
/* Members of an object that is open: tokens and money of a sum. */
void cost_write_sum(struct jsonw *w, const struct cost_sum *sum);
/* USD per million tokens. */
void cost_write_price(struct jsonw *w, const struct cost_price *price);

/* What an event `usage` or `cost` adds; false: nothing. The place in the log is the caller's. */
bool cost_use_decode(bool is_cost, const struct json_value *data, struct cost_use *ret);
