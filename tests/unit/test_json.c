#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "json/decode.h"
#include "json/write.h"
#include "tests/support/test.h"

static const char *const colours[] = { "red", "green", "blue", NULL };

struct point {
	int64_t x, y;
};

static const struct json_field point_fields[] = {
	{ .name = "x",
	  .kind = JSON_I64,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct point, x),
	  .present = JSON_NO_PRESENT },
	{ .name = "y",
	  .kind = JSON_I64,
	  .offset = offsetof(struct point, y),
	  .present = JSON_NO_PRESENT,
	  .min = (uint64_t)-5,
	  .max = 5 },
};

static const struct json_table point_table = { "Point", sizeof(struct point), point_fields,
	                                       ARRAY_LEN(point_fields) };

struct shape {
	struct str name;
	uint64_t size;
	bool filled;
	bool has_filled;
	unsigned colour;
	struct point origin;
	struct json_list points, words, labels;
	struct str extra;
	int answer;
};

static void decode_answer(const struct json_value *value, const char *path, void *out,
                          struct arena *arena, struct json_problems *problems)
{
	if (json_as_i64(value) != 42) {
		json_problem_add(problems, arena, path, "must be the answer");
		return;
	}
	*(int *)out = 42;
}

#define AT(member) .offset = offsetof(struct shape, member), .present = JSON_NO_PRESENT

static const struct json_field shape_fields[] = {
	{ .name = "name", .kind = JSON_STR, .flags = JSON_REQUIRED, AT(name), .min = 1, .max = 8 },
	{ .name = "size", .alias = "the_size", .kind = JSON_U64, AT(size), .min = 1, .max = 9 },
	{ .name = "filled",
	  .kind = JSON_BOOL,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct shape, filled),
	  .present = offsetof(struct shape, has_filled),
	  .help = "Paint the \"inside\" too." },
	{ .name = "colour", .kind = JSON_ENUM, AT(colour), .names = colours },
	{ .name = "origin", .kind = JSON_OBJECT, AT(origin), .table = &point_table },
	{ .name = "points", .kind = JSON_ARRAY, AT(points), .max = 2, .table = &point_table },
	{ .name = "words", .kind = JSON_STRINGS, AT(words), .min = 1, .max = 3, .item_max = 4 },
	{ .name = "labels", .kind = JSON_MAP, AT(labels), .max = 2, .item_max = 4, .name_max = 3 },
	{ .name = "extra", .kind = JSON_RAW, AT(extra), .max = 24 },
	{ .name = "answer",
	  .kind = JSON_CUSTOM,
	  AT(answer),
	  .decode = decode_answer,
	  .schema = "{\"const\":42}" },
};

static const struct json_table shape_table = { "Shape", sizeof(struct shape), shape_fields,
	                                       ARRAY_LEN(shape_fields) };

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct shape accepted(const char *text)
{
	struct json_problems problems;
	struct shape shape;
	enum err_code code = json_decode(str_of(text), &shape_table, &shape, arena, &problems);

	if (code != ERR_OK) {
		fail_msg("%s: %s %s", text, problems.items[0].field, problems.items[0].rule);
	}
	return shape;
}

/* wanted: "field: rule" lines in order. */
static void refused(const char *text, const char *wanted)
{
	struct json_problems problems;
	struct shape shape;
	struct buf got;

	assert_int_equal(json_decode(str_of(text), &shape_table, &shape, arena, &problems),
	                 ERR_INVALID);
	buf_init(&got, 65536);
	for (size_t i = 0; i < problems.count; i++) {
		buf_addf(&got, "%s%s: %s", i > 0 ? "\n" : "", problems.items[i].field,
		         problems.items[i].rule);
	}
	assert_string_equal(buf_cstr(&got), wanted);
	buf_fini(&got);
}

static bool str_is(struct str s, const char *wanted)
{
	return str_eq(s, str_of(wanted));
}

