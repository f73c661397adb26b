/* How long events take, stage by stage, with a clock that stands where it is put. */
#include <string.h>

#include "base/clock.h"
#include "metric/metric.h"
#include "streamer/lag.h"
#include "tests/support/test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static uint64_t mono_us;
static int64_t wall_us;

static uint64_t stopped_mono(void)
{
	return mono_us;
}

static int64_t stopped_wall(void)
{
	return wall_us;
}

static void pass(unsigned us)
{
	mono_us += us;
	wall_us += us;
}

static int setup(void **state)
{
	(void)state;
	mono_us = 5000000;
	wall_us = 1700000000000000;
	clock_replace(stopped_mono, stopped_wall);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_replace(NULL, NULL);
	return 0;
}

struct figure {
	uint64_t count;
	double sum_us;
};

static struct figure figure_of(const char *stage)
{
	const struct metric_series *series = metric_series(METRIC_STREAM_LAG, stage, NULL);
	struct figure figure = { .sum_us = series->value };

	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		figure.count += series->buckets[i];
	}
	return figure;
}

static void expect_more(const char *stage, struct figure before, uint64_t count, double sum_us)
{
	struct figure now = figure_of(stage);

	assert_int_equal(now.count - before.count, count);
	assert_true(now.sum_us - before.sum_us == sum_us);
}

static struct log_bell bell_of(uint64_t n)
{
	return (struct log_bell){ .first = { 1, n }, .last = { 1, n }, .appended_us = wall_us };
}

static void each_stage_is_counted_once_a_bell_and_the_last_ones_once_a_write(void **state)
{
	struct figure doorbell = figure_of("doorbell"), ring = figure_of("ring");
	struct figure written = figure_of("socket"), all = figure_of("all");
	struct log_bell bell = bell_of(3);
	struct id sid = id_new();
	struct lag lag = { .appended_us = 0 };

	(void)state;
	memcpy(bell.trace, TRACE, sizeof(TRACE));
	pass(200);
	lag_heard(&lag, &bell);
	expect_more("doorbell", doorbell, 1, 200);
	pass(30);
	lag_pushed(&lag);
	expect_more("ring", ring, 1, 30);
	pass(50);
	for (unsigned i = 0; i < LAG_LOOK; i++) {
		lag_wrote(&lag);
	}
	expect_more("socket", written, LAG_LOOK, 50.0 * LAG_LOOK);
	pass(10);
	lag_wrote(&lag);
	assert_string_equal(lag.trace, TRACE);
	lag_done(&lag, &sid);
	expect_more("socket", written, LAG_LOOK + 1, 50.0 * LAG_LOOK + 60);
	expect_more("all", all, LAG_LOOK + 1, 280.0 * LAG_LOOK + 290);
	assert_int_equal(lag.appended_us, 0);
	assert_string_equal(lag.trace, "");
}

static void bells_of_a_round_under_way_do_not_make_it_younger(void **state)
{
	struct figure doorbell = figure_of("doorbell"), ring = figure_of("ring");
	struct figure all = figure_of("all");
	struct log_bell first = bell_of(3), second;
	struct id sid = id_new();
	struct lag lag = { .appended_us = 0 };

	(void)state;
	lag_heard(&lag, &first);
	lag_pushed(&lag);
	pass(1000);
	second = bell_of(4);
	lag_heard(&lag, &second);
	lag_pushed(&lag);
	expect_more("doorbell", doorbell, 2, 0);
	expect_more("ring", ring, 1, 0);
	pass(500);
	lag_wrote(&lag);
	lag_done(&lag, &sid);
	expect_more("all", all, 1, 1500);
}

static void what_is_written_without_a_bell_is_not_counted(void **state)
{
	struct figure written = figure_of("socket");
	struct id sid = id_new();
	struct lag lag = { .appended_us = 0 };

	(void)state;
	lag_pushed(&lag);
	for (unsigned i = 0; i < 2 * LAG_LOOK; i++) {
		lag_wrote(&lag);
	}
	lag_done(&lag, &sid);
	expect_more("socket", written, 0, 0);
}

static void a_clock_of_redis_that_is_ahead_makes_no_time_negative(void **state)
{
	struct figure doorbell = figure_of("doorbell");
	struct log_bell bell = bell_of(3);
	struct lag lag = { .appended_us = 0 };

	(void)state;
	bell.appended_us += 1000000;
	lag_heard(&lag, &bell);
	expect_more("doorbell", doorbell, 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_stage_is_counted_once_a_bell_and_the_last_ones_once_a_write, setup,
			teardown),
		cmocka_unit_test_setup_teardown(bells_of_a_round_under_way_do_not_make_it_younger,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_written_without_a_bell_is_not_counted,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_clock_of_redis_that_is_ahead_makes_no_time_negative, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
