/* sslmode=verify-full: a server is believed by its certificate only, and all works over TLS; and
 * the names of servers, which are what certificates are for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log/log.h"
#include "pg_world.h"

#define RESOLVED_NAME "localhost"
#include "tests/support/resolver.h"

SQL(test_over_tls, "SELECT CASE WHEN ssl THEN 1 ELSE 0 END FROM pg_stat_ssl "
                   "WHERE pid = pg_backend_pid()");
SQL(test_long, "SELECT repeat('x', 1000000) || $1");

enum { TEXT = 1024, TRIES = 100, ACQUIRE_MS = 100, LONG_MS = 30000, STATEMENT_MS = 5000 };

static void certify(const char *name)
{
	char command[TEXT];

	(void)snprintf(command, sizeof(command), "%s certify %s", getenv("TEST_PG_CTL"), name);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): paths of our own */
}

/* What was logged since the last time; why a connection failed is told there. */
static const char *logged(int fd)
{
	static char text[64 * 1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	(void)lseek(fd, 0, SEEK_SET);
	return text;
}

/* Await the outcome: the server reads its new certificate when it comes to it. */
static void expect(struct world *world, const char *ca, const char *trouble)
{
	int fd = memfd_create("log", 0);
	const struct log_options to = { .program = "test", .level = LOG_LEVEL_WARN, .fd = fd };
	char url[TEXT];
	bool met = false;

	assert_true(fd >= 0);
	log_setup(&to);
	(void)snprintf(url, sizeof(url), "%s?sslmode=verify-full&sslrootcert=%s/%s",
	               getenv("TEST_PG_URL"), getenv("TEST_TLS_DIR"), ca);
	for (int i = 0; i < TRIES && !met; i++) {
		const struct pg_options options = { .url = url,
			                            .pool_max = 1,
			                            .acquire_timeout_ms = ACQUIRE_MS,
			                            .statement_timeout_ms = STATEMENT_MS };
		struct pg *pg = pg_new(world->loop, &options);
		struct err err;
		enum err_code code = attempt(pg, "", &test_over_tls, NULL, &err);

		pg_free(pg);
		met = trouble == NULL ? code == ERR_OK : strstr(logged(fd), trouble) != NULL;
	}
	(void)close(fd);
	if (!met) {
		fail_msg("%s: not met: %s", ca, trouble != NULL ? trouble : "no error");
	}
}

static void verify_body(struct world *world)
{
	expect(world, "ca.pem", NULL);
	expect(world, "other-ca.pem", "certificate verify failed");
	certify("wrong");
	expect(world, "ca.pem", "does not match host name");
	certify("ended");
	expect(world, "ca.pem", "certificate verify failed");
	certify("unknown");
	expect(world, "ca.pem", "certificate verify failed");
	expect(world, "other-ca.pem", NULL);
	certify("next");
	expect(world, "ca.pem", NULL);
}

static void a_server_with_another_name_an_ended_or_an_unknown_certificate_is_refused(void **state)
{
	(void)state;
	world_run(verify_body);
}

static void long_body(struct world *world)
{
	static char text[3000000];
	const char *const params[] = { text, NULL };

	memset(text, 'y', sizeof(text) - 1);
	assert_int_equal(number(world->pg, "ta", &test_over_tls), 1);
	pg_rows_free(ask(world->pg, "ta", &test_long, params));
}

static void much_goes_both_ways(void **state)
{
	(void)state;
	assert_int_equal(setenv("TEST_PG_URL", getenv("TEST_PG_TLS_URL"), 1), 0);
	world_run(long_body);
}

/* ---- names ---- */

/* hosts: with a # for the server's port. */
static struct pg *open_hosts(struct world *world, const char *hosts, unsigned acquire_ms)
{
	const char *port = strrchr(getenv("TEST_PG_URL"), ':');
	struct pg_options options = { .pool_max = 4,
		                      .acquire_timeout_ms = acquire_ms,
		                      .statement_timeout_ms = STATEMENT_MS };
	char list[TEXT] = "", url[2 * TEXT];
	size_t n = 0;

	for (; *hosts != '\0'; hosts++) {
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%.*s",
		                      *hosts == '#' ? (int)strcspn(port + 1, "/") : 1,
		                      *hosts == '#' ? port + 1 : hosts);
	}
	(void)snprintf(
		url, sizeof(url),
		"postgresql://fairlead@%s/fairlead?sslmode=verify-full&sslrootcert=%s/ca.pem", list,
		getenv("TEST_TLS_DIR"));
	options.url = url;
	return pg_new(world->loop, &options);
}

