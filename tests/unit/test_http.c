/* What handlers ask of a request, and which route a path finds. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/peer.h"
#include "http/proxy.h"
#include "http/route.h"
#include "http/uri.h"
#include "tests/support/test.h"

static struct http_request request_with(const struct http_header *headers, size_t count)
{
	return (struct http_request){ .headers = headers, .header_count = count };
}

static void the_closest_range_decides_what_is_accepted(void **state)
{
	static const char *const offers[] = { "application/json", "text/event-stream", NULL };
	static const struct {
		const char *accept, *best;
	} cases[] = {
		{ "application/json", "application/json" },
		{ "text/event-stream", "text/event-stream" },
		{ "Text/Event-Stream;q=0.1", "text/event-stream" },
		{ "*/*", "application/json" },
		{ "text/*", "text/event-stream" },
		{ "text/*;q=0.5, */*;q=0.4", "text/event-stream" },
		{ "application/json;q=0.2, text/event-stream;q=0.3", "text/event-stream" },
		{ "*/*, application/json;q=0", "text/event-stream" },
		{ "text/html", NULL },
		{ "application/json;q=0", NULL },
		{ "application/json;q=x", NULL },
		{ "application/json;q=1.5", NULL },
		{ "application/json;q=0.001", "application/json" },
		{ "application/json ; Q=0.5 , text/event-stream ; q=0.4", "application/json" },
		{ ",, ,text/event-stream,", "text/event-stream" },
		{ "*", NULL },
	};
	struct http_request none = request_with(NULL, 0);

	(void)state;
	assert_true(http_accepts(&none, "text/plain"));
	assert_string_equal(http_negotiate(&none, offers), "application/json");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_header header = { STR_LIT("accept"), str_of(cases[i].accept) };
		struct http_request req = request_with(&header, 1);
		const char *best = http_negotiate(&req, offers);

		if ((best == NULL) != (cases[i].best == NULL) ||
		    (best != NULL && strcmp(best, cases[i].best) != 0)) {
			fail_msg("%s gave %s", cases[i].accept, best != NULL ? best : "nothing");
		}
	}
}

static void query_parameters_are_found_and_decoded(void **state)
{
	struct http_request req = { .arena = arena_new(),
		                    .query = STR_LIT("a=1&&b=x%20y+z&c&d=&%61b=2&a=3") };
	struct str name, value;
	size_t count = 0;

	(void)state;
	assert_true(http_query(&req, "a", &value) && str_eq(value, STR_LIT("1")));
	assert_true(http_query(&req, "b", &value) && str_eq(value, STR_LIT("x y z")));
	assert_true(http_query(&req, "c", &value) && value.n == 0);
	assert_true(http_query(&req, "d", &value) && value.n == 0);
	assert_true(http_query(&req, "ab", &value) && str_eq(value, STR_LIT("2")));
	assert_false(http_query(&req, "e", &value));
	while (http_query_at(&req, count, &name, &value)) {
		count++;
	}
	assert_int_equal(count, 6);
	arena_free(req.arena);
}

static void escapes_are_decoded_or_refused(void **state)
{
	struct arena *arena = arena_new();
	struct str out;

	(void)state;
	assert_true(http_uri_decode(arena, STR_LIT("a%2Fb+c"), HTTP_URI_SEGMENT, &out));
	assert_true(str_eq(out, STR_LIT("a/b+c")));
	assert_false(http_uri_decode(arena, STR_LIT("%00"), HTTP_URI_SEGMENT, &out));
	assert_false(http_uri_decode(arena, STR_LIT("a%4"), HTTP_URI_SEGMENT, &out));
	assert_false(http_uri_decode(arena, STR_LIT("%"), HTTP_URI_QUERY, &out));
	assert_false(http_uri_decode(arena, STR_LIT("%g0"), HTTP_URI_QUERY, &out));
	assert_true(http_uri_is_dots(STR_LIT("..")));
	assert_true(http_uri_is_dots(STR_LIT(".%2e")));
	assert_false(http_uri_is_dots(STR_LIT("...")));
	assert_false(http_uri_is_dots(STR_LIT("")));
	assert_false(http_uri_is_dots(STR_LIT(".a")));
	arena_free(arena);
}

static void handler(struct http_request *req, struct http_reply *reply)
{
	(void)req;
	(void)reply;
}

