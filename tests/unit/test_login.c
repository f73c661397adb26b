/* What of logins and passwords is decided without asking anybody. */
#include "auth/auth_login.h"
#include "auth/auth_shown.h"
#include "cred/seal.h"
#include "login/login.h"
#include "login/password.h"
#include "tests/support/test.h"

static const int64_t now_us = INT64_C(1800000000000000);

static struct cred_pepper secret(void)
{
	return cred_pepper_from(STR_LIT("a pepper for tests"));
}

/* ---- passwords ---- */

static void refused(const char *password, const char *reason)
{
	const char *rule = password_problem(str_of(password), STR_LIT("ada.lovelace@example.org"));

	if (rule == NULL || strstr(rule, reason) == NULL) {
		fail_msg("%s: %s", password, rule != NULL ? rule : "taken");
	}
}

static void a_password_is_long_and_not_what_everybody_tries(void **state)
{
	char many[PASSWORD_MAX_BYTES + 2];

	(void)state;
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	refused("", "at least 10");
	refused("123456789", "at least 10");
	refused("\xc3\xa4\xc3\xa4\xc3\xb6\xc3\xb6\xc3\xbc", "at least 10"); /* 10 bytes */
	refused("0123456\xff", "at least 10");
	refused(many, "at most 512");
	refused("password123", "tries first");
	refused("PassWord123", "tries first");
	refused("aaaaaaaaaaaa", "tries first");
	refused("abababababab", "tries first");
	refused("abcdabcdabcda", "tries first");
	refused("Ada.Lovelace@example.org", "e-mail");
	refused("ada.lovelace", "e-mail");
	assert_null(
		password_problem(STR_LIT("ada.lovelace1"), STR_LIT("ada.lovelace@example.org")));
	assert_null(password_problem(STR_LIT("a horse or two"), STR_LIT("")));
	assert_null(password_problem(
		STR_LIT("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f-\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f."),
		STR_LIT("")));
}

static void a_stored_password_says_its_cost_and_is_right_for_one_password(void **state)
{
	const struct cred_cost low = { 8192 * 1024, 1 }, high = { 16384 * 1024, 2 };
	char stored[CRED_STORED_SIZE], again[CRED_STORED_SIZE];

	(void)state;
	assert_true(cred_password_hash(STR_LIT("a horse or two"), &low, stored));
	assert_true(cred_password_hash(STR_LIT("a horse or two"), &low, again));
	assert_string_not_equal(stored, again);
	assert_int_equal(strncmp(stored, "$argon2id$v=19$m=8192,t=1,p=1$", 30), 0);
	assert_true(cred_password_ok(stored, STR_LIT("a horse or two")));
	assert_false(cred_password_ok(stored, STR_LIT("a horse or tw")));
	assert_false(cred_password_ok(stored, STR_LIT("a horse or two ")));
	assert_false(cred_password_ok(stored, (struct str){ NULL, 0 }));
	assert_false(cred_password_stale(stored, &low));
	assert_true(cred_password_stale(stored, &high));
	assert_false(cred_password_ok("", STR_LIT("")));
	assert_false(cred_password_ok("plain", STR_LIT("plain")));
}

/* ---- texts that browsers keep ---- */

static bool opens(const struct cred_pepper *by, const char *purpose, int64_t at_us, struct str text)
{
	struct buf plain;
	bool opened;

	buf_init(&plain, 256);
	opened = cred_unseal_text(by, purpose, at_us, text, &plain) &&
	         str_eq(buf_str(&plain), STR_LIT("a login"));
	buf_fini(&plain);
	return opened;
}