static void every_kind_is_decoded(void **state)
{
	struct shape shape =
		accepted("{\"name\":\"b\\u00f6x\",\"size\":9,\"filled\":true,\"colour\":\"blue\","
	                 "\"origin\":{\"x\":-9223372036854775808,\"y\":-5},"
	                 "\"points\":[{\"x\":1},{\"x\":2,\"y\":3}],\"words\":[\"a\",\"\"],"
	                 "\"labels\":{\"k\":\"v\",\"kk\":\"\"},\"extra\":{\"a\": [1, 2.5, null]},"
	                 "\"answer\":42}");
	const struct point *points = shape.points.items;
	const struct str *words = shape.words.items;
	const struct json_pair *labels = shape.labels.items;

	(void)state;
	assert_true(str_is(shape.name, "b\xc3\xb6x"));
	assert_int_equal(shape.size, 9);
	assert_true(shape.filled && shape.has_filled);
	assert_int_equal(shape.colour, 2);
	assert_true(shape.origin.x == INT64_MIN && shape.origin.y == -5);
	assert_int_equal(shape.points.count, 2);
	assert_true(points[0].x == 1 && points[0].y == 0 && points[1].y == 3);
	assert_int_equal(shape.words.count, 2);
	assert_true(str_is(words[0], "a") && words[1].n == 0);
	assert_int_equal(shape.labels.count, 2);
	assert_true(str_is(labels[0].name, "k") && str_is(labels[0].value, "v"));
	assert_true(str_is(labels[1].name, "kk") && labels[1].value.n == 0);
	assert_true(str_is(shape.extra, "{\"a\":[1,2.5,null]}"));
	assert_int_equal(shape.answer, 42);
}

static void what_is_absent_stays_zero(void **state)
{
	struct shape shape = accepted(" {\"name\":\"x\"}\n");

	(void)state;
	assert_int_equal(shape.size, 0);
	assert_false(shape.filled || shape.has_filled);
	assert_null(shape.points.items);
	assert_null(shape.extra.p);
}

static void null_is_absence_only_where_the_table_says_so(void **state)
{
	struct shape shape = accepted("{\"name\":\"x\",\"filled\":null}");

	(void)state;
	assert_false(shape.has_filled);
	refused("{\"name\":null}", "name: must be a string of 1 to 8 bytes");
}

static void an_older_spelling_is_the_same_field(void **state)
{
	(void)state;
	assert_int_equal(accepted("{\"name\":\"x\",\"the_size\":3}").size, 3);
	refused("{\"name\":\"x\",\"the_size\":0}", "the_size: must be an integer from 1 to 9");
	refused("{\"name\":\"x\",\"size\":3,\"the_size\":3}",
	        "the_size: is given twice: size and the_size are the same field");
}

static void every_kind_names_its_rule(void **state)
{
	(void)state;
	refused("{\"name\":\"\",\"size\":0,\"filled\":1,\"colour\":\"pink\",\"origin\":[],"
	        "\"points\":{},\"words\":[],\"labels\":[],\"extra\":\"0123456789012345678901234\","
	        "\"answer\":41}",
	        "name: must be a string of 1 to 8 bytes\n"
	        "size: must be an integer from 1 to 9\n"
	        "filled: must be true or false\n"
	        "colour: must be one of: red, green, blue\n"
	        "origin: must be an object\n"
	        "points: must be an array of at most 2 items\n"
	        "words: must be an array of 1 to 3 strings\n"
	        "labels: must be an object of at most 2 members\n"
	        "extra: must be at most 24 bytes of JSON\n"
	        "answer: must be the answer");
	refused("{\"name\":7,\"size\":1.0,\"colour\":1,\"words\":\"a\",\"points\":[{},{},{}],"
	        "\"labels\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}",
	        "name: must be a string of 1 to 8 bytes\n"
	        "size: must be an integer from 1 to 9\n"
	        "colour: must be one of: red, green, blue\n"
	        "words: must be an array of 1 to 3 strings\n"
	        "points: must be an array of at most 2 items\n"
	        "labels: must be an object of at most 2 members");
}

