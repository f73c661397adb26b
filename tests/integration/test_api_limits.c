/* Who asks too often, too much at once, or with keys that are none: two API nodes that count
 * together. */
#include <unistd.h>

#include "api_world.h"
#include "rate/rate_store.h"

enum { KEY_WRITES = 5, WRONG_TRIES = 3 };

static const char *const settings[] = {
	"FAIRLEAD_HTTP_TRUSTED_PROXIES=unix", "FAIRLEAD_RATE_KEY=write=5/1h",
	"FAIRLEAD_RATE_TENANT=write=1000/1h", "FAIRLEAD_RATE_ADDRESS=read=1000/1h auth=15/1h",
	"FAIRLEAD_HTTP_KEY_CONCURRENCY=2",    NULL,
};

static const struct ask listing = { .method = "GET", .path = "/api/v1/agents" };

static struct ask from(struct ask what, unsigned node, const char *key, const char *headers)
{
	what.node = node;
	what.key = key;
	what.headers = headers;
	return what;
}

static uint64_t field(const struct answer *answer, const char *name)
{
	const char *text = client_field(&answer->reply, name);
	uint64_t n = 0;

	if (text == NULL || !parse_u64(str_of(text), UINT64_MAX, &n)) {
		fail_msg("%s in %s", name, answer->reply.head);
	}
	return n;
}

static void a_key_has_its_limit_on_all_nodes_together(void **state)
{
	const struct ask writing = { .method = "POST", .path = "/api/v1/tasks", .body = "{}" };
	struct answer answer;
	struct ask what;

	(void)state;
	for (unsigned i = 0; i < KEY_WRITES; i++) {
		what = from(writing, i % API_NODES, api_keys.limited, NULL);
		answer = ask(&what);
		assert_int_equal(answer.status, 400);
		assert_int_equal(field(&answer, "RateLimit-Limit"), KEY_WRITES);
		assert_int_equal(field(&answer, "RateLimit-Remaining"), KEY_WRITES - 1 - i);
		assert_in_range(field(&answer, "RateLimit-Reset"), 1, 3600);
		answer_free(&answer);
	}
	for (unsigned node = 0; node < API_NODES; node++) {
		what = from(writing, node, api_keys.limited, NULL);
		answer = ask(&what);
		assert_int_equal(answer.status, 429);
		assert_string_equal(answer_text(&answer, "type"), "/errors/limit");
		assert_in_range(field(&answer, "Retry-After"), 1, 720);
		assert_int_equal(field(&answer, "RateLimit-Remaining"), 0);
		answer_free(&answer);
	}
	/* It may still read, also by a POST that changes nothing; and others have limits of their
	 * own. */
	what = from(listing, 0, api_keys.limited, NULL);
	expect(&what, 200);
	what = from(writing, 0, api_keys.limited, NULL);
	what.path = "/api/v1/schedules/preview";
	expect(&what, 400);
	what = from(writing, 0, api_keys.all, NULL);
	expect(&what, 400);
}

static void who_guesses_keys_is_slowed_down_by_address(void **state)
{
	const char *guesser = "X-Forwarded-For: 192.0.2.66\r\n";
	const char *other = "X-Forwarded-For: 192.0.2.67\r\n";
	struct ask what;

	(void)state;
	for (unsigned i = 0; i < WRONG_TRIES; i++) {
		what = from(listing, i % API_NODES, "fl_live_nonsense", guesser);
		expect(&what, 401);
	}
	/* The other node does not know it yet, and learns it from Redis with the next guess. */
	for (unsigned node = 0; node < API_NODES; node++) {
		what = from(listing, node, "fl_live_nonsense", guesser);
		expect(&what, 429);
		/* A good guess looks like any other. */
		what = from(listing, node, api_keys.foreign, guesser);
		expect(&what, 429);
	}
	what = from(listing, 0, api_keys.foreign, other);
	expect(&what, 200);
	what = from(listing, 0, api_keys.foreign, NULL);
	expect(&what, 200);
}

static void a_network_of_ipv6_is_one_address_and_no_credential_costs_less(void **state)
{
	struct ask what;

	(void)state;
	for (unsigned i = 0; i < 15; i++) {
		char header[64];

		(void)snprintf(header, sizeof(header), "X-Forwarded-For: 2001:db8:5::%x\r\n", i);
		what = from(listing, 0, NULL, header);
		expect(&what, 401);
	}
	what = from(listing, 1, NULL, "X-Forwarded-For: 2001:db8:5::ffff\r\n");
	expect(&what, 429);
	what = from(listing, 1, NULL, "X-Forwarded-For: 2001:db8:6::1\r\n");
	expect(&what, 401);
}

