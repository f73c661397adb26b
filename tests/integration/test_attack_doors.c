/*
 * What is tried at the doors of API nodes: tokens that were tampered with, requests that two
 * parsers may read differently, and text that would end a header line.
 */
#include <stdio.h>
#include <string.h>

#include "api_world.h"
#include "base/clock.h"
#include "cred/base64url.h"
#include "cred/jws.h"
#include "tests/support/test.h"

enum {
	KEY_SIZE = 128,
	TOKEN_SIZE = 2 * CRED_TOKEN_MAX,
	HEADERS_SIZE = TOKEN_SIZE + 256,
	MICRO = 1000000
};

/* Guessing is what this does. */
static const char *const settings[] = { "FAIRLEAD_RATE_ADDRESS=", "FAIRLEAD_RATE_TENANT=",
	                                "FAIRLEAD_RATE_KEY=", NULL };

/* ---- tokens ---- */

static struct {
	char text[TOKEN_SIZE];                /* one of ours */
	struct str header, claims, signature; /* of it, encoded */
	char claims_json[TOKEN_SIZE];
	char kid[CRED_KID_MAX + 1];
	char jwks[TOKEN_SIZE];
} token;

static void decode(struct str text, char *ret)
{
	struct buf out;

	buf_init(&out, TOKEN_SIZE - 1);
	assert_true(cred_base64url_decode(text, &out));
	assert_true(str_copy(ret, TOKEN_SIZE, buf_str(&out)));
	buf_fini(&out);
}

static void make_token(void)
{
	char key[KEY_SIZE], header[TOKEN_SIZE];
	struct answer answer;
	struct json_value *json;
	struct id user;
	struct str rest;
	struct err err;

	make_user("admin", &user, key);
	answer = ask(&(struct ask){ .key = key, .method = "POST", .path = "/api/v1/tokens" });
	assert_int_equal(answer.status, 201);
	assert_true(str_copy(token.text, sizeof(token.text),
	                     str_of(answer_text(&answer, "accessToken"))));
	answer_free(&answer);
	rest = str_of(token.text);
	token.header = str_split(&rest, '.');
	token.claims = str_split(&rest, '.');
	token.signature = rest;
	decode(token.claims, token.claims_json);
	decode(token.header, header);
	json = json_parse(str_of(header), &err);
	assert_true(str_copy(token.kid, sizeof(token.kid), json_as_str(json_get(json, "kid"))));
	json_value_free(json);
	answer = ask(&(struct ask){ .method = "GET", .path = "/.well-known/jwks.json" });
	assert_true(str_copy(token.jwks, sizeof(token.jwks), buf_str(&answer.reply.body)));
	answer_free(&answer);
}

static struct answer ask_with(const char *text)
{
	static char headers[HEADERS_SIZE];

