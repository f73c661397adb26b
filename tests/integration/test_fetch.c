/* The outbound driver against a real server, over TLS and plain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fetch/fetch.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "tests/support/test.h"

enum { TIMEOUT_MS = 10000, SHORT_MS = 150, BODY_MAX = 256 * 1024, MANY = 40, URL_SIZE = 256 };

struct world {
	struct loop *loop;
	struct fetch *fetch;
	struct fiber_group group;
	void (*body)(struct world *world);
	unsigned good;
};

static void world_main(void *arg)
{
	struct world *world = arg;

	world->fetch = fetch_new(world->loop,
	                         &(struct fetch_options){ .ca_file = getenv("TEST_HTTPS_CA") });
	world->body(world);
	fetch_free(world->fetch);
	loop_stop(world->loop);
}

static void run(void (*body)(struct world *world))
{
	struct world world = { .loop = loop_new(), .body = body };

	assert_non_null(world.loop);
	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
}

static const char *url_of(const char *base, const char *path, char out[URL_SIZE])
{
	(void)snprintf(out, URL_SIZE, "%s%s", getenv(base), path);
	return out;
}

/* What becomes of a GET; *ret is to be given back. */
static enum err_code get(struct world *world, const char *url, unsigned flags,
                         struct fetch_response *ret, struct err *err)
{
	const struct fetch_request request = { .method = "GET",
		                               .url = url,
		                               .timeout_ms = TIMEOUT_MS,
		                               .response_max = BODY_MAX,
		                               .flags = flags };

	return fetch(world->fetch, &request, ret, err);
}

static enum err_code outcome(struct world *world, const char *url, unsigned flags)
{
	struct fetch_response response;
	struct err err;
	enum err_code code = get(world, url, flags, &response, &err);

	fetch_response_fini(&response);
	return code;
}

static void put(const char *name, const char *text)
{
	char path[URL_SIZE];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", getenv("TEST_HTTPS_DIR"), name);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs(text, file);
	(void)fclose(file);
}

static void answer_body(struct world *world)
{
	struct fetch_response response;
	char url[URL_SIZE];
	struct err err;

	put("hello", "hello");
	put("hello.headers", "X-One:  first \nX-One: second");
	assert_int_equal(get(world, url_of("TEST_HTTPS_URL", "/hello", url), 0, &response, &err),
	                 ERR_OK);
	assert_int_equal(response.status, 200);
	assert_true(str_eq(buf_str(&response.body), STR_LIT("hello")));
	assert_true(str_eq(fetch_header(&response, "x-one"), STR_LIT("first")));
	assert_true(str_eq(fetch_header(&response, "X-None"), STR_LIT("")));
	fetch_response_fini(&response);
	assert_int_equal(
		get(world, url_of("TEST_HTTPS_URL", "/status/503", url), 0, &response, &err),
		ERR_OK);
	assert_int_equal(response.status, 503);
	fetch_response_fini(&response);
	assert_int_equal(get(world, url_of("TEST_HTTPS_URL", "/interim", url), 0, &response, &err),
	                 ERR_OK);
	assert_true(str_eq(fetch_header(&response, "X-Late"), STR_LIT("yes")));
	assert_true(str_eq(fetch_header(&response, "Link"), STR_LIT("")));
	fetch_response_fini(&response);
}

static void any_answer_is_an_answer(void **state)
{
	(void)state;
	run(answer_body);
}

static void post_body(struct world *world)
{
	char url[URL_SIZE];
	const struct fetch_request request = { .method = "POST",
		                               .url = url_of("TEST_HTTPS_URL", "/echo", url),
		                               .headers = { "Content-Type: application/json",
		                                            "X-Mine: yes" },
		                               .body = STR_LIT("{\"a\":1}"),
		                               .timeout_ms = TIMEOUT_MS,
		                               .response_max = BODY_MAX };
	struct fetch_response response;
	struct err err;
	const char *got;

	assert_int_equal(fetch(world->fetch, &request, &response, &err), ERR_OK);
	got = buf_cstr(&response.body);
	assert_non_null(strstr(got, "POST /echo\n"));
	assert_non_null(strstr(got, "Content-Type: application/json"));
	assert_non_null(strstr(got, "X-Mine: yes"));
	assert_null(strstr(got, "Expect"));
	assert_null(strstr(got, "Authorization"));
	assert_non_null(strstr(got, "{\"a\":1}"));
	fetch_response_fini(&response);
}

