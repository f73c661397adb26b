#include "cost/price.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PER_TOKENS = 1000, NANO_DIGITS = 9 };

static bool look(const struct cost_prices *prices, struct str model, struct cost_price *ret)
{
	for (size_t i = 0; i < prices->count; i++) {
		if (str_eq(str_of(prices->items[i].model), model)) {
			*ret = prices->items[i];
			return true;
		}
	}
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "-20250514", "-2025-08-07", "@20250514": six digits at least, and nothing but them and '-'. */
static size_t without_date(struct str model)
{
	size_t n = model.n, digits = 0;

	while (n > 0 && (is_digit(model.p[n - 1]) || (model.p[n - 1] == '-' && digits > 0))) {
		n--;
		digits += is_digit(model.p[n]) ? 1 : 0;
		if (digits >= 8) {
			break;
		}
	}
	return digits == 8 && n > 1 && (model.p[n - 1] == '-' || model.p[n - 1] == '@') ? n - 1
	                                                                                : model.n;
}

static struct str without_version(struct str model)
{
	const struct str latest = STR_LIT("-latest");

	if (model.n > latest.n &&
	    str_eq(str_make(model.p + model.n - latest.n, latest.n), latest)) {
		return str_make(model.p, model.n - latest.n);
	}
	return str_make(model.p, without_date(model));
}

bool cost_price_find(const struct cost_prices *prices, struct str model, struct cost_price *ret)
{
	const char *slash = model.n > 0 ? memrchr(model.p, '/', model.n) : NULL;
	struct str name = model;

	if (model.n == 0) {
		return false;
	}
	if (slash != NULL) {
		name = str_make(slash + 1, model.n - (size_t)(slash + 1 - model.p));
	}
	return look(prices, model, ret) || look(prices, name, ret) ||
	       look(prices, without_version(name), ret);
}

static int64_t amount(uint64_t tokens, int64_t price)
{
	if (price <= 0) {
		return 0;
	}
	return tokens > (uint64_t)(INT64_MAX / price) ? INT64_MAX
	                                              : (int64_t)tokens * price / PER_TOKENS;
}

static int64_t sum(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

int64_t cost_of(const struct cost_price *price, const struct cost_tokens *tokens)
{
	return sum(sum(amount(tokens->input, price->input), amount(tokens->output, price->output)),
	           sum(amount(tokens->cache_read, price->cache_read),
	               amount(tokens->cache_write, price->cache_write)));
}

const char *cost_model_flaw(struct str model)
{
	if (model.n == 0 || model.n > COST_MODEL_MAX) {
		return "must have 1 to 128 bytes";
	}
	for (size_t i = 0; i < model.n; i++) {
		if (model.p[i] <= ' ' || model.p[i] > '~' || model.p[i] == '"' ||
		    model.p[i] == '\\') {
			return "must be printable ASCII without spaces, quotes and backslashes";
		}
	}
	return NULL;
}

bool cost_nano_of(double usd, int64_t *ret)
{
	if (!isfinite(usd) || usd < 0 || usd > COST_USD_MAX) {
		return false;
	}
	*ret = llround(usd * (double)COST_NANO);
	return true;
}

bool cost_nano_parse(struct str text, int64_t *ret)
{
	struct str whole = str_split(&text, '.');
	uint64_t dollars, fraction = 0;

	if (!parse_u64(whole, COST_USD_MAX, &dollars)) {
		return false;
	}
	if (text.p != NULL) {
		if (text.n == 0 || text.n > NANO_DIGITS ||
		    !parse_u64(text, (uint64_t)COST_NANO - 1, &fraction)) {
			return false;
		}
		for (size_t i = text.n; i < NANO_DIGITS; i++) {
			fraction *= 10;
		}
	}
	*ret = (int64_t)(dollars * (uint64_t)COST_NANO + fraction);
	return true;
}

struct str cost_usd(int64_t nano, char room[COST_TEXT_SIZE])
{
	uint64_t all = nano < 0 ? 0 : (uint64_t)nano;
	int n = snprintf(room, COST_TEXT_SIZE, "%" PRIu64 ".%09" PRIu64, all / (uint64_t)COST_NANO,
	                 all % (uint64_t)COST_NANO);

	while (n > 0 && room[n - 1] == '0') {
		n--;
	}
	if (n > 0 && room[n - 1] == '.') {
		n--;
	}
	room[n] = '\0';
	return str_make(room, (size_t)n);
}
