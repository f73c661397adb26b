#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "metric/metric.h"
#include "tests/support/test.h"

enum { PAGE_MAX = 4 * 1024 * 1024 };

static struct buf page;

static const char *render(void)
{
	buf_reset(&page);
	metric_render(&page);
	assert_false(buf_failed(&page));
	return buf_cstr(&page);
}

/* The value of the line that begins with `series` and a space; NAN if there is none. */
static double value_of(const char *text, const char *series)
{
	size_t n = strlen(series);

	for (const char *line = text; line != NULL && *line != '\0';) {
		if (strncmp(line, series, n) == 0 && line[n] == ' ') {
			return strtod(line + n + 1, NULL);
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return NAN;
}

static bool name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9'))) {
			return false;
		}
	}
	return name.n > 0;
}

/* One sample: name, optional {labels}, a number. Returns the name. */
static struct str parse_sample(struct str line)
{
	struct str rest;
	struct str name;
	char *end;

	name.p = line.p;
	name.n = strcspn(line.p, "{ ");
	assert_true(name_ok(name));
	rest = str_make(line.p + name.n, line.n - name.n);
	if (rest.p[0] == '{') {
		do {
			struct str label = str_make(rest.p + 1, strcspn(rest.p + 1, "="));

			assert_true(name_ok(label));
			rest.p = label.p + label.n + 1;
			assert_int_equal(*rest.p++, '"');
			for (; *rest.p != '"'; rest.p++) {
				assert_true(*rest.p != '\n');
				rest.p += *rest.p == '\\';
			}
			rest.p++;
		} while (*rest.p == ',');
		assert_int_equal(*rest.p++, '}');
	}
	assert_int_equal(*rest.p++, ' ');
	(void)strtod(rest.p, &end);
	assert_true(end > rest.p && *end == '\n');
	return name;
}

static void the_page_follows_the_text_format(void **state)
{
	struct str rest = { 0 };
	struct str family = { 0 };
	struct str type = { 0 };
	size_t families = 0;

	(void)state;
	metric_series3(METRIC_HTTP_REQUESTS, "GET", "we\"ird\\ro\nute", "2xx")->value++;
	rest = str_of(render());
	assert_int_equal(rest.p[rest.n - 1], '\n');
	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');

		if (str_starts(line, STR_LIT("# HELP "))) {
			struct str help = str_make(line.p + 7, line.n - 7);

			family = str_split(&help, ' ');
			assert_true(name_ok(family) && help.n > 0);
			families++;
		} else if (str_starts(line, STR_LIT("# TYPE "))) {
			type = str_make(line.p + 7, line.n - 7);
			assert_true(str_eq(str_split(&type, ' '), family));
			assert_int_equal(str_ends(family, STR_LIT("_total")),
			                 str_eq(type, STR_LIT("counter")));
			/* A gauge may tell an age in seconds too. */
			assert_true(!str_eq(type, STR_LIT("histogram")) ||
			            str_ends(family, STR_LIT("_seconds")));
		} else {
			assert_true(str_starts(parse_sample(line), family));
		}
	}
	assert_int_equal(families, METRIC_COUNT);
	assert_non_null(
		strstr(buf_cstr(&page),
	               "{method=\"GET\",route=\"we\\\"ird\\\\ro\\nute\",class=\"2xx\"} 1\n"));
}

static void counters_and_gauges_count(void **state)
{
	const char *text;

	(void)state;
	metric_inc(METRIC_EVENTS_APPENDED, NULL);
	metric_add(METRIC_EVENTS_APPENDED, NULL, 41);
	metric_add(METRIC_EVENTS_DELIVERED, NULL, 4503599627370497.0);
	metric_inc(METRIC_SUBSCRIBERS, NULL);
	metric_inc(METRIC_SUBSCRIBERS, NULL);
	metric_dec(METRIC_SUBSCRIBERS, NULL);
	metric_set(METRIC_QUEUE_DEPTH, "ready", 7);
	metric_set(METRIC_QUEUE_DEPTH, "held", 0.5);
	text = render();
	assert_non_null(strstr(text, "\nfairlead_events_appended_total 42\n"));
	assert_non_null(strstr(text, "\nfairlead_events_delivered_total 4503599627370497\n"));
	assert_non_null(strstr(text, "\nfairlead_subscribers 1\n"));
	assert_non_null(strstr(text, "\nfairlead_queue_depth{state=\"ready\"} 7\n"));
	assert_non_null(strstr(text, "\nfairlead_queue_depth{state=\"held\"} 0.5\n"));
	assert_null(strstr(text, "\nfairlead_gaps_total ")); /* has labels, none seen */
}

