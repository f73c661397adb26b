/*
 * What tokens cost.  Pure.  Money is whole billionths of a US dollar ("nano"), so that sums are
 * exact.  A model without a price costs an unknown amount, never nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum {
	COST_MODEL_MAX = 128,
	COST_PRICES_MAX = 1000,
	COST_TEXT_SIZE = 32,
	COST_USD_MAX = 1000000000,
};
#define COST_NANO       INT64_C(1000000000)
#define COST_TOKENS_MAX INT64_C(1000000000000) /* of one event */

struct cost_tokens {
	uint64_t input, output, cache_read, cache_write;
	uint64_t reasoning; /* of output: costs nothing beside it */
};

struct cost_price {
	char model[COST_MODEL_MAX + 1];
	int64_t input, output, cache_read, cache_write; /* nano per 1000 tokens */
};

struct cost_prices { /* those that were set: none is built in, a wrong one is worse than none */
	struct cost_price *items;
	size_t count;
};

/* false: no price is known. The name as it is, else without what stands before the last '/', else
 * without a date or "-latest" behind it. */
bool cost_price_find(const struct cost_prices *prices, struct str model,
                     struct cost_price *ret) MUST_CHECK;
/* Never more than INT64_MAX. */
int64_t cost_of(const struct cost_price *price, const struct cost_tokens *tokens);

/* NULL, or the rule that the name of a model breaks. */
const char *cost_model_flaw(struct str model);

/* False: it is no amount (negative, not finite, beyond COST_USD_MAX). */
bool cost_nano_of(double usd, int64_t *ret) MUST_CHECK;
/* The same from text: digits, with at most nine behind a point. */
bool cost_nano_parse(struct str text, int64_t *ret) MUST_CHECK;
/* As JSON and people have it: "12", "0.000125". */
struct str cost_usd(int64_t nano, char room[COST_TEXT_SIZE]);
