#include "auth/auth.h"
#include "tests/support/test.h"

static const struct str none = { NULL, 0 };

static void given(const char *authorization, const char *x_api_key, const char *wanted)
{
	struct str key = none;
	struct err err;

	assert_int_equal(auth_key_given(str_of(authorization), str_of(x_api_key), &key, &err),
	                 ERR_OK);
	assert_true(str_eq(key, str_of(wanted)));
}

static void refused(const char *authorization, const char *x_api_key, const char *reason)
{
	struct str key = none;
	struct err err;

	assert_int_equal(auth_key_given(str_of(authorization), str_of(x_api_key), &key, &err),
	                 ERR_UNAUTHORIZED);
	assert_non_null(strstr(err.msg, reason));
	assert_null(key.p);
}

static void a_key_comes_in_either_header_or_the_same_in_both(void **state)
{
	(void)state;
	given("ApiKey abc", NULL, "abc");
	given("apikey   abc ", NULL, "abc");
	given(NULL, "abc", "abc");
	given("ApiKey abc", "abc", "abc");
}

static void everything_else_is_refused_with_a_reason(void **state)
{
	(void)state;
	refused(NULL, NULL, "send a key");
	refused("Bearer abc", NULL, "must be ApiKey");
	refused("abc", NULL, "must be ApiKey");
	refused("", NULL, "must be ApiKey");
	refused("Basic abc", "abc", "must be ApiKey");
	refused("ApiKey abc", "abd", "two different keys");
	refused("ApiKey", "abc", "two different keys");
}

static void what_is_not_a_key_is_refused_without_asking(void **state)
{
	struct auth_options options = { .pg = NULL, .cache_ms = 1000 };
	struct auth *auth = auth_new(&options);
	struct principal principal;
	struct err err;

	(void)state;
	assert_int_equal(auth_check(auth, STR_LIT("sk-1"), &principal, &err), ERR_UNAUTHORIZED);
	assert_string_equal(err.msg, "this is not a key of Fairlead");
	assert_int_equal(auth_check(auth, STR_LIT("fl_live_1"), &principal, &err),
	                 ERR_UNAUTHORIZED);
	assert_string_equal(err.msg, "this key is cut short or mistyped");
	assert_int_equal(auth_check(auth, none, &principal, &err), ERR_UNAUTHORIZED);
	auth_free(auth);
}

static void nothing_is_allowed_without_its_scope(void **state)
{
	struct principal principal = { .scopes = 0 };

	(void)state;
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		assert_false(auth_allows(&principal, (enum auth_scope)i));
	}
	principal.scopes = auth_bit(AUTH_SESSION_READ);
	assert_true(auth_allows(&principal, AUTH_SESSION_READ));
	assert_false(auth_allows(&principal, AUTH_SESSION_WRITE));
	assert_false(auth_allows(&principal, AUTH_ADMIN));
	principal.scopes = auth_bit(AUTH_ADMIN);
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		assert_true(auth_allows(&principal, (enum auth_scope)i));
	}
}

static void a_key_for_some_namespaces_sees_no_others(void **state)
{
	struct principal principal = { .namespaces = "ci,prod" };

	(void)state;
	assert_true(auth_allows_namespace(&principal, STR_LIT("ci")));
	assert_true(auth_allows_namespace(&principal, STR_LIT("prod")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("pro")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("ci,prod")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("")));
	principal.namespaces[0] = '\0';
	assert_false(auth_allows_namespace(&principal, STR_LIT("ci")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("")));
	principal.any_namespace = true;
	assert_true(auth_allows_namespace(&principal, STR_LIT("")));
}

static void lists_of_scopes_are_parsed_strictly(void **state)
{
	unsigned set = 0;

	(void)state;
	assert_true(auth_scopes_parse(STR_LIT("session:read, admin"), &set));
	assert_int_equal(set, auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_ADMIN));
	assert_false(auth_scopes_parse(STR_LIT(""), &set));
	assert_false(auth_scopes_parse(STR_LIT("admin,"), &set));
	assert_false(auth_scopes_parse(STR_LIT("admin,,worker"), &set));
	assert_false(auth_scopes_parse(STR_LIT("root"), &set));
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		assert_true(auth_scopes_parse(str_of(auth_scope_name((enum auth_scope)i)), &set));
		assert_int_equal(set, auth_bit((enum auth_scope)i));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_comes_in_either_header_or_the_same_in_both),
		cmocka_unit_test(everything_else_is_refused_with_a_reason),
		cmocka_unit_test(what_is_not_a_key_is_refused_without_asking),
		cmocka_unit_test(nothing_is_allowed_without_its_scope),
		cmocka_unit_test(a_key_for_some_namespaces_sees_no_others),
		cmocka_unit_test(lists_of_scopes_are_parsed_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
