
#include "tests/support/http_client.h"
#include "tests/support/http_stand.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct http_options plain = { .listen = NULL };
/* ---- replies ---- */

static void one_connection_serves_many_requests(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	for (int i = 0; i < 100; i++) {
		client_expect(&client, GET("/hello"), 200);
		client_expect(&client, GET("/nowhere"), 404);
		client_expect(&client,
		              "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		              200);
	}
	assert_int_equal(http_stand_count(&stand, "connections"), 2);
	client_close(&client);
	http_stand_stop(&stand);
}

static void every_reply_has_its_fields(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-Id: me.1\r\n\r\n");
	client_reply(&client, &reply);
	assert_string_equal(client_field(&reply, "X-Request-Id"), "me.1");
	assert_string_equal(client_field(&reply, "Content-Type"), "text/plain");
	assert_string_equal(client_field(&reply, "Content-Length"), "5");
	assert_string_equal(client_field(&reply, "X-Content-Type-Options"), "nosniff");
	assert_string_equal(client_field(&reply, "Cache-Control"), "no-store");
	assert_int_equal(strlen(client_field(&reply, "Date")), 29);
	assert_null(client_field(&reply, "Connection"));
	buf_fini(&reply.body);

	client_say(&client, "GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\"b\r\n\r\n");
	client_reply(&client, &reply);
	assert_string_equal(client_field(&reply, "Content-Type"), "application/problem+json");
	assert_int_equal(strlen(client_field(&reply, "X-Request-Id")), 26);
	assert_non_null(
		strstr(buf_cstr(&reply.body), "{\"type\":\"/errors/not-found\",\"title\":"));
	assert_non_null(strstr(buf_cstr(&reply.body), "\"status\":404,"));
	buf_fini(&reply.body);
	client_close(&client);
	http_stand_stop(&stand);
}

static void head_is_get_without_its_body(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"));
	client_head(&client, &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(client_field(&reply, "Content-Length"), "5");
	client_reply(&client, &reply);
	assert_string_equal(buf_cstr(&reply.body), "hello");
	buf_fini(&reply.body);
	client_say(&client, "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"));
	client_head(&client, &reply);
	assert_int_equal(reply.status, 404);
	client_reply(&client, &reply);
	assert_int_equal(reply.status, 200);
	buf_fini(&reply.body);
	client_close(&client);
	http_stand_stop(&stand);
}

static void a_parameter_is_decoded_and_a_bad_one_refused(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, GET("/items/a%2Fb%20c"));
	client_reply(&client, &reply);
	assert_string_equal(buf_cstr(&reply.body), "a/b c");
	buf_fini(&reply.body);
	client_expect(&client, GET("/items/"), 404);
	client_expect(&client, GET("/items/a/b"), 404);
	client_expect(&client, GET("/items/.."), 400);
	client_expect(&client, GET("/items/%2e%2E"), 400);
	client_expect(&client, GET("/items/."), 400);
	client_expect(&client, GET("/items/..."), 200);
	/* Bad escapes fail the request line: the connection closes after them. */
	client_expect(&client, GET("/items/%00"), 400);
	client_expect_end(&client);
	client_close(&client);
	http_stand_stop(&stand);
}

static void a_header_value_cannot_split_the_reply(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, GET("/items/1?mark=a%0d%0aX-Evil:%20b"));
	client_reply(&client, &reply);
	assert_string_equal(client_field(&reply, "X-Mark"), "a  X-Evil: b");
	assert_null(client_field(&reply, "X-Evil"));
	buf_fini(&reply.body);
	client_close(&client);
	http_stand_stop(&stand);
}

