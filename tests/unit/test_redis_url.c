#include <stdio.h>
#include <string.h>

#include "redis/url.h"
#include "tests/support/test.h"

static struct redis_url parsed(const char *text)
{
	struct redis_url url;
	struct err err;

	if (redis_url_parse(text, &url, &err) != ERR_OK) {
		fail_msg("%s: %s", text, err.msg);
	}
	return url;
}

static void a_bare_host_has_defaults(void **state)
{
	struct redis_url url = parsed("redis://db.example");

	(void)state;
	assert_string_equal(url.host, "db.example");
	assert_int_equal(url.port, 6379);
	assert_int_equal(url.db, 0);
	assert_null(url.user);
	assert_null(url.password);
	assert_null(url.path);
	redis_url_fini(&url);
}

static void every_part_is_taken_and_decoded(void **state)
{
	struct redis_url url = parsed("redis://al%40ice:p%3a%2F@ss@[::1]:7000/15");

	(void)state;
	assert_string_equal(url.host, "::1");
	assert_int_equal(url.port, 7000);
	assert_int_equal(url.db, 15);
	assert_string_equal(url.user, "al@ice");
	assert_string_equal(url.password, "p:/@ss");
	redis_url_fini(&url);
}

static void a_password_alone_is_the_default_users(void **state)
{
	struct redis_url url = parsed("redis://:a:b@h:1/");

	(void)state;
	assert_null(url.user);
	assert_string_equal(url.password, "a:b");
	assert_int_equal(url.port, 1);
	redis_url_fini(&url);
}

static void a_unix_socket_has_parameters(void **state)
{
	struct redis_url url = parsed("unix:///run/a%20b.sock?db=3&password=s%26t&user=u");

	(void)state;
	assert_null(url.host);
	assert_string_equal(url.path, "/run/a b.sock");
	assert_string_equal(url.password, "s&t");
	assert_string_equal(url.user, "u");
	assert_int_equal(url.db, 3);
	redis_url_fini(&url);
	url = parsed("unix:///s");
	assert_string_equal(url.path, "/s");
	redis_url_fini(&url);
}

static void sentinels_are_a_list_before_the_name_of_a_master(void **state)
{
	struct redis_url url = parsed("sentinel://al:p%40ss@s1,[::1]:7000,s3:26380/main-1.a"
	                              "?db=2&sentinel_user=w&sentinel_password=x%2Cy");
	struct redis_url one;

	(void)state;
	assert_null(url.host);
	assert_string_equal(url.master, "main-1.a");
	assert_string_equal(url.user, "al");
	assert_string_equal(url.password, "p@ss");
	assert_int_equal(url.db, 2);
	assert_int_equal(url.sentinel_count, 3);
	assert_string_equal(url.sentinels[0].name, "s1");
	assert_int_equal(url.sentinels[0].port, 26379);
	redis_url_of_sentinel(&url, 1, &one);
	redis_url_fini(&url);
	assert_string_equal(one.host, "::1");
	assert_int_equal(one.port, 7000);
	assert_int_equal(one.db, 0);
	assert_string_equal(one.user, "w");
	assert_string_equal(one.password, "x,y");
	assert_null(one.master);
	redis_url_fini(&one);
}

/* One byte more than sun_path takes with its NUL. */
static const char long_path[] =
	"unix:///1234567890123456789012345678901234567890123456789012345678901234567890"
	"1234567890123456789012345678901234567";

