/* Which hosts a sandbox lets through, and what its proxy understands. */
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"
#include "worker/egress_rule.h"

static void a_rule_names_a_host_or_the_subdomains_of_one(void **state)
{
	static const struct {
		const char *rules, *tenant, *host;
		unsigned port;
		bool fits;
	} rows[] = {
		{ "a.example", "t", "a.example", 443, true },
		{ "a.example", "t", "a.example", 80, true },
		{ "a.example", "t", "a.example", 22, false },
		{ "a.example:22", "t", "a.example", 22, true },
		{ "a.example:22", "t", "a.example", 443, false },
		{ "A.Example", "t", "a.example", 443, true },
		{ "a.example", "t", "xa.example", 443, false },
		{ "a.example", "t", "a.example.evil", 443, false },
		{ "*.example", "t", "a.example", 443, true },
		{ "*.example", "t", "b.a.example", 443, true },
		{ "*.example", "t", "example", 443, false },
		{ "*.example", "t", "evilexample", 443, false },
		{ "*", "t", "any", 443, true },
		{ "*", "t", "any", 8080, false },
		{ "", "t", "any", 443, false },
		{ "b, a.example ,c", "t", "a.example", 443, true },
		{ "t=a.example", "t", "a.example", 443, true },
		{ "t=a.example", "u", "a.example", 443, false },
		{ "[::1]:443", "t", "::1", 443, true },
		{ "a.example:0", "t", "a.example", 443, false },
		{ "a.example:x", "t", "a.example", 443, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_target target = { .port = rows[i].port };

		(void)str_copy(target.host, sizeof(target.host), str_of(rows[i].host));
		if (egress_rules_fit(rows[i].rules, str_of(rows[i].tenant), &target) !=
		    rows[i].fits) {
			fail_msg("%s: %s:%u", rows[i].rules, rows[i].host, rows[i].port);
		}
	}
}

/* wanted: "host port" and what the server is sent; NULL: refused. */
static void says(const char *head, const char *wanted)
{
	struct egress_request request;
	struct buf out;
	char got[1024];
	bool ok;

	buf_init(&out, 4096);
	ok = egress_parse(str_of(head), &request, &out);
	(void)snprintf(got, sizeof(got), "%s %u %s%s", request.target.host, request.target.port,
	               request.connects ? "connect" : "", out.len > 0 ? buf_cstr(&out) : "");
	if (ok != (wanted != NULL) || (ok && strcmp(got, wanted) != 0)) {
		fail_msg("%s\n got %d: %s", head, ok, got);
	}
	buf_fini(&out);
}

static void a_proxy_is_asked_to_connect_or_for_a_whole_address(void **state)
{
	(void)state;
	says("CONNECT a.example:443 HTTP/1.1\r\nHost: b\r\n\r\n", "a.example 443 connect");
	says("CONNECT A.EXAMPLE.:443 HTTP/1.1\r\n\r\n", "a.example 443 connect");
	says("CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "::1 443 connect");
	says("GET http://a.example HTTP/1.1\r\n\r\n",
	     "a.example 80 GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
	says("POST HTTP://a.example:8080/b?c HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive"
	     "\r\nProxy-Authorization: x\r\nProxy-Connection: y\r\nContent-Length: 3\r\n\r\n",
	     "a.example 8080 POST /b?c HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n"
	     "Connection: close\r\n\r\n");
	says("CONNECT a.example HTTP/1.1\r\n\r\n", NULL);
	says("CONNECT a.example:0 HTTP/1.1\r\n\r\n", NULL);
	says("CONNECT user@a.example:443 HTTP/1.1\r\n\r\n", NULL);
	says("CONNECT :443 HTTP/1.1\r\n\r\n", NULL);
	says("CONNECT a.example:443\r\n\r\n", NULL);
	says("GET / HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
	says("GET http:// HTTP/1.1\r\n\r\n", NULL);
	says("GET http://u:p@a.example/ HTTP/1.1\r\n\r\n", NULL);
	says("GET https://a.example/ HTTP/1.1\r\n\r\n", NULL);
	says("\r\n\r\n", NULL);
	says("", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_names_a_host_or_the_subdomains_of_one),
		cmocka_unit_test(a_proxy_is_asked_to_connect_or_for_a_whole_address),
	};

	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