	(void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", text);
	return ask(&(struct ask){ .method = "GET", .path = "/api/v1/users", .headers = headers });
}

/* RFC 6750 section 3.1. */
static void expect_refused(const char *what, const char *text)
{
	struct answer answer = ask_with(text);

	if (answer.status != 401 ||
	    strstr(answer.reply.head, "Bearer realm=\"fairlead\", error=\"invalid_token\"") ==
	            NULL) {
		fail_msg("%s: %d %s", what, answer.status, buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

static void add_part(struct buf *out, const char *json)
{
	if (out->len > 0) {
		buf_add_char(out, '.');
	}
	cred_base64url_encode(str_of(json), out);
}

/* That header, those claims, and a signature that was good for others. */
static void try_header(const char *header, const char *claims, struct str signature)
{
	struct buf text;

	buf_init(&text, TOKEN_SIZE - 1);
	add_part(&text, header);
	add_part(&text, claims);
	buf_add_char(&text, '.');
	buf_add_str(&text, signature);
	expect_refused(header, buf_cstr(&text));
	buf_fini(&text);
}

static void a_token_of_ours_counts(void)
{
	struct answer answer = ask_with(token.text);

	assert_int_equal(answer.status, 200);
	answer_free(&answer);
}

static void a_header_that_says_otherwise_is_refused(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"None\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"nOnE\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"HS512\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES384\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":[\"ES256\"],\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"cty\":\"JWT\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"crit\":[\"exp\"],\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"b64\":false,\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"zip\":\"DEF\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"../../../../dev/null%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"' OR 1=1 --%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"https://127.0.0.1:1/%s\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\\u0000\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":{\"a\":\"%s\"}}",
		"[\"ES256\",\"%s\"]",
		"\"%s\"",
	};
	char header[TOKEN_SIZE];

	(void)state;
	a_token_of_ours_counts();
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct buf text;

		buf_init(&text, TOKEN_SIZE - 1);
		for (const char *at = headers[i]; *at != '\0'; at++) {
			if (at[0] == '%' && at[1] == 's') {
				buf_add_cstr(&text, token.kid);
				at++;
			} else {
				buf_add_char(&text, *at);
			}
		}
		(void)str_copy(header, sizeof(header), buf_str(&text));
		buf_fini(&text);
		try_header(header, token.claims_json, token.signature);
		try_header(header, token.claims_json, STR_LIT("AA"));
	}
	a_token_of_ours_counts();
}

/* Signed, but by somebody else, who says where the key is. */
static void a_key_that_comes_with_the_token_is_none_of_ours(void **state)
{
	CLEANUP(cred_jwk_cleanup) struct cred_jwk *key = cred_jwk_generate(token.kid);
	struct buf text, jwk;

	(void)state;
	buf_init(&text, TOKEN_SIZE - 1);
	assert_true(cred_jws_sign(key, CRED_TYP_ACCESS, str_of(token.claims_json), &text));
	expect_refused("a stranger's key under our name", buf_cstr(&text));
	buf_fini(&text);
	buf_init(&jwk, TOKEN_SIZE - 1);
	cred_jwk_format(key, &jwk);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const members[] = { "jwk", "jku", "x5u", "x5c" };
		char header[TOKEN_SIZE];

		(void)snprintf(header, sizeof(header),
		               "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"%s\":%s}",
		               token.kid, members[i],
		               i == 0   ? buf_cstr(&jwk)
		               : i == 3 ? "[\"MIIB\"]"
		                        : "\"https://127.0.0.1:1/keys\"");
		try_header(header, token.claims_json, token.signature);
	}
	buf_fini(&jwk);
}

static void claims_that_were_changed_do_not_hold(void **state)
{
	static const char *const changes[][2] = {
		{ "\"tenant\":\"acme\"", "\"tenant\":\"rival\"" },
		{ "\"exp\":1", "\"exp\":9" },
		{ "\"aud\":\"fairlead\"", "\"aud\":\"others\"" },
		{ "\"iss\":\"fairlead\"", "\"iss\":\"https://127.0.0.1:1\"" },
		{ "\"iss\":\"fairlead\"", "\"iss\":\"fairlead\",\"iss\":\"fairlead\"" },
		{ "{\"iss\"", "{\"scope\":\"system\",\"iss\"" },
		{ "{\"iss\"", "{\"role\":\"admin\",\"iss\"" },
	};
	char header[TOKEN_SIZE], claims[TOKEN_SIZE];

	(void)state;
	decode(token.header, header);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		const char *hit = strstr(token.claims_json, changes[i][0]);

		if (hit == NULL) {
			fail_msg("no %s in %s", changes[i][0], token.claims_json);
		}
		(void)snprintf(claims, sizeof(claims), "%.*s%s%s", (int)(hit - token.claims_json),
		               token.claims_json, changes[i][1], hit + strlen(changes[i][0]));
		try_header(header, claims, token.signature);
	}
}

/* A signature of r and s: 64 bytes. */
static void signatures_of_other_forms_do_not_hold(void **state)
{
	char header[TOKEN_SIZE], zeros[64] = { 0 }, ones[64];
	struct buf text;

	(void)state;
	decode(token.header, header);
	memset(ones, 0xff, sizeof(ones));
	buf_init(&text, TOKEN_SIZE - 1);
	cred_base64url_encode(str_make(zeros, sizeof(zeros)), &text);
	try_header(header, token.claims_json, buf_str(&text));
	buf_reset(&text);
	cred_base64url_encode(str_make(ones, sizeof(ones)), &text);
	try_header(header, token.claims_json, buf_str(&text));
	buf_reset(&text);
	/* DER: SEQUENCE { INTEGER 0, INTEGER 0 } */
	cred_base64url_encode(STR_LIT("\x30\x06\x02\x01\x00\x02\x01\x00"), &text);
	try_header(header, token.claims_json, buf_str(&text));
	try_header(header, token.claims_json, str_make(token.signature.p, token.signature.n - 1));
	buf_fini(&text);
}

static void only_the_text_itself_is_the_token(void **state)
{
	static const char *const forms[] = { "%s.",   ".%s",  "%s.AA",      "%s=",
		                             "%s AA", "%s\t", "%s,%s",      "\"%s\"",
		                             "%s%%",  "%s;",  "%s\xc2\xa0", "Bearer %s" };
	char text[2 * TOKEN_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct buf out;
		bool is_whole;

		buf_init(&out, sizeof(text) - 1);
		for (const char *at = forms[i]; *at != '\0'; at++) {
			if (at[0] == '%') {
				buf_add_cstr(&out, at[1] == 's' ? token.text : "%");
				at++;
			} else {
				buf_add_char(&out, *at);
			}
		}
		/* White space around a field's value is none of it (RFC 9110 section 5.5). */
		is_whole = strcmp(forms[i], "%s\t") == 0;
		if (!is_whole) {
			expect_refused(forms[i], buf_cstr(&out));
		}
		buf_fini(&out);
	}
	memset(text, 'A', CRED_TOKEN_MAX + 1);
	text[CRED_TOKEN_MAX + 1] = '\0';
	text[100] = text[200] = '.';
	expect_refused("a long one", text);
	a_token_of_ours_counts();
}

/* ---- two parsers ---- */

/* Forms of a path that another parser may take for /api/v1/users, or for the session itself: here
 * they are something else, or bad. */
static void a_path_has_one_form(void **state)
{
	static const char *const paths[] = {
		"/api/v1/%75sers",      "/api/v1/users/",         "//api/v1/users",
		"/api//v1/users",       "/api/v1/./users",        "/api/v1/x/../users",
		"/api/v1/%2e/users",    "/api/v1/x/%2e%2e/users", "/api%2fv1/users",
		"/api/v1%2Fusers",      "/API/v1/users",          "/api/v1/Users",
		"/api/v1/users;x=1",    "/api/v1/users%00",       "/api/v1/users%20",
		"/api/v1/users%3f",     "/api/v1/users%23",       "/api\\v1\\users",
		"/api/v1/users%0d%0a",  "/api/v1/users%",         "/api/v1/users%zz",
		"/api/v1/%c0%afusers",  "/stream/api/v1/users",   "/api/v1/users/..",
		"/%2e%2e/api/v1/users", "/api/v1/users/%2e",      "/api/v1/users/.%2e/keys",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct answer answer = ask(
			&(struct ask){ .key = api_keys.admin, .method = "GET", .path = paths[i] });

		if (answer.status != 404 && answer.status != 400) {
			fail_msg("%s: %d %s", paths[i], answer.status,
			         buf_cstr(&answer.reply.body));
		}
		answer_free(&answer);
	}
}

/* One that is escaped where it need not be is the same session; nothing else is. */
static void an_id_in_a_path_is_decoded_once(void **state)
{
	const struct id session = make_session("");
	char path[128], escaped[8];

	(void)state;
	(void)snprintf(escaped, sizeof(escaped), "%%%02X", (unsigned)session.s[0]);
	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s%s", escaped, session.s + 1);
	expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = path }, 200);
	expect(&(struct ask){ .key = api_keys.foreign, .method = "GET", .path = path }, 404);
	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%%25%02X%s", (unsigned)session.s[0],
	               session.s + 1);
	expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = path }, 404);
	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s%%2Flogs", session.s);
	expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = path }, 404);
	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s%%00", session.s);
	expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = path }, 400);
}

