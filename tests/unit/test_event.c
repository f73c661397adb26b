#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "event/event.h"
#include "event/keys.h"
#include "event/log.h"
#include "event/schema.h"
#include "json/value.h"
#include "tests/support/test.h"

static bool ok(const char *data)
{
	struct str level;

	return event_data_ok(str_of(data), &level);
}

static void every_type_has_a_name_of_its_own_and_a_word_of_help(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		const struct event_type_info *info = event_type_info((enum event_type)i);
		enum event_type type;

		assert_true(event_type_parse(str_of(info->name), &type));
		assert_int_equal(type, i);
		assert_true(strlen(info->help) > 10);
	}
	assert_int_equal(event_type_info(EVENT_TYPE_STATUS)->who, EVENT_WHO_SYSTEM);
	assert_int_equal(event_type_info(EVENT_TYPE_ERROR)->kind, EVENT_KIND_KEEP);
}

static unsigned class_of(const char *type, const char *data)
{
	const struct log_event event = { .type = str_of(type), .data = str_of(data) };

	return log_event_class(&event);
}

static bool has(uint64_t set, unsigned class)
{
	return (set >> class & 1) != 0;
}

static void lines_of_a_process_are_a_class_of_their_own(void **state)
{
	(void)state;
	assert_int_equal(class_of("note", "{}"), EVENT_TYPE_NOTE);
	assert_int_equal(class_of("log", "{\"message\":\"x\",\"stream\":\"stdout\"}"),
	                 EVENT_CLASS_OUTPUT);
	assert_int_equal(class_of("log", "{\"stream\":\"stderr\",\"message\":\"x\"}"),
	                 EVENT_CLASS_OUTPUT);
	assert_int_equal(class_of("log", "{\"stream\":\"agent\",\"message\":\"x\"}"),
	                 EVENT_TYPE_LOG);
	assert_int_equal(class_of("log", "{\"message\":\"\\\"stream\\\":\\\"stdout\\\"\"}"),
	                 EVENT_TYPE_LOG);
	assert_int_equal(class_of("log", ""), EVENT_TYPE_LOG);
	assert_int_equal(class_of("of a newer version", "{}"), EVENT_CLASS_UNKNOWN);
	assert_true(has(event_classes_of(UINT64_C(1) << EVENT_TYPE_LOG), EVENT_CLASS_OUTPUT));
	assert_int_equal(event_classes_of(UINT64_C(1) << EVENT_TYPE_NOTE),
	                 UINT64_C(1) << EVENT_TYPE_NOTE);
}

static void observers_see_no_questions_and_no_output(void **state)
{
	static const unsigned hidden[] = { EVENT_TYPE_PERMISSION_REQUEST,
		                           EVENT_TYPE_PERMISSION_RESOLVED,
		                           EVENT_TYPE_NATIVE,
		                           EVENT_TYPE_HOST_LOG,
		                           EVENT_TYPE_AGENT_SESSION,
		                           EVENT_CLASS_OUTPUT,
		                           EVENT_CLASS_UNKNOWN };
	uint64_t all = event_classes_seen(EVENT_SEE_ADMIN);
	uint64_t most = event_classes_seen(EVENT_SEE_PARTICIPANT);
	uint64_t some = event_classes_seen(EVENT_SEE_ANY);
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(hidden); i++) {
		assert_false(has(some, hidden[i]));
	}
	for (unsigned i = 0; i < EVENT_CLASS_COUNT; i++) {
		assert_true(has(all, i));
		assert_int_equal(has(most, i), i != EVENT_TYPE_NATIVE);
		count += has(some, i);
	}
	assert_int_equal(count, EVENT_CLASS_COUNT - ARRAY_LEN(hidden));
}

