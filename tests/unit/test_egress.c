/* Which hosts a sandbox lets through, and what its proxy understands. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESOLVED_NAME "slow.test"
#include "tests/support/resolver.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/egress.h"
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

/* ---- names that nobody answers for ---- */

enum { ASKERS = 12, WAIT_MS = 20000 };

static void on_ended(void *arg, const struct egress_ended *connection)
{
	(void)arg;
	(void)connection;
}

static void open_egress(struct egress *egress, struct loop *loop, struct fiber_group *fibers)
{
	*egress = (struct egress){
		.loop = loop, .fibers = fibers, .rules = { "*", "", "" }, .ended = on_ended
	};
	egress_init(egress);
}

/* Our end of a connection that has asked for a host. */
static int ask_for(struct egress *egress, const char *host)
{
	char text[128];
	int ends[2], n;

	n = snprintf(text, sizeof(text), "CONNECT %s:443 HTTP/1.1\r\n\r\n", host);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
	                 0);
	assert_int_equal(write(ends[0], text, (size_t)n), n);
	egress_take(egress, ends[1]);
	return ends[0];
}

struct slow {
	unsigned asked;
	char answer[64];
	enum err_code heard, ended;
};

static void slow_body(struct loop *loop, void *arg)
{
	struct fiber_group theirs = { .count = 0 }, ours = { .count = 0 };
	struct egress slow, quick;
	struct slow *seen = arg;
	int asks[ASKERS], fd;

	open_egress(&slow, loop, &theirs);
	open_egress(&quick, loop, &ours);
	for (size_t i = 0; i < ASKERS; i++) {
		asks[i] = ask_for(&slow, RESOLVED_NAME);
	}
	while (atomic_load(&resolver.asked) < 8) {
		(void)fiber_sleep(1);
	}
	fd = ask_for(&quick, "127.0.0.1");
	seen->heard = fiber_wait_fd(fd, FIBER_READ, WAIT_MS);
	(void)!read(fd, seen->answer, sizeof(seen->answer) - 1);
	seen->asked = atomic_load(&resolver.asked);
	fiber_group_cancel(&theirs, ERR_CANCELLED);
	seen->ended = fiber_group_wait(&theirs, WAIT_MS);
	(void)!fiber_group_wait(&ours, WAIT_MS);
	for (size_t i = 0; i < ASKERS; i++) {
		(void)close(asks[i]);
		(void)sem_post(&resolver.gate);
	}
	(void)close(fd);
}

static void names_that_nobody_answers_for_hold_up_nobody_else(void **state)
{
	struct slow seen = { .asked = 0 };

	(void)state;
	assert_int_equal(sem_init(&resolver.gate, 0, 0), 0);
	resolve_to("");
	run_fiber(slow_body, &seen);
	assert_int_equal(seen.heard, ERR_OK);
	assert_true(str_starts(str_of(seen.answer), STR_LIT("HTTP/1.1 502 Bad Gateway\r\n")));
	assert_int_equal(seen.asked, 8); /* of one session */
	assert_int_equal(seen.ended, ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_names_a_host_or_the_subdomains_of_one),
		cmocka_unit_test(a_proxy_is_asked_to_connect_or_for_a_whole_address),
		cmocka_unit_test(names_that_nobody_answers_for_hold_up_nobody_else),
	};

	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
