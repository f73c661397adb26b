#include <arpa/inet.h>
#include <string.h>

#include "base/id.h"
#include "cred/digest.h"
#include "rate/rate.h"

enum { HEX_SIZE = 2 * CRED_DIGEST_SIZE + 1, NET_BYTES = 8, NAME_LEN = 32 };

static bool is_local(const struct in6_addr *address, bool is_v4)
{
	return is_v4 ? address->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(address) != 0;
}

/* ::ffff:a.b.c.d and a.b.c.d are one. */
static bool parse_address(struct str text, struct in6_addr *ret, bool *ret_v4)
{
	char copy[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (!str_copy(copy, sizeof(copy), text)) {
		return false;
	}
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		memset(ret, 0, sizeof(*ret));
		memcpy(&ret->s6_addr[12], &v4, sizeof(v4));
		*ret_v4 = true;
		return true;
	}
	if (inet_pton(AF_INET6, copy, ret) != 1) {
		return false;
	}
	*ret_v4 = IN6_IS_ADDR_V4MAPPED(ret) != 0;
	return true;
}

/* This is done for each request: printf was more than half of what limits cost. */
struct pen {
	char *at, *end;
};

static void put(struct pen *pen, struct str s)
{
	size_t n = s.n < (size_t)(pen->end - pen->at) ? s.n : (size_t)(pen->end - pen->at);

	if (n > 0) {
		memcpy(pen->at, s.p, n);
	}
	pen->at += n;
	*pen->at = '\0';
}

static void put_cstr(struct pen *pen, const char *s)
{
	put(pen, str_of(s));
}

static bool name_address(struct str text, const char *what, struct pen *pen)
{
	static const char digits[] = "0123456789abcdef";
	struct in6_addr address;
	const uint8_t *bytes;
	bool is_v4;
	size_t n;

	if (!parse_address(text, &address, &is_v4) || is_local(&address, is_v4)) {
		return false;
	}
	bytes = is_v4 ? &address.s6_addr[12] : address.s6_addr;
	n = is_v4 ? sizeof(struct in_addr) : NET_BYTES;
	put_cstr(pen, "{r:a");
	for (size_t i = 0; i < n; i++) {
		const char hex[] = { digits[bytes[i] >> 4], digits[bytes[i] & 15] };

		put(pen, str_make(hex, sizeof(hex)));
	}
	put_cstr(pen, "}:");
	put_cstr(pen, what);
	return true;
}

/* An id as it is; what people wrote by its digest. */
static void name_of(struct str text, char out[HEX_SIZE])
{
	struct cred_digest digest;
	struct id id;

	if (id_parse(text, &id)) {
		(void)str_copy(out, HEX_SIZE, str_of(id.s));
		return;
	}
	digest = cred_digest(&text, 1, NULL);
	cred_digest_hex(&digest, out);
	out[NAME_LEN] = '\0';
}

bool rate_name(const struct rate_subject *subject, enum rate_class which, char out[RATE_NAME_SIZE])
{
	const char *what = rate_class_name(which);
	struct pen pen = { out, out + RATE_NAME_SIZE - 1 };
	char name[HEX_SIZE];

	if (subject->kind == RATE_ADDRESS) {
		return name_address(subject->name, what, &pen);
	}
	put_cstr(&pen, "{r:");
	put(&pen, subject->tenant);
	if (subject->kind == RATE_TENANT) {
		put_cstr(&pen, "}:t:");
	} else {
		name_of(subject->name, name);
		put_cstr(&pen, subject->kind == RATE_KEY ? "}:k:" : "}:u:");
		put_cstr(&pen, name);
		put_cstr(&pen, ":");
	}
	put_cstr(&pen, what);
	return true;
}