static void a_parameter_is_there_once_or_the_request_is_bad(void **state)
{
	static const char *const queries[] = {
		"?perPage=1&perPage=2",
		"?perPage=1&per%50age=2",
		"?perPage=1&perpage=2",
		"?PERPAGE=1",
		"?perPage[]=1",
		"?perPage=1;page=2",
		"?perPage=%31%00",
		"?perPage=1%zz",
		"?%zz=1",
		"?perPage=1&%zz",
		"?perPage=+1",
		"?perPage=%201",
		"?perPage=01x",
		"?tenantId=acme&tenantId=rival",
		"?tenant=rival",
		"?perPage=1?page=2",
		"?perPage=",
	};
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		(void)snprintf(path, sizeof(path), "/api/v1/sessions%s", queries[i]);
		expect(&(struct ask){ .key = api_keys.all, .method = "GET", .path = path }, 400);
	}
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "GET",
	                      .path = "/api/v1/sessions?perP%61ge=%31" },
	       200);
}

/* A key in the address is refused wherever it is in it: also behind what cannot be decoded. */
static void a_key_in_an_address_is_never_taken(void **state)
{
	static const char *const names[] = {
		"?key=", "?%6bey=", "?x=", "?%zz&x=", "?x=1&access_token=", "?ticket="
	};
	char path[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "/api/v1/sessions%s%s", names[i], api_keys.all);
		expect(&(struct ask){ .method = "GET", .path = path }, 400);
	}
}

