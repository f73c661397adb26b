#include "tests/support/test.h"
#include "ws/handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

enum { FIELDS_MAX = 12 };

static const struct http_header plain[] = {
	{ STR_LIT("Host"), STR_LIT("server.example.com") },
	{ STR_LIT("Upgrade"), STR_LIT("websocket") },
	{ STR_LIT("Connection"), STR_LIT("keep-alive, Upgrade") },
	{ STR_LIT("Sec-WebSocket-Key"), STR_LIT(KEY) },
	{ STR_LIT("Sec-WebSocket-Version"), STR_LIT("13") },
};

static const char *const protocols[] = { "fairlead.v2", "fairlead.v1", NULL };

static const struct ws_policy policy = {
	.protocols = protocols,
	.deflate = { .enabled = true, .server_bits = 15, .client_bits = 15 },
};

/* The plain request with a field of that name changed (value NULL: left out), or added. */
static struct ws_handshake answer_to(const char *name, const char *value)
{
	struct http_header headers[FIELDS_MAX];
	struct http_request req = { .method = HTTP_GET, .headers = headers };
	struct ws_handshake ret;
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		headers[req.header_count] = plain[i];
		if (str_eq_nocase(plain[i].name, str_of(name))) {
			found = true;
			headers[req.header_count].value = str_of(value);
			if (value == NULL) {
				continue;
			}
		}
		req.header_count++;
	}
	if (!found && value != NULL) {
		headers[req.header_count++] = (struct http_header){ str_of(name), str_of(value) };
	}
	ws_handshake(&req, &policy, &ret);
	return ret;
}

static struct ws_handshake answer_twice(const char *name, const char *first, const char *second)
{
	struct http_header headers[FIELDS_MAX];
	struct http_request req = { .method = HTTP_GET, .headers = headers };
	struct ws_handshake ret;

	memcpy(headers, plain, sizeof(plain));
	req.header_count = ARRAY_LEN(plain);
	headers[req.header_count++] = (struct http_header){ str_of(name), str_of(first) };
	headers[req.header_count++] = (struct http_header){ str_of(name), str_of(second) };
	ws_handshake(&req, &policy, &ret);
	return ret;
}

static void assert_status(const char *name, const char *value, int status)
{
	struct ws_handshake ret = answer_to(name, value);

	print_message("%s: %s\n", name, value != NULL ? value : "(none)");
	assert_int_equal(ret.status, status);
	assert_true((ret.reason == NULL) == (status == 101));
}