static void paths_lead_into_objects_and_arrays(void **state)
{
	(void)state;
	refused("{\"name\":\"x\",\"origin\":{\"y\":6,\"z\":1},\"points\":[{\"x\":1},{\"x\":true}],"
	        "\"words\":[\"ok\",\"longer\",3],\"labels\":{\"long\":\"\",\"k\":\"12345\"}}",
	        "origin.y: must be an integer from -5 to 5\n"
	        "origin.z: is not a known field\n"
	        "origin.x: is required\n"
	        "points[1].x: must be an integer from -9223372036854775808 to 9223372036854775807\n"
	        "words[1]: must be a string of at most 4 bytes\n"
	        "words[2]: must be a string of at most 4 bytes\n"
	        "labels.long: must have a name of 1 to 3 bytes\n"
	        "labels.k: must be a string of at most 4 bytes");
}

static void a_long_name_of_the_peer_is_cut_at_a_character(void **state)
{
	struct json_problems problems;
	struct shape shape;
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	buf_add_cstr(&text, "{\"name\":\"x\",\"a");
	for (int i = 0; i < 100; i++) {
		buf_add_cstr(&text, "\xc3\xb6");
	}
	buf_add_cstr(&text, "\":1}");
	assert_int_equal(json_decode(buf_str(&text), &shape_table, &shape, arena, &problems),
	                 ERR_INVALID);
	assert_int_equal(strlen(problems.items[0].field), 63);
	assert_true(str_is_utf8(str_of(problems.items[0].field)));
	buf_fini(&text);
}

static void text_that_is_not_json_is_one_problem_of_the_body(void **state)
{
	(void)state;
	refused("", ": must be valid JSON (line 1, column 1)");
	refused("{\"name\":\n nope}", ": must be valid JSON (line 2, column 5)");
	refused("{\"name\":\"x\"} 1", ": must be valid JSON (line 1, column 14)");
	refused("[1]", ": must be an object");
	refused("{\"name\":\"x\",\"name\":\"y\"}",
	        ": must not repeat a name within an object (line 1, column 18)");
	refused("{\"name\":\"a\\u0000b\"}", ": must not contain NUL (line 1, column 18)");
	refused("{\"name\":\"\xff\"}", ": must be UTF-8 (line 1, column 9)");
	refused("{\"name\":\"x\",\"size\":9223372036854775808}",
	        ": must not contain numbers beyond 64 bits (line 1, column 38)");
}

static struct buf nested(size_t depth)
{
	struct buf text;

	buf_init(&text, 4096);
	for (size_t i = 0; i < depth; i++) {
		buf_add_char(&text, '[');
	}
	for (size_t i = 0; i < depth; i++) {
		buf_add_char(&text, ']');
	}
	return text;
}

static void nesting_is_bounded_and_brackets_in_strings_do_not_count(void **state)
{
	struct buf deep = nested(JSON_VALUE_DEPTH), deeper = nested(JSON_VALUE_DEPTH + 1);
	struct json_value *value;
	struct err err;

	(void)state;
	value = json_parse(buf_str(&deep), &err);
	assert_non_null(value);
	json_value_free(value);
	assert_null(json_parse(buf_str(&deeper), &err));
	assert_string_equal(err.msg, "must not be nested deeper than 32 levels");
	value = json_parse(STR_LIT("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\\\\\",[]]"),
	                   &err);
	assert_non_null(value);
	json_value_free(value);
	buf_fini(&deep);
	buf_fini(&deeper);
}

static void at_most_32_problems_are_kept(void **state)
{
	struct json_problems problems;
	struct shape shape;
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	buf_add_cstr(&text, "{");
	for (int i = 0; i < 100; i++) {
		buf_addf(&text, "%s\"f%d\":1", i > 0 ? "," : "", i);
	}
	buf_add_cstr(&text, "}");
	assert_int_equal(json_decode(buf_str(&text), &shape_table, &shape, arena, &problems),
	                 ERR_INVALID);
	assert_int_equal(problems.count, JSON_PROBLEMS_MAX);
	assert_string_equal(problems.items[31].field, "f31");
	buf_fini(&text);
}