static void histograms_cumulate_and_end_in_inf(void **state)
{
	static const uint64_t observed[] = { 0, 100, 101, 1000000, 30000000, 30000001 };
	const char *text;
	double before = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(observed); i++) {
		metric_observe_times(metric_series(METRIC_HTTP_DURATION, "GET", "/x"), observed[i],
		                     1);
		metric_observe_us(METRIC_QUEUE_WAIT, NULL, observed[i] * 1000);
		metric_observe_us(METRIC_LOOP_STALL, NULL, observed[i]);
	}
	text = render();
	assert_true(value_of(text, "fairlead_loop_stall_seconds_bucket{le=\"0.0001\"}") == 2);
	assert_true(value_of(text, "fairlead_loop_stall_seconds_bucket{le=\"0.00025\"}") == 3);
	assert_true(value_of(text, "fairlead_loop_stall_seconds_bucket{le=\"0.5\"}") == 3);
	assert_true(value_of(text, "fairlead_loop_stall_seconds_bucket{le=\"1\"}") == 4);
	assert_true(value_of(text, "fairlead_loop_stall_seconds_bucket{le=\"30\"}") == 5);
	assert_true(value_of(text, "fairlead_loop_stall_seconds_bucket{le=\"+Inf\"}") == 6);
	assert_true(value_of(text, "fairlead_loop_stall_seconds_count") == 6);
	before = value_of(text, "fairlead_loop_stall_seconds_sum");
	assert_true(fabs(before - 61.000202) < 1e-9);
	assert_true(value_of(text, "fairlead_http_request_seconds_bucket"
	                           "{method=\"GET\",route=\"/x\",le=\"+Inf\"}") == 6);
	assert_true(value_of(text, "fairlead_http_request_seconds_count"
	                           "{method=\"GET\",route=\"/x\"}") == 6);
	assert_true(value_of(text, "fairlead_queue_wait_seconds_bucket{le=\"0.1\"}") == 2);
	assert_true(value_of(text, "fairlead_queue_wait_seconds_bucket{le=\"1000\"}") == 4);
	assert_true(value_of(text, "fairlead_queue_wait_seconds_bucket{le=\"30000\"}") == 5);
	assert_true(fabs(value_of(text, "fairlead_queue_wait_seconds_sum") - 61000.202) < 1e-6);
}

static void too_many_or_unfit_labels_become_other(void **state)
{
	char label[2 * METRIC_LABEL_MAX];
	size_t lines = 0;
	const char *text;

	(void)state;
	for (unsigned i = 0; i < 10 * METRIC_SERIES_MAX; i++) {
		(void)snprintf(label, sizeof(label), "reason-%u", i);
		metric_inc(METRIC_HTTP_REFUSED, label);
	}
	metric_inc(METRIC_HTTP_REFUSED, "reason-0");
	metric_inc(METRIC_HTTP_REFUSED, "\xff");
	memset(label, 'x', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	metric_inc(METRIC_HTTP_REFUSED, label);
	text = render();
	assert_true(value_of(text, "fairlead_http_refused_total{reason=\"reason-0\"}") == 2);
	assert_true(value_of(text, "fairlead_http_refused_total{reason=\"other\"}") ==
	            9 * METRIC_SERIES_MAX + 1 + 2);
	for (; (text = strstr(text, "\nfairlead_http_refused_total{")) != NULL; text++) {
		lines++;
	}
	assert_int_equal(lines, METRIC_SERIES_MAX);
}

static struct metric_series *requests(const char *method, const char *route, const char *class)
{
	return metric_series3(METRIC_HTTP_REQUESTS, method, route, class);
}

static void a_series_found_again_is_the_same(void **state)
{
	struct metric_series *series = requests("a", "b", "2xx");

	(void)state;
	assert_ptr_equal(requests("a", "b", "2xx"), series);
	assert_ptr_not_equal(requests("a", "b2", "xx"), series);
	assert_ptr_not_equal(requests("ab", "", "2xx"), series);
	assert_ptr_not_equal(requests("a", "b", "4xx"), series);
	series = requests("a", "\xff", "2xx");
	assert_string_equal(series->labels[0], "other");
	assert_string_equal(series->labels[1], "other");
	assert_string_equal(series->labels[2], "other");
	assert_ptr_equal(requests("a", "b", "\xff"), series);
}

static void copy_figure(void *arg)
{
	metric_set(METRIC_PG_POOL_IN_USE, NULL, *(double *)arg);
}

static void collectors_and_the_process_fill_the_page(void **state)
{
	static double in_use = 5;
	const char *text;

	(void)state;
	metric_setup("fairlead-test", "1.2.3");
	metric_on_render(copy_figure, &in_use);
	text = render();
	assert_non_null(strstr(
		text, "\nfairlead_build_info{program=\"fairlead-test\",version=\"1.2.3\"} 1\n"));
	assert_true(value_of(text, "fairlead_pg_pool_in_use") == 5);
	assert_true(value_of(text, "process_resident_memory_bytes") > 100000);
	assert_true(value_of(text, "process_open_fds") >= 3);
	assert_true(value_of(text, "process_max_fds") > 3);
	assert_true(value_of(text, "process_cpu_seconds_total") > 0);
	assert_true(fabs(value_of(text, "process_start_time_seconds") -
	                 (double)clock_wall_us() / 1e6) < 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_follows_the_text_format),
		cmocka_unit_test(counters_and_gauges_count),
		cmocka_unit_test(histograms_cumulate_and_end_in_inf),
		cmocka_unit_test(too_many_or_unfit_labels_become_other),
		cmocka_unit_test(a_series_found_again_is_the_same),
		cmocka_unit_test(collectors_and_the_process_fill_the_page),
	};
	int failed;

	buf_init(&page, PAGE_MAX);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_fini(&page);
	return failed;
}