/* Two that wait for the table; as soon as both are under way a third is refused. */
static void ask_at_once(void)
{
	struct ask what = { .key = api_keys.foreign,
		            .method = "POST",
		            .path = "/api/v1/tasks",
		            .headers = "Idempotency-Key: one\r\n",
		            .body = TASK };
	struct client first = ask_begin(&what), second;
	struct answer answer;

	what.headers = "Idempotency-Key: two\r\n";
	second = ask_begin(&what);
	what = from(listing, 0, api_keys.foreign, NULL);
	do {
		answer = ask(&what);
		answer_free(&answer);
	} while (answer.status == 200);
	assert_int_equal(answer.status, 429);
	what.node = 1; /* it is a limit of each node */
	expect(&what, 200);
	client_close(&first);
	client_close(&second);
}

static void a_key_may_have_so_many_requests_under_way(void **state)
{
	struct ask what = from(listing, 0, api_keys.foreign, NULL);
	struct answer answer;

	(void)state;
	with_locked_tasks(ask_at_once);
	what.path = "/api/v1/sessions";
	/* Those that were cut short are counted no more. */
	do {
		what.node = 0;
		answer = ask(&what);
		answer_free(&answer);
	} while (answer.status == 429);
	assert_int_equal(answer.status, 200);
}

static void while_redis_is_silent_each_node_counts_for_itself(void **state)
{
	const char *guesser = "X-Forwarded-For: 192.0.2.99\r\n";
	struct ask what;

	(void)state;
	stop_redis();
	for (unsigned node = 0; node < API_NODES; node++) {
		for (unsigned i = 0; i < WRONG_TRIES; i++) {
			what = from(listing, node, "fl_live_nonsense", guesser);
			expect(&what, 401);
		}
		expect(&what, 429);
		what = from(listing, node, api_keys.reader, NULL);
		expect(&what, 200);
	}
	go_on_redis();
	await_ready(0);
	await_ready(1);
}

static void set_own(struct pg *pg)
{
	struct err err;

	assert_int_equal(rate_store_set(pg, "acme", RATE_USER, STR_LIT("read=0"), &err), ERR_OK);
	assert_int_equal(rate_store_set(pg, "acme", RATE_KEY, STR_LIT("write=7/1h"), &err), ERR_OK);
	assert_int_equal(rate_store_set(pg, "acme", RATE_KEY, STR_LIT("write=7"), &err),
	                 ERR_INVALID);
	assert_int_equal(rate_store_set(pg, "acme", RATE_ADDRESS, STR_LIT(""), &err), ERR_INVALID);
	assert_int_equal(rate_store_set(pg, "nobody", RATE_KEY, STR_LIT(""), &err), ERR_NOT_FOUND);
}

static void set_default(struct pg *pg)
{
	const struct str as_said = { NULL, 0 };
	struct err err;

	assert_int_equal(rate_store_set(pg, "acme", RATE_KEY, as_said, &err), ERR_OK);
}

/* Until node 0 speaks of that limit to this key. */
static void await_limit(const char *key, uint64_t limit)
{
	const struct ask what = {
		.key = key, .method = "POST", .path = "/api/v1/tasks", .body = "{}"
	};
	struct answer answer;
	uint64_t seen;

	do {
		answer = ask(&what);
		seen = field(&answer, "RateLimit-Limit");
		answer_free(&answer);
		(void)usleep(seen == limit ? 0 : 50000);
	} while (seen != limit);
}

static void a_tenant_has_limits_of_its_own_on_all_nodes_soon(void **state)
{
	(void)state;
	with_pg(set_own);
	await_limit(api_keys.all, 7);
	with_pg(set_default);
	await_limit(api_keys.all, KEY_WRITES);
}

static int setup(void **state)
{
	api_settings = settings;
	return api_world_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_has_its_limit_on_all_nodes_together),
		cmocka_unit_test(who_guesses_keys_is_slowed_down_by_address),
		cmocka_unit_test(a_network_of_ipv6_is_one_address_and_no_credential_costs_less),
		cmocka_unit_test(a_key_may_have_so_many_requests_under_way),
		cmocka_unit_test(while_redis_is_silent_each_node_counts_for_itself),
		cmocka_unit_test(a_tenant_has_limits_of_its_own_on_all_nodes_soon),
	};

	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}