static void a_profile_has_all_that_a_lesser_one_has(void **state)
{
	enum event_profile parsed;

	(void)state;
	assert_int_equal(event_classes_in(EVENT_PROFILE_FULL), UINT64_MAX);
	for (unsigned i = 1; i < EVENT_PROFILE_COUNT; i++) {
		uint64_t more = event_classes_in((enum event_profile)(i - 1));
		uint64_t less = event_classes_in((enum event_profile)i);

		assert_int_equal(less & ~more, 0);
		assert_true(less != 0 && less != more);
		assert_true(event_profile_parse(str_of(event_profile_name((enum event_profile)i)),
		                                &parsed));
		assert_int_equal(parsed, i);
	}
	assert_false(event_profile_parse(STR_LIT("Full"), &parsed));
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		const struct event_type_info *info = event_type_info((enum event_type)i);

		assert_true(info->kind != EVENT_KIND_KEEP ||
		            info->profile >= EVENT_PROFILE_MILESTONES);
		assert_true(info->kind != EVENT_KIND_TEXT || info->profile == EVENT_PROFILE_FULL);
	}
}

static void data_is_one_json_object_on_one_line(void **state)
{
	static const char *const good[] = {
		"{}",
		"{ }",
		"{\"a\":1}",
		"{\"a\":[1,2.5e-3,true,false,null,\"\\u00e9\\n\"] , \"b\" : {} }",
		"{\"a\":\"\xc3\xa9\"}",
		"{\"a\":\"\\ud83d\\ude00\"}",
		"{\"a\":{\"type\":1,\"id\":2}}",
		"{\"a\":-0.5,\"b\":0,\"\":1}",
	};
	static const char *const bad[] = {
		"",
		"{",
		"}",
		"[]",
		"1",
		"null",
		"{}x",
		" {}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"{'a':1}",
		"{\"a\":01}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":+1}",
		"{\"a\":1e}",
		"{\"a\":tru}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12g4\"}",
		"{\"a\":\"\\ud83d\"}",
		"{\"a\":\"\\udc00\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\n1}",
		"{\"a\":\"\x01\"}",
		"{\"a\":[1 2]}",
		"{\"a\":[1,]}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":NaN}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (!ok(good[i])) {
			fail_msg("refused: %s", good[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (ok(bad[i])) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
}

static void members_of_the_envelope_cannot_be_forged(void **state)
{
	(void)state;
	assert_false(ok("{\"type\":\"status\"}"));
	assert_false(ok("{\"a\":1,\"seq\":2}"));
	assert_false(ok("{\"id\":1}"));
	assert_false(ok("{\"ts\":1}"));
	assert_false(ok("{\"sessionId\":1}"));
	assert_false(ok("{\"covers\":{}}"));
	assert_false(ok("{\"ahead\":true}"));
	assert_false(ok("{\"\\u0074ype\":1}"));
	assert_true(ok("{\"Type\":1,\"types\":2}"));
}

/* An object that holds arrays within arrays. */
static bool nests(unsigned arrays)
{
	struct buf text;
	bool accepted;

	buf_init(&text, 4096);
	buf_add_cstr(&text, "{\"a\":");
	for (unsigned i = 0; i < 2 * arrays; i++) {
		buf_add_char(&text, i < arrays ? '[' : ']');
	}
	buf_add_char(&text, '}');
	accepted = ok(buf_cstr(&text));
	buf_fini(&text);
	return accepted;
}

static void nesting_is_bounded(void **state)
{
	(void)state;
	assert_true(nests(EVENT_DEPTH_MAX - 1));
	assert_false(nests(EVENT_DEPTH_MAX));
	assert_false(nests(2000));
}

static void the_level_is_found_when_it_is_a_plain_word(void **state)
{
	struct str level;

	(void)state;
	assert_true(event_data_ok(STR_LIT("{\"message\":\"level\",\"level\" : \"warn\"}"), &level));
	assert_true(str_eq(level, STR_LIT("warn")));
	assert_true(event_data_ok(STR_LIT("{\"a\":{\"level\":\"warn\"}}"), &level));
	assert_int_equal(level.n, 0);
	assert_true(event_data_ok(STR_LIT("{\"level\":\"a b\"}"), &level));
	assert_int_equal(level.n, 0);
	assert_true(event_data_ok(STR_LIT("{\"level\":3}"), &level));
	assert_int_equal(level.n, 0);
}

static void an_event_is_its_envelope_and_the_members_of_its_data(void **state)
{
	struct log_event event = { .at = { 7, 42 },
		                   .ts_ms = 1700000000123,
		                   .type = STR_LIT("note"),
		                   .data = STR_LIT("{ \"message\":\"hi\" }") };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	log_event_json(&event, STR_LIT("01J0000000000000000000000A"), &out);
	assert_string_equal(
		buf_cstr(&out),
		"{\"type\":\"note\",\"ts\":\"2023-11-14T22:13:20.123Z\","
		"\"sessionId\":\"01J0000000000000000000000A\",\"seq\":42,\"id\":\"7-42\","
		"\"message\":\"hi\"}");
	buf_reset(&out);
	event.data = STR_LIT("{}");
	log_event_json(&event, STR_LIT("S"), &out);
	assert_string_equal(buf_cstr(&out),
	                    "{\"type\":\"note\",\"ts\":\"2023-11-14T22:13:20.123Z\","
	                    "\"sessionId\":\"S\",\"seq\":42,\"id\":\"7-42\"}");
	buf_fini(&out);
}

static void producers_are_short_plain_words(void **state)
{
	(void)state;
	assert_true(event_producer_ok(STR_LIT("worker-1.a:b_c")));
	assert_false(event_producer_ok(STR_LIT("")));
	assert_false(event_producer_ok(STR_LIT("a b")));
	assert_false(event_producer_ok(STR_LIT("a,b")));
	assert_false(event_producer_ok(STR_LIT("a;b")));
	assert_false(event_producer_ok(
		STR_LIT("12345678901234567890123456789012345678901234567890123456789012345")));
}

/* The hash tag is what a cluster hashes: from the first { to the next }. */
static void the_keys_of_a_session_share_one_hash_tag(void **state)
{
	struct id sid = id_new();
	struct log_keys keys;
	const char *all[] = { keys.head, keys.log, keys.bell };
	char channel[LOG_KEY_SIZE];
	struct id back;

	(void)state;
	log_keys_of(&sid, &keys);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(strcspn(all[i], "{"), 0);
		assert_int_equal(strcspn(all[i], "}"), 3 + ID_LEN);
		assert_memory_equal(all[i], all[0], 4 + ID_LEN);
	}
	log_bell_channel(&sid, channel);
	assert_true(log_bell_parse_channel(str_of(channel), &back));
	assert_true(id_eq(&sid, &back));
	assert_false(log_bell_parse_channel(str_of(keys.log), &back));
}

static void a_doorbell_is_decoded_or_refused_as_a_whole(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"1 2 3 4\n",
		"1 2 3 4 nostate\n",
		"0 1 1 4 running\n",
		"1 0 0 4 running\n",
		"1 5 4 4 running\n",
		"1 1 200 4 running\n",
		"1 1 1 4 running\nnote - - 0 - 3\n{}",
		"1 1 2 4 running\nnote - - 0 - 2\n{}",
		"1 1 1 4 running\nnote - - 0 - 2\n{}note - - 0 - 2\n{}",
		"1 1 1 4 running\nnote - - x - 2\n{}",
		"1 1 1 4 running\n- - - 0 - 2\n{}",
	};
	struct log_bell bell;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (log_bell_decode(str_of(bad[i]), &bell)) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
	assert_true(log_bell_decode(STR_LIT("3 7 8 1700 completed\nlog info p 4 - 9\n{\"a\":\"\n\"}"
	                                    "status - - 0 completed 2\n{}"),
	                            &bell));
	assert_int_equal(bell.page.count, 2);
	assert_int_equal(bell.page.events[0].at.n, 7);
	assert_int_equal(bell.page.events[0].seq, 4);
	assert_true(str_eq(bell.page.events[0].level, STR_LIT("info")));
	assert_true(str_eq(bell.page.events[0].data, STR_LIT("{\"a\":\"\n\"}")));
	assert_true(str_eq(bell.page.events[1].state, STR_LIT("completed")));
	assert_int_equal(bell.state, SESSION_COMPLETED);
	log_page_fini(&bell.page);
	assert_true(log_bell_decode(STR_LIT("3 7 9 1700 running\n"), &bell));
	assert_int_equal(bell.page.count, 0);
	assert_int_equal(bell.last.n, 9);
	log_page_fini(&bell.page);
	/* What the next version says more (docs/upgrade.md). */
	assert_true(log_bell_decode(STR_LIT("3 7 9 1700 running 1700000 - more words\n"), &bell));
	assert_int_equal(bell.last.n, 9);
	log_page_fini(&bell.page);
}