static void a_body_and_headers_go_out_as_they_were_given(void **state)
{
	(void)state;
	run(post_body);
}

static void address_body(struct world *world)
{
	char url[URL_SIZE], name[URL_SIZE];

	put("hello", "hello");
	(void)url_of("TEST_HTTP_URL", "/hello", url);
	assert_int_equal(outcome(world, url, 0), ERR_INVALID);
	assert_int_equal(outcome(world, url, FETCH_PLAIN_LOOPBACK), ERR_OK);
	assert_int_equal(outcome(world, url, FETCH_PLAIN), ERR_OK);
	/* The connection is open now, and still not for this one. */
	assert_int_equal(outcome(world, url, FETCH_PLAIN | FETCH_PUBLIC), ERR_FORBIDDEN);
	(void)url_of("TEST_HTTPS_URL", "/hello", url);
	assert_int_equal(outcome(world, url, FETCH_PUBLIC), ERR_FORBIDDEN);
	assert_int_equal(outcome(world, url, 0), ERR_OK);
	assert_int_equal(outcome(world, url, FETCH_PUBLIC), ERR_FORBIDDEN);
	(void)snprintf(name, sizeof(name), "https://localhost%s", strrchr(url, ':'));
	assert_int_equal(outcome(world, name, 0), ERR_OK);
	assert_int_equal(outcome(world, name, FETCH_PUBLIC), ERR_FORBIDDEN);
	assert_int_equal(outcome(world, "http://10.255.255.1/", FETCH_PLAIN_LOOPBACK),
	                 ERR_FORBIDDEN);
	assert_int_equal(outcome(world, "http://169.254.169.254/", FETCH_PLAIN | FETCH_PUBLIC),
	                 ERR_FORBIDDEN);
	assert_int_equal(outcome(world, "http://[::ffff:127.0.0.1]:1/", FETCH_PLAIN | FETCH_PUBLIC),
	                 ERR_FORBIDDEN);
	assert_int_equal(outcome(world, "http://2130706433:1/", FETCH_PLAIN | FETCH_PUBLIC),
	                 ERR_FORBIDDEN);
	assert_int_equal(outcome(world, "file:///etc/passwd", FETCH_PLAIN), ERR_INVALID);
	assert_int_equal(outcome(world, "gopher://127.0.0.1/", FETCH_PLAIN), ERR_INVALID);
	assert_int_equal(outcome(world, "https://a:b@127.0.0.1/", 0), ERR_INVALID);
	assert_int_equal(outcome(world, "https://", 0), ERR_INVALID);
	assert_int_equal(outcome(world, "", 0), ERR_INVALID);
}

static void it_goes_only_where_it_may(void **state)
{
	(void)state;
	run(address_body);
}

static void redirect_body(struct world *world)
{
	struct fetch_response response;
	char url[URL_SIZE];
	struct err err;

	assert_int_equal(get(world, url_of("TEST_HTTPS_URL", "/redirect", url), 0, &response, &err),
	                 ERR_OK);
	assert_int_equal(response.status, 302);
	fetch_response_fini(&response);
}

static void redirects_are_not_followed(void **state)
{
	(void)state;
	run(redirect_body);
}

static void bad_body(struct world *world)
{
	struct fetch *trusting = fetch_new(world->loop, &(struct fetch_options){ .ca_file = NULL });
	struct fetch *ours = world->fetch;
	char url[URL_SIZE];

	assert_int_equal(outcome(world, url_of("TEST_HTTPS_URL", "/endless", url), 0),
	                 ERR_TOO_LARGE);
	assert_int_equal(outcome(world, url_of("TEST_HTTPS_URL", "/cut", url), 0), ERR_UNAVAILABLE);
	assert_int_equal(outcome(world, "https://127.0.0.1:1/", 0), ERR_UNAVAILABLE);
	/* Plain where TLS should be, and a certificate that nobody known has signed. */
	(void)snprintf(url, sizeof(url), "https%s/hello", getenv("TEST_HTTP_URL") + 4);
	assert_int_equal(outcome(world, url, 0), ERR_BACKEND);
	world->fetch = trusting;
	assert_int_equal(outcome(world, url_of("TEST_HTTPS_URL", "/hello", url), 0), ERR_BACKEND);
	world->fetch = ours;
	fetch_free(trusting);
}

