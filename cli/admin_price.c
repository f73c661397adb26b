/* `fairlead admin price ...`: what models cost. */
#include <string.h>

#include "cli/admin.h"
#include "cost/cost_json.h"

enum { PER_MILLION = 1000 }; /* thousands in it */

static const struct column columns[] = {
	{ "MODEL", "model" },
	{ "INPUT", "input" },
	{ "OUTPUT", "output" },
	{ "CACHE-READ", "cacheRead" },
	{ "CACHE-WRITE", "cacheWrite" },
};

static int run_list(struct call *call)
{
	struct admin_answer answer;
	struct cost_prices prices;
	struct err err;

	if (cost_prices_list(admin_local(call)->pg, admin_arena(call), &prices, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin_items(&answer);
	for (size_t i = 0; i < prices.count; i++) {
		cost_write_price(&answer.w, &prices.items[i]);
	}
	return admin_end_items(call, &answer, columns, ARRAY_LEN(columns));
}

/* text NULL: as said otherwise. */
static bool take_usd(const char *text, int64_t otherwise, int64_t *ret)
{
	int64_t nano;

	if (text == NULL) {
		*ret = otherwise;
		return true;
	}
	if (!cost_nano_parse(str_of(text), &nano)) {
		return false;
	}
	*ret = nano / PER_MILLION;
	return true;
}

/* EXIT_DONE: they make sense. */
static int take_words(const struct call *call, struct cost_price *ret)
{
	const char *flaw = cost_model_flaw(str_of(call->words[0]));

	*ret = (struct cost_price){ .input = 0 };
	if (flaw != NULL) {
		return admin_wrong("MODEL %s", flaw);
	}
	(void)str_copy(ret->model, sizeof(ret->model), str_of(call->words[0]));
	if (!take_usd(call->words[1], 0, &ret->input) ||
	    !take_usd(call->words[2], 0, &ret->output) ||
	    !take_usd(call_text(call, OPTION_CACHE_READ), ret->input, &ret->cache_read) ||
	    !take_usd(call_text(call, OPTION_CACHE_WRITE), ret->input, &ret->cache_write)) {
		return admin_wrong("a price must be US dollars, as 3 or 0.25");
	}
	return EXIT_DONE;
}

static int run_set(struct call *call)
{
	struct admin_answer answer;
	struct cost_price price;
	int status = take_words(call, &price);
	struct err err;

	if (status != EXIT_DONE) {
		return status;
	}
	if (cost_price_set(admin_local(call)->pg, &price, &err) != ERR_OK ||
	    admin_settle(call, "price", price.model, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin(&answer);
	cost_write_price(&answer.w, &price);
	return admin_end(call, &answer, columns, ARRAY_LEN(columns));
}

static int run_delete(struct call *call)
{
	const char *model = call->words[0];
	struct err err;

	if (cost_price_delete(admin_local(call)->pg, str_of(model), &err) != ERR_OK ||
	    admin_settle(call, "price", model, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	return admin_done(call, "model", model, "deleted");
}

/* What is wrong with the words is told without a database too. */
static int around(struct call *call)
{
	struct cost_price ignored;
	int status = call->verb->run == run_set ? take_words(call, &ignored) : EXIT_DONE;

	return status == EXIT_DONE ? admin_around(call) : status;
}

static const struct verb verbs[] = {
	{ "list", NULL, 0, 0, run_list, "All prices.", { OPTION_JSON } },
	{ "set",
	  "MODEL INPUT OUTPUT",
	  3,
	  3,
	  run_set,
	  "What a model costs.",
	  { OPTION_CACHE_READ, OPTION_CACHE_WRITE, OPTION_JSON } },
	{ "delete",
	  "MODEL",
	  1,
	  1,
	  run_delete,
	  "Its tokens are unpriced from then on.",
	  { OPTION_JSON } },
};

const struct verb_group admin_price = {
	.command = "admin",
	.name = "price",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = around,
	.notes = "Prices are US dollars per million tokens. They hold for all tenants, for what is "
		 "used from\nthen on; workers know them within ten seconds.\n",
};