static void the_document_names_every_type(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1024 * 1024);
	event_docs(&out);
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		assert_non_null(strstr(buf_cstr(&out), event_type_info((enum event_type)i)->name));
	}
	buf_fini(&out);
}

static bool fits(enum event_type type, const char *data)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(str_of(data), &err);

	assert_non_null(json);
	return event_schema_check(type, json, &err) == ERR_OK;
}

static void data_fits_the_members_of_its_type(void **state)
{
	(void)state;
	assert_true(fits(EVENT_TYPE_LOG, "{\"level\":\"warn\",\"message\":\"m\"}"));
	assert_true(fits(EVENT_TYPE_LOG, "{\"level\":\"warn\",\"message\":\"m\",\"more\":1,"
	                                 "\"tool_execution_id\":null}"));
	assert_false(fits(EVENT_TYPE_LOG, "{\"level\":\"warn\"}"));
	assert_false(fits(EVENT_TYPE_LOG, "{\"level\":\"loud\",\"message\":\"m\"}"));
	assert_false(fits(EVENT_TYPE_LOG, "{\"level\":\"warn\",\"message\":1}"));
	assert_true(fits(EVENT_TYPE_COST, "{\"usd\":0.5}"));
	assert_true(fits(EVENT_TYPE_COST, "{\"usd\":1}"));
	assert_false(fits(EVENT_TYPE_COST, "{\"usd\":\"1\"}"));
	assert_true(fits(EVENT_TYPE_HOST_EXITED, "{\"host\":\"h\",\"code\":-1}"));
	assert_false(fits(EVENT_TYPE_TURN_STARTED, "{\"turn\":-1}"));
	assert_false(fits(EVENT_TYPE_TURN_STARTED, "{\"turn\":1.5}"));
	assert_false(fits(EVENT_TYPE_UNPARKED, "[]"));
}

