/* What tokens cost, money as text, and what events of a log add. */
#include "cost/budget.h"
#include "cost/cost_json.h"
#include "tests/support/test.h"

static struct cost_price rows[] = {
	{ .model = "large-4-5", .input = 3000000 },
	{ .model = "large-4", .input = 2000000 },
	{ .model = "vendor/large-4", .input = 7000000 },
	{ .model = "mine", .input = 1, .output = 2 },
};
static const struct cost_prices prices = { rows, ARRAY_LEN(rows) };

static int64_t price_of(const char *model)
{
	const struct cost_tokens million = { .input = 1000000 };
	struct cost_price price;

	return cost_price_find(&prices, str_of(model), &price) ? cost_of(&price, &million) : -1;
}

static void a_model_is_found_with_its_vendor_and_its_date(void **state)
{
	(void)state;
	assert_int_equal(price_of("large-4-5"), 3 * COST_NANO);
	assert_int_equal(price_of("large-4-5-20250929"), 3 * COST_NANO);
	assert_int_equal(price_of("other/large-4-5"), 3 * COST_NANO);
	assert_int_equal(price_of("large-4@20250514"), 2 * COST_NANO);
	assert_int_equal(price_of("large-4-2025-04-14"), 2 * COST_NANO);
	assert_int_equal(price_of("large-4-latest"), 2 * COST_NANO);
	assert_int_equal(price_of("vendor/large-4"), 7 * COST_NANO);
}

static void an_unknown_model_has_no_price(void **state)
{
	const struct cost_prices none = { NULL, 0 };
	struct cost_price price;

	(void)state;
	assert_false(cost_price_find(&none, STR_LIT("large-4"), &price));
	assert_int_equal(price_of(""), -1);
	assert_int_equal(price_of("large-4-pro"), -1);
	assert_int_equal(price_of("large-4-123"), -1);
	assert_int_equal(price_of("20250929"), -1);
	assert_int_equal(price_of("-20250929"), -1);
	assert_int_equal(price_of("vendor/"), -1);
}

static void tokens_of_each_kind_have_prices(void **state)
{
	const struct cost_tokens tokens = {
		.input = 3000, .output = 5000, .cache_read = 9000, .reasoning = 400000
	};
	const struct cost_tokens all = { .input = UINT64_MAX, .output = UINT64_MAX };

	(void)state;
	assert_int_equal(cost_of(&rows[3], &tokens), 13);
	assert_int_equal(cost_of(&rows[3], &all), INT64_MAX);
}

static void money_is_exact_as_text(void **state)
{
	char room[COST_TEXT_SIZE];
	int64_t nano = -1;

	(void)state;
	assert_true(str_eq(cost_usd(0, room), STR_LIT("0")));
	assert_true(str_eq(cost_usd(1, room), STR_LIT("0.000000001")));
	assert_true(str_eq(cost_usd(12 * COST_NANO, room), STR_LIT("12")));
	assert_true(str_eq(cost_usd(100 * COST_NANO + 500000000, room), STR_LIT("100.5")));
	assert_true(cost_nano_parse(STR_LIT("0.25"), &nano));
	assert_int_equal(nano, COST_NANO / 4);
	assert_true(cost_nano_parse(STR_LIT("3"), &nano));
	assert_int_equal(nano, 3 * COST_NANO);
	assert_false(cost_nano_parse(STR_LIT("3."), &nano));
	assert_false(cost_nano_parse(STR_LIT("-3"), &nano));
	assert_false(cost_nano_parse(STR_LIT("0.1234567891"), &nano));
	assert_false(cost_nano_of(-0.5, &nano));
	assert_true(cost_nano_of(0.000125, &nano));
	assert_int_equal(nano, 125000);
}

static bool decode(bool is_cost, const char *text, struct cost_use *ret)
{
	struct err err;
	struct json_value *json = json_parse(str_of(text), &err);
	bool any;

	*ret = (struct cost_use){ .n = 0 };
	any = cost_use_decode(is_cost, json, ret);
	ret->model = STR_LIT("");
	json_value_free(json);
	return any;
}

