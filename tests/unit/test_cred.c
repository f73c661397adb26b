#include <stdlib.h>

#include "base/buf.h"
#include "cred/apikey.h"
#include "cred/base64url.h"
#include "tests/support/test.h"

static struct cred_pepper pepper(void)
{
	return cred_pepper_from(STR_LIT("correct horse battery staple"));
}

static enum cred_key_flaw flaw(const char *text)
{
	struct cred_key key;

	return cred_key_parse(str_of(text), &key);
}

static void a_new_key_is_read_back_as_it_was(void **state)
{
	struct cred_key key = cred_key_new(NULL), got;
	char text[CRED_KEY_MAX + 1];

	(void)state;
	cred_key_format(&key, text);
	assert_int_equal(strlen(text), CRED_KEY_LEN);
	assert_int_equal(cred_key_parse(str_of(text), &got), CRED_KEY_OK);
	assert_true(id_eq(&got.id, &key.id));
	assert_string_equal(got.secret, key.secret);
}

static void two_keys_share_nothing(void **state)
{
	struct cred_key a = cred_key_new(NULL), b = cred_key_new(NULL);

	(void)state;
	assert_false(id_eq(&a.id, &b.id));
	assert_string_not_equal(a.secret, b.secret);
}

static void the_format_of_a_known_key_never_changes(void **state)
{
	struct cred_key key = { .id = { "01ARZ3NDEKTSV4RRFFQ69G5FAV" } };
	char text[CRED_KEY_MAX + 1];

	(void)state;
	memset(key.secret, '7', CRED_SECRET_LEN);
	cred_key_format(&key, text);
	assert_string_equal(text, "fl_live_01arz3ndektsv4rrffq69g5fav_"
	                          "7777777777777777777777777777777777777777777777777777"
	                          "2jwphq3");
}

static void a_key_says_where_it_belongs_and_old_ones_stay_good(void **state)
{
	struct cred_key key = cred_key_new("prod2"), got;
	char text[CRED_KEY_MAX + 1];

	(void)state;
	cred_key_format(&key, text);
	assert_memory_equal(text, "fl_prod2_", 9);
	assert_int_equal(cred_key_parse(str_of(text), &got), CRED_KEY_OK);
	assert_string_equal(got.env, "prod2");
	assert_string_equal(got.secret, key.secret);
	text[3] = 'b';
	assert_int_equal(flaw(text), CRED_KEY_MISTYPED);
	key = cred_key_new("");
	cred_key_format(&key, text);
	assert_memory_equal(text, "fl_live_", 8);
	assert_int_equal(cred_key_parse(str_of(text), &got), CRED_KEY_OK);
	/* A cut one is known by its id; what only looks a little like it is anybody's. */
	assert_int_equal(flaw("fl_prod_01arz3ndektsv4rrffq69g5fav_77"), CRED_KEY_MISTYPED);
	assert_int_equal(flaw("fl_live_"), CRED_KEY_MISTYPED);
	assert_int_equal(flaw("fl_green_team"), CRED_KEY_FOREIGN);
	assert_int_equal(flaw("fl_prod"), CRED_KEY_FOREIGN);
	assert_int_equal(flaw("fl_ticket_01arz3ndektsv4rrffq69g5fav_77"), CRED_KEY_FOREIGN);
}

static void an_environment_is_a_short_plain_word(void **state)
{
	static const char *const bad[] = {
		"", "Prod", "a_b", "a-b", "ticket", "stream", "seventeenletters1", "\xc3\xa4"
	};

	(void)state;
	assert_true(cred_env_ok(STR_LIT("live")) && cred_env_ok(STR_LIT("sixteenletters16")));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(cred_env_ok(str_of(bad[i])));
	}
}

static void any_single_wrong_character_is_a_typing_error(void **state)
{
	struct cred_key key = cred_key_new(NULL);
	char text[CRED_KEY_MAX + 1];

	(void)state;
	cred_key_format(&key, text);
	for (size_t i = 3; i < CRED_KEY_LEN; i++) {
		char kept = text[i];

		text[i] = kept == '0' ? '1' : '0';
		assert_int_not_equal(flaw(text), CRED_KEY_OK);
		text[i] = '!';
		assert_int_not_equal(flaw(text), CRED_KEY_OK);
		text[i] = kept;
	}
	assert_int_equal(flaw(text), CRED_KEY_OK);
}

static void two_swapped_characters_are_a_typing_error(void **state)
{
	struct cred_key key = cred_key_new(NULL);
	char text[CRED_KEY_MAX + 1];

	(void)state;
	cred_key_format(&key, text);
	for (size_t i = sizeof("fl_live_") - 1; i + 1 < CRED_KEY_LEN; i++) {
		char kept = text[i];

		if (kept == text[i + 1]) {
			continue;
		}
		text[i] = text[i + 1];
		text[i + 1] = kept;
		assert_int_equal(flaw(text), CRED_KEY_MISTYPED);
		text[i + 1] = text[i];
		text[i] = kept;
	}
}

static void every_cut_of_a_key_is_refused(void **state)
{
	struct cred_key key = cred_key_new(NULL), got;
	char text[CRED_KEY_MAX + 1];

	(void)state;
	cred_key_format(&key, text);
	for (size_t n = 0; n < CRED_KEY_LEN; n++) {
		char *exact = malloc(n + 1); /* so that a read beyond the cut is seen */

		memcpy(exact, text, n);
		assert_int_not_equal(cred_key_parse(str_make(exact, n), &got), CRED_KEY_OK);
		free(exact);
	}
}