static void rfc_3174_section_7_3_digests(void **state)
{
	unsigned char out[WS_SHA1_SIZE];
	struct buf text;

	(void)state;
	buf_init(&text, SIZE_MAX / 2);
	ws_sha1(STR_LIT("abc"), out);
	assert_memory_equal(out,
	                    "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c"
	                    "\xd0\xd8\x9d",
	                    WS_SHA1_SIZE);
	ws_sha1(STR_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
	assert_memory_equal(out,
	                    "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5\xe5"
	                    "\x46\x70\xf1",
	                    WS_SHA1_SIZE);
	for (unsigned i = 0; i < 1000000; i++) {
		buf_add_char(&text, 'a');
	}
	ws_sha1(buf_str(&text), out);
	assert_memory_equal(out,
	                    "\x34\xaa\x97\x3c\xd4\xc4\xda\xa4\xf6\x1e\xeb\x2b\xdb\xad\x27\x31\x65"
	                    "\x34\x01\x6f",
	                    WS_SHA1_SIZE);
	buf_reset(&text);
	for (unsigned i = 0; i < 80; i++) {
		buf_add_cstr(&text, "01234567");
	}
	ws_sha1(buf_str(&text), out);
	assert_memory_equal(out,
	                    "\xde\xa3\x56\xa2\xcd\xdd\x90\xc7\xa7\xec\xed\xc5\xeb\xb5\x63\x93\x4f"
	                    "\x46\x04\x52",
	                    WS_SHA1_SIZE);
	ws_sha1(STR_LIT(""), out);
	assert_memory_equal(out,
	                    "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf"
	                    "\xd8\x07\x09",
	                    WS_SHA1_SIZE);
	buf_fini(&text);
}

static void section_1_3_the_example_is_accepted(void **state)
{
	struct ws_handshake ret = answer_to("X-Other", "y");

	(void)state;
	assert_int_equal(ret.status, 101);
	assert_string_equal(ret.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_null(ret.protocol);
	assert_false(ret.deflate.enabled);
	assert_string_equal(ret.deflate.reply, "");
}

static void section_4_1_only_get_upgrades(void **state)
{
	struct http_request req = { .headers = plain, .header_count = ARRAY_LEN(plain) };
	struct ws_handshake ret;

	(void)state;
	for (enum http_method m = HTTP_GET; m < HTTP_METHOD_COUNT; m++) {
		req.method = m;
		ws_handshake(&req, &policy, &ret);
		assert_int_equal(ret.status, m == HTTP_GET ? 101 : 405);
	}
}

static void section_4_2_1_the_upgrade_is_asked_for_by_both_fields(void **state)
{
	(void)state;
	assert_status("Upgrade", NULL, 426);
	assert_status("Upgrade", "h2c", 426);
	assert_status("Upgrade", "websocket/13", 426);
	assert_status("Upgrade", "h2c, WebSocket", 101);
	assert_status("Connection", NULL, 426);
	assert_status("Connection", "keep-alive", 426);
	assert_status("Connection", "upgraded", 426);
	assert_status("Connection", "UPGRADE", 101);
	assert_status("Host", NULL, 400);
	assert_status("Host", "", 400);
}

static void section_4_4_only_version_13_is_spoken(void **state)
{
	(void)state;
	assert_status("Sec-WebSocket-Version", "8", 426);
	assert_status("Sec-WebSocket-Version", "0", 426);
	assert_status("Sec-WebSocket-Version", "255", 426);
	assert_status("Sec-WebSocket-Version", NULL, 400);
	assert_status("Sec-WebSocket-Version", "", 400);
	assert_status("Sec-WebSocket-Version", "013", 400);
	assert_status("Sec-WebSocket-Version", "256", 400);
	assert_status("Sec-WebSocket-Version", "13, 8", 400);
	assert_status("Sec-WebSocket-Version", "x", 400);
	assert_int_equal(answer_twice("Sec-WebSocket-Version", "13", "13").status, 400);
}

static void section_4_2_1_the_key_is_16_bytes_in_base64(void **state)
{
	(void)state;
	assert_status("Sec-WebSocket-Key", NULL, 400);
	assert_status("Sec-WebSocket-Key", "", 400);
	assert_status("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=", 400);
	assert_status("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ===", 400);
	assert_status("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQAA", 400);
	assert_status("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ===", 400);
	assert_status("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j-Q==", 400);
	assert_status("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j Q==", 400);
	assert_status("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC==", 101); /* section 4.1 */
	assert_int_equal(answer_twice("Sec-WebSocket-Key", KEY, KEY).status, 400);
}

static void section_4_2_2_the_clients_first_choice_of_ours_is_taken(void **state)
{
	struct ws_handshake ret = answer_to("Sec-WebSocket-Protocol", "x, fairlead.v1,fairlead.v2");
	struct buf many;

	(void)state;
	assert_ptr_equal(ret.protocol, protocols[1]);
	ret = answer_twice("Sec-WebSocket-Protocol", "bearer.token", "fairlead.v2");
	assert_ptr_equal(ret.protocol, protocols[0]);
	ret = answer_to("Sec-WebSocket-Protocol", "Fairlead.v1");
	assert_int_equal(ret.status, 101);
	assert_null(ret.protocol);
	assert_status("Sec-WebSocket-Protocol", "a b", 400);
	assert_status("Sec-WebSocket-Protocol", "a/b", 400);
	assert_status("Sec-WebSocket-Protocol", "a,b,a", 400);
	assert_int_equal(answer_twice("Sec-WebSocket-Protocol", "a", "a").status, 400);
	buf_init(&many, SIZE_MAX / 2);
	for (unsigned i = 0; i < WS_PROTOCOLS_MAX; i++) {
		buf_addf(&many, "p%u,", i);
	}
	assert_status("Sec-WebSocket-Protocol", buf_cstr(&many), 101);
	buf_add_cstr(&many, "more");
	assert_status("Sec-WebSocket-Protocol", buf_cstr(&many), 400);
	buf_fini(&many);
}

static void section_9_1_malformed_extensions_fail_the_handshake(void **state)
{
	static const char *const bad[] = {
		";",
		"a b",
		"a;",
		"a;;b",
		"a; b c",
		"a; b=",
		"a; b=c=d",
		"a; b=\"",
		"a; b=\"\"",
		"a; b=\"c d\"",
		"a; b=\"c",
		"a; b=c\"",
		"a; b=\"c\\\"",
		"a; b=\"c,d\"",
		"a; b=\"c\\;\"",
		"a; =b",
		"permessage-deflate, a; b=\x01",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_status("Sec-WebSocket-Extensions", bad[i], 400);
	}
	assert_status("Sec-WebSocket-Extensions", "a; b=\"c\", d;e;f=1 , g ; h = \"i\\j\"", 101);
}

struct offer {
	const char *value;
	const char *reply; /* "": declined */
	unsigned server_bits, client_bits;
};

#define PMD "permessage-deflate"

static void assert_offers(const struct offer *offers, size_t count,
                          const struct ws_deflate_policy *ours)
{
	for (size_t i = 0; i < count; i++) {
		struct ws_deflate_terms terms = { .enabled = false };

		print_message("%s\n", offers[i].value);
		assert_true(ws_extension_offer(str_of(offers[i].value), ours, &terms));
		assert_string_equal(terms.reply, offers[i].reply);
		assert_int_equal(terms.enabled, offers[i].reply[0] != '\0');
		assert_int_equal(terms.server_bits, offers[i].server_bits);
		assert_int_equal(terms.client_bits, offers[i].client_bits);
	}
}

static void rfc_7692_section_7_1_offers_are_honoured_or_declined(void **state)
{
	static const struct offer offers[] = {
		{ PMD, PMD, 15, 15 },
		{ PMD "; client_max_window_bits", PMD, 15, 15 },
		{ PMD "; client_max_window_bits=10", PMD "; client_max_window_bits=10", 15, 10 },
		{ PMD "; client_max_window_bits=\"10\"", PMD "; client_max_window_bits=10", 15,
		  10 },
		{ PMD "; client_max_window_bits=8", PMD "; client_max_window_bits=8", 15, 9 },
		{ PMD "; server_max_window_bits=10", PMD "; server_max_window_bits=10", 10, 15 },
		{ PMD "; server_max_window_bits=15", PMD, 15, 15 },
		{ PMD "; server_no_context_takeover", PMD "; server_no_context_takeover", 15, 15 },
		{ PMD "; client_no_context_takeover", PMD "; client_no_context_takeover", 15, 15 },
		/* what cannot be kept, is unknown, wrong or said twice */
		{ PMD "; server_max_window_bits=8", "", 0, 0 },
		{ PMD "; server_max_window_bits=7", "", 0, 0 },
		{ PMD "; server_max_window_bits=16", "", 0, 0 },
		{ PMD "; server_max_window_bits=010", "", 0, 0 },
		{ PMD "; server_max_window_bits=09", "", 0, 0 },
		{ PMD "; client_max_window_bits=09", "", 0, 0 },
		{ PMD "; server_max_window_bits=100", "", 0, 0 },
		{ PMD "; server_max_window_bits=x", "", 0, 0 },
		{ PMD "; server_max_window_bits", "", 0, 0 },
		{ PMD "; client_max_window_bits=16", "", 0, 0 },
		{ PMD "; client_max_window_bits=1", "", 0, 0 },
		{ PMD "; server_no_context_takeover=1", "", 0, 0 },
		{ PMD "; client_no_context_takeover=x", "", 0, 0 },
		{ PMD "; client_max_window_bits; client_max_window_bits", "", 0, 0 },
		{ PMD "; surprise", "", 0, 0 },
		{ "x-webkit-deflate-frame", "", 0, 0 },
		{ "", "", 0, 0 },
		/* the first that can be kept, RFC 7692 section 5.1 */
		{ "bzip2, " PMD "; server_max_window_bits=8, " PMD
		  "; server_max_window_bits=12, " PMD,
		  PMD "; server_max_window_bits=12", 12, 15 },
	};

	(void)state;
	assert_offers(offers, ARRAY_LEN(offers), &policy.deflate);
}

static void rfc_7692_section_7_1_our_policy_narrows_the_offer(void **state)
{
	static const struct ws_deflate_policy ours = {
		.enabled = true, .server_bits = 13, .client_bits = 11, .client_no_takeover = true
	};
	static const struct ws_deflate_policy none = { .enabled = false };
	static const struct offer offers[] = {
		{ PMD, PMD "; client_no_context_takeover; server_max_window_bits=13", 13, 15 },
		{ PMD "; client_max_window_bits",
		  PMD "; client_no_context_takeover; server_max_window_bits=13; "
		      "client_max_window_bits=11",
		  13, 11 },
		{ PMD "; client_max_window_bits=10; server_max_window_bits=9",
		  PMD "; client_no_context_takeover; server_max_window_bits=9; "
		      "client_max_window_bits=10",
		  9, 10 },
	};
	static const struct offer declined[] = { { PMD, "", 0, 0 } };

	(void)state;
	assert_offers(offers, ARRAY_LEN(offers), &ours);
	assert_offers(declined, ARRAY_LEN(declined), &none);
}

static void offers_in_several_fields_are_one_list(void **state)
{
	struct ws_handshake ret =
		answer_twice("Sec-WebSocket-Extensions", PMD "; server_max_window_bits=11", PMD);

	(void)state;
	assert_int_equal(ret.status, 101);
	assert_string_equal(ret.deflate.reply, PMD "; server_max_window_bits=11");
	assert_int_equal(answer_twice("Sec-WebSocket-Extensions", PMD, "a;").status, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_3174_section_7_3_digests),
		cmocka_unit_test(section_1_3_the_example_is_accepted),
		cmocka_unit_test(section_4_1_only_get_upgrades),
		cmocka_unit_test(section_4_2_1_the_upgrade_is_asked_for_by_both_fields),
		cmocka_unit_test(section_4_4_only_version_13_is_spoken),
		cmocka_unit_test(section_4_2_1_the_key_is_16_bytes_in_base64),
		cmocka_unit_test(section_4_2_2_the_clients_first_choice_of_ours_is_taken),
		cmocka_unit_test(section_9_1_malformed_extensions_fail_the_handshake),
		cmocka_unit_test(rfc_7692_section_7_1_offers_are_honoured_or_declined),
		cmocka_unit_test(rfc_7692_section_7_1_our_policy_narrows_the_offer),
		cmocka_unit_test(offers_in_several_fields_are_one_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