static void two_credentials_are_one_too_many(void **state)
{
	const struct {
		const char *first, *second;
	} rows[] = {
		{ "Authorization: ApiKey %s", "X-API-Key: x" },
		{ "X-API-Key: %s", "x-api-key: x" },
		{ "X-API-Key: %s", "X-API-KEY: %s" },
		{ "Authorization: ApiKey %s", "authorization: ApiKey %s" },
		{ "Authorization: ApiKey %s", "Authorization: Basic eDp5" },
		{ "Authorization: ApiKey %s", "X-API-Key:" },
	};
	char headers[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text;

		buf_init(&text, sizeof(headers) - 1);
		for (unsigned k = 0; k < 2; k++) {
			const char *line = k == 0 ? rows[i].first : rows[i].second;
			const char *hole = strstr(line, "%s");

			buf_add(&text, line, hole != NULL ? (size_t)(hole - line) : strlen(line));
			buf_add_cstr(&text, hole != NULL ? api_keys.all : "");
			buf_add_cstr(&text, "\r\n");
		}
		(void)str_copy(headers, sizeof(headers), buf_str(&text));
		buf_fini(&text);
		expect(&(struct ask){ .method = "GET",
		                      .path = "/api/v1/sessions",
		                      .headers = headers },
		       401);
	}
}

/* ---- lines of headers ---- */

static void nothing_that_is_sent_ends_a_line_of_the_answer(void **state)
{
	static const struct ask rows[] = {
		{ .method = "GET", .path = "/api/v1/sessions/x%0d%0aInjected:%20yes" },
		{ .method = "GET", .path = "/api/v1/sessions/x%0d%0aInjected:%20yes/events" },
		{ .method = "GET", .path = "/api/v1/sessions?page=x%0d%0aInjected:%20yes" },
		{ .method = "GET", .path = "/api/v1/schemas/agents/x%0aInjected:%20yes" },
		{ .method = "GET",
		  .path = "/api/v1/ws?ticket=x%0d%0aInjected:%20yes",
		  .headers = "Origin: http://x\r\n" },
		{ .method = "GET",
		  .path = "/api/v1/sessions",
		  .headers = "X-Request-Id: a%0d%0aInjected: yes\r\n"
		             "Origin: http://a%0d%0aInjected: yes\r\n" },
		{ .method = "GET",
		  .path = "/api/v1/sessions",
		  .headers = "X-Request-Id: a\x0bInjected: yes\r\n" },
		{ .method = "GET",
		  .path = "/api/v1/sessions",
		  .headers = "traceparent: 00-a\rInjected: yes-b-01\r\n" },
		{ .method = "POST",
		  .path = "/api/v1/projects",
		  .body = "{\"name\":\"x\\r\\nInjected: yes\"}" },
		{ .method = "PUT",
		  .path = "/api/v1/namespaces/x%0d%0aInjected:%20yes",
		  .body = "{\"agent\":{}}" },
		{ .method = "POST",
		  .path = "/api/v1/projects",
		  .headers = "Idempotency-Key: a\x01"
		             "b\r\n",
		  .body = "{\"name\":\"x\"}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ask what = rows[i];
		struct answer answer;
		bool echoes;

		what.key = api_keys.admin;
		answer = ask(&what);
		/* As the text of a field it may come back; as a line of its own never. */
		echoes = strstr(answer.reply.head, "\nInjected:") != NULL ||
		         strstr(answer.reply.head, "\rInjected:") != NULL;
		if (echoes || answer.status == 500) {
			fail_msg("%s: %d %s", what.path, answer.status, answer.reply.head);
		}
		answer_free(&answer);
	}
}

static int setup(void **state)
{
	int bad = api_world_setup(state);

	if (bad == 0) {
		make_token();
	}
	return bad;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_that_says_otherwise_is_refused),
		cmocka_unit_test(a_key_that_comes_with_the_token_is_none_of_ours),
		cmocka_unit_test(claims_that_were_changed_do_not_hold),
		cmocka_unit_test(signatures_of_other_forms_do_not_hold),
		cmocka_unit_test(only_the_text_itself_is_the_token),
		cmocka_unit_test(a_path_has_one_form),
		cmocka_unit_test(an_id_in_a_path_is_decoded_once),
		cmocka_unit_test(a_parameter_is_there_once_or_the_request_is_bad),
		cmocka_unit_test(a_key_in_an_address_is_never_taken),
		cmocka_unit_test(two_credentials_are_one_too_many),
		cmocka_unit_test(nothing_that_is_sent_ends_a_line_of_the_answer),
	};

	api_settings = settings;
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}
