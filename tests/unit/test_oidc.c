#include "oidc/device_code.h"
#include "oidc/oidc.h"
#include "tests/support/test.h"

#define CORP                                                                                       \
	"{\"name\":\"corp\",\"issuer\":\"https://id.example.com\",\"clientId\":\"me\","            \
	"\"domains\":[\"Example.com\"],\"emails\":[\"guest@other.test\"],"                         \
	"\"roles\":{\"ops\":\"admin\",\"devs\":\"operator\"},\"tenants\":{\"red\":\"red\"}}"
#define OPEN "{\"name\":\"open\",\"issuer\":\"https://id.example.com\",\"clientId\":\"me\"}"

static void parse(const char *text, struct oidc_providers *ret)
{
	struct err err = { .code = ERR_OK };

	if (oidc_providers_parse(str_of(text), 0, ret, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static enum err_code read_person(const struct oidc_providers *providers, const char *name,
                                 const char *claims, struct oidc_person *ret)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(str_of(claims), &err);

	assert_non_null(json);
	return oidc_person_read(oidc_provider_find(providers, str_of(name)), json, providers->arena,
	                        ret, &err);
}

static void only_paths_of_this_server_are_returned_to(void **state)
{
	static const char *const good[] = { "/", "/device?user_code=X", "/a/b#c", "/a//b" };
	static const char *const bad[] = { "",          "//evil",  "/\\evil",      "\\\\evil",
		                           "https://e", "evil",    "/a\r\nX: y",   "/\tevil",
		                           "/a b",      "/\x7f",   "javascript:x", "/\xc3\xa4",
		                           "///evil",   "/\\/evil" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(oidc_return_ok(str_of(good[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (oidc_return_ok(str_of(bad[i]))) {
			fail_msg("returned to %s", bad[i]);
		}
	}
	assert_false(oidc_return_ok(STR_LIT("/a\0b")));
}

static void who_gets_in_says_the_providers_row(void **state)
{
	static const struct {
		const char *provider, *claims;
		enum err_code code;
		enum auth_role role;
	} cases[] = {
		{ "corp",
		  "{\"sub\":\"1\",\"email\":\"A@EXAMPLE.com\",\"email_verified\":true,"
		  "\"groups\":[\"devs\",\"ops\"]}",
		  ERR_OK, AUTH_ROLE_ADMIN },
		{ "corp",
		  "{\"sub\":\"1\",\"email\":\"guest@other.test\",\"email_verified\":\"true\","
		  "\"groups\":\"devs\"}",
		  ERR_OK, AUTH_ROLE_OPERATOR },
		{ "corp", "{\"sub\":\"1\",\"email\":\"a@example.com\",\"groups\":[\"devs\"]}",
		  ERR_FORBIDDEN, AUTH_ROLE_VIEWER },
		{ "corp",
		  "{\"sub\":\"1\",\"email\":\"a@example.com\",\"email_verified\":false,"
		  "\"groups\":[\"devs\"]}",
		  ERR_FORBIDDEN, AUTH_ROLE_VIEWER },
		{ "corp",
		  "{\"sub\":\"1\",\"email\":\"a@notexample.com\",\"email_verified\":true,"
		  "\"groups\":[\"devs\"]}",
		  ERR_FORBIDDEN, AUTH_ROLE_VIEWER },
		{ "corp",
		  "{\"sub\":\"1\",\"email\":\"a@example.com@evil.test\",\"email_verified\":true,"
		  "\"groups\":[\"devs\"]}",
		  ERR_FORBIDDEN, AUTH_ROLE_VIEWER },
		{ "corp",
		  "{\"sub\":\"1\",\"email\":\"a@example.com\",\"email_verified\":true,"
		  "\"groups\":[\"DEVS\",1,null]}",
		  ERR_FORBIDDEN, AUTH_ROLE_VIEWER },
		{ "corp", "{\"email\":\"a@example.com\",\"email_verified\":true}", ERR_FORBIDDEN,
		  AUTH_ROLE_VIEWER },
		{ "open", "{\"sub\":1}", ERR_FORBIDDEN, AUTH_ROLE_VIEWER },
	};
	struct oidc_providers providers;
	struct oidc_person person;

	(void)state;
	parse("{\"providers\":[" CORP "," OPEN "]}", &providers);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(
			read_person(&providers, cases[i].provider, cases[i].claims, &person),
			cases[i].code);
		if (cases[i].code == ERR_OK) {
			assert_true(person.has_role && person.listed);
			assert_int_equal(person.role, cases[i].role);
		}
	}
	oidc_providers_fini(&providers);
}

static void without_a_role_nobody_is_given_one(void **state)
{
	struct oidc_providers providers;
	struct oidc_person person;

	(void)state;
	parse("{\"providers\":[" CORP "," OPEN "]}", &providers);
	assert_int_equal(read_person(&providers, "open", "{\"sub\":\"1\"}", &person), ERR_OK);
	assert_false(person.has_role);
	assert_string_equal(person.email, "");
	/* It speaks for nobody's address. */
	assert_int_equal(read_person(&providers, "open",
	                             "{\"sub\":\"1\",\"email\":\"a@b.c\",\"email_verified\":true}",
	                             &person),
	                 ERR_OK);
	assert_false(person.listed);
	oidc_providers_fini(&providers);
}

static void a_group_may_mean_another_tenant(void **state)
{
	struct oidc_providers providers;
	struct oidc_person person;

	(void)state;
	parse("{\"providers\":[" CORP "]}", &providers);
	assert_int_equal(read_person(&providers, "corp",
	                             "{\"sub\":\"1\",\"email\":\"a@example.com\","
	                             "\"email_verified\":true,\"groups\":[\"red\",\"ops\"]}",
	                             &person),
	                 ERR_OK);
	assert_true(str_eq(person.tenant, STR_LIT("red")));
	oidc_providers_fini(&providers);
}

static void a_file_that_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{\"providers\":[{\"name\":\"x\"}]}",
		"{\"providers\":[{\"name\":\"X\",\"issuer\":\"https://a\",\"clientId\":\"c\"}]}",
		"{\"providers\":[{\"name\":\"x\",\"clientId\":\"c\"}]}",
		"{\"providers\":[" OPEN "," OPEN "]}",
		"{\"providers\":[{\"name\":\"x\",\"issuer\":\"https://a\",\"clientId\":\"c\","
		"\"role\":\"root\"}]}",
		"{\"providers\":[{\"name\":\"x\",\"issuer\":\"https://a\",\"clientId\":\"c\","
		"\"roles\":{\"a\":\"system\"}}]}",
		"{\"providers\":[{\"name\":\"x\",\"issuer\":\"https://a\",\"clientId\":\"c\","
		"\"domain\":\"a\"}]}",
		"{\"providers\":[{\"name\":\"x\",\"issuer\":\"https://a\",\"clientId\":\"c\","
		"\"clientSecretFile\":\"/nowhere/at/all\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct oidc_providers providers;
		struct err err;

		assert_int_equal(oidc_providers_parse(str_of(bad[i]), 0, &providers, &err),
		                 ERR_INVALID);
		oidc_providers_fini(&providers);
	}
}

static void the_fake_provider_is_there_only_when_asked_for(void **state)
{
	struct oidc_providers providers;
	struct err err;

	(void)state;
	assert_int_equal(oidc_providers_read("", 0, &providers, &err), ERR_OK);
	assert_null(oidc_provider_find(&providers, STR_LIT("fake")));
	oidc_providers_fini(&providers);
	assert_int_equal(oidc_providers_read("", OIDC_WITH_FAKE, &providers, &err), ERR_OK);
	assert_non_null(oidc_provider_find(&providers, STR_LIT("fake")));
	oidc_providers_fini(&providers);
}

static void user_codes_are_read_however_they_are_typed(void **state)
{
	static const char *const good[] = { "BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "b-c-d-fghjk" };
	static const char *const bad[] = { "",          "BCDF-GHJ",  "BCDF-GHJKL",
		                           "ACDF-GHJK", "BCDF_GHJK", "BCD1-GHJK" };
	char code[DEVICE_USER_LEN + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(device_user_code_parse(str_of(good[i]), code));
		assert_string_equal(code, "BCDF-GHJK");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(device_user_code_parse(str_of(bad[i]), code));
	}
	assert_false(device_user_code_parse(STR_LIT("BCDF\0GHJK"), code));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_paths_of_this_server_are_returned_to),
		cmocka_unit_test(who_gets_in_says_the_providers_row),
		cmocka_unit_test(without_a_role_nobody_is_given_one),
		cmocka_unit_test(a_group_may_mean_another_tenant),
		cmocka_unit_test(a_file_that_makes_no_sense_is_refused),
		cmocka_unit_test(the_fake_provider_is_there_only_when_asked_for),
		cmocka_unit_test(user_codes_are_read_however_they_are_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
