#include "base/err.h"
#include "tests/support/test.h"
#include "upload/upload.h"

#define PNG  "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
#define WEBP "RIFF\x10\0\0\0WEBPVP8 "

static struct str head(const char *bytes, size_t n)
{
	return str_make(bytes, n);
}

#define HEAD(bytes) head(bytes, sizeof(bytes) - 1)

static void what_a_file_is_stands_in_its_first_bytes(void **state)
{
	(void)state;
	assert_string_equal(upload_sniff(HEAD(PNG)), "image/png");
	assert_string_equal(upload_sniff(HEAD("\xff\xd8\xff\xe0")), "image/jpeg");
	assert_string_equal(upload_sniff(HEAD("GIF89a..")), "image/gif");
	assert_string_equal(upload_sniff(HEAD(WEBP)), "image/webp");
	assert_string_equal(upload_sniff(HEAD("%PDF-1.7")), "application/pdf");
	assert_null(upload_sniff(HEAD("hello")));
	assert_null(upload_sniff(HEAD("")));
	/* Nothing is read beyond what there is, and a part of a sign is none. */
	for (size_t n = 0; n < 8; n++) {
		assert_null(upload_sniff(str_make(PNG, n)));
	}
	for (size_t n = 0; n < 12; n++) {
		assert_null(upload_sniff(str_make(WEBP, n)));
	}
}

static enum err_code type_of(const char *declared, struct str bytes, const char *wanted)
{
	char type[UPLOAD_TYPE_MAX + 1];
	struct err err = { .msg = "" };
	enum err_code code = upload_type(str_of(declared), bytes, type, &err);

	if (code == ERR_OK) {
		assert_string_equal(type, wanted);
	} else {
		assert_string_equal(err.msg, wanted);
	}
	return code;
}

static void what_was_said_and_what_it_is_must_not_differ(void **state)
{
	(void)state;
	assert_int_equal(type_of("image/png", HEAD(PNG), "image/png"), ERR_OK);
	assert_int_equal(type_of("Image/PNG; a=b", HEAD(PNG), "image/png"), ERR_OK);
	assert_int_equal(type_of("", HEAD(PNG), "image/png"), ERR_OK);
	assert_int_equal(type_of("application/octet-stream", HEAD(PNG), "image/png"), ERR_OK);
	assert_int_equal(type_of("", HEAD("words"), "application/octet-stream"), ERR_OK);
	assert_int_equal(type_of("text/plain;charset=utf-8", HEAD("words"), "text/plain"), ERR_OK);
	assert_int_equal(type_of("application/vnd.oasis.opendocument.text", HEAD("PK\x03\x04"),
	                         "application/vnd.oasis.opendocument.text"),
	                 ERR_OK);
	assert_int_equal(type_of("image/jpeg", HEAD(PNG), "the content is not image/jpeg"),
	                 ERR_MEDIA_TYPE);
	assert_int_equal(type_of("image/png", HEAD("<html>"), "the content is not image/png"),
	                 ERR_MEDIA_TYPE);
	assert_int_equal(type_of("text/html", HEAD(PNG), "the content is image/png, not text/html"),
	                 ERR_MEDIA_TYPE);
}

static void what_is_no_media_type_is_refused(void **state)
{
	static const char *const wrong[] = { "png", "image/", "/png",    "image/png/x",
		                             ";",   "a b/c",  "a/b,c/d", "\"a\"/b" };
	char long_one[300], type[UPLOAD_TYPE_MAX + 1];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(upload_type(str_of(wrong[i]), HEAD("x"), type, &err), ERR_INVALID);
	}
	memset(long_one, 'a', sizeof(long_one));
	long_one[5] = '/';
	assert_int_equal(upload_type(str_make(long_one, sizeof(long_one)), HEAD("x"), type, &err),
	                 ERR_INVALID);
	assert_int_equal(upload_type(str_make(long_one, UPLOAD_TYPE_MAX), HEAD("x"), type, &err),
	                 ERR_OK);
}

static void a_name_is_one_part_of_a_path(void **state)
{
	static const char *const wrong[] = { "",     "..",  ".",    ".gitignore", "a/b",
		                             "a\\b", "a\n", "\xff", "\x7f" };
	char long_one[UPLOAD_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_non_null(upload_check_name(str_of(wrong[i])));
	}
	assert_non_null(upload_check_name(str_make("a\0b", 3)));
	assert_null(upload_check_name(STR_LIT("a shot.png")));
	assert_null(upload_check_name(STR_LIT("\xc3\xa4.txt")));
	memset(long_one, 'a', sizeof(long_one));
	assert_null(upload_check_name(str_make(long_one, UPLOAD_NAME_MAX)));
	assert_non_null(upload_check_name(str_make(long_one, UPLOAD_NAME_MAX + 1)));
}

static void only_pictures_that_agents_take_are_pictures(void **state)
{
	(void)state;
	assert_true(upload_is_image(STR_LIT("image/webp")));
	assert_false(upload_is_image(STR_LIT("image/tiff")));
	assert_false(upload_is_image(STR_LIT("image/svg+xml")));
	assert_false(upload_is_image(STR_LIT("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_file_is_stands_in_its_first_bytes),
		cmocka_unit_test(what_was_said_and_what_it_is_must_not_differ),
		cmocka_unit_test(what_is_no_media_type_is_refused),
		cmocka_unit_test(a_name_is_one_part_of_a_path),
		cmocka_unit_test(only_pictures_that_agents_take_are_pictures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