static void a_sealed_text_opens_for_its_purpose_until_its_key_is_two_old(void **state)
{
	const struct cred_pepper s = secret(), other = cred_pepper_from(STR_LIT("another"));
	const int64_t key_us = CRED_SEAL_KEY_S * INT64_C(1000000);
	const int64_t begun_us = now_us / key_us * key_us;
	struct buf text;

	(void)state;
	buf_init(&text, 256);
	cred_seal_text(&s, "login", begun_us, STR_LIT("a login"), &text);
	assert_true(opens(&s, "login", begun_us, buf_str(&text)));
	assert_true(opens(&s, "login", begun_us + key_us, buf_str(&text)));
	assert_true(opens(&s, "login", begun_us + 2 * key_us - 1, buf_str(&text)));
	assert_false(opens(&s, "login", begun_us + 2 * key_us, buf_str(&text)));
	/* Sealed by a node whose clock is ahead. */
	assert_true(opens(&s, "login", begun_us - 1, buf_str(&text)));
	assert_false(opens(&s, "login", begun_us - key_us - 1, buf_str(&text)));
	assert_false(opens(&s, "another", begun_us, buf_str(&text)));
	assert_false(opens(&other, "login", begun_us, buf_str(&text)));
	for (size_t i = 0; i < text.len; i++) {
		char was = text.data[i];

		text.data[i] = was == 'x' ? 'y' : 'x';
		assert_false(opens(&s, "login", begun_us, buf_str(&text)));
		text.data[i] = was;
		assert_false(opens(&s, "login", begun_us, str_make(text.data, i)));
	}
	buf_fini(&text);
}

static void a_cookie_of_other_bytes_is_no_login(void **state)
{
	const struct cred_pepper s = secret();
	struct login_shown shown;
	struct buf text;

	(void)state;
	buf_init(&text, 512);
	cred_seal_text(&s, "login", now_us, STR_LIT("a login"), &text);
	assert_false(login_cookie_parse(buf_str(&text), &s, now_us, &shown));
	buf_reset(&text);
	cred_seal_text(&s, "login", now_us,
	               STR_LIT("not the id of any login-----"
	                       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"),
	               &text);
	assert_false(login_cookie_parse(buf_str(&text), &s, now_us, &shown));
	assert_false(login_cookie_parse((struct str){ NULL, 0 }, &s, now_us, &shown));
	buf_fini(&text);
}

/* ---- the token beside it ---- */

static void the_token_is_one_logins(void **state)
{
	const struct cred_pepper s = secret(), other = cred_pepper_from(STR_LIT("another"));
	const struct id one = id_new(), two = id_new();
	char token[LOGIN_CSRF_LEN + 1];

	(void)state;
	login_csrf(&s, &one, token);
	assert_true(login_csrf_ok(&s, &one, str_of(token)));
	assert_false(login_csrf_ok(&s, &two, str_of(token)));
	assert_false(login_csrf_ok(&other, &one, str_of(token)));
	assert_false(login_csrf_ok(&s, &one, str_make(token, LOGIN_CSRF_LEN - 1)));
	assert_false(login_csrf_ok(&s, &one, (struct str){ NULL, 0 }));
	token[3] = token[3] == '0' ? '1' : '0';
	assert_false(login_csrf_ok(&s, &one, str_of(token)));
}

/* ---- which cookie ---- */

static struct str login_of(bool https, const char *cookies)
{
	struct http_header header = { STR_LIT("Cookie"), str_of(cookies) };
	struct http_request req = { .headers = &header, .header_count = 1, .https = https };
	struct auth_shown_set set;
	struct err err;

	assert_int_equal(auth_shown_find(&req, false, &set, &err), ERR_OK);
	assert_false(set.is_given);
	return set.sent_count > 0 ? set.sent[0].text : (struct str){ NULL, 0 };
}

static void over_tls_only_the_name_counts_that_no_other_host_can_set(void **state)
{
	(void)state;
	assert_true(str_eq(login_of(false, "a=b; fairlead=1"), STR_LIT("1")));
	assert_true(str_eq(login_of(true, "fairlead=1; __Host-fairlead=2"), STR_LIT("2")));
	assert_null(login_of(true, "fairlead=1").p);
	assert_null(login_of(true, "fairlead=1; __host-fairlead=2").p);
	assert_null(login_of(false, "__Host-fairlead=2").p);
	assert_null(login_of(false, "fairlead=").p);
	assert_null(login_of(false, "fairlead").p);
	assert_true(str_eq(login_of(false, "fairlead=1; fairlead=2"), STR_LIT("1")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_is_long_and_not_what_everybody_tries),
		cmocka_unit_test(a_stored_password_says_its_cost_and_is_right_for_one_password),
		cmocka_unit_test(a_sealed_text_opens_for_its_purpose_until_its_key_is_two_old),
		cmocka_unit_test(a_cookie_of_other_bytes_is_no_login),
		cmocka_unit_test(the_token_is_one_logins),
		cmocka_unit_test(over_tls_only_the_name_counts_that_no_other_host_can_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
