#include "worker/redact_pattern.h"

#include <string.h>

#include "base/attr.h"

enum {
	ANY = UINT32_MAX,
	BEARER_MIN = 20,
	USER_MAX = 64,
	PASSWORD_MAX = 256,
	HEADER_MAX = 2048, /* of a JSON web token */
	ARMOR_MAX = 64 * 1024,
	LABEL_MAX = 40,
};

static bool is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_one_of(unsigned char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool is_blank(unsigned char c)
{
	return is_one_of(c, " \t\r\n\v\f");
}

bool redact_in(enum redact_set set, unsigned char c)
{
	switch (set) {
	case REDACT_TOKEN: return is_letter(c) || is_digit(c) || c == '_' || c == '-';
	case REDACT_CAPS: return (c >= 'A' && c <= 'Z') || is_digit(c);
	case REDACT_BEARER: return is_letter(c) || is_digit(c) || is_one_of(c, "._-~/+=");
	case REDACT_BLANK: return is_blank(c);
	case REDACT_QUOTE: return is_one_of(c, "\"'\\");
	case REDACT_WORD: return c > ' ' && !is_one_of(c, "\"'\\`");
	case REDACT_USER: return c > ' ' && !is_one_of(c, "/@:\"'<>\\`");
	case REDACT_PASSWORD: return c > ' ' && !is_one_of(c, "/@\"'<>\\`");
	case REDACT_ARMOR:
		return is_letter(c) || is_digit(c) || is_blank(c) || is_one_of(c, "+/=:,-\\");
	case REDACT_LABEL: return (c >= 'A' && c <= 'Z') || c == ' ';
	case REDACT_SET_COUNT: break;
	}
	return false;
}

#define SET(s, least)                                                                              \
	{                                                                                          \
		.kind = REDACT_SET, .set = (s), .min = (least), .max = ANY, .sure = true           \
	}
#define PART(s, least, most)                                                                       \
	{                                                                                          \
		.kind = REDACT_SET, .set = (s), .min = (least), .max = (most)                      \
	}
#define TEXT(t)                                                                                    \
	{                                                                                          \
		.kind = REDACT_TEXT, .text = (t)                                                   \
	}

#define TOKEN(l, s, least)                                                                         \
	{                                                                                          \
		.literal = (l), .from = REDACT_FROM_BEGIN, .pieces = { SET(s, least) }             \
	}
#define ASSIGNED(l)                                                                                \
	{                                                                                          \
		.literal = (l), .from = 1, .pieces = {                                             \
			PART(REDACT_QUOTE, 0, 4),                                                  \
			SET(REDACT_WORD, 1)                                                        \
		}                                                                                  \
	}
#define BEARER(l)                                                                                  \
	{                                                                                          \
		.literal = (l), .from = 1, .pieces = {                                             \
			PART(REDACT_BLANK, 1, 16),                                                 \
			SET(REDACT_BEARER, BEARER_MIN)                                             \
		}                                                                                  \
	}
/* RFC 7468: what follows the label is the key, up to the line that ends it. */
#define ARMOR(label)                                                                               \
	{                                                                                          \
		.literal = "-----BEGIN " label "-----", .from = REDACT_FROM_BEGIN, .pieces = {     \
			{ .kind = REDACT_DASHES,                                                   \
			  .set = REDACT_ARMOR,                                                     \
			  .max = ARMOR_MAX,                                                        \
			  .sure = true },                                                          \
			TEXT("END "),                                                              \
			PART(REDACT_LABEL, 1, LABEL_MAX),                                          \
			TEXT("-----")                                                              \
		}                                                                                  \
	}

const struct redact_pattern redact_patterns[] = {
	TOKEN("sk-ant-", REDACT_TOKEN, 1),
	{ .literal = "sk-",
	  .from = REDACT_FROM_BEGIN,
	  .alone = true,
	  .pieces = { SET(REDACT_TOKEN, 20) } },
	TOKEN("ghp_", REDACT_TOKEN, 36),
	TOKEN("gho_", REDACT_TOKEN, 36),
	TOKEN("ghu_", REDACT_TOKEN, 36),
	TOKEN("ghs_", REDACT_TOKEN, 36),
	TOKEN("ghr_", REDACT_TOKEN, 36),
	TOKEN("github_pat_", REDACT_TOKEN, 22),
	TOKEN("glpat-", REDACT_TOKEN, 20),
	TOKEN("npm_", REDACT_TOKEN, 36),
	TOKEN("xoxb-", REDACT_TOKEN, 8),
	TOKEN("xoxp-", REDACT_TOKEN, 8),
	TOKEN("xoxa-", REDACT_TOKEN, 8),
	TOKEN("xoxr-", REDACT_TOKEN, 8),
	TOKEN("xoxs-", REDACT_TOKEN, 8),
	TOKEN("AKIA", REDACT_CAPS, 16),
	TOKEN("ASIA", REDACT_CAPS, 16),
	TOKEN("AIza", REDACT_TOKEN, 35),
	BEARER("Bearer"),
	BEARER("bearer"),
	BEARER("BEARER"),
	ASSIGNED("_API_KEY="),
	ASSIGNED("_SECRET_ACCESS_KEY="),
	ASSIGNED("_ACCESS_TOKEN="),
	ASSIGNED("_AUTH_TOKEN="),
	ASSIGNED("PGPASSWORD="),
	/* RFC 7519: {"...} . {"...} . signature */
	{ .literal = "eyJ",
	  .from = REDACT_FROM_BEGIN,
	  .pieces = { PART(REDACT_TOKEN, 8, HEADER_MAX), TEXT("."), SET(REDACT_TOKEN, 8), TEXT("."),
	              SET(REDACT_TOKEN, 0) } },
	/* RFC 3986 section 3.2.1 */
	{ .literal = "://",
	  .from = 2,
	  .up_to = true,
	  .pieces = { PART(REDACT_USER, 0, USER_MAX),
	              TEXT(":"),
	              PART(REDACT_PASSWORD, 1, PASSWORD_MAX),
	              { .kind = REDACT_TEXT, .text = "@", .sure = true } } },
	ARMOR("PRIVATE KEY"),
	ARMOR("ENCRYPTED PRIVATE KEY"),
	ARMOR("RSA PRIVATE KEY"),
	ARMOR("EC PRIVATE KEY"),
	ARMOR("DSA PRIVATE KEY"),
	ARMOR("OPENSSH PRIVATE KEY"),
	ARMOR("PGP PRIVATE KEY BLOCK"),
};

const size_t redact_pattern_count = ARRAY_LEN(redact_patterns);