static void problems_of_one_field_are_listed_together(void **state)
{
	struct json_problems problems = { .count = 0 };
	struct buf out;

	(void)state;
	json_problem_add(&problems, arena, "repo.url", "is %s", "required");
	json_problem_add(&problems, arena, "a", "is \"odd\"");
	json_problem_add(&problems, arena, "repo.url", "is late");
	buf_init(&out, 4096);
	json_problems_format(&problems, &out);
	assert_string_equal(
		buf_cstr(&out),
		"{\"repo.url\":[\"is required\",\"is late\"],\"a\":[\"is \\\"odd\\\"\"]}");
	buf_fini(&out);
}

static void the_schema_is_json_and_says_what_the_table_says(void **state)
{
	const struct json_value *properties;
	struct json_value *schema;
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 65536);
	json_schema(&shape_table, &out);
	schema = json_parse(buf_str(&out), &err);
	assert_non_null(schema);
	properties = json_get(schema, "properties");
	assert_int_equal(json_count(properties), ARRAY_LEN(shape_fields) + 1);
	assert_true(str_is(json_as_str(json_get(schema, "title")), "Shape"));
	assert_true(str_is(json_as_str(json_at(json_get(schema, "required"), 0)), "name"));
	assert_int_equal(json_count(json_get(schema, "required")), 1);
	assert_int_equal(json_type_of(json_get(schema, "additionalProperties")), JSON_T_BOOL);
	assert_int_equal(json_as_i64(json_get(json_get(properties, "name"), "maxLength")), 8);
	assert_int_equal(json_as_i64(json_get(json_get(properties, "size"), "minimum")), 1);
	assert_true(json_as_bool(json_get(json_get(properties, "the_size"), "deprecated")));
	assert_int_equal(json_count(json_get(json_get(properties, "filled"), "type")), 2);
	assert_int_equal(json_count(json_get(json_get(properties, "colour"), "enum")), 3);
	assert_int_equal(json_as_i64(json_get(json_get(properties, "answer"), "const")), 42);
	assert_true(str_is(
		json_as_str(json_get(json_get(json_get(properties, "points"), "items"), "title")),
		"Point"));
	json_value_free(schema);
	buf_fini(&out);
}

static const char *written(struct buf *out, struct str v)
{
	struct jsonw w;

	buf_reset(out);
	jsonw_init(&w, out);
	jsonw_str(&w, NULL, v);
	return buf_cstr(out);
}

static void the_writer_escapes_what_json_requires(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_string_equal(written(&out, STR_LIT("plain")), "\"plain\"");
	assert_string_equal(written(&out, str_make(NULL, 0)), "\"\"");
	assert_string_equal(written(&out, STR_LIT("a\"b\\c/\n\r\t\b\f")),
	                    "\"a\\\"b\\\\c/\\n\\r\\t\\b\\f\"");
	assert_string_equal(written(&out, STR_LIT("\x01\x1f\x7f\0")),
	                    "\"\\u0001\\u001f\x7f\\u0000\"");
	assert_string_equal(written(&out, STR_LIT("\xe2\x80\xa8\xf0\x9f\x9a\xa2")),
	                    "\"\xe2\x80\xa8\xf0\x9f\x9a\xa2\"");
	buf_fini(&out);
}

