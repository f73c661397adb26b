/*
 * What it costs to append events: by the append script alone, beside redis-benchmark with the very
 * same script and words, and through the API.
 *
 *	bench_append [SECONDS]      seconds of each line; under with-redis and with-postgres
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/generation.h"
#include "pg/pg.h"
#include "pg/schema.h"
#include "redis/redis.h"
#include "tenant/tenant_store.h"
#include "tests/bench/append.h"

enum { SECONDS = 2, SECONDS_MAX = 60 };

static const unsigned batches[] = { 1, 16, 128 };

void append_die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_append: %s: %s\n", what, why);
	exit(1);
}

uint64_t append_cpu_us(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
		return 0;
	}
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* ---- the table ---- */

void append_print_head(const struct append_bench *bench)
{
	const char *aof = getenv("TEST_REDIS_AOF");

	(void)printf(
		"bench_append %u: Redis on a unix socket, appendonly %s; API on loopback TCP\n",
		bench->seconds, aof != NULL ? aof : "no");
	(void)printf(
		"rb: redis-benchmark -s %s -c 1 -P %d -n N -q EVALSHA with the key and argument "
		"words of log_append()\n\n",
		bench->socket, APPEND_IN_FLIGHT);
	(void)printf("%-36s %5s %9s %9s %6s | %s\n", "", "batch", "appends/s", "events/s", "x rb",
	             "CPU us per event");
	(void)printf("%-36s %5s %9s %9s %6s | %6s %6s %6s %6s\n", "", "", "", "", "", "client",
	             "api", "redis", "x rb");
}

static void print_cpu(const struct append_round *round, uint64_t us)
{
	if (us == 0) {
		(void)printf(" %6s", "-");
	} else {
		(void)printf(" %6.2f", (double)us / (double)round->events);
	}
}

void append_print(const struct append_bench *bench, const struct append_round *round)
{
	double seconds = (double)round->took_us / 1e6;
	double redis_us = (double)round->redis_us / (double)round->events;

	(void)printf("%-36s %5u %9.0f %9.0f %6.2f |", round->what, round->batch,
	             (double)round->appends / seconds, (double)round->events / seconds,
	             (double)round->events / seconds / bench->yardstick.rate);
	print_cpu(round, round->client_us);
	print_cpu(round, round->api_us);
	print_cpu(round, round->redis_us);
	(void)printf(" %6.2f\n", redis_us / bench->yardstick.redis_us);
	(void)fflush(stdout);
}

/* ---- the world ---- */

static void say(struct append_bench *bench, const char *line)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str rest = str_of(line);
	struct err err;

	while (rest.p != NULL) {
		redis_arg(cmd, str_split(&rest, ' '));
	}
	if (redis_call(bench->redis, cmd, &reply, &err) != ERR_OK) {
		append_die(line, err.msg);
	}
}

void append_prepare(struct append_bench *bench, unsigned sessions)
{
	struct log_open opening = { .tenant = APPEND_TENANT,
		                    .how = LOG_CREATE,
		                    .cause = "create",
		                    .token = "create",
		                    .to = SESSION_QUEUED };
	struct log_result result;
	struct err err;

	say(bench, "FLUSHALL SYNC");
	for (unsigned i = 0; i < sessions; i++) {
		bench->sessions[i] = opening.sid = id_new();
		if (log_open(&bench->store, &opening, &result, &err) != ERR_OK) {
			append_die("log_open", err.msg);
		}
	}
}

uint64_t append_tail(const struct append_bench *bench, const struct id *sid)
{
	struct log_head head;
	struct err err;

	if (log_head_get(&bench->store, sid, APPEND_TENANT, &head, &err) != ERR_OK) {
		append_die("log_head_get", err.msg);
	}
	return head.at.n;
}

static const char *required(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL) {
		append_die(name, "is not set: run it under with-redis and with-postgres");
	}
	return value;
}

static void connect_servers(struct append_bench *bench)
{
	static char url[256];
	struct redis_options redis = { url, APPEND_WAIT_MS, 100 };
	struct pg_options pg = { required("TEST_PG_URL"), 2, APPEND_WAIT_MS, APPEND_WAIT_MS };
	uint64_t pid = 0;
	struct err err;

	bench->socket = required("TEST_REDIS_SOCKET");
	if (!parse_u64(str_of(required("TEST_REDIS_PID")), INT32_MAX, &pid)) {
		append_die("TEST_REDIS_PID", "is not a number");
	}
	bench->redis_pid = (pid_t)pid;
	(void)snprintf(url, sizeof(url), "unix://%s", bench->socket);
	bench->redis = redis_new(fiber_loop(), &redis, &err);
	bench->pg = pg_new(fiber_loop(), &pg);
	bench->store =
		(struct log_store){ .redis = bench->redis, .unarchived_max = UINT64_C(1) << 40 };
	if (redis_wait_connected(bench->redis, APPEND_WAIT_MS, &err) != ERR_OK) {
		append_die("redis", err.msg);
	}
	/* A rewrite of the append-only file in the background would count as CPU of appends. */
	say(bench, "CONFIG SET auto-aof-rewrite-percentage 0");
}

static void provide(struct append_bench *bench)
{
	struct cred_pepper pepper = cred_pepper_from(str_of(APPEND_PEPPER));
	struct auth_key_new key = { .tenant = APPEND_TENANT,
		                    .name = "bench",
		                    .scopes = auth_bit(AUTH_EVENT_APPEND) };
	unsigned applied;
	struct err err;
	struct id id;

	if (pg_migrate(bench->pg, &pg_schema, &applied, &err) != ERR_OK ||
	    pg_generation(bench->pg, str_of(redis_run_id(bench->redis)), &bench->store.generation,
	                  &err) != ERR_OK ||
	    tenant_ensure(bench->pg, APPEND_TENANT, &err) != ERR_OK ||
	    auth_key_create(bench->pg, &key, &pepper, bench->key, &id, &err) != ERR_OK) {
		append_die("postgresql", err.msg);
	}
}

static void measure(void *arg)
{
	struct append_bench *bench = arg;

	connect_servers(bench);
	provide(bench);
	append_start_api(bench);
	append_print_head(bench);
	for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
		append_by_benchmark(bench, batches[i]);
		append_by_script(bench, batches[i], false);
		append_by_script(bench, batches[i], true);
		append_by_session(bench, batches[i]);
		append_by_many(bench, batches[i]);
	}
	append_stop_api(bench);
	redis_free(bench->redis);
	pg_free(bench->pg);
}

int main(int argc, char **argv)
{
	struct append_bench bench = { .seconds = SECONDS };
	uint64_t seconds = SECONDS;
	struct loop *loop;

	if (argc > 2 ||
	    (argc == 2 && (!parse_u64(str_of(argv[1]), SECONDS_MAX, &seconds) || seconds == 0))) {
		(void)fprintf(stderr, "usage: bench_append [SECONDS]\n");
		return 2;
	}
	bench.seconds = (unsigned)seconds;
	log_set_level(LOG_LEVEL_WARN);
	loop = loop_new();
	(void)fiber_start(loop, NULL, "bench", measure, &bench);
	loop_run(loop);
	loop_free(loop);
	return 0;
}