static const struct http_route table[] = {
	{ .method = HTTP_GET, .pattern = "/", .handler = handler },
	{ .method = HTTP_GET, .pattern = "/a/{x}/c", .handler = handler },
	{ .method = HTTP_GET, .pattern = "/a/b/d", .handler = handler },
	{ .method = HTTP_GET, .pattern = "/a/b", .handler = handler },
	{ .method = HTTP_POST, .pattern = "/a/{x}", .handler = handler },
	{ .method = HTTP_DELETE, .pattern = "/a/{id}", .handler = handler },
	{ .method = HTTP_GET, .pattern = "/{x}/{y}/{z}/{w}", .handler = handler },
};

static const struct {
	const char *path;
	int row; /* -1: none */
	size_t params;
} places[] = {
	{ "/", 0, 0 },           { "/a/q/c", 1, 1 },   { "/a/b/c", 1, 1 },   { "/a/b/d", 2, 0 },
	{ "/a/b", 3, 0 },        { "/a/z", 4, 1 },     { "/a/", -1, 0 },     { "/a", -1, 0 },
	{ "/a/b/", -1, 0 },      { "/a/b/d/e", 6, 4 }, { "//a/b/c", -1, 0 }, { "", -1, 0 },
	{ "/1/2/3/4/5", -1, 0 }, { "/%61/b", -1, 0 },
};

static void a_literal_beats_a_parameter_and_nothing_is_missed(void **state)
{
	struct http_routes *routes = http_routes_new(table, ARRAY_LEN(table));
	struct http_place place;
	struct buf allow;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		bool found = http_routes_find(routes, str_of(places[i].path), &place);

		if (found != (places[i].row >= 0)) {
			fail_msg("%s: found %d", places[i].path, found);
		}
		if (found) {
			const struct http_route *row = &table[places[i].row];

			assert_ptr_equal(place.by_method[row->method], row);
			assert_int_equal(place.param_count, places[i].params);
		}
	}
	assert_true(http_routes_find(routes, STR_LIT("/a/z"), &place));
	assert_true(str_eq(place.params[0], STR_LIT("z")));
	buf_init(&allow, 100);
	http_routes_allow(&place, &allow);
	assert_string_equal(buf_cstr(&allow), "POST, DELETE, OPTIONS");
	buf_fini(&allow);
	http_routes_free(routes);
}