static void what_is_no_answer_says_why(void **state)
{
	(void)state;
	run(bad_body);
}

static void late_body(struct world *world)
{
	char url[URL_SIZE];
	struct fetch_request request = { .method = "GET",
		                         .url = url_of("TEST_HTTPS_URL", "/slow", url),
		                         .timeout_ms = SHORT_MS,
		                         .response_max = BODY_MAX };
	struct fetch_response response;
	struct err err;

	assert_int_equal(fetch(world->fetch, &request, &response, &err), ERR_TIMEOUT);
	fetch_response_fini(&response);
	request.timeout_ms = TIMEOUT_MS;
	fiber_set_deadline(clock_mono_ms() + SHORT_MS);
	assert_int_equal(fetch(world->fetch, &request, &response, &err), ERR_TIMEOUT);
	fiber_set_deadline(0);
	fetch_response_fini(&response);
}

static void a_late_answer_is_not_waited_for(void **state)
{
	(void)state;
	run(late_body);
}

static void wait_long(void *arg)
{
	struct world *world = arg;
	char url[URL_SIZE];

	world->good += outcome(world, url_of("TEST_HTTPS_URL", "/slow", url), 0) == ERR_CANCELLED;
}

static void cancel_body(struct world *world)
{
	for (unsigned i = 0; i < 4; i++) {
		(void)fiber_start(world->loop, &world->group, "one", wait_long, world);
	}
	assert_int_equal(fiber_sleep(SHORT_MS), ERR_OK);
	fiber_group_cancel(&world->group, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, TIMEOUT_MS), ERR_OK);
	assert_int_equal(world->good, 4);
}

static void a_cancelled_fiber_leaves_at_once(void **state)
{
	(void)state;
	run(cancel_body);
}

static void ask_once(void *arg)
{
	struct world *world = arg;
	char url[URL_SIZE];

	world->good += outcome(world, url_of("TEST_HTTPS_URL", "/hello", url), 0) == ERR_OK;
}

static void many_body(struct world *world)
{
	put("hello", "hello");
	for (unsigned i = 0; i < MANY; i++) {
		(void)fiber_start(world->loop, &world->group, "one", ask_once, world);
	}
	assert_int_equal(fiber_group_wait(&world->group, TIMEOUT_MS), ERR_OK);
	assert_int_equal(world->good, MANY);
}

static void many_ask_at_the_same_time(void **state)
{
	(void)state;
	run(many_body);
}

/* The port of who asked last. */
static long last_port(void)
{
	char path[URL_SIZE], line[URL_SIZE];
	long port = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/asked", getenv("TEST_HTTPS_DIR"));
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		port = strtol(strrchr(line, ' '), NULL, 10);
	}
	(void)fclose(file);
	return port;
}

static void reuse_body(struct world *world)
{
	char url[URL_SIZE];
	long port;

	put("hello", "hello");
	(void)url_of("TEST_HTTPS_URL", "/hello", url);
	assert_int_equal(outcome(world, url, 0), ERR_OK);
	port = last_port();
	assert_int_equal(outcome(world, url, 0), ERR_OK);
	assert_int_equal(last_port(), port);
}

static void connections_are_used_again(void **state)
{
	(void)state;
	run(reuse_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_answer_is_an_answer),
		cmocka_unit_test(a_body_and_headers_go_out_as_they_were_given),
		cmocka_unit_test(it_goes_only_where_it_may),
		cmocka_unit_test(redirects_are_not_followed),
		cmocka_unit_test(what_is_no_answer_says_why),
		cmocka_unit_test(a_late_answer_is_not_waited_for),
		cmocka_unit_test(a_cancelled_fiber_leaves_at_once),
		cmocka_unit_test(many_ask_at_the_same_time),
		cmocka_unit_test(connections_are_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
