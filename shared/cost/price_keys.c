#include "cost/price_keys.h"

#include <inttypes.h>

#include "base/buf.h"
#include "redis/redis.h"

/* A line a price: model, input, output, cache read, cache write. */
static const char key[] = "prices";

enum { LINE_MAX = COST_MODEL_MAX + 5 * 21 };

enum err_code cost_prices_write(struct redis *redis, const struct cost_prices *prices,
                                struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;
	struct buf text;

	buf_init(&text, (size_t)LINE_MAX * (COST_PRICES_MAX + 1));
	for (size_t i = 0; i < prices->count; i++) {
		const struct cost_price *price = &prices->items[i];

		buf_addf(&text, "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
		         price->model, price->input, price->output, price->cache_read,
		         price->cache_write);
	}
	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, key);
	redis_arg(cmd, buf_str(&text));
	code = buf_failed(&text) ? err_set(err, ERR_TOO_LARGE, "the prices")
	                         : redis_call(redis, cmd, &reply, err);
	buf_fini(&text);
	return code;
}

static bool take(struct str line, struct cost_price *ret)
{
	int64_t *const amounts[] = { &ret->input, &ret->output, &ret->cache_read,
		                     &ret->cache_write };
	bool ok;

	*ret = (struct cost_price){ .input = 0 };
	ok = str_copy(ret->model, sizeof(ret->model), str_split(&line, ' '));
	for (size_t i = 0; ok && i < ARRAY_LEN(amounts); i++) {
		uint64_t amount;

		ok = parse_u64(str_split(&line, ' '), INT64_MAX, &amount);
		*amounts[i] = ok ? (int64_t)amount : 0;
	}
	return ok;
}

enum err_code cost_prices_read(struct redis *redis, struct arena *arena, struct cost_prices *ret,
                               struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;
	struct str rest;

	redis_arg_cstr(cmd, "GET");
	redis_arg_cstr(cmd, key);
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return code;
	}
	rest = redis_reply_str(reply);
	ret->count = 0;
	ret->items = arena_take(arena, COST_PRICES_MAX * sizeof(*ret->items));
	while (rest.n > 0 && ret->count < COST_PRICES_MAX) {
		if (take(str_split(&rest, '\n'), &ret->items[ret->count])) {
			ret->count++;
		}
	}
	return ERR_OK;
}