static void the_schema_has_every_type_and_says_what_it_must_have(void **state)
{
	const struct json_value *types, *log;
	struct json_value *root;
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 1024 * 1024);
	event_schema_write(&out);
	root = json_parse(buf_str(&out), &err);
	assert_non_null(root);
	types = json_get(root, "$defs");
	assert_int_equal(json_count(types), EVENT_TYPE_COUNT);
	assert_int_equal(json_count(json_get(root, "oneOf")), EVENT_TYPE_COUNT);
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		const char *name = event_type_info((enum event_type)i)->name;

		assert_true(json_count(json_get(json_get(types, name), "required")) >= 5);
	}
	log = json_get(types, "log");
	assert_int_equal(json_count(json_get(log, "required")), 7);
	assert_int_equal(
		json_count(json_get(json_get(json_get(log, "properties"), "level"), "enum")), 5);
	json_value_free(root);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_fits_the_members_of_its_type),
		cmocka_unit_test(the_schema_has_every_type_and_says_what_it_must_have),
		cmocka_unit_test(every_type_has_a_name_of_its_own_and_a_word_of_help),
		cmocka_unit_test(lines_of_a_process_are_a_class_of_their_own),
		cmocka_unit_test(observers_see_no_questions_and_no_output),
		cmocka_unit_test(a_profile_has_all_that_a_lesser_one_has),
		cmocka_unit_test(data_is_one_json_object_on_one_line),
		cmocka_unit_test(members_of_the_envelope_cannot_be_forged),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(the_level_is_found_when_it_is_a_plain_word),
		cmocka_unit_test(an_event_is_its_envelope_and_the_members_of_its_data),
		cmocka_unit_test(producers_are_short_plain_words),
		cmocka_unit_test(the_keys_of_a_session_share_one_hash_tag),
		cmocka_unit_test(a_doorbell_is_decoded_or_refused_as_a_whole),
		cmocka_unit_test(the_document_names_every_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
