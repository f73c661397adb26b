#include "cred/base64url.h"

#include <stdint.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void encode(struct str bytes, const char *alphabet, struct buf *out)
{
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t have = bytes.n - i < 3 ? bytes.n - i : 3;
		uint32_t group = 0;
		char four[4];

		for (size_t k = 0; k < 3; k++) {
			group = group << 8 | (k < have ? (unsigned char)bytes.p[i + k] : 0);
		}
		for (size_t k = 0; k < 4; k++) {
			four[k] = alphabet[group >> (18 - 6 * k) & 63];
		}
		buf_add(out, four, have + 1);
	}
}

void cred_base64url_encode(struct str bytes, struct buf *out)
{
	encode(bytes, LETTERS "-_", out);
}

void cred_base64_encode(struct str bytes, struct buf *out)
{
	encode(bytes, LETTERS "+/", out);
	for (size_t n = bytes.n; n % 3 != 0; n++) {
		buf_add_char(out, '=');
	}
}

static bool value_of(char c, uint32_t *ret)
{
	if (c >= 'A' && c <= 'Z') {
		*ret = (uint32_t)(c - 'A');
	} else if (c >= 'a' && c <= 'z') {
		*ret = (uint32_t)(c - 'a') + 26;
	} else if (c >= '0' && c <= '9') {
		*ret = (uint32_t)(c - '0') + 52;
	} else if (c == '-' || c == '_') {
		*ret = c == '-' ? 62 : 63;
	} else {
		return false;
	}
	return true;
}

bool cred_base64url_decode(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i += 4) {
		size_t have = text.n - i < 4 ? text.n - i : 4;
		uint32_t group = 0, value = 0;
		unsigned char three[3];

		for (size_t k = 0; k < 4; k++) {
			if (k < have && !value_of(text.p[i + k], &value)) {
				return false;
			}
			group = group << 6 | (k < have ? value : 0);
		}
		/* One character is no byte; two or three leave 4 or 2 bits that say nothing. */
		if (have == 1 || (have == 2 && (group & 0xffff) != 0) ||
		    (have == 3 && (group & 0xff) != 0)) {
			return false;
		}
		three[0] = (unsigned char)(group >> 16);
		three[1] = (unsigned char)(group >> 8 & 0xff);
		three[2] = (unsigned char)(group & 0xff);
		buf_add(out, three, have - 1);
	}
	return !buf_failed(out);
}
