/* What webhooks may ask for, where they may be, and how what they are told looks. */
#include <string.h>

#include "cred/base64url.h"
#include "cred/mac.h"
#include "tests/support/test.h"
#include "webhook/webhook.h"

static void an_event_answers_to_its_name_its_group_and_to_all(void **state)
{
	char asked[WEBHOOK_ASKED_SIZE];

	(void)state;
	webhook_asked("session.completed", asked);
	assert_string_equal(asked, "session.completed,session.*,*");
	webhook_asked("budget", asked);
	assert_string_equal(asked, "budget,*");
}

static void only_events_that_there_are_can_be_asked_for(void **state)
{
	static const char *const good[] = {
		"*",      "session.*",          "session.completed", "task.*",
		"budget", "permission_request", "webhook.disabled"
	};
	static const char *const bad[] = { "",         "session.",  "session.done", "*.*",
		                           "budget.*", "session,*", "message_delta" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_null(webhook_check_event(str_of(good[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_non_null(webhook_check_event(str_of(bad[i])));
	}
	assert_true(webhook_tells(STR_LIT("permission_request")));
	assert_false(webhook_tells(STR_LIT("message_delta")));
	assert_false(webhook_for_observers(STR_LIT("*")));
	assert_false(webhook_for_observers(STR_LIT("permission_request")));
	assert_true(webhook_for_observers(STR_LIT("session.*")));
}

static void an_address_is_one_of_a_web_server_and_no_more(void **state)
{
	static const char *const good[] = { "https://a.example", "https://a.example/x?y=z#f",
		                            "HTTPS://a.example:8443/",
		                            "https://[2606:4700::1]:8443/",
		                            "https://a.example:443/?q=a@b" };
	static const char *const bad[] = {
		"",
		"a.example",
		"ftp://a.example",
		"file:///etc/passwd",
		"http://a.example",
		"https:a.example",
		"https://",
		"https:///x",
		"https://u:p@a.example",
		"https://a.example@b.example",
		"https://a.example:22/",
		"https://a.example:0",
		"https://a.example:65536",
		"https://a.example:x",
		"https://[::1]:25/",
		"https://a.example/\r\nX: y",
		"https://a.example/ b",
		"https://a.example\\@b.example",
		"https://\xc3\xa9.example",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_null(webhook_check_url(str_of(good[i]), false));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (webhook_check_url(str_of(bad[i]), false) == NULL) {
			fail_msg("%s", bad[i]);
		}
	}
	assert_null(webhook_check_url(STR_LIT("http://a.example:80/"), true));
	assert_non_null(webhook_check_url(STR_LIT("http://u@a.example/"), true));
}

/* The example of the specification (standard-webhooks, "Signature scheme"). */
static void the_mac_is_the_one_of_the_specification(void **state)
{
	struct buf key, text;
	struct cred_digest mac;

	(void)state;
	buf_init(&key, 64);
	buf_init(&text, 64);
	assert_true(cred_base64url_decode(STR_LIT("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key));
	mac = cred_hmac_sha256(buf_str(&key),
	                       (const struct str[]){ STR_LIT("msg_p5jXN8AQM9LWM0D4loKWxJek"),
	                                             STR_LIT(".1614265330."),
	                                             STR_LIT("{\"test\": 2432232314}") },
	                       3);
	cred_base64_encode(cred_digest_str(&mac), &text);
	assert_string_equal(buf_cstr(&text), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	buf_fini(&key);
	buf_fini(&text);
}

static void a_secret_is_of_one_and_changes_when_it_is_rotated(void **state)
{
	const struct cred_pepper pepper = cred_pepper_from(STR_LIT("test"));
	struct webhook_secret_of of = { WEBHOOK_OF_ID, STR_LIT("acme"), 1 };
	char texts[3][WEBHOOK_SECRET_SIZE];
	struct buf key, made, wanted;
	struct cred_digest mac;

	(void)state;
	webhook_secret_text(&pepper, &of, texts[0]);
	of.n = 2;
	webhook_secret_text(&pepper, &of, texts[1]);
	of.kind = WEBHOOK_OF_TENANT;
	webhook_secret_text(&pepper, &of, texts[2]);
	assert_string_not_equal(texts[0], texts[1]);
	assert_string_not_equal(texts[1], texts[2]);
	/* What is shown is what signs: base64 behind a prefix; the last "=" is no base64url. */
	assert_int_equal(strlen(texts[2]), WEBHOOK_SECRET_SIZE - 1);
	for (char *at = texts[2]; *at != '\0'; at++) {
		*at = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
	}
	buf_init(&key, 64);
	buf_init(&made, 128);
	buf_init(&wanted, 128);
	assert_true(cred_base64url_decode(str_make(texts[2] + 6, 43), &key));
	mac = cred_hmac_sha256(buf_str(&key), (const struct str[]){ STR_LIT("m.7.{}") }, 1);
	buf_add_cstr(&wanted, "v1,");
	cred_base64_encode(cred_digest_str(&mac), &wanted);
	webhook_sign(&pepper, &of, "m", 7, STR_LIT("{}"), &made);
	assert_string_equal(buf_cstr(&made), buf_cstr(&wanted));
	buf_fini(&key);
	buf_fini(&made);
	buf_fini(&wanted);
}

static void a_message_says_what_happened_to_what(void **state)
{
	const struct webhook_message message = { .id = "m",
		                                 .type = "session.completed",
		                                 .tenant = STR_LIT("acme"),
		                                 .task = STR_LIT("t"),
		                                 .session = STR_LIT("s"),
		                                 .cursor = STR_LIT("2-9"),
		                                 .data = STR_LIT("{\"exitCode\":0}"),
		                                 .at_us = 1700000000000000 };
	struct buf body;

	(void)state;
	buf_init(&body, WEBHOOK_BODY_MAX);
	webhook_body(&message, &body);
	assert_string_equal(
		buf_cstr(&body),
		"{\"type\":\"session.completed\",\"timestamp\":\"2023-11-14T22:13:20.000Z\","
		"\"data\":{\"tenantId\":\"acme\",\"taskId\":\"t\",\"sessionId\":\"s\","
		"\"cursor\":\"2-9\",\"event\":{\"exitCode\":0}}}");
	buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_answers_to_its_name_its_group_and_to_all),
		cmocka_unit_test(only_events_that_there_are_can_be_asked_for),
		cmocka_unit_test(an_address_is_one_of_a_web_server_and_no_more),
		cmocka_unit_test(the_mac_is_the_one_of_the_specification),
		cmocka_unit_test(a_secret_is_of_one_and_changes_when_it_is_rotated),
		cmocka_unit_test(a_message_says_what_happened_to_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
