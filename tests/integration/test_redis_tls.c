/* The driver over TLS: whom it believes, and who it is itself. That all else is the same is seen by
 * integration/redis_over_tls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/fiber.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "tests/support/test.h"

enum { TIMEOUT_MS = 10000, LOOK_MS = 20, TRIES = 500, TEXT = 1024 };

struct world {
	struct loop *loop;
	struct redis *plain; /* to set the server up */
	void (*body)(struct world *world);
};

static struct redis *open_redis(struct loop *loop, const char *url)
{
	struct redis_options options = { url, TIMEOUT_MS, 100 };
	struct err err;
	struct redis *redis = redis_new(loop, &options, &err);

	if (redis == NULL) {
		fail_msg("%s: %s", url, err.msg);
	}
	return redis;
}

static void world_main(void *arg)
{
	struct world *world = arg;
	struct err err;

	world->plain = open_redis(world->loop, getenv("TEST_REDIS_URL"));
	assert_int_equal(redis_wait_connected(world->plain, TIMEOUT_MS, &err), ERR_OK);
	world->body(world);
	redis_free(world->plain);
}

static void run(void (*body)(struct world *world))
{
	struct world world = { .loop = loop_new(), .body = body };

	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
}

/* The server's certificate from now on, and whether it asks clients for theirs. */
static void serve_as(struct world *world, const char *name, const char *clients)
{
	const char *dir = getenv("TEST_TLS_DIR");
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char certificate[TEXT], key[TEXT];
	struct err err;

	(void)snprintf(certificate, sizeof(certificate), "%s/%s.pem", dir, name);
	(void)snprintf(key, sizeof(key), "%s/%s.key", dir, name);
	redis_arg_cstr(cmd, "CONFIG");
	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, "tls-cert-file");
	redis_arg_cstr(cmd, certificate);
	redis_arg_cstr(cmd, "tls-key-file");
	redis_arg_cstr(cmd, key);
	redis_arg_cstr(cmd, "tls-auth-clients");
	redis_arg_cstr(cmd, clients);
	assert_int_equal(redis_call(world->plain, cmd, &reply, &err), ERR_OK);
}

/* "rediss://host:port/0?" and parameters, each %s of which is the directory of certificates. */
static void make_url(char out[TEXT], const char *host, const char *parameters)
{
	const char *dir = getenv("TEST_TLS_DIR"), *at = strrchr(getenv("TEST_REDIS_TLS_URL"), ':');
	size_t n = (size_t)snprintf(out, TEXT, "rediss://%s%.*s?", host, (int)strcspn(at, "?"), at);

	for (; *parameters != '\0'; parameters++) {
		n += (size_t)snprintf(out + n, TEXT - n, "%.*s", *parameters == '@' ? 200 : 1,
		                      *parameters == '@' ? dir : parameters);
	}
}

static void expect(struct world *world, const char *host, const char *parameters,
                   const char *trouble)
{
	struct redis *redis;
	char url[TEXT];
	struct err err = { .msg = "" };

	make_url(url, host, parameters);
	redis = open_redis(world->loop, url);
	if (trouble == NULL) {
		if (redis_wait_connected(redis, TIMEOUT_MS, &err) != ERR_OK) {
			fail_msg("%s: %s", url, err.msg);
		}
		redis_free(redis);
		return;
	}
	for (int i = 0; strstr(err.msg, trouble) == NULL; i++) {
		if (i == TRIES) {
			fail_msg("%s: expected %s, got %s", url, trouble, err.msg);
		}
		assert_int_not_equal(redis_wait_connected(redis, LOOK_MS, &err), ERR_OK);
	}
	redis_free(redis);
}

static void believe(struct world *world)
{
	static const char ours[] = "ca=@/ca.pem";

	expect(world, "localhost", ours, NULL);
	expect(world, "127.0.0.1", ours, NULL);
	expect(world, "127.0.0.1", "ca=@/ca.pem&name=elsewhere.example", "ostname mismatch");
	expect(world, "localhost", "ca=@/other-ca.pem", "TLS: self");
	serve_as(world, "wrong", "no");
	expect(world, "localhost", ours, "ostname mismatch");
	expect(world, "127.0.0.1", ours, "IP address mismatch");
	expect(world, "127.0.0.1", "ca=@/ca.pem&name=elsewhere.example", NULL);
	serve_as(world, "ended", "no");
	expect(world, "localhost", ours, "certificate has expired");
	serve_as(world, "unknown", "no");
	expect(world, "localhost", ours, "unable to get local issuer");
	serve_as(world, "server", "no");
}

static void a_server_is_believed_by_its_certificate_only(void **state)
{
	(void)state;
	run(believe);
}

static void show(struct world *world)
{
	serve_as(world, "server", "yes");
	expect(world, "localhost", "ca=@/ca.pem&certificate=@/next.pem&key=@/next.key", NULL);
	expect(world, "localhost", "ca=@/ca.pem", "redis: ");
	expect(world, "localhost", "ca=@/ca.pem&certificate=@/unknown.pem&key=@/unknown.key",
	       "redis: ");
	serve_as(world, "server", "no");
}

static void a_server_that_asks_for_a_certificate_gets_ours(void **state)
{
	(void)state;
	run(show);
}

static void files_that_are_not_there_are_named(void **state)
{
	static const char *const wrong[] = { "ca=@/nothing.pem",
		                             "certificate=@/server.pem&key=@/next.key" };
	struct loop *loop = loop_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char url[TEXT];
		struct err err;

		make_url(url, "localhost", wrong[i]);
		assert_null(redis_new(loop, &(struct redis_options){ url, 100, 100 }, &err));
		assert_non_null(strstr(err.msg, i == 0 ? "nothing.pem" : "next.key"));
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_believed_by_its_certificate_only),
		cmocka_unit_test(a_server_that_asks_for_a_certificate_gets_ours),
		cmocka_unit_test(files_that_are_not_there_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
