#include "cred/box.h"
#include "cred/seal.h"
#include "cred/subkey.h"
#include "tests/support/test.h"

static struct cred_pepper secret(void)
{
	return cred_pepper_from(STR_LIT("a pepper for tests"));
}

static void every_purpose_has_a_key_of_its_own(void **state)
{
	struct cred_pepper s = secret(), other = cred_pepper_from(STR_LIT("another"));
	struct cred_pepper tokens = cred_subkey(&s, "tokens"), again = cred_subkey(&s, "tokens");
	struct cred_pepper cookies = cred_subkey(&s, "cookies");
	struct cred_pepper elsewhere = cred_subkey(&other, "tokens");

	(void)state;
	assert_memory_equal(&tokens, &again, sizeof(tokens));
	assert_memory_not_equal(&tokens, &cookies, sizeof(tokens));
	assert_memory_not_equal(&tokens, &elsewhere, sizeof(tokens));
	assert_memory_not_equal(&tokens, &s, sizeof(tokens));
}

static void what_is_sealed_opens_with_its_key_beside_what_it_belongs_to(void **state)
{
	struct cred_pepper s = secret(), key = cred_subkey(&s, "one");
	struct cred_pepper wrong = cred_subkey(&s, "two");
	struct buf sealed, plain;

	(void)state;
	buf_init(&sealed, 1024);
	buf_init(&plain, 1024);
	cred_seal(&key, STR_LIT("row 1"), STR_LIT("a private key"), &sealed);
	assert_int_equal(sealed.len, sizeof("a private key") - 1 + CRED_SEAL_EXTRA);
	assert_null(memmem(sealed.data, sealed.len, "private", 7));
	assert_true(cred_unseal(&key, STR_LIT("row 1"), buf_str(&sealed), &plain));
	assert_true(str_eq(buf_str(&plain), STR_LIT("a private key")));
	assert_false(cred_unseal(&key, STR_LIT("row 2"), buf_str(&sealed), &plain));
	assert_false(cred_unseal(&wrong, STR_LIT("row 1"), buf_str(&sealed), &plain));
	for (size_t n = 0; n < sealed.len; n++) {
		assert_false(cred_unseal(&key, STR_LIT("row 1"), str_make(sealed.data, n), &plain));
		sealed.data[n] ^= 1;
		assert_false(cred_unseal(&key, STR_LIT("row 1"), buf_str(&sealed), &plain));
		sealed.data[n] ^= 1;
	}
	buf_fini(&sealed);
	buf_fini(&plain);
}

static void nothing_is_sealed_twice_alike_and_nothing_can_be_sealed(void **state)
{
	struct cred_pepper key = secret();
	struct buf one, two, plain;

	(void)state;
	buf_init(&one, 64);
	buf_init(&two, 64);
	buf_init(&plain, 64);
	cred_seal(&key, STR_LIT(""), STR_LIT(""), &one);
	cred_seal(&key, STR_LIT(""), STR_LIT(""), &two);
	assert_int_equal(one.len, CRED_SEAL_EXTRA);
	assert_memory_not_equal(one.data, two.data, one.len);
	assert_true(cred_unseal(&key, STR_LIT(""), buf_str(&one), &plain));
	assert_int_equal(plain.len, 0);
	cred_seal(&key, STR_LIT(""), STR_LIT("too much for what is left"), &one);
	assert_true(buf_failed(&one));
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&plain);
}

static void what_is_sealed_for_a_reader_opens_with_its_key_alone(void **state)
{
	struct cred_box_pair reader = cred_box_new(), other = cred_box_new();
	char key[CRED_BOX_TEXT];
	struct buf sealed, plain;

	(void)state;
	buf_init(&sealed, 1024);
	buf_init(&plain, 1024);
	cred_box_text(&reader, key);
	assert_true(cred_box_seal(str_of(key), STR_LIT("a password"), &sealed));
	assert_null(memmem(sealed.data, sealed.len, "password", 8));
	assert_false(cred_box_open(&other, buf_str(&sealed), &plain));
	assert_true(cred_box_open(&reader, buf_str(&sealed), &plain));
	assert_true(str_eq(buf_str(&plain), STR_LIT("a password")));
	for (size_t n = 0; n < sealed.len; n++) {
		char was = sealed.data[n];

		assert_false(cred_box_open(&reader, str_make(sealed.data, n), &plain));
		sealed.data[n] = was == 'A' ? 'B' : 'A';
		assert_false(cred_box_open(&reader, buf_str(&sealed), &plain));
		sealed.data[n] = was;
	}
	assert_false(cred_box_seal(str_make(key, 62), STR_LIT("x"), &plain));
	assert_false(cred_box_seal(STR_LIT("zz"), STR_LIT("x"), &plain));
	buf_fini(&sealed);
	buf_fini(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_purpose_has_a_key_of_its_own),
		cmocka_unit_test(what_is_sealed_opens_with_its_key_beside_what_it_belongs_to),
		cmocka_unit_test(what_is_sealed_for_a_reader_opens_with_its_key_alone),
		cmocka_unit_test(nothing_is_sealed_twice_alike_and_nothing_can_be_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