static void methods_are_told_and_enforced(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "PUT /items/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
	client_reply(&client, &reply);
	assert_int_equal(reply.status, 405);
	assert_string_equal(client_field(&reply, "Allow"), "GET, HEAD, DELETE, OPTIONS");
	buf_fini(&reply.body);
	client_say(&client, "OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n");
	client_reply(&client, &reply);
	assert_int_equal(reply.status, 204);
	assert_string_equal(client_field(&reply, "Allow"), "POST, OPTIONS");
	assert_null(client_field(&reply, "Access-Control-Allow-Origin"));
	client_expect(&client, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204);
	client_expect(&client, "OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404);
	client_expect(&client, "TRACE /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501);
	client_expect_end(&client);
	client_close(&client);
	http_stand_stop(&stand);
}

static void only_listed_origins_may_ask_across_sites(void **state)
{
	struct http_options options = { .cors_origins = "https://a.example, https://b.example" };
	struct http_stand stand = http_stand_start(&options, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "OPTIONS /echo HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n"
	                    "Access-Control-Request-Method: POST\r\n\r\n");
	client_reply(&client, &reply);
	assert_int_equal(reply.status, 204);
	assert_string_equal(client_field(&reply, "Access-Control-Allow-Origin"),
	                    "https://b.example");
	assert_string_equal(client_field(&reply, "Access-Control-Allow-Credentials"), "true");
	assert_string_equal(client_field(&reply, "Access-Control-Allow-Methods"), "POST, OPTIONS");
	assert_non_null(strstr(client_field(&reply, "Access-Control-Allow-Headers"), "If-Match"));
	assert_string_equal(client_field(&reply, "Vary"), "Origin");
	client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\nOrigin: https://c.example\r\n\r\n");
	client_reply(&client, &reply);
	assert_int_equal(reply.status, 200);
	assert_null(client_field(&reply, "Access-Control-Allow-Origin"));
	assert_null(client_field(&reply, "Access-Control-Allow-Credentials"));
	assert_string_equal(client_field(&reply, "Vary"), "Origin");
	buf_fini(&reply.body);
	client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\nOrigin: null\r\n\r\n");
	client_reply(&client, &reply);
	assert_null(client_field(&reply, "Access-Control-Allow-Origin"));
	buf_fini(&reply.body);
	client_close(&client);
	http_stand_stop(&stand);
}

static void only_trusted_proxies_name_the_client(void **state)
{
	struct http_options options = { .trusted_proxies = "127.0.0.0/8, 10.0.0.0/8" };
	struct http_stand trusting = http_stand_start(&options, 0);
	struct http_stand wary = http_stand_start(&plain, 0);
	static const char request[] =
		"GET /self HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n"
		"X-Forwarded-For: 10.1.2.3\r\nTraceparent: "
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
	struct client client = client_open(trusting.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, request);
	client_reply(&client, &reply);
	assert_string_equal(buf_cstr(&reply.body),
	                    "192.0.2.7 0af7651916cd43dd8448eb211c80319c b7ad6b7169203331");
	buf_fini(&reply.body);
	client_close(&client);
	client = client_open(wary.port);
	client_say(&client, request);
	client_reply(&client, &reply);
	assert_int_equal(strncmp(buf_cstr(&reply.body), "127.0.0.1 ", 10), 0);
	buf_fini(&reply.body);
	client_close(&client);
	http_stand_stop(&trusting);
	http_stand_stop(&wary);
}

/* ---- bodies ---- */

static void a_body_comes_by_length_or_in_chunks(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	                    "5;x\r\nhello\r\n6\r\n world\r\n0\r\nT: u\r\n\r\n");
	client_reply(&client, &reply);
	assert_string_equal(buf_cstr(&reply.body), "hello world");
	buf_fini(&reply.body);
	client_expect(&client, GET("/hello"), 200);
	client_close(&client);
	http_stand_stop(&stand);
}

static void a_body_that_is_too_large_is_refused_at_once(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	char chunk[4096];

	(void)state;
	client_expect(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n",
	              413);
	client_expect_end(&client);
	client_close(&client);

	client = client_open(stand.port);
	client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	memset(chunk, 'x', sizeof(chunk));
	for (int i = 0; i < 17; i++) {
		client_say(&client, "1000\r\n");
		client_send(&client, str_make(chunk, sizeof(chunk)));
		client_say(&client, "\r\n");
	}
	client_expect(&client, "", 413);
	client_expect_end(&client);
	client_close(&client);
	assert_int_equal(http_stand_count(&stand, "requests"), 0);
	http_stand_stop(&stand);
}

static void a_refused_body_is_read_and_the_connection_kept(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	client_expect(&client,
	              "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n"
	              "GET /admin HTTP/1.1\r\nHost: a\r\n",
	              404);
	client_expect(&client, GET("/hello"), 200);
	assert_int_equal(http_stand_count(&stand, "admin"), 0);
	client_close(&client);
	http_stand_stop(&stand);
}

static void the_media_type_must_be_the_routes(void **state)
{
	static const struct {
		const char *field;
		int status;
	} cases[] = {
		{ "Content-Type: application/json\r\n", 200 },
		{ "Content-Type: Application/JSON; charset=UTF-8\r\n", 200 },
		{ "Content-Type: application/json;charset=\"utf-8\";x=y\r\n", 200 },
		{ "Content-Type: application/json; charset=latin1\r\n", 415 },
		{ "Content-Type: text/plain\r\n", 415 },
		{ "Content-Type: application/jsonp\r\n", 415 },
		{ "", 415 },
		{ "Content-Type: application/json\r\nContent-Type: text/html\r\n", 415 },
	};
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text),
		               "POST /json HTTP/1.1\r\nHost: a\r\n%sContent-Length: 2\r\n\r\n{}",
		               cases[i].field);
		client_expect(&client, text, cases[i].status);
	}
	/* Without a body there is no type to check. */
	client_expect(&client, "POST /json HTTP/1.1\r\nHost: a\r\n\r\n", 200);
	client_close(&client);
	http_stand_stop(&stand);
}