static void what_is_wrong_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"redis:",
		"redis://",
		"redis:///0",
		"http://h",
		"REDIS://h",
		"redis://:6379",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:",
		"redis://h:6379x",
		"redis://h/x",
		"redis://h/-1",
		"redis://h/65536",
		"redis://h/0/1",
		"redis://user@h",
		"redis://u:%zz@h",
		"redis://u:%4@h",
		"redis://u:%00@h",
		"redis://u:%",
		"redis://[::1",
		"redis://[::1]x",
		"redis://[]:1",
		"unix://",
		"unix:///",
		"unix://relative",
		"unix:///s?db=x",
		"unix:///s?nope=1",
		"unix:///s?user=u",
		"unix:///s?user=",
		"sentinel://",
		"sentinel://h",
		"sentinel://h/",
		"sentinel:///m",
		"sentinel://h,/m",
		"sentinel://,h/m",
		"sentinel://h:0/m",
		"sentinel://user@h/m",
		"sentinel://h/m/0",
		"sentinel://h/m?db=x",
		"sentinel://h/m?password=x",
		"sentinel://h/m?sentinel_user=u",
		"sentinel://h/m?sentinel_password=%zz",
		"sentinel://1,2,3,4,5,6,7,8,9,10/m",
		"redis://h?ca=/c",
		"redis://h/0?db=1",
		"sentinel://h/m?ca=/c",
		"rediss://h?nope=1",
		"rediss://h?ca=",
		"rediss://h?certificate=/c",
		"rediss://h?key=/k",
		long_path,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct redis_url url;
		struct err err;

		if (redis_url_parse(wrong[i], &url, &err) != ERR_INVALID) {
			fail_msg("%s was accepted", wrong[i]);
		}
	}
}

static void tls_has_a_scheme_and_parameters(void **state)
{
	struct redis_url url = parsed("rediss://u:p@h:1/2?ca=/a%20b.pem&name=redis.example");
	struct redis_url one;

	(void)state;
	assert_true(url.tls);
	assert_int_equal(url.db, 2);
	assert_string_equal(url.ca, "/a b.pem");
	assert_string_equal(url.name, "redis.example");
	assert_null(url.key);
	redis_url_fini(&url);
	url = parsed("sentinels://s1,s2/m?db=3&ca=/c&certificate=/d&key=/e");
	redis_url_of_sentinel(&url, 1, &one);
	assert_true(url.tls && one.tls);
	assert_string_equal(one.ca, "/c");
	assert_string_equal(one.certificate, "/d");
	assert_string_equal(one.key, "/e");
	redis_url_fini(&url);
	redis_url_fini(&one);
	url = parsed("rediss://h");
	assert_true(url.tls);
	assert_null(url.ca);
	redis_url_fini(&url);
}

static void no_certificate_has_a_longer_name_than_dns(void **state)
{
	enum { MOST = 255 };
	char text[512];
	struct redis_url url;
	struct err err;

	(void)state;
	for (int n = MOST; n <= MOST + 1; n++) {
		(void)snprintf(text, sizeof(text), "rediss://h?name=%0*d", n, 1);
		assert_int_equal(redis_url_parse(text, &url, &err),
		                 n == MOST ? ERR_OK : ERR_INVALID);
		if (n == MOST) {
			redis_url_fini(&url);
		}
	}
	assert_string_equal(err.msg, "redis URL: the name is too long");
}

static void no_message_repeats_a_password(void **state)
{
	static const char *const wrong[] = { "redis://u:hunter2@",
		                             "redis://u:hunter2@h:x",
		                             "unix:///s?password=hunter2&db=x",
		                             "redis://u:hunter2%zz@h",
		                             "rediss://u:hunter2@h?x",
		                             "sentinel://u:hunter2@h",
		                             "sentinel://h/m?sentinel_password=hunter2&x" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct redis_url url;
		struct err err;

		assert_int_not_equal(redis_url_parse(wrong[i], &url, &err), ERR_OK);
		assert_null(strstr(err.msg, "hunter2"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_host_has_defaults),
		cmocka_unit_test(every_part_is_taken_and_decoded),
		cmocka_unit_test(a_password_alone_is_the_default_users),
		cmocka_unit_test(a_unix_socket_has_parameters),
		cmocka_unit_test(sentinels_are_a_list_before_the_name_of_a_master),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(tls_has_a_scheme_and_parameters),
		cmocka_unit_test(no_certificate_has_a_longer_name_than_dns),
		cmocka_unit_test(no_message_repeats_a_password),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
