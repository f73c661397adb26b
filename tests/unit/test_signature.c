/* Signatures of answers to permission requests: what counts, and what does not. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cred/base64url.h"
#include "cred/mac.h"
#include "steer/signature.h"
#include "tests/support/test.h"

#define NOW_MS  INT64_C(1795300000000)
#define SESSION "01JD0M6T3RHN4P6S8TAVCXEZ1B"
#define KEY     "01JD0M6T3RHN4P6S8TAVCXEZ1C"

static const struct steer_trail trail = { .permissions = { "a secret of the tests" } };

/* An answer, and what its client signed with its own key. */
struct answer {
	struct id session;
	struct str participant;
	struct steer_approval approval;
	struct steer_signature signature;
	char mac[64];
};

/* As a client does, of what is in the answer now. */
static void sign(struct answer *answer)
{
	const struct steer_approval *a = &answer->approval;
	struct cred_pepper key =
		steer_signing_key(&trail.permissions, &answer->session, answer->participant);
	const struct str parts[] = { STR_LIT("fairlead approval 1"),
		                     str_of(answer->session.s),
		                     answer->participant,
		                     a->request,
		                     str_of(a->behavior),
		                     str_of(a->scope),
		                     answer->signature.input,
		                     answer->signature.permissions,
		                     a->message,
		                     answer->signature.at,
		                     answer->signature.nonce };
	struct cred_digest mac = cred_mac(&key, parts, ARRAY_LEN(parts));
	struct buf text;

	buf_init(&text, sizeof(answer->mac));
	cred_base64url_encode(cred_digest_str(&mac), &text);
	assert_true(str_copy(answer->mac, sizeof(answer->mac), buf_str(&text)));
	buf_fini(&text);
	answer->signature.mac = str_of(answer->mac);
	answer->approval.signature = &answer->signature;
}

static void make(struct answer *answer)
{
	*answer = (struct answer){
		.session = { SESSION },
		.participant = STR_LIT(KEY),
		.approval = { .request = STR_LIT("toolu_1"),
		              .behavior = "allow",
		              .scope = "once",
		              .updated_input = STR_LIT("{\"command\":\"ls\",\"n\":1}"),
		              .message = STR_LIT("fine") },
		.signature = { .at = STR_LIT("1795300000000"),
		               .nonce = STR_LIT("abcdefgh-1234567_"),
		               .input = STR_LIT("{ \"command\": \"l\\u0073\", \"n\": 1 }") },
	};
	sign(answer);
}

static enum err_code check_at(const struct answer *answer, int64_t now_ms)
{
	struct err err;

	return steer_check_signature(&trail, &answer->session, answer->participant,
	                             &answer->approval, now_ms * 1000, &err);
}

static void expect_counts(const struct answer *answer)
{
	assert_int_equal(check_at(answer, NOW_MS), ERR_OK);
}

static void expect_void(const struct answer *answer)
{
	assert_int_equal(check_at(answer, NOW_MS), ERR_FORBIDDEN);
}

static void who_has_the_key_can_sign(void **state)
{
	struct answer answer;

	(void)state;
	make(&answer);
	expect_counts(&answer);
}

static void the_mac_is_the_one_that_others_compute(void **state)
{
	/* python3: hmac.new(bytes(range(32)), b"\0\0\0\1a\0\0\0\0\0\0\0\2bc", "sha512")
	 * .digest()[:32].hex() */
	const struct str parts[] = { STR_LIT("a"), STR_LIT(""), STR_LIT("bc") };
	char hex[2 * CRED_DIGEST_SIZE + 1];
	struct cred_pepper key;
	struct cred_digest mac;

	(void)state;
	for (size_t i = 0; i < sizeof(key.bytes); i++) {
		key.bytes[i] = (unsigned char)i;
	}
	mac = cred_mac(&key, parts, ARRAY_LEN(parts));
	cred_digest_hex(&mac, hex);
	assert_string_equal(hex, "13a7a6f804b8b631c47c6d3fb62a8446"
	                         "ea9771a671d100b06dec85a3d8f47aa3");
}