static void continue_is_said_only_when_the_body_is_wanted(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	                    "Content-Length: 2\r\n\r\n");
	client_head(&client, &reply);
	assert_int_equal(reply.status, 100);
	client_expect(&client, "hi", 200);
	client_expect(&client,
	              "POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	              "Content-Length: 2\r\n\r\n",
	              404);
	client_expect_end(&client);
	client_close(&client);
	client = client_open(stand.port);
	client_expect(&client,
	              "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	              "Content-Length: 99999\r\n\r\n",
	              413);
	client_expect_end(&client);
	client_close(&client);
	client = client_open(stand.port);
	client_expect(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: a=b\r\n\r\n", 417);
	client_close(&client);
	http_stand_stop(&stand);
}

/* ---- framing attacks: exactly one request is handled, and never the hidden one ---- */

#define HIDDEN "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n" /* 32 bytes */

static const char *const attacks[] = {
	"HEAD /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"DELETE /items/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"HEAD /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" HIDDEN
	"\r\n0\r\n\r\n",
	"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nContent-Length: 0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 32\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
	"0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
	"0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
	"chunked\r\n\r\n1;\nx\r\n0\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.1\nHost: a\nContent-Length: 32\n\n" HIDDEN,
	"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
	"GET /hello HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n" HIDDEN,
	"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" HIDDEN,
	"GET http://b/hello HTTP/1.1\r\nHost: a\r\n\r\n" HIDDEN,
};

static void no_framing_attack_reaches_the_hidden_request(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		struct client client = client_open(stand.port);
		struct client_reply reply;

		client_say(&client, attacks[i]);
		client_head(&client, &reply);
		/* Whatever was said, it was said once; the stand would know a second one. */
		(void)shutdown(client.fd, SHUT_WR);
		client_to_end(&client);
		if (strstr(buf_cstr(&client.in), "HTTP/1.1 ") != NULL) {
			fail_msg("two replies to %s", attacks[i]);
		}
		client_close(&client);
	}
	assert_int_equal(http_stand_count(&stand, "admin"), 0);
	http_stand_stop(&stand);
}

static void what_breaks_framing_closes_the_connection(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n" HIDDEN, 505 },
		{ "GET / HTTP/1.1\r\n\r\n" HIDDEN, 400 },
		{ "BREW / HTTP/1.1\r\nHost: a\r\n\r\n" HIDDEN, 501 },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n" HIDDEN, 501 },
		{ "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n" HIDDEN, 400 },
		{ "\x16\x03\x01\x02", 400 },
	};
	struct http_stand stand = http_stand_start(&plain, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct client client = client_open(stand.port);

		client_expect(&client, cases[i].text, cases[i].status);
		client_expect_end(&client);
		client_close(&client);
	}
	assert_int_equal(http_stand_count(&stand, "admin"), 0);
	http_stand_stop(&stand);
}