static void forwarded_addresses_are_believed_only_behind_trusted_ones(void **state)
{
	static const struct {
		const char *trusted, *direct, *forwarded, *peer;
	} cases[] = {
		{ "", "127.0.0.1", "1.2.3.4", "127.0.0.1" },
		{ "127.0.0.1", "127.0.0.1", "1.2.3.4", "1.2.3.4" },
		{ "127.0.0.1", "127.0.0.1", "1.2.3.4, 5.6.7.8", "5.6.7.8" },
		{ "127.0.0.1,5.6.0.0/16", "127.0.0.1", "1.2.3.4, 5.6.7.8", "1.2.3.4" },
		{ "127.0.0.1", "127.0.0.1", "1.2.3.4, rubbish", "127.0.0.1" },
		{ "127.0.0.1", "127.0.0.2", "1.2.3.4", "127.0.0.2" },
		{ "127.0.0.0/31", "127.0.0.1", "::1", "::1" },
		{ "fd00::/8, unix", "unix", "9.9.9.9, fd12::1", "9.9.9.9" },
		{ "127.0.0.1", "127.0.0.1", "", "127.0.0.1" },
		{ "127.0.0.1", "127.0.0.1", "1.1.1.1, 5.6.7.8:99", "5.6.7.8" },
		{ "127.0.0.1", "127.0.0.1", "1.1.1.1, [fd12::1]:99", "fd12::1" },
		{ "0.0.0.0/0", "127.0.0.1", "1.1.1.1, 2.2.2.2", "1.1.1.1" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_header header = { STR_LIT("X-Forwarded-For"),
			                      str_of(cases[i].forwarded) };
		struct http_request req = request_with(&header, 1);
		struct http_proxies proxies;
		struct str peer;

		assert_int_equal(http_proxies_parse(str_of(cases[i].trusted), &proxies, &err),
		                 ERR_OK);
		peer = http_peer_behind(&proxies, &req, str_of(cases[i].direct));
		assert_true(str_eq(peer, str_of(cases[i].peer)));
	}
	assert_int_equal(
		http_proxies_parse(STR_LIT("localhost"), &(struct http_proxies){ 0 }, &err),
		ERR_INVALID);
	assert_int_equal(
		http_proxies_parse(STR_LIT("1.2.3.4/33"), &(struct http_proxies){ 0 }, &err),
		ERR_INVALID);
}

static struct str peer_by(const char *name, const char *value, bool *ret_https)
{
	static struct http_header header;
	struct http_proxies proxies;
	struct http_request req;
	struct err err;

	assert_int_equal(http_proxies_parse(STR_LIT("10.0.0.0/8"), &proxies, &err), ERR_OK);
	proxies.by = HTTP_BY_FORWARDED;
	header = (struct http_header){ str_of(name), str_of(value) };
	req = request_with(&header, 1);
	*ret_https = http_peer_is_https(&proxies, &req, STR_LIT("10.0.0.1"));
	return http_peer_behind(&proxies, &req, STR_LIT("10.0.0.1"));
}

static void the_other_field_is_read_from_the_right_too(void **state)
{
	static const struct {
		const char *value, *peer;
		bool https;
	} cases[] = {
		{ "for=192.0.2.1", "192.0.2.1", false },
		{ "For=\"192.0.2.1:4711\";Proto=https;by=10.0.0.1", "192.0.2.1", true },
		{ "for=\"[2001:db8::7]:80\"", "2001:db8::7", false },
		{ "for=\"[2001:db8::7]\"; proto=http", "2001:db8::7", false },
		{ "for=1.1.1.1;proto=https, for=192.0.2.1", "192.0.2.1", false },
		{ "for=1.1.1.1, for=10.1.2.3;proto=https", "1.1.1.1", true },
		/* What a client left open on the left is of no use to it. */
		{ "for=\"1.1.1.1, for=192.0.2.1;proto=http", "192.0.2.1", false },
		{ "rubbish, for=192.0.2.1", "192.0.2.1", false },
		{ "for=\"1.1.1.1\\\", for=192.0.2.1", "192.0.2.1", false },
		/* What is no address ends the search. */
		{ "for=_hidden", "10.0.0.1", false },
		{ "for=unknown, for=10.1.2.3", "10.1.2.3", false },
		{ "for=192.0.2.1;for=192.0.2.2", "10.0.0.1", false },
		{ "for=192.0.2.1:x", "10.0.0.1", false },
		{ "for=\"[::1\"", "10.0.0.1", false },
		{ "for=", "10.0.0.1", false },
		{ "for", "10.0.0.1", false },
		{ "", "10.0.0.1", false },
		{ "proto=https", "10.0.0.1", true },
	};
	bool https;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str peer = peer_by("Forwarded", cases[i].value, &https);

		if (!str_eq(peer, str_of(cases[i].peer)) || https != cases[i].https) {
			fail_msg("%s: %" STR_FMT, cases[i].value, STR_ARG(peer));
		}
	}
	/* Only the one that the proxies write counts. */
	assert_true(str_eq(peer_by("X-Forwarded-For", "192.0.2.1", &https), STR_LIT("10.0.0.1")));
	(void)peer_by("X-Forwarded-Proto", "https", &https);
	assert_false(https);
}