static void the_writer_replaces_what_is_not_utf8(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_string_equal(written(&out, STR_LIT("a\xffz")), "\"a\xef\xbf\xbdz\"");
	assert_string_equal(written(&out, STR_LIT("\xe2\x80")), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_equal(written(&out, STR_LIT("\xed\xa0\x80")),
	                    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_equal(written(&out, STR_LIT("\xc0\xaf")), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	buf_fini(&out);
}

static void commas_and_names_are_the_writers_business(void **state)
{
	struct jsonw w;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "u", UINT64_MAX);
	jsonw_i64(&w, "i", INT64_MIN);
	jsonw_array(&w, "a");
	jsonw_bool(&w, NULL, true);
	jsonw_null(&w, NULL);
	jsonw_object(&w, NULL);
	jsonw_end_object(&w);
	jsonw_array(&w, NULL);
	jsonw_end_array(&w);
	jsonw_end_array(&w);
	jsonw_raw(&w, "r", STR_LIT("[1]"));
	jsonw_member(&w, STR_LIT("a\"b"), STR_LIT("v"));
	jsonw_time(&w, "t", 0);
	jsonw_end_object(&w);
	assert_string_equal(
		buf_cstr(&out),
		"{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"a\":[true,null,{},[]],"
		"\"r\":[1],\"a\\\"b\":\"v\",\"t\":\"1970-01-01T00:00:00.000Z\"}");
	buf_fini(&out);
}

/* Plain texts are looked at eight bytes at a time. */
static void a_special_byte_is_seen_wherever_it_stands(void **state)
{
	static const unsigned char specials[] = { 0x01, 0x1f, '"', '\\', 0x80, 0xff };
	static const char plains[] = { ' ', '!', '#', '[', ']', 0x7f };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t k = 0; k < sizeof(specials) * sizeof(plains) * 24; k++) {
		const size_t at = k / (sizeof(specials) * sizeof(plains));
		const unsigned char special = specials[k % sizeof(specials)];
		char bytes[24];

		memset(bytes, plains[k / sizeof(specials) % sizeof(plains)], sizeof(bytes));
		bytes[at] = (char)special;
		(void)written(&out, str_make(bytes, sizeof(bytes)));
		assert_int_equal(out.len, special < 0x20   ? 26 + 5
		                          : special < 0x80 ? 26 + 1
		                                           : 26 + 2);
		assert_true(special < 0x80 ? out.data[1 + at] == '\\' : out.data[1 + at] == '\xef');
	}
	buf_fini(&out);
}

static void a_long_text_is_added_to_what_was_parsed(void **state)
{
	struct err err;
	struct json_value *list = json_parse(STR_LIT("[{\"a\":1},2]"), &err);

	(void)state;
	assert_true(json_add_str(list, 0, "b", STR_LIT("QUJD")));
	assert_true(str_is(json_as_str(json_get(json_at(list, 0), "b")), "QUJD"));
	assert_int_equal(json_as_i64(json_get(json_at(list, 0), "a")), 1);
	assert_false(json_add_str(list, 1, "b", STR_LIT("QUJD")));
	assert_false(json_add_str(list, 2, "b", STR_LIT("QUJD")));
	assert_false(json_add_str(NULL, 0, "b", STR_LIT("QUJD")));
	json_value_free(list);
}

/* Reads and formats; what comes out is on the right. */
static void formatted(const char *text, const char *wanted)
{
	struct buf out;
	struct err err;
	struct json_value *value = json_parse(str_of(text), &err);

	buf_init(&out, 4096);
	json_format(value, &out);
	assert_string_equal(buf_cstr(&out), wanted);
	json_value_free(value);
	buf_fini(&out);
}

static void numbers_are_formatted_as_short_as_they_can_be(void **state)
{
	(void)state;
	formatted("0.3", "0.3");
	formatted("-0.1", "-0.1");
	formatted("0.30000000000000004", "0.30000000000000004");
	formatted("5e-324", "5e-324");
	formatted("1.7976931348623157e308", "1.7976931348623157e308");
	formatted("-2.2250738585072014e-308", "-2.2250738585072014e-308");
	formatted("100.0", "100.0");
	formatted("-0.0", "-0.0");
	formatted("9007199254740993", "9007199254740993");
	formatted(" { \"a\\u0001\\\"\" : [ 1 , 0.3 , [ ] , { } ] , \"b\" : { \"c\" : 0.7 , \"d\" : "
	          "\"0.3\" } } ",
	          "{\"a\\u0001\\\"\":[1,0.3,[],{}],\"b\":{\"c\":0.7,\"d\":\"0.3\"}}");
}

static void any_number_comes_back_as_formatted(void **state)
{
	struct buf out;
	unsigned seed = 11;

	(void)state;
	buf_init(&out, 4096);
	for (int round = 0; round < 2000; round++) {
		struct json_value *value, *again;
		struct err err;
		char text[64];

		(void)snprintf(text, sizeof(text), "[%d.%09de%d]", rand_r(&seed) % 1000,
		               rand_r(&seed) % 1000000000, rand_r(&seed) % 600 - 300);
		value = json_parse(str_of(text), &err);
		buf_reset(&out);
		json_format(value, &out);
		again = json_parse(buf_str(&out), &err);
		assert_true(json_as_f64(json_at(value, 0)) >= json_as_f64(json_at(again, 0)) &&
		            json_as_f64(json_at(value, 0)) <= json_as_f64(json_at(again, 0)));
		assert_false(json_is_int(json_at(again, 0)));
		json_value_free(value);
		json_value_free(again);
	}
	buf_fini(&out);
}

static void any_bytes_without_nul_come_back_as_written(void **state)
{
	struct buf out;
	unsigned seed = 7;

	(void)state;
	buf_init(&out, 4096);
	for (int round = 0; round < 2000; round++) {
		char bytes[24];
		size_t n = (size_t)rand_r(&seed) % sizeof(bytes);
		struct json_value *value;
		struct str sent = { bytes, n };
		struct err err;

		for (size_t i = 0; i < n; i++) {
			bytes[i] = (char)(1 + rand_r(&seed) % (round % 2 == 0 ? 127 : 255));
		}
		value = json_parse(str_of(written(&out, sent)), &err);
		assert_non_null(value);
		if (str_is_utf8(sent)) {
			assert_true(str_eq(json_as_str(value), sent));
		} else {
			assert_true(str_is_utf8(json_as_str(value)));
		}
		json_value_free(value);
	}
	buf_fini(&out);
}

static void readers_take_absence_and_other_types_as_empty(void **state)
{
	struct err err;
	struct json_value *value = json_parse(STR_LIT("{\"a\":[1,\"s\",2.5,false]}"), &err);
	const struct json_value *list = json_get(value, "a");
	const struct json_value *member;
	struct str name;
	void *at = NULL;

	(void)state;
	assert_null(json_get(value, "b"));
	assert_null(json_get(list, "b"));
	assert_null(json_at(list, 4));
	assert_int_equal(json_count(NULL), 0);
	assert_int_equal(json_as_i64(json_at(list, 1)), 0);
	assert_int_equal(json_as_str(json_at(list, 0)).n, 0);
	assert_false(json_is_int(json_at(list, 2)));
	assert_true(json_is_int(json_at(list, 0)));
	assert_false(json_as_bool(NULL));
	assert_true(json_next(value, &at, &name, &member));
	assert_true(str_is(name, "a"));
	assert_ptr_equal(member, list);
	assert_false(json_next(value, &at, &name, &member));
	json_value_free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_decoded),
		cmocka_unit_test(what_is_absent_stays_zero),
		cmocka_unit_test(null_is_absence_only_where_the_table_says_so),
		cmocka_unit_test(an_older_spelling_is_the_same_field),
		cmocka_unit_test(every_kind_names_its_rule),
		cmocka_unit_test(paths_lead_into_objects_and_arrays),
		cmocka_unit_test(a_long_name_of_the_peer_is_cut_at_a_character),
		cmocka_unit_test(text_that_is_not_json_is_one_problem_of_the_body),
		cmocka_unit_test(nesting_is_bounded_and_brackets_in_strings_do_not_count),
		cmocka_unit_test(at_most_32_problems_are_kept),
		cmocka_unit_test(problems_of_one_field_are_listed_together),
		cmocka_unit_test(the_schema_is_json_and_says_what_the_table_says),
		cmocka_unit_test(the_writer_escapes_what_json_requires),
		cmocka_unit_test(the_writer_replaces_what_is_not_utf8),
		cmocka_unit_test(commas_and_names_are_the_writers_business),
		cmocka_unit_test(a_special_byte_is_seen_wherever_it_stands),
		cmocka_unit_test(a_long_text_is_added_to_what_was_parsed),
		cmocka_unit_test(numbers_are_formatted_as_short_as_they_can_be),
		cmocka_unit_test(any_number_comes_back_as_formatted),
		cmocka_unit_test(any_bytes_without_nul_come_back_as_written),
		cmocka_unit_test(readers_take_absence_and_other_types_as_empty),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