static void only_what_an_event_adds_counts(void **state)
{
	struct cost_use use;

	(void)state;
	assert_true(decode(false,
	                   "{\"input_tokens\":900,\"priced\":\"table\",\"added\":"
	                   "{\"input_tokens\":10,\"output_tokens\":-4,\"cache_read_tokens\":2}}",
	                   &use));
	assert_int_equal(use.tokens.input, 10);
	assert_int_equal(use.tokens.output, 0);
	assert_int_equal(use.tokens.cache_read, 2);
	assert_int_equal(use.source, COST_TABLE);
	assert_false(use.has_nano);
	assert_false(decode(false, "{\"input_tokens\":900}", &use));
	assert_false(decode(false, "7", &use));
	assert_true(decode(true, "{\"usd\":9,\"added_usd\":0.5,\"source\":\"agent\"}", &use));
	assert_int_equal(use.nano, COST_NANO / 2);
	assert_int_equal(use.source, COST_AGENT);
	assert_false(decode(true, "{\"usd\":9,\"source\":\"agent\"}", &use));
	assert_false(decode(true, "{\"added_usd\":-1,\"source\":\"agent\"}", &use));
	assert_false(decode(true, "{\"added_usd\":1,\"source\":\"guess\"}", &use));
}

static void a_period_begins_and_ends_with_days_of_utc(void **state)
{
	static const struct {
		enum budget_period period;
		int64_t now_s;
		const char *first;
		int64_t ends_s;
	} all[] = {
		{ BUDGET_DAY, 1769903999, "2026-01-31", 1769904000 },
		{ BUDGET_DAY, 1769904000, "2026-02-01", 1769990400 },
		{ BUDGET_DAY, -1, "1969-12-31", 0 },
		{ BUDGET_MONTH, 1769903999, "2026-01-01", 1769904000 },
		{ BUDGET_MONTH, 1769904000, "2026-02-01", 1772323200 },
		{ BUDGET_MONTH, 1709164800, "2024-02-01", 1709251200 }, /* the 29th */
		{ BUDGET_MONTH, 1767225599, "2025-12-01", 1767225600 }, /* the year's end */
		{ BUDGET_DAY, 1774746000, "2026-03-29", 1774828800 }, /* clocks change in Europe */
		{ BUDGET_TOTAL, 1769904000, "", 0 },
	};
	char first[BUDGET_DATE_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		budget_first_day(all[i].period, all[i].now_s * 1000000, first);
		assert_string_equal(first, all[i].first);
		assert_int_equal(budget_ends_us(all[i].period, all[i].now_s * 1000000),
		                 all[i].ends_s * 1000000);
	}
	budget_first_day(BUDGET_DAY, -1, first); /* a microsecond before 1970 */
	assert_string_equal(first, "1969-12-31");
}

static void a_budget_is_spent_at_its_limit(void **state)
{
	struct budget budget = { .period = BUDGET_MONTH, .limits = { 5, 10, BUDGET_NONE, 100 } };
	char text[BUDGET_TEXT_MAX + 1];
	struct budget told;

	(void)state;
	assert_int_equal(budget_level_of(&budget), BUDGET_BELOW);
	budget.nano = 5;
	assert_int_equal(budget_level_of(&budget), BUDGET_SOFT);
	budget.nano = 10;
	assert_int_equal(budget_level_of(&budget), BUDGET_HARD);
	budget.nano = 9;
	budget.tokens = 100;
	assert_int_equal(budget_level_of(&budget), BUDGET_HARD);
	budget_text(&budget, text);
	assert_string_equal(text, "month,9,10,100,100");
	assert_true(budget_text_parse(str_of(text), &told));
	assert_int_equal(told.period, BUDGET_MONTH);
	assert_int_equal(budget_level_of(&told), BUDGET_HARD);
	assert_false(budget_text_parse(STR_LIT("month,9,10"), &told));
	assert_false(budget_text_parse(STR_LIT("year,9,10,1,1"), &told));
	budget.limits = (struct budget_limits){ BUDGET_NONE, 0, BUDGET_NONE, BUDGET_NONE };
	budget.nano = budget.tokens = 0;
	assert_int_equal(budget_level_of(&budget), BUDGET_HARD); /* nothing may be spent */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_period_begins_and_ends_with_days_of_utc),
		cmocka_unit_test(a_budget_is_spent_at_its_limit),
		cmocka_unit_test(a_model_is_found_with_its_vendor_and_its_date),
		cmocka_unit_test(an_unknown_model_has_no_price),
		cmocka_unit_test(tokens_of_each_kind_have_prices),
		cmocka_unit_test(money_is_exact_as_text),
		cmocka_unit_test(only_what_an_event_adds_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