static void unanswered(struct world *world)
{
	struct pg *pg;
	struct err err;

	assert_int_equal(sem_init(&resolver.gate, 0, 0), 0);
	resolve_to("127.0.0.1");
	pg = open_hosts(world, "localhost:1,127.0.0.1:#", LONG_MS); /* others are there */
	assert_int_equal(number(pg, "ta", &test_over_tls), 1);
	pg_free(pg);
	pg = open_hosts(world, "localhost:#,localhost:1", ACQUIRE_MS);
	assert_int_equal(attempt(pg, "ta", &test_over_tls, NULL, &err), ERR_UNAVAILABLE);
	while (atomic_load(&resolver.asked) < 2) {
		assert_int_equal(fiber_sleep(1), ERR_OK);
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(number(world->pg, "ta", &test_over_tls), 1);
		assert_int_equal(attempt(pg, "ta", &test_over_tls, NULL, &err), ERR_UNAVAILABLE);
	}
	assert_int_equal(atomic_load(&resolver.asked), 2); /* one question, however long */
	pg_free(pg);
	pg = open_hosts(world, "localhost:#", LONG_MS);
	(void)sem_post(&resolver.gate);
	assert_int_equal(number(pg, "ta", &test_over_tls), 1);
	pg_free(pg);
}

static void who_has_no_answer_from_the_resolver_does_not_keep_the_others(void **state)
{
	(void)state;
	world_run(unanswered);
}

static void moved(struct world *world)
{
	struct pg *pg;
	struct err err;

	assert_int_equal(sem_init(&resolver.gate, 0, 1), 0);
	resolve_to("");
	pg = open_hosts(world, "localhost:#", ACQUIRE_MS);
	assert_int_equal(attempt(pg, "ta", &test_over_tls, NULL, &err), ERR_UNAVAILABLE);
	resolve_to("127.0.0.2");
	assert_int_equal(attempt(pg, "ta", &test_over_tls, NULL, &err), ERR_UNAVAILABLE);
	resolve_to("127.0.0.1");
	while (attempt(pg, "ta", &test_over_tls, NULL, &err) != ERR_OK) {
	}
	pg_free(pg);
	resolve_to("127.0.0.2 127.0.0.3 127.0.0.1");
	pg = open_hosts(world, "localhost:#", LONG_MS);
	assert_int_equal(number(pg, "ta", &test_over_tls), 1);
	pg_free(pg);
}

static void a_name_is_looked_up_for_each_connection_and_each_of_its_addresses_tried(void **state)
{
	(void)state;
	world_run(moved);
}

static void certified(struct world *world)
{
	int fd = memfd_create("log", 0);
	const struct log_options to = { .program = "test", .level = LOG_LEVEL_WARN, .fd = fd };
	const char *told = "";
	struct pg *pg;
	struct err err;

	assert_int_equal(sem_init(&resolver.gate, 0, 1), 0);
	resolve_to("127.0.0.1");
	log_setup(&to);
	certify("wrong");
	while (strstr(told, "does not match host name") == NULL) {
		pg = open_hosts(world, "localhost:#", ACQUIRE_MS);
		(void)attempt(pg, "ta", &test_over_tls, NULL, &err);
		pg_free(pg);
		told = logged(fd);
	}
	assert_non_null(strstr(told, "localhost")); /* the name, though we have its address */
	(void)close(fd);
	certify("server");
}

static void a_certificate_is_for_the_name_that_was_looked_up(void **state)
{
	(void)state;
	world_run(certified);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_server_with_another_name_an_ended_or_an_unknown_certificate_is_refused),
		cmocka_unit_test(much_goes_both_ways),
		cmocka_unit_test(who_has_no_answer_from_the_resolver_does_not_keep_the_others),
		cmocka_unit_test(
			a_name_is_looked_up_for_each_connection_and_each_of_its_addresses_tried),
		cmocka_unit_test(a_certificate_is_for_the_name_that_was_looked_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
