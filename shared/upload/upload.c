#include "upload/upload.h"

#include <ctype.h>
#include <string.h>

static const char octets[] = "application/octet-stream";

/* at: where the bytes stand. wraps: other kinds are files of this one, and go by their own name. */
static const struct kind {
	const char *type;
	struct str magic;
	size_t at;
	bool image, wraps;
} kinds[] = {
	{ "image/png", STR_LIT("\x89PNG\r\n\x1a\n"), 0, true, false },
	{ "image/jpeg", STR_LIT("\xff\xd8\xff"), 0, true, false },
	{ "image/gif", STR_LIT("GIF87a"), 0, true, false },
	{ "image/gif", STR_LIT("GIF89a"), 0, true, false },
	{ "image/webp", STR_LIT("WEBP"), 8, true, false },
	{ "image/bmp", STR_LIT("BM"), 0, false, true },
	{ "image/tiff", STR_LIT("II*\0"), 0, false, true },
	{ "image/tiff", STR_LIT("MM\0*"), 0, false, true },
	{ "audio/wav", STR_LIT("WAVE"), 8, false, true },
	{ "audio/ogg", STR_LIT("OggS"), 0, false, true },
	{ "application/pdf", STR_LIT("%PDF-"), 0, false, false },
	{ "application/zip", STR_LIT("PK\x03\x04"), 0, false, true },
	{ "application/gzip", STR_LIT("\x1f\x8b"), 0, false, true },
	{ "application/zstd", STR_LIT("\x28\xb5\x2f\xfd"), 0, false, true },
	{ "application/x-xz",
	  STR_LIT("\xfd"
	          "7zXZ\0"),
	  0, false, true },
	{ "application/x-bzip2", STR_LIT("BZh"), 0, false, true },
	{ "application/x-executable",
	  STR_LIT("\x7f"
	          "ELF"),
	  0, false, true },
};

static const struct kind *kind_of(struct str head)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *kind = &kinds[i];

		if (head.n >= kind->at + kind->magic.n &&
		    memcmp(head.p + kind->at, kind->magic.p, kind->magic.n) == 0) {
			return kind;
		}
	}
	return NULL;
}

static const struct kind *kind_named(struct str type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(type, str_of(kinds[i].type))) {
			return &kinds[i];
		}
	}
	return NULL;
}

const char *upload_sniff(struct str head)
{
	const struct kind *kind = kind_of(head);

	return kind != NULL ? kind->type : NULL;
}

bool upload_is_image(struct str media_type)
{
	const struct kind *kind = kind_named(media_type);

	return kind != NULL && kind->image;
}

const char *upload_check_name(struct str name)
{
	if (name.n < 1 || name.n > UPLOAD_NAME_MAX) {
		return "must have 1 to 255 bytes";
	}
	if (!str_is_utf8(name)) {
		return "must be UTF-8";
	}
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c < ' ' || c == 0x7f || c == '/' || c == '\\') {
			return "must have no slashes and no control characters";
		}
	}
	return name.p[0] == '.' ? "must not begin with a dot" : NULL;
}

/* RFC 9110 section 5.6.2, as far as media types are registered (RFC 6838 section 4.2). */
static bool is_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!isalnum((unsigned char)s.p[i]) && strchr("!#$&-^_.+", s.p[i]) == NULL) {
			return false;
		}
	}
	return s.n > 0;
}

/* Lower-case, without parameters. False: it is none. */
static bool take_type(struct str declared, char out[UPLOAD_TYPE_MAX + 1])
{
	struct str type = str_trim(str_split(&declared, ';')), rest = type;
	struct str first = str_split(&rest, '/');

	if (memchr(type.p, '\0', type.n) != NULL || !is_word(first) || rest.p == NULL ||
	    !is_word(rest) || !str_copy(out, UPLOAD_TYPE_MAX + 1, type)) {
		return false;
	}
	for (char *c = out; *c != '\0'; c++) {
		*c = (char)tolower((unsigned char)*c);
	}
	return true;
}

enum err_code upload_type(struct str declared, struct str head, char out[UPLOAD_TYPE_MAX + 1],
                          struct err *err)
{
	const struct kind *is = kind_of(head), *said;
	bool wrapped;

	(void)str_copy(out, UPLOAD_TYPE_MAX + 1, STR_LIT("application/octet-stream"));
	if (declared.n > 0 && !take_type(declared, out)) {
		return err_set(err, ERR_INVALID, "Content-Type has to be a media type");
	}
	said = kind_named(str_of(out));
	if (said != NULL && (is == NULL || strcmp(said->type, is->type) != 0)) {
		return err_set(err, ERR_MEDIA_TYPE, "the content is not %s", out);
	}
	if (is == NULL || said != NULL) {
		return ERR_OK;
	}
	wrapped = is->wraps && strcmp(out, octets) != 0;
	if (!wrapped && strcmp(out, octets) != 0) {
		return err_set(err, ERR_MEDIA_TYPE, "the content is %s, not %s", is->type, out);
	}
	if (!wrapped) {
		(void)str_copy(out, UPLOAD_TYPE_MAX + 1, str_of(is->type));
	}
	return ERR_OK;
}