static void a_coding_is_taken_when_it_is_named(void **state)
{
	static const struct {
		const char *value;
		bool taken;
	} cases[] = {
		{ "gzip", true },
		{ "GZip", true },
		{ "gzip, deflate, br, zstd", true },
		{ "br;q=1.0, gzip;q=0.001", true },
		{ "deflate , gzip ; q=0.5", true },
		{ "gzip;q=0", false },
		{ "gzip;q=0.000, *", false },
		{ "gzip;q=nonsense", false },
		{ "*", false },
		{ "identity", false },
		{ "xgzip", false },
		{ "", false },
	};
	struct http_request none = request_with(NULL, 0);

	(void)state;
	assert_false(http_accepts_coding(&none, "gzip"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_header header = { STR_LIT("accept-encoding"), str_of(cases[i].value) };
		struct http_request req = request_with(&header, 1);

		assert_int_equal(http_accepts_coding(&req, "gzip"), cases[i].taken);
	}
}

/* ---- PROXY headers ---- */

#define V2       "\r\n\r\n\0\r\nQUIT\n"
#define INET     "\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x01\xbb"
#define V6(last) "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" last
#define UNIX_27  "123456789012345678901234567"
#define UNIX_108 UNIX_27 UNIX_27 UNIX_27 UNIX_27

static const struct {
	struct str header;
	const char *peer; /* NULL: not told */
} proxied[] = {
	{ { "PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n", 41 }, "192.0.2.1" },
	{ { "PROXY TCP6 2001:DB8:0::1 ::1 1 65535\r\n", 38 }, "2001:db8::1" },
	{ { "PROXY UNKNOWN\r\n", 15 }, NULL },
	{ { "PROXY UNKNOWN what ever follows\r\n", 33 }, NULL },
	{ { V2 "\x21\x11\x00\x0c" INET, 28 }, "192.0.2.1" },
	{ { V2 "\x21\x11\x00\x10" INET "\x04\0\x01x", 32 }, "192.0.2.1" },
	{ { V2 "\x21\x21\x00\x24" V6("\x01") V6("\x02") "\0\1\0\2", 52 }, "2001:db8::1" },
	{ { V2 "\x21\x31\x00\xd8" UNIX_108 UNIX_108, 232 }, NULL },
	{ { V2 "\x21\x00\x00\x00", 16 }, NULL },
	{ { V2 "\x20\x00\x00\x00", 16 }, NULL },
	{ { V2 "\x20\x11\x00\x0c" INET, 28 }, NULL },
};

static void a_proxy_header_is_the_same_however_it_arrives(void **state)
{
	struct http_proxy_head head;
	char bytes[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(proxied); i++) {
		struct str header = proxied[i].header;

		memset(bytes, 'G', sizeof(bytes));
		memcpy(bytes, header.p, header.n);
		for (size_t n = 0; n < header.n; n++) {
			/* Only what is there may be looked at. */
			char *part = mem_calloc(n > 0 ? n : 1, 1);

			memcpy(part, bytes, n);
			assert_int_equal(http_proxy_parse(str_make(part, n), &head),
			                 HTTP_PROXY_MORE);
			assert_true(head.size > n && head.size <= header.n);
			free(part);
		}
		for (size_t n = header.n; n < sizeof(bytes); n += 97) {
			assert_int_equal(http_proxy_parse(str_make(bytes, n), &head),
			                 HTTP_PROXY_DONE);
			assert_int_equal(head.size, header.n);
			assert_int_equal(head.told, proxied[i].peer != NULL);
			if (head.told) {
				assert_string_equal(head.peer, proxied[i].peer);
			}
		}
	}
}

static void what_is_no_proxy_header_is_refused(void **state)
{
	static const struct str bad[] = {
		{ "GET / HTTP/1.1\r\n", 16 },
		{ "\x16\x03\x01", 3 },
		{ "PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\n", 40 },
		{ "PROXY TCP4 192.0.2.1  10.0.0.1 12345 443\r\n", 42 },
		{ "PROXY TCP4 192.0.2.1 10.0.0.1 12345\r\n", 37 },
		{ "PROXY TCP4 192.0.2.1 10.0.0.1 12345 443 1\r\n", 43 },
		{ "PROXY TCP4 192.0.2.1 10.0.0.1 12345 65536\r\n", 43 },
		{ "PROXY TCP4 192.0.2.256 10.0.0.1 12345 443\r\n", 43 },
		{ "PROXY TCP4 ::1 ::1 12345 443\r\n", 30 },
		{ "PROXY TCP6 192.0.2.1 10.0.0.1 12345 443\r\n", 41 },
		{ "PROXY UDP4 192.0.2.1 10.0.0.1 12345 443\r\n", 41 },
		{ "PROXY \r\n", 8 },
		{ "PROXY UNKNOWN " UNIX_108, 122 },
		{ V2 "\x11\x11\x00\x0c" INET, 28 },
		{ V2 "\x22\x11\x00\x0c" INET, 28 },
		{ V2 "\x21\x11\x00\x0b" INET, 28 },
		{ V2 "\x21\x21\x00\x0c" INET, 28 },
		{ V2 "\x21\x31\x00\x0c" INET, 28 },
		{ V2 "\x21\x11\xff\xff" INET, 28 },
	};
	struct http_proxy_head head;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (http_proxy_parse(bad[i], &head) != HTTP_PROXY_BAD) {
			fail_msg("taken: %zu", i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_closest_range_decides_what_is_accepted),
		cmocka_unit_test(query_parameters_are_found_and_decoded),
		cmocka_unit_test(escapes_are_decoded_or_refused),
		cmocka_unit_test(a_literal_beats_a_parameter_and_nothing_is_missed),
		cmocka_unit_test(forwarded_addresses_are_believed_only_behind_trusted_ones),
		cmocka_unit_test(the_other_field_is_read_from_the_right_too),
		cmocka_unit_test(a_coding_is_taken_when_it_is_named),
		cmocka_unit_test(a_proxy_header_is_the_same_however_it_arrives),
		cmocka_unit_test(what_is_no_proxy_header_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
