/* Any bytes as what proxies say: what is read lies inside of what was given, and what a client
 * wrote on the left of a proxy's words never changes those. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/forwarded.h"

enum { LIMIT = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct str part, struct str whole)
{
	return part.p == NULL || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void walk(bool (*last)(struct str *, struct http_hop *), struct str whole)
{
	struct str rest = whole;
	struct http_hop hop;

	while (rest.p != NULL) {
		size_t before = rest.n;

		if (!last(&rest, &hop)) {
			return;
		}
		assert(is_within(hop.address, whole) && is_within(hop.proto, whole));
		assert(rest.p == NULL || rest.n < before);
	}
}

static void behind(struct str whole)
{
	struct http_hop hop;
	struct str rest;
	struct buf buf;

	buf_init(&buf, LIMIT);
	buf_add_str(&buf, whole);
	buf_add_cstr(&buf, ", for=\"[2001:db8::1]:80\";proto=https");
	rest = buf_str(&buf);
	assert(http_forwarded_last(&rest, &hop));
	assert(str_eq(hop.address, STR_LIT("2001:db8::1")) && str_eq(hop.proto, STR_LIT("https")));
	buf_reset(&buf);
	buf_add_str(&buf, whole);
	buf_add_cstr(&buf, ", 192.0.2.1");
	rest = buf_str(&buf);
	assert(http_x_forwarded_last(&rest, &hop));
	assert(str_eq(hop.address, STR_LIT("192.0.2.1")));
	buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = str_make((const char *)data, size);

	if (size == 0 || size > LIMIT / 2) {
		return 0;
	}
	walk(http_forwarded_last, whole);
	walk(http_x_forwarded_last, whole);
	behind(whole);
	return 0;
}