static void what_is_not_ours_is_foreign(void **state)
{
	(void)state;
	assert_int_equal(flaw(""), CRED_KEY_FOREIGN);
	assert_int_equal(flaw("sk-1234"), CRED_KEY_FOREIGN);
	assert_int_equal(flaw("FL_LIVE_01"), CRED_KEY_FOREIGN);
	assert_int_equal(flaw("fl_live_short"), CRED_KEY_MISTYPED);
}

static void the_hash_depends_on_id_secret_and_pepper(void **state)
{
	struct cred_key a = cred_key_new(NULL), b = a, c = a;
	struct cred_pepper one = pepper(), two = one;
	struct cred_digest hash = cred_key_hash(&a, &one), again = cred_key_hash(&a, &one), other;

	(void)state;
	two.bytes[31] ^= 1;
	b.secret[0] = b.secret[0] == '0' ? '1' : '0';
	c.id.s[25] = c.id.s[25] == '0' ? '1' : '0';
	assert_true(cred_digest_eq(&hash, &again));
	other = cred_key_hash(&a, &two);
	assert_false(cred_digest_eq(&hash, &other));
	other = cred_key_hash(&b, &one);
	assert_false(cred_digest_eq(&hash, &other));
	other = cred_key_hash(&c, &one);
	assert_false(cred_digest_eq(&hash, &other));
}

static void where_a_part_ends_is_part_of_the_digest(void **state)
{
	const struct str ab_c[] = { STR_LIT("ab"), STR_LIT("c") };
	const struct str a_bc[] = { STR_LIT("a"), STR_LIT("bc") };
	struct cred_digest one = cred_digest(ab_c, 2, NULL), two = cred_digest(a_bc, 2, NULL);
	struct cred_digest back;

	(void)state;
	assert_false(cred_digest_eq(&one, &two));
	assert_true(cred_digest_from(cred_digest_str(&one), &back));
	assert_true(cred_digest_eq(&one, &back));
	assert_false(cred_digest_from(STR_LIT("short"), &back));
}

static void every_character_of_a_pepper_counts(void **state)
{
	struct cred_pepper one = pepper(), same = pepper();
	struct cred_pepper other = cred_pepper_from(STR_LIT("correct horse battery staplf"));

	(void)state;
	assert_memory_equal(&one, &same, sizeof(one));
	assert_memory_not_equal(&one, &other, sizeof(one));
}

static void random_hex_is_digits_and_never_the_same(void **state)
{
	char one[2 * 32 + 1], two[2 * 32 + 1];

	(void)state;
	cred_random_hex(one, 32);
	cred_random_hex(two, 32);
	assert_int_equal(strlen(one), 64);
	assert_int_equal(strspn(one, "0123456789abcdef"), 64);
	assert_string_not_equal(one, two);
}

static void what_is_wiped_is_zero(void **state)
{
	struct cred_key key = cred_key_new(NULL);
	static const struct cred_key zero;

	(void)state;
	cred_wipe(&key, sizeof(key));
	assert_memory_equal(&key, &zero, sizeof(key));
}

static void a_hash_of_parts_is_that_of_the_whole(void **state)
{
	static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	unsigned char whole[CRED_SHA256_SIZE], parts[CRED_SHA256_SIZE];

	(void)state;
	cred_sha256(str_of(text), whole);
	assert_int_equal(whole[0], 0x24); /* FIPS 180-4's second example */
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct cred_sha256 *hash = cred_sha256_new();

		cred_sha256_add(hash, str_make(text, cut));
		cred_sha256_add(hash, str_make(text + cut, sizeof(text) - 1 - cut));
		cred_sha256_end(hash, parts);
		cred_sha256_free(hash);
		assert_memory_equal(whole, parts, sizeof(whole));
	}
}

/* RFC 4648 section 10. */
static void base64_has_its_padding(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },        { "f", "Zg==" },        { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\xfb\xff", "+/8=" }
	};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&out);
		cred_base64_encode(str_of(rows[i][0]), &out);
		assert_string_equal(buf_cstr(&out), rows[i][1]);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_key_is_read_back_as_it_was),
		cmocka_unit_test(two_keys_share_nothing),
		cmocka_unit_test(the_format_of_a_known_key_never_changes),
		cmocka_unit_test(a_key_says_where_it_belongs_and_old_ones_stay_good),
		cmocka_unit_test(an_environment_is_a_short_plain_word),
		cmocka_unit_test(any_single_wrong_character_is_a_typing_error),
		cmocka_unit_test(two_swapped_characters_are_a_typing_error),
		cmocka_unit_test(every_cut_of_a_key_is_refused),
		cmocka_unit_test(what_is_not_ours_is_foreign),
		cmocka_unit_test(the_hash_depends_on_id_secret_and_pepper),
		cmocka_unit_test(where_a_part_ends_is_part_of_the_digest),
		cmocka_unit_test(every_character_of_a_pepper_counts),
		cmocka_unit_test(random_hex_is_digits_and_never_the_same),
		cmocka_unit_test(what_is_wiped_is_zero),
		cmocka_unit_test(a_hash_of_parts_is_that_of_the_whole),
		cmocka_unit_test(base64_has_its_padding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
