/* The context of traces as it comes and goes, and spans as a collector gets them. */
#include "base/traceparent.h"
#include "json/value.h"
#include "tests/support/test.h"
#include "trace/otlp.h"

static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static bool parse(const char *text, struct traceparent *ret)
{
	return traceparent_parse(str_of(text), ret);
}

static void a_context_is_read_and_written(void **state)
{
	struct traceparent trace = { .sampled = false };
	char text[TRACEPARENT_LEN + 1];

	(void)state;
	assert_true(parse(good, &trace));
	assert_string_equal(trace.trace, "0af7651916cd43dd8448eb211c80319c");
	assert_string_equal(trace.span, "b7ad6b7169203331");
	assert_true(trace.sampled);
	traceparent_format(&trace, text);
	assert_string_equal(text, good);
	trace.sampled = false;
	traceparent_format(&trace, text);
	assert_true(parse(text, &trace));
	assert_false(trace.sampled);
}

static void what_is_none_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-010",
	};
	struct traceparent trace = { .trace = "t", .span = "s" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (parse(bad[i], &trace)) {
			fail_msg("taken: \"%s\"", bad[i]);
		}
		assert_string_equal(trace.trace, "t");
		assert_string_equal(trace.span, "s");
	}
	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		assert_false(traceparent_parse(str_make(good, n), &trace));
	}
}

static void a_later_version_may_say_more(void **state)
{
	struct traceparent trace;

	(void)state;
	assert_true(parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", &trace));
	assert_true(trace.sampled);
	assert_true(parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more", &trace));
	assert_false(trace.sampled);
}

static struct str text_at(const struct json_value *root, const char *name)
{
	return json_as_str(json_get(root, name));
}

static void a_span_is_written_as_otlp_has_it(void **state)
{
	const struct trace_span span = { .at = { .trace = "0af7651916cd43dd8448eb211c80319c",
		                                 .span = "00f067aa0ba902b7",
		                                 .sampled = true },
		                         .parent = "b7ad6b7169203331",
		                         .name = "task.accept",
		                         .kind = TRACE_PRODUCER,
		                         .began_us = 1700000000000001 };
	const struct trace_end end = { .failed = "no \"room\"",
		                       .attrs = { { "one", "a\nb", 0 }, { "two", NULL, -5 } } };
	static const char expected[] =
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":["
		"{\"key\":\"service.name\",\"value\":{\"stringValue\":\"fairlead-api\"}},"
		"{\"key\":\"service.version\",\"value\":{\"stringValue\":\"1.0\"}},"
		"{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"me\"}}]},"
		"\"scopeSpans\":[{\"scope\":{\"name\":\"fairlead\"},\"spans\":["
		"{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00f067aa0ba902b7\","
		"\"parentSpanId\":\"b7ad6b7169203331\",\"name\":\"task.accept\",\"kind\":4,"
		"\"startTimeUnixNano\":\"1700000000000001000\","
		"\"endTimeUnixNano\":\"1700000000000002000\",\"attributes\":["
		"{\"key\":\"one\",\"value\":{\"stringValue\":\"a\\nb\"}},"
		"{\"key\":\"two\",\"value\":{\"intValue\":\"-5\"}}],"
		"\"status\":{\"code\":2,\"message\":\"no \\\"room\\\"\"}}]}]}]}";
	struct buf spans, body;

	(void)state;
	buf_init(&spans, UINT16_MAX);
	buf_init(&body, UINT16_MAX);
	otlp_span(&span, &end, span.began_us + 1, &spans);
	otlp_request("fairlead-api", "1.0", "me", buf_str(&spans), &body);
	assert_string_equal(buf_cstr(&body), expected);
	buf_fini(&spans);
	buf_fini(&body);
}

static void a_clock_that_was_set_back_makes_no_negative_span(void **state)
{
	const struct trace_span span = { .at.sampled = true, .name = "n", .began_us = 10 };
	struct json_value *root;
	struct err err;
	struct buf out;

	(void)state;
	buf_init(&out, UINT16_MAX);
	otlp_span(&span, NULL, 5, &out);
	root = json_parse(buf_str(&out), &err);
	assert_non_null(root);
	assert_true(str_eq(text_at(root, "endTimeUnixNano"), STR_LIT("10000")));
	assert_null(json_get(root, "parentSpanId"));
	json_value_free(root);
	buf_fini(&out);
}

static void nothing_is_begun_while_no_collector_is_named(void **state)
{
	struct traceparent parent;
	struct trace_span span;

	(void)state;
	assert_true(parse(good, &parent));
	trace_begin(&span, &parent, "n", TRACE_INTERNAL);
	assert_false(trace_records(&span));
	trace_end(&span, NULL);
	assert_false(trace_is_on());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_is_read_and_written),
		cmocka_unit_test(what_is_none_changes_nothing),
		cmocka_unit_test(a_later_version_may_say_more),
		cmocka_unit_test(a_span_is_written_as_otlp_has_it),
		cmocka_unit_test(a_clock_that_was_set_back_makes_no_negative_span),
		cmocka_unit_test(nothing_is_begun_while_no_collector_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