static void a_head_that_is_too_long_gets_414_or_431(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	char many[20000];

	(void)state;
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	client_say(&client, "GET /");
	client_expect(&client, many, 414);
	client_expect_end(&client);
	client_close(&client);
	client = client_open(stand.port);
	client_say(&client, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	client_expect(&client, many, 431);
	client_expect_end(&client);
	client_close(&client);
	http_stand_stop(&stand);
}

/* ---- bodies that their handler reads ---- */

static void expect_text(struct client *client, const char *text)
{
	struct client_reply reply;

	client_reply(client, &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(buf_cstr(&reply.body), text);
	buf_fini(&reply.body);
}

static void a_large_body_is_read_while_it_comes(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	char *megabyte = malloc(1 << 20);

	(void)state;
	assert_non_null(megabyte);
	memset(megabyte, 3, 1 << 20);
	/* Its handler is slower than we are: reading stops and goes on. */
	client_say(&client,
	           "POST /take?ms=2 HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n");
	for (int i = 0; i < 8; i++) {
		client_send(&client, str_make(megabyte, 1 << 20));
	}
	expect_text(&client, "8388608 25165824");
	client_say(&client, "POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 2; i++) {
		client_say(&client, "100000\r\n");
		client_send(&client, str_make(megabyte, 1 << 20));
		client_say(&client, "\r\n");
	}
	client_say(&client, "0\r\n\r\n" GET("/hello"));
	expect_text(&client, "2097152 6291456");
	expect_text(&client, "hello");
	client_expect(&client, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n",
	              413);
	client_expect_end(&client);
	client_close(&client);
	free(megabyte);
	http_stand_stop(&stand);
}

static void a_body_may_come_byte_by_byte_or_not_at_all(void **state)
{
	static const char request[] = "POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
				      "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		client_send(&client, str_make(request + i, 1));
	}
	expect_text(&client, "5 495");
	client_say(&client, "POST /take HTTP/1.1\r\nHost: a\r\n\r\n");
	expect_text(&client, "0 0");
	client_say(&client,
	           "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" GET("/hello"));
	expect_text(&client, "0 0");
	expect_text(&client, "hello");
	client_close(&client);
	http_stand_stop(&stand);
}

static void continue_is_said_when_the_handler_reads(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "POST /take HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	                    "Content-Length: 2\r\n\r\n");
	client_head(&client, &reply);
	assert_int_equal(reply.status, 100);
	client_say(&client, "hi");
	expect_text(&client, "2 209");
	client_say(&client, "POST /take?stop=0 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	                    "Content-Length: 2\r\n\r\n");
	expect_text(&client, "0 0");
	client_expect_end(&client);
	client_close(&client);
	http_stand_stop(&stand);
}

static void a_body_that_is_not_read_to_its_end_ends_the_connection(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	client_say(&client,
	           "POST /take?stop=3 HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc");
	expect_text(&client, "3 294");
	client_expect_end(&client);
	client_close(&client);
	http_stand_stop(&stand);
}

static void a_body_that_breaks_off_is_told_to_its_handler(void **state)
{
	const struct http_options hasty = { .body_timeout_ms = 100 };
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	client_say(&client, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc");
	http_stand_await(&stand, "requests", 1);
	client_close(&client);
	http_stand_await(&stand, "cancelled", 1);
	client = client_open(stand.port);
	client_say(&client, "POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	                    "3\r\nabc\r\n");
	http_stand_await(&stand, "requests", 2);
	client_expect(&client, "nonsense\r\n", 400);
	client_expect_end(&client);
	client_close(&client);
	http_stand_stop(&stand);

	stand = http_stand_start(&hasty, 0);
	client = client_open(stand.port);
	client_expect(&client, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc",
	              408);
	client_expect_end(&client);
	client_close(&client);
	http_stand_stop(&stand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_connection_serves_many_requests),
		cmocka_unit_test(every_reply_has_its_fields),
		cmocka_unit_test(head_is_get_without_its_body),
		cmocka_unit_test(a_parameter_is_decoded_and_a_bad_one_refused),
		cmocka_unit_test(a_header_value_cannot_split_the_reply),
		cmocka_unit_test(methods_are_told_and_enforced),
		cmocka_unit_test(only_listed_origins_may_ask_across_sites),
		cmocka_unit_test(only_trusted_proxies_name_the_client),
		cmocka_unit_test(a_body_comes_by_length_or_in_chunks),
		cmocka_unit_test(a_body_that_is_too_large_is_refused_at_once),
		cmocka_unit_test(a_refused_body_is_read_and_the_connection_kept),
		cmocka_unit_test(the_media_type_must_be_the_routes),
		cmocka_unit_test(continue_is_said_only_when_the_body_is_wanted),
		cmocka_unit_test(no_framing_attack_reaches_the_hidden_request),
		cmocka_unit_test(what_breaks_framing_closes_the_connection),
		cmocka_unit_test(a_head_that_is_too_long_gets_414_or_431),
		cmocka_unit_test(a_large_body_is_read_while_it_comes),
		cmocka_unit_test(a_body_may_come_byte_by_byte_or_not_at_all),
		cmocka_unit_test(continue_is_said_when_the_handler_reads),
		cmocka_unit_test(a_body_that_is_not_read_to_its_end_ends_the_connection),
		cmocka_unit_test(a_body_that_breaks_off_is_told_to_its_handler),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