static void a_changed_field_is_refused(void **state)
{
	struct answer answer;

	(void)state;
#define CHANGED(change)                                                                            \
	do {                                                                                       \
		make(&answer);                                                                     \
		change;                                                                            \
		expect_void(&answer);                                                              \
	} while (0)
	CHANGED(answer.approval.request = STR_LIT("toolu_2"));
	CHANGED(answer.approval.behavior = "deny");
	CHANGED(answer.approval.scope = "always");
	CHANGED(answer.approval.message = STR_LIT("Fine"));
	CHANGED(answer.approval.message = STR_LIT(""));
	CHANGED(answer.approval.updated_input = STR_LIT("{\"command\":\"rm\",\"n\":1}"));
	CHANGED(answer.approval.updated_input = str_make(NULL, 0));
	CHANGED(answer.approval.permissions = STR_LIT("[{\"type\":\"addRules\"}]"));
	CHANGED(answer.signature.input = STR_LIT("{\"command\":\"ls\",\"n\":1}"));
	CHANGED(answer.signature.permissions = STR_LIT("[]"));
	CHANGED(answer.signature.at = STR_LIT("1795300000001"));
	CHANGED(answer.signature.at = STR_LIT("01795300000000"));
	CHANGED(answer.signature.nonce = STR_LIT("abcdefgh-1234567-"));
	CHANGED(answer.mac[5] ^= 1);
	CHANGED(answer.signature.mac = STR_LIT(""));
#undef CHANGED
}

static void a_boundary_that_is_moved_is_refused(void **state)
{
	struct answer answer;

	(void)state;
	make(&answer);
	/* The same bytes one after the other, cut elsewhere. */
	answer.approval.message = STR_LIT("fine1");
	answer.signature.at = STR_LIT("795300000000");
	assert_int_equal(check_at(&answer, INT64_C(795300000000)), ERR_FORBIDDEN);
	make(&answer);
	answer.approval.request = STR_LIT("toolu_1allow");
	answer.approval.behavior = "";
	expect_void(&answer);
}

static void another_session_or_participant_is_refused(void **state)
{
	struct answer answer;

	(void)state;
	make(&answer);
	answer.session.s[0] = '7';
	expect_void(&answer);
	make(&answer);
	answer.participant = STR_LIT("01JD0M6T3RHN4P6S8TAVCXEZ1D");
	expect_void(&answer);
}

static void an_old_or_early_time_is_refused(void **state)
{
	struct answer answer;

	(void)state;
	make(&answer);
	assert_int_equal(check_at(&answer, NOW_MS + SIGNATURE_WINDOW_MS), ERR_OK);
	assert_int_equal(check_at(&answer, NOW_MS + SIGNATURE_WINDOW_MS + 1), ERR_FORBIDDEN);
	assert_int_equal(check_at(&answer, NOW_MS - SIGNATURE_WINDOW_MS), ERR_OK);
	assert_int_equal(check_at(&answer, NOW_MS - SIGNATURE_WINDOW_MS - 1), ERR_FORBIDDEN);
	answer.signature.at = STR_LIT("9223372036854775807");
	sign(&answer);
	expect_void(&answer);
	answer.signature.at = STR_LIT("-1");
	sign(&answer);
	expect_void(&answer);
}

static void a_nonce_has_its_form(void **state)
{
	static const char *const bad[] = {
		"short", "", "has spaces in it 123", "quote'quote'quote'",
		"too-long-0123456789012345678901234567890123456789012345678901234567"
	};
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		make(&answer);
		answer.signature.nonce = str_of(bad[i]);
		sign(&answer);
		expect_void(&answer);
	}
}

static void what_was_signed_is_what_the_answer_says(void **state)
{
	struct answer answer;

	(void)state;
	make(&answer);
	answer.signature.input = STR_LIT("{\"command\":\"rm\",\"n\":1}");
	sign(&answer);
	expect_void(&answer);
	answer.signature.input = STR_LIT("no JSON");
	sign(&answer);
	expect_void(&answer);
	answer.signature.input = str_make(NULL, 0);
	sign(&answer);
	expect_void(&answer);
	answer.approval.updated_input = str_make(NULL, 0);
	sign(&answer);
	expect_counts(&answer);
}

static void an_answer_without_one_counts_unless_it_must_be_signed(void **state)
{
	struct steer_trail strict = trail;
	struct answer answer;
	struct err err;

	(void)state;
	make(&answer);
	answer.approval.signature = NULL;
	expect_counts(&answer);
	strict.must_sign = true;
	assert_int_equal(steer_check_signature(&strict, &answer.session, answer.participant,
	                                       &answer.approval, NOW_MS * 1000, &err),
	                 ERR_FORBIDDEN);
	answer.approval.signature = &answer.signature;
	assert_int_equal(steer_check_signature(&strict, &answer.session, answer.participant,
	                                       &answer.approval, NOW_MS * 1000, &err),
	                 ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_the_key_can_sign),
		cmocka_unit_test(the_mac_is_the_one_that_others_compute),
		cmocka_unit_test(a_changed_field_is_refused),
		cmocka_unit_test(a_boundary_that_is_moved_is_refused),
		cmocka_unit_test(another_session_or_participant_is_refused),
		cmocka_unit_test(an_old_or_early_time_is_refused),
		cmocka_unit_test(a_nonce_has_its_form),
		cmocka_unit_test(what_was_signed_is_what_the_answer_says),
		cmocka_unit_test(an_answer_without_one_counts_unless_it_must_be_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
